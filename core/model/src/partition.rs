//! Partitions as they are stored: what they hold, who writes to them, and trimming them by hand.

use crate::{BatchSequence, Offset, PartitionRef, ProducerEpoch, ProducerId, Refusal, Timestamp};

/// Trims partitions; each by itself.
#[derive(Clone, Debug)]
pub struct TrimPartitions {
    /// Which.
    pub items: Vec<TrimPartition>,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// A partition to trim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrimPartition {
    /// Which.
    pub partition: PartitionRef,
    /// What stays.
    pub to: TrimTo,
}

/// Where a partition is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// At this offset, if it does not begin behind it already.
    Offset(Offset),
    /// Behind all that can be read now.
    End,
}

/// Where the partition begins now.
pub type Trimmed = Result<Offset, Refusal>;

/// Asks for partitions as they are stored.
#[derive(Clone, Debug)]
pub struct DescribePartitions {
    /// Which.
    pub partitions: PartitionSelection,
    /// Whether their producers are wanted too.
    pub producers: bool,
}

/// Which partitions to describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionSelection {
    /// Every one.
    All,
    /// These.
    These(Vec<PartitionRef>),
}

/// The answer for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedPartition {
    /// As asked; by name where all were.
    pub partition: PartitionRef,
    /// As found.
    pub state: Result<PartitionState, Refusal>,
}

/// What a partition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// The first readable offset.
    pub start: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// About how many bytes its payloads take.
    pub bytes: u64,
    /// The idempotent producers that are remembered, by id; none unless they were asked for.
    pub producers: Vec<ProducerView>,
}

/// An idempotent producer of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerView {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The sequence of its last message.
    pub last_sequence: BatchSequence,
    /// When it wrote last.
    pub seen_at: Timestamp,
    /// Where what its transaction has open in the partition begins.
    pub open_from: Option<Offset>,
}

/// Where a node keeps its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageView {
    /// The directory.
    pub directory: String,
    /// Bytes of the volume that it is on, if that was measured.
    pub total_bytes: Option<u64>,
    /// Bytes of the volume that are left, if that was measured.
    pub free_bytes: Option<u64>,
}
