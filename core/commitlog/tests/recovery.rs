//! Every crash case of docs/formats/segment.md: what a restart keeps, cuts and refuses.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use forebay_commitlog::{Corruption, Fault, Log, LogConfig, Occasion};
use forebay_model::{LogIndex, Position};
use support::*;

fn segment(first: u64) -> PathBuf {
    dir().join(format!("{first:020}-00000000000000000000.seg"))
}

fn try_open(disk: &MemDisk) -> Result<(Log, forebay_commitlog::Recovered), Fault> {
    Log::open(disk.arc(), &dir(), config())
}

fn corruption(disk: &MemDisk) -> Corruption {
    match try_open(disk) {
        Err(Fault::Corrupt(corruption)) => corruption,
        Err(other) => panic!("not corruption: {other}"),
        Ok((_, recovered)) => panic!("opened: {recovered:?}"),
    }
}

/// Entries 1..=4 flushed, then 5..=7 written without a flush in between; where each begins.
fn half_flushed() -> (MemDisk, Vec<usize>) {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let mut starts = vec![0];
    for index in 1..=7 {
        let position = log.append(&[entry(1, index, 2)]).unwrap().position.0 as usize;
        starts.push(position - entry(1, index, 2).stored_len() as usize);
        if index == 4 {
            flush(&mut log);
        }
    }
    (disk, starts)
}

#[test]
fn a_tail_cut_at_any_byte_recovers_the_prefix() {
    let (disk, starts) = half_flushed();
    let whole = disk.bytes(&segment(1));
    for len in starts[5]..=whole.len() {
        let torn = disk.copy();
        torn.put(&segment(1), whole[..len].to_vec());
        let (log, recovered) = try_open(&torn).unwrap();
        let kept = starts.iter().skip(1).filter(|start| **start < len).count();
        let complete = if starts.contains(&len) || len == whole.len() { kept } else { kept - 1 };
        assert_eq!(log.last_index(), LogIndex(complete as u64), "cut to {len}");
        assert_eq!(recovered.cut.is_some(), complete != kept, "cut to {len}");
        if let Some(cut) = &recovered.cut {
            assert_eq!((cut.file.clone(), cut.position), (segment(1), Position(starts[kept] as u64)));
            assert_eq!(cut.bytes, (len - starts[kept]) as u64);
        }
        drop(log);
        // The cut is done once, and what is left opens as it is.
        assert_eq!(try_open(&torn).unwrap().1.cut, None);
    }
}

#[test]
fn a_log_that_ends_below_what_was_durable_is_corrupt() {
    let (disk, starts) = half_flushed();
    // Nothing on the medium but the entries themselves says that 4 was durable, and 5 is the first that says so.
    let done = {
        let (mut log, _) = open(&disk);
        log.record_durable(Occasion::Idle).unwrap().map(|job| job.run().unwrap())
    };
    assert!(done.is_none(), "the open itself recorded the end");
    let whole = disk.bytes(&segment(1));
    for len in [starts[7] + 1, starts[5], starts[1], 20, 0] {
        let torn = disk.copy();
        torn.put(&segment(1), whole[..len].to_vec());
        let found = corruption(&torn);
        assert_eq!(found.file, segment(1));
        assert!(found.what.contains("must be here"), "{found}");
        // Nothing was cut: the bytes are as they were.
        assert_eq!(torn.bytes(&segment(1)), &whole[..len]);
    }
    let gone = disk.copy();
    gone.remove(&segment(1));
    assert!(corruption(&gone).what.contains("entry 1 must be here"));
}

#[test]
fn every_flipped_bit_below_the_durable_position_is_named() {
    let (disk, starts) = half_flushed();
    for bit in 0..starts[5] * 8 {
        let bad = disk.copy();
        bad.flip(&segment(1), bit);
        let found = corruption(&bad);
        assert_eq!(found.file, segment(1));
        let begins = starts.iter().rev().find(|start| **start <= bit / 8).unwrap();
        assert_eq!(found.position, Position(*begins as u64), "bit {bit}: {found}");
    }
}

#[test]
fn a_flipped_bit_above_it_equals_a_torn_write() {
    let (disk, starts) = half_flushed();
    let whole = disk.bytes(&segment(1));
    for bit in (starts[5] * 8..whole.len() * 8).step_by(5) {
        let bad = disk.copy();
        bad.flip(&segment(1), bit);
        let (log, recovered) = try_open(&bad).unwrap();
        let hit = starts.iter().rposition(|start| *start <= bit / 8).unwrap();
        assert_eq!(log.last_index(), LogIndex(hit as u64 - 1), "bit {bit}");
        assert_eq!(recovered.cut.unwrap().position, Position(starts[hit] as u64));
    }
}

#[test]
fn after_a_clean_stop_no_bit_can_flip_unnoticed() {
    let (disk, _) = half_flushed();
    let (mut log, _) = open(&disk);
    fill(&mut log, 2, 8..=9);
    let done = log.record_durable(Occasion::CleanStop).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    drop(log);
    for bit in 0..disk.bytes(&segment(1)).len() * 8 {
        let bad = disk.copy();
        bad.flip(&segment(1), bit);
        corruption(&bad);
    }
}

#[test]
fn an_entry_behind_the_damage_proves_what_was_durable() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    let mut starts = Vec::new();
    for index in 1..=3 {
        starts.push(log.append(&[entry(1, index, 2)]).unwrap().position.0 as usize);
        flush(&mut log);
    }
    // Entry 3 says that 2 was durable. Without entry 3 nobody would.
    let bad = disk.copy();
    bad.flip(&segment(1), (starts[0] + 60) * 8);
    let found = corruption(&bad);
    assert_eq!(found.position, Position(starts[0] as u64));
    let torn = disk.copy();
    torn.put(&segment(1), disk.bytes(&segment(1))[..starts[1] - 1].to_vec());
    assert_eq!(try_open(&torn).unwrap().1.last.index, LogIndex(1));
}

#[test]
fn a_payload_that_looks_like_an_entry_proves_nothing() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 1..=9);
    flush(&mut log);
    fill(&mut log, 1, 10..=10);
    // A client sends a stored entry of a log with another salt, which claims that 9 is durable.
    let forged = disk.bytes(&segment(1));
    let other = MemDisk::default();
    let config = forebay_commitlog::LogConfig { salt: 1, ..config() };
    let (mut log, _) = Log::open(other.arc(), &dir(), config.clone()).unwrap();
    let mut body = forebay_commitlog::BodyBuilder::new(1, 0);
    body.push_slot(forebay_commitlog::SlotKind(1), &[&forged]).unwrap();
    let carrier = forebay_commitlog::Entry { body: body.finish(), ..entry(1, 1, 0) };
    log.append(&[carrier]).unwrap();
    let torn = other.bytes(&segment(1));
    other.put(&segment(1), torn[..torn.len() - 1].to_vec());
    let (_, recovered) = Log::open(other.arc(), &dir(), config).unwrap();
    assert_eq!(recovered.last.index, LogIndex(0));
}

#[test]
fn the_next_segment_may_survive_what_is_before_it() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    log.append(&[entry(1, 1, 2), entry(1, 2, 2), seal(1, 3)]).unwrap();
    log.append(&[entry(1, 4, 2)]).unwrap();
    let whole = disk.bytes(&segment(1));
    // Nothing was flushed: all of it may be cut.
    let torn = disk.copy();
    torn.put(&segment(1), whole[..whole.len() - 1].to_vec());
    let (log2, recovered) = try_open(&torn).unwrap();
    assert_eq!((log2.last_index(), recovered.segments), (LogIndex(2), 1));
    assert!(!torn.exists(&segment(4)));
    // The first segment's name is lost.
    let lost = disk.copy();
    lost.remove(&segment(1));
    assert_eq!(try_open(&lost).unwrap().1.last.index, LogIndex(0));
    assert!(!lost.exists(&segment(4)));
    // Its Seal never reached the medium although it ends at an entry.
    let unsealed = disk.copy();
    unsealed.put(&segment(1), whole[..whole.len() - seal(1, 3).stored_len() as usize].to_vec());
    let (mut log2, recovered) = try_open(&unsealed).unwrap();
    assert_eq!(recovered.last.index, LogIndex(2));
    log2.append(&[entry(2, 3, 1)]).unwrap();
    drop(log2);
    // After a flush the same losses are corruption.
    flush(&mut log);
    log.append(&[entry(1, 5, 1)]).unwrap();
    drop(log);
    let torn = disk.copy();
    torn.put(&segment(1), whole[..whole.len() - 1].to_vec());
    assert_eq!(corruption(&torn).file, segment(1));
    let lost = disk.copy();
    lost.remove(&segment(1));
    assert_eq!(corruption(&lost).file, segment(1));
}

#[test]
fn a_new_segment_without_a_whole_header_goes_as_a_whole() {
    for len in 0..32 {
        let disk = MemDisk::default();
        let (mut log, _) = open(&disk);
        log.append(&[entry(1, 1, 2), seal(1, 2)]).unwrap();
        flush(&mut log);
        log.append(&[entry(1, 3, 2)]).unwrap();
        drop(log);
        let header = disk.bytes(&segment(3))[..len].to_vec();
        disk.put(&segment(3), header);
        let (mut log, recovered) = try_open(&disk).unwrap();
        assert_eq!(recovered.last.index, LogIndex(2), "header of {len}");
        assert!(!disk.exists(&segment(3)));
        log.append(&[entry(2, 3, 1)]).unwrap();
        drop(log);
        assert_eq!(try_open(&disk).unwrap().1.last.index, LogIndex(3));
    }
}

#[test]
fn a_newer_format_and_the_one_before_are_refused_by_name() {
    let (disk, _) = half_flushed();
    let mut manifest = disk.bytes(&dir().join("manifest"));
    // The segments of version 1 have other names: without the refusal its log would be taken for an empty one.
    for other in [1, 9] {
        manifest[6] = other;
        let len = manifest.len();
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &manifest[..len - 4]) as u32;
        manifest[len - 4..].copy_from_slice(&crc.to_le_bytes());
        disk.put(&dir().join("manifest"), manifest.clone());
        let refused = try_open(&disk).map(|(_, recovered)| recovered);
        assert!(
            matches!(refused, Err(Fault::Unsupported { version, .. }) if version == u16::from(other)),
            "{refused:?}"
        );
    }
}

#[test]
fn segments_without_a_manifest_are_not_taken_for_a_new_log() {
    let (disk, _) = half_flushed();
    disk.remove(&dir().join("manifest"));
    assert_eq!(corruption(&disk).file, dir().join("manifest"));
}

#[test]
fn a_log_of_another_shard_is_refused() {
    let (disk, _) = half_flushed();
    let config = forebay_commitlog::LogConfig::new(forebay_model::ShardId(1), 0);
    assert!(Log::open(disk.arc(), &dir(), config).is_err());
}

#[test]
fn a_power_cut_while_the_log_is_made_leaves_nothing_in_the_way() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let disk = MemDisk::default();
        disk.fail_somehow(&mut dice, 16);
        let _ = try_open(&disk);
        disk.heal();
        let after = disk.power_cut(&mut dice);
        let (log, _) = try_open(&after).unwrap();
        assert_eq!(log.last_index(), LogIndex(0));
    }
}

#[test]
fn what_an_open_serves_is_on_the_medium() {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    log.append(&[entry(1, 1, 2), seal(1, 2), entry(1, 3, 2), entry(1, 4, 2)]).unwrap();
    drop(log);
    // The process died, the machine did not; what its page cache held counts from the next open on.
    let whole = disk.bytes(&segment(3));
    let (log, _) = open(&disk);
    assert_eq!(log.durable_index(), LogIndex(4));
    for seed in 0..20 {
        let after = disk.power_cut(&mut Dice(seed));
        assert_eq!(open(&after).1.last.index, LogIndex(4), "seed {seed}");
        assert_eq!(after.bytes(&segment(3)), whole);
    }
}

/// Random work with a power cut at a random place, again and again on one log: what was durable is there, what is there
/// was written, and the log goes on.
#[test]
fn nothing_durable_is_lost_in_any_power_cut() {
    let (mut cuts, mut torn, mut truncations) = (0, 0, 0);
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut disk = MemDisk::default();
        let zeros_ahead_bytes = [0, 60, 1000, 9000][seed as usize % 4];
        let config = || LogConfig { zeros_ahead_bytes, ..config() };
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        let mut durable = 0;
        let mut term = 1;
        for _ in 0..4 {
            let opened = Log::open(disk.arc(), &dir(), config());
            let (mut log, recovered) = opened.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
            let last = log.last_index().0;
            assert!(last >= durable, "seed {seed}: {last} < {durable}");
            torn += u64::from(recovered.cut.is_some());
            model.retain(|index, _| *index <= last);
            let expected: Vec<(u64, u64)> = model.iter().map(|(index, term)| (*term, *index)).collect();
            assert_eq!(contents(&log, 1), expected, "seed {seed}");
            assert_eq!(log.durable_index().0, last);
            let mut job = None;
            for _ in 0..dice.roll(25) {
                match dice.roll(10) {
                    0 => {
                        term += 1;
                        let from =
                            log.last_index().0.max(1) - dice.roll(4).min(log.last_index().0.max(1) - 1);
                        log.append(&[entry(term, from, 2)]).unwrap();
                        model.retain(|index, _| *index < from);
                        model.insert(from, term);
                        truncations += 1;
                    }
                    1 | 2 => job = job.or(log.begin_flush().unwrap()),
                    3 | 4 => {
                        if let Some(job) = job.take() {
                            let done = forebay_commitlog::FlushJob::run(job).unwrap();
                            log.flushed(done);
                        }
                    }
                    5 => {
                        let index = log.last_index().0 + 1;
                        log.append(&[seal(term, index)]).unwrap();
                        model.insert(index, term);
                    }
                    6 => job = job.or(log.record_durable(Occasion::Idle).unwrap()),
                    _ => {
                        let first = log.last_index().0 + 1;
                        let count = 1 + dice.roll(3);
                        let batch: Vec<_> = (first..first + count)
                            .map(|index| entry(term, index, dice.roll(4) as usize))
                            .collect();
                        log.append(&batch).unwrap();
                        model.extend(batch.iter().map(|entry| (entry.index.0, term)));
                    }
                }
            }
            durable = log.durable_index().0;
            drop(log);
            // Now and then only the process dies: what is in the page cache stays, and the next open flushes it.
            if dice.roll(3) > 0 {
                disk = disk.power_cut(&mut dice);
                cuts += 1;
            }
        }
    }
    assert!(
        cuts > 900 && torn > 100 && truncations > 100,
        "{cuts} cuts, {torn} torn, {truncations} truncations"
    );
}
