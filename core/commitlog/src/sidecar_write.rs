//! Writes the sidecar of a segment, from the segment's own headers and the caller's index entries.

use std::path::Path;
use std::sync::Arc;

use forebay_env::Disk;
use forebay_model::LogIndex;

use crate::block_cache::{BlockCache, CachedFile};
use crate::fault::Fault;
use crate::index_entry::{ENTRIES, IndexEntry, PARTITIONS, PartitionRuns};
use crate::places::PlaceTable;
use crate::run::{Kind, RunFile, Shape, Unsorted};
use crate::segment::SegmentId;
use crate::sidecar::{Footer, POSITIONS, SegmentSummary, Sidecar, TERMS, encode_footer, encode_pair};
use crate::terms::Point;

/// Why a sidecar was not written.
#[derive(Clone, Debug)]
pub(crate) enum WriteError {
    Fault(Fault),
    Unsorted,
    Foreign(LogIndex),
}

impl From<Fault> for WriteError {
    fn from(fault: Fault) -> WriteError {
        WriteError::Fault(fault)
    }
}

/// What a sidecar says of the log entries of its segment.
pub(crate) struct SegmentFacts {
    pub(crate) id: SegmentId,
    pub(crate) last: Point,
    pub(crate) bytes: u64,
    pub(crate) content_digest: u64,
    pub(crate) positions: Vec<(LogIndex, u64)>,
    pub(crate) terms: Vec<Point>,
    pub(crate) places: PlaceTable,
}

/// Writes the sidecar of a segment: beside, flushed, renamed, the name flushed. `entries` come sorted by partition and
/// offset.
pub(crate) fn write_sidecar(
    disk: &dyn Disk,
    dir: &Path,
    facts: &SegmentFacts,
    entries: impl IntoIterator<Item = IndexEntry>,
    cache: &Arc<BlockCache>,
) -> Result<Sidecar, WriteError> {
    let mut file = RunFile::create(disk, dir, facts.id.sidecar_name())?;
    let pairs = facts.positions.iter().map(|(index, position)| encode_pair(index.0, *position));
    let positions = write_pairs(&mut file, POSITIONS, pairs)?;
    let pairs = facts.terms.iter().map(|point| encode_pair(point.index.0, point.term.0));
    let terms = write_pairs(&mut file, TERMS, pairs)?;

    let mut writer = file.run(ENTRIES);
    let mut runs = PartitionRuns::default();
    for entry in entries {
        if entry.log_index < facts.id.first || entry.log_index > facts.last.index || entry.count == 0 {
            return Err(WriteError::Foreign(entry.log_index));
        }
        runs.add(&entry).map_err(|Unsorted| WriteError::Unsorted)?;
        let place = facts.places.find(entry.log_index, entry.slot);
        writer.push(&entry.encode(place))?.map_err(|Unsorted| WriteError::Unsorted)?;
    }
    let entries = writer.finish()?;

    let mut writer = file.run(PARTITIONS);
    for run in runs.iter() {
        writer.push(&run.encode())?.map_err(|Unsorted| WriteError::Unsorted)?;
    }
    let partitions = writer.finish()?;

    let summary = SegmentSummary {
        id: facts.id,
        last: facts.last,
        bytes: facts.bytes,
        content_digest: facts.content_digest,
        live_bytes: runs.iter().map(|run| run.live_bytes).sum(),
        entries: positions.records,
        index_entries: entries.records,
        partitions: partitions.records,
    };
    let footer = Footer { summary, shapes: [positions, terms, entries, partitions] };
    let file = file.finish(&encode_footer(&footer))?;
    let path = dir.join(facts.id.sidecar_name());
    Ok(Sidecar::just_written(footer, CachedFile::new(file, path, cache.clone())))
}

fn write_pairs(
    file: &mut RunFile<'_>,
    kind: Kind,
    pairs: impl Iterator<Item = [u8; 16]>,
) -> Result<Shape, WriteError> {
    let mut writer = file.run(kind);
    for pair in pairs {
        writer.push(&pair)?.map_err(|Unsorted| WriteError::Unsorted)?;
    }
    Ok(writer.finish()?)
}
