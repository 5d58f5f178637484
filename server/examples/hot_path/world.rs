//! A node and its clients in one thread: nothing happens unless it is told to.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_broker::{ClientInfo, ConnectionId, Delivered, DiskGuard, FrontDesk, Outbox};
use forebay_env::{Clock, Env, IoClass, Job, Monotonic, Random, Spawn, WallMs};
use forebay_kit::{
    Bytes, ConnectionInfo, Input, Instant, Output, Protocol, Session, SessionMemory, Token, Unmetered,
};
use forebay_model::admin::{CreateTopics, NewTopic};
use forebay_model::{
    FlushClass, NodeId, Reply, Request, ShardId, TimestampType, TopicDefaults, TopicSettings,
};
use forebay_server::node::{Driver, Node, NodeConfig};
use forebay_shard::{Board, Wake};

/// The wall clock's time at the start, in milliseconds.
pub const BEGAN_MS: i64 = 1_700_000_000_000;
/// How far time moves from one turn to the next.
const STEP: Duration = Duration::from_micros(50);
/// More turns than anything here takes.
const TURNS_MAX: usize = 100_000;
/// Topics that are made at once.
const CREATED_AT_ONCE: usize = 100;

/// Time that moves by steps.
#[derive(Default)]
struct Steps(AtomicU64);

impl Clock for Steps {
    fn monotonic(&self) -> Monotonic {
        Monotonic(1_000_000_000 + self.0.load(Relaxed))
    }

    fn wall(&self) -> WallMs {
        WallMs(BEGAN_MS + (self.0.load(Relaxed) / 1_000_000) as i64)
    }
}

/// The same numbers in every run.
struct Counted(AtomicU64);

impl Random for Counted {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed)
    }
}

/// Jobs that wait for their turn.
#[derive(Default)]
struct Jobs(Mutex<Vec<Job>>);

impl Spawn for Jobs {
    fn spawn(&self, _: IoClass, job: Job) {
        self.0.lock().expect("no job panics").push(job);
    }
}

#[derive(Default)]
struct Inbox(Mutex<Vec<Delivered>>);

impl Outbox for Inbox {
    fn deliver(&self, batch: Vec<Delivered>) {
        self.0.lock().expect("nobody panics with it").extend(batch);
    }
}

/// Nobody needs to be woken: the turns are taken anyway.
struct ByHand;

impl Driver for ByHand {
    fn wake(&self, _: ShardId) -> Wake {
        Box::new(|| {})
    }

    fn noticed(&self, _: ShardId, _: Arc<Board>) -> Box<dyn Fn() + Send> {
        Box::new(|| {})
    }
}

/// A node with its clients.
pub struct World {
    clock: Arc<Steps>,
    jobs: Arc<Jobs>,
    inbox: Arc<Inbox>,
    node: Node,
    sessions: Vec<Box<dyn Session>>,
    /// Requests that have no reply yet.
    open: usize,
    /// Bytes of the replies of this round.
    reply_bytes: usize,
}

/// The connection that makes topics; those of clients count from 0.
const OPERATOR: ConnectionId = ConnectionId(u64::MAX);

impl World {
    /// A new node in `dir` with so many connections.
    pub fn open(dir: &Path, clients: usize) -> Result<World, Box<dyn Error>> {
        let (clock, jobs, inbox) = (Arc::<Steps>::default(), Arc::<Jobs>::default(), Arc::<Inbox>::default());
        let env = Env {
            clock: clock.clone(),
            random: Arc::new(Counted(AtomicU64::new(7))),
            spawn: jobs.clone(),
            ..forebay_env::real::env()
        };
        let node = Node::open(&env, &config(dir), &ByHand, Arc::new(DiskGuard::default()))?;
        let address: SocketAddr = "127.0.0.1:9092".parse()?;
        let connect = |id| {
            let client = ClientInfo { protocol: "kafka", peer: address, local: address };
            node.broker.open(id, inbox.clone(), client);
        };
        connect(OPERATOR);
        let memory = SessionMemory::new(1 << 30);
        let session = |number: usize| {
            connect(ConnectionId(number as u64));
            forebay_kafka::Kafka.open(ConnectionInfo {
                peer: address,
                frame_bytes_max: 64 << 20,
                requests_open_max: 16,
                memory: Arc::clone(&memory),
                meter: Arc::new(Unmetered),
                login: None,
                is_encrypted: false,
            })
        };
        let sessions = (0..clients).map(session).collect();
        Ok(World { clock, jobs, inbox, node, sessions, open: 0, reply_bytes: 0 })
    }

    /// Makes topics of one partition each, once the shard leads.
    pub fn create(&mut self, names: &[String]) -> Result<(), Box<dyn Error>> {
        for _ in 0..TURNS_MAX {
            self.turn();
            if self.node.shards.iter().all(|shard| shard.board.status().leads) {
                return names.chunks(CREATED_AT_ONCE).try_for_each(|names| self.create_some(names));
            }
        }
        Err("it never led".into())
    }

    fn create_some(&mut self, names: &[String]) -> Result<(), Box<dyn Error>> {
        let topic = |name: &String| NewTopic {
            name: name.clone(),
            partitions: Some(1),
            replicas: None,
            assignment: Vec::new(),
            settings: Ok(TopicSettings::default()),
        };
        let topics = names.iter().map(topic).collect();
        let create = CreateTopics { topics, dry_run: false, timeout_ms: 30_000 };
        self.node.broker.call(OPERATOR, 1, Request::CreateTopics(create));
        for _ in 0..TURNS_MAX {
            self.turn();
            if let Some(delivered) = self.inbox.0.lock().expect("nobody panics with it").pop() {
                return match delivered.reply {
                    Reply::CreateTopics(made) if made.iter().all(|made| made.topic.is_ok()) => Ok(()),
                    other => Err(format!("topics were not made: {other:?}").into()),
                };
            }
        }
        Err("topics take for ever".into())
    }

    /// A client sends a request.
    pub fn send(&mut self, client: usize, request: Bytes) {
        self.open += 1;
        self.reply_bytes = 0;
        self.give(client, Input::Bytes(request));
    }

    /// Turns until every request has its reply.
    pub fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let delivered = std::mem::take(&mut *self.inbox.0.lock().expect("nobody panics with it"));
            for Delivered { connection, token, reply } in delivered {
                assert_well(&reply);
                self.give(connection.0 as usize, Input::Reply(Token(token), reply));
                self.open -= 1;
            }
            if self.open == 0 {
                return;
            }
            self.turn();
        }
        panic!("{} requests have no reply", self.open);
    }

    /// Bytes of the replies since the last request.
    pub fn reply_bytes(&self) -> usize {
        self.reply_bytes
    }

    fn give(&mut self, client: usize, input: Input) {
        let session = &mut self.sessions[client];
        session.handle(Instant(self.clock.monotonic().0), input).expect("requests are well formed");
        while let Some(output) = session.poll() {
            match output {
                Output::Bytes(bytes) => self.reply_bytes += bytes.len(),
                Output::Call(token, request) => {
                    self.node.broker.call(ConnectionId(client as u64), token.0, request);
                }
                Output::WakeAt(_) => {}
                Output::Close(why) => panic!("the session closed: {why:?}"),
            }
        }
    }

    fn turn(&mut self) {
        self.clock.0.fetch_add(STEP.as_nanos() as u64, Relaxed);
        for shard in &mut self.node.shards {
            shard.shard.turn();
        }
        let jobs = std::mem::take(&mut *self.jobs.0.lock().expect("no job panics"));
        jobs.into_iter().for_each(|job| job());
    }
}

/// A refusal would be counted as work.
fn assert_well(reply: &Reply) {
    match reply {
        Reply::Publish(published) => assert!(published.iter().all(Result::is_ok), "{published:?}"),
        Reply::Fetch(fetched) => assert!(fetched.iter().all(Result::is_ok), "it can be read"),
        other => panic!("nobody asked for {other:?}"),
    }
}

/// A lone node with one shard and the default sizes of a node with 256 MiB.
fn config(dir: &Path) -> NodeConfig {
    NodeConfig {
        dir: dir.to_owned(),
        node: NodeId(1),
        nodes: [NodeId(1)].into(),
        replicas: Default::default(),
        cluster: None,
        shards_sync: 1,
        shards_async: 0,
        temporary_shard: false,
        insist_on_shards: forebay_server::identity::Insist::Yes,
        advertised: Default::default(),
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
        auto_create: false,
        authorization: Default::default(),
        hot_bytes_max: 64 << 20,
        tail_bytes_max: 32 << 20,
        block_bytes_max: 16 << 20,
        summary_bytes_max: 8 << 20,
        segment_bytes_first: 64 << 20,
        segment_bytes_max: 64 << 20,
        journal_file_bytes: 1 << 20,
        flush_here_max: Duration::ZERO,
        clock_step_max: Duration::from_secs(300),
        retention_interval: Duration::from_secs(300),
        groups: Default::default(),
        machine: Default::default(),
        scrub_bytes_per_second: 0,
    }
}
