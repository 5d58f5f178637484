//! Reading: records by offset, offsets by time, ends of epochs.

use bytes::Bytes;

use crate::{LeaderEpoch, Offset, PartitionRef, ProducerId, Refusal, Timestamp, TopicId};

/// Reads from any number of partitions, waiting until there is enough.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// What to read; earlier items are filled first.
    pub items: Vec<FetchItem>,
    /// Answer as soon as this many bytes are there...
    pub bytes_min: u32,
    /// ...never with more than this (but always with one whole batch if there is any)...
    pub bytes_max: u32,
    /// ...or after this many milliseconds with what there is.
    pub wait_ms_max: u32,
    /// Which records are visible.
    pub isolation: Isolation,
}

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    Uncommitted,
    /// Up to the last stable offset.
    Committed,
}

/// One partition to read.
#[derive(Clone, Debug)]
pub struct FetchItem {
    /// Where from.
    pub partition: PartitionRef,
    /// First offset wanted; batches that contain it come whole.
    pub offset: Offset,
    /// Upper bound in bytes for this item, one whole batch always allowed.
    pub bytes_max: u32,
    /// The epoch the reader believes in, if it says so.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// The answer for one item.
pub type Fetched = Result<FetchedRecords, FetchRefusal>;

/// Why an item cannot be read, with the bounds where they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRefusal {
    /// The reason.
    pub refusal: Refusal,
}

/// What was read from one partition.
#[derive(Clone, Debug)]
pub struct FetchedRecords {
    /// The topic, for readers that asked by name.
    pub topic: TopicId,
    /// First readable offset.
    pub start_offset: Offset,
    /// High watermark: applied records end here.
    pub high_watermark: Offset,
    /// Records of completed transactions end here.
    pub last_stable_offset: Offset,
    /// For readers of [`Isolation::Committed`] records: transactions among these records that were aborted, each with its
    /// first record here; their records are to be passed over up to their marks.
    pub aborted: Vec<(ProducerId, Offset)>,
    /// Whole batches in offset order, stamped with base offset and leader epoch; pieces of one byte string.
    pub records: Vec<Bytes>,
}

impl FetchedRecords {
    /// Length of all pieces in bytes.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}

/// Looks up offsets by position or time.
#[derive(Clone, Debug)]
pub struct FindOffsets {
    /// What to look up.
    pub items: Vec<FindOffset>,
    /// Which records count.
    pub isolation: Isolation,
}

/// One look-up.
#[derive(Clone, Debug)]
pub struct FindOffset {
    /// Where.
    pub partition: PartitionRef,
    /// What.
    pub target: OffsetTarget,
    /// The epoch the reader believes in, if it says so.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetTarget {
    /// The first readable record.
    Earliest,
    /// The end.
    Latest,
    /// The first record whose timestamp is at least this.
    AtOrAfter(Timestamp),
    /// The record with the greatest timestamp.
    MaxTimestamp,
}

/// What was found: `None` when no record matches.
pub type FoundOffset = Result<Option<OffsetAt>, Refusal>;

/// An offset with its record's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAt {
    /// The offset.
    pub offset: Offset,
    /// Its timestamp, where one was looked for.
    pub timestamp: Option<Timestamp>,
    /// The epoch in which the record was appended, where known.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Asks where epochs end, so that a reader detects a truncated log.
#[derive(Clone, Debug)]
pub struct FindEpochEnds {
    /// What to look up.
    pub items: Vec<FindEpochEnd>,
}

/// One epoch of one partition.
#[derive(Clone, Debug)]
pub struct FindEpochEnd {
    /// Where.
    pub partition: PartitionRef,
    /// Whose end is wanted.
    pub epoch: LeaderEpoch,
    /// The epoch the reader believes in, if it says so.
    pub current_epoch: Option<LeaderEpoch>,
}

/// The greatest epoch not above the one asked for, and the offset behind its last record; `None` when there is none.
pub type FoundEpochEnd = Result<Option<EpochEnd>, Refusal>;

/// Where an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset behind its last record.
    pub end: Offset,
}
