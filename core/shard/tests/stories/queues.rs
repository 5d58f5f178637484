//! Partitions that are queues: messages as they are stored and as record batches, and what goes when it is settled.

use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;
use forebay_env::IoClass;
use forebay_machine::{Command, Compaction, Next, PartitionSettings, SubscriptionKey};
use forebay_model::fetch::{Isolation, OffsetTarget};
use forebay_model::publish::{Confirm, PayloadKind};
use forebay_model::queue::QueueRules;
use forebay_model::queue::{QUEUE_SUBSCRIPTION, QueueSettings};
use forebay_model::subscription::{
    ConsumerNumber, OffsetRange, ReceiveForm, ReceivedRecords, Settlement, Verdict,
};
use forebay_model::transaction::{Decision, Joining};
use forebay_model::{GroupId, Offset, PartitionId, Ratio, Refusal, Timestamp, TopicId};
use forebay_record::batch::{Batches, Records};
use forebay_record::message_batch::{Envelope, MessageBatch, MessageBatchBuilder, Origin};
use forebay_shard::{
    Answer, Append, Consumer, Counted, FindOffsetWork, Read, ReceiveItemWork, ReceiveWork, SettleItemWork,
    SettleWork, ShardConfig, Source, SubscriptionWork, Work,
};

use crate::transactions::{MINUTE, transactional};
use crate::world::{FAR, World, batch, config, settings};

const QUEUE: u64 = 1;
const OTHER: u64 = 2;

fn queue() -> PartitionSettings {
    PartitionSettings { queue: Some(QueueRules::default()), ..settings() }
}

fn name() -> GroupId {
    GroupId(QUEUE_SUBSCRIPTION.into())
}

/// Messages with these bodies.
fn messages(bodies: &[&str]) -> Bytes {
    let mut builder = MessageBatchBuilder::new(8 << 20);
    for body in bodies {
        let envelope = Envelope::new(Origin(NonZeroU8::new(2).unwrap()), Timestamp(7));
        builder.push(&envelope, b"raw", Some(body.as_bytes())).unwrap();
    }
    builder.build().unwrap()
}

impl World {
    fn send(&mut self, bodies: &[&str]) -> u64 {
        self.send_payload(messages(bodies))
    }

    fn send_payload(&mut self, payload: Bytes) -> u64 {
        let ticket = self.post_messages(payload);
        self.settle();
        self.offset(ticket)
    }

    fn post_messages(&mut self, payload: Bytes) -> u64 {
        let ticket = self.ticket();
        let bytes = payload.len();
        let append = Append {
            ticket,
            partition: PartitionId(QUEUE),
            also: Vec::new(),
            kind: PayloadKind::MessageBatch,
            payload,
            confirm: Confirm::Quorum,
            joining: Joining::Before,
            import: None,
            deadline: self.now() + FAR,
        };
        self.post(9, bytes, Work::Append(append));
        ticket
    }

    fn find_message(&mut self, target: OffsetTarget) -> Option<(u64, i64)> {
        let ticket = self.ticket();
        let item = FindOffsetWork { partition: PartitionId(QUEUE), target, leader_epoch: None };
        self.read(Read::FindOffsets(ticket, vec![item], Isolation::Uncommitted));
        self.settle();
        let Some(Answer::FoundOffsets(mut found)) = self.answer(ticket) else { panic!("it is answered") };
        let found = found.remove(0).expect("it can be looked for")?;
        Some((found.offset.0, found.timestamp.expect("a time was looked for").0))
    }

    fn begin_receive(&mut self, form: ReceiveForm, records_max: u64, wait: Duration) -> u64 {
        let ticket = self.ticket();
        self.read(Read::Receive(ReceiveWork {
            ticket,
            number: ticket,
            subscription: name(),
            consumer: Consumer { source: Source(5), number: ConsumerNumber(0) },
            items: vec![ReceiveItemWork { partition: PartitionId(QUEUE), topic: TopicId([1; 16]) }],
            records_max,
            whole_batches: false,
            form,
            bytes_min: 1,
            bytes_max: 1 << 20,
            deadline: self.now() + wait,
            rules: QueueSettings::default().rules(),
        }));
        ticket
    }

    fn receive_as(&mut self, form: ReceiveForm, records_max: u64) -> ReceivedRecords {
        let ticket = self.begin_receive(form, records_max, Duration::from_secs(1));
        self.settle();
        match self.answer(ticket) {
            Some(Answer::Received(mut received)) => received.remove(0).expect("it can be received"),
            other => panic!("{other:?}"),
        }
    }

    fn accept(&mut self, first: u64, last: u64) {
        let ticket = self.ticket();
        let range = OffsetRange { first: Offset(first), last: Offset(last) };
        let settle = SettleWork {
            ticket,
            subscription: name(),
            consumer: Consumer { source: Source(5), number: ConsumerNumber(0) },
            items: vec![SettleItemWork {
                partition: PartitionId(QUEUE),
                verdicts: vec![(range, Verdict::End(Settlement::Accept))],
            }],
        };
        self.post(5, 0, Work::Settle(settle));
        self.settle();
        assert!(matches!(self.answer(ticket), Some(Answer::Settled(settled)) if settled == [Ok(())]));
    }

    fn counted(&mut self) -> Counted {
        let ticket = self.ticket();
        let key = SubscriptionKey { partition: PartitionId(QUEUE), name: name() };
        self.post(99, 0, Work::Subscriptions(ticket, SubscriptionWork::Count(key)));
        self.settle();
        match self.answer(ticket) {
            Some(Answer::Counted(counted)) => counted,
            other => panic!("{other:?}"),
        }
    }

    fn start(&self) -> u64 {
        self.shard.machine().partition(PartitionId(QUEUE)).expect("it exists").start.0
    }
}

/// What was delivered, from payloads as they are stored.
fn bodies(received: &ReceivedRecords) -> Vec<String> {
    let mut bodies = Vec::new();
    for delivery in &received.deliveries {
        for offset in delivery.range.first.0..=delivery.range.last.0 {
            let payload = received.payloads.iter().rfind(|payload| payload.first.0 <= offset).unwrap();
            let at = u32::try_from(offset - payload.first.0).unwrap();
            let body = match payload.kind {
                PayloadKind::MessageBatch => {
                    MessageBatch::open(payload.bytes.clone()).unwrap().get(at).unwrap().body
                }
                PayloadKind::RecordBatch => {
                    let mut records = Records::open(&payload.bytes, 1 << 20).unwrap().map(Result::unwrap);
                    records.find(|record| record.offset_delta == at).unwrap().value
                }
            };
            bodies.push(String::from_utf8(body.unwrap().to_vec()).unwrap());
        }
    }
    bodies
}

/// With next to no memory for payloads everything is read from files.
fn cold() -> ShardConfig {
    ShardConfig { hot_bytes_max: 1, ..config() }
}

#[test]
fn messages_and_records_of_one_queue_are_received_as_they_are_stored() {
    for config in [config(), cold()] {
        let mut world = World::with(config);
        world.open_partitions([QUEUE], queue());
        assert_eq!(world.send(&["a", "b"]), 0);
        let ticket = world.publish(8, QUEUE, batch(b"a record"));
        world.settle();
        assert_eq!(world.offset(ticket), 2);
        assert_eq!(world.send(&["c"]), 3);
        assert_eq!(world.counted(), Counted { ready: 4, held: 0, consumers: 0 });
        let first = world.receive_as(ReceiveForm::Payloads, 1);
        assert!(first.records.is_empty());
        assert_eq!(bodies(&first), ["a"]);
        assert_eq!(world.counted(), Counted { ready: 3, held: 1, consumers: 0 });
        let mut rest = Vec::new();
        while rest.len() < 3 {
            rest.extend(bodies(&world.receive_as(ReceiveForm::Payloads, 10)));
        }
        assert_eq!(rest, ["b", "a record", "c"]);
    }
}

#[test]
fn readers_of_record_batches_get_messages_as_records() {
    for config in [config(), cold()] {
        let mut world = World::with(config);
        world.open_partitions([QUEUE], queue());
        world.send(&["a", "b"]);
        let ticket = world.publish(8, QUEUE, batch(b"a record"));
        world.settle();
        assert_eq!(world.offset(ticket), 2);
        world.send(&["c"]);
        for (offset, value) in [(0, "a"), (1, "b"), (2, "a record"), (3, "c")] {
            assert_eq!(world.read_value(QUEUE, offset), value.as_bytes());
        }
        let mut came = Vec::new();
        while came.len() < 4 {
            let received = world.receive_as(ReceiveForm::Records, 10);
            assert!(received.payloads.is_empty());
            for batch in Batches::new(received.records.concat().into()) {
                let records = Records::open(&batch.unwrap(), 1 << 20).unwrap().map(Result::unwrap);
                came.extend(records.map(|record| (record.offset.0, record.value.unwrap())));
            }
        }
        let expected = [(0, "a"), (1, "b"), (2, "a record"), (3, "c")];
        assert_eq!(came, expected.map(|(offset, value)| (offset, Bytes::from(value))));
    }
}

#[test]
fn what_all_consumers_have_settled_goes_and_nothing_else() {
    let mut world = World::new();
    world.open_partitions([QUEUE], queue());
    for bodies in [&["0", "1"], &["2", "3"], &["4", "5"]] {
        world.send(bodies);
    }
    let received = world.receive_as(ReceiveForm::Payloads, 10);
    assert_eq!(bodies(&received), ["0", "1", "2", "3", "4", "5"]);
    // The first batch is not settled to its end.
    world.accept(0, 0);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.start(), 0);
    world.accept(1, 2);
    world.accept(4, 5);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.start(), 2, "a batch goes when the last of it is settled, and all before");
    world.accept(3, 3);
    world.pass(Duration::from_secs(31));
    assert_eq!((world.start(), world.end(QUEUE)), (6, 6));
    world.restart();
    world.settle();
    assert_eq!((world.start(), world.end(QUEUE)), (6, 6));
    assert_eq!(world.send(&["6"]), 6);
    assert_eq!(bodies(&world.receive_as(ReceiveForm::Payloads, 10)), ["6"]);
}

/// Receives until so many messages came.
fn receive_so_many(world: &mut World, messages: usize) {
    let mut came = 0;
    while came < messages {
        let received = bodies(&world.receive_as(ReceiveForm::Payloads, 100)).len();
        assert!(received > 0, "{came} came");
        came += received;
    }
}

/// Bytes of the log's files.
fn log_bytes(world: &World) -> usize {
    world.disk.contents(".seg").values().map(Vec::len).sum()
}

/// Retention, a survey and what that decides have their time.
fn let_go(world: &mut World) {
    for _ in 0..4 {
        world.pass(Duration::from_secs(31));
    }
}

/// Lets segments end that something else fills.
fn fill_segments(world: &mut World) {
    for _ in 0..10 {
        world.publish(1, OTHER, batch(&[0; 200_000]));
        world.settle();
    }
}

/// The oldest message and the youngest are what is left of the queue.
fn the_rest_is_read(world: &mut World) {
    assert_eq!(world.read_value(QUEUE, 0), b"old");
    assert_eq!(world.read_value(QUEUE, 12), b"young");
    let fetched = world.fetch(QUEUE, 0, Isolation::Committed);
    let offsets: Vec<_> = Batches::new(fetched.records.concat().into())
        .map(|batch| Records::open(&batch.unwrap(), 8 << 20).unwrap().header().base_offset)
        .collect();
    assert_eq!(offsets, [0, 12]);
}

#[test]
fn one_old_message_keeps_none_of_the_disk_that_the_others_took() {
    let mut world = World::new();
    world.open_partitions([QUEUE], queue());
    world.open_partitions([OTHER], settings());
    world.send(&["old"]);
    let (large, huge) = ("x".repeat(200_000), "y".repeat(3 << 20));
    for _ in 0..10 {
        world.send(&[&large]);
    }
    world.send(&[&huge]);
    world.send(&["young"]);
    let rules = QueueSettings::default().rules();
    receive_so_many(&mut world, 13);
    let_go(&mut world);
    let before = log_bytes(&world);
    assert!(before > 5 << 20, "nothing is settled, and all of it is there: {before}");
    world.accept(1, 11);
    let_go(&mut world);
    let after = log_bytes(&world);
    assert!(after < 1 << 20, "{after} of {before} bytes are left");
    assert_eq!(world.start(), 0);

    // What nobody settled is there, for readers of either kind; what lay between is in nobody's way, even where the segment that names it is
    // still written to. Memory, which might hold it still, is gone with the restart.
    world.restart();
    world.settle();
    the_rest_is_read(&mut world);
    fill_segments(&mut world);
    let_go(&mut world);
    let live = |world: &World| world.shard.machine().partition(PartitionId(QUEUE)).unwrap().bytes;
    // Where the huge one is named there is too much else that lives, so that is not written again: its bytes are gone, its name is not.
    let named = [&["old"], &["young"], &[&*huge]].map(|bodies| messages(bodies).len() as u64);
    assert_eq!(live(&world), named.iter().sum());
    the_rest_is_read(&mut world);
    world.restart();
    world.settle();
    the_rest_is_read(&mut world);
    world.pass(Duration::from_millis(u64::from(rules.lease_ms) + 1));
    let mut again = Vec::new();
    while again.len() < 2 {
        again.extend(bodies(&world.receive_as(ReceiveForm::Payloads, 10)));
    }
    assert_eq!(again, ["old", "young"]);
    world.accept(0, 0);
    let_go(&mut world);
    assert_eq!((world.start(), world.end(QUEUE)), (12, 13), "it begins with what is left");
    world.accept(12, 12);
    let_go(&mut world);
    assert_eq!((world.start(), live(&world)), (13, 0));
}

#[test]
fn a_queue_begins_where_something_is_left_or_where_it_ends() {
    for has_young in [true, false] {
        let mut world = World::new();
        world.open_partitions([QUEUE], queue());
        world.open_partitions([OTHER], settings());
        world.send(&["old"]);
        let large = "x".repeat(200_000);
        for _ in 0..6 {
            world.send(&[&large]);
        }
        receive_so_many(&mut world, 7);
        world.accept(1, 6);
        // Whatever is written beside it dies too, so that no segment is kept for that.
        fill_segments(&mut world);
        let start = Offset(world.end(OTHER));
        world.propose(vec![Command::Trim { partition: PartitionId(OTHER), start, bytes: 2_000_000 }]);
        let_go(&mut world);
        if has_young {
            assert_eq!(world.send(&["young"]), 7);
        }
        let fetched = world.fetch(QUEUE, 0, Isolation::Committed);
        let batches = Batches::new(fetched.records.concat().into()).count();
        assert_eq!(batches, 1 + usize::from(has_young), "what lay between is gone");
        assert_eq!(world.start(), 0);
        world.accept(0, 0);
        let_go(&mut world);
        assert_eq!(world.start(), 7);
    }
}

#[test]
fn transactions_of_which_much_is_settled_still_end_where_they_ended() {
    for config in [config(), cold()] {
        let mut world = World::with(config);
        world.open_partitions([QUEUE], queue());
        world.send(&["old"]);
        let instance = world.open_producer(MINUTE);
        for (sequence, decision) in [(0, Decision::Abort), (1, Decision::Commit)] {
            let value = format!("{decision:?}");
            let payload = transactional(instance, sequence, value.as_bytes());
            let ticket = world.publish_joining(QUEUE, payload, Joining::Now);
            assert!(world.published(ticket).unwrap().is_ok());
            world.end_transaction(instance, decision, Next::Same).expect("it ends");
        }
        assert_eq!(world.seen(QUEUE, Isolation::Committed), ["old", "Commit"]);
        let large = "x".repeat(200_000);
        for _ in 0..10 {
            world.send(&[&large]);
        }
        receive_so_many(&mut world, 12);
        world.accept(3, 3);
        world.accept(5, 14);
        let_go(&mut world);
        assert!(log_bytes(&world) < 1 << 20);
        let payload = transactional(instance, 2, b"later");
        let ticket = world.publish_joining(QUEUE, payload, Joining::Now);
        assert_eq!(world.offset(ticket), 15);
        world.end_transaction(instance, Decision::Commit, Next::Same).expect("it ends");
        for restart in [false, true] {
            if restart {
                world.restart();
                world.settle();
            }
            // What is young enough to lie in the segment that is being written may still be there.
            let mut seen = world.seen(QUEUE, Isolation::Committed);
            seen.retain(|value| *value != large);
            assert_eq!(seen, ["old", "later"]);
        }
        world.pass(Duration::from_millis(u64::from(QueueSettings::default().rules().lease_ms) + 1));
        let mut came = Vec::new();
        while came.len() < 2 {
            came.extend(bodies(&world.receive_as(ReceiveForm::Payloads, 10)));
        }
        assert_eq!(came, ["old", "later"]);
    }
}

#[test]
fn a_receive_that_is_ended_while_files_are_read_for_it_is_answered_with_nothing() {
    let mut world = World::with(cold());
    world.open_partitions([QUEUE], queue());
    let instance = world.open_producer(MINUTE);
    let payload = transactional(instance, 0, b"never");
    world.publish_joining(QUEUE, payload, Joining::Now);
    world.end_transaction(instance, Decision::Abort, Next::Same).expect("it ends");
    let ticket = world.begin_receive(ReceiveForm::Payloads, 10, FAR);
    world.settle_with(|class| class != IoClass::Read);
    assert_eq!(world.jobs.len(), 1, "files are read for it");
    world.read(Read::EndFetch(ticket));
    world.turn();
    assert!(world.answer(ticket).is_none());
    world.settle();
    match world.answer(ticket) {
        Some(Answer::Received(received)) => assert!(received[0].as_ref().unwrap().deliveries.is_empty()),
        other => panic!("{other:?}"),
    }
    // One that waits is answered too, and what its consumer has stays its own.
    world.send(&["a"]);
    assert_eq!(bodies(&world.receive_as(ReceiveForm::Payloads, 10)), ["a"]);
    let ticket = world.begin_receive(ReceiveForm::Payloads, 10, FAR);
    world.settle();
    assert!(world.answer(ticket).is_none());
    world.read(Read::EndFetch(ticket));
    world.settle();
    assert!(world.answer(ticket).is_some());
    assert_eq!(world.counted(), Counted { ready: 0, held: 1, consumers: 0 });
    world.accept(2, 2);
}

#[test]
fn messages_are_found_by_their_times() {
    for config in [config(), cold()] {
        let mut world = World::with(config);
        world.open_partitions([QUEUE], queue());
        for times in [&[10, 20][..], &[30, 25], &[40]] {
            let mut builder = MessageBatchBuilder::new(1 << 20);
            for time in times {
                let envelope = Envelope::new(Origin(NonZeroU8::new(2).unwrap()), Timestamp(*time));
                builder.push(&envelope, b"", None).unwrap();
            }
            world.send_payload(builder.build().unwrap());
        }
        for (time, expected) in [(5, Some((0, 10))), (11, Some((1, 20))), (26, Some((2, 30))), (41, None)] {
            let target = OffsetTarget::AtOrAfter(Timestamp(time));
            assert_eq!(world.find_message(target), expected, "{time}");
        }
        assert_eq!(world.find_message(OffsetTarget::MaxTimestamp), Some((4, 40)));
    }
}

#[test]
fn a_compacted_partition_takes_no_messages() {
    let mut world = World::new();
    let compaction = Compaction {
        tombstone_ms: 1,
        lag_ms_min: 0,
        lag_ms_max: i64::MAX as u64,
        dirty_ratio_min: Ratio::from_percent(50).unwrap(),
        fresh_bytes: 0,
        fresh_ms: 0,
    };
    world.open_partitions([QUEUE], PartitionSettings { compaction: Some(compaction), ..settings() });
    let ticket = world.post_messages(messages(&["a", "b"]));
    world.settle();
    assert_eq!(world.published(ticket), Some(Err(Refusal::MissingKeys(vec![0, 1]))));
}

#[test]
fn in_a_topic_that_is_no_queue_what_was_settled_stays() {
    let mut world = World::new();
    world.open_partitions([QUEUE], settings());
    world.send(&["0"]);
    assert_eq!(bodies(&world.receive_as(ReceiveForm::Payloads, 10)), ["0"]);
    world.accept(0, 0);
    world.pass(Duration::from_secs(31));
    assert_eq!((world.start(), world.end(QUEUE)), (0, 1));
}
