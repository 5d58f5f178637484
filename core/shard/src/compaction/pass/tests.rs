//! Passes over a log of one partition, against a model that knows all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use forebay_commitlog::{BodyBuilder, Entry, EntryKind, Log, LogConfig};
use forebay_machine::{AbortedRange, Compaction};
use forebay_model::transaction::Decision;
use forebay_model::{
    BatchSequence, LogIndex, LogTime, PartitionId, ProducerEpoch, ProducerId, Ratio, ShardId, SlotNumber,
    Term, Timestamp, TopicId,
};
use forebay_record::batch::{BatchBuilder, Codec, NewRecord, Producer, transaction_mark};

use super::*;
use crate::entry::{SLOT_PAYLOAD, SLOT_TURN};
use crate::memory_disk::MemoryDisk;
use crate::reclaim::dead::DeadSet;
use crate::sealed::line;

const PARTITION: PartitionId = PartitionId(1);
const NOW: i64 = 1_000_000;

/// A small generator: tests need variety, not quality.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

/// A record as the model knows it.
#[derive(Clone, Debug)]
struct Written {
    offset: u64,
    key: Option<u64>,
    is_tombstone: bool,
    is_aborted: bool,
    mark: Option<Mark>,
}

/// The mark of a transaction, as the model knows it: how it ended, and the last record of it.
#[derive(Clone, Copy, Debug)]
struct Mark {
    decision: Decision,
    last: Option<u64>,
}

/// The log of one partition, and what was written to it.
struct World {
    log: Log,
    unsealed: Vec<IndexEntry>,
    written: Vec<Written>,
    aborted: Vec<AbortedRange>,
    /// Where its batches end.
    ends: Vec<u64>,
    end: u64,
}

impl World {
    fn new() -> World {
        let config = LogConfig { tail_bytes_max: 0, ..LogConfig::new(ShardId(0), 1) };
        let disk = Arc::new(MemoryDisk::default());
        let (log, _) = Log::open(disk, Path::new("/shard"), config).unwrap();
        World {
            log,
            unsealed: Vec::new(),
            written: Vec::new(),
            aborted: Vec::new(),
            ends: Vec::new(),
            end: 0,
        }
    }

    fn append(&mut self, payload: &Bytes, count: u32, max_timestamp: i64) {
        let mut body = BodyBuilder::new(2, payload.len());
        body.push_slot(SLOT_TURN, &[b"turn"]).unwrap();
        body.push_slot(SLOT_PAYLOAD, &[payload]).unwrap();
        let index = self.log.last_index().next();
        let entry = Entry { term: Term(1), index, kind: EntryKind::Normal, body: body.finish() };
        self.log.append(&[entry]).unwrap();
        self.unsealed.push(IndexEntry {
            partition: PARTITION,
            first_offset: Offset(self.end),
            count,
            log_index: index,
            slot: SlotNumber(1),
            first_position: 0,
            bytes: payload.len() as u32,
            max_timestamp: Timestamp(max_timestamp),
            earliest_expiry: None,
            parts: Vec::new(),
        });
        self.end += u64::from(count);
        self.ends.push(self.end);
    }

    /// Writes a batch; keys are numbers, a value that is `None` is a tombstone.
    fn batch(&mut self, records: &[(Option<u64>, bool)], producer: Option<i64>, timestamp: i64) {
        let codec = if records.len() < 1_000 { Codec::None } else { Codec::Zstd };
        let mut builder = BatchBuilder::new(codec, 16 << 20);
        if let Some(id) = producer {
            let base_sequence = BatchSequence(0);
            let producer = Producer { id: ProducerId(id), epoch: ProducerEpoch(0), base_sequence };
            builder = builder.producer(producer).transactional();
        }
        for (number, (key, is_tombstone)) in records.iter().enumerate() {
            let record = NewRecord {
                timestamp: Timestamp(timestamp),
                key: key.map(|key| Bytes::from(format!("key {key}"))),
                value: (!is_tombstone).then(|| Bytes::from(vec![number as u8; 50])),
                headers: Vec::new(),
            };
            builder.push(&record).unwrap();
        }
        for (offset, (key, is_tombstone)) in (self.end..).zip(records) {
            let (key, is_tombstone) = (*key, *is_tombstone);
            self.written.push(Written { offset, key, is_tombstone, is_aborted: false, mark: None });
        }
        self.append(&builder.build().unwrap(), records.len() as u32, timestamp);
    }

    /// Ends what a producer wrote since `first`.
    fn end(&mut self, producer: i64, first: u64, decision: Decision) {
        let id = ProducerId(producer);
        let mark = transaction_mark(id, ProducerEpoch(0), decision, Timestamp(1));
        let last = self.end;
        if decision == Decision::Abort {
            let (first, last) = (Offset(first), Offset(last));
            self.aborted.push(AbortedRange { producer: id, first, last, stable: last });
        }
        let of_it = self.of_producer(producer, first).last().copied();
        self.written.push(Written {
            offset: last,
            key: None,
            is_tombstone: false,
            is_aborted: false,
            mark: Some(Mark { decision, last: of_it }),
        });
        self.append(&mark, 1, -1);
    }

    fn seal(&mut self) {
        let index = self.log.last_index().next();
        let body = BodyBuilder::new(0, 0).finish();
        self.log.append(&[Entry { term: Term(1), index, kind: EntryKind::Seal, body }]).unwrap();
        let done = self.log.begin_flush().unwrap().expect("something was written").run().unwrap();
        self.log.flushed(done);
        let id = self.log.reader().segments().last().unwrap().id;
        let lines: Vec<_> = std::mem::take(&mut self.unsealed).iter().map(line).collect();
        self.log.keeper().write_sidecar(id, lines).unwrap();
    }

    fn pass(&self, start: u64, order: Order, keys_max: usize) -> Pass {
        let plan = ReadPlan {
            partition: PARTITION,
            topic: TopicId([1; 16]),
            offset: Offset(start),
            bound: Offset(self.end),
            start: Offset(start),
            high_watermark: Offset(self.end),
            last_stable_offset: Offset(self.end),
            bytes_max: u64::MAX,
            is_compacted: true,
            has_holes: true,
            in_memory: self.unsealed.clone(),
            aborted: Vec::new(),
            is_cut: false,
            epochs: Arc::from([]),
        };
        let archive =
            Archive { reader: self.log.reader(), metrics: Arc::default(), properties: Default::default() };
        Pass::new(archive, plan, order, self.ahead(), keys_max)
    }

    /// As for the first pass of a leader.
    fn ahead(&self) -> Ahead {
        Ahead::Unknown {
            in_memory_from: self.unsealed.first().map_or(Offset(u64::MAX), |entry| entry.first_offset),
            in_memory_bytes: self.unsealed.iter().map(|entry| u64::from(entry.bytes)).sum(),
        }
    }

    fn order(&self) -> Order {
        Order {
            compaction: Compaction {
                tombstone_ms: 1_000,
                lag_ms_min: 0,
                lag_ms_max: 10_000,
                dirty_ratio_min: Ratio::HALF,
                fresh_bytes: 0,
                fresh_ms: 0,
            },
            now: LogTime(NOW),
            aborted: self.aborted.clone(),
            replaced_since: None,
            clean_end: Offset(0),
            ripe_end: Offset(0),
            salts: [1, 2, 3, 4],
        }
    }

    /// Behind the batch that has this record.
    fn batch_end(&self, offset: u64) -> u64 {
        self.ends.iter().copied().find(|end| *end > offset).unwrap()
    }

    /// What should be found dead.
    fn dead(&self, start: u64, ripe_end: u64) -> BTreeSet<u64> {
        let counts =
            |record: &&Written| record.offset >= start && !record.is_aborted && record.mark.is_none();
        let mut newest = BTreeMap::new();
        for record in self.written.iter().filter(counts) {
            newest.insert(record.key, record.offset);
        }
        let is_dead = |record: &&Written| {
            let is_last = newest.get(&record.key) == Some(&record.offset);
            match record.mark {
                // A batch that begins before the start may still be there.
                Some(Mark { decision: Decision::Commit, last }) => {
                    last.is_none_or(|last| self.batch_end(last) <= start)
                }
                Some(_) => false,
                None => {
                    record.is_aborted
                        || record.key.is_none()
                        || !is_last
                        || (record.is_tombstone && record.offset < ripe_end)
                }
            }
        };
        let dead = self.written.iter().filter(|record| record.offset >= start).filter(is_dead);
        dead.map(|record| record.offset).filter(|offset| *offset != self.end - 1).collect()
    }
}

fn run(mut pass: Pass, budget: u64) -> Found {
    for _ in 0..100_000 {
        if let Some(found) = pass.step(budget).expect("it can be read") {
            return found;
        }
    }
    panic!("it never came to its end");
}

/// The dead offsets from `start` on.
fn offsets(found: &Found, start: u64) -> BTreeSet<u64> {
    let runs = found.dead.values().flat_map(|dead| dead.set.runs().collect::<Vec<_>>());
    runs.flat_map(|(from, end)| from.0..end.0).filter(|offset| *offset >= start).collect()
}

/// Random batches: keyed and not, tombstones, transactions of two producers that end in some way.
fn random(dice: &mut Dice, batches: u64) -> World {
    let mut world = World::new();
    let mut open: BTreeMap<i64, u64> = BTreeMap::new();
    let keys = 1 + dice.roll(30);
    for number in 0..batches {
        let producer = if dice.roll(3) == 0 { Some(dice.roll(2) as i64) } else { None };
        let records: Vec<_> = (0..1 + dice.roll(6))
            .map(|_| ((dice.roll(20) > 0).then(|| dice.roll(keys)), dice.roll(4) == 0))
            .collect();
        if let Some(producer) = producer {
            open.entry(producer).or_insert(world.end);
        }
        world.batch(&records, producer, number as i64);
        if dice.roll(4) == 0
            && let Some((producer, first)) = open.pop_first()
        {
            end_of_transaction(&mut world, dice, producer, first);
        }
        if dice.roll(8) == 0 {
            world.seal();
        }
    }
    for (producer, first) in open {
        end_of_transaction(&mut world, dice, producer, first);
    }
    world
}

fn end_of_transaction(world: &mut World, dice: &mut Dice, producer: i64, first: u64) {
    let decision = if dice.roll(2) == 0 { Decision::Abort } else { Decision::Commit };
    if decision == Decision::Abort {
        let batches: BTreeSet<u64> = world.of_producer(producer, first);
        world.written.iter_mut().filter(|record| batches.contains(&record.offset)).for_each(|record| {
            record.is_aborted = true;
        });
    }
    world.end(producer, first, decision);
}

impl World {
    /// The offsets that a producer wrote from `first` on.
    fn of_producer(&self, producer: i64, first: u64) -> BTreeSet<u64> {
        let reader = self.log.reader();
        let mut offsets = BTreeSet::new();
        let order = self.order();
        let pass = self.pass(first, order, 1);
        let see = |entry: &IndexEntry, _: &Bytes| {
            let slot = reader.read_slot(entry.log_index, entry.slot).unwrap();
            let header = forebay_record::batch::BatchHeader::peek(&slot).unwrap();
            if header.producer_id == ProducerId(producer) && !header.attributes.is_control() {
                offsets.extend(entry.first_offset.0..end_of(entry).0);
            }
            ControlFlow::Continue(())
        };
        pass.archive.each_payload(&pass.plan, see).unwrap();
        offsets
    }
}

#[test]
fn what_is_dead_is_what_a_list_of_all_records_says() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let batches = 1 + dice.roll(60);
        let world = random(&mut dice, batches);
        let start = if dice.roll(3) == 0 { dice.roll(world.end) } else { 0 };
        let ripe_end = if dice.roll(2) == 0 { dice.roll(world.end + 1) } else { 0 };
        let (keys_max, budget) = (1 + dice.roll(12) as usize, 1 + dice.roll(20_000));
        let order = Order { ripe_end: Offset(ripe_end), clean_end: Offset(ripe_end), ..world.order() };
        let found = run(world.pass(start, order, keys_max), budget);
        let mut expected = world.dead(start, ripe_end);
        // A window with few keys does not see that a tombstone at its end has a newer record behind it; then that is dead by itself.
        let offsets = offsets(&found, start);
        expected.retain(|offset| *offset >= start);
        assert_eq!(offsets, expected, "seed {seed}, from {start}, ripe to {ripe_end}, {keys_max} keys");
        assert_eq!((found.start, found.end), (Offset(start), Offset(world.end)));
        let bytes: u64 = found.dead.values().map(|dead| dead.bytes).sum();
        assert_eq!(bytes > 0, !expected.is_empty(), "seed {seed}");
    }
}

#[test]
fn windows_and_steps_change_nothing() {
    let mut dice = Dice(77);
    let world = random(&mut dice, 80);
    let whole = run(world.pass(0, world.order(), 1_000), u64::MAX);
    for (keys_max, budget) in [(1, u64::MAX), (3, 700), (1_000, 1)] {
        let found = run(world.pass(0, world.order(), keys_max), budget);
        assert_eq!(offsets(&found, 0), offsets(&whole, 0), "{keys_max} keys, steps of {budget} bytes");
    }
}

#[test]
fn a_tombstone_is_clean_when_nothing_is_left_that_it_hides() {
    let key = |key: u64, is_tombstone: bool| (Some(key), is_tombstone);
    let mut world = World::new();
    world.batch(&[key(1, false), key(2, true)], None, 10);
    world.seal();
    world.batch(&[key(3, true), key(1, true), key(4, true), key(5, false)], None, 20);
    let found = run(world.pass(0, world.order(), 100), u64::MAX);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0]));
    // 1 and 2 hide nothing; the one at 3 hides the record at 0.
    assert_eq!((found.clean_end, found.is_unclean), (Some(Offset(3)), true));
    // The record at 0 is trimmed.
    let found = run(world.pass(1, world.order(), 100), u64::MAX);
    assert_eq!((found.clean_end, found.is_unclean), (Some(Offset(6)), false));
    // It is known already, and there is none behind.
    let known = Order { clean_end: Offset(5), ..world.order() };
    let found = run(world.pass(1, known, 100), u64::MAX);
    assert_eq!((found.clean_end, found.is_unclean), (None, false));
    let ripe = Order { clean_end: Offset(6), ripe_end: Offset(4), ..world.order() };
    assert_eq!(offsets(&run(world.pass(1, ripe, 100), u64::MAX), 1), BTreeSet::from([1, 2, 3]));
}

#[test]
fn keys_that_did_not_fit_leave_no_tombstone_that_is_taken_for_clean() {
    let mut world = World::new();
    world.batch(&[(Some(70_000), false)], None, 10);
    // One batch with more new keys than a window takes in above what it has.
    let keys: Vec<_> = (0..70_000).map(|key| (Some(key), false)).collect();
    world.batch(&keys, None, 10);
    world.batch(&[(Some(70_000), true), (Some(1), false)], None, 10);
    let found = run(world.pass(0, world.order(), 2), u64::MAX);
    assert!(found.is_unclean && found.clean_end.is_none_or(|end| end <= Offset(1)), "{:?}", found.clean_end);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0, 2]), "what did fit is compacted");
}

#[test]
fn a_batch_for_which_a_window_has_no_room_left_begins_the_next() {
    let mut world = World::new();
    world.batch(&[(Some(100_000), false), (Some(100_001), false)], None, 10);
    // As many keys as a window has room for.
    let keys: Vec<_> = (0..65_539).map(|key| (Some(key), false)).collect();
    world.batch(&keys, None, 10);
    world.batch(&[(Some(100_000), false), (Some(0), false)], None, 10);
    let found = run(world.pass(0, world.order(), 3), u64::MAX);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0, 2]));
    assert!(!found.is_unclean);
}

#[test]
fn young_records_are_neither_dead_nor_do_they_replace_any() {
    let mut world = World::new();
    for timestamp in [NOW - 500, NOW - 300, NOW - 100] {
        world.batch(&[(Some(1), false)], None, timestamp);
    }
    let mut order = world.order();
    order.compaction.lag_ms_min = 200;
    let found = run(world.pass(0, order, 100), u64::MAX);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0]), "2 is too young to replace 1");
    assert_eq!((found.end, found.left.why), (Offset(2), Why::Young(LogTime(NOW + 100))));
    assert_eq!(found.left.since, Some(Timestamp(NOW - 100)));
    assert_eq!(found.left.bytes, world.bytes_from(2));
    // Without such a time records of the future are as old as others.
    let mut world = World::new();
    world.batch(&[(Some(1), false)], None, NOW + 5_000);
    world.batch(&[(Some(1), false)], None, NOW + 5_000);
    assert_eq!(offsets(&run(world.pass(0, world.order(), 100), u64::MAX), 0), BTreeSet::from([0]));
}

impl World {
    /// Bytes of the batches from an offset on.
    fn bytes_from(&self, offset: u64) -> u64 {
        let mut bytes = 0;
        let pass = self.pass(offset, self.order(), 1);
        let see = |entry: &IndexEntry, _: &Bytes| {
            bytes += u64::from(entry.bytes);
            ControlFlow::Continue(())
        };
        pass.archive.each_payload(&pass.plan, see).unwrap();
        bytes
    }
}

#[test]
fn the_newest_bytes_are_left_alone_unless_they_are_old() {
    for sealed in [0, 3, 7, 10] {
        let mut world = World::new();
        for number in 0..10 {
            if number == sealed {
                world.seal();
            }
            world.batch(&[(Some(1), false)], None, NOW - 1_000 + number * 100);
        }
        let each = world.bytes_from(9);
        let mut order = world.order();
        (order.compaction.fresh_bytes, order.compaction.fresh_ms) = (3 * each, 2_000);
        let found = run(world.pass(0, order, 100), 100);
        assert_eq!(offsets(&found, 0), (0..6).collect(), "the last of those that are looked at stays too");
        let expected = Left {
            bytes: 3 * each,
            why: Why::Fresh(Some(LogTime(NOW + 1_700))),
            since: Some(Timestamp(NOW - 300)),
        };
        assert_eq!((found.end, found.left), (Offset(7), expected), "{sealed}");
        // Two of the three are old enough.
        let mut order = world.order();
        (order.compaction.fresh_bytes, order.compaction.fresh_ms) = (3 * each, 200);
        let found = run(world.pass(0, order, 100), 100);
        assert_eq!(
            (found.end, found.left.why),
            (Offset(9), Why::Fresh(Some(LogTime(NOW + 100)))),
            "{sealed}"
        );
        // No record is fresh that is as old as records may become.
        let mut order = world.order();
        (order.compaction.fresh_bytes, order.compaction.fresh_ms) = (3 * each, 2_000);
        order.compaction.lag_ms_max = 150;
        let found = run(world.pass(0, order, 100), 100);
        assert_eq!((found.end, found.left.why), (Offset(9), Why::Fresh(Some(LogTime(NOW + 50)))), "{sealed}");
        // The next pass of this leader counts on.
        let Pass { archive, plan, .. } = world.pass(0, world.order(), 100);
        let mut order = world.order();
        (order.compaction.fresh_bytes, order.compaction.fresh_ms) = (2 * each, 2_000);
        let ahead = Ahead::Known { from: Offset(7), bytes: 3 * each };
        let found = run(Pass::new(archive, plan, order, ahead, 100), 100);
        assert_eq!((found.end, found.left.bytes), (Offset(8), 2 * each), "{sealed}");
    }
}

#[test]
fn the_mark_of_a_completed_transaction_goes_when_nothing_of_it_is_left() {
    let mut world = World::new();
    world.batch(&[(Some(1), false)], Some(7), 10);
    world.end(7, 0, Decision::Commit);
    world.batch(&[(Some(2), false)], Some(8), 10);
    world.end(8, 2, Decision::Abort);
    world.batch(&[(Some(1), false)], None, 10);
    let found = run(world.pass(0, world.order(), 100), u64::MAX);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0, 2]), "what is dead is still there");
    // From behind what they end.
    for start in [1, 3] {
        let found = run(world.pass(start, world.order(), 100), u64::MAX);
        let expected = if start == 1 { BTreeSet::from([1, 2]) } else { BTreeSet::new() };
        assert_eq!(
            offsets(&found, start),
            expected,
            "an abort is told to readers as long as its mark is there"
        );
    }
    // The last record stays, whatever it is.
    let mut world = World::new();
    world.batch(&[(Some(1), false)], Some(7), 10);
    world.end(7, 0, Decision::Commit);
    assert_eq!(offsets(&run(world.pass(1, world.order(), 100), u64::MAX), 1), BTreeSet::new());
}

#[test]
fn what_has_to_go_says_when() {
    let mut world = World::new();
    world.batch(&[(Some(1), false), (Some(2), false)], None, NOW - 5_000);
    world.batch(&[(Some(1), false)], None, NOW - 4_000);
    world.batch(&[(Some(3), false)], None, NOW);
    let due = |world: &World| {
        let found = run(world.pass(0, world.order(), 100), u64::MAX);
        found.dead.values().next().expect("something is dead").due.0
    };
    // 10 s after it was written, or up to an eighth of that before.
    let lag = due(&world);
    assert!((NOW + 5_000 - 1_250..=NOW + 5_000).contains(&lag), "{lag}");
    // 1 s after the tombstone.
    world.batch(&[(Some(2), true), (Some(4), false)], None, NOW - 200);
    let deleted = due(&world);
    assert!((NOW + 800 - 125..=NOW + 800).contains(&deleted), "{deleted}");
}

#[test]
fn what_cannot_be_taken_apart_stays_and_hides_behind_no_tombstone() {
    let mut world = World::new();
    world.batch(&[(Some(1), false)], None, 10);
    let garbage = Bytes::from_static(
        b"no batch at all, but long enough to be taken for the head of one, perhaps......",
    );
    world.append(&garbage, 3, 10);
    world.batch(&[(Some(1), true), (Some(2), true), (Some(3), false)], None, 10);
    let found = run(world.pass(0, world.order(), 100), u64::MAX);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0]));
    assert!(found.is_unclean && found.clean_end.is_none(), "nobody knows what the garbage holds");
}

#[test]
fn dead_payloads_go_with_all_their_offsets() {
    let mut world = World::new();
    world.batch(&[(Some(1), false), (Some(1), false)], None, 10);
    world.batch(&[(Some(1), false), (Some(2), false)], None, 10);
    let found = run(world.pass(0, world.order(), 100), u64::MAX);
    let sets: Vec<&DeadSet> = found.dead.values().map(|dead| &dead.set).collect();
    assert_eq!(sets.len(), 1);
    assert!(sets[0].covers(Offset(0), Offset(2)) && !sets[0].touches(Offset(2), Offset(4)));
    assert_eq!(found.dead.keys().next(), Some(&LogIndex(1)));
}

#[test]
fn the_last_record_stays_also_where_its_batch_goes_on_without_records() {
    let mut world = World::new();
    world.batch(&[(Some(1), false)], None, 10);
    world.batch(&[(Some(1), true)], None, 10);
    // As a log leaves it that was compacted already: two offsets of the batch have no record.
    world.unsealed.last_mut().expect("it was written").count = 3;
    world.end += 2;
    let order = Order { clean_end: Offset(4), ripe_end: Offset(4), ..world.order() };
    let found = run(world.pass(0, order, 100), u64::MAX);
    assert_eq!(offsets(&found, 0), BTreeSet::from([0]), "the tombstone at 1 is the last record");
}
