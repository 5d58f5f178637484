//! The files of a shard as text, for people. Prints what it can read and then reports the damage it met.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use forebay_env::{Disk, OpenMode};
use forebay_model::{Position, ShardId};

use crate::block_cache::BlockCache;
use crate::body::lines;
use crate::checkpoint::{CheckpointFile, parse_checkpoint_name};
use crate::directory::{Cover, DirectoryFile, Line};
use crate::durable::{self, DURABLE_MAGIC, DURABLE_NAME};
use crate::entry::EntryKind;
use crate::fault::{Action, Fault};
use crate::hard_state::{self, HARD_STATE_MAGIC, HARD_STATE_NAME};
use crate::index_entry::PlacedEntry;
use crate::journal::Record;
use crate::journal::batch::{BatchReader, JournalId};
use crate::limits::{BLOCK_CACHE_BYTES_DEFAULT, MANIFEST_BYTES_MAX};
use crate::manifest::{MANIFEST_NAME, Manifest, read_whole};
use crate::scan::{Depth, LocalCheck, Scanner, Step, only_zeros};
use crate::segment::{Generation, SEGMENT_HEADER_BYTES, SegmentId, check_header, shard_in_header};
use crate::sidecar::Sidecar;
use crate::slots::copies;

/// Why a dump ended early.
#[derive(Debug)]
pub enum DumpError {
    /// The file cannot be read, or is damaged; what is before the damage was printed.
    Fault(Fault),
    /// The output refused more text.
    Output(io::Error),
    /// The file's name is none of a shard's directory.
    UnknownName(String),
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::Fault(fault) => fault.fmt(f),
            DumpError::Output(error) => write!(f, "cannot write the text: {error}"),
            DumpError::UnknownName(name) => write!(f, "{name} is not the name of a file of a shard"),
        }
    }
}

impl std::error::Error for DumpError {}

impl From<Fault> for DumpError {
    fn from(fault: Fault) -> DumpError {
        DumpError::Fault(fault)
    }
}

impl From<io::Error> for DumpError {
    fn from(error: io::Error) -> DumpError {
        DumpError::Output(error)
    }
}

/// Writes the file at `path` as text: a segment, sidecar, directory file, checkpoint, manifest, hard state or durable file, or
/// one of the journal, told by its name.
pub fn dump(disk: &dyn Disk, path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let shard = ShardId(0);
    if SegmentId::parse(shard, &name, ".seg").is_some() {
        dump_segment(disk, path, &name, out)
    } else if SegmentId::parse(shard, &name, ".idx").is_some() {
        dump_sidecar(disk, path, out)
    } else if let Some(cover) = Cover::parse(&name) {
        dump_directory(disk, path, cover, out)
    } else if parse_checkpoint_name(&name).is_some() {
        dump_checkpoint(disk, path, out)
    } else if let Some(id) = JournalId::parse(&name) {
        dump_journal(disk, path, id, out)
    } else {
        match &*name {
            MANIFEST_NAME => dump_manifest(disk, path, out),
            HARD_STATE_NAME => dump_slots(disk, path, HARD_STATE_MAGIC, out, |record| {
                hard_state::decode(record, path).map(|state| format!("{state:?}"))
            }),
            DURABLE_NAME => dump_slots(disk, path, DURABLE_MAGIC, out, |record| {
                durable::decode(record, path).map(|record| format!("{record:?}"))
            }),
            _ => Err(DumpError::UnknownName(name)),
        }
    }
}

fn dump_journal(disk: &dyn Disk, path: &Path, id: JournalId, out: &mut dyn Write) -> Result<(), DumpError> {
    let file = disk.open(path, OpenMode::Read).map_err(Fault::io(Action::Open, path))?;
    let mut reader = BatchReader::new(id, &*file, path)?;
    writeln!(out, "journal file {}", id.number)?;
    while let Some(batch) = reader.step()? {
        writeln!(out, "batch {}", batch.sequence)?;
        for record in batch.records {
            match record {
                Record::Bytes(piece) => writeln!(
                    out,
                    "  shard {} segment {}: {} bytes at {}",
                    piece.shard,
                    piece.segment,
                    piece.bytes.len(),
                    piece.position
                )?,
                Record::Void(shard) => writeln!(out, "  shard {shard}: nothing before this counts")?,
            }
        }
    }
    Ok(())
}

fn dump_segment(disk: &dyn Disk, path: &Path, name: &str, out: &mut dyn Write) -> Result<(), DumpError> {
    let file = disk.open(path, OpenMode::Read).map_err(Fault::io(Action::Open, path))?;
    let len = file.len().map_err(Fault::io(Action::Measure, path))?;
    let mut header = vec![0; usize::try_from(len.min(SEGMENT_HEADER_BYTES)).expect("small")];
    file.read_exact_at(&mut header, 0).map_err(Fault::io(Action::Read, path))?;
    let shard = shard_in_header(&header).unwrap_or_default();
    let id = SegmentId::parse(shard, name, ".seg").expect("checked by the caller");
    check_header(&header, id, path)?;
    writeln!(out, "segment {id}: {len} bytes")?;
    let span = (SEGMENT_HEADER_BYTES, len);
    let mut scanner = Scanner::new(&*file, path, id, LocalCheck::Ignore, span, None);
    // Only what nobody sealed has zeros at its end.
    let mut open = id.generation == Generation::APPENDED;
    loop {
        let found = match scanner.step(Depth::Full)? {
            Step::Entry(found) => found,
            Step::End => return Ok(()),
            Step::Bad(_) if open && only_zeros(&*file, path, (scanner.position(), len))? => {
                writeln!(out, "{:>12}  zeros, to be written over", scanner.position())?;
                return Ok(());
            }
            Step::Bad(what) => return Err(Fault::corrupt(path, scanner.position(), what).into()),
        };
        let header = found.header;
        open &= header.kind != EntryKind::Seal;
        writeln!(
            out,
            "{:>12}  entry {} term {} {:?}: {} slots, {} bytes, durable {}",
            found.position,
            header.index,
            header.term,
            header.kind,
            header.slot_count,
            header.body_len,
            header.durable
        )?;
        for line in lines(&scanner.prefix(&found)?) {
            writeln!(
                out,
                "{:>12}  slot {} kind {}: {} bytes, crc {:08x}",
                "", line.number, line.kind.0, line.len, line.crc
            )?;
        }
    }
}

fn dump_sidecar(disk: &dyn Disk, path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let file = disk.open(path, OpenMode::Read).map_err(Fault::io(Action::Open, path))?;
    let sidecar = Sidecar::of_any_segment(file, path, &BlockCache::new(BLOCK_CACHE_BYTES_DEFAULT))?;
    let summary = sidecar.summary();
    writeln!(
        out,
        "sidecar of segment {}: last entry {} term {}, {} bytes, digest {:016x}, {} bytes alive",
        summary.id,
        summary.last.index,
        summary.last.term,
        summary.bytes,
        summary.content_digest,
        summary.live_bytes
    )?;
    for point in sidecar.terms()? {
        writeln!(out, "term {} from entry {}", point.term, point.index)?;
    }
    for position in sidecar.all_positions() {
        let (index, position) = position?;
        writeln!(out, "entry {index} at {position}")?;
    }
    sidecar.for_each_partition::<DumpError>(|run| {
        writeln!(
            out,
            "partition {}: offsets {}..{}, {} index entries, {} bytes alive, timestamps to {}",
            run.partition, run.first_offset, run.end_offset, run.entries, run.live_bytes, run.max_timestamp
        )?;
        Ok(())
    })?;
    sidecar.for_each_placed::<DumpError>(|PlacedEntry { entry, place }| {
        writeln!(
            out,
            "partition {} offsets {}..{}: entry {} slot {}{} from record {}, {} bytes, timestamps to {}, expires {}",
            entry.partition,
            entry.first_offset,
            entry.end_offset(),
            entry.log_index,
            entry.slot,
            place.map_or_else(String::new, |at| format!(" ({}..{})", at.position, at.end())),
            entry.first_position,
            entry.bytes,
            entry.max_timestamp,
            if entry.earliest_expiry == i64::MAX { "never".to_owned() } else { entry.earliest_expiry.to_string() }
        )?;
        Ok(())
    })
}

fn dump_directory(disk: &dyn Disk, path: &Path, cover: Cover, out: &mut dyn Write) -> Result<(), DumpError> {
    let cache = BlockCache::new(BLOCK_CACHE_BYTES_DEFAULT);
    let dir = path.parent().unwrap_or(Path::new(""));
    let shard = Manifest::load(disk, dir)?.map_or(ShardId(0), |manifest| manifest.shard);
    let file = DirectoryFile::open(disk, dir, shard, cover, &cache)?;
    writeln!(out, "directory of segments {}..={}, tier {}", cover.from, cover.to, cover.tier)?;
    for record in file.run.records_from(0) {
        let line = Line::decode(&record?);
        writeln!(
            out,
            "partition {} offsets {}..{}: segment {}",
            line.partition, line.first_offset, line.end_offset, line.segment
        )?;
    }
    Ok(())
}

fn dump_checkpoint(disk: &dyn Disk, path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let file = disk.open(path, OpenMode::Read).map_err(Fault::io(Action::Open, path))?;
    let checkpoint = CheckpointFile::of_any_shard(file, path.to_path_buf())?;
    let meta = checkpoint.meta();
    writeln!(
        out,
        "checkpoint at entry {} term {}: commit {}, machine version {}, sidecars up to {}, configuration {} bytes",
        meta.index,
        meta.term,
        meta.commit,
        meta.machine_version,
        meta.sidecars_up_to,
        meta.conf.len()
    )?;
    for (kind, len) in checkpoint.section_lengths() {
        writeln!(out, "section {kind}: {len} bytes")?;
    }
    checkpoint.load()?;
    Ok(())
}

fn dump_manifest(disk: &dyn Disk, path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let manifest = Manifest::decode(&read_file(disk, path)?, path)?;
    writeln!(out, "manifest {} of shard {}", manifest.sequence, manifest.shard)?;
    writeln!(out, "floor: entry {} term {}", manifest.floor.index, manifest.floor.term)?;
    match manifest.checkpoint {
        Some(point) => writeln!(out, "checkpoint: entry {} term {}", point.index, point.term)?,
        None => writeln!(out, "checkpoint: none")?,
    }
    if manifest.installing {
        writeln!(out, "an install is under way")?;
    }
    for id in &manifest.segments {
        writeln!(out, "segment {id}")?;
    }
    writeln!(out, "and those that begin at entry {} or behind", manifest.tail_first)?;
    Ok(())
}

fn dump_slots(
    disk: &dyn Disk,
    path: &Path,
    magic: [u8; 6],
    out: &mut dyn Write,
    text: impl Fn(&[u8]) -> Result<String, Fault>,
) -> Result<(), DumpError> {
    let bytes = read_file(disk, path)?;
    for (position, copy) in copies(&bytes, magic) {
        match copy {
            Some((sequence, record)) => {
                writeln!(out, "{:>12}  number {sequence}: {}", Position(position as u64), text(record)?)?;
            }
            None => writeln!(out, "{:>12}  no record", Position(position as u64))?,
        }
    }
    Ok(())
}

fn read_file(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, Fault> {
    let bytes = read_whole(disk, path, MANIFEST_BYTES_MAX)?;
    bytes.ok_or_else(|| Fault::io(Action::Open, path)(io::ErrorKind::NotFound.into()))
}
