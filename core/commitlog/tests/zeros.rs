//! Zeros that a small write brings with it: they change no length at the next flush, and count for nothing.

mod support;

use std::path::PathBuf;

use forebay_commitlog::{Log, LogConfig, Occasion, Recovered, verify_dir};
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
    let start = append(&mut log, 2) - entry(1, 2, 2).stored_len() as usize;
    let end = append(&mut log, 3);
    let whole = disk.bytes(&segment(1));
    for torn_at in start..end {
        // What was written reaches the medium up to here, or from here on.
        for (lost, kept) in [(torn_at..end, 1), (start..torn_at + 1, 1)] {
            let mut bytes = whole.clone();
            bytes[lost.clone()].fill(0);
            let torn = disk.copy();
            torn.put(&segment(1), bytes.clone());
            let (log, recovered) = open_ahead(&torn);
            let kept = if bytes[start..] == whole[start..] { 3 } else { kept };
            let second = lost.start >= start + entry(1, 2, 2).stored_len() as usize;
            let expected = if second { kept.max(2) } else { kept };
            // A byte that was zero anyway is not missed.
            assert!(log.last_index().0 >= expected, "{lost:?}: {} instead of {expected}", log.last_index());
            let end = log.last_index().0;
            assert_eq!(contents(&log, 1).len() as u64, end);
            let nothing = bytes[start..].iter().all(|byte| *byte == 0);
            assert!(end == 3 || recovered.cut.is_some() || nothing || lost.start < start + 200 || second);
        }
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
