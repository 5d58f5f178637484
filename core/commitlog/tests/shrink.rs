//! Rewrites that put smaller slots in the place of what stood there.

mod support;

use bytes::Bytes;
use forebay_commitlog::{
    CheckpointMeta, Fate, Generation, IndexEntry, Judge, Log, LogConfig, ReclaimError, ScrubProgress,
    Section, SegmentId, Slot, SlotPlace,
};
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber, Term, Timestamp};
use support::*;

const ENTRIES: u64 = 20;
const PARTITION: PartitionId = PartitionId(1);

/// What is left of a slot: nothing of every fourth, all of every fourth, and the first half of the others.
fn left(index: u64, slot: u32, bytes: &[u8]) -> Option<Bytes> {
    match (index * 2 + u64::from(slot)) % 4 {
        0 => None,
        1 => Some(Bytes::copy_from_slice(bytes)),
        _ => Some(Bytes::copy_from_slice(&bytes[..bytes.len() / 2])),
    }
}

fn text(index: u64, slot: u32) -> String {
    slot_text(1, index, slot as usize)
}

struct Halves;

impl Judge for Halves {
    fn slot(&mut self, index: LogIndex, slot: &Slot) -> Fate {
        assert_eq!(slot.bytes, text(index.0, slot.number.0));
        match left(index.0, slot.number.0, &slot.bytes) {
            None => Fate::Dead,
            Some(same) if same == slot.bytes => Fate::Live,
            Some(less) => Fate::Replaced(less),
        }
    }

    fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
        let left = left(entry.log_index.0, entry.slot.0, text(entry.log_index.0, entry.slot.0).as_bytes())?;
        let max_timestamp = Timestamp(left.len() as i64);
        Some(IndexEntry { bytes: left.len() as u32, max_timestamp, ..*entry })
    }
}

/// A sealed segment of which every slot is a record, with a sidecar and a checkpoint behind it, and two entries more.
fn sealed(disk: &MemDisk, salt: u64) -> (Log, SegmentId) {
    let (mut log, _) = Log::open(disk.arc(), &dir(), LogConfig { salt, ..config() }).unwrap();
    let id = sealed_segment(&mut log, 1, ENTRIES);
    let one = |number: u64| {
        let (index, slot) = (1 + number / 2, (number % 2) as u32);
        IndexEntry {
            slot: SlotNumber(slot),
            bytes: text(index, slot).len() as u32,
            ..index_entry(PARTITION.0, number * 10, 10, index)
        }
    };
    log.keeper().write_sidecar(id, (0..ENTRIES * 2).map(one)).unwrap();
    let last = log.last_index().0;
    fill(&mut log, 1, last + 1..=last + 2);
    flush(&mut log);
    let (index, keeper) = (log.last_index(), log.keeper());
    let meta =
        CheckpointMeta { index, term: Term(1), commit: index, machine_version: 1, ..Default::default() };
    let section = Section { kind: 1, bytes: "state".into() };
    keeper.adopt(keeper.write_checkpoint(&meta, &[section]).unwrap()).unwrap();
    log.raise_floor(index);
    (log, id)
}

fn shrink(log: &Log, id: SegmentId) -> Result<SegmentId, ReclaimError> {
    let keeper = log.keeper();
    let new = keeper.rewrite(id, Generation(1), &mut Halves)?.id;
    keeper.replace(id, new)?;
    Ok(new)
}

/// Reads all that is left, by number and by place, and compares it with what should be.
fn check(log: &Log) {
    let reader = log.reader();
    let mut seen = 0;
    let mut offset = Offset(0);
    while let Some(found) = reader.locate(PARTITION, offset).unwrap() {
        for placed in found.sidecar.scan_placed(PARTITION, offset, 7).unwrap() {
            let (entry, place) = (placed.entry, placed.place.expect("it is there"));
            let (index, slot) = (entry.log_index.0, entry.slot.0);
            let expected = left(index, slot, text(index, slot).as_bytes()).expect("it is left");
            assert_eq!((entry.bytes as usize, place.bytes as usize), (expected.len(), expected.len()));
            assert_eq!(entry.max_timestamp, Timestamp(expected.len() as i64));
            assert_eq!((entry.first_offset.0, entry.count), (((index - 1) * 2 + u64::from(slot)) * 10, 10));
            assert_eq!(reader.read_slot(entry.log_index, entry.slot).unwrap(), expected);
            let by_place = reader.slots().read_placed((entry.log_index, entry.slot), &place, SlotPlace::end);
            assert_eq!(by_place.unwrap(), expected);
            offset = entry.end_offset();
            seen += 1;
        }
    }
    assert_eq!(seen, ENTRIES * 2 * 3 / 4);
}

#[test]
fn replaced_slots_are_what_is_read_and_what_their_index_says() {
    let disk = MemDisk::default();
    let (log, id) = sealed(&disk, 1);
    let before = log.reader().sidecar(id).unwrap().summary().bytes;
    let new = shrink(&log, id).unwrap();
    check(&log);
    let sidecar = log.reader().sidecar(new).unwrap();
    let live: u64 = (1..=ENTRIES)
        .flat_map(|index| [(index, 0), (index, 1)])
        .filter_map(|(index, slot)| left(index, slot, text(index, slot).as_bytes()))
        .map(|bytes| bytes.len() as u64)
        .sum();
    assert_eq!(sidecar.summary().live_bytes, live);
    assert!(sidecar.summary().bytes < before);
    sidecar.verify().unwrap();
    let mut scrub = log.reader().scrub(new).unwrap();
    while scrub.step(100).unwrap() == ScrubProgress::More {}
    drop(log);
    let (log, _) = open(&disk.power_cut(&mut Dice(3)));
    check(&log);
}

#[test]
fn replicas_that_replace_alike_write_equal_bytes() {
    let shrunk = |salt: u64| {
        let disk = MemDisk::default();
        let (log, id) = sealed(&disk, salt);
        let new = shrink(&log, id).unwrap();
        (disk.bytes(&dir().join(new.file_name())), disk.bytes(&dir().join(new.sidecar_name())))
    };
    assert!(shrunk(1) == shrunk(2));
}

#[test]
fn a_power_cut_leaves_the_old_slots_or_the_new() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let (log, id) = sealed(&disk, 1);
        disk.fail_somehow(&mut dice, 40);
        let done = shrink(&log, id);
        disk.heal();
        let (log, _) = open(&disk.power_cut(&mut dice));
        let first = log.reader().segments()[0].id;
        assert!(done.is_err() || first.generation == Generation(1), "seed {seed}");
        if first == id {
            for index in 1..=ENTRIES {
                for slot in 0..2 {
                    let bytes = log.reader().read_slot(LogIndex(index), SlotNumber(slot)).unwrap();
                    assert_eq!(bytes, text(index, slot), "seed {seed}");
                }
            }
            old += 1;
        } else {
            check(&log);
            new += 1;
        }
    }
    assert!(old > 50 && new > 50, "{old} old, {new} new");
}

#[test]
fn an_index_entry_goes_on_to_cover_what_it_did() {
    struct Moves;
    impl Judge for Moves {
        fn slot(&mut self, _: LogIndex, _: &Slot) -> Fate {
            Fate::Live
        }
        fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
            Some(IndexEntry { count: entry.count - 1, ..*entry })
        }
    }
    let disk = MemDisk::default();
    let (log, id) = sealed(&disk, 1);
    let refused = log.keeper().rewrite(id, Generation(1), &mut Moves);
    assert!(matches!(refused, Err(ReclaimError::Moved(_))), "{refused:?}");
    assert!(log.check().is_ok());
}
