//! The records of a sidecar that its callers see: index entries, and what a segment holds of a partition.

use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber, Timestamp};

use crate::cursor::Cursor;
use crate::places::SlotPlace;
use crate::run::{Kind, Unsorted};
use crate::segment::SegmentId;

pub(crate) const ENTRIES: Kind = Kind { record: 72, key: 16 };
/// Of sidecars of version 2: the same without places.
pub(crate) const ENTRIES_2: Kind = Kind { record: 56, key: 16 };
/// Instead of a position: the segment has no such slot.
const NOWHERE: u64 = u64::MAX;
pub(crate) const PARTITIONS: Kind = Kind { record: 64, key: 8 };

/// One line of a partition's index: a run of records with consecutive offsets in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The partition.
    pub partition: PartitionId,
    /// The offset of the first record.
    pub first_offset: Offset,
    /// How many offsets it covers; at least one.
    pub count: u32,
    /// The log entry with the bytes.
    pub log_index: LogIndex,
    /// The slot in it.
    pub slot: SlotNumber,
    /// Which record of the slot is the first.
    pub first_position: u32,
    /// Bytes that it accounts for.
    pub bytes: u32,
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// When the first of its records expires, in milliseconds since 1970; `i64::MAX` for never.
    pub earliest_expiry: i64,
}

impl IndexEntry {
    /// The offset behind the last one.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        Offset(self.first_offset.0.saturating_add(u64::from(self.count)))
    }

    /// The record of an entry whose slot stands at `place`.
    pub(crate) fn encode(&self, place: Option<SlotPlace>) -> [u8; ENTRIES.record] {
        let mut out = [0; ENTRIES.record];
        out[0..16].copy_from_slice(&entry_key(self.partition, self.first_offset));
        out[16..20].copy_from_slice(&self.count.to_le_bytes());
        out[20..24].copy_from_slice(&self.slot.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.log_index.0.to_le_bytes());
        out[32..36].copy_from_slice(&self.first_position.to_le_bytes());
        out[36..40].copy_from_slice(&self.bytes.to_le_bytes());
        out[40..48].copy_from_slice(&self.max_timestamp.0.to_le_bytes());
        out[48..56].copy_from_slice(&self.earliest_expiry.to_le_bytes());
        let (position, bytes, crc) = place.map_or((NOWHERE, 0, 0), |at| (at.position, at.bytes, at.crc));
        out[56..64].copy_from_slice(&position.to_le_bytes());
        out[64..68].copy_from_slice(&bytes.to_le_bytes());
        out[68..72].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(record: &[u8]) -> IndexEntry {
        let mut cursor = Cursor::new(record);
        let mut fields = || {
            Some(IndexEntry {
                partition: PartitionId(u64::from_be_bytes(cursor.array()?)),
                first_offset: Offset(u64::from_be_bytes(cursor.array()?)),
                count: cursor.u32()?,
                slot: SlotNumber(cursor.u32()?),
                log_index: LogIndex(cursor.u64()?),
                first_position: cursor.u32()?,
                bytes: cursor.u32()?,
                max_timestamp: Timestamp(cursor.u64()?.cast_signed()),
                earliest_expiry: cursor.u64()?.cast_signed(),
            })
        };
        fields().expect("a record has its kind's length")
    }
}

pub(crate) fn entry_key(partition: PartitionId, offset: Offset) -> [u8; ENTRIES.key] {
    let mut key = [0; ENTRIES.key];
    key[..8].copy_from_slice(&partition.0.to_be_bytes());
    key[8..].copy_from_slice(&offset.0.to_be_bytes());
    key
}

/// An index entry, and where the bytes of its slot stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedEntry {
    /// The entry.
    pub entry: IndexEntry,
    /// Not known to sidecars of version 2, and of a slot that is not there.
    pub place: Option<SlotPlace>,
}

impl PlacedEntry {
    /// Reads the record of an entry of `segment`, of either version.
    pub(crate) fn decode(record: &[u8], segment: SegmentId) -> PlacedEntry {
        let (entry, place) = record.split_at(ENTRIES_2.record);
        let mut cursor = Cursor::new(place);
        let mut fields = || {
            let (position, bytes, crc) = (cursor.u64()?, cursor.u32()?, cursor.u32()?);
            Some(SlotPlace { segment, position, bytes, crc })
        };
        let place = fields().filter(|place| place.position != NOWHERE);
        PlacedEntry { entry: IndexEntry::decode(entry), place }
    }
}

/// What one segment holds of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRun {
    /// The partition.
    pub partition: PartitionId,
    /// The first offset here.
    pub first_offset: Offset,
    /// The offset behind the last one here.
    pub end_offset: Offset,
    /// How many index entries there are.
    pub entries: u64,
    /// Bytes that they account for.
    pub live_bytes: u64,
    /// The largest timestamp.
    pub max_timestamp: Timestamp,
    /// When the first record expires; `i64::MAX` for never.
    pub earliest_expiry: i64,
    pub(crate) first_record: u64,
}

impl PartitionRun {
    fn new(entry: &IndexEntry, first_record: u64) -> PartitionRun {
        PartitionRun {
            partition: entry.partition,
            first_offset: entry.first_offset,
            end_offset: entry.first_offset,
            entries: 0,
            live_bytes: 0,
            max_timestamp: entry.max_timestamp,
            earliest_expiry: entry.earliest_expiry,
            first_record,
        }
    }

    /// Takes in the next entry of the partition; refuses one that overlaps the last.
    fn add(&mut self, entry: &IndexEntry) -> Result<(), Unsorted> {
        if entry.first_offset < self.end_offset {
            return Err(Unsorted);
        }
        self.end_offset = entry.end_offset();
        self.entries += 1;
        self.live_bytes += u64::from(entry.bytes);
        self.max_timestamp = self.max_timestamp.max(entry.max_timestamp);
        self.earliest_expiry = self.earliest_expiry.min(entry.earliest_expiry);
        Ok(())
    }

    pub(crate) fn encode(&self) -> [u8; PARTITIONS.record] {
        let mut out = [0; PARTITIONS.record];
        out[0..8].copy_from_slice(&self.partition.0.to_be_bytes());
        let words = [
            self.first_record,
            self.entries,
            self.first_offset.0,
            self.end_offset.0,
            self.live_bytes,
            self.max_timestamp.0.cast_unsigned(),
            self.earliest_expiry.cast_unsigned(),
        ];
        for (word, out) in words.iter().zip(out[8..].as_chunks_mut::<8>().0) {
            *out = word.to_le_bytes();
        }
        out
    }

    pub(crate) fn decode(record: &[u8]) -> PartitionRun {
        let mut cursor = Cursor::new(record);
        let mut fields = || {
            Some(PartitionRun {
                partition: PartitionId(u64::from_be_bytes(cursor.array()?)),
                first_record: cursor.u64()?,
                entries: cursor.u64()?,
                first_offset: Offset(cursor.u64()?),
                end_offset: Offset(cursor.u64()?),
                live_bytes: cursor.u64()?,
                max_timestamp: Timestamp(cursor.u64()?.cast_signed()),
                earliest_expiry: cursor.u64()?.cast_signed(),
            })
        };
        fields().expect("a record has its kind's length")
    }
}

/// What a segment holds of each partition, gathered from its index entries in their order.
#[derive(Default)]
pub(crate) struct PartitionRuns {
    runs: Vec<PartitionRun>,
    entries: u64,
}

impl PartitionRuns {
    /// Takes in the next entry; refuses one of a partition that overlaps the last.
    pub(crate) fn add(&mut self, entry: &IndexEntry) -> Result<(), Unsorted> {
        if self.runs.last().is_none_or(|run| run.partition != entry.partition) {
            self.runs.push(PartitionRun::new(entry, self.entries));
        }
        self.entries += 1;
        self.runs.last_mut().expect("just made").add(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &PartitionRun> {
        self.runs.iter()
    }
}
