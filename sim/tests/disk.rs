//! The disk that forgets: what survives a power cut, and what does not.

use std::path::Path;

use forebay_env::{Disk, OpenMode};
use forebay_sim::random::Rng;
use forebay_sim::world::clock::VirtualTime;
use forebay_sim::world::disk::{About, Crash, EIO, Fault, Lie, Op, SimDisk, When};

const FILE: &str = "/data/file";

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(Rng::stream(seed, "disk"), VirtualTime::default(), 1 << 20);
    disk.begin_life();
    disk.opened();
    disk.create_dir_all(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn restart(disk: &SimDisk, crash: Crash) {
    disk.crash(crash);
    disk.begin_life();
    disk.opened();
}

fn content(disk: &SimDisk) -> Option<Vec<u8>> {
    disk.contents("/data").into_iter().find(|(name, _)| name == "file").map(|(_, bytes)| bytes)
}

#[test]
fn what_was_flushed_survives_every_power_cut() {
    for seed in 0..200 {
        let disk = disk(seed);
        let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
        file.write_at(&[&[1; 2000]], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        file.write_at(&[&[2; 2000]], 2000).unwrap();
        restart(&disk, Crash::Power);
        assert_eq!(content(&disk).unwrap()[..2000], [1; 2000]);
    }
}

#[test]
fn what_was_not_flushed_is_lost_kept_or_torn_at_sectors() {
    let mut lengths = std::collections::BTreeSet::new();
    let mut torn = false;
    for seed in 0..400 {
        let disk = disk(seed);
        let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        file.write_at(&[&[7; 2000]], 0).unwrap();
        restart(&disk, Crash::Power);
        let left = content(&disk).unwrap();
        torn |= left.contains(&0);
        assert!(left.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        lengths.insert(left.len());
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [0, 512, 1024, 1536, 2000]);
    assert!(torn, "a later sector is there without an earlier one");
}

#[test]
fn a_name_is_durable_when_its_directory_was_flushed() {
    let survives = |sync: bool| {
        let survived = (0..100).filter(|seed| {
            let disk = disk(*seed);
            let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
            file.write_at(&[b"x"], 0).unwrap();
            file.sync_data().unwrap();
            if sync {
                disk.sync_dir(Path::new("/data")).unwrap();
            }
            restart(&disk, Crash::Power);
            content(&disk).is_some()
        });
        survived.count()
    };
    assert_eq!(survives(true), 100);
    assert!((1..100).contains(&survives(false)));
}

#[test]
fn a_kill_loses_nothing_and_ends_every_handle() {
    let disk = disk(1);
    let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
    file.write_at(&[b"kept"], 0).unwrap();
    restart(&disk, Crash::Kill);
    assert_eq!(content(&disk).unwrap(), b"kept");
    assert!(file.write_at(&[b"late"], 0).is_err());
}

#[test]
fn pages_of_a_failed_flush_are_clean_and_may_be_nowhere() {
    let lost = (0..100).filter(|seed| {
        let disk = disk(*seed);
        let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        file.write_at(&[b"data"], 0).unwrap();
        disk.put_fault(Fault { op: Op::SyncData, skip: 0, error: EIO, stays: false });
        assert!(file.sync_data().is_err());
        assert_eq!(content(&disk).unwrap(), b"data", "the page cache still shows it");
        file.sync_data().unwrap();
        restart(&disk, Crash::Power);
        content(&disk).unwrap().is_empty()
    });
    assert!(lost.count() > 50);
}

#[test]
fn the_fuse_ends_the_process_in_the_middle_of_a_change() {
    let disk = disk(3);
    let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
    disk.burn_fuse(1);
    file.write_at(&[b"first"], 0).unwrap();
    assert!(file.write_at(&[b"second"], 5).is_err());
    assert!(disk.is_cut());
    assert!(file.read_at(&mut [0; 4], 0).is_err(), "nothing of the process goes on");
    restart(&disk, Crash::Kill);
    assert!(content(&disk).unwrap().starts_with(b"first"));
}

#[test]
fn what_a_lying_disk_has_in_its_cache_goes_with_the_power() {
    for seed in 0..20 {
        let disk = disk(seed);
        let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        disk.opened();
        disk.lie(Lie { about: About::File("file"), when: When::Serving });
        file.write_at(&[b"forgotten"], 0).unwrap();
        file.sync_data().unwrap();
        assert!(!disk.holds_durably("/data", "file", b"forgotte", 4));
        assert!(disk.has_unflushed("file"));
        restart(&disk, Crash::Power);
        assert_eq!(content(&disk).unwrap(), b"", "seed {seed}");
    }
}

#[test]
fn a_disk_lies_only_when_it_is_told_to() {
    let disk = disk(4);
    disk.lie(Lie { about: About::File("file"), when: When::Serving });
    disk.begin_life();
    let file = disk.open(Path::new(FILE), OpenMode::CreateNew).unwrap();
    file.write_at(&[b"remembered"], 0).unwrap();
    file.sync_data().unwrap();
    assert!(!disk.has_unflushed("file"), "it opens its data still");
    let other = disk.open(Path::new("/data/other"), OpenMode::CreateNew).unwrap();
    disk.opened();
    other.write_at(&[b"remembered"], 0).unwrap();
    other.sync_data().unwrap();
    assert!(!disk.has_unflushed("other"), "it lies about other files");
    file.write_at(&[b"forgotten"], 0).unwrap();
    file.sync_data().unwrap();
    assert!(disk.has_unflushed("file"));
}
