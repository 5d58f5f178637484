//! Stories of one log: append, flush, read, truncate, reopen.

mod support;

use forebay_commitlog::{
    AppendError, Body, Entry, EntryKind, Fault, Log, Occasion, Point, ReadError, Unavailable,
};
use forebay_env::OpenMode;
use forebay_model::{LogIndex, SlotNumber, Term};
use support::*;

#[test]
fn what_is_appended_is_read_back_also_after_a_restart() {
    let disk = MemDisk::default();
    let (mut log, recovered) = open(&disk);
    assert!(recovered.created);
    log.append(&[entry(1, 1, 2), entry(1, 2, 0), entry(2, 3, 5)]).unwrap();
    flush(&mut log);
    assert_eq!(log.durable_index(), LogIndex(3));
    drop(log);

    let (log, recovered) = open(&disk);
    assert!(!recovered.created);
    assert_eq!(recovered.last, Point { index: LogIndex(3), term: Term(2) });
    assert_eq!((recovered.cut, recovered.entries_scanned), (None, 3));
    let reader = log.reader();
    for expected in [entry(1, 1, 2), entry(1, 2, 0), entry(2, 3, 5)] {
        assert_eq!(reader.read_entry(expected.index).unwrap(), expected);
    }
    let slot = reader.read_slot(LogIndex(3), SlotNumber(4)).unwrap();
    assert_eq!(slot, slot_text(2, 3, 4));
    assert!(matches!(reader.read_slot(LogIndex(3), SlotNumber(5)), Err(ReadError::NoSlot(..))));
    assert!(matches!(reader.read_entry(LogIndex(4)), Err(ReadError::NoEntry(_))));
}

#[test]
fn it_works_on_the_systems_disk_with_large_slots() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("shard-0000");
    let env = forebay_env::real::env().disk;
    let (mut log, _) = Log::open(env.clone(), &path, config()).unwrap();
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut body = forebay_commitlog::BodyBuilder::new(2, large.len());
    body.push_slot(forebay_commitlog::SlotKind(1), &[&large[..1_000], &large[1_000..]]).unwrap();
    body.push_slot(forebay_commitlog::SlotKind(1), &[b"small"]).unwrap();
    let big = Entry { body: body.finish(), ..entry(1, 1, 0) };
    log.append(&[big.clone(), entry(1, 2, 3)]).unwrap();
    flush(&mut log);
    drop(log);
    let (log, _) = Log::open(env, &path, config()).unwrap();
    assert_eq!(log.reader().read_entry(LogIndex(1)).unwrap(), big);
    assert_eq!(log.reader().read_slot(LogIndex(1), SlotNumber(1)).unwrap(), "small");
    assert_eq!(log.reader().read_slot(LogIndex(1), SlotNumber(0)).unwrap(), large);
    let both = log.reader().read_entries(LogIndex(1), LogIndex(3), u64::MAX).unwrap();
    assert_eq!(both, [big, entry(1, 2, 3)]);
    assert_eq!(log.reader().read_entries(LogIndex(1), LogIndex(3), 10).unwrap().len(), 1);
}

#[test]
fn slots_read_one_after_the_other_are_those_read_alone() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=20);
    // Longer than what a reader takes whole.
    let mut body = forebay_commitlog::BodyBuilder::new(3, 0);
    for byte in 0..3 {
        body.push_slot(forebay_commitlog::SlotKind(1), &[&vec![byte; 50_000]]).unwrap();
    }
    log.append(&[Entry { body: body.finish(), ..entry(1, 21, 0) }]).unwrap();
    flush(&mut log);
    let check = |log: &Log| {
        let reader = log.reader();
        let mut slots = reader.slots();
        for (index, count) in (1..=20).map(|index| (index, 3)).chain([(21, 3), (7, 3)]) {
            for slot in (0..count).chain([0, 9]) {
                let (index, slot) = (LogIndex(index), SlotNumber(slot));
                match (slots.read(index, slot), reader.read_slot(index, slot)) {
                    (Ok(one), Ok(other)) => assert_eq!(one, other, "{index} {slot}"),
                    (Err(ReadError::NoSlot(..)), Err(ReadError::NoSlot(..))) => {}
                    (one, other) => panic!("{index} {slot}: {one:?} and {other:?}"),
                }
            }
        }
        assert!(matches!(slots.read(LogIndex(22), SlotNumber(0)), Err(ReadError::NoEntry(_))));
        assert_eq!(slots.read(LogIndex(7), SlotNumber(1)).unwrap(), slot_text(1, 7, 1));
    };
    check(&log);
    drop(log);
    check(&open(&disk).0);
}

#[test]
fn a_reader_of_slots_sees_the_entry_that_took_the_place_of_the_last_one() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    // Of one length, with the small slots in other places.
    let body = |lens: [usize; 3]| {
        let mut body = forebay_commitlog::BodyBuilder::new(3, 0);
        for (byte, len) in (0..).zip(lens) {
            body.push_slot(forebay_commitlog::SlotKind(1), &[&vec![byte; len]]).unwrap();
        }
        body.finish()
    };
    fill(&mut log, 1, 1..=1);
    log.append(&[Entry { body: body([30_000, 10, 10]), ..entry(1, 2, 0) }]).unwrap();
    log.set_tail_bytes_max(0);
    fill(&mut log, 1, 3..=3);
    flush(&mut log);
    let reader = log.reader();
    let mut slots = reader.slots();
    assert_eq!(slots.read(LogIndex(2), SlotNumber(1)).unwrap(), [1; 10][..]);
    log.append(&[Entry { body: body([10, 30_000, 10]), ..entry(2, 2, 0) }]).unwrap();
    fill(&mut log, 2, 3..=3);
    assert_eq!(slots.read(LogIndex(2), SlotNumber(1)).unwrap(), [1; 30_000][..]);
    assert_eq!(slots.read(LogIndex(2), SlotNumber(2)).unwrap(), [2; 10][..]);
}

/// Entries with so many slots of so many bytes each, of which none is in memory.
fn scattered(disk: &MemDisk, entries: u64, slots: u8, bytes: usize) -> Log {
    let (mut log, _) = open(disk);
    for index in 1..=entries {
        let mut body = forebay_commitlog::BodyBuilder::new(slots.into(), 0);
        for slot in 0..slots {
            let byte = slot.wrapping_mul(31).wrapping_add(index as u8);
            body.push_slot(forebay_commitlog::SlotKind(1), &[&vec![byte; bytes]]).unwrap();
        }
        log.append(&[Entry { body: body.finish(), ..entry(1, index, 0) }]).unwrap();
    }
    flush(&mut log);
    log.set_tail_bytes_max(0);
    disk.cool_down();
    log
}

#[test]
fn expected_slots_are_asked_for_together_and_waited_for_once() {
    for (slots, bytes) in [(3, 6_000), (200, 1_000), (1, 100), (3, 30_000)] {
        let disk = MemDisk::default();
        let log = scattered(&disk, 60, slots, bytes);
        let reader = log.reader();
        let wanted: Vec<_> =
            (1..=60).map(|index| (LogIndex(index), SlotNumber(u32::from(slots) - 1))).collect();
        let alone: Vec<_> =
            wanted.iter().map(|(index, slot)| reader.read_slot(*index, *slot).unwrap()).collect();
        assert!(disk.waits() >= 60 * usize::from(slots > 1), "{slots} x {bytes}");
        disk.cool_down();
        let mut together = reader.slots();
        assert_eq!(together.read(wanted[0].0, wanted[0].1).unwrap(), alone[0]);
        assert!(together.waited());
        let waits = disk.waits();
        for (few, expected) in wanted[1..].chunks(20).zip(alone[1..].chunks(20)) {
            together.expect(few);
            let got: Vec<_> = few.iter().map(|(index, slot)| together.read(*index, *slot).unwrap()).collect();
            assert_eq!(got, expected);
        }
        assert_eq!(disk.waits(), waits, "{slots} x {bytes}");
    }
}

#[test]
fn on_the_systems_disk_a_read_at_once_is_the_same_or_none_and_behind_the_end_empty() {
    let temp = tempfile::tempdir().unwrap();
    let disk = forebay_env::real::env().disk;
    let file = disk.open(&temp.path().join("a"), OpenMode::CreateNew).unwrap();
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    file.write_at(&[&bytes], 0).unwrap();
    file.will_read(0, 1 << 40);
    file.will_read(1 << 50, 10);
    let mut buf = vec![0; 5_000];
    file.read_exact_at(&mut buf, 77_000).unwrap();
    // What was read a moment ago is in the page cache, unless the file system cannot tell.
    for (position, len) in [(77_000, 5_000), (98_000, 2_000), (100_000, 0), (1 << 50, 0)] {
        if let Some(read) = file.read_at_once(&mut buf, position).unwrap() {
            assert!(read <= len, "{position}");
            assert_eq!(buf[..read], bytes[position.min(100_000) as usize..][..read]);
        }
    }
}

#[test]
fn what_was_expected_may_be_passed_over_or_be_gone() {
    let disk = MemDisk::default();
    let log = scattered(&disk, 20, 3, 6_000);
    let reader = log.reader();
    let mut slots = reader.slots();
    let at = |index, slot| (LogIndex(index), SlotNumber(slot));
    slots.expect(&[at(2, 1), at(5, 0), at(7, 9), at(9, 2), at(30, 0), at(12, 1)]);
    for (index, slot) in [at(1, 0), at(5, 0), at(5, 2), at(9, 2), at(3, 1), at(12, 1)] {
        assert_eq!(
            slots.read(index, slot).unwrap(),
            reader.read_slot(index, slot).unwrap(),
            "{index} {slot}"
        );
    }
    slots.expect(&[at(7, 9), at(30, 0)]);
    assert!(matches!(slots.read(LogIndex(7), SlotNumber(9)), Err(ReadError::NoSlot(..))));
    assert!(matches!(slots.read(LogIndex(30), SlotNumber(0)), Err(ReadError::NoEntry(_))));
}

#[test]
fn an_expected_entry_that_was_replaced_is_not_taken_for_the_one_before() {
    let disk = MemDisk::default();
    let mut log = scattered(&disk, 5, 3, 6_000);
    let reader = log.reader();
    let mut slots = reader.slots();
    slots.expect(&[(LogIndex(4), SlotNumber(1))]);
    let mut body = forebay_commitlog::BodyBuilder::new(3, 0);
    for len in [100, 17_000, 900] {
        body.push_slot(forebay_commitlog::SlotKind(1), &[&vec![0xee; len]]).unwrap();
    }
    log.append(&[Entry { body: body.finish(), ..entry(2, 4, 0) }]).unwrap();
    fill(&mut log, 2, 5..=5);
    log.set_tail_bytes_max(0);
    assert_eq!(slots.read(LogIndex(4), SlotNumber(1)).unwrap(), [0xee; 17_000][..]);
}

#[test]
fn a_log_can_begin_behind_any_entry() {
    let disk = MemDisk::default();
    let origin = Point { index: LogIndex(5), term: Term(5) };
    let config = forebay_commitlog::LogConfig { origin, ..config() };
    let (mut log, _) = Log::open(disk.arc(), &dir(), config.clone()).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (LogIndex(6), LogIndex(5)));
    assert_eq!((log.term(LogIndex(5)), log.term(LogIndex(4))), (Some(Term(5)), None));
    log.append(&[entry(5, 6, 1)]).unwrap();
    drop(log);
    let (log, recovered) = Log::open(disk.arc(), &dir(), config).unwrap();
    assert_eq!(recovered.last, Point { index: LogIndex(6), term: Term(5) });
    assert_eq!(log.floor(), origin);
}

#[test]
fn impossible_batches_are_refused_and_change_nothing() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 3, 1..=4);
    let before = disk.bytes(&disk.names(&dir(), ".seg")[0]);
    let malformed = Entry { body: vec![9; 20].into(), ..entry(3, 6, 0) };
    assert!(matches!(log.append(&[entry(3, 6, 1)]), Err(AppendError::Gap { .. })));
    assert!(matches!(log.append(&[entry(3, 5, 1), entry(3, 7, 1)]), Err(AppendError::Gap { .. })));
    assert!(matches!(log.append(&[entry(2, 5, 1)]), Err(AppendError::TermFell(_))));
    assert!(matches!(log.append(&[entry(3, 5, 1), malformed]), Err(AppendError::Body(..))));
    log.raise_floor(LogIndex(2));
    assert!(matches!(log.append(&[entry(3, 2, 1)]), Err(AppendError::Immutable(_))));
    assert_eq!(disk.bytes(&disk.names(&dir(), ".seg")[0]), before);
    assert_eq!(log.last_index(), LogIndex(4));
}

#[test]
fn a_conflicting_tail_is_replaced_and_flushed_away_first() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=10);
    flush(&mut log);
    let job = {
        fill(&mut log, 1, 11..=12);
        log.begin_flush().unwrap().unwrap()
    };
    disk.take_trace();
    log.append(&[entry(2, 6, 1), entry(2, 7, 1)]).unwrap();
    let trace = disk.take_trace();
    let name = "00000000000000000001-00000000000000000000.seg";
    let cut = trace.iter().position(|step| *step == format!("set-len {name}")).unwrap();
    assert_eq!(trace[cut + 1], format!("flush {name}"));
    assert_eq!(trace[cut + 2], format!("write {name}"));
    // The flush that was under way covered entries that are gone: it proves nothing about their successors.
    let done = job.run().unwrap();
    log.flushed(done);
    assert_eq!(log.durable_index(), LogIndex(5));
    assert_eq!((log.term(LogIndex(5)), log.term(LogIndex(7))), (Some(Term(1)), Some(Term(2))));
    assert!(matches!(log.reader().read_entry(LogIndex(8)), Err(ReadError::NoEntry(_))));
    flush(&mut log);
    drop(log);
    let (log, _) = open(&disk);
    let expected: Vec<_> = (1..=5).map(|i| (1, i)).chain([(2, 6), (2, 7)]).collect();
    assert_eq!(contents(&log, 1), expected);
}

#[test]
fn a_read_that_races_with_a_truncation_looks_again() {
    for (from, expected) in [(5, None), (7, Some(entry(2, 8, 1)))] {
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        fill(&mut log, 1, 1..=10);
        let reader = log.reader();
        disk.before_next_read(move || {
            log.append(&[entry(2, from, 1), entry(2, from + 1, 1)]).unwrap();
        });
        match (reader.read_entry(LogIndex(8)), expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected),
            (Err(ReadError::NoEntry(_)), None) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_truncated_seal_reopens_its_segment_and_removes_the_later_ones() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let mut batch: Vec<Entry> = (1..=3).map(|i| entry(1, i, 1)).collect();
    batch.extend([seal(1, 4), entry(1, 5, 1), seal(1, 6), entry(1, 7, 1)]);
    let appended = log.append(&batch).unwrap();
    assert_eq!(appended.sealed.len(), 2);
    flush(&mut log);
    assert_eq!(disk.names(&dir(), ".seg").len(), 3);
    log.append(&[entry(2, 4, 1)]).unwrap();
    assert_eq!(disk.names(&dir(), ".seg").len(), 1);
    assert!(!log.reader().segments()[0].sealed);
    log.append(&[entry(2, 5, 1), seal(2, 6)]).unwrap();
    log.append(&[entry(2, 7, 1)]).unwrap();
    flush(&mut log);
    drop(log);
    let (mut log, _) = open(&disk);
    assert_eq!(contents(&log, 1), [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6), (2, 7)]);
    // Truncation exactly at the first entry of a segment leaves the Seal before it in place.
    log.append(&[entry(3, 7, 1)]).unwrap();
    assert_eq!(contents(&log, 5), [(2, 5), (2, 6), (3, 7)]);
}

#[test]
fn entries_come_from_memory_or_say_where_they_are() {
    let disk = MemDisk::default();
    let config = forebay_commitlog::LogConfig { tail_bytes_max: 1000, ..config() };
    let (mut log, _) = Log::open(disk.arc(), &dir(), config).unwrap();
    fill(&mut log, 1, 1..=50);
    log.raise_floor(LogIndex(3));
    let get = |low, high| log.entries(LogIndex(low), LogIndex(high), u64::MAX);
    assert_eq!(get(3, 10), Err(Unavailable::Compacted));
    assert_eq!(get(4, 10), Err(Unavailable::Cold));
    assert_eq!(get(50, 52), Err(Unavailable::Ahead));
    assert_eq!(get(49, 51).unwrap(), [entry(1, 49, 2), entry(1, 50, 2)]);
    let cold = log.reader().read_entries(LogIndex(4), LogIndex(10), u64::MAX).unwrap();
    assert_eq!(cold, (4..10).map(|i| entry(1, i, 2)).collect::<Vec<_>>());
}

#[test]
fn a_segment_asks_for_its_seal_and_the_next_one_is_larger() {
    let disk = MemDisk::default();
    let config =
        forebay_commitlog::LogConfig { segment_bytes_first: 1000, segment_bytes_max: 3000, ..config() };
    let (mut log, _) = Log::open(disk.arc(), &dir(), config).unwrap();
    let mut lengths = Vec::new();
    let mut index = 1;
    for _ in 0..4 {
        while !log.wants_seal() {
            log.append(&[entry(1, index, 1)]).unwrap();
            index += 1;
        }
        lengths.push(log.append(&[seal(1, index)]).unwrap().position.0);
        index += 1;
    }
    assert!((1000..1300).contains(&lengths[0]), "{lengths:?}");
    assert!((2000..2700).contains(&lengths[1]), "{lengths:?}");
    assert!((3000..3300).contains(&lengths[2]) && (3000..3300).contains(&lengths[3]), "{lengths:?}");
}

#[test]
fn only_one_flush_is_under_way_and_the_next_gathers_behind_it() {
    let (mut log, _) = open(&MemDisk::default());
    assert!(log.begin_flush().unwrap().is_none());
    fill(&mut log, 1, 1..=2);
    let first = log.begin_flush().unwrap().unwrap();
    fill(&mut log, 1, 3..=4);
    assert!(log.begin_flush().unwrap().is_none());
    assert_eq!(log.durable_index(), LogIndex(0));
    let done = first.run().unwrap();
    log.flushed(done);
    assert_eq!(log.durable_index(), LogIndex(2));
    flush(&mut log);
    assert_eq!(log.durable_index(), LogIndex(4));
}

#[test]
fn the_first_fault_fences_the_log_for_good() {
    for kind in [Fails::Write, Fails::Flush, Fails::SyncDir, Fails::Create] {
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        disk.fail(kind, 0);
        let appended = log.append(&[entry(1, 1, 1)]);
        let fault = match appended {
            Err(AppendError::Fault(fault)) => fault,
            Err(other) => panic!("{other}"),
            Ok(_) => log.begin_flush().unwrap().unwrap().run().unwrap_err(),
        };
        disk.heal();
        let again = log.append(&[entry(1, 2, 1)]).unwrap_err().to_string();
        assert_eq!(again, fault.to_string(), "{kind:?}");
        assert_eq!(log.begin_flush().err().unwrap().to_string(), again);
        assert!(matches!(log.check(), Err(Fault::Io(_))));
        assert_eq!(log.durable_index(), LogIndex(0));
    }
}

#[test]
fn after_a_fault_the_next_open_does_not_trust_the_page_cache() {
    // The disk that failed the flush may fail the file that marks it, too.
    for fails in [Fails::Flush, Fails::FlushAndCreate] {
        a_failed_flush_leaves_a_mark(fails);
    }
}

#[test]
fn an_open_that_cannot_flush_leaves_a_mark_too() {
    for fails in [Fails::Flush, Fails::SyncDir] {
        for skip in 0..4 {
            let disk = MemDisk::default();
            let (mut log, _) = open(&disk);
            fill(&mut log, 1, 1..=3);
            drop(log);
            disk.fail(fails, skip);
            let failed = Log::open(disk.arc(), &dir(), config()).is_err();
            disk.heal();
            // What the failed open read is in the page cache as before; the next one takes it over and calls it durable.
            let (log, recovered) = open(&disk);
            assert_eq!(recovered.rewritten, failed, "{fails:?} after {skip}");
            assert_eq!(contents(&log, 1), [(1, 1), (1, 2), (1, 3)]);
            drop(log);
            for seed in 0..20 {
                let (log, _) = open(&disk.power_cut(&mut Dice(seed)));
                assert_eq!(contents(&log, 1), [(1, 1), (1, 2), (1, 3)], "{fails:?} after {skip}, {seed}");
            }
        }
    }
}

#[test]
fn a_failed_flush_is_not_trusted_when_the_disk_refused_its_mark_too() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=3);
    flush(&mut log);
    fill(&mut log, 1, 4..=6);
    disk.fail(Fails::Flush, 0);
    log.begin_flush().unwrap().unwrap().run().unwrap_err();
    disk.heal();
    drop(log);
    disk.arc().remove_file(&dir().join("fenced")).unwrap();
    // The next process reads the entries in the page cache, and calls them durable.
    let (log, recovered) = open(&disk);
    assert!(!recovered.rewritten);
    assert_eq!(log.durable_index(), LogIndex(6));
    drop(log);
    for seed in 0..20 {
        let (log, _) = open(&disk.power_cut(&mut Dice(seed)));
        assert_eq!(log.last_index(), LogIndex(6), "seed {seed}");
    }
}

fn a_failed_flush_leaves_a_mark(fails: Fails) {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=3);
    disk.fail(fails, 0);
    log.begin_flush().unwrap().unwrap().run().unwrap_err();
    disk.heal();
    assert!(disk.exists(&dir().join("fenced")));
    drop(log);
    let (log, recovered) = open(&disk);
    assert!(recovered.rewritten);
    assert!(!disk.exists(&dir().join("fenced")));
    assert_eq!(contents(&log, 1), [(1, 1), (1, 2), (1, 3)]);
    drop(log);
    // Everything is on the medium now, and the log goes on.
    let (mut log, recovered) = open(&disk.power_cut(&mut Dice(1)));
    assert!(!recovered.rewritten);
    fill(&mut log, 1, 4..=5);
    assert_eq!(log.last_index(), LogIndex(5));
}

#[test]
fn a_full_disk_costs_nothing_but_the_write_that_met_it() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=3);
    disk.fail(Fails::Write, 0);
    log.append(&[entry(1, 4, 2)]).unwrap_err();
    disk.heal();
    drop(log);
    let (log, recovered) = open(&disk);
    assert!(!recovered.rewritten, "no page is in doubt");
    assert_eq!(log.last_index(), LogIndex(3));
}

#[test]
fn a_clean_stop_is_remembered_until_the_next_start() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=3);
    let done = log.record_durable(Occasion::CleanStop).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    assert_eq!(log.durable_index(), LogIndex(3));
    drop(log);
    let (log, recovered) = open(&disk);
    assert!(recovered.clean_stop);
    assert_eq!(recovered.recorded, LogIndex(3));
    drop(log);
    assert!(!open(&disk).1.clean_stop);
}

#[test]
fn idleness_records_the_durable_index_once() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    assert!(log.record_durable(Occasion::Idle).unwrap().is_none());
    fill(&mut log, 1, 1..=3);
    flush(&mut log);
    let done = log.record_durable(Occasion::Idle).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    assert!(log.record_durable(Occasion::Idle).unwrap().is_none());
    let (_, recovered) = open(&disk.copy());
    assert_eq!(recovered.recorded, LogIndex(3));
}

#[test]
fn idleness_records_again_what_a_truncation_took_back() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=5);
    for term in 2..4 {
        flush(&mut log);
        let done = log.record_durable(Occasion::Idle).unwrap().unwrap().run().unwrap();
        log.flushed(done);
        assert_eq!(open(&disk.copy()).1.recorded, LogIndex(5));
        log.append(&[entry(term, 4, 1), entry(term, 5, 1)]).unwrap();
    }
}

#[test]
fn a_configuration_change_travels_as_one_slot() {
    let (mut log, _) = open(&MemDisk::default());
    let body = Body::opaque(forebay_commitlog::SlotKind(0), b"raft's own").unwrap();
    let change = Entry { term: Term(1), index: LogIndex(1), kind: EntryKind::ConfChange, body };
    log.append(std::slice::from_ref(&change)).unwrap();
    assert_eq!(log.reader().read_entry(LogIndex(1)).unwrap(), change);
    assert_eq!(log.reader().read_slot(LogIndex(1), SlotNumber(0)).unwrap(), "raft's own");
}
