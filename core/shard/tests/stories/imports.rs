//! Records that are taken over from another log: at their offsets, gaps and all, once, over kills and segments.

use std::time::Duration;

use bytes::Bytes;
use forebay_model::fetch::{FetchedRecords, Isolation, OffsetTarget};
use forebay_model::publish::{Confirm, Import, PayloadKind, Published};
use forebay_model::transaction::{Decision, Joining};
use forebay_model::{
    BatchSequence, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, Refusal, Timestamp, TopicId,
};
use forebay_record::batch::{
    BatchBuilder, BatchHeader, Batches, Codec, HEADER_BYTES, NewRecord, Producer, reissue, stamp,
    transaction_mark,
};
use forebay_shard::{Answer, Append, FetchItemWork, FetchWork, FindOffsetWork, Read, Work};

use crate::world::{FAR, World, batch, settings};

/// A batch as the leader of the source hands it out.
fn at(offset: u64, batch: &Bytes) -> Bytes {
    let mut bytes = batch.to_vec();
    stamp(&mut bytes, Offset(offset), LeaderEpoch(3)).unwrap();
    bytes.into()
}

fn of_transaction(producer: i64) -> Bytes {
    let producer =
        Producer { id: ProducerId(producer), epoch: ProducerEpoch(0), base_sequence: BatchSequence(0) };
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(producer).transactional();
    let value = Some(Bytes::from_static(b"in a transaction"));
    builder.push(&NewRecord { timestamp: Timestamp(1), value, ..NewRecord::default() }).unwrap();
    builder.build().unwrap()
}

fn mark(producer: i64, decision: Decision) -> Bytes {
    transaction_mark(ProducerId(producer), ProducerEpoch(0), decision, Timestamp(1))
}

impl World {
    fn import(&mut self, partition: u64, import: Import, payload: Bytes) -> Published {
        let ticket = self.ticket();
        let bytes = payload.len();
        let append = Append {
            ticket,
            partition: PartitionId(partition),
            also: Vec::new(),
            kind: PayloadKind::RecordBatch,
            payload,
            confirm: Confirm::Quorum,
            joining: Joining::Before,
            import: Some(Box::new(import)),
            deadline: self.now() + FAR,
        };
        self.post(1, bytes, Work::Append(append));
        self.settle();
        self.published(ticket).expect("it is answered")
    }

    fn begin_import(&mut self, partition: u64, start: u64) -> Published {
        let begin = Import::Begin { source: "there".into(), start: Offset(start) };
        self.import(partition, begin, Bytes::new())
    }

    /// Imports batches, each behind the one before.
    fn import_all(&mut self, mut after: u64, batches: &[Bytes]) {
        for payload in batches {
            let header = BatchHeader::peek(payload).unwrap();
            let batch = Import::Batch { after: Offset(after) };
            let appended = self.import(1, batch, payload.clone()).expect("it is taken");
            assert_eq!(appended.base_offset.0, header.base_offset as u64);
            after = header.base_offset as u64 + header.offset_count();
        }
    }

    fn look(&mut self, offset: u64, isolation: Isolation) -> FetchedRecords {
        let ticket = self.ticket();
        let item = FetchItemWork {
            partition: PartitionId(1),
            topic: TopicId([1; 16]),
            offset: Offset(offset),
            bytes_max: u64::MAX,
            leader_epoch: None,
        };
        self.read(Read::Fetch(FetchWork {
            ticket,
            number: ticket,
            items: vec![item],
            bytes_min: 1,
            bytes_max: u64::MAX,
            deadline: self.now() + Duration::from_secs(1),
            isolation,
        }));
        self.settle();
        self.pass(Duration::from_secs(2));
        let Some(Answer::Fetched(mut fetched)) = self.answer(ticket) else { panic!("it is answered") };
        fetched.remove(0).expect("it can be read")
    }

    fn find(&mut self, target: OffsetTarget) -> Option<(u64, i64)> {
        let ticket = self.ticket();
        let item = FindOffsetWork { partition: PartitionId(1), target, leader_epoch: None };
        self.read(Read::FindOffsets(ticket, vec![item], Isolation::Uncommitted));
        self.settle();
        let Some(Answer::FoundOffsets(mut found)) = self.answer(ticket) else { panic!("it is answered") };
        let found = found.remove(0).expect("it can be looked for")?;
        Some((found.offset.0, found.timestamp.expect("a time was looked for").0))
    }

    /// The base offsets of what a reader gets from there on, in as many fetches as it takes.
    fn bases(&mut self, from: u64) -> Vec<i64> {
        let (mut next, mut bases) = (from, Vec::new());
        loop {
            let fetched = self.look(next, Isolation::Uncommitted);
            let batches: Vec<Bytes> =
                Batches::new(fetched.records.concat().into()).map(|batch| batch.expect("whole")).collect();
            let Some(last) = batches.last() else { return bases };
            let header = BatchHeader::peek(last).unwrap();
            next = header.base_offset as u64 + header.offset_count();
            bases.extend(batches.iter().map(|batch| BatchHeader::peek(batch).unwrap().base_offset));
        }
    }
}

#[test]
fn batches_come_to_their_offsets_and_are_read_from_anywhere_in_a_gap() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    assert_eq!(world.begin_import(1, 100).map(|end| end.base_offset), Ok(Offset(100)));
    let one = batch(b"value");
    world.import_all(100, &[at(100, &one), at(101, &one), at(110, &one), at(500, &one)]);
    for _ in 0..2 {
        assert_eq!(world.bases(100), [100, 101, 110, 500]);
        for (from, first) in [(102, 110), (109, 110), (111, 500), (499, 500)] {
            assert_eq!(world.bases(from)[0], first, "from {from}");
        }
        assert_eq!(world.read_value(1, 110), b"value");
        assert_eq!(world.end(1), 501);
        world.restart();
    }
    // What comes back is what went in, but for base offset and leader epoch.
    let read = Bytes::from(world.look(500, Isolation::Uncommitted).records.concat());
    assert_eq!(read[16..], one[16..]);
}

#[test]
fn nobody_else_writes_until_the_import_ends_and_then_anybody_may() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let early = world.import(1, Import::Batch { after: Offset(0) }, at(0, &batch(b"early")));
    assert!(matches!(early, Err(Refusal::Forbidden(_))), "{early:?}");
    world.begin_import(1, 7).expect("it is blank");
    let refused = world.publish(2, 1, batch(b"from a producer"));
    world.settle();
    assert!(matches!(world.published(refused), Some(Err(Refusal::Forbidden(_)))));
    world.import_all(7, &[at(7, &batch(b"a")), at(9, &batch(b"b"))]);
    // Sent twice, as after a crash of the importer: it is not there twice.
    let again = world.import(1, Import::Batch { after: Offset(8) }, at(9, &batch(b"b")));
    assert_eq!(again, Err(Refusal::OffsetOutOfRange { start: Offset(7), end: Offset(10) }));
    world.restart();
    assert_eq!(world.begin_import(1, 7).map(|end| end.base_offset), Ok(Offset(10)));
    assert!(world.import(1, Import::End { end: Offset(9) }, Bytes::new()).is_err(), "it ends elsewhere");
    world.import(1, Import::End { end: Offset(10) }, Bytes::new()).expect("all came over");
    let taken = world.publish(2, 1, batch(b"from a producer"));
    world.settle();
    assert_eq!(world.offset(taken), 10);
    let late = world.import(1, Import::Batch { after: Offset(11) }, at(11, &batch(b"late")));
    assert!(matches!(late, Err(Refusal::Forbidden(_))), "{late:?}");
}

#[test]
fn transactions_of_the_source_are_to_readers_what_they_were_there() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.begin_import(1, 0).expect("it is blank");
    let plain = batch(b"plain");
    world
        .import_all(0, &[at(0, &plain), at(1, &of_transaction(5)), at(3, &of_transaction(6)), at(4, &plain)]);
    let open = world.look(0, Isolation::Committed);
    assert_eq!((open.last_stable_offset, open.high_watermark), (Offset(1), Offset(5)));
    let stays = world.import(1, Import::End { end: Offset(5) }, Bytes::new());
    assert_eq!(stays, Err(Refusal::ConcurrentTransaction));
    world.import_all(5, &[at(5, &mark(5, Decision::Abort)), at(6, &mark(6, Decision::Commit))]);
    for _ in 0..2 {
        let all = world.look(0, Isolation::Committed);
        assert_eq!(all.last_stable_offset, Offset(7));
        assert_eq!(all.aborted, [(ProducerId(5), Offset(1))]);
        assert_eq!(world.look(6, Isolation::Committed).aborted, []);
        world.restart();
    }
    world.import(1, Import::End { end: Offset(7) }, Bytes::new()).expect("nothing is open");
}

#[test]
fn a_reader_of_committed_records_waits_in_front_of_an_open_transaction_behind_a_gap() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.begin_import(1, 0).expect("it is blank");
    world.import_all(0, &[at(0, &batch(b"plain")), at(50, &of_transaction(5))]);
    let ticket = world.ticket();
    let item = FetchItemWork {
        partition: PartitionId(1),
        topic: TopicId([1; 16]),
        offset: Offset(1),
        bytes_max: u64::MAX,
        leader_epoch: None,
    };
    let deadline = world.now() + Duration::from_secs(5);
    world.read(Read::Fetch(FetchWork {
        ticket,
        number: ticket,
        items: vec![item],
        bytes_min: 1,
        bytes_max: u64::MAX,
        deadline,
        isolation: Isolation::Committed,
    }));
    world.settle();
    assert!(world.answer(ticket).is_none(), "it does not ask again and again");
    world.import_all(51, &[at(51, &mark(5, Decision::Commit))]);
    let Some(Answer::Fetched(fetched)) = world.answer(ticket) else { panic!("it was woken") };
    assert!(!fetched[0].as_ref().expect("it can be read").records.is_empty());
}

#[test]
fn a_large_batch_comes_in_parts_and_to_its_offset() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.begin_import(1, 0).expect("it is blank");
    let value = vec![7; 3 << 20];
    world.import_all(0, &[at(40, &batch(&value)), at(41, &batch(b"small"))]);
    for _ in 0..2 {
        assert!(world.read_value(1, 40) == value, "all of it");
        assert_eq!(world.read_value(1, 41), b"small");
        world.restart();
    }
}

/// Later than all that the other batches say.
const LATE: i64 = 9_000_000_000_000;

#[test]
fn a_batch_whose_records_are_garbage_is_found_by_its_header_and_nobody_steps_down() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.begin_import(1, 0).expect("it is blank");
    let mut garbage = batch(b"value").to_vec();
    garbage[HEADER_BYTES] = 0x7f;
    reissue(&mut garbage, None, Timestamp(LATE)).expect("its header is whole");
    world.import_all(0, &[at(0, &batch(b"plain")), at(5, &garbage.into()), at(9, &batch(b"plain"))]);
    for _ in 0..2 {
        assert_eq!(world.find(OffsetTarget::AtOrAfter(Timestamp(LATE))), Some((5, LATE)));
        assert_eq!(world.find(OffsetTarget::MaxTimestamp), Some((5, LATE)));
        assert_eq!(world.bases(0), [0, 5, 9], "it is still served");
        world.restart();
    }
}

#[test]
fn what_compaction_left_at_the_source_without_records_is_not_the_newest() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.begin_import(1, 0).expect("it is blank");
    let mut emptied = batch(b"value")[..HEADER_BYTES].to_vec();
    emptied[8..12].copy_from_slice(&((HEADER_BYTES - 12) as u32).to_be_bytes());
    emptied[HEADER_BYTES - 4..].fill(0);
    reissue(&mut emptied, None, Timestamp(LATE)).expect("its header is whole");
    world.import_all(0, &[at(0, &batch(b"plain")), at(5, &emptied.into()), at(9, &batch(b"plain"))]);
    let (offset, timestamp) = world.find(OffsetTarget::MaxTimestamp).expect("there are records");
    assert!(offset != 5 && timestamp < LATE, "{offset} at {timestamp}");
    assert_eq!(world.find(OffsetTarget::AtOrAfter(Timestamp(LATE))), None);
}
