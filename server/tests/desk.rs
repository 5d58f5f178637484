//! The front desk of a node whose every turn the tests drive: what happens while its copy of the catalogue is behind.
//!
//! A node that was opened again is behind for its first turns: what its last checkpoint does not hold is replayed in them.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_broker::{ClientInfo, ConnectionId, Delivered, DiskGuard, FrontDesk, Outbox};
use forebay_env::{Env, IoClass, Job, Spawn};
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord, Producer};
use forebay_model::fetch::{Fetch, FetchItem, Isolation};
use forebay_model::publish::{Confirm, PayloadKind, Publish, PublishItem, Published};
use forebay_model::{
    BatchSequence, Compression, Offset, ProducerEpoch, ProducerId, Refusal, Reply, Request, ShardId,
    Timestamp, TopicName,
};
use forebay_server::node::{Driver, Node, NodeConfig};
use forebay_shard::{Board, Wake};

use common::{Running, config, partition};

struct Nobody;

impl Driver for Nobody {
    fn wake(&self, _: ShardId) -> Wake {
        Box::new(|| {})
    }
    fn noticed(&self, _: ShardId, _: Arc<Board>) -> Box<dyn Fn() + Send> {
        Box::new(|| {})
    }
}

#[derive(Default)]
struct Inbox(Mutex<BTreeMap<u64, Reply>>);

impl Outbox for Inbox {
    fn deliver(&self, batch: Vec<Delivered>) {
        self.0.lock().unwrap().extend(batch.into_iter().map(|delivered| (delivered.token, delivered.reply)));
    }
}

/// Keeps the jobs that read until somebody does them.
struct Kept {
    spawn: Arc<dyn Spawn>,
    jobs: Mutex<Vec<Job>>,
}

impl Spawn for Kept {
    fn spawn(&self, class: IoClass, job: Job) {
        match class {
            IoClass::Read => self.jobs.lock().unwrap().push(job),
            _ => self.spawn.spawn(class, job),
        }
    }
}

/// A node that does nothing unless it is told to, and one connection to it.
struct ByHand {
    node: Node,
    inbox: Arc<Inbox>,
    until: Instant,
}

impl ByHand {
    /// Opens a directory in which a topic was made that no checkpoint knows of.
    fn behind(dir: &Path, topic: &str) -> ByHand {
        ByHand::behind_with(&config(dir), topic, &forebay_env::real::env())
    }

    /// The same with such settings, in such a world.
    fn behind_with(config: &NodeConfig, topic: &str, env: &Env) -> ByHand {
        let (running, ()) = Running::open(&forebay_env::real::env(), config, |_| ());
        running.create(topic, 1);
        running.close();
        let node = Node::open(env, config, &Nobody, Arc::new(DiskGuard::default())).unwrap();
        let inbox = Arc::new(Inbox::default());
        let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
        node.broker.open(
            ConnectionId(1),
            inbox.clone(),
            ClientInfo { protocol: "test", peer: address, local: address },
        );
        ByHand { node, inbox, until: Instant::now() + Duration::from_secs(20) }
    }

    fn call(&self, token: u64, request: Request) {
        self.node.broker.call(ConnectionId(1), token, request);
    }

    fn knows(&self, topic: &str) -> bool {
        self.node.broker.catalogue().topic(&TopicName::parse(topic).unwrap()).is_some()
    }

    fn leads(&self) -> bool {
        self.node.shards.iter().all(|shard| shard.board.status().leads)
    }

    fn turn(&mut self) {
        assert!(Instant::now() < self.until, "it takes too long");
        for shard in &mut self.node.shards {
            shard.shard.turn();
        }
    }

    fn published(&self, token: u64) -> Option<Published> {
        match self.inbox.0.lock().unwrap().remove(&token)? {
            Reply::Publish(mut published) => Some(published.remove(0)),
            other => panic!("a publish was answered with {other:?}"),
        }
    }
}

/// One record of an idempotent producer.
fn publish(topic: &str, sequence: i32, timeout_ms: u32) -> Request {
    let (id, epoch) = (ProducerId(7), ProducerEpoch(0));
    let producer = Producer { id, epoch, base_sequence: BatchSequence(sequence) };
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(producer);
    let (timestamp, value) = (Timestamp(1_700_000_000_000), Some(bytes::Bytes::from_static(b"value")));
    builder.push(&NewRecord { timestamp, key: None, value, headers: Vec::new() }).unwrap();
    let item = PublishItem {
        partition: partition(topic, 0),
        kind: PayloadKind::RecordBatch,
        payload: builder.build().unwrap(),
        import: None,
    };
    Request::Publish(Publish { items: vec![item], confirm: Confirm::Quorum, transaction: None, timeout_ms })
}

/// A fetch that waits for minutes.
fn fetch(topic: &str) -> Fetch {
    let item =
        FetchItem { partition: partition(topic, 0), offset: Offset(0), bytes_max: 1000, leader_epoch: None };
    Fetch {
        items: vec![item],
        bytes_min: 1,
        bytes_max: 1000,
        wait_ms_max: 600_000,
        isolation: Isolation::Uncommitted,
    }
}

#[test]
fn a_publish_that_waits_for_the_catalogue_is_not_overtaken_by_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = ByHand::behind(dir.path(), "ordered");
    assert!(!desk.knows("ordered"), "the copy is behind");
    desk.call(1, publish("ordered", 0, 60_000));
    while !desk.knows("ordered") {
        desk.turn();
    }
    // From here on a publish finds its topic; the first one still waits for its barrier. A client repeats what is refused
    // because the shard is not ready, so the second one is there in every turn.
    let mut token = 1;
    let (mut first, mut second) = (None, None);
    desk.call(2, publish("ordered", 1, 60_000));
    while first.is_none() || second.is_none() {
        desk.turn();
        first = first.or(desk.published(1));
        match desk.published(token + 1) {
            Some(Err(Refusal::Loading)) => {
                token += 1;
                desk.call(token + 1, publish("ordered", 1, 60_000));
            }
            answer => second = second.or(answer),
        }
    }
    let offsets = [first, second].map(|published| published.unwrap().map(|appended| appended.base_offset.0));
    assert_eq!(offsets, [Ok(0), Ok(1)]);
}

#[test]
fn what_is_compressed_after_it_waited_for_the_catalogue_is_not_compressed_by_a_shard() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.defaults.intake.compression = Compression::Lz4;
    let env = forebay_env::real::env();
    let kept = Arc::new(Kept { spawn: Arc::clone(&env.spawn), jobs: Mutex::default() });
    let mut desk = ByHand::behind_with(&config, "anew", &Env { spawn: kept.clone(), ..env });
    desk.call(1, publish("anew", 0, 60_000));
    while kept.jobs.lock().unwrap().is_empty() || !desk.leads() {
        desk.turn();
    }
    desk.call(2, publish("anew", 1, 60_000));
    for _ in 0..10 {
        desk.turn();
    }
    assert_eq!((desk.published(1), desk.published(2)), (None, None));
    let jobs = std::mem::take(&mut *kept.jobs.lock().unwrap());
    jobs.into_iter().for_each(|job| job());
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        desk.turn();
        first = first.or(desk.published(1));
        second = second.or(desk.published(2));
    }
    let offsets = [first, second].map(|published| published.unwrap().map(|appended| appended.base_offset.0));
    assert_eq!(offsets, [Ok(0), Ok(1)]);
}

#[test]
fn a_publish_waits_for_the_catalogue_no_longer_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let desk = ByHand::behind(dir.path(), "late");
    // Nobody drives the shard, so no barrier is ever answered.
    desk.call(1, publish("late", 0, 1_000));
    desk.call(2, publish("late", 1, 60_000));
    let clock = forebay_env::real::env().clock;
    desk.node.broker.tick(clock.monotonic());
    assert_eq!(desk.published(1), None);
    desk.node.broker.tick(clock.monotonic() + Duration::from_secs(2));
    assert_eq!(desk.published(1), Some(Err(Refusal::TimedOut)));
    assert_eq!(desk.published(2), None);
    desk.node.broker.tick(clock.monotonic() + Duration::from_secs(61));
    assert_eq!(desk.published(2), Some(Err(Refusal::TimedOut)));
}

#[test]
fn a_fetch_whose_connection_was_closed_while_it_waited_for_the_catalogue_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = ByHand::behind(dir.path(), "gone");
    desk.call(1, Request::Fetch(fetch("gone")));
    assert!(!desk.knows("gone"), "the fetch waits for a barrier");
    desk.node.broker.close(ConnectionId(1));
    // Another connection's fetch shows that the barrier is behind us.
    let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
    let client = ClientInfo { protocol: "test", peer: address, local: address };
    desk.node.broker.open(ConnectionId(2), desk.inbox.clone(), client);
    desk.node.broker.call(ConnectionId(2), 2, Request::Fetch(fetch("gone")));
    let waiting =
        |desk: &ByHand| desk.node.shards.iter().map(|s| s.metrics.fetches_waiting.value()).sum::<i64>();
    while !desk.leads() || waiting(&desk) == 0 {
        desk.turn();
    }
    for _ in 0..10 {
        desk.turn();
    }
    assert_eq!(waiting(&desk), 1, "nobody waits for the first one any more");
}

#[test]
fn a_fetch_that_waits_for_records_does_not_hold_up_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let (running, metrics) = Running::open(&env, &config(dir.path()), |node| {
        node.shards.iter().map(|shard| Arc::clone(&shard.metrics)).collect::<Vec<_>>()
    });
    running.create("quiet", 1);
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| running.ask(Request::Fetch(fetch("quiet"))));
        common::wait_for("the fetch to wait", || {
            (metrics.iter().map(|metrics| metrics.fetches_waiting.value()).sum::<i64>() == 1).then_some(())
        });
        running.desk.stop();
        let Reply::Fetch(fetched) = fetching.join().unwrap() else {
            panic!("a fetch is answered with records")
        };
        assert!(fetched[0].as_ref().unwrap().records.is_empty());
    });
    running.close();
}

#[test]
fn blocks_of_index_files_come_out_of_one_bounded_cache() {
    let dir = tempfile::tempdir().unwrap();
    let small = NodeConfig {
        hot_bytes_max: 64 << 10,
        tail_bytes_max: 64 << 10,
        block_bytes_max: 20_000,
        ..config(dir.path())
    };
    let (running, blocks) = Running::open(&forebay_env::real::env(), &small, |node| Arc::clone(&node.blocks));
    running.create("cold", 40);
    for _ in 0..3 {
        for number in 0..40 {
            running.publish("cold", number, 1000).unwrap();
        }
    }
    let mut most = 0;
    for number in 0..40 {
        let mut cold = fetch("cold");
        cold.items[0].partition = partition("cold", number);
        let Reply::Fetch(fetched) = running.ask(Request::Fetch(cold)) else { panic!() };
        assert!(fetched[0].as_ref().unwrap().bytes() > 0);
        most = most.max(blocks.bytes());
    }
    assert!((1..=20_000).contains(&most), "{most} bytes");
    running.close();
}
