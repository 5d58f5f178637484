//! Every byte of every kind of file, with one bit flipped: it is noticed, and the file and the position are named. (Of long
//! runs of zeros some, which stand for all: they are under one checksum with what is before them.) What a reader gets
//! meanwhile is in the tests of each kind.

mod support;

use std::path::{Path, PathBuf};

use forebay_commitlog::{CheckpointMeta, Corruption, Occasion, Section, verify_dir};
use forebay_model::{LogIndex, Term};
use support::*;

/// Small segments with their sidecars, a checkpoint, an unsealed tail, and everything beside them; stopped in good order.
fn stopped(segments: u64) -> MemDisk {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    for _ in 0..segments {
        let id = sealed_segment(&mut log, 1, 4);
        let mut entry = index_entry(1, id.first.0 * 10, 4, id.first.0);
        entry.slot = forebay_model::SlotNumber(1);
        log.keeper().write_sidecar(id, [entry]).unwrap();
    }
    while log.keeper().merge_directory().unwrap() {}
    let sealed = log.last_index();
    fill(&mut log, 2, sealed.0 + 1..=sealed.0 + 2);
    flush(&mut log);
    let meta = CheckpointMeta { index: sealed, term: Term(1), commit: sealed, ..CheckpointMeta::default() };
    let sections = [1, 2].map(|kind| Section { kind, bytes: vec![7; 100].into() });
    let keeper = log.keeper();
    keeper.adopt(keeper.write_checkpoint(&meta, &sections).unwrap()).unwrap();
    let (hard_state, state) = log.open_hard_state().unwrap();
    hard_state.save(&state, forebay_commitlog::Durability::Flushed).unwrap();
    let done = log.record_durable(Occasion::CleanStop).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    disk
}

fn the_one(disk: &MemDisk, ending: &str) -> PathBuf {
    disk.names(&dir(), ending)[0].clone()
}

/// What a verification says of a file in which one bit of `byte` is flipped.
fn verdicts(disk: &MemDisk, path: &Path, byte: usize) -> Vec<Corruption> {
    let good = disk.bytes(path);
    disk.flip(path, byte * 8 + byte % 8);
    let report = verify_dir(disk, &dir()).unwrap();
    disk.put(path, good);
    report.damage.into_iter().chain(report.suspect).filter(|found| found.file == path).collect()
}

fn every_byte_is_noticed(segments: u64, ending: &str) {
    let disk = stopped(segments);
    let report = verify_dir(&disk, &dir()).unwrap();
    assert!(report.is_sound() && report.suspect.is_empty(), "{report:?}");
    let path = the_one(&disk, ending);
    let bytes = disk.bytes(&path);
    let zeros =
        |at: usize| bytes[at.saturating_sub(8)..(at + 8).min(bytes.len())].iter().all(|byte| *byte == 0);
    for byte in (0..bytes.len()).filter(|byte| byte % 31 == 0 || !zeros(*byte)) {
        let found = verdicts(&disk, &path, byte);
        assert!(!found.is_empty(), "byte {byte} of {}", path.display());
        // A whole that is read at once is named by its beginning.
        assert!(found.iter().any(|found| found.position.0 <= byte as u64), "byte {byte}: {found:?}");
    }
}

#[test]
fn of_a_segment_with_a_sidecar() {
    every_byte_is_noticed(1, "-00000000000000000000.seg");
}

#[test]
fn of_the_unsealed_tail() {
    let disk = stopped(1);
    let path = disk.names(&dir(), ".seg")[1].clone();
    for byte in 0..disk.bytes(&path).len() {
        assert!(!verdicts(&disk, &path, byte).is_empty(), "byte {byte}");
    }
}

#[test]
fn of_a_sidecar() {
    every_byte_is_noticed(1, ".idx");
}

#[test]
fn of_a_directory_file() {
    every_byte_is_noticed(8, ".run");
}

#[test]
fn of_a_checkpoint() {
    every_byte_is_noticed(1, ".ckpt");
}

#[test]
fn of_a_manifest() {
    every_byte_is_noticed(1, "/manifest");
}

#[test]
fn of_the_hard_state() {
    every_byte_is_noticed(1, "/hard-state");
}

#[test]
fn of_the_durable_file() {
    every_byte_is_noticed(1, "/durable");
}

#[test]
fn a_torn_copy_of_a_record_is_no_damage_as_long_as_another_is_whole() {
    let disk = stopped(1);
    let path = the_one(&disk, "/hard-state");
    disk.flip(&path, 100);
    let report = verify_dir(&disk, &dir()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.suspect.iter().map(|found| &found.file).collect::<Vec<_>>(), [&path]);
    disk.put(&path, vec![1; 8192]);
    let report = verify_dir(&disk, &dir()).unwrap();
    assert_eq!((report.damage.len(), report.suspect.len()), (5, 0), "four copies, and none is left");
    assert!(!report.is_sound() && LogIndex(0) < report.last);
}
