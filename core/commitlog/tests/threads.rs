//! Readers on other threads while the log is written, truncated, sealed, rewritten and unlinked, on the system's disk.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use forebay_commitlog::{Fate, Generation, IndexEntry, Judge, Log, ReadError, Slot};
use forebay_model::{LogIndex, SlotNumber};
use support::*;

/// So many entries that one of them comes while a reader has looked up where its own end.
const APPENDED: u64 = 20_000;

/// Keeps entries with an even index.
struct Even;

impl Judge for Even {
    fn slot(&mut self, index: LogIndex, _: &Slot) -> Fate {
        if index.0.is_multiple_of(2) { Fate::Live } else { Fate::Dead }
    }
    fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
        entry.log_index.0.is_multiple_of(2).then_some(*entry)
    }
}

#[test]
fn readers_meet_no_fault_while_everything_changes_under_them() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("shard-0000");
    let (mut log, _) = Log::open(forebay_env::real::env().disk, &path, config()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let end = Arc::new(AtomicU64::new(0));
    let reads = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..3u64)
        .map(|seed| {
            let (reader, stop, end, reads) = (log.reader(), stop.clone(), end.clone(), reads.clone());
            std::thread::spawn(move || {
                let mut dice = Dice(seed);
                while !stop.load(Ordering::Acquire) {
                    let index = LogIndex(1 + dice.roll(end.load(Ordering::Acquire) + 2));
                    let found = match dice.roll(3) {
                        0 => reader.read_entry(index).map(|entry| assert_eq!(entry.index, index)),
                        1 => reader.read_slot(index, SlotNumber(0)).map(drop),
                        _ => {
                            let high = LogIndex(index.0 + dice.roll(30) + 1);
                            reader.read_entries(index, high, 4000).map(|entries| {
                                assert!(
                                    entries.iter().all(|entry| index <= entry.index && entry.index < high)
                                );
                            })
                        }
                    };
                    match found {
                        Err(ReadError::Fault(fault)) => panic!("entry {index}: {fault}"),
                        _ => reads.fetch_add(1, Ordering::Relaxed),
                    };
                }
            })
        })
        .collect();
    let mut dice = Dice(99);
    let mut term = 1;
    for round in 0..60u64 {
        for _ in 0..dice.roll(40) {
            let index = log.last_index().0 + 1;
            log.append(&[entry(term, index, 2)]).unwrap();
            end.store(index, Ordering::Release);
        }
        // A conflict replaces the last few entries.
        let applied =
            log.reader().segments().iter().rev().find_map(|info| info.summary).map_or(0, |s| s.last.index.0);
        let from = (log.last_index().0.max(6) - dice.roll(6)).max(applied + 1);
        if from <= log.last_index().0 {
            term += 1;
            log.append(&[entry(term, from, 1), entry(term, from + 1, 2)]).unwrap();
        }
        if round % 4 == 3 {
            let index = log.last_index().0 + 1;
            let id = log.append(&[seal(term, index)]).unwrap().sealed[0];
            flush(&mut log);
            log.keeper().write_sidecar(id, []).unwrap();
            let meta = forebay_commitlog::CheckpointMeta {
                index: LogIndex(index),
                term: forebay_model::Term(term),
                commit: LogIndex(index),
                ..forebay_commitlog::CheckpointMeta::default()
            };
            let keeper = log.keeper();
            keeper.adopt(keeper.write_checkpoint(&meta, &[]).unwrap()).unwrap();
            log.raise_floor(LogIndex(index));
            if round % 8 == 7 {
                let new = keeper.rewrite(id, Generation(index + 1), &mut Even).unwrap().id;
                keeper.replace(id, new).unwrap();
            }
            if round % 16 == 15 {
                let oldest = log.reader().segments()[0].id;
                keeper.unlink(&[oldest]).unwrap();
            }
        }
    }
    while reads.load(Ordering::Relaxed) < 3000 {
        std::thread::yield_now();
    }
    stop.store(true, Ordering::Release);
    for reader in readers {
        reader.join().unwrap();
    }
    let before = contents(&log, 1);
    drop(log);
    let (log, recovered) = Log::open(forebay_env::real::env().disk, &path, config()).unwrap();
    assert_eq!(recovered.cut, None);
    assert_eq!(contents(&log, 1), before);
}

#[test]
fn a_reader_gets_nothing_behind_what_it_asks_for_while_more_comes() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("shard-0000");
    let (mut log, _) = Log::open(forebay_env::real::env().disk, &path, config()).unwrap();
    log.append(&[entry(1, 1, 1)]).unwrap();
    let end = Arc::new(AtomicU64::new(1));
    let (reader, seen) = (log.reader(), end.clone());
    let reads = std::thread::spawn(move || {
        let mut last = 0;
        while last < APPENDED {
            last = seen.load(Ordering::Acquire);
            let entries = reader.read_entries(LogIndex(last), LogIndex(last + 1), u64::MAX).unwrap();
            let indexes: Vec<u64> = entries.iter().map(|entry| entry.index.0).collect();
            assert_eq!(indexes, [last]);
        }
    });
    for index in 2..=APPENDED {
        log.append(&[entry(1, index, 1)]).unwrap();
        end.store(index, Ordering::Release);
    }
    reads.join().unwrap();
}
