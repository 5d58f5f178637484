//! The files beside the log: hard state, checkpoints, manifest.

mod support;

use std::path::PathBuf;

use bytes::Bytes;
use forebay_commitlog::{
    AdoptError, Checkpoint, CheckpointMeta, Durability, Fault, HardState, HardStateFile, Log, Section,
    checkpoint_name, load_latest,
};
use forebay_model::{LogIndex, Term};
use support::*;

fn hard_state(term: u64, commit: u64) -> HardState {
    HardState { term: Term(term), vote: term % 3, commit: LogIndex(commit), conf: Bytes::from(vec![7; 30]) }
}

fn open_state(disk: &MemDisk) -> Result<(HardStateFile, HardState), Fault> {
    HardStateFile::open(disk, &dir())
}

fn path(name: &str) -> PathBuf {
    dir().join(name)
}

#[test]
fn the_hard_state_survives_restarts() {
    let disk = MemDisk::default();
    drop(open(&disk));
    let (file, state) = open_state(&disk).unwrap();
    assert_eq!(state, HardState::default());
    for term in 1..10 {
        file.save(&hard_state(term, term), Durability::Flushed).unwrap();
        let found = open_state(&disk.power_cut(&mut Dice(term))).unwrap().1;
        assert_eq!(found, hard_state(term, term));
    }
    file.save(&hard_state(9, 50), Durability::Written).unwrap();
    assert_eq!(open_state(&disk.copy()).unwrap().1, hard_state(9, 50));
}

#[test]
fn unflushed_saves_never_cost_the_flushed_one() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        drop(open(&disk));
        let (file, _) = open_state(&disk).unwrap();
        let mut flushed = 0;
        let last = 1 + dice.roll(12);
        for commit in 1..=last {
            if dice.roll(4) == 0 {
                file.save(&hard_state(1, commit), Durability::Flushed).unwrap();
                flushed = commit;
            } else {
                file.save(&hard_state(1, commit), Durability::Written).unwrap();
            }
        }
        let (_, found) = open_state(&disk.power_cut(&mut dice)).unwrap();
        assert!(
            found.commit.0 >= flushed && found.commit.0 <= last,
            "seed {seed}: {found:?} {flushed}..={last}"
        );
    }
}

#[test]
fn a_flipped_bit_of_the_hard_state_costs_nothing_and_a_lost_file_is_noticed() {
    let disk = MemDisk::default();
    drop(open(&disk));
    let (file, _) = open_state(&disk).unwrap();
    file.save(&hard_state(3, 8), Durability::Flushed).unwrap();
    file.save(&hard_state(4, 9), Durability::Flushed).unwrap();
    for bit in 0..8192 * 8 {
        if bit % 7 == 0 {
            let bad = disk.copy();
            bad.flip(&path("hard-state"), bit);
            assert_eq!(open_state(&bad).unwrap().1, hard_state(4, 9), "bit {bit}");
        }
    }
    disk.put(&path("hard-state"), vec![0; 8192]);
    assert!(matches!(open_state(&disk), Err(Fault::Corrupt(_))));
    disk.put(&path("hard-state"), vec![0; 100]);
    assert!(matches!(open_state(&disk), Err(Fault::Corrupt(_))));
    disk.remove(&path("hard-state"));
    assert!(open_state(&disk).is_err());
}

#[test]
fn a_failed_save_fails_every_later_one() {
    let disk = MemDisk::default();
    drop(open(&disk));
    let (file, _) = open_state(&disk).unwrap();
    disk.fail(Fails::Flush, 0);
    let first = file.save(&hard_state(1, 1), Durability::Flushed).unwrap_err().to_string();
    disk.heal();
    assert_eq!(file.save(&hard_state(1, 2), Durability::Written).unwrap_err().to_string(), first);
}

#[test]
fn a_failed_save_fences_its_log() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let (file, _) = log.open_hard_state().unwrap();
    disk.fail(Fails::Write, 0);
    file.save(&hard_state(1, 1), Durability::Flushed).unwrap_err();
    disk.heal();
    assert!(log.append(&[entry(1, 1, 1)]).is_err());
}

fn meta(index: u64) -> CheckpointMeta {
    CheckpointMeta {
        index: LogIndex(index),
        term: Term(1),
        commit: LogIndex(index + 1),
        conf: Bytes::from_static(b"three voters"),
        machine_version: 3,
        sidecars_up_to: LogIndex(0),
    }
}

fn sections() -> Vec<Section> {
    let large: Vec<u8> = (0..200_000u32).map(|i| (i % 253) as u8).collect();
    vec![
        Section { kind: 1, bytes: Bytes::from_static(b"groups") },
        Section { kind: 5, bytes: Bytes::new() },
        Section { kind: 9, bytes: large.into() },
    ]
}

fn flushed_log(disk: &MemDisk, last: u64) -> Log {
    let (mut log, _) = open(disk);
    fill(&mut log, 1, 1..=last);
    flush(&mut log);
    log
}

#[test]
fn an_adopted_checkpoint_is_the_one_that_is_loaded() {
    let disk = MemDisk::default();
    let log = flushed_log(&disk, 20);
    let keeper = log.keeper();
    assert_eq!(keeper.load_checkpoint().unwrap(), None);
    for index in [10, 15] {
        let written = keeper.write_checkpoint(&meta(index), &sections()).unwrap();
        keeper.adopt(written).unwrap();
    }
    let expected = Checkpoint { meta: meta(15), sections: sections() };
    assert_eq!(keeper.load_checkpoint().unwrap().as_ref(), Some(&expected));
    assert_eq!(expected.section(9).unwrap().len(), 200_000);
    assert!(!disk.exists(&path(&checkpoint_name(LogIndex(10)))));
    drop(log);
    let after = disk.power_cut(&mut Dice(3));
    let (log, recovered) = open(&after);
    assert_eq!(recovered.checkpoint.unwrap().index, LogIndex(15));
    assert_eq!(log.keeper().load_checkpoint().unwrap(), Some(expected.clone()));
    assert_eq!(load_latest(&after, &dir()).unwrap(), Some(expected));
}

#[test]
fn a_checkpoint_never_runs_ahead_of_the_log() {
    let disk = MemDisk::default();
    let mut log = flushed_log(&disk, 5);
    fill(&mut log, 1, 6..=10);
    let keeper = log.keeper();
    let written = keeper.write_checkpoint(&meta(8), &sections()).unwrap();
    assert!(matches!(keeper.adopt(written), Err(AdoptError::LogBehind { .. })));
    flush(&mut log);
    keeper.adopt(written).unwrap();
    let older = keeper.write_checkpoint(&meta(7), &sections()).unwrap();
    assert!(matches!(keeper.adopt(older), Err(AdoptError::Older(LogIndex(8)))));
    assert_eq!(keeper.load_checkpoint().unwrap().unwrap().meta, meta(8));
}

#[test]
fn a_checkpoint_proves_what_the_log_must_hold() {
    let disk = MemDisk::default();
    let log = flushed_log(&disk, 5);
    let keeper = log.keeper();
    keeper.adopt(keeper.write_checkpoint(&meta(5), &sections()).unwrap()).unwrap();
    drop(log);
    let name = disk.names(&dir(), ".seg")[0].clone();
    let whole = disk.bytes(&name);
    disk.put(&name, whole[..whole.len() - 1].to_vec());
    let fault = Log::open(disk.arc(), &dir(), config()).err().unwrap().to_string();
    assert!(fault.contains("entry 5 must be here"), "{fault}");
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_named_and_never_served() {
    let disk = MemDisk::default();
    let log = flushed_log(&disk, 5);
    let keeper = log.keeper();
    let written = keeper.write_checkpoint(&meta(5), &sections()).unwrap();
    keeper.adopt(written).unwrap();
    let name = path(&checkpoint_name(LogIndex(5)));
    let len = disk.bytes(&name).len();
    assert_eq!(len as u64, written.bytes);
    for byte in (0..200).chain((200..len).step_by(997)) {
        let bad = disk.copy();
        bad.flip(&name, byte * 8 + byte % 8);
        match load_latest(&bad, &dir()) {
            Err(Fault::Corrupt(corruption)) => {
                assert_eq!(corruption.file, name);
                assert!(
                    corruption.position.0 <= byte as u64 && byte as u64 <= corruption.position.0 + 65_540
                );
            }
            other => panic!("byte {byte}: {other:?}"),
        }
    }
    for cut in [0, 3, 10, 60, len / 2, len - 1] {
        let bad = disk.copy();
        let short = disk.bytes(&name)[..cut].to_vec();
        bad.put(&name, short);
        assert!(matches!(load_latest(&bad, &dir()), Err(Fault::Corrupt(_))), "cut to {cut}");
    }
}

#[test]
fn a_power_cut_during_a_checkpoint_leaves_the_old_one_or_the_new_one() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let log = flushed_log(&disk, 20);
        let keeper = log.keeper();
        keeper.adopt(keeper.write_checkpoint(&meta(10), &sections()).unwrap()).unwrap();
        disk.fail_somehow(&mut dice, 12);
        let adopted = keeper
            .write_checkpoint(&meta(15), &sections())
            .map_err(AdoptError::from)
            .and_then(|written| keeper.adopt(written));
        disk.heal();
        if adopted.is_err() {
            assert!(log.check().is_err(), "a fault in housekeeping fences the log");
        }
        let after = disk.power_cut(&mut dice);
        let (log, _) = open(&after);
        let found = log.keeper().load_checkpoint().unwrap().unwrap();
        assert_eq!(found.sections, sections());
        match found.meta.index.0 {
            10 if adopted.is_err() => old += 1,
            15 => new += 1,
            other => panic!("seed {seed}: checkpoint {other}, {adopted:?}"),
        }
        // Whatever was left over is gone.
        assert_eq!(after.names(&dir(), ".ckpt").len(), 1);
        assert!(after.names(&dir(), ".tmp").is_empty());
    }
    assert!(old > 20 && new > 20, "{old} old, {new} new");
}

#[test]
fn an_open_removes_nothing_that_a_power_cut_could_bring_back() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        let log = flushed_log(&disk, 20);
        let keeper = log.keeper();
        keeper.adopt(keeper.write_checkpoint(&meta(10), &sections()).unwrap()).unwrap();
        let written = keeper.write_checkpoint(&meta(15), &sections()).unwrap();
        // The manifest's new name is in the cache and not on the medium.
        disk.fail(Fails::SyncDir, 0);
        assert!(keeper.adopt(written).is_err());
        disk.heal();
        drop(log);
        // The next process opens it, or ends on its way.
        disk.fail(Fails::Any, dice.roll(12));
        let _ = Log::open(disk.arc(), &dir(), config());
        disk.heal();
        let after = disk.power_cut(&mut dice);
        let (log, _) = open(&after);
        let found = log.keeper().load_checkpoint().unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert_eq!(found.unwrap().sections, sections());
    }
}
