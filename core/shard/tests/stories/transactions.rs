//! Transactions of one shard: what readers see while they are open and when they have ended, over kills and segments.

use std::time::Duration;

use bytes::Bytes;
use forebay_machine::{Instance, JoinTransaction, Next, OpenProducer};
use forebay_model::fetch::{FetchedRecords, Isolation};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{BatchSequence, Offset, PartitionId, ProducerId, Refusal, Timestamp, TopicId};
use forebay_record::batch::{BatchBuilder, Batches, Codec, NewRecord, Producer, Records};
use forebay_shard::{
    Answer, Append, FetchItemWork, FetchWork, Read, TransactionAnswer, TransactionWork, Work,
};

use crate::world::{FAR, World, batch, settings};

pub const MINUTE: u32 = 60_000;

pub fn id() -> TransactionalId {
    TransactionalId("tx".into())
}

pub fn transactional(instance: Instance, sequence: i32, value: &[u8]) -> Bytes {
    let (id, epoch) = instance;
    let producer = Producer { id, epoch, base_sequence: BatchSequence(sequence) };
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(producer).transactional();
    let value = Some(Bytes::copy_from_slice(value));
    builder.push(&NewRecord { timestamp: Timestamp(1), value, ..NewRecord::default() }).unwrap();
    builder.build().unwrap()
}

impl World {
    pub fn transact(&mut self, work: TransactionWork) -> TransactionAnswer {
        let ticket = self.ticket();
        self.post(1, 0, Work::Transaction(ticket, work));
        self.settle();
        match self.answer(ticket) {
            Some(Answer::Transaction(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub fn instance(&mut self, work: TransactionWork) -> Result<Instance, Refusal> {
        match self.transact(work) {
            TransactionAnswer::Instance(result) => result,
            other => panic!("{other:?}"),
        }
    }

    pub fn open_producer(&mut self, timeout_ms: u32) -> Instance {
        let open = OpenProducer { id: id(), timeout_ms, present: None, spare: ProducerId(40) };
        self.instance(TransactionWork::Open(open)).expect("opened")
    }

    pub fn end_transaction(
        &mut self,
        instance: Instance,
        decision: Decision,
        next: Next,
    ) -> Result<Instance, Refusal> {
        self.instance(TransactionWork::End { id: id(), instance, decision, next })
    }

    pub fn publish_joining(&mut self, partition: u64, payload: Bytes, joining: Joining) -> u64 {
        let ticket = self.ticket();
        let bytes = payload.len();
        let append = Append {
            ticket,
            partition: PartitionId(partition),
            also: Vec::new(),
            kind: forebay_model::publish::PayloadKind::RecordBatch,
            payload,
            confirm: forebay_model::publish::Confirm::Quorum,
            joining,
            import: None,
            deadline: self.now() + FAR,
        };
        self.post(1, bytes, Work::Append(append));
        self.settle();
        ticket
    }

    pub(super) fn fetch(&mut self, partition: u64, offset: u64, isolation: Isolation) -> FetchedRecords {
        let ticket = self.ticket();
        let item = FetchItemWork {
            partition: PartitionId(partition),
            topic: TopicId([1; 16]),
            offset: Offset(offset),
            bytes_max: u64::MAX,
            leader_epoch: None,
        };
        self.read(Read::Fetch(FetchWork {
            ticket,
            number: ticket,
            items: vec![item],
            bytes_min: 0,
            bytes_max: u64::MAX,
            deadline: self.now(),
            isolation,
        }));
        self.settle();
        let Some(Answer::Fetched(mut fetched)) = self.answer(ticket) else { panic!("it is answered") };
        fetched.remove(0).expect("it can be read")
    }

    /// What a client makes of the records: values, without those of aborted transactions.
    pub fn seen(&mut self, partition: u64, isolation: Isolation) -> Vec<String> {
        let fetched = self.fetch(partition, 0, isolation);
        let mut aborted = fetched.aborted.clone();
        aborted.sort_by_key(|(_, first)| *first);
        let mut aborted = aborted.into_iter().peekable();
        let mut passing_over = std::collections::BTreeSet::new();
        let mut values = Vec::new();
        for one in Batches::new(fetched.records.concat().into()) {
            let records = Records::open(&one.expect("whole"), 1 << 20).expect("whole");
            let header = *records.header();
            while let Some((producer, _)) = aborted.next_if(|(_, first)| first.0 as i64 <= header.base_offset)
            {
                passing_over.insert(producer);
            }
            if header.attributes.is_control() {
                passing_over.remove(&header.producer_id);
                continue;
            }
            if header.attributes.is_transactional() && passing_over.contains(&header.producer_id) {
                continue;
            }
            let value = |record: forebay_record::batch::Record| {
                String::from_utf8(record.value.expect("it has one").to_vec()).expect("text")
            };
            values.extend(records.map(|record| value(record.expect("whole"))));
        }
        values
    }
}

#[test]
fn an_open_transaction_is_not_seen_and_one_that_ends_is_seen_whole_or_never() {
    let mut world = World::new();
    world.open_partitions([1, 2], settings());
    let first = world.open_producer(MINUTE);
    let plain = world.publish(2, 1, batch(b"plain"));
    for (partition, sequence) in [(1, 0), (2, 0), (1, 1)] {
        let payload = transactional(first, sequence, b"one");
        let ticket = world.publish_joining(partition, payload, Joining::Now);
        assert!(world.published(ticket).unwrap().is_ok());
    }
    assert_eq!(world.offset(plain), 0);
    let behind = world.publish(2, 1, batch(b"behind"));
    world.settle();
    assert_eq!(world.offset(behind), 3);
    assert_eq!(world.seen(1, Isolation::Committed), ["plain"]);
    assert_eq!(world.seen(2, Isolation::Committed), [""; 0]);
    assert_eq!(world.seen(1, Isolation::Uncommitted), ["plain", "one", "one", "behind"]);

    let second = world.end_transaction(first, Decision::Commit, Next::Raised { spare: ProducerId(-1) });
    let second = second.expect("committed");
    assert_eq!(second.1.0, first.1.0 + 1);
    assert_eq!(world.seen(1, Isolation::Committed), ["plain", "one", "one", "behind"]);
    assert_eq!(world.seen(2, Isolation::Committed), ["one"]);
    assert_eq!((world.end(1), world.end(2)), (5, 2), "each partition has its mark");

    let late = world.publish_joining(1, transactional(first, 2, b"late"), Joining::Now);
    assert_eq!(world.published(late), Some(Err(Refusal::ProducerFenced)));
    let ticket = world.publish_joining(2, transactional(second, 0, b"two"), Joining::Now);
    assert!(world.published(ticket).unwrap().is_ok());
    world.end_transaction(second, Decision::Abort, Next::Same).expect("aborted");
    for _ in 0..2 {
        assert_eq!(world.seen(2, Isolation::Committed), ["one"]);
        assert_eq!(world.seen(2, Isolation::Uncommitted), ["one", "two"]);
        assert_eq!(world.fetch(2, 0, Isolation::Committed).aborted, [(first.0, Offset(2))]);
        assert_eq!(world.fetch(2, 0, Isolation::Uncommitted).aborted, []);
        world.restart();
    }
}

#[test]
fn a_partition_that_has_not_joined_takes_nothing() {
    let mut world = World::new();
    world.open_partitions([1, 2], settings());
    let instance = world.open_producer(MINUTE);
    let refused = world.publish_joining(1, transactional(instance, 0, b"x"), Joining::Before);
    assert_eq!(world.published(refused), Some(Err(Refusal::InvalidTransactionState)));
    let join = JoinTransaction {
        id: id(),
        instance,
        partitions: vec![PartitionId(1)],
        groups: vec![],
        elsewhere: vec![],
    };
    let TransactionAnswer::Joined(joined) = world.transact(TransactionWork::Join(join)) else { panic!() };
    assert_eq!(joined, Ok(None));
    let taken = world.publish_joining(1, transactional(instance, 0, b"x"), Joining::Before);
    assert_eq!(world.offset(taken), 0);
    let refused = world.publish_joining(2, transactional(instance, 0, b"x"), Joining::Before);
    assert_eq!(world.published(refused), Some(Err(Refusal::InvalidTransactionState)));
}

#[test]
fn whoever_opens_a_producer_anew_aborts_what_is_open_in_the_same_entry() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let old = world.open_producer(MINUTE);
    let ticket = world.publish_joining(1, transactional(old, 0, b"old"), Joining::Now);
    assert!(world.published(ticket).unwrap().is_ok());
    let applied = world.shard.machine().applied().index;
    let anew = world.open_producer(MINUTE);
    // The abort fences the one before, and nobody is told the epoch of that.
    assert_eq!(anew, (old.0, forebay_model::ProducerEpoch(old.1.0 + 2)));
    assert_eq!(world.shard.machine().applied().index, applied.next());
    assert_eq!(world.end_transaction(old, Decision::Commit, Next::Same), Err(Refusal::ProducerFenced));
    let late = world.publish_joining(1, transactional(old, 1, b"late"), Joining::Now);
    assert_eq!(world.published(late), Some(Err(Refusal::ProducerFenced)));
    assert_eq!(world.seen(1, Isolation::Committed), [""; 0]);
    assert_eq!(world.end(1), 2);
    // A client that says who it is takes nothing from somebody else.
    let ticket = world.publish_joining(1, transactional(anew, 0, b"new"), Joining::Now);
    assert!(world.published(ticket).unwrap().is_ok());
    let open = OpenProducer { id: id(), timeout_ms: MINUTE, present: Some(old), spare: ProducerId(41) };
    assert_eq!(world.instance(TransactionWork::Open(open)), Err(Refusal::ProducerFenced));
    world.end_transaction(anew, Decision::Commit, Next::Same).expect("it was not touched");
    assert_eq!(world.seen(1, Isolation::Committed), ["new"]);
}

#[test]
fn a_transaction_that_is_left_open_is_aborted_in_time_and_its_producer_fenced() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let slow = world.open_producer(2_000);
    let ticket = world.publish_joining(1, transactional(slow, 0, b"slow"), Joining::Now);
    assert!(world.published(ticket).unwrap().is_ok());
    world.pass(Duration::from_millis(1_900));
    assert_eq!(world.end(1), 1);
    // Also behind a kill: its time goes on.
    world.restart();
    world.pass(Duration::from_millis(3_000));
    world.pass(Duration::from_millis(100));
    assert_eq!(world.end(1), 2, "its mark is there");
    assert_eq!(world.seen(1, Isolation::Committed), [""; 0]);
    assert_eq!(world.end_transaction(slow, Decision::Commit, Next::Same), Err(Refusal::ProducerFenced));
    let marks = world.end(1);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.end(1), marks, "once");
}

#[test]
fn aborted_transactions_are_known_wherever_their_records_lie() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let mut instance = world.open_producer(MINUTE);
    let mut expected = Vec::new();
    for round in 0..40 {
        let value = format!("round {round}");
        let payload = transactional(instance, 0, value.as_bytes());
        let ticket = world.publish_joining(1, payload, Joining::Now);
        assert!(world.published(ticket).unwrap().is_ok());
        let decision = if round % 3 == 0 { Decision::Abort } else { Decision::Commit };
        let next = Next::Raised { spare: ProducerId(-1) };
        instance = world.end_transaction(instance, decision, next).expect("ended");
        if decision == Decision::Commit {
            expected.push(value);
        }
        if round % 10 == 9 {
            world.restart();
        }
    }
    assert_eq!(world.seen(1, Isolation::Committed), expected);
    assert_eq!(world.fetch(1, 60, Isolation::Committed).aborted.len(), 4, "those from offset 60 on");
}

#[test]
fn what_is_too_old_goes_with_its_marks() {
    let mut world = World::new();
    let settings = forebay_machine::PartitionSettings { retention_ms: Some(1_000), ..settings() };
    world.open_partitions([1], settings);
    let mut instance = world.open_producer(MINUTE);
    for round in 0..5 {
        let ticket = world.publish_joining(1, transactional(instance, 0, b"old"), Joining::Now);
        assert!(world.published(ticket).unwrap().is_ok());
        let decision = if round % 2 == 0 { Decision::Abort } else { Decision::Commit };
        instance =
            world.end_transaction(instance, decision, Next::Raised { spare: ProducerId(-1) }).expect("ended");
    }
    assert_eq!(world.shard.machine().unstable().len(), 3);
    let interval = world.config.retention_interval;
    for _ in 0..4 {
        world.pass(interval + Duration::from_secs(2));
    }
    let partition = world.shard.machine().partition(PartitionId(1)).expect("it is there");
    assert_eq!((partition.start, partition.end), (Offset(10), Offset(10)));
    assert!(world.shard.machine().unstable().is_empty(), "nothing is kept of what was aborted");
}
