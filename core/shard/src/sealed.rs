//! The index entries of sealed segments, in sidecars on disk. Blocks.

use forebay_commitlog::{IndexEntry as Line, PlacedEntry, Reader, SlotPlace};
use forebay_machine::IndexEntry;
use forebay_model::{LogTime, Offset, PartitionId};

use crate::archive::ArchiveError;

/// An entry, and where its slot stands if a sidecar says so.
pub(crate) struct Indexed {
    pub(crate) entry: IndexEntry,
    pub(crate) place: Option<SlotPlace>,
}

/// Up to `limit` entries of `partition` from the one that holds `offset` on, of one segment; none when no sealed segment
/// has any.
pub(crate) fn entries(
    reader: &Reader,
    partition: PartitionId,
    offset: Offset,
    limit: usize,
) -> Result<Vec<Indexed>, ArchiveError> {
    let Some(located) = reader.locate(partition, offset).map_err(ArchiveError::fault)? else {
        return Ok(Vec::new());
    };
    let lines = located.sidecar.scan_placed(partition, offset, limit).map_err(ArchiveError::fault)?;
    let indexed =
        |PlacedEntry { entry: line, place }: &PlacedEntry| Indexed { entry: entry(line), place: *place };
    Ok(lines.iter().map(indexed).collect())
}

pub(crate) fn entry(line: &Line) -> IndexEntry {
    IndexEntry {
        partition: line.partition,
        first_offset: line.first_offset,
        count: line.count,
        log_index: line.log_index,
        slot: line.slot,
        first_position: line.first_position,
        bytes: line.bytes,
        max_timestamp: line.max_timestamp,
        earliest_expiry: (line.earliest_expiry != i64::MAX).then_some(LogTime(line.earliest_expiry)),
        // A payload above the size of a part is found through the list in its slot.
        parts: Vec::new(),
    }
}

/// The line of a sidecar for an entry.
pub(crate) fn line(entry: &IndexEntry) -> Line {
    Line {
        partition: entry.partition,
        first_offset: entry.first_offset,
        count: entry.count,
        log_index: entry.log_index,
        slot: entry.slot,
        first_position: entry.first_position,
        bytes: entry.bytes,
        max_timestamp: entry.max_timestamp,
        earliest_expiry: entry.earliest_expiry.map_or(i64::MAX, |time| time.0),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use forebay_commitlog::{Generation, SegmentId};
    use forebay_model::{LogIndex, ShardId, SlotNumber, Timestamp};

    use super::*;

    /// A slot of the segment that begins with the entry `first`.
    pub(crate) fn place(first: u64, position: u64, bytes: u32) -> SlotPlace {
        let segment = SegmentId { shard: ShardId(0), first: LogIndex(first), generation: Generation(0) };
        SlotPlace { segment, position, bytes, crc: 0 }
    }

    /// An entry whose slot stands there.
    pub(crate) fn indexed_at(place: Option<SlotPlace>) -> Indexed {
        let bytes = place.map_or(0, |place| place.bytes);
        Indexed { place, ..indexed(LogIndex(1), bytes, None) }
    }

    /// A batch of `bytes` bytes in entry `log_index`, at a position of segment 1 if that is known.
    pub(crate) fn indexed(log_index: LogIndex, bytes: u32, position: Option<u64>) -> Indexed {
        let entry = IndexEntry {
            partition: PartitionId(1),
            first_offset: Offset(0),
            count: 1,
            log_index,
            slot: SlotNumber(1),
            first_position: 0,
            bytes,
            max_timestamp: Timestamp(0),
            earliest_expiry: None,
            parts: Vec::new(),
        };
        Indexed { entry, place: position.map(|position| place(1, position, bytes)) }
    }
}
