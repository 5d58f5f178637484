//! Scrubbing, verifying and printing what is on disk, and the decoders under random bytes.

mod support;

use std::path::PathBuf;

use forebay_commitlog::{
    CheckpointMeta, DumpError, Fault, Generation, Log, Occasion, Reader, ScrubProgress, Section, SegmentId,
    dump, fuzz, verify_dir,
};
use forebay_model::{LogIndex, Term};
use support::*;

fn id(first: u64) -> SegmentId {
    SegmentId { shard: SHARD, first: LogIndex(first), generation: Generation::APPENDED }
}

/// Nine segments with sidecars, a directory file, a checkpoint, and a tail; stopped in good order.
fn whole() -> MemDisk {
    let disk = MemDisk::default();
    let (mut log, _) = open(&disk);
    for _ in 0..9 {
        let id = sealed_segment(&mut log, 1, 10);
        let entries = (0..10).map(|i| index_entry(i % 3, id.first.0 * 100 + i * 10, 4, id.first.0 + i));
        let mut entries: Vec<_> = entries
            .map(|entry| forebay_commitlog::IndexEntry { slot: forebay_model::SlotNumber(1), ..entry })
            .collect();
        entries.sort_by_key(|entry| (entry.partition, entry.first_offset));
        log.keeper().write_sidecar(id, entries).unwrap();
    }
    while log.keeper().merge_directory().unwrap() {}
    fill(&mut log, 2, 100..=103);
    flush(&mut log);
    let meta = CheckpointMeta {
        index: LogIndex(102),
        term: Term(2),
        commit: LogIndex(103),
        machine_version: 1,
        ..CheckpointMeta::default()
    };
    let keeper = log.keeper();
    let section = Section { kind: 1, bytes: vec![7; 100_000].into() };
    keeper.adopt(keeper.write_checkpoint(&meta, &[section]).unwrap()).unwrap();
    let done = log.record_durable(Occasion::CleanStop).unwrap().unwrap().run().unwrap();
    log.flushed(done);
    disk
}

fn scrub(reader: &Reader, id: SegmentId, budget: u64) -> (Result<u64, Fault>, usize) {
    let mut scrub = reader.scrub(id).unwrap();
    for steps in 1.. {
        match scrub.step(budget) {
            Ok(ScrubProgress::More) => {}
            Ok(ScrubProgress::Done { bytes }) => return (Ok(bytes), steps),
            Err(fault) => return (Err(fault), steps),
        }
    }
    unreachable!()
}

#[test]
fn a_scrub_reads_everything_in_steps_of_any_size() {
    let disk = whole();
    let (log, _) = open(&disk);
    let reader = log.reader();
    let (all, one) = scrub(&reader, id(1), u64::MAX);
    let all = all.unwrap();
    let files = disk.bytes(&dir().join(id(1).file_name())).len()
        + disk.bytes(&dir().join(id(1).sidecar_name())).len();
    assert_eq!((all, one), (files as u64, 1));
    let (bytes, steps) = scrub(&reader, id(1), 300);
    assert_eq!(bytes.unwrap(), all);
    assert!(steps > 5, "{steps}");
    assert!(reader.scrub(id(100)).is_none(), "the active segment is not scrubbed");
}

#[test]
fn a_scrub_names_every_flipped_bit() {
    let disk = whole();
    for name in [id(12).file_name(), id(12).sidecar_name()] {
        let path = dir().join(name);
        let len = disk.bytes(&path).len();
        for byte in (0..len).step_by(if len > 5000 { 101 } else { 3 }) {
            let bad = disk.copy();
            let (log, _) = open(&bad);
            // Changed under the running log, as a medium does it.
            drop(log);
            bad.flip(&path, byte * 8 + byte % 8);
            match Log::open(bad.arc(), &dir(), config()) {
                Err(fault) => assert!(fault.to_string().contains(&*path.to_string_lossy())),
                Ok((log, _)) => {
                    let fault = scrub(&log.reader(), id(12), 500).0.unwrap_err();
                    assert!(
                        matches!(fault, Fault::Corrupt(corruption) if corruption.file == path),
                        "byte {byte}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_whole_directory_verifies() {
    let disk = whole();
    let before = disk.take_trace();
    let report = verify_dir(&disk, &dir()).unwrap();
    assert!(!before.is_empty() && disk.take_trace().is_empty(), "verifying changes nothing");
    assert!(report.is_sound() && report.suspect.is_empty(), "{report:?}");
    assert_eq!((report.segments, report.entries, report.last), (10, 103, LogIndex(103)));
    assert_eq!((report.unfinished, report.without_sidecar.len()), (None, 0));
}

#[test]
fn damage_in_any_file_is_listed_with_its_file() {
    let disk = whole();
    let mut names: Vec<PathBuf> = Vec::new();
    for ending in [".seg", ".idx", ".run", ".ckpt", "manifest", "hard-state", "durable"] {
        names.extend(disk.names(&dir(), ending));
    }
    assert_eq!(names.len(), 10 + 9 + 1 + 1 + 3);
    for name in names {
        let len = disk.bytes(&name).len();
        for at in 0..7 {
            let bad = disk.copy();
            let byte = at * (len - 1) / 6;
            bad.flip(&name, byte * 8);
            let report = verify_dir(&bad, &dir()).unwrap();
            let found: Vec<_> =
                report.damage.iter().chain(&report.suspect).map(|found| &found.file).collect();
            let never_written =
                name.ends_with("hard-state") && disk.bytes(&name)[byte] == 0 && report.is_sound();
            assert!(found.contains(&&name) || never_written, "{} byte {byte}: {report:?}", name.display());
        }
        if name.to_string_lossy().ends_with(".run") {
            continue;
        }
        let bad = disk.copy();
        bad.remove(&name);
        assert!(
            !verify_dir(&bad, &dir()).map(|report| report.is_sound()).unwrap_or(false),
            "{}",
            name.display()
        );
    }
}

#[test]
fn an_unfinished_write_is_no_damage() {
    let disk = whole();
    let (mut log, _) = open(&disk);
    fill(&mut log, 2, 104..=105);
    drop(log);
    let name = disk.names(&dir(), ".seg").pop().unwrap();
    let bytes = disk.bytes(&name);
    disk.put(&name, bytes[..bytes.len() - 1].to_vec());
    let report = verify_dir(&disk, &dir()).unwrap();
    assert!(report.is_sound());
    assert_eq!(report.unfinished.unwrap().file, name);
    assert_eq!(report.last, LogIndex(104));
}

fn text(disk: &MemDisk, name: &str) -> String {
    let mut out = Vec::new();
    dump(disk, &dir().join(name), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_file_prints() {
    let disk = whole();
    let segment = text(&disk, &id(1).file_name());
    assert!(segment.starts_with("segment 0/1-0: "), "{segment}");
    assert!(segment.contains("entry 3 term 1 Normal: 2 slots") && segment.contains("entry 11 term 1 Seal"));
    let sidecar = text(&disk, &id(12).sidecar_name());
    assert!(
        sidecar.contains("term 1 from entry 12") && sidecar.contains("partition 2: offsets"),
        "{sidecar}"
    );
    assert!(text(&disk, "manifest").contains("checkpoint: entry 102 term 2"));
    assert!(text(&disk, "hard-state").contains("vote: 0"));
    assert!(text(&disk, "durable").contains("clean_stop: true"));
    assert!(text(&disk, "checkpoint-00000000000000000102.ckpt").contains("section 1: 100000 bytes"));
    let run = disk.names(&dir(), ".run")[0].clone();
    assert!(text(&disk, &run.file_name().unwrap().to_string_lossy()).contains("segment 12\n"));
    let foreign = dump(&disk, &dir().join("notes.txt"), &mut Vec::new());
    assert!(matches!(foreign, Err(DumpError::UnknownName(_))));
    // What is before the damage is printed.
    disk.flip(&dir().join(id(1).file_name()), 8 * 700);
    let mut out = Vec::new();
    let error = dump(&disk, &dir().join(id(1).file_name()), &mut out).unwrap_err();
    assert!(error.to_string().contains("is damaged at position"), "{error}");
    assert!(String::from_utf8(out).unwrap().contains("entry 1 term 1"));
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let disk = whole();
    let mut dice = Dice(11);
    let mut seeds: Vec<Vec<u8>> = vec![entry(1, 1, 3).body.to_vec()];
    for ending in [".seg", ".idx", ".run", ".ckpt", "manifest", "hard-state"] {
        seeds.push(disk.bytes(&disk.names(&dir(), ending)[0]));
    }
    let targets: [fn(&[u8]); 7] = [
        fuzz::body,
        fuzz::segment,
        fuzz::sidecar,
        fuzz::directory,
        fuzz::checkpoint,
        fuzz::manifest,
        fuzz::hard_state,
    ];
    for round in 0..3000 {
        let mut data = seeds[dice.roll(seeds.len() as u64) as usize].clone();
        for _ in 0..dice.roll(6) {
            let at = dice.roll(data.len() as u64) as usize;
            match dice.roll(4) {
                0 => data.truncate(at + 1),
                1 => data[at] = 255,
                2 => data[at] = 0,
                _ => data[at] ^= 1 << dice.roll(8),
            }
        }
        if round % 50 == 0 {
            data = (0..dice.roll(300)).map(|_| dice.roll(256) as u8).collect();
        }
        targets.iter().for_each(|target| target(&data));
    }
}
