//! Power cuts in the middle of what the other tests do as a whole: a truncation, an open that cuts, a record of the durable
//! index, a merge of directory files.

mod support;

use forebay_commitlog::{Fault, Log, Occasion};
use forebay_model::{LogIndex, Offset, PartitionId};
use support::*;

fn reopen(disk: &MemDisk, seed: u64) -> Log {
    match Log::open(disk.arc(), &dir(), config()) {
        Ok((log, _)) => log,
        Err(fault) => panic!("seed {seed}: {fault}"),
    }
}

/// Entries 1..=20 of term 1 with Seals at 8 and 16. Up to 5 they are flushed, and what is behind may be.
fn conflicted(dice: &mut Dice) -> (MemDisk, Log) {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    for index in 1..=20 {
        let next = if index % 8 == 0 { seal(1, index) } else { entry(1, index, 2) };
        log.append(&[next]).unwrap();
        if index == 5 || (index > 5 && dice.roll(8) == 0) {
            flush(&mut log);
        }
    }
    (disk, log)
}

#[test]
fn a_power_cut_during_a_truncation_never_leaves_old_entries_behind_new_ones() {
    let (mut old, mut shorter, mut new) = (0, 0, 0);
    for seed in 0..600 {
        let mut dice = Dice(seed);
        let (disk, mut log) = conflicted(&mut dice);
        let from = 6 + dice.roll(14);
        disk.fail_somehow(&mut dice, 14);
        let mut replaced = log.append(&[entry(2, from, 2), entry(2, from + 1, 1)]).is_ok();
        if dice.roll(2) == 0
            && replaced
            && let Ok(Some(job)) = log.begin_flush()
        {
            replaced = job.run().map(|done| log.flushed(done)).is_ok();
        }
        let durable = log.durable_index().0;
        disk.heal();
        drop(log);
        let log = reopen(&disk.power_cut(&mut dice), seed);
        let found = contents(&log, 1);
        let kept = found.iter().take_while(|(term, _)| *term == 1).count() as u64;
        let expected: Vec<(u64, u64)> = (1..=kept)
            .map(|index| (1, index))
            .chain((from..=log.last_index().0).filter(|index| *index > kept).map(|index| (2, index)))
            .collect();
        assert_eq!(found, expected, "seed {seed}");
        assert!(log.last_index().0 >= 5.max(durable), "seed {seed}");
        if kept >= from {
            assert!(found.len() as u64 == kept, "seed {seed}: the old tail, and nothing new in it");
            old += 1;
        } else if found.len() as u64 == kept {
            shorter += 1;
        } else {
            new += 1;
        }
        assert!(!replaced || kept < from, "seed {seed}: a replaced entry came back");
    }
    assert!(old > 30 && shorter > 30 && new > 30, "{old} old, {shorter} shorter, {new} new");
}

#[test]
fn a_power_cut_during_an_open_that_cuts_is_cut_again() {
    let mut failed = 0;
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let (disk, log) = conflicted(&mut dice);
        let durable = log.durable_index().0;
        drop(log);
        let mut disk = disk.power_cut(&mut dice);
        for _ in 0..3 {
            disk.fail_somehow(&mut dice, 10);
            let opened = Log::open(disk.arc(), &dir(), config());
            disk.heal();
            match opened {
                Err(Fault::Io(_)) => failed += 1,
                Err(fault) => panic!("seed {seed}: {fault}"),
                Ok(_) => {}
            }
            disk = disk.power_cut(&mut dice);
        }
        let mut log = reopen(&disk, seed);
        let last = log.last_index().0;
        assert!(last >= durable, "seed {seed}: {last} < {durable}");
        assert_eq!(contents(&log, 1).len() as u64, last);
        log.append(&[entry(2, last + 1, 1)]).unwrap();
        drop(log);
        assert_eq!(reopen(&disk, seed).last_index(), LogIndex(last + 1));
    }
    assert!(failed > 100, "{failed} opens failed");
}

#[test]
fn a_power_cut_while_the_durable_index_is_recorded_leaves_a_true_one() {
    let mut failed = 0;
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        let mut durable = 0;
        for round in 0..3 {
            fill(&mut log, 1, round * 4 + 1..=round * 4 + 4);
            if round == 2 {
                disk.fail_somehow(&mut dice, 4);
            }
            let occasion = if dice.roll(2) == 0 { Occasion::Idle } else { Occasion::CleanStop };
            match log.record_durable(occasion).unwrap().unwrap().run() {
                Ok(done) => {
                    log.flushed(done);
                    durable = round * 4 + 4;
                }
                Err(_) => failed += 1,
            }
        }
        disk.heal();
        let after = disk.power_cut(&mut dice);
        let (log, recovered) = open(&after);
        assert!(recovered.recorded.0 >= durable && log.last_index() >= recovered.recorded, "seed {seed}");
    }
    assert!(failed > 50, "{failed} records failed");
}

#[test]
fn a_power_cut_between_directory_files_leaves_one_that_covers_the_rest() {
    let whole = MemDisk::default();
    let (mut log, _) = open(&whole);
    for number in 0..63 {
        let id = sealed_segment(&mut log, 1, 1);
        log.keeper().write_sidecar(id, [index_entry(1, number * 10, 5, id.first.0)]).unwrap();
        while log.keeper().merge_directory().unwrap() {}
    }
    let last = sealed_segment(&mut log, 1, 1);
    log.keeper().write_sidecar(last, [index_entry(1, 630, 5, last.first.0)]).unwrap();
    drop(log);
    let (mut before, mut after_it) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let disk = whole.copy();
        let (log, _) = open(&disk);
        disk.fail(Fails::Any, dice.roll(30));
        while let Ok(true) = log.keeper().merge_directory() {}
        disk.heal();
        drop(log);
        let cut = disk.power_cut(&mut dice);
        let (log, recovered) = open(&cut);
        assert!(recovered.damaged_directory.is_empty());
        let names = cut.names(&dir(), ".run");
        let covered = names.iter().any(|name| name.to_string_lossy().contains("directory-02-"));
        if covered {
            assert_eq!(names.len(), 1, "seed {seed}: what it replaced is gone");
            after_it += 1;
        } else {
            before += 1;
        }
        for number in 0..64 {
            let found = log.reader().locate(PartitionId(1), Offset(number * 10)).unwrap().unwrap();
            assert_eq!(found.id.first.0, number * 2 + 1, "seed {seed}");
        }
    }
    assert!(before > 5 && after_it > 5, "{before} before, {after_it} after");
}
