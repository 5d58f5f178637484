//! Slots read where a sidecar says they stand, without their entries' directories.

mod support;

use forebay_commitlog::{
    CheckpointMeta, Fault, FileName, Generation, IndexEntry, Judge, Liveness, Log, PlacedEntry, Reach,
    ReadError, Section, SegmentId, Sidecar, SlotKind, SlotPlace,
};
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber, Term};
use support::*;

const ENTRIES: u64 = 30;

/// A segment of thirty entries, every slot of which is a record of one partition, with its sidecar.
fn placed(disk: &MemDisk) -> (Log, Sidecar) {
    let (mut log, _) = open(disk);
    let id = sealed_segment(&mut log, 1, ENTRIES);
    let one = |number: u64| IndexEntry {
        slot: SlotNumber((number % 2) as u32),
        ..index_entry(1, number, 1, 1 + number / 2)
    };
    let sidecar = log.keeper().write_sidecar(id, (0..2 * ENTRIES).map(one)).unwrap();
    (log, sidecar)
}

fn entries(sidecar: &Sidecar) -> Vec<PlacedEntry> {
    sidecar.scan_placed(PartitionId(1), Offset(0), usize::MAX).unwrap()
}

fn here(placed: &PlacedEntry) -> ((LogIndex, SlotNumber), SlotPlace) {
    ((placed.entry.log_index, placed.entry.slot), placed.place.unwrap())
}

fn text(placed: &PlacedEntry) -> String {
    slot_text(1, placed.entry.log_index.0, placed.entry.slot.0 as usize)
}

#[test]
fn every_place_leads_to_its_slot() {
    let disk = MemDisk::default();
    let (log, sidecar) = placed(&disk);
    let (reader, all) = (log.reader(), entries(&sidecar));
    assert_eq!(all.len() as u64, 2 * ENTRIES);
    for one in &all {
        let (slot, place) = here(one);
        let bytes = reader.slots().read_placed(slot, &place, Reach::of(&place)).unwrap();
        assert_eq!(bytes, text(one));
    }
    // The same after a restart, from files alone.
    drop(log);
    let (log, _) = open(&disk);
    let reader = log.reader();
    let mut slots = reader.slots();
    for one in all.iter().rev() {
        let (slot, place) = here(one);
        assert_eq!(slots.read_placed(slot, &place, Reach::of(&place)).unwrap(), text(one));
    }
}

#[test]
fn one_read_brings_what_its_reach_spans() {
    let (log, sidecar) = placed(&MemDisk::default());
    let (reader, all) = (log.reader(), entries(&sidecar));
    let end = here(&all[9]).1.end();
    // With most of the bytes wanted they are handed out as they are, else copied: both are what the slots hold.
    for wanted in [u64::MAX, 1] {
        let mut slots = reader.slots();
        for (number, one) in all.iter().enumerate().take(20) {
            let (slot, place) = here(one);
            assert_eq!(slots.holds(&place), (1..10).contains(&number), "slot {number}");
            let reach = if number == 0 { Reach { end, wanted } } else { Reach::of(&place) };
            assert_eq!(slots.read_placed(slot, &place, reach).unwrap(), text(one));
        }
    }
    // A reach behind the end of the segment ends there.
    let (slot, place) = here(&all[0]);
    let reach = Reach { end: u64::MAX, wanted: 1 };
    assert_eq!(reader.slots().read_placed(slot, &place, reach).unwrap(), text(&all[0]));
}

#[test]
fn slots_that_are_expected_at_their_places_are_waited_for_once() {
    let disk = MemDisk::default();
    let (log, sidecar) = placed(&disk);
    let (reader, all) = (log.reader(), entries(&sidecar));
    let mut slots = reader.slots();
    disk.cool_down();
    let (first, place) = here(&all[0]);
    slots.read_placed(first, &place, Reach::of(&place)).unwrap();
    assert!(slots.waited() && disk.waits() == 1);
    let places: Vec<_> = all[20..40].iter().map(|one| here(one).1).collect();
    slots.expect_placed(&places);
    for one in &all[20..40] {
        let (slot, place) = here(one);
        assert_eq!(slots.read_placed(slot, &place, Reach::of(&place)).unwrap(), text(one));
    }
    assert_eq!(disk.waits(), 1, "all of them were announced");
}

#[test]
fn every_flipped_bit_of_a_slot_fails_the_read_of_it_and_no_other() {
    let disk = MemDisk::default();
    drop(placed(&disk));
    let name = disk.names(&dir(), ".seg")[0].clone();
    for byte in (32..disk.bytes(&name).len()).step_by(5) {
        let bad = disk.copy();
        bad.flip(&name, byte * 8 + byte % 8);
        let (log, _) = open(&bad);
        let id = log.reader().segments()[0].id;
        let all = entries(&log.reader().sidecar(id).unwrap());
        let reader = log.reader();
        let mut slots = reader.slots();
        for one in &all {
            let (slot, place) = here(one);
            let is_met = (place.position..place.end()).contains(&(byte as u64));
            let reach = Reach { end: place.end() + 300, wanted: 300 };
            match slots.read_placed(slot, &place, reach) {
                Ok(bytes) => assert!(!is_met && bytes == text(one).as_bytes(), "byte {byte}"),
                Err(ReadError::Fault(Fault::Corrupt(corruption))) => {
                    assert!(is_met, "byte {byte}");
                    assert_eq!((&corruption.file, corruption.position.0), (&name, place.position));
                }
                Err(other) => panic!("byte {byte}: {other}"),
            }
        }
    }
}

#[test]
fn an_index_entry_that_leads_nowhere_has_no_place() {
    let (mut log, _) = open(&MemDisk::default());
    let id = sealed_segment(&mut log, 1, 3);
    let lost = IndexEntry { slot: SlotNumber(7), ..index_entry(1, 0, 1, 2) };
    let sidecar = log.keeper().write_sidecar(id, [lost, index_entry(1, 1, 1, 2)]).unwrap();
    let found = entries(&sidecar);
    assert_eq!((found[0].entry, found[0].place), (lost, None));
    assert!(found[1].place.is_some());
}

fn adopt(log: &Log, index: u64) {
    let index = LogIndex(index);
    let meta =
        CheckpointMeta { index, term: Term(1), commit: index, machine_version: 1, ..Default::default() };
    let keeper = log.keeper();
    let section = Section { kind: 1, bytes: "state".into() };
    keeper.adopt(keeper.write_checkpoint(&meta, &[section]).unwrap()).unwrap();
}

/// Keeps every second slot.
struct Half;

impl Judge for Half {
    fn slot(&mut self, _: LogIndex, slot: SlotNumber, _: SlotKind) -> Liveness {
        if slot.0 == 1 { Liveness::Live } else { Liveness::Dead }
    }

    fn index_entry(&mut self, entry: &IndexEntry) -> Liveness {
        self.slot(entry.log_index, entry.slot, SlotKind(0))
    }
}

#[test]
fn a_place_of_a_segment_that_was_rewritten_is_not_read_as_one_of_the_new() {
    let disk = MemDisk::default();
    let (mut log, sidecar) = placed(&disk);
    let old = sidecar.summary().id;
    fill(&mut log, 1, ENTRIES + 2..=ENTRIES + 3);
    flush(&mut log);
    adopt(&log, ENTRIES + 3);
    log.raise_floor(LogIndex(ENTRIES + 3));
    let keeper = log.keeper();
    keeper.rewrite(old, Generation(1), &mut Half).unwrap();
    let reader = log.reader();
    // Who has read a piece of the old file goes on in it; who has not finds the slot by its number, or that it is gone.
    let before = entries(&sidecar);
    let mut reads_on = reader.slots();
    let (slot, place) = here(&before[0]);
    let reach = Reach { end: here(&before[1]).1.end(), wanted: 1 };
    reads_on.read_placed(slot, &place, reach).unwrap();
    keeper.replace(old, SegmentId { generation: Generation(1), ..old }).unwrap();
    for (number, one) in before.iter().enumerate() {
        let (slot, place) = here(one);
        let found = reader.slots().read_placed(slot, &place, Reach::of(&place));
        match one.entry.slot.0 {
            1 => assert_eq!(found.unwrap(), text(one)),
            _ => assert!(matches!(found, Err(ReadError::NoSlot(..))), "{found:?}"),
        }
        if number < 2 {
            assert_eq!(reads_on.read_placed(slot, &place, Reach::of(&place)).unwrap(), text(one));
        }
    }
    let rewritten = reader.sidecar(SegmentId { generation: Generation(1), ..old }).unwrap();
    let after = entries(&rewritten);
    assert_eq!(after.len() as u64, ENTRIES);
    for one in &after {
        let (slot, place) = here(one);
        assert_eq!(place.segment.generation, Generation(1));
        assert_eq!(reader.slots().read_placed(slot, &place, Reach::of(&place)).unwrap(), text(one));
    }
}

#[test]
fn a_received_sidecar_with_another_place_is_refused() {
    let (log, sidecar) = placed(&MemDisk::default());
    let id = sidecar.summary().id;
    let from = log.keeper();
    let read = |name| {
        let file = from.send(name).unwrap().unwrap();
        let mut bytes = vec![0; file.len() as usize];
        assert_eq!(file.read(&mut bytes, 0).unwrap(), bytes.len());
        bytes
    };
    let (segment, good) = (read(FileName::Segment(id)), read(FileName::Sidecar(id)));
    let at = {
        let place = here(&entries(&sidecar)[3]).1.position.to_le_bytes();
        good.windows(8).position(|window| window == place).unwrap()
    };
    // Positions, lengths and checksums of places, each with the block's checksum put right again.
    for byte in [None, Some(at), Some(at + 8), Some(at + 12)] {
        let mut sidecar = good.clone();
        if let Some(byte) = byte {
            sidecar[byte] ^= 1;
            let block = byte / 4096 * 4096;
            let crc =
                crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &sidecar[block..block + 4092]) as u32;
            sidecar[block + 4092..block + 4096].copy_from_slice(&crc.to_le_bytes());
        }
        let (to, _) = open(&MemDisk::default());
        let to = to.keeper();
        to.receive(FileName::Segment(id), 0, &segment).unwrap();
        to.receive(FileName::Sidecar(id), 0, &sidecar).unwrap();
        let checked = to.check_received(id, sidecar_digest(&log, id));
        assert_eq!(checked.is_err(), byte.is_some(), "{checked:?}");
    }
}

fn sidecar_digest(log: &Log, id: SegmentId) -> u64 {
    log.reader().sidecar(id).unwrap().summary().content_digest
}
