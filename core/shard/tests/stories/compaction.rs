//! Of each key the last record stays, whatever happens in between.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use forebay_env::IoClass;
use forebay_machine::{Command, Compaction, Instance, Next, PartitionSettings};
use forebay_model::fetch::{Isolation, OffsetTarget};
use forebay_model::partition::TrimTo;
use forebay_model::transaction::{Decision, Joining};
use forebay_model::{BatchSequence, Offset, PartitionId, ProducerId, Ratio, Timestamp};
use forebay_record::batch::{BatchBuilder, BatchHeader, Batches, Codec, NewRecord, Producer, Records};
use forebay_shard::{Answer, FindOffsetWork, Read, Trim, Work};

use crate::transactions::MINUTE;
use crate::world::{BEGAN_MS, World, batch, settings};

const STATE: u64 = 1;
const OTHER: u64 = 2;

/// So long tombstones stay.
const TOMBSTONE: Duration = Duration::from_secs(600);

fn compacted() -> PartitionSettings {
    let compaction = Compaction {
        tombstone_ms: TOMBSTONE.as_millis() as u64,
        lag_ms_min: 0,
        lag_ms_max: i64::MAX as u64,
        dirty_ratio_min: Ratio::from_millionths(10_000).unwrap(),
        fresh_bytes: 0,
        fresh_ms: 0,
    };
    PartitionSettings { compaction: Some(compaction), ..settings() }
}

fn with(change: impl FnOnce(&mut Compaction)) -> PartitionSettings {
    let mut compaction = compacted().compaction.unwrap();
    change(&mut compaction);
    PartitionSettings { compaction: Some(compaction), ..settings() }
}

/// Key, value and offset of a record.
type Kept = (u64, Vec<u8>, Option<Vec<u8>>);

impl World {
    fn time(&self) -> i64 {
        BEGAN_MS + (self.now().0 / 1_000_000) as i64
    }

    /// A batch of keyed records; a value that is `None` is a tombstone.
    fn keyed(&self, codec: Codec, records: &[(u64, Option<Vec<u8>>)]) -> Bytes {
        self.keyed_in(BatchBuilder::new(codec, 16 << 20), records)
    }

    fn keyed_in(&self, mut builder: BatchBuilder, records: &[(u64, Option<Vec<u8>>)]) -> Bytes {
        for (key, value) in records {
            builder
                .push(&NewRecord {
                    timestamp: Timestamp(self.time()),
                    key: Some(format!("key {key}").into()),
                    value: value.clone().map(Bytes::from),
                    headers: Vec::new(),
                })
                .unwrap();
        }
        builder.build().unwrap()
    }

    fn put(&mut self, key: u64, value: Option<Vec<u8>>) -> u64 {
        let batch = self.keyed(Codec::None, &[(key, value)]);
        let ticket = self.publish(1, STATE, batch);
        self.settle();
        self.offset(ticket)
    }

    /// Reads from an offset to the end, as a consumer does.
    pub(crate) fn read_on(&mut self, partition: u64, from: u64) -> Vec<Kept> {
        let mut kept = Vec::new();
        let mut next = from;
        while next < self.end(partition) {
            let bytes: Bytes = self.fetch(partition, next, Isolation::Uncommitted).records.concat().into();
            let before = next;
            for batch in Batches::new(bytes) {
                let records = Records::open(&batch.unwrap(), 64 << 20).unwrap();
                next = records.header().base_offset as u64 + records.header().offset_count();
                for record in records.map(Result::unwrap).filter(|record| record.offset.0 >= from) {
                    let key = record.key.expect("all of them have one").to_vec();
                    kept.push((record.offset.0, key, record.value.map(|value| value.to_vec())));
                }
            }
            assert!(next > before, "a reader at {before} does not come on");
        }
        kept
    }

    /// Lets compaction do what it does, for so long.
    pub(crate) fn compact_for(&mut self, time: Duration) {
        let until = self.now() + time;
        while self.now() < until {
            self.pass(Duration::from_secs(31));
        }
    }

    fn partition_bytes(&self, partition: u64) -> u64 {
        self.shard.machine().partition(PartitionId(partition)).unwrap().bytes
    }

    fn disk_bytes(&self) -> usize {
        self.disk.contents(".seg").values().map(Vec::len).sum()
    }
}

/// The last value of each key.
fn newest(kept: &[Kept]) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    kept.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
}

fn value(round: u64, key: u64) -> Vec<u8> {
    let mut value = vec![key as u8; 10_000];
    value[..8].copy_from_slice(&round.to_le_bytes());
    value
}

/// Writes each of ten keys so many times, and a little of another partition beside.
fn fill(world: &mut World, rounds: u64) {
    for round in 0..rounds {
        for key in 0..10 {
            world.put(key, Some(value(round, key)));
        }
        world.publish(2, OTHER, batch(&[7; 100]));
    }
    world.settle();
}

pub(crate) fn filled() -> World {
    let mut world = World::new();
    world.open_partitions([STATE], compacted());
    world.open_partitions([OTHER], settings());
    fill(&mut world, 30);
    world
}

#[test]
fn the_last_record_of_every_key_stays_and_its_space_comes_back() {
    let mut world = filled();
    let (before, bytes, disk) = (world.read_on(STATE, 0), world.partition_bytes(STATE), world.disk_bytes());
    assert_eq!(before.len(), 300);
    world.compact_for(Duration::from_secs(300));
    let check = |world: &mut World| {
        let after = world.read_on(STATE, 0);
        assert_eq!(newest(&after), newest(&before));
        // What is not sealed yet is not compacted.
        assert!(after.len() < 150, "{} are left", after.len());
        assert!(after.iter().all(|record| before.contains(record)), "and none was made up");
        for offset in 0..world.end(OTHER) {
            assert_eq!(world.read_value(OTHER, offset).len(), 100);
        }
    };
    check(&mut world);
    assert!(world.partition_bytes(STATE) < bytes / 2 && world.disk_bytes() < disk / 2);
    assert!(world.metrics.segments_rewritten.value() > 0);
    world.restart();
    check(&mut world);
    assert!(world.disk.contents(".seg").keys().any(|name| !name.contains("-00000000000000000000.")));
}

#[test]
fn the_newest_bytes_of_a_partition_are_left_alone() {
    let mut world = World::new();
    let fresh = with(|compaction| (compaction.fresh_bytes, compaction.fresh_ms) = (500_000, 36_000_000));
    world.open_partitions([STATE], fresh);
    world.open_partitions([OTHER], settings());
    fill(&mut world, 30);
    let before = newest(&world.read_on(STATE, 0));
    world.compact_for(Duration::from_secs(300));
    for _ in 0..2 {
        let kept = world.read_on(STATE, 0);
        assert_eq!(newest(&kept), before);
        // A record has 10 kB and some bytes: 49 of them are fresh.
        let of_fresh = kept.iter().filter(|(offset, ..)| *offset >= 251).count();
        assert_eq!(of_fresh, 49, "not one of them went");
        assert!(kept.len() < 49 + 100, "{} are left: what is older went", kept.len());
        world.restart();
    }
    // Time makes them old too.
    world.open_partitions([STATE], with(|compaction| compaction.fresh_bytes = 500_000));
    world.put(99, Some(value(0, 99)));
    world.compact_for(Duration::from_secs(300));
    assert!(world.read_on(STATE, 0).len() < 60);
}

/// Runs so many transactions, of which each third is aborted; every record has one of ten keys. Answers the next instance.
fn transact(world: &mut World, mut instance: Instance, rounds: std::ops::Range<u64>) -> Instance {
    for round in rounds {
        for sequence in 0..3 {
            let key = (round * 3 + sequence) % 10;
            let (id, epoch) = instance;
            let base_sequence = BatchSequence(sequence as i32);
            let builder = BatchBuilder::new(Codec::None, 1 << 20);
            let builder = builder.producer(Producer { id, epoch, base_sequence }).transactional();
            let text = format!("{key} {round} {}", "x".repeat(10_000));
            let payload = world.keyed_in(builder, &[(key, Some(text.into_bytes()))]);
            let ticket = world.publish_joining(STATE, payload, Joining::Now);
            assert!(world.published(ticket).unwrap().is_ok());
        }
        let decision = if round % 3 == 0 { Decision::Abort } else { Decision::Commit };
        let next = Next::Raised { spare: ProducerId(-1) };
        instance = world.end_transaction(instance, decision, next).expect("it ends");
    }
    instance
}

/// The last round of each key.
fn rounds(values: &[String]) -> BTreeMap<String, String> {
    let words = |value: &String| {
        let mut words = value.split(' ').map(str::to_owned);
        (words.next().expect("its key"), words.next().expect("its round"))
    };
    values.iter().map(words).collect()
}

/// How many marks a reader meets.
fn marks(world: &mut World) -> usize {
    let fetched = world.fetch(STATE, 0, Isolation::Uncommitted);
    let batches = Batches::new(fetched.records.concat().into()).map(Result::unwrap);
    batches.filter(|batch| BatchHeader::peek(batch).unwrap().attributes.is_control()).count()
}

#[test]
fn aborted_records_go_and_completed_transactions_leave_no_mark_behind() {
    let mut world = World::new();
    world.open_partitions([STATE], compacted());
    let instance = world.open_producer(MINUTE);
    let instance = transact(&mut world, instance, 0..120);
    let before = rounds(&world.seen(STATE, Isolation::Committed));
    assert_eq!((before.len(), marks(&mut world)), (10, 120));
    world.compact_for(Duration::from_secs(300));
    assert_eq!(rounds(&world.seen(STATE, Isolation::Committed)), before);
    let of_aborted = |values: Vec<String>| {
        let rounds = values.iter().map(|value| value.split(' ').nth(1).unwrap().parse::<u64>().unwrap());
        rounds.filter(|round| round % 3 == 0).count()
    };
    let left = of_aborted(world.seen(STATE, Isolation::Uncommitted));
    assert!(left < 40, "{left} aborted records of 120 are left: those that are not sealed");
    // The marks go when what they ended has gone.
    transact(&mut world, instance, 120..180);
    let before = rounds(&world.seen(STATE, Isolation::Committed));
    world.compact_for(Duration::from_secs(300));
    let left = marks(&mut world);
    assert!(
        (60..150).contains(&left),
        "{left} marks of 180 are left, those of the 60 aborted ones among them"
    );
    for _ in 0..2 {
        assert_eq!(rounds(&world.seen(STATE, Isolation::Committed)), before);
        world.restart();
    }
}

#[test]
fn whoever_asks_for_what_is_gone_gets_what_comes_next() {
    let mut world = filled();
    let before = world.read_on(STATE, 0);
    world.compact_for(Duration::from_secs(300));
    // Nothing of it is in memory any more.
    world.restart();
    let all = world.read_on(STATE, 0);
    assert!(all.len() < before.len() / 2);
    for offset in (0..world.end(STATE)).step_by(7) {
        let expected: Vec<_> = all.iter().filter(|(at, ..)| *at >= offset).cloned().collect();
        assert_eq!(world.read_on(STATE, offset), expected, "from {offset}");
    }
    // The same by time, and for trims.
    let ticket = world.ticket();
    let item = FindOffsetWork {
        partition: PartitionId(STATE),
        target: OffsetTarget::AtOrAfter(Timestamp(0)),
        leader_epoch: None,
    };
    world.read(Read::FindOffsets(ticket, vec![item], Isolation::Uncommitted));
    world.settle();
    let Some(Answer::FoundOffsets(found)) = world.answer(ticket) else { panic!("it is answered") };
    assert_eq!(found[0].clone().unwrap().unwrap().offset.0, all[0].0);
    let gap = (0..).find(|offset| all.iter().all(|(at, ..)| at != offset)).unwrap();
    let ticket = world.ticket();
    let items = vec![(PartitionId(STATE), TrimTo::Offset(Offset(gap)))];
    let deadline = world.now() + Duration::from_secs(10);
    world.post(1, 0, Work::Trim(Trim { ticket, items, deadline }));
    world.settle();
    let Some(Answer::Trimmed(trimmed)) = world.answer(ticket) else { panic!("it is answered") };
    assert_eq!(trimmed, [Ok(Offset(gap))]);
    let expected: Vec<_> = all.iter().filter(|(at, ..)| *at >= gap).cloned().collect();
    assert_eq!(world.read_on(STATE, gap), expected);
}

#[test]
fn a_tombstone_hides_its_value_and_goes_when_its_time_has_come() {
    let mut world = filled();
    let tombstone = world.put(3, None);
    fill_others(&mut world);
    world.compact_for(Duration::from_secs(300));
    let kept = world.read_on(STATE, 0);
    let of_three: Vec<_> = kept.iter().filter(|(_, key, _)| key == b"key 3").collect();
    assert_eq!(of_three, [&(tombstone, b"key 3".to_vec(), None)], "what it hides goes, it stays");
    // A sixth longer at most, and the time that compaction takes.
    for _ in 0..4 {
        fill_others(&mut world);
        world.compact_for(TOMBSTONE / 2);
    }
    let kept = world.read_on(STATE, 0);
    assert!(kept.iter().all(|(_, key, _)| key != b"key 3"), "it is gone");
    assert_eq!(newest(&kept).len(), 9);
    world.restart();
    assert!(world.read_on(STATE, 0).iter().all(|(_, key, _)| key != b"key 3"));
}

/// Writes all keys but the fourth again, so that segments end and there is something to compact.
fn fill_others(world: &mut World) {
    for round in 0..15 {
        for key in (0..10).filter(|key| *key != 3) {
            world.put(key, Some(value(100 + round, key)));
        }
    }
}

#[test]
fn batches_lose_records_and_stay_batches() {
    let mut world = World::new();
    world.open_partitions([STATE], compacted());
    for round in 0..40u64 {
        for codec in Codec::ALL {
            // One key of each batch stays as it is for ever, the others come again.
            let once = 1_000 + round * 10 + u64::from(codec.number());
            let noise =
                |key: u64| (0..3_000u64).map(|n| ((n * 31 * (key + round)) >> 3) as u8).collect::<Vec<u8>>();
            let records: Vec<_> = [once, 1, 2, 3].iter().map(|key| (*key, Some(noise(*key)))).collect();
            let batch = world.keyed(codec, &records);
            world.publish(1, STATE, batch);
        }
        world.settle();
    }
    let before = world.read_on(STATE, 0);
    let bytes = world.partition_bytes(STATE);
    world.compact_for(Duration::from_secs(300));
    world.restart();
    let after = world.read_on(STATE, 0);
    assert_eq!(newest(&after), newest(&before));
    assert!(after.len() < before.len() && world.partition_bytes(STATE) < bytes);
}

#[test]
fn a_few_records_among_others_are_not_worth_a_segment() {
    let mut world = World::new();
    world.open_partitions([STATE], with(|compaction| compaction.dirty_ratio_min = Ratio::HALF));
    world.open_partitions([OTHER], settings());
    for round in 0..40u64 {
        world.put(1, Some(value(round, 1)));
        world.publish(2, OTHER, batch(&[7; 60_000]));
        world.settle();
    }
    world.compact_for(Duration::from_secs(300));
    assert_eq!(world.metrics.segments_rewritten.value(), 0);
    // But they go when they are old enough.
    world.open_partitions(
        [STATE],
        with(|compaction| (compaction.dirty_ratio_min, compaction.lag_ms_max) = (Ratio::HALF, 60_000)),
    );
    world.put(1, Some(value(99, 1)));
    world.compact_for(Duration::from_secs(300));
    assert!(world.metrics.segments_rewritten.value() > 0);
    assert!(world.read_on(STATE, 0).len() < 20);
}

#[test]
fn what_waited_long_enough_is_compacted_however_little_it_is() {
    let mut world = World::new();
    world.open_partitions([STATE], with(|compaction| compaction.lag_ms_max = 60_000));
    for round in 0..5u64 {
        world.put(1, Some(vec![round as u8; 10]));
    }
    let last = world.put(2, Some(b"other".to_vec()));
    assert_eq!(world.disk.files(".idx"), 0, "nothing is sealed");
    world.compact_for(Duration::from_secs(400));
    assert_eq!(world.metrics.segments_rewritten.value(), 1, "once is enough");
    // A reader is not served from memory what the files have lost: the tombstone that comes behind it may be gone there.
    let kept = world.read_on(STATE, 0);
    assert_eq!(kept.iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [4, last]);
}

#[test]
fn the_last_record_stays_also_when_it_need_not() {
    let mut world = World::new();
    world.open_partitions(
        [STATE],
        with(|compaction| (compaction.lag_ms_max, compaction.tombstone_ms) = (60_000, 0)),
    );
    world.put(1, Some(b"value".to_vec()));
    let tombstone = world.put(1, None);
    world.compact_for(Duration::from_secs(600));
    let kept = world.read_on(STATE, 0);
    assert_eq!(kept, [(tombstone, b"key 1".to_vec(), None)], "a reader has to come to the end");
}

#[test]
fn retention_by_bytes_does_not_count_what_compaction_took() {
    let mut world = World::new();
    // What the last value of each key takes fits in easily.
    world.open_partitions([STATE], PartitionSettings { retention_bytes: Some(3_500_000), ..compacted() });
    world.open_partitions([OTHER], settings());
    for key in 100..103 {
        world.put(key, Some(value(0, key)));
    }
    for _ in 0..10 {
        fill(&mut world, 8);
        world.compact_for(Duration::from_secs(120));
    }
    let kept = newest(&world.read_on(STATE, 0));
    for key in 100..103u64 {
        assert!(kept.contains_key(format!("key {key}").as_bytes()), "key {key} was dropped");
    }
    assert!(world.partition_bytes(STATE) < 3_500_000);
}

/// Lets the leader decide what to compact; on return the decision is applied and not carried out.
fn decide(world: &mut World) {
    for _ in 0..20 {
        world.advance(Duration::from_secs(31));
        world.settle_with(|class| class != IoClass::Background);
        let jobs = world.jobs.take(|class| class == IoClass::Background);
        let rewrites = |world: &World| world.metrics.segments_rewritten.value();
        let before = rewrites(world);
        for job in jobs {
            job();
        }
        assert_eq!(rewrites(world), before);
        world.settle_with(|class| class != IoClass::Background);
        let (_, ordered) = world.shard.ordered_segments();
        if ordered.iter().any(|id| id.generation.0 > 0) {
            return;
        }
    }
    panic!("nothing was decided");
}

#[test]
fn a_decision_that_a_kill_left_undone_is_carried_out_after_the_restart() {
    let mut world = filled();
    let before = newest(&world.read_on(STATE, 0));
    decide(&mut world);
    assert_eq!(world.metrics.segments_rewritten.value(), 0);
    world.restart();
    world.compact_for(Duration::from_secs(60));
    assert!(world.metrics.segments_rewritten.value() > 0);
    assert_eq!(newest(&world.read_on(STATE, 0)), before);
}

#[test]
fn a_topic_that_is_compacted_no_more_keeps_what_it_has() {
    let mut world = filled();
    let mut before = newest(&world.read_on(STATE, 0));
    world.propose(vec![Command::AdvanceClock]);
    world.open_partitions([STATE], settings());
    for key in 0..10 {
        world.put(key, Some(value(500, key)));
        before.insert(format!("key {key}").into_bytes(), Some(value(500, key)));
    }
    world.compact_for(Duration::from_secs(300));
    assert_eq!(world.metrics.segments_rewritten.value(), 0);
    let kept = world.read_on(STATE, 0);
    assert_eq!((kept.len(), newest(&kept)), (310, before));
}
