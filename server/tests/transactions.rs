//! Transactions over two shards of a node, asked through its front desk.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord, Producer};
use forebay_model::fetch::{Fetch, FetchItem, Isolation};
use forebay_model::publish::{Confirm, PayloadKind, Publish, PublishItem, Published};
use forebay_model::transaction::{
    Decision, EndTransaction, InTransaction, Joining, OpenProducer, TransactionReply, TransactionRequest,
    TransactionalId,
};
use forebay_model::{
    BatchSequence, Offset, ProducerEpoch, ProducerId, Refusal, Reply, Request, Timestamp, TopicName,
};
use forebay_server::node::NodeConfig;

use common::{Running, config, partition, wait_for};

const TOPIC: &str = "spread";
const PARTITIONS: u32 = 2;

type Instance = (ProducerId, ProducerEpoch);

fn open(dir: &Path) -> Running {
    let config = NodeConfig { shards_sync: 2, ..config(dir) };
    let (running, ()) = Running::open(&forebay_env::real::env(), &config, |_| ());
    running.create(TOPIC, PARTITIONS);
    let catalogue = running.desk.catalogue();
    let topic = catalogue.topic(&TopicName::parse(TOPIC).unwrap()).unwrap();
    assert_ne!(topic.partitions[0].shard, topic.partitions[1].shard, "one of them is not the producer's");
    running
}

fn id() -> TransactionalId {
    TransactionalId("process".into())
}

/// A process that writes transactions in the newer way.
struct Process<'r> {
    running: &'r Running,
    instance: Instance,
    sequences: RefCell<BTreeMap<u32, i32>>,
}

fn opened(running: &Running) -> Result<Instance, Refusal> {
    let open = OpenProducer { id: id(), timeout_ms: 60_000, present: None };
    match running.ask(Request::Transaction(TransactionRequest::Open(open))) {
        Reply::Transaction(TransactionReply::Open(opened)) => opened,
        other => panic!("{other:?}"),
    }
}

impl<'r> Process<'r> {
    fn begin(running: &'r Running) -> Process<'r> {
        let instance = wait_for("the producer's shard", || opened(running).ok());
        Process { running, instance, sequences: RefCell::default() }
    }

    fn write(&self, number: u32) -> Published {
        let sequence = self.sequences.borrow().get(&number).copied().unwrap_or(0);
        let (id_of, epoch) = self.instance;
        let producer = Producer { id: id_of, epoch, base_sequence: BatchSequence(sequence) };
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(producer).transactional();
        let (timestamp, value) = (Timestamp(1_700_000_000_000), Some(bytes::Bytes::from_static(b"value")));
        builder.push(&NewRecord { timestamp, key: None, value, headers: Vec::new() }).unwrap();
        let item = PublishItem {
            partition: partition(TOPIC, number),
            kind: PayloadKind::RecordBatch,
            payload: builder.build().unwrap(),
            import: None,
        };
        let transaction = InTransaction { id: id(), producer: id_of, epoch, joining: Joining::Now };
        let transaction = Some(transaction);
        let publish =
            Publish { items: vec![item], confirm: Confirm::Quorum, transaction, timeout_ms: 10_000 };
        let Reply::Publish(mut published) = self.running.ask(Request::Publish(publish)) else { panic!() };
        let published = published.remove(0);
        if published.is_ok() {
            self.sequences.borrow_mut().insert(number, sequence + 1);
        }
        published
    }

    fn end(&self, decision: Decision, raise: bool) -> Result<Instance, Refusal> {
        let (producer, epoch) = self.instance;
        let end = EndTransaction { id: id(), producer, epoch, decision, raise };
        match self.running.ask(Request::Transaction(TransactionRequest::End(end))) {
            Reply::Transaction(TransactionReply::End(ended)) => ended,
            other => panic!("{other:?}"),
        }
    }
}

/// How far completed transactions reach, and how many of them were aborted.
fn stable(running: &Running, number: u32) -> (Offset, usize) {
    let item = FetchItem {
        partition: partition(TOPIC, number),
        offset: Offset(0),
        bytes_max: 1 << 20,
        leader_epoch: None,
    };
    let fetch = Fetch {
        items: vec![item],
        bytes_min: 0,
        bytes_max: 1 << 20,
        wait_ms_max: 0,
        isolation: Isolation::Committed,
    };
    let Reply::Fetch(mut fetched) = running.ask(Request::Fetch(fetch)) else { panic!() };
    let fetched = fetched.remove(0).unwrap();
    (fetched.last_stable_offset, fetched.aborted.len())
}

#[test]
fn what_is_on_another_shard_joins_anew_behind_an_end_that_keeps_the_instance() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let process = Process::begin(&running);
    for round in 1..4 {
        for number in [0, 1, 0, 1] {
            assert!(process.write(number).is_ok(), "round {round}");
        }
        assert_eq!(process.end(Decision::Commit, false), Ok(process.instance));
        for number in 0..PARTITIONS {
            assert_eq!(stable(&running, number), (Offset(3 * round), 0), "whoever asks now sees all of it");
        }
    }
    running.close();
}

#[test]
fn a_process_that_was_taken_over_from_writes_nothing_more_on_any_shard() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path());
    let old = Process::begin(&running);
    for number in 0..PARTITIONS {
        assert!(old.write(number).is_ok());
    }
    assert_eq!(opened(&running), Err(Refusal::ConcurrentTransaction));
    // Whoever takes over does not come back: nothing else fences the old one.
    wait_for("the abort on all shards", || {
        (0..PARTITIONS).all(|number| stable(&running, number) == (Offset(2), 1)).then_some(())
    });
    for number in 0..PARTITIONS {
        assert_eq!(old.write(number), Err(Refusal::ProducerFenced));
    }
    assert_eq!(old.end(Decision::Commit, true), Err(Refusal::ProducerFenced));
    let anew = Process::begin(&running);
    for number in 0..PARTITIONS {
        assert!(anew.write(number).is_ok());
    }
    assert!(anew.end(Decision::Commit, true).is_ok());
    for number in 0..PARTITIONS {
        assert_eq!(stable(&running, number), (Offset(4), 1));
    }
    running.close();
}
