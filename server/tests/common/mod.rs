//! A node on a real disk whose shards one thread drives, asked through its front desk; and a disk that can fail.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forebay_broker::{Broker, ClientInfo, ConnectionId, Delivered, DiskGuard, FrontDesk, Outbox};
use forebay_env::{DirEntry, Disk, DiskSpace, Env, File, Lock, OpenMode};
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord};
use forebay_model::admin::{CreateTopics, NewTopic};
use forebay_model::publish::{Confirm, PayloadKind, Publish, PublishItem, Published};
use forebay_model::{
    FlushClass, NodeId, PartitionRef, Reply, Request, ShardId, Timestamp, TimestampType, TopicDefaults,
    TopicName, TopicRef, TopicSettings,
};
use forebay_server::node::{Driver, Node, NodeConfig};
use forebay_shard::{Board, NextTurn, Wake};

/// Nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A small node: one sync and one async shard.
pub fn config(dir: &Path) -> NodeConfig {
    NodeConfig {
        dir: dir.to_owned(),
        node: NodeId(1),
        nodes: [NodeId(1)].into(),
        replicas: Default::default(),
        cluster: None,
        shards_sync: 1,
        shards_async: 1,
        temporary_shard: false,
        insist_on_shards: forebay_server::identity::Insist::Yes,
        advertised: BTreeMap::new(),
        defaults: TopicDefaults {
            retention_ms: None,
            retention_bytes: None,
            message_bytes_max: 16 << 20,
            timestamp_type: TimestampType::Create,
            flush: FlushClass::Sync,
            cleanup: Default::default(),
            intake: Default::default(),
            partitions: 1,
        },
        auto_create: true,
        authorization: Default::default(),
        hot_bytes_max: 4 << 20,
        tail_bytes_max: 4 << 20,
        block_bytes_max: 1 << 20,
        summary_bytes_max: 1 << 20,
        segment_bytes_first: 256 << 10,
        segment_bytes_max: 1 << 20,
        journal_file_bytes: 1 << 20,
        flush_here_max: Duration::from_millis(1),
        clock_step_max: Duration::from_secs(300),
        retention_interval: Duration::from_secs(30),
        groups: Default::default(),
        machine: Default::default(),
        scrub_bytes_per_second: 1 << 20,
    }
}

/// Wakes nobody: the driver below only sleeps for a moment.
struct Poll;

impl Driver for Poll {
    fn wake(&self, _: ShardId) -> Wake {
        Box::new(|| {})
    }
    fn noticed(&self, _: ShardId, _: Arc<Board>) -> Box<dyn Fn() + Send> {
        Box::new(|| {})
    }
}

#[derive(Default)]
struct Inbox {
    replies: Mutex<BTreeMap<u64, Reply>>,
    arrived: Condvar,
}

impl Outbox for Inbox {
    fn deliver(&self, batch: Vec<Delivered>) {
        self.replies.lock().unwrap().extend(batch.into_iter().map(|d| (d.token, d.reply)));
        self.arrived.notify_all();
    }
}

/// A node at work.
pub struct Running {
    pub desk: Broker,
    inbox: Arc<Inbox>,
    next: AtomicU64,
    stop: Arc<AtomicBool>,
    driver: Option<JoinHandle<()>>,
}

impl Running {
    /// Opens a node, shows it to `look`, and drives it.
    pub fn open<T>(env: &Env, config: &NodeConfig, look: impl FnOnce(&Node) -> T) -> (Running, T) {
        Running::open_woken(env, config, &Poll, look)
    }

    /// The same with somebody who hears when shards are woken.
    pub fn open_woken<T>(
        env: &Env,
        config: &NodeConfig,
        woken: &dyn Driver,
        look: impl FnOnce(&Node) -> T,
    ) -> (Running, T) {
        let node = Node::open(env, config, woken, Arc::new(DiskGuard::default())).unwrap();
        let seen = look(&node);
        let desk = node.broker.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let driver = std::thread::spawn(move || drive(node, &stopping));
        let inbox = Arc::new(Inbox::default());
        let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
        let client = ClientInfo { protocol: "test", peer: address, local: address };
        desk.open(ConnectionId(1), inbox.clone(), client);
        let running = Running { desk, inbox, next: AtomicU64::new(1), stop, driver: Some(driver) };
        (running, seen)
    }

    pub fn ask(&self, request: Request) -> Reply {
        self.ask_over(1, request)
    }

    /// One more connection; the first has the number 1.
    #[allow(dead_code, reason = "most tests need one")]
    pub fn connect(&self, number: u64) {
        let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
        let client = ClientInfo { protocol: "test", peer: address, local: address };
        self.desk.open(ConnectionId(number), self.inbox.clone(), client);
    }

    /// The end of one of them.
    #[allow(dead_code, reason = "most tests need one")]
    pub fn disconnect(&self, number: u64) {
        self.desk.close(ConnectionId(number));
    }

    /// Asks over one of them.
    pub fn ask_over(&self, connection: u64, request: Request) -> Reply {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        self.desk.call(ConnectionId(connection), token, request);
        let until = Instant::now() + PATIENCE;
        let mut replies = self.inbox.replies.lock().unwrap();
        loop {
            if let Some(reply) = replies.remove(&token) {
                return reply;
            }
            assert!(Instant::now() < until, "no reply");
            replies = self.inbox.arrived.wait_timeout(replies, Duration::from_secs(1)).unwrap().0;
        }
    }

    /// Creates a topic once its shard leads.
    pub fn create(&self, name: &str, partitions: u32) {
        let topic = NewTopic {
            name: name.into(),
            partitions: Some(partitions),
            replicas: None,
            assignment: Vec::new(),
            settings: Ok(TopicSettings::default()),
        };
        let created = wait_for("a topic", || {
            let create = CreateTopics { topics: vec![topic.clone()], dry_run: false, timeout_ms: 5000 };
            let Reply::CreateTopics(created) = self.ask(Request::CreateTopics(create)) else { panic!() };
            created[0].topic.clone().ok()
        });
        assert_eq!(created.partitions.len(), partitions as usize);
    }

    /// Publishes one batch of records of ten bytes.
    pub fn publish(&self, topic: &str, number: u32, records: usize) -> Published {
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        for _ in 0..records {
            let value = Some(bytes::Bytes::from_static(b"ten bytes."));
            let timestamp = Timestamp(1_700_000_000_000);
            builder.push(&NewRecord { timestamp, key: None, value, headers: Vec::new() }).unwrap();
        }
        let item = PublishItem {
            partition: partition(topic, number),
            kind: PayloadKind::RecordBatch,
            payload: builder.build().unwrap(),
            import: None,
        };
        let publish =
            Publish { items: vec![item], confirm: Confirm::Quorum, transaction: None, timeout_ms: 10_000 };
        let Reply::Publish(mut published) = self.ask(Request::Publish(publish)) else { panic!() };
        published.remove(0)
    }

    /// Stops in good order.
    pub fn close(mut self) {
        self.stop.store(true, Ordering::Release);
        self.driver.take().unwrap().join().unwrap();
    }
}

fn drive(mut node: Node, stop: &AtomicBool) {
    let mut closing = false;
    loop {
        if stop.load(Ordering::Acquire) && !closing {
            closing = true;
            node.shards.iter_mut().for_each(|shard| shard.shard.close());
        }
        let turns: Vec<_> = node.shards.iter_mut().map(|shard| shard.shard.turn()).collect();
        if turns.iter().all(|turn| *turn == NextTurn::Never) {
            return;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn partition(topic: &str, number: u32) -> PartitionRef {
    PartitionRef { topic: TopicRef::Name(TopicName::parse(topic).unwrap()), number }
}

/// Asks again and again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The real world, whose disk refuses to flush once `broken` is set.
pub fn failing_world(broken: &Arc<AtomicBool>) -> Env {
    let env = forebay_env::real::env();
    let disk = FailingDisk { disk: Arc::clone(&env.disk), broken: Arc::clone(broken) };
    Env { disk: Arc::new(disk), ..env }
}

struct FailingDisk {
    disk: Arc<dyn Disk>,
    broken: Arc<AtomicBool>,
}

struct FailingFile {
    file: Arc<dyn File>,
    broken: Arc<AtomicBool>,
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(FailingFile { file, broken: Arc::clone(&self.broken) }))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.disk.space(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }
}

impl File for FailingFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }
    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.file.write_at(parts, position)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Acquire) {
            return Err(io::Error::other("the medium is gone"));
        }
        self.file.sync_data()
    }
}
