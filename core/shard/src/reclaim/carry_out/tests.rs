//! Files follow the list of segments, from wherever they stand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_commitlog::{
    BodyBuilder, CheckpointMeta, Entry, EntryKind, FileName, IndexEntry, Log, LogConfig, Section, SlotKind,
};
use forebay_env::{Disk, OpenMode};
use forebay_model::{ShardId, SlotNumber, Term, Timestamp};

use super::*;
use crate::entry::{SLOT_PAYLOAD, SLOT_TURN};
use crate::memory_disk::MemoryDisk;
use crate::reclaim::dead::DeadSet;
use crate::reclaim::decision::Named;
use crate::reclaim::segments::SECTION;

const SHARD: ShardId = ShardId(0);
const PARTITION: PartitionId = PartitionId(1);

/// The log of one replica, and what it orders.
struct Replica {
    disk: MemoryDisk,
    log: Log,
    segments: Segments,
    /// The index entries of the active segment.
    active: Vec<IndexEntry>,
    /// Where partitions begin that may have been compacted.
    starts: BTreeMap<PartitionId, Offset>,
}

impl Replica {
    fn blank() -> Replica {
        let disk = MemoryDisk::default();
        let config = LogConfig { tail_bytes_max: 0, ..LogConfig::new(SHARD, 1) };
        let (log, _) = Log::open(Arc::new(disk.clone()), Path::new("/shard"), config).unwrap();
        Replica {
            disk,
            log,
            segments: Segments::behind(LogIndex(0)),
            active: Vec::new(),
            starts: BTreeMap::new(),
        }
    }

    /// A segment of ten records, 1 to 10, that has a sidecar and a checkpoint.
    fn with_a_segment() -> Replica {
        let mut replica = Replica::blank();
        for _ in 0..10 {
            replica.publish();
        }
        replica.seal();
        replica
    }

    fn append(&mut self, kind: EntryKind, slots: &[(SlotKind, &[u8])]) -> LogIndex {
        let mut body = BodyBuilder::new(slots.len(), 0);
        for (kind, bytes) in slots {
            body.push_slot(*kind, &[bytes]).unwrap();
        }
        let index = self.log.last_index().next();
        self.log.append(&[Entry { term: Term(1), index, kind, body: body.finish() }]).unwrap();
        let done = self.log.begin_flush().unwrap().expect("something was written").run().unwrap();
        self.log.flushed(done);
        index
    }

    /// A record whose offset is its log index.
    fn publish(&mut self) {
        let payload = format!("record {} ", self.log.last_index().next()).repeat(20);
        let index =
            self.append(EntryKind::Normal, &[(SLOT_TURN, b"turn"), (SLOT_PAYLOAD, payload.as_bytes())]);
        self.active.push(IndexEntry {
            partition: PARTITION,
            first_offset: Offset(index.0),
            count: 1,
            log_index: index,
            slot: SlotNumber(1),
            first_position: 0,
            bytes: payload.len() as u32,
            max_timestamp: Timestamp(0),
            earliest_expiry: i64::MAX,
        });
    }

    fn seal(&mut self) {
        let index = self.append(EntryKind::Seal, &[]);
        self.segments.seal(index);
        let keeper = self.log.keeper();
        let id = self.log.reader().segments().last().unwrap().id;
        keeper.write_sidecar(id, std::mem::take(&mut self.active)).unwrap();
        let meta = CheckpointMeta { index, term: Term(1), commit: index, ..CheckpointMeta::default() };
        let list = Section { kind: SECTION, bytes: self.segments.encode() };
        keeper.adopt(keeper.write_checkpoint(&meta, &[list]).unwrap()).unwrap();
    }

    fn decide(&mut self, decision: &Decision) -> Generation {
        let index =
            self.append(EntryKind::Normal, &[(SLOT_TURN, b"turn"), (SLOT_RECLAIM, &decision.encode())]);
        self.segments.decide(index, decision);
        Generation::ordered_by(index)
    }

    fn carry_out(&mut self) -> CarriedOut {
        self.log.raise_floor(self.log.last_index());
        self.try_to_carry_out()
    }

    fn try_to_carry_out(&self) -> CarriedOut {
        carry_out(&self.log.keeper(), &self.log.reader(), &self.segments, &self.starts)
    }

    fn here(&self) -> Vec<(u64, u64)> {
        let segments = self.log.reader().segments();
        segments.iter().map(|info| (info.id.first.0, info.id.generation.0)).collect()
    }

    /// The records that are here.
    fn records(&self) -> Vec<u64> {
        let read = |index: &u64| self.log.reader().read_slot(LogIndex(*index), SlotNumber(1)).is_ok();
        (1..=10).filter(read).collect()
    }

    fn rewritten(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.disk.contents(".seg");
        files.extend(self.disk.contents(".idx"));
        files.retain(|name, _| !name.contains("-00000000000000000000."));
        files
    }

    /// A blank replica that took over all that this one has.
    fn installed(&self) -> Replica {
        let mut other = Replica::blank();
        let (from, to) = (self.log.keeper(), other.log.keeper());
        let manifest = from.manifest();
        let index = manifest.checkpoint.unwrap().index;
        let files = manifest.segments.iter().flat_map(|id| [FileName::Segment(*id), FileName::Sidecar(*id)]);
        for name in files.chain([FileName::Checkpoint(index)]) {
            let file = from.send(name).unwrap().unwrap();
            let mut bytes = vec![0; file.len() as usize];
            assert_eq!(file.read(&mut bytes, 0).unwrap(), bytes.len());
            to.receive(name, 0, &bytes).unwrap();
        }
        other.log.install(index, &manifest.segments).unwrap();
        let checkpoint = to.load_checkpoint().unwrap().unwrap();
        other.segments = Segments::decode(index, checkpoint.section(SECTION).unwrap()).unwrap();
        other
    }
}

/// Keeps the records of the first segment from `start` on.
fn keep_from(start: u64, generation: Generation) -> Decision {
    let segment = Named { first: LogIndex(1), generation };
    let rewrite =
        Rewrite { segment, starts: vec![(PARTITION, Offset(start))], parts: Vec::new(), dead: Vec::new() };
    Decision { rewrite: vec![rewrite], ..Decision::default() }
}

fn unlink(first: u64, generation: Generation) -> Decision {
    Decision { unlink: vec![Named { first: LogIndex(first), generation }], ..Decision::default() }
}

/// Takes records out of a segment, by compaction.
fn take_out(first: u64, dead: &[u64]) -> Decision {
    let mut set = DeadSet::default();
    assert!(dead.iter().all(|offset| set.push(Offset(*offset), Offset(offset + 1))));
    let segment = Named { first: LogIndex(first), generation: Generation::APPENDED };
    let (starts, dead) = (vec![(PARTITION, Offset(0))], vec![(PARTITION, set)]);
    Decision { rewrite: vec![Rewrite { segment, starts, parts: Vec::new(), dead }], ..Decision::default() }
}

/// Two sealed segments: of the records 1 to 10, and of 12 and 13.
fn two_segments() -> Replica {
    let mut replica = Replica::with_a_segment();
    replica.publish();
    replica.publish();
    replica.seal();
    replica
}

/// A segment of the records 1 to 10 of which one is to be taken out, one that holds that decision, and one of the records 15 and 16.
fn one_to_be_compacted() -> Replica {
    let mut replica = Replica::with_a_segment();
    replica.starts = BTreeMap::from([(PARTITION, Offset(0))]);
    replica.decide(&take_out(1, &[2]));
    replica.publish();
    replica.seal();
    replica.publish();
    replica.publish();
    replica.seal();
    replica
}

impl Replica {
    /// Changes a bit of the first segment; answers how to put it right.
    fn damage_first(&self) -> impl FnOnce() + use<> {
        let path = PathBuf::from("/shard").join("00000000000000000001-00000000000000000000.seg");
        let file = self.disk.open(&path, OpenMode::Write).unwrap();
        let mut good = [0; 1];
        file.read_exact_at(&mut good, 1000).unwrap();
        file.write_at(&[&[good[0] ^ 1]], 1000).unwrap();
        move || file.write_at(&[&good], 1000).unwrap()
    }
}

#[test]
fn dead_records_are_taken_out_and_replicas_have_equal_bytes() {
    let (mut prompt, mut late) = (two_segments(), two_segments());
    for replica in [&mut prompt, &mut late] {
        replica.decide(&take_out(1, &[2, 3, 7]));
    }
    prompt.carry_out();
    late.decide(&unlink(12, Generation::APPENDED));
    late.carry_out();
    assert_eq!(prompt.records(), [1, 4, 5, 6, 8, 9, 10]);
    assert!(late.rewritten() == prompt.rewritten() && late.rewritten().len() == 2);
}

#[test]
fn what_compaction_takes_goes_in_the_order_of_segments() {
    for second in [take_out(15, &[15]), unlink(15, Generation::APPENDED)] {
        let mut replica = one_to_be_compacted();
        replica.decide(&second);
        let mend = replica.damage_first();
        let done = replica.carry_out();
        assert_eq!((done.rewritten, done.unlinked), (0, 0), "15 may hide what is still there: {second:?}");
        mend();
        let done = replica.carry_out();
        assert_eq!((done.rewritten + done.unlinked, done.failed), (2, None));
    }
}

#[test]
fn what_lies_before_the_start_of_its_partition_waits_for_nobody() {
    let mut replica = one_to_be_compacted();
    replica.decide(&unlink(15, Generation::APPENDED));
    let _ = replica.damage_first();
    assert_eq!(replica.carry_out().unlinked, 0);
    replica.starts = BTreeMap::from([(PARTITION, Offset(17))]);
    let done = replica.carry_out();
    assert_eq!((done.rewritten, done.unlinked), (0, 1));
}

#[test]
fn what_waits_for_others_comes_in_the_same_round() {
    let mut replica = one_to_be_compacted();
    replica.decide(&unlink(15, Generation::APPENDED));
    let done = replica.carry_out();
    assert_eq!((done.rewritten, done.unlinked, done.failed), (1, 1, None));
}

#[test]
fn a_segment_that_lags_goes_through_every_decision_it_missed() {
    let (mut prompt, mut late) = (Replica::with_a_segment(), Replica::with_a_segment());
    let mut generation = Generation::APPENDED;
    for start in [4, 7] {
        prompt.decide(&keep_from(start, generation));
        assert_eq!(prompt.carry_out().rewritten, 1);
        generation = late.decide(&keep_from(start, generation));
    }
    assert_eq!(late.here(), [(1, 0), (12, 0)]);
    assert_eq!(late.carry_out().rewritten, 2);
    assert_eq!(late.here(), [(1, generation.0), (12, 0)]);
    assert_eq!(late.records(), [7, 8, 9, 10]);
    assert!(late.rewritten() == prompt.rewritten() && late.rewritten().len() == 2);
    assert!(!differ(&late.log.reader(), &late.segments));
}

#[test]
fn the_second_of_two_decisions_about_one_segment_is_void_for_whoever_is_late() {
    let (mut prompt, mut late) = (Replica::with_a_segment(), Replica::with_a_segment());
    for start in [4, 7] {
        prompt.decide(&keep_from(start, Generation::APPENDED));
        prompt.carry_out();
        late.decide(&keep_from(start, Generation::APPENDED));
    }
    late.carry_out();
    assert_eq!(late.records(), [4, 5, 6, 7, 8, 9, 10]);
    assert!(late.rewritten() == prompt.rewritten() && late.rewritten().len() == 2);
}

#[test]
fn a_replica_installed_from_one_that_lags_goes_on_where_that_one_stood() {
    let mut source = Replica::with_a_segment();
    source.decide(&keep_from(4, Generation::APPENDED));
    source.publish();
    source.seal();
    let mut target = source.installed();
    assert_eq!(target.here(), [(1, 0), (12, 0)], "what was ordered is not carried out yet");
    assert_eq!((target.carry_out().rewritten, source.carry_out().rewritten), (1, 1));
    assert!(target.rewritten() == source.rewritten() && target.rewritten().len() == 2);
    assert_eq!(target.records(), [4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn files_that_are_ahead_of_the_list_are_left_alone() {
    let mut source = Replica::with_a_segment();
    source.decide(&keep_from(4, Generation::APPENDED));
    source.carry_out();
    let mut target = source.installed();
    assert_eq!(target.here(), source.here()[..1], "its checkpoint is older than its files");
    let done = target.carry_out();
    assert_eq!((done.rewritten, done.unlinked, done.failed), (0, 0, None));
    assert_eq!(target.here(), source.here()[..1]);
}

#[test]
fn what_is_still_needed_waits_for_the_floor() {
    let mut replica = Replica::with_a_segment();
    let generation = replica.decide(&keep_from(4, Generation::APPENDED));
    let done = replica.try_to_carry_out();
    assert_eq!((done.rewritten, done.failed), (0, None));
    replica.decide(&unlink(1, generation));
    assert_eq!(replica.try_to_carry_out().unlinked, 0);
    assert!(differ(&replica.log.reader(), &replica.segments));
    assert_eq!(replica.carry_out().unlinked, 1, "what goes is not rewritten first");
    assert!(replica.rewritten().is_empty());
}

#[test]
fn what_an_install_counts_on_is_left_until_it_is_over() {
    let mut replica = Replica::with_a_segment();
    replica.decide(&keep_from(4, Generation::APPENDED));
    replica.seal();
    replica.decide(&unlink(12, Generation::APPENDED));
    replica.seal();
    let before = replica.here();
    let ids = replica.log.reader().segments().iter().map(|info| info.id).collect();
    let counted_on = replica.log.keeper().count_on(ids);
    let done = replica.carry_out();
    assert!(done.counted_on && done.failed.is_none(), "{done:?}");
    assert_eq!(replica.here(), before);
    drop(counted_on);
    let done = replica.carry_out();
    assert!(!done.counted_on, "{done:?}");
    assert_eq!((done.rewritten, done.unlinked), (1, 1));
    assert_ne!(replica.here(), before);
}

#[test]
fn a_segment_with_a_decision_that_cannot_be_carried_out_stays() {
    let mut replica = Replica::with_a_segment();
    let rewritten = replica.decide(&keep_from(4, Generation::APPENDED));
    replica.seal();
    let decisions = replica.decide(&unlink(12, Generation::APPENDED));
    assert!(decisions > rewritten);
    replica.seal();
    let mend = replica.damage_first();
    let done = replica.carry_out();
    assert_eq!((done.rewritten, done.unlinked), (0, 0));
    assert!(done.failed.unwrap().contains("is damaged at position"));
    assert_eq!(replica.here().len(), 3);
    mend();
    let done = replica.carry_out();
    assert_eq!((done.rewritten, done.unlinked, done.failed), (1, 1, None));
    assert_eq!(replica.here().len(), 2);
}
