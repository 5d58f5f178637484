//! Zeros that a small write brings with it: they change no length at the next flush, and count for nothing.

mod support;

use std::path::PathBuf;

use forebay_commitlog::{Fault, Log, LogConfig, Occasion, Recovered, verify_dir};
use forebay_model::LogIndex;
use support::*;

const AHEAD: usize = 4096;

fn open_ahead(disk: &MemDisk) -> (Log, Recovered) {
    let config = LogConfig { zeros_ahead_bytes: AHEAD, ..config() };
    Log::open(disk.arc(), &dir(), config).unwrap()
}

fn segment(first: u64) -> PathBuf {
    dir().join(format!("{first:020}-00000000000000000000.seg"))
}

fn append(log: &mut Log, index: u64) -> usize {
    log.append(&[entry(1, index, 2)]).unwrap().position.0 as usize
}

#[test]
fn small_writes_go_where_zeros_are_already() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    let first = append(&mut log, 1);
    let len = disk.bytes(&segment(1)).len();
    assert_eq!(len, first + AHEAD);
    let mut index = 1;
    let mut end = first;
    while end < len {
        assert_eq!(disk.bytes(&segment(1)).len(), len, "entry {index}");
        index += 1;
        end = append(&mut log, index);
    }
    assert_eq!(
        disk.bytes(&segment(1)).len(),
        end + AHEAD,
        "the first that does not fit brings the next ones"
    );
    assert_eq!(contents(&log, 1).len() as u64, index);
    // A large write pays for itself.
    let large = std::iter::repeat_with(|| {
        index += 1;
        entry(1, index, 400)
    });
    let end = log.append(&large.take(4).collect::<Vec<_>>()).unwrap().position.0 as usize;
    assert_eq!(disk.bytes(&segment(1)).len(), end);
}

#[test]
fn a_segment_is_as_long_as_its_entries_when_it_ends() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    append(&mut log, 1);
    let end = log.append(&[seal(1, 2)]).unwrap().position.0 as usize;
    assert_eq!(disk.bytes(&segment(1)).len(), end);
    // And so is the last one after a clean stop.
    let end = append(&mut log, 3);
    assert!(disk.bytes(&segment(3)).len() > end);
    let done = log.record_durable(Occasion::CleanStop).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    assert_eq!(disk.bytes(&segment(3)).len(), end);
    assert!(verify_dir(&disk, &dir()).unwrap().unfinished.is_none());
}

#[test]
fn zeros_at_the_end_are_no_unfinished_write() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    append(&mut log, 1);
    let end = append(&mut log, 2);
    drop(log);
    let report = verify_dir(&disk, &dir()).unwrap();
    assert!(report.is_sound() && report.unfinished.is_none() && report.last == LogIndex(2), "{report:?}");
    let (mut log, recovered) = open_ahead(&disk);
    assert_eq!((recovered.last.index, recovered.cut), (LogIndex(2), None));
    assert_eq!(disk.bytes(&segment(1)).len(), end, "the open ends the file at its last entry");
    append(&mut log, 3);
    assert_eq!(contents(&log, 1), [(1, 1), (1, 2), (1, 3)]);
}

#[test]
fn a_write_torn_anywhere_among_zeros_is_cut() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    append(&mut log, 1);
    flush(&mut log);
    let second = append(&mut log, 2);
    let start = second - entry(1, 2, 2).stored_len() as usize;
    let end = append(&mut log, 3);
    let whole = disk.bytes(&segment(1));
    for torn_at in start..=end {
        // Of what was written, the front or the back never reached the medium.
        for lost in [torn_at..end, start..torn_at] {
            let mut bytes = whole.clone();
            bytes[lost].fill(0);
            let as_written = |range: std::ops::Range<usize>| bytes[range.clone()] == whole[range];
            let (expected, kept) = match (as_written(start..second), as_written(second..end)) {
                (true, true) => (3, end),
                (true, false) => (2, second),
                (false, _) => (1, start),
            };
            let nothing = bytes[kept..].iter().all(|byte| *byte == 0);
            let torn = disk.copy();
            torn.put(&segment(1), bytes);
            let (log, recovered) = open_ahead(&torn);
            assert_eq!(log.last_index(), LogIndex(expected), "torn at {torn_at}");
            assert_eq!(recovered.cut.is_some(), !nothing, "torn at {torn_at}");
            assert_eq!(torn.bytes(&segment(1)).len(), kept);
        }
    }
}

#[test]
fn zeros_in_the_place_of_what_was_durable_are_corruption() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    let first = append(&mut log, 1);
    let second = append(&mut log, 2);
    flush(&mut log);
    let done = log.record_durable(Occasion::Idle).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    drop(log);
    let mut bytes = disk.bytes(&segment(1));
    bytes[first..second].fill(0);
    disk.put(&segment(1), bytes);
    let config = LogConfig { zeros_ahead_bytes: AHEAD, ..config() };
    let Err(Fault::Corrupt(found)) = Log::open(disk.arc(), &dir(), config) else { panic!("it must refuse") };
    assert_eq!((found.file.clone(), found.position.0 as usize), (segment(1), first), "{found}");
}

#[test]
fn a_disk_without_room_for_zeros_takes_the_entry() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    // The header of the file and the entry find room, the zeros do not.
    disk.fill_up(Fails::Write, 2);
    let end = append(&mut log, 1);
    disk.heal();
    assert_eq!(disk.bytes(&segment(1)).len(), end);
    let end = append(&mut log, 2);
    assert_eq!(disk.bytes(&segment(1)).len(), end, "nobody asks again for this segment");
    flush(&mut log);
    assert_eq!(contents(&log, 1), [(1, 1), (1, 2)]);
}

#[test]
fn no_zeros_stand_where_the_segment_is_to_end() {
    let disk = MemDisk::default();
    let config = LogConfig {
        zeros_ahead_bytes: AHEAD,
        segment_bytes_first: 1000,
        segment_bytes_max: 1000,
        ..config()
    };
    let (mut log, _) = Log::open(disk.arc(), &dir(), config).unwrap();
    let mut end = append(&mut log, 1);
    assert_eq!(disk.bytes(&segment(1)).len(), 1000);
    while !log.wants_seal() {
        let index = log.last_index().0 + 1;
        end = append(&mut log, index);
    }
    assert_eq!(disk.bytes(&segment(1)).len(), end);
}

#[test]
fn a_clean_stop_leaves_no_zeros_on_the_medium() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    let end = append(&mut log, 1);
    flush(&mut log);
    let done = log.record_durable(Occasion::CleanStop).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    drop(log);
    for seed in 0..20 {
        assert_eq!(disk.power_cut(&mut Dice(seed)).bytes(&segment(1)).len(), end);
    }
}

#[test]
fn zeros_behind_a_seal_hide_no_segment() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    append(&mut log, 1);
    let zeros = disk.bytes(&segment(1));
    let end = log.append(&[seal(1, 2)]).unwrap().position.0 as usize;
    append(&mut log, 3);
    flush(&mut log);
    drop(log);
    // The cut of the length is all that the power cut took.
    let mut bytes = disk.bytes(&segment(1));
    bytes.resize(zeros.len(), 0);
    disk.put(&segment(1), bytes);
    let (log, recovered) = open_ahead(&disk);
    assert_eq!((log.last_index(), recovered.cut), (LogIndex(3), None));
    assert_eq!(disk.bytes(&segment(1)).len(), end);
}

#[test]
fn a_bit_among_the_zeros_costs_nothing() {
    let disk = MemDisk::default();
    let (mut log, _) = open_ahead(&disk);
    let end = append(&mut log, 1);
    flush(&mut log);
    drop(log);
    disk.flip(&segment(1), (end + 100) * 8);
    let (log, recovered) = open_ahead(&disk);
    assert_eq!(log.last_index(), LogIndex(1));
    assert_eq!(recovered.cut.unwrap().position.0 as usize, end);
}
