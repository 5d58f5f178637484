//! Sidecars and the segment directory, against maps in memory.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use forebay_commitlog::{
    BlockCache, CheckpointMeta, Fault, Generation, IndexEntry, Log, LogConfig, ReadError, SegmentId, Sidecar,
    SidecarError,
};
use forebay_model::{LogIndex, Offset, PartitionId, Position, SlotNumber, Term, Timestamp};
use support::*;

type Model = BTreeMap<(u64, u64), IndexEntry>;

/// Index entries of random partitions with gaps between their offsets, for a segment of 50 entries.
fn random_entries(dice: &mut Dice, id: SegmentId, partitions: u64, entries: u64) -> Model {
    let mut model = Model::new();
    let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..entries {
        let partition = dice.roll(partitions) * 3;
        let end = ends.entry(partition).or_default();
        let first = *end + if dice.roll(4) == 0 { dice.roll(20) } else { 0 };
        let count = 1 + dice.roll(9) as u32;
        *end = first + u64::from(count);
        model.insert((partition, first), index_entry(partition, first, count, id.first.0 + dice.roll(50)));
    }
    model
}

fn check_against(model: &Model, sidecar: &Sidecar, dice: &mut Dice, partitions: u64, rounds: u64) {
    let of = |partition: u64| model.range((partition, 0)..=(partition, u64::MAX)).map(|(_, entry)| *entry);
    for _ in 0..rounds {
        let partition = dice.roll(partitions * 3 + 2);
        let offset = dice.roll(model.len() as u64 / partitions * 8 + 20);
        let covers = |entry: &IndexEntry| entry.end_offset().0 > offset;
        let expected: Vec<IndexEntry> = of(partition).filter(covers).take(5).collect();
        let found = sidecar.scan(PartitionId(partition), Offset(offset), 5).unwrap();
        assert_eq!(found, expected, "partition {partition} from {offset}");
        let covering = expected.first().copied().filter(|entry| entry.first_offset.0 <= offset);
        assert_eq!(sidecar.lookup(PartitionId(partition), Offset(offset)).unwrap(), covering);
        let timestamp = Timestamp(dice.roll(1100) as i64);
        let expected = of(partition).find(|entry| entry.max_timestamp >= timestamp);
        let found = sidecar.first_with_timestamp_at_or_after(PartitionId(partition), timestamp).unwrap();
        assert_eq!(found, expected);
        let run = sidecar.partition(PartitionId(partition)).unwrap();
        assert_eq!(run.map(|run| run.entries), of(partition).next().map(|_| of(partition).count() as u64));
        if let Some(run) = run {
            assert_eq!(run.first_offset, of(partition).next().unwrap().first_offset);
            assert_eq!(run.end_offset, of(partition).next_back().unwrap().end_offset());
            assert_eq!(run.live_bytes, of(partition).map(|entry| u64::from(entry.bytes)).sum::<u64>());
            assert_eq!(run.max_timestamp, of(partition).map(|entry| entry.max_timestamp).max().unwrap());
            assert_eq!(run.earliest_expiry, of(partition).map(|entry| entry.earliest_expiry).min().unwrap());
        }
    }
}

#[test]
fn a_sidecar_answers_as_a_sorted_map_does() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let (mut log, _) = open(&MemDisk::default());
        let id = sealed_segment(&mut log, 1, 50);
        let (partitions, entries) = (1 + dice.roll(40), dice.roll(600));
        let model = random_entries(&mut dice, id, partitions, entries);
        let sidecar = log.keeper().write_sidecar(id, model.values().copied()).unwrap();
        check_against(&model, &sidecar, &mut dice, partitions, 100);
        let mut all = Vec::new();
        let take = |entry| -> Result<(), Fault> {
            all.push(entry);
            Ok(())
        };
        sidecar.for_each_entry(take).unwrap();
        assert!(all.iter().eq(model.values()));
        sidecar.verify().unwrap();
    }
}

#[test]
fn a_large_sidecar_is_read_through_a_small_cache() {
    let mut dice = Dice(7);
    let cache = BlockCache::new(40_000);
    let config = LogConfig { block_cache: cache.clone(), ..config() };
    let disk = MemDisk::default();
    let (mut log, _) = Log::open(disk.arc(), &dir(), config.clone()).unwrap();
    let id = sealed_segment(&mut log, 1, 50);
    let model = random_entries(&mut dice, id, 30_000, 60_000);
    log.keeper().write_sidecar(id, model.values().copied()).unwrap();
    drop(log);
    let (log, recovered) = Log::open(disk.arc(), &dir(), config).unwrap();
    assert_eq!(recovered.entries_scanned, 0);
    let sidecar = log.reader().sidecar(id).unwrap();
    assert_eq!(sidecar.summary().index_entries, model.len() as u64);
    check_against(&model, &sidecar, &mut dice, 30_000, 2_000);
    assert!(cache.bytes() <= 40_000);
    let mut partitions = 0;
    sidecar
        .for_each_partition::<Fault>(|_| {
            partitions += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(partitions, sidecar.summary().partitions);
}

#[test]
fn a_sealed_segment_is_opened_by_its_footer_and_read_through_its_sidecar() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let first = sealed_segment(&mut log, 1, 20);
    let second = sealed_segment(&mut log, 2, 20);
    fill(&mut log, 3, 43..=45);
    assert_eq!((first.first, second.first), (LogIndex(1), LogIndex(22)));
    for id in [first, second] {
        log.keeper().write_sidecar(id, [index_entry(1, id.first.0 * 10, 2, id.first.0)]).unwrap();
    }
    flush(&mut log);
    let before = contents(&log, 1);
    drop(log);
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.entries_scanned, recovered.segments), (3, 3));
    assert!(recovered.without_sidecar.is_empty());
    assert_eq!(contents(&log, 1), before);
    let terms: Vec<_> = [1, 21, 22, 42, 43].map(|index| log.term(LogIndex(index)).unwrap().0).to_vec();
    assert_eq!(terms, [1, 1, 2, 2, 3]);
    for index in [1, 7, 21, 22, 41, 44] {
        assert_eq!(log.reader().read_entry(LogIndex(index)).unwrap().index, LogIndex(index));
    }
    let slot = log.reader().read_slot(LogIndex(30), SlotNumber(1)).unwrap();
    assert_eq!(slot, slot_text(2, 30, 1));
}

#[test]
fn a_sidecar_is_refused_where_it_could_not_be_true() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=5);
    let active = SegmentId { shard: SHARD, first: LogIndex(1), generation: Generation::APPENDED };
    let keeper = log.keeper();
    let write = |id, entries: Vec<IndexEntry>| keeper.write_sidecar(id, entries).err();
    assert!(matches!(write(active, vec![]), Some(SidecarError::NotSealed(_))));
    log.append(&[seal(1, 6)]).unwrap();
    assert!(matches!(write(active, vec![]), Some(SidecarError::NotFlushed(_))));
    flush(&mut log);
    let wrong = SegmentId { generation: Generation(1), ..active };
    assert!(matches!(write(wrong, vec![]), Some(SidecarError::NoSegment(_))));
    let overlap = vec![index_entry(1, 0, 5, 1), index_entry(1, 4, 1, 2)];
    assert!(matches!(write(active, overlap), Some(SidecarError::Unsorted(_))));
    let descending = vec![index_entry(2, 0, 5, 1), index_entry(1, 4, 1, 2)];
    assert!(matches!(write(active, descending), Some(SidecarError::Unsorted(_))));
    assert!(matches!(write(active, vec![index_entry(1, 0, 1, 7)]), Some(SidecarError::Foreign(..))));
    assert!(matches!(write(active, vec![index_entry(1, 0, 0, 1)]), Some(SidecarError::Foreign(..))));
    assert!(write(active, vec![index_entry(1, 0, 1, 1)]).is_none());
    // What was applied is never replaced.
    assert!(log.append(&[entry(2, 4, 1)]).is_err());
    assert!(log.append(&[entry(2, 7, 1)]).is_ok());
}

#[test]
fn equal_segments_have_equal_sidecars_whatever_their_replicas_recorded() {
    let sidecar = |flush_every: u64, salt: u64| {
        let disk = MemDisk::default();
        let config = LogConfig { salt, ..config() };
        let (mut log, _) = Log::open(disk.arc(), &dir(), config).unwrap();
        for index in 1..=20 {
            log.append(&[entry(1, index, 2)]).unwrap();
            if index % flush_every == 0 {
                flush(&mut log);
            }
        }
        let id = log.append(&[seal(1, 21)]).unwrap().sealed[0];
        flush(&mut log);
        let digest = log.reader().canonical_digest(id).unwrap();
        let sidecar = log.keeper().write_sidecar(id, [index_entry(4, 0, 9, 3)]).unwrap();
        assert_eq!(digest, Some(sidecar.summary().content_digest));
        assert_eq!(log.reader().canonical_digest(id).unwrap(), digest);
        (disk.bytes(&disk.names(&dir(), ".seg")[0]), disk.bytes(&disk.names(&dir(), ".idx")[0]))
    };
    let (one, other) = (sidecar(1, 1), sidecar(5, 2));
    assert_ne!(one.0, other.0);
    assert_eq!(one.1, other.1);
}

fn with_two_sidecars() -> (MemDisk, PathBuf) {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    for _ in 0..2 {
        let id = sealed_segment(&mut log, 1, 30);
        let entries: Vec<_> = (0..200).map(|i| index_entry(i % 5, i * 10, 3, id.first.0 + i % 30)).collect();
        let mut entries = entries;
        entries.sort_by_key(|entry| (entry.partition, entry.first_offset));
        log.keeper().write_sidecar(id, entries).unwrap();
    }
    fill(&mut log, 1, 63..=63);
    flush(&mut log);
    let name = disk.names(&dir(), ".idx")[1].clone();
    (disk, name)
}

#[test]
fn a_damaged_sidecar_of_the_tail_is_reported_and_written_again() {
    let (disk, name) = with_two_sidecars();
    let len = disk.bytes(&name).len();
    for bad_len in [0, 100, len - 1] {
        let bad = disk.copy();
        let short = disk.bytes(&name)[..bad_len].to_vec();
        bad.put(&name, short);
        let (log, recovered) = open(&bad);
        assert_eq!(recovered.damaged_sidecars[0].file, name);
        let id = recovered.without_sidecar[0];
        assert_eq!((id.first, recovered.entries_scanned), (LogIndex(32), 32));
        assert!(!bad.exists(&name), "it could pass for the sidecar of other entries");
        log.keeper().write_sidecar(id, [index_entry(1, 5, 1, 40)]).unwrap();
        drop(log);
        assert!(open(&bad).1.without_sidecar.is_empty());
    }
    disk.remove(&name);
    let (_, recovered) = open(&disk);
    assert!(recovered.damaged_sidecars.is_empty() && recovered.without_sidecar.len() == 1);
}

#[test]
fn a_listed_segment_needs_its_sidecar() {
    let (disk, name) = with_two_sidecars();
    let (log, _) = open(&disk);
    let meta = CheckpointMeta {
        index: LogIndex(63),
        term: Term(1),
        commit: LogIndex(63),
        sidecars_up_to: LogIndex(62),
        ..CheckpointMeta::default()
    };
    let keeper = log.keeper();
    keeper.adopt(keeper.write_checkpoint(&meta, &[]).unwrap()).unwrap();
    assert_eq!(keeper.manifest().segments.len(), 2);
    drop(log);
    open(&disk.copy());
    for edit in [
        |_: Vec<u8>| Vec::new(),
        |mut bytes: Vec<u8>| {
            let at = bytes.len() - 9;
            bytes[at] ^= 4;
            bytes
        },
    ] {
        let bad = disk.copy();
        bad.put(&name, edit(disk.bytes(&name)));
        let fault = Log::open(bad.arc(), &dir(), config()).err().unwrap();
        assert!(matches!(fault, Fault::Corrupt(corruption) if corruption.file == name));
    }
    // A segment that lost bytes, or got more, is noticed without reading it; one that is gone is missed.
    let segment = disk.names(&dir(), ".seg")[0].clone();
    let whole = disk.bytes(&segment);
    for bytes in [whole[..whole.len() - 1].to_vec(), [&whole[..], b"x"].concat()] {
        disk.put(&segment, bytes);
        let fault = Log::open(disk.arc(), &dir(), config()).err().unwrap();
        assert!(matches!(fault, Fault::Corrupt(corruption) if corruption.file == segment));
    }
    disk.remove(&segment);
    let fault = Log::open(disk.arc(), &dir(), config()).err().unwrap().to_string();
    assert!(fault.contains(&*segment.to_string_lossy()), "{fault}");
}

#[test]
fn every_flipped_bit_of_a_sidecar_is_found_by_verification_and_never_served() {
    let (disk, name) = with_two_sidecars();
    let whole = disk.bytes(&name);
    for byte in (0..whole.len()).step_by(61) {
        let bad = disk.copy();
        bad.flip(&name, byte * 8 + byte % 8);
        let (log, recovered) = open(&bad);
        // The open itself reads the footer and, above the floor, the block with the terms.
        if byte >= whole.len() - 192 || byte / 4096 == 1 {
            assert_eq!(recovered.damaged_sidecars[0].file, name);
            continue;
        }
        let id = SegmentId { shard: SHARD, first: LogIndex(32), generation: Generation::APPENDED };
        let sidecar = log.reader().sidecar(id).unwrap();
        let block = Position((byte / 4096 * 4096) as u64);
        match sidecar.verify() {
            Err(Fault::Corrupt(corruption)) => {
                assert_eq!((corruption.file, corruption.position), (name.clone(), block));
            }
            other => panic!("byte {byte}: {other:?}"),
        }
        for partition in 0..5 {
            if let Ok(found) = sidecar.scan(PartitionId(partition), Offset(0), 100) {
                assert_eq!(found.len(), 40);
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_sealed_segment_fails_the_reads_that_meet_it_and_no_others() {
    let (disk, _) = with_two_sidecars();
    let name = disk.names(&dir(), ".seg")[0].clone();
    let len = disk.bytes(&name).len();
    for byte in (32..len).step_by(7) {
        let bad = disk.copy();
        bad.flip(&name, byte * 8 + byte % 8);
        let (log, _) = open(&bad);
        let reader = log.reader();
        let mut readers_slots = reader.slots();
        let mut faults = 0;
        for index in 1..=30 {
            let entry = reader.read_entry(LogIndex(index));
            let slots: Vec<_> =
                (0..2).map(|slot| reader.read_slot(LogIndex(index), SlotNumber(slot))).collect();
            let after_another: Vec<_> =
                (0..2).map(|slot| readers_slots.read(LogIndex(index), SlotNumber(slot))).collect();
            for (alone, after) in slots.iter().zip(&after_another) {
                assert_eq!(format!("{alone:?}"), format!("{after:?}"));
            }
            for (slot, found) in slots.iter().enumerate() {
                match found {
                    Ok(bytes) => assert_eq!(*bytes, slot_text(1, index, slot)),
                    Err(ReadError::Fault(Fault::Corrupt(corruption))) => {
                        assert_eq!(corruption.file, name);
                        assert!(entry.is_err());
                    }
                    Err(other) => panic!("byte {byte}: {other}"),
                }
            }
            match entry {
                Ok(found) => assert_eq!(found, support::entry(1, index, 2)),
                Err(ReadError::Fault(Fault::Corrupt(corruption))) => {
                    assert!(corruption.file == name && corruption.position.0 <= byte as u64);
                    faults += 1;
                }
                Err(other) => panic!("byte {byte}: {other}"),
            }
        }
        // The Seal is the 31st entry; the local fields are for recovery and scrubbing, not for readers.
        assert!(faults <= 1);
        let run = reader.read_entries(LogIndex(1), LogIndex(31), u64::MAX);
        assert_eq!(run.is_err(), faults == 1, "byte {byte}");
    }
}

#[test]
fn a_power_cut_while_a_sidecar_is_written_costs_a_scan_at_most() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        let id = sealed_segment(&mut log, 1, 20);
        disk.fail_somehow(&mut dice, 6);
        let written = log.keeper().write_sidecar(id, [index_entry(1, 0, 5, 2)]).is_ok();
        disk.heal();
        assert_eq!(log.check().is_ok(), written);
        let after = disk.power_cut(&mut dice);
        let (log, recovered) = open(&after);
        assert!(recovered.damaged_sidecars.is_empty());
        assert!(!written || recovered.without_sidecar.is_empty(), "seed {seed}");
        assert_eq!(log.last_index(), LogIndex(21));
    }
}

/// Where each segment's part of each partition is: (partition, first offset) -> (end, segment).
type Placed = BTreeMap<(u64, u64), (u64, u64)>;

fn grow(log: &mut Log, dice: &mut Dice, placed: &mut Placed, ends: &mut BTreeMap<u64, u64>, segments: u64) {
    for _ in 0..segments {
        let id = sealed_segment(log, 1, 3);
        let mut entries = Vec::new();
        for partition in 0..12 {
            if dice.roll(3) > 0 {
                continue;
            }
            let end = ends.entry(partition).or_default();
            let first = *end + dice.roll(3);
            let count = 1 + dice.roll(5);
            *end = first + count;
            placed.insert((partition, first), (*end, id.first.0));
            entries.push(index_entry(partition, first, count as u32, id.first.0));
        }
        log.keeper().write_sidecar(id, entries).unwrap();
        while log.keeper().merge_directory().unwrap() {}
    }
}

fn check_directory(log: &Log, placed: &Placed, ends: &BTreeMap<u64, u64>) {
    let reader = log.reader();
    for (partition, end) in ends {
        for offset in 0..end + 3 {
            let mut runs = placed.range((*partition, 0)..=(*partition, u64::MAX));
            let expected =
                runs.find(|(_, (end, _))| *end > offset).map(|((_, first), (_, id))| (*first, *id));
            let found = reader.locate(PartitionId(*partition), Offset(offset)).unwrap();
            let found = found.map(|found| (found.run.first_offset.0, found.id.first.0));
            assert_eq!(found, expected, "partition {partition} offset {offset}");
        }
    }
    assert!(reader.locate(PartitionId(99), Offset(0)).unwrap().is_none());
}

#[test]
fn the_directory_finds_the_segments_of_a_partition_through_every_merge() {
    let mut dice = Dice(5);
    let disk = MemDisk::default();
    let (mut placed, mut ends) = (Placed::new(), BTreeMap::new());
    let (mut log, _) = open(&disk);
    for _ in 0..8 {
        grow(&mut log, &mut dice, &mut placed, &mut ends, 10);
        check_directory(&log, &placed, &ends);
        drop(log);
        (log, _) = open(&disk);
        check_directory(&log, &placed, &ends);
    }
    let names = disk.names(&dir(), ".run");
    assert!(names.len() < 9, "{names:?}");
    assert!(names[names.len() - 1].to_string_lossy().contains("directory-02-"), "{names:?}");
    // A lost or damaged file is made again.
    for (at, name) in names.iter().enumerate() {
        let bad = disk.copy();
        if at % 2 == 0 {
            bad.remove(name);
        } else {
            bad.flip(name, (bad.bytes(name).len() - 20) * 8);
        }
        let (log, recovered) = open(&bad);
        assert_eq!(recovered.damaged_directory.len(), at % 2);
        check_directory(&log, &placed, &ends);
        while log.keeper().merge_directory().unwrap() {}
        check_directory(&log, &placed, &ends);
    }
}

#[test]
fn a_power_cut_during_a_merge_leaves_a_directory_that_answers() {
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let (mut placed, mut ends) = (Placed::new(), BTreeMap::new());
        let (mut log, _) = open(&disk);
        grow(&mut log, &mut dice, &mut placed, &mut ends, 7);
        let id = sealed_segment(&mut log, 1, 2);
        log.keeper().write_sidecar(id, []).unwrap();
        disk.fail_somehow(&mut dice, 6);
        let merged = log.keeper().merge_directory();
        disk.heal();
        assert_eq!(log.check().is_ok(), merged.is_ok());
        let (log, recovered) = open(&disk.power_cut(&mut dice));
        assert!(recovered.damaged_directory.is_empty());
        check_directory(&log, &placed, &ends);
        while log.keeper().merge_directory().unwrap() {}
        check_directory(&log, &placed, &ends);
    }
}
