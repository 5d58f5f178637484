//! Space given back: unlink, rewrite, replace; and files that travel between replicas.

mod support;

use std::collections::BTreeMap;

use forebay_commitlog::{
    CheckpointMeta, Fate, Fault, FileName, Generation, Held, IndexEntry, InstallError, Judge, Keeper, Log,
    LogConfig, Occasion, Outgoing, Point, ReadError, ReclaimError, Section, SegmentId, Slot, SlotPlace,
};
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber, Term};
use support::*;

/// Keeps what a rule on (log index, slot) keeps.
struct Keep<F: Fn(u64, u32) -> bool>(F);

impl<F: Fn(u64, u32) -> bool> Judge for Keep<F> {
    fn slot(&mut self, index: LogIndex, slot: &Slot) -> Fate {
        if (self.0)(index.0, slot.number.0) { Fate::Live } else { Fate::Dead }
    }
    fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
        (self.0)(entry.log_index.0, entry.slot.0).then_some(*entry)
    }
}

fn adopt(log: &Log, index: u64, term: u64) {
    let meta = CheckpointMeta {
        index: LogIndex(index),
        term: Term(term),
        commit: LogIndex(index),
        machine_version: 1,
        ..CheckpointMeta::default()
    };
    let section = Section { kind: 1, bytes: format!("state at {index}").into() };
    let keeper = log.keeper();
    keeper.adopt(keeper.write_checkpoint(&meta, &[section]).unwrap()).unwrap();
}

/// A log of `segments` sealed segments of ten entries and a Seal, with sidecars, two entries behind them, a checkpoint at
/// the end and the floor there. Each entry has two slots, each with one record of one of three partitions.
fn grown(disk: &MemDisk, segments: u64, salt: u64, flush_each: bool) -> Log {
    let config = LogConfig { salt, ..config() };
    let (mut log, _) = Log::open(disk.arc(), &dir(), config).unwrap();
    grow(&mut log, segments, flush_each);
    let last = log.last_index().0;
    fill(&mut log, 1, last + 1..=last + 2);
    flush(&mut log);
    adopt(&log, last + 2, 1);
    log.raise_floor(LogIndex(last + 2));
    log
}

fn grow(log: &mut Log, segments: u64, flush_each: bool) {
    for _ in 0..segments {
        let first = log.last_index().0 + 1;
        for index in first..first + 10 {
            log.append(&[entry(1, index, 2)]).unwrap();
            if flush_each {
                flush(log);
            }
        }
        let id = log.append(&[seal(1, first + 10)]).unwrap().sealed[0];
        flush(log);
        log.keeper().write_sidecar(id, entries_of(id)).unwrap();
        while log.keeper().merge_directory().unwrap() {}
    }
}

fn entries_of(id: SegmentId) -> Vec<IndexEntry> {
    let mut entries = Vec::new();
    for index in id.first.0..id.first.0 + 10 {
        for slot in 0..2 {
            let offset = index * 2 + slot;
            entries.push(IndexEntry {
                slot: SlotNumber(slot as u32),
                ..index_entry(offset % 3, offset, 1, index)
            });
        }
    }
    entries.sort_by_key(|entry| (entry.partition, entry.first_offset));
    entries
}

fn id(first: u64, generation: u64) -> SegmentId {
    SegmentId { shard: SHARD, first: LogIndex(first), generation: Generation(generation) }
}

/// Reads the records of a partition from the beginning as a consumer does.
fn consume(log: &Log, partition: u64) -> Vec<u64> {
    let reader = log.reader();
    let (mut offset, mut out) = (0, Vec::new());
    while let Some(found) = reader.locate(PartitionId(partition), Offset(offset)).unwrap() {
        for placed in found.sidecar.scan_placed(PartitionId(partition), Offset(offset), 3).unwrap() {
            let (entry, place) = (placed.entry, placed.place.expect("all of them are there"));
            let bytes = reader.read_slot(entry.log_index, entry.slot).unwrap();
            assert_eq!(bytes, slot_text(1, entry.log_index.0, entry.slot.0 as usize));
            let by_place =
                reader.slots().read_placed((entry.log_index, entry.slot), &place, SlotPlace::end).unwrap();
            assert_eq!(by_place, bytes);
            out.push(entry.first_offset.0);
            offset = entry.end_offset().0;
        }
    }
    out
}

#[test]
fn a_rewritten_segment_keeps_what_lives_under_its_numbers() {
    let disk = MemDisk::default();
    let log = grown(&disk, 3, 1, false);
    let keeper = log.keeper();
    let live = |index: u64, slot: u32| index & 3 == 0 || (index & 3 == 1 && slot == 1);
    let before = keeper.manifest();
    let summary = keeper.rewrite(id(12, 0), Generation(1), &mut Keep(live)).unwrap();
    assert_eq!(keeper.manifest().segments, before.segments, "nothing counts before the replacement");
    assert_eq!((summary.id, summary.last.index), (id(12, 1), LogIndex(22)));
    assert_eq!(summary.entries, 7, "12, 13, 16, 17, 20, 21 and the Seal");
    let freed = keeper.replace(id(12, 0), id(12, 1)).unwrap();
    assert!(freed.freed_bytes > 0 && freed.held == Held::No);
    let check = |log: &Log| {
        let reader = log.reader();
        for index in 12..22 {
            for slot in 0..2 {
                let found = reader.read_slot(LogIndex(index), SlotNumber(slot));
                if live(index, slot) {
                    assert_eq!(found.unwrap(), slot_text(1, index, slot as usize));
                } else {
                    assert!(
                        matches!(found, Err(ReadError::NoSlot(..) | ReadError::NoEntry(_))),
                        "{index}/{slot}"
                    );
                }
            }
        }
        let survivors: Vec<u64> = contents(log, 12).iter().map(|(_, index)| *index).take(6).collect();
        assert_eq!(survivors, [12, 13, 16, 17, 20, 21]);
        for partition in 0..3 {
            let expected: Vec<u64> = (1..=32u64)
                .filter(|index| *index != 11 && *index != 22)
                .flat_map(|index| [(index, 0), (index, 1)])
                .filter(|(index, slot)| !(12..22).contains(index) || live(*index, *slot))
                .map(|(index, slot)| index * 2 + u64::from(slot))
                .filter(|offset| offset % 3 == partition)
                .collect();
            assert_eq!(consume(log, partition), expected);
        }
    };
    check(&log);
    drop(log);
    let (log, recovered) = open(&disk.power_cut(&mut Dice(9)));
    assert_eq!(recovered.entries_scanned, 2);
    check(&log);
}

#[test]
fn a_rewrite_that_finds_no_room_is_given_up_and_the_log_goes_on() {
    for kind in [Fails::Create, Fails::Write] {
        for skip in 0..2 {
            let disk = MemDisk::default();
            let mut log = grown(&disk, 3, 1, false);
            let keeper = log.keeper();
            let names = |disk: &MemDisk| {
                let listed = disk.arc().list(&dir()).unwrap();
                listed.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
            };
            let before = names(&disk);
            disk.fill_up(kind, skip);
            let judge = |index, _| index & 1 == 0;
            let refused = keeper.rewrite(id(12, 0), Generation(1), &mut Keep(judge));
            assert!(
                matches!(refused, Err(ReclaimError::Fault(Fault::Io(_)))),
                "{kind:?} {skip}: {refused:?}"
            );
            assert_eq!(names(&disk), before, "{kind:?} {skip}: what was written is given back");
            disk.heal();
            log.check().expect("it only lacked space");
            let last = log.last_index().0;
            fill(&mut log, 1, last + 1..=last + 1);
            flush(&mut log);
            keeper.rewrite(id(12, 0), Generation(1), &mut Keep(judge)).unwrap();
            keeper.replace(id(12, 0), id(12, 1)).unwrap();
        }
    }
}

#[test]
fn replicas_that_judge_alike_write_equal_bytes() {
    let rewritten = |salt: u64, flush_each: bool| {
        let disk = MemDisk::default();
        let log = grown(&disk, 2, salt, flush_each);
        let keeper = log.keeper();
        keeper
            .rewrite(id(1, 0), Generation(1), &mut Keep(|index, slot| (index + u64::from(slot)) % 3 == 0))
            .unwrap();
        keeper.replace(id(1, 0), id(1, 1)).unwrap();
        keeper
            .rewrite(id(1, 1), Generation(2), &mut Keep(|index, slot| (index + u64::from(slot)) % 6 == 0))
            .unwrap();
        (
            disk.bytes(&dir().join(id(1, 1).file_name())),
            disk.bytes(&dir().join(id(1, 1).sidecar_name())),
            disk.bytes(&dir().join(id(1, 2).file_name())),
            disk.bytes(&dir().join(id(1, 2).sidecar_name())),
        )
    };
    assert!(rewritten(1, false) == rewritten(2, true));
}

#[test]
fn what_is_needed_is_never_reclaimed() {
    let disk = MemDisk::default();
    let mut log = grown(&disk, 2, 1, false);
    grow(&mut log, 1, false);
    let keeper = log.keeper();
    let third = id(23, 0);
    assert_eq!(log.reader().segments().last().unwrap().id, third);
    assert!(matches!(keeper.unlink(&[third]), Err(ReclaimError::Needed { .. })));
    log.raise_floor(log.last_index());
    assert!(matches!(keeper.unlink(&[third]), Err(ReclaimError::Needed { .. })), "a replay needs it");
    adopt(&log, log.last_index().0, 1);
    assert!(matches!(keeper.unlink(&[id(1, 0), id(2, 0)]), Err(ReclaimError::NoSegment(_))));
    assert!(keeper.unlink(&[id(1, 0), third]).unwrap() > 0);
    let mut orphan = Keep(|_, _| true);
    struct Orphans;
    impl Judge for Orphans {
        fn slot(&mut self, _: LogIndex, _: &Slot) -> Fate {
            Fate::Dead
        }
        fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
            Some(*entry)
        }
    }
    assert!(matches!(keeper.rewrite(id(12, 0), Generation(1), &mut Orphans), Err(ReclaimError::Orphan(_))));
    assert!(matches!(keeper.replace(id(12, 0), id(12, 0)), Err(ReclaimError::NotLater { .. })));
    assert!(keeper.replace(id(12, 0), id(12, 1)).is_err(), "it was not written");
    keeper.rewrite(id(12, 0), Generation(1), &mut orphan).unwrap();
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!(log.reader().segments().len(), 1);
    assert_eq!((log.first_index(), log.last_index()), (LogIndex(36), LogIndex(35)));
    assert!(!disk.exists(&dir().join(id(12, 1).file_name())), "what did not replace anything is debris");
    assert_eq!(log.term(LogIndex(35)), Some(Term(1)));
}

#[test]
fn what_an_install_counts_on_stays() {
    let disk = MemDisk::default();
    let log = grown(&disk, 3, 1, false);
    let keeper = log.keeper();
    let counted_on = keeper.count_on(vec![id(1, 0), id(12, 0)]);
    assert!(matches!(keeper.unlink(&[id(1, 0)]), Err(ReclaimError::CountedOn(found)) if found == id(1, 0)));
    assert!(matches!(keeper.check_free(id(12, 0)), Err(ReclaimError::CountedOn(_))));
    keeper.check_free(id(23, 0)).unwrap();
    let again = keeper.count_on(vec![id(12, 0)]);
    drop(counted_on);
    keeper.unlink(&[id(1, 0)]).unwrap();
    assert!(matches!(keeper.unlink(&[id(12, 0)]), Err(ReclaimError::CountedOn(_))));
    drop(again);
    keeper.unlink(&[id(12, 0)]).unwrap();
}

#[test]
fn a_segment_behind_one_without_a_sidecar_waits_for_it() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let first = sealed_segment(&mut log, 1, 3);
    let second = sealed_segment(&mut log, 1, 3);
    log.keeper().write_sidecar(second, []).unwrap();
    adopt(&log, 8, 1);
    log.raise_floor(LogIndex(8));
    let refused = log.keeper().unlink(&[second]);
    assert!(matches!(refused, Err(ReclaimError::NoSidecar(id)) if id == first));
    log.keeper().write_sidecar(first, []).unwrap();
    log.keeper().unlink(&[second]).unwrap();
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!((log.last_index(), log.reader().segments().len()), (LogIndex(8), 1));
}

#[test]
fn whoever_reads_a_file_survives_its_end() {
    let disk = MemDisk::default();
    let log = grown(&disk, 3, 1, false);
    let keeper = log.keeper();
    let sidecar = log.reader().sidecar(id(1, 0)).unwrap();
    let sent = keeper.send(FileName::Segment(id(1, 0))).unwrap().unwrap();
    let replaced = keeper.send(FileName::Segment(id(12, 0))).unwrap().unwrap();
    let expected = (read_all(&sent), read_all(&replaced));
    keeper.unlink(&[id(1, 0)]).unwrap();
    keeper.rewrite(id(12, 0), Generation(1), &mut Keep(|index, _| index == 15)).unwrap();
    let done = keeper.replace(id(12, 0), id(12, 1)).unwrap();
    assert_eq!(done.held, Held::Yes, "a snapshot has it");
    assert!(!disk.exists(&dir().join(id(1, 0).file_name())));
    assert_eq!((read_all(&sent), read_all(&replaced)), expected);
    assert_eq!(sidecar.scan(PartitionId(0), Offset(0), 100).unwrap().len(), 7);
    sidecar.verify().unwrap();
    assert!(keeper.send(FileName::Segment(id(12, 0))).unwrap().is_none());
    assert!(matches!(log.reader().read_entry(LogIndex(3)), Err(ReadError::NoEntry(_))));
    assert_eq!(log.reader().locate(PartitionId(0), Offset(0)).unwrap().unwrap().id, id(12, 1));
}

#[test]
fn a_power_cut_during_reclaiming_leaves_the_old_or_the_new() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let log = grown(&disk, 3, 1, false);
        let keeper = log.keeper();
        disk.fail_somehow(&mut dice, 40);
        let done = keeper
            .rewrite(id(12, 0), Generation(1), &mut Keep(|index, _| index < 16))
            .and_then(|_| keeper.replace(id(12, 0), id(12, 1)))
            .and_then(|_| keeper.unlink(&[id(1, 0)]));
        disk.heal();
        assert_eq!(done.is_err(), log.check().is_err());
        let after = disk.power_cut(&mut dice);
        let (log, _) = open(&after);
        let segments: Vec<SegmentId> = log.reader().segments().iter().map(|info| info.id).collect();
        let replaced = segments.contains(&id(12, 1));
        assert!(replaced != segments.contains(&id(12, 0)), "seed {seed}");
        assert!(done.is_err() || (replaced && !segments.contains(&id(1, 0))), "seed {seed}");
        let entries = contents(&log, 12).len();
        assert_eq!(entries, if replaced { 4 + 1 + 11 + 2 } else { 24 });
        if replaced {
            new += 1
        } else {
            old += 1
        }
        // No file is left that does not count.
        assert_eq!(after.names(&dir(), ".seg").len(), segments.len());
        assert!(after.names(&dir(), ".tmp").is_empty());
    }
    assert!(old > 50 && new > 50, "{old} old, {new} new");
}

fn read_all(file: &Outgoing) -> Vec<u8> {
    let mut out = Vec::new();
    let mut piece = vec![0; 57];
    loop {
        let n = file.read(&mut piece, out.len() as u64).unwrap();
        if n == 0 {
            return out;
        }
        out.extend_from_slice(&piece[..n]);
    }
}

fn fetch(from: &Keeper, to: &Keeper, name: FileName, dice: &mut Dice) {
    let file = from.send(name).unwrap().unwrap();
    let mut at = to.received(name).unwrap();
    while at < file.len() {
        let mut piece = vec![0; 1 + dice.roll(2000) as usize];
        let n = file.read(&mut piece, at).unwrap();
        // A piece that does not follow is not taken.
        assert_eq!(to.receive(name, at + 1, &piece[..n]).unwrap(), at);
        at = to.receive(name, at, &piece[..n]).unwrap();
    }
}

/// Fetches everything that `from` has and installs it.
fn install(from: &Log, to: &mut Log, dice: &mut Dice) -> Result<(), InstallError> {
    let (source, target) = (from.keeper(), to.keeper());
    let index = source.manifest().checkpoint.unwrap().index;
    let ids = source.manifest().segments;
    for id in &ids {
        if to.reader().sidecar(*id).is_none() {
            fetch(&source, &target, FileName::Segment(*id), dice);
            fetch(&source, &target, FileName::Sidecar(*id), dice);
            let digest = from.reader().sidecar(*id).unwrap().summary().content_digest;
            target.check_received(*id, digest).unwrap();
        }
    }
    fetch(&source, &target, FileName::Checkpoint(index), dice);
    let meta = to.install(index, &ids)?;
    assert_eq!((meta.index, meta.machine_version), (index, 1));
    Ok(())
}

fn same_segments(a: &Log, b: &Log) {
    let digests = |log: &Log| -> BTreeMap<SegmentId, Vec<u8>> {
        let keeper = log.keeper();
        let read = |id: SegmentId| (id, read_all(&keeper.send(FileName::Segment(id)).unwrap().unwrap()));
        keeper.manifest().segments.into_iter().map(read).collect()
    };
    assert!(digests(a) == digests(b));
}

#[test]
fn a_blank_replica_installs_what_another_has() {
    let source_disk = MemDisk::default();
    let mut source = grown(&source_disk, 3, 1, true);
    let keeper = source.keeper();
    keeper.rewrite(id(12, 0), Generation(1), &mut Keep(|index, _| index == 15)).unwrap();
    keeper.replace(id(12, 0), id(12, 1)).unwrap();
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    install(&source, &mut log, &mut Dice(1)).unwrap();
    assert_eq!(log.floor(), Point { index: LogIndex(35), term: Term(1) });
    assert_eq!(log.last_index(), LogIndex(35));
    same_segments(&source, &log);
    assert_eq!(consume(&source, 1), consume(&log, 1));
    assert_eq!(source.keeper().load_checkpoint().unwrap(), log.keeper().load_checkpoint().unwrap());
    // The log goes on, also after a power cut, and so does the source.
    log.append(&[entry(1, 36, 2)]).unwrap();
    flush(&mut log);
    drop(log);
    let (mut log, recovered) = open(&disk.power_cut(&mut Dice(2)));
    assert_eq!((recovered.last.index, recovered.cut), (LogIndex(36), None));
    assert_eq!(consume(&source, 2), consume(&log, 2));
    assert!(matches!(install(&source, &mut log, &mut Dice(3)), Err(InstallError::Behind { .. })));
    assert_eq!(log.keeper().incoming_files().unwrap(), [FileName::Checkpoint(LogIndex(35))]);
    log.keeper().discard(FileName::Checkpoint(LogIndex(35))).unwrap();
    grow(&mut source, 2, false);
    let last = source.last_index().0;
    adopt(&source, last, 1);
    install(&source, &mut log, &mut Dice(4)).unwrap();
    same_segments(&source, &log);
    assert_eq!(log.last_index(), LogIndex(last));
    assert!(log.keeper().incoming_files().unwrap().is_empty());
}

#[test]
fn pieces_that_an_earlier_process_could_not_flush_are_written_again_before_they_count() {
    let source_disk = MemDisk::default();
    let source = grown(&source_disk, 3, 1, true);
    // There is a flush per file and one of the directory.
    for skip in 0..7 {
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        disk.fail(Fails::Flush, skip);
        let failed = install(&source, &mut log, &mut Dice(skip)).is_err();
        drop(log);
        disk.heal();
        let (mut log, _) = open(&disk);
        match install(&source, &mut log, &mut Dice(skip)) {
            Ok(()) => assert!(failed),
            Err(InstallError::Behind { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        drop(log);
        for seed in 0..10 {
            let (log, _) = open(&disk.power_cut(&mut Dice(seed)));
            assert_eq!(consume(&source, 1), consume(&log, 1), "after {skip} flushes, power cut {seed}");
        }
    }
}

#[test]
fn what_travels_is_canonical_and_damage_on_the_way_is_noticed() {
    let (one, other) = (MemDisk::default(), MemDisk::default());
    let (one, other) = (grown(&one, 2, 1, true), grown(&other, 2, 2, false));
    same_segments(&one, &other);
    let disk = MemDisk::default();
    let (log, _) = open(&disk);
    let keeper = log.keeper();
    let digest = one.reader().sidecar(id(1, 0)).unwrap().summary().content_digest;
    fetch(&one.keeper(), &keeper, FileName::Segment(id(1, 0)), &mut Dice(1));
    fetch(&other.keeper(), &keeper, FileName::Sidecar(id(1, 0)), &mut Dice(1));
    assert!(keeper.check_received(id(1, 0), digest + 1).is_err());
    keeper.check_received(id(1, 0), digest).unwrap();
    for name in [FileName::Segment(id(1, 0)), FileName::Sidecar(id(1, 0))] {
        let file = match name {
            FileName::Segment(id) => id.file_name(),
            _ => id(1, 0).sidecar_name(),
        };
        let path = dir().join(file + ".part");
        for byte in (0..disk.bytes(&path).len()).step_by(37) {
            let bad = disk.copy();
            bad.flip(&path, byte * 8);
            let (log, _) = open(&bad);
            assert!(log.keeper().check_received(id(1, 0), digest).is_err(), "{name:?} byte {byte}");
        }
    }
    keeper.discard(FileName::Segment(id(1, 0))).unwrap();
    assert_eq!(keeper.received(FileName::Segment(id(1, 0))).unwrap(), 0);
}

#[test]
fn a_power_cut_during_an_install_leaves_the_old_log_or_the_new_one() {
    let source_disk = MemDisk::default();
    let source = grown(&source_disk, 3, 1, true);
    let (mut old, mut new) = (0, 0);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        // The replica has the first segment, and then a tail that the checkpoint contradicts, in segments of its own.
        grow(&mut log, 1, false);
        let committed = log.last_index();
        if dice.roll(2) == 0 {
            log.append(&[entry(1, 12, 2), seal(1, 13), entry(1, 14, 2), seal(1, 15)]).unwrap();
            for index in 16..40 {
                log.append(&[entry(1, index, 1)]).unwrap();
            }
            log.append(&[seal(1, 40), entry(1, 41, 1)]).unwrap();
            if dice.roll(2) == 0 {
                let done = log.record_durable(Occasion::Idle).unwrap().unwrap().run().unwrap();
                log.flushed(done);
                log.append(&[entry(1, 42, 1)]).unwrap();
            }
        }
        let ids = source.keeper().manifest().segments;
        for id in &ids[1..] {
            fetch(&source.keeper(), &log.keeper(), FileName::Segment(*id), &mut dice);
            fetch(&source.keeper(), &log.keeper(), FileName::Sidecar(*id), &mut dice);
        }
        fetch(&source.keeper(), &log.keeper(), FileName::Checkpoint(LogIndex(35)), &mut dice);
        disk.fail_somehow(&mut dice, 40);
        let done = log.install(LogIndex(35), &ids);
        disk.heal();
        if done.is_err() {
            assert!(log.check().is_err(), "seed {seed}");
        } else {
            same_segments(&source, &log);
        }
        let (log, recovered) = match Log::open(disk.power_cut(&mut dice).arc(), &dir(), config()) {
            Ok(opened) => opened,
            Err(fault) => panic!("seed {seed}: {fault}"),
        };
        if recovered.checkpoint.is_some() {
            assert_eq!(log.last_index(), LogIndex(35), "seed {seed}");
            same_segments(&source, &log);
            assert_eq!(consume(&source, 0), consume(&log, 0));
            new += 1;
        } else {
            assert!(done.is_err(), "seed {seed}");
            assert!(log.last_index() >= committed, "seed {seed}");
            old += 1;
        }
    }
    assert!(old > 50 && new > 50, "{old} old, {new} new");
}
