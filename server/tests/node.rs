//! A node on a real disk, asked through its front desk: what was confirmed is there after a restart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use forebay_broker::{ClientInfo, ConnectionId, Delivered, DiskGuard, FrontDesk, Outbox};
use forebay_env::Env;
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord, Records};
use forebay_model::admin::{CreateTopics, NewTopic};
use forebay_model::fetch::{Fetch, FetchItem, FindOffset, FindOffsets, Isolation, OffsetTarget};
use forebay_model::group::{CommitOffset, CommitOffsets, GroupReply, GroupRequest};
use forebay_model::publish::{Confirm, PayloadKind, Publish, PublishItem};
use forebay_model::{
    CleanupPolicy, CleanupSettings, FlushClass, GroupId, NodeId, Offset, PartitionRef, Refusal, Reply,
    Request, ShardId, Timestamp, TimestampType, TopicDefaults, TopicName, TopicRef, TopicSettings,
};
use forebay_server::node::{Driver, Node, NodeConfig};
use forebay_shard::{Board, NextTurn, Wake};

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

struct Running {
    desk: forebay_broker::Broker,
    inbox: Arc<Inbox>,
    next: AtomicU64,
    stop: Arc<AtomicBool>,
    driver: Option<std::thread::JoinHandle<()>>,
}

fn config(dir: &Path) -> NodeConfig {
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

impl Running {
    fn open(env: &Env, config: &NodeConfig) -> Running {
        let mut node = Node::open(env, config, &Poll, Arc::new(DiskGuard::default())).unwrap();
        let desk = node.broker.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let driver = std::thread::spawn(move || {
            let mut closing = false;
            loop {
                if stopping.load(Ordering::Acquire) && !closing {
                    closing = true;
                    node.shards.iter_mut().for_each(|shard| shard.shard.close());
                }
                let turns: Vec<_> = node.shards.iter_mut().map(|shard| shard.shard.turn()).collect();
                if turns.iter().all(|turn| *turn == NextTurn::Never) {
                    return;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let inbox = Arc::new(Inbox::default());
        let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
        let client = ClientInfo { protocol: "test", peer: address, local: address };
        desk.open(ConnectionId(1), inbox.clone(), client);
        Running { desk, inbox, next: AtomicU64::new(1), stop, driver: Some(driver) }
    }

    fn ask(&self, request: Request) -> Reply {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        self.desk.call(ConnectionId(1), token, request);
        let until = Instant::now() + Duration::from_secs(20);
        let mut replies = self.inbox.replies.lock().unwrap();
        loop {
            if let Some(reply) = replies.remove(&token) {
                return reply;
            }
            assert!(Instant::now() < until, "no reply");
            replies = self.inbox.arrived.wait_timeout(replies, Duration::from_secs(1)).unwrap().0;
        }
    }

    fn create(&self, name: &str) {
        self.create_with(name, TopicSettings::default());
    }

    fn create_with(&self, name: &str, settings: TopicSettings) {
        let topic = NewTopic {
            name: name.into(),
            partitions: Some(2),
            replicas: None,
            assignment: Vec::new(),
            settings: Ok(settings),
        };
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let create = CreateTopics { topics: vec![topic.clone()], dry_run: false, timeout_ms: 5000 };
            let Reply::CreateTopics(created) = self.ask(Request::CreateTopics(create)) else { panic!() };
            match &created[0].topic {
                Ok(view) => return assert_eq!(view.partitions.len(), 2),
                // The shard is still electing itself.
                Err(refusal) => assert!(Instant::now() < until, "{refusal:?}"),
            }
        }
    }

    fn publish(&self, topic: &str, number: u32, value: &[u8]) -> u64 {
        let item = PublishItem {
            partition: partition(topic, number),
            kind: PayloadKind::RecordBatch,
            payload: batch(value),
            import: None,
        };
        let publish =
            Publish { items: vec![item], confirm: Confirm::Quorum, transaction: None, timeout_ms: 10_000 };
        let Reply::Publish(published) = self.ask(Request::Publish(publish)) else { panic!() };
        published[0].as_ref().unwrap_or_else(|refusal| panic!("{refusal:?}")).base_offset.0
    }

    fn fetch(&self, topic: &str, number: u32, offset: u64, wait_ms: u32) -> Vec<(u64, Vec<u8>)> {
        let item = FetchItem {
            partition: partition(topic, number),
            offset: Offset(offset),
            bytes_max: 64 << 20,
            leader_epoch: None,
        };
        let fetch = Fetch {
            items: vec![item],
            bytes_min: 1,
            bytes_max: 64 << 20,
            wait_ms_max: wait_ms,
            isolation: Isolation::Uncommitted,
        };
        let Reply::Fetch(fetched) = self.ask(Request::Fetch(fetch)) else { panic!() };
        let fetched = fetched.into_iter().next().unwrap().unwrap_or_else(|refusal| panic!("{refusal:?}"));
        let bytes: bytes::Bytes = fetched.records.concat().into();
        let batches = forebay_kit::record::batch::Batches::new(bytes);
        let mut records = Vec::new();
        for batch in batches {
            for record in Records::open(&batch.unwrap(), 256 << 20).unwrap() {
                let record = record.unwrap();
                records.push((record.offset.0, record.value.unwrap().to_vec()));
            }
        }
        records
    }

    fn start(&self, topic: &str) -> u64 {
        let item =
            FindOffset { partition: partition(topic, 0), target: OffsetTarget::Earliest, leader_epoch: None };
        let request = FindOffsets { items: vec![item], isolation: Isolation::Uncommitted };
        let Reply::FindOffsets(found) = self.ask(Request::FindOffsets(request)) else { panic!() };
        found[0].clone().unwrap().unwrap().offset.0
    }

    fn close(mut self) {
        self.stop.store(true, Ordering::Release);
        self.driver.take().unwrap().join().unwrap();
    }
}

fn partition(topic: &str, number: u32) -> PartitionRef {
    PartitionRef { topic: TopicRef::Name(TopicName::parse(topic).unwrap()), number }
}

fn batch(value: &[u8]) -> bytes::Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 64 << 20);
    let record = NewRecord {
        timestamp: Timestamp(1_700_000_000_000),
        key: None,
        value: Some(bytes::Bytes::copy_from_slice(value)),
        headers: Vec::new(),
    };
    builder.push(&record).unwrap();
    builder.build().unwrap()
}

#[test]
fn what_was_confirmed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let node = Running::open(&env, &config(dir.path()));
    node.create("first");
    for i in 0..50u32 {
        assert_eq!(node.publish("first", 0, format!("record {i}").as_bytes()), u64::from(i));
    }
    assert_eq!(node.fetch("first", 0, 0, 1000).len(), 50);
    node.close();

    let node = Running::open(&env, &config(dir.path()));
    let until = Instant::now() + Duration::from_secs(10);
    while node.desk.shards().iter().any(|shard| !shard.board.status().leads) {
        assert!(Instant::now() < until, "nobody leads");
        std::thread::yield_now();
    }
    let records = node.fetch("first", 0, 0, 1000);
    assert_eq!(records.len(), 50);
    assert_eq!(records[49], (49, b"record 49".to_vec()));
    assert_eq!(node.publish("first", 0, b"after"), 50);
    assert_eq!(node.fetch("first", 0, 50, 1000), [(50, b"after".to_vec())]);
    node.close();
}

#[test]
fn a_waiting_fetch_is_woken_by_an_append() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let node = Arc::new(Running::open(&env, &config(dir.path())));
    node.create("tail");
    let reader = Arc::clone(&node);
    let waiting = std::thread::spawn(move || reader.fetch("tail", 1, 0, 15_000));
    node.publish("tail", 1, b"woken");
    assert_eq!(waiting.join().unwrap(), [(0, b"woken".to_vec())]);
    Arc::into_inner(node).unwrap().close();
}

#[test]
fn a_big_payload_goes_through_in_parts_and_keeps_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let node = Running::open(&env, &config(dir.path()));
    node.create("big");
    let big: Vec<u8> = (0..5_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
    assert_eq!(node.publish("big", 0, b"before"), 0);
    assert_eq!(node.publish("big", 0, &big), 1);
    assert_eq!(node.publish("big", 0, b"behind"), 2);
    let mut records = node.fetch("big", 0, 0, 1000);
    while records.len() < 3 {
        let next = records.last().unwrap().0 + 1;
        records.extend(node.fetch("big", 0, next, 1000));
    }
    assert_eq!(records[1].1, big);
    assert_eq!(records[2].1, b"behind");
    node.close();
}

#[test]
fn a_big_payload_is_written_although_small_ones_never_pause() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let config = config(dir.path());
    let node = Running::open(&env, &config);
    node.create("busy");
    node.close();
    // Driven by hand from here on, so that every single turn has a small payload.
    let mut node = Node::open(&env, &config, &Poll, Arc::new(DiskGuard::default())).unwrap();
    let inbox = Arc::new(Inbox::default());
    let address: SocketAddr = "127.0.0.1:9092".parse().unwrap();
    let client = ClientInfo { protocol: "test", peer: address, local: address };
    (1..=2).for_each(|id| node.broker.open(ConnectionId(id), inbox.clone(), client));
    let publish = |value: &[u8]| {
        let item = PublishItem {
            partition: partition("busy", 0),
            kind: PayloadKind::RecordBatch,
            payload: batch(value),
            import: None,
        };
        Request::Publish(Publish {
            items: vec![item],
            confirm: Confirm::Quorum,
            transaction: None,
            timeout_ms: 60_000,
        })
    };
    let until = Instant::now() + Duration::from_secs(20);
    let (big, small) = (publish(&vec![7; 3 << 20]), publish(b"small"));
    let is_confirmed = |token: u64| match inbox.replies.lock().unwrap().remove(&token) {
        Some(Reply::Publish(published)) => published[0].is_ok(),
        _ => false,
    };
    let mut token = 1;
    let mut leads = false;
    loop {
        assert!(Instant::now() < until, "the big payload was never written");
        token += 1;
        node.broker.call(ConnectionId(2), token, small.clone());
        for shard in &mut node.shards {
            shard.shard.turn();
        }
        if !leads && (2..=token).any(is_confirmed) {
            leads = true;
            node.broker.call(ConnectionId(1), 1, big.clone());
        }
        if leads && is_confirmed(1) {
            return;
        }
    }
}

#[test]
fn a_commit_that_no_entry_can_hold_is_refused_and_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let node = Running::open(&forebay_env::real::env(), &config(dir.path()));
    node.create("huge");
    let offset = CommitOffset {
        partition: partition("huge", 0),
        offset: Offset(1),
        leader_epoch: None,
        metadata: "m".repeat(4096),
    };
    let commit = CommitOffsets {
        group: GroupId("greedy".into()),
        member: String::new(),
        instance: None,
        generation: -1,
        transaction: None,
        offsets: vec![offset; 20_000],
    };
    let reply = node.ask(Request::Group(GroupRequest::CommitOffsets(commit)));
    let Reply::Group(GroupReply::CommitOffsets(committed)) = reply else { panic!() };
    assert_eq!(committed.len(), 20_000);
    assert!(committed.iter().all(|(_, result)| result.is_err()));
    assert_eq!(node.publish("huge", 0, b"still here"), 0);
    node.close();
}

#[test]
fn one_request_makes_no_more_partitions_than_there_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let node = Running::open(&forebay_env::real::env(), &config(dir.path()));
    let topic = |number: usize| NewTopic {
        name: format!("many-{number}"),
        partitions: Some(10_000),
        replicas: None,
        assignment: Vec::new(),
        settings: Ok(TopicSettings::default()),
    };
    let topics: Vec<_> = (0..20_000).map(topic).collect();
    let create = CreateTopics { topics, dry_run: true, timeout_ms: 5000 };
    let Reply::CreateTopics(created) = node.ask(Request::CreateTopics(create)) else { panic!() };
    assert_eq!(created.iter().filter(|created| created.topic.is_ok()).count(), 20);
    node.close();
}

#[test]
fn a_topic_that_exists_is_said_to_exist_whatever_else_is_asked_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let node = Running::open(&env, &config(dir.path()));
    node.create("there");
    let topic = NewTopic {
        name: "there".into(),
        partitions: Some(u32::MAX),
        replicas: Some(3),
        assignment: Vec::new(),
        settings: Err(Refusal::InvalidSetting("cleanup.policy".into())),
    };
    for dry_run in [false, true] {
        let create = CreateTopics { topics: vec![topic.clone()], dry_run, timeout_ms: 5000 };
        let Reply::CreateTopics(created) = node.ask(Request::CreateTopics(create)) else { panic!() };
        assert_eq!(created[0].topic, Err(Refusal::TopicExists));
    }
    node.close();
}

#[test]
fn offsets_are_found_by_time_and_position() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let node = Running::open(&env, &config(dir.path()));
    node.create("times");
    for _ in 0..3 {
        node.publish("times", 0, b"x");
    }
    let find = |target| {
        let item = FindOffset { partition: partition("times", 0), target, leader_epoch: None };
        let request = FindOffsets { items: vec![item], isolation: Isolation::Uncommitted };
        let Reply::FindOffsets(found) = node.ask(Request::FindOffsets(request)) else { panic!() };
        found[0].clone().unwrap().map(|at| at.offset.0)
    };
    assert_eq!(find(OffsetTarget::Earliest), Some(0));
    assert_eq!(find(OffsetTarget::Latest), Some(3));
    assert_eq!(find(OffsetTarget::AtOrAfter(Timestamp(1))), Some(0));
    assert_eq!(find(OffsetTarget::AtOrAfter(Timestamp(1_800_000_000_000))), None);
    assert_eq!(find(OffsetTarget::MaxTimestamp), Some(0));
    node.close();
}

#[test]
fn sealed_segments_are_read_through_their_sidecars_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let config = NodeConfig { hot_bytes_max: 64 << 10, tail_bytes_max: 64 << 10, ..config(dir.path()) };
    let node = Running::open(&env, &config);
    node.create("long");
    let value = |i: u64| format!("{i:08}").repeat(1000);
    for i in 0..600 {
        assert_eq!(node.publish("long", (i % 2) as u32, value(i).as_bytes()), i / 2);
    }
    let check = |node: &Running| {
        for number in 0..2u64 {
            let mut next = 0;
            while next < 300 {
                let records = node.fetch("long", number as u32, next, 1000);
                assert!(!records.is_empty(), "nothing at {next}");
                let asked = next;
                for (offset, record) in records.into_iter().filter(|(offset, _)| *offset >= asked) {
                    assert_eq!(offset, next);
                    assert_eq!(record, value(offset * 2 + number).into_bytes());
                    next += 1;
                }
            }
        }
    };
    check(&node);
    let sidecars = || {
        let names = std::fs::read_dir(dir.path().join("shard-0000")).unwrap();
        names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().ends_with(".idx")).count()
    };
    assert!(sidecars() >= 2, "{} sidecars", sidecars());
    node.close();

    let node = Running::open(&env, &config);
    let until = Instant::now() + Duration::from_secs(10);
    while node.desk.shards().iter().any(|shard| !shard.board.status().leads) {
        assert!(Instant::now() < until, "nobody leads");
        std::thread::yield_now();
    }
    check(&node);
    assert_eq!(node.publish("long", 0, b"more"), 300);
    node.close();
}

#[test]
fn retention_by_size_and_by_time_moves_the_start_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let config = NodeConfig { retention_interval: Duration::from_millis(20), ..config(dir.path()) };
    let node = Running::open(&env, &config);
    node.create_with("by-size", TopicSettings { retention_bytes: Some(Some(10_000)), ..Default::default() });
    node.create_with("by-time", TopicSettings { retention_ms: Some(Some(1000)), ..Default::default() });
    node.create("kept");
    // Whatever its bounds are: its records do not go by them.
    let cleanup = CleanupSettings { policy: Some(CleanupPolicy::Never), ..Default::default() };
    let bounds = TopicSettings { retention_bytes: Some(Some(10_000)), ..Default::default() };
    node.create_with("never", TopicSettings { retention_ms: Some(Some(1000)), cleanup, ..bounds });
    for _ in 0..20 {
        for topic in ["never", "by-size", "by-time", "kept"] {
            node.publish(topic, 0, &[7; 1000]);
        }
    }
    let until = Instant::now() + Duration::from_secs(20);
    // Every batch is 1000 bytes and a header: ten of them are more than is kept.
    while node.start("by-size") < 10 || node.start("by-time") < 20 {
        assert!(Instant::now() < until, "{} {}", node.start("by-size"), node.start("by-time"));
        std::thread::yield_now();
    }
    assert!(node.start("by-size") <= 11, "as much is kept as was asked for");
    assert_eq!(node.fetch("by-size", 0, node.start("by-size"), 1000).last().unwrap().0, 19);
    assert_eq!((node.start("kept"), node.start("never")), (0, 0));
    assert_eq!(node.publish("by-time", 0, b"next"), 20);
    node.close();
}

fn disk_bytes(dir: &Path) -> u64 {
    let names = std::fs::read_dir(dir.join("shard-0000")).unwrap();
    // The reclaimer unlinks beside us: a file that is gone since it was listed takes no room.
    names.map(|name| name.unwrap().metadata().map_or(0, |found| found.len())).sum()
}

#[test]
fn one_topic_that_stays_among_a_thousand_pins_no_more_than_its_own_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let config = NodeConfig { retention_interval: Duration::from_millis(50), ..config(dir.path()) };
    let node = Running::open(&env, &config);
    node.create("stays");
    let names: Vec<String> = (0..999).map(|i| format!("goes-{i}")).collect();
    for name in &names {
        node.create_with(name, TopicSettings { retention_ms: Some(Some(1)), ..Default::default() });
    }
    // Shared turns: every segment holds a little of everything, and a big payload's parts now and then.
    let (mut live, mut number) = (0, 0u32);
    for _ in 0..4 {
        for some in names.chunks(100) {
            let node = &node;
            std::thread::scope(|scope| {
                for few in some.chunks(10) {
                    let value = [number as u8; 8000];
                    scope.spawn(move || {
                        for name in few {
                            node.publish(name, 0, &value);
                        }
                    });
                }
            });
            let size = if number % 20 == 7 { 1_500_000 } else { 4000 };
            live += size as u64 + 80;
            node.publish("stays", 0, &vec![number as u8; size]);
            number += 1;
        }
    }
    // The active segment is not reclaimed: fill it with what lives until it is sealed.
    for _ in 0..3 {
        node.publish("stays", 0, &[1; 600_000]);
        live += 600_080;
    }
    let until = Instant::now() + Duration::from_secs(60);
    while disk_bytes(dir.path()) >= 2 * live {
        assert!(Instant::now() < until, "{} bytes for {live} live ones", disk_bytes(dir.path()));
        std::thread::sleep(Duration::from_millis(10));
    }
    let check = |node: &Running| {
        let mut next = 0;
        while next < 43 {
            let records = node.fetch("stays", 0, next, 1000);
            assert!(!records.is_empty());
            for (offset, value) in records {
                assert_eq!(offset, next);
                assert!(value.iter().all(|byte| u64::from(*byte) == if offset < 40 { offset } else { 1 }));
                next += 1;
            }
        }
    };
    check(&node);
    node.close();
    let node = Running::open(&env, &config);
    let until = Instant::now() + Duration::from_secs(10);
    while node.desk.shards().iter().any(|shard| !shard.board.status().leads) {
        assert!(Instant::now() < until, "nobody leads");
        std::thread::yield_now();
    }
    check(&node);
    node.close();
}
