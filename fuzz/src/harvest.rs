//! Seeds from what a broker wrote: the files of a data directory, and what lies inside its log.

use std::fs;
use std::path::Path;

use forebay_commitlog::{Body, Log, LogConfig, Slot, load_latest};
use forebay_env::Disk;
use forebay_machine::SectionKind;
use forebay_model::{LogIndex, ShardId};
use forebay_server::node_file::NODE_NAME;
use forebay_shard::entry::{SLOT_PART_LIST, SLOT_RECLAIM, SLOT_TURN, TurnHeader};
use forebay_shard::fuzz::SEGMENTS_SECTION;

use crate::corpus;
use crate::encoders;
use crate::targets::TARGETS;

/// The words behind `harvest`.
pub const USAGE: &str = "\
forebay-fuzz harvest DIR     takes seeds from the data directory DIR of a broker that has stopped, and from our
                             encoders, into target/fuzz/corpus; `distill` chooses what is worth committing
";

/// So much of a segment's front is a seed.
const SEGMENT_BYTES: usize = 3 * 1024;

/// Harvests the data directory of a stopped broker.
pub fn harvest(words: &[String]) -> Result<usize, String> {
    let [data_dir] = words else { return Err(USAGE.into()) };
    let mut basket = Basket::default();
    encoders::seeds().into_iter().try_for_each(|(target, seed)| basket.put(target, &seed))?;
    let listed = fs::read_dir(data_dir).map_err(|why| format!("{data_dir}: {why}"))?;
    for entry in listed.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(number) = name.strip_prefix("shard-").and_then(|number| number.parse().ok()) {
            shard(ShardId(number), &entry.path(), &mut basket)?;
        } else if name == NODE_NAME {
            basket.put("node-file", &fs::read(entry.path()).map_err(|why| format!("{name}: {why}"))?)?;
        }
    }
    println!("{} inputs below {}", basket.0, corpus::workshop().display());
    Ok(0)
}

/// Counts what it keeps.
#[derive(Default)]
struct Basket(usize);

impl Basket {
    fn put(&mut self, target: &str, seed: &[u8]) -> Result<(), String> {
        let known = TARGETS.iter().find(|t| t.name == target).ok_or_else(|| format!("no target {target}"))?;
        if seed.len() <= known.input_bytes_max {
            corpus::keep(&corpus::kept(target), seed)?;
            self.0 += 1;
        }
        Ok(())
    }
}

fn shard(shard: ShardId, dir: &Path, basket: &mut Basket) -> Result<(), String> {
    files(dir, basket)?;
    // Opening a log may repair it; what was given stays as it is.
    let copy = tempfile::tempdir().map_err(|why| why.to_string())?;
    for entry in fs::read_dir(dir).map_err(|why| why.to_string())?.filter_map(Result::ok) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).map_err(|why| why.to_string())?;
    }
    let disk = forebay_env::real::env().disk;
    sections(disk.as_ref(), copy.path(), basket)?;
    let (log, _) =
        Log::open(disk, copy.path(), LogConfig::new(shard, 0)).map_err(|fault| fault.to_string())?;
    inside(&log, basket)
}

/// Whole files, and the fronts of segments.
fn files(dir: &Path, basket: &mut Basket) -> Result<(), String> {
    for entry in fs::read_dir(dir).map_err(|why| why.to_string())?.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = fs::read(entry.path()).map_err(|why| why.to_string())?;
        let ending = name.rsplit('.').next().unwrap_or_default();
        match (name.as_str(), ending) {
            ("manifest", _) => basket.put("manifest", &bytes)?,
            ("hard-state" | "durable", _) => basket.put("hard-state", &bytes)?,
            (_, "seg") => basket.put("segment", &bytes[..bytes.len().min(SEGMENT_BYTES)])?,
            (_, "idx") => basket.put("sidecar", &bytes)?,
            (_, "run") => basket.put("directory", &bytes)?,
            (_, "ckpt") => basket.put("log-checkpoint", &bytes)?,
            _ => {}
        }
    }
    Ok(())
}

/// The machine's state in the current checkpoint.
fn sections(disk: &dyn Disk, dir: &Path, basket: &mut Basket) -> Result<(), String> {
    let Some(checkpoint) = load_latest(disk, dir).map_err(|fault| fault.to_string())? else { return Ok(()) };
    if let Some(list) = checkpoint.section(SEGMENTS_SECTION) {
        basket.put("reclaim-segments", list)?;
    }
    let of_machine = checkpoint.sections.into_iter().filter(|section| section.kind != SEGMENTS_SECTION);
    let sections: Vec<_> = of_machine.map(|section| (SectionKind(section.kind), section.bytes)).collect();
    basket.put("machine-checkpoint", &forebay_machine::fuzz::join(&sections))
}

/// Bodies of entries, and the slots that have a decoder. A rewritten segment lacks entries; that is no error here.
fn inside(log: &Log, basket: &mut Basket) -> Result<(), String> {
    let reader = log.reader();
    for segment in reader.segments() {
        let (mut index, end) = (segment.id.first, segment.last.map_or(segment.id.first, LogIndex::next));
        while index < end {
            if let Ok(entry) = reader.read_entry(index) {
                basket.put("entry-body", &entry.body)?;
                if let Ok(body) = Body::parse(entry.body) {
                    body.slots().try_for_each(|slot| slot_of(&slot, basket))?;
                }
            }
            index = index.next();
        }
    }
    Ok(())
}

fn slot_of(slot: &Slot, basket: &mut Basket) -> Result<(), String> {
    match slot.kind {
        SLOT_TURN => {
            let commands = TurnHeader::decode(&slot.bytes).map(|(_, commands)| commands);
            commands.map_or(Ok(()), |commands| basket.put("machine-commands", &commands))?;
            basket.put("turn", &slot.bytes)
        }
        SLOT_PART_LIST => basket.put("part-list", &slot.bytes),
        SLOT_RECLAIM => basket.put("reclaim-decision", &slot.bytes),
        _ => Ok(()),
    }
}
