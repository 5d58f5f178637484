//! Slots read where a sidecar says they stand, without their entries' directories.

mod support;

use forebay_commitlog::{
    CheckpointMeta, Fate, Fault, FileName, Generation, IndexEntry, Judge, Log, PlacedEntry, ReadError,
    ScrubProgress, Section, SegmentId, Sidecar, Slot, SlotPlace,
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
        let bytes = reader.slots().read_placed(slot, &place, SlotPlace::end).unwrap();
        assert_eq!(bytes, text(one));
    }
    // The same after a restart, from files alone.
    drop(log);
    let (log, _) = open(&disk);
    let reader = log.reader();
    let mut slots = reader.slots();
    for one in all.iter().rev() {
        let (slot, place) = here(one);
        assert_eq!(slots.read_placed(slot, &place, SlotPlace::end).unwrap(), text(one));
    }
}

#[test]
fn one_read_brings_what_its_reach_spans() {
    let (log, sidecar) = placed(&MemDisk::default());
    let (reader, all) = (log.reader(), entries(&sidecar));
    let end = here(&all[9]).1.end();
    let mut slots = reader.slots();
    let mut reads = 0;
    for one in &all[..20] {
        let (slot, place) = here(one);
        let until = |place: &SlotPlace| {
            reads += 1;
            if reads == 1 { end } else { place.end() }
        };
        assert_eq!(slots.read_placed(slot, &place, until).unwrap(), text(one));
    }
    assert_eq!(reads, 11, "one for the first ten, then one each");
    // A reach behind the end of the segment ends there, one before the slot's end is none.
    for until in [u64::MAX, 0] {
        let (slot, place) = here(&all[0]);
        assert_eq!(reader.slots().read_placed(slot, &place, |_| until).unwrap(), text(&all[0]));
    }
}

#[test]
fn a_place_that_is_none_is_damage_of_the_sidecar() {
    let disk = MemDisk::default();
    let (log, sidecar) = placed(&disk);
    let (slot, place) = here(&entries(&sidecar)[3]);
    let wrong = [
        SlotPlace { position: u64::MAX - 5, ..place },
        SlotPlace { position: 100_000_000, ..place },
        SlotPlace { bytes: u32::MAX, ..place },
        SlotPlace { position: place.position + 1, ..place },
        SlotPlace { bytes: 0, ..place },
        SlotPlace { crc: !place.crc, ..place },
    ];
    for wrong in wrong {
        match log.reader().slots().read_placed(slot, &wrong, SlotPlace::end) {
            Err(ReadError::Fault(Fault::Corrupt(damage))) => {
                assert_eq!(damage.file, disk.names(&dir(), ".idx")[0])
            }
            other => panic!("{wrong:?}: {other:?}"),
        }
    }
}

#[test]
fn slots_that_are_expected_at_their_places_are_waited_for_once() {
    let disk = MemDisk::default();
    let (log, sidecar) = placed(&disk);
    let (reader, all) = (log.reader(), entries(&sidecar));
    let mut slots = reader.slots();
    disk.cool_down();
    let (first, place) = here(&all[0]);
    slots.read_placed(first, &place, SlotPlace::end).unwrap();
    assert!(slots.waited() && disk.waits() == 1);
    let places: Vec<_> = all[20..40].iter().map(|one| here(one).1).collect();
    slots.expect_placed(&places);
    for one in &all[20..40] {
        let (slot, place) = here(one);
        assert_eq!(slots.read_placed(slot, &place, SlotPlace::end).unwrap(), text(one));
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
            match slots.read_placed(slot, &place, |place| place.end() + 300) {
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
    fn slot(&mut self, _: LogIndex, slot: &Slot) -> Fate {
        if slot.number.0 == 1 { Fate::Live } else { Fate::Dead }
    }

    fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
        (entry.slot.0 == 1).then_some(*entry)
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
    reads_on.read_placed(slot, &place, |_| here(&before[1]).1.end()).unwrap();
    keeper.replace(old, SegmentId { generation: Generation(1), ..old }).unwrap();
    for (number, one) in before.iter().enumerate() {
        let (slot, place) = here(one);
        let found = reader.slots().read_placed(slot, &place, SlotPlace::end);
        match one.entry.slot.0 {
            1 => assert_eq!(found.unwrap(), text(one)),
            _ => assert!(matches!(found, Err(ReadError::NoSlot(..))), "{found:?}"),
        }
        if number < 2 {
            assert_eq!(reads_on.read_placed(slot, &place, SlotPlace::end).unwrap(), text(one));
        }
    }
    let rewritten = reader.sidecar(SegmentId { generation: Generation(1), ..old }).unwrap();
    let after = entries(&rewritten);
    assert_eq!(after.len() as u64, ENTRIES);
    for one in &after {
        let (slot, place) = here(one);
        assert_eq!(place.segment.generation, Generation(1));
        assert_eq!(reader.slots().read_placed(slot, &place, SlotPlace::end).unwrap(), text(one));
    }
}

/// A sidecar's bytes with one bit of its `number`th entry's place changed, the block's checksum put right again.
fn with_wrong_place(good: &[u8], place: SlotPlace, byte: usize) -> Vec<u8> {
    let position = place.position.to_le_bytes();
    let at = good.windows(8).position(|window| window == position).unwrap() + byte;
    let mut bad = good.to_vec();
    bad[at] ^= 1;
    seal_block(&mut bad, at / 4096 * 4096);
    bad
}

fn seal_block(bytes: &mut [u8], block: usize) {
    let crc = crc(&bytes[block..block + 4092]);
    bytes[block + 4092..block + 4096].copy_from_slice(&crc);
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    (crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32).to_le_bytes()
}

/// A sidecar of version 3 with one block of entries as version 2 had it. The blocks: positions, terms, entries, partitions.
fn as_version_2(good: &[u8], entries: usize) -> Vec<u8> {
    let mut out = good.to_vec();
    let block = 2 * 4096;
    assert_eq!((good.len(), entries <= 56), (4 * 4096 + 192, true));
    out[block..block + 4092].fill(0);
    for number in 0..entries {
        let record = &good[block + number * 72..][..56];
        out[block + number * 56..][..56].copy_from_slice(record);
    }
    seal_block(&mut out, block);
    let footer = out.len() - 192;
    out[footer + 6] = 2;
    let sum = crc(&out[footer..footer + 188]);
    out[footer + 188..].copy_from_slice(&sum);
    out
}

/// A file as a peer gets it.
fn sent(log: &Log, name: FileName) -> Vec<u8> {
    let file = log.keeper().send(name).unwrap().unwrap();
    let mut bytes = vec![0; file.len() as usize];
    assert_eq!(file.read(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

/// Whether a peer takes the segment of `log` with this sidecar.
fn is_taken(log: &Log, id: SegmentId, sidecar: &[u8]) -> bool {
    let (to, _) = open(&MemDisk::default());
    let to = to.keeper();
    to.receive(FileName::Segment(id), 0, &sent(log, FileName::Segment(id))).unwrap();
    to.receive(FileName::Sidecar(id), 0, sidecar).unwrap();
    to.check_received(id, log.reader().sidecar(id).unwrap().summary().content_digest).is_ok()
}

#[test]
fn a_received_sidecar_with_another_place_is_refused() {
    let (log, sidecar) = placed(&MemDisk::default());
    let id = sidecar.summary().id;
    let (good, place) = (sent(&log, FileName::Sidecar(id)), here(&entries(&sidecar)[3]).1);
    assert!(is_taken(&log, id, &good));
    // Of its position, length and checksum.
    for byte in [0, 8, 12] {
        assert!(!is_taken(&log, id, &with_wrong_place(&good, place, byte)));
    }
}

#[test]
fn a_scrub_meets_a_place_that_is_another_slots() {
    let disk = MemDisk::default();
    let (log, sidecar) = placed(&disk);
    let id = sidecar.summary().id;
    let place = here(&entries(&sidecar)[3]).1;
    drop((log, sidecar));
    let name = disk.names(&dir(), ".idx")[0].clone();
    let good = disk.bytes(&name);
    for (bytes, is_sound) in [(good.clone(), true), (with_wrong_place(&good, place, 0), false)] {
        disk.put(&name, bytes);
        let (log, _) = open(&disk);
        let mut scrub = log.reader().scrub(id).unwrap();
        let end = loop {
            match scrub.step(1_000) {
                Ok(ScrubProgress::More) => {}
                end => break end,
            }
        };
        match end {
            Ok(_) => assert!(is_sound),
            Err(Fault::Corrupt(damage)) => {
                assert!(!is_sound && (damage.file, damage.position.0) == (name.clone(), 2 * 4096))
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_sidecar_of_version_2_is_read_and_taken_and_has_no_places() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let id = sealed_segment(&mut log, 1, 20);
    let one = |number: u64| IndexEntry { slot: SlotNumber(0), ..index_entry(1, number, 1, 1 + number) };
    let sidecar = log.keeper().write_sidecar(id, (0..20).map(one)).unwrap();
    let new = entries(&sidecar);
    let good = sent(&log, FileName::Sidecar(id));
    let old = as_version_2(&good, 20);
    assert!(is_taken(&log, id, &good) && is_taken(&log, id, &old));
    // The entries of one version behind the footer of the other, as two senders could leave it.
    let end = old.len() - 192;
    assert!(!is_taken(&log, id, &[&good[..end], &old[end..]].concat()));
    assert!(!is_taken(&log, id, &[&old[..end], &good[end..]].concat()));
    drop((log, sidecar));
    disk.put(&disk.names(&dir(), ".idx")[0], old);
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.damaged_sidecars.len(), recovered.entries_scanned), (0, 0));
    let sidecar = log.reader().sidecar(id).unwrap();
    sidecar.verify().unwrap();
    let found = entries(&sidecar);
    assert!(found.iter().all(|placed| placed.place.is_none()));
    assert!(found.iter().map(|placed| placed.entry).eq(new.iter().map(|placed| placed.entry)));
    assert_eq!(sidecar.lookup(PartitionId(1), Offset(7)).unwrap(), Some(new[7].entry));
    let mut scrub = log.reader().scrub(id).unwrap();
    assert!(matches!(scrub.step(u64::MAX), Ok(ScrubProgress::Done { .. })));
}
