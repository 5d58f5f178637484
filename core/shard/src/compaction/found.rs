//! What a pass found of a partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_commitlog::Generation;
use forebay_model::{LogIndex, LogTime, Offset, PartitionId, Timestamp};

use crate::reclaim::dead::DeadSet;

/// All of it.
pub(crate) struct Found {
    pub(crate) partition: PartitionId,
    /// Where the partition began.
    pub(crate) start: Offset,
    /// Behind the last record that was looked at.
    pub(crate) end: Offset,
    /// What is dead, by the first entry of its segment.
    pub(crate) dead: BTreeMap<LogIndex, Arc<SegmentDead>>,
    /// No tombstone before this has an earlier record of its key left, and there are tombstones of which that was not known.
    pub(crate) clean_end: Option<Offset>,
    /// Some tombstone has.
    pub(crate) is_unclean: bool,
    /// What was not looked at.
    pub(crate) left: Left,
}

/// What a pass did not look at: the newest payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// How many bytes that is, up to where the partition ended when the pass began.
    pub(crate) bytes: u64,
    pub(crate) why: Why,
    /// When the first of it was written, if it has a time.
    pub(crate) since: Option<Timestamp>,
}

/// Why a pass came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is nothing more that is stable, or it has more index entries in memory than a pass looks at.
    End,
    /// What comes next is too young until this log time.
    Young(LogTime),
    /// What comes next is fresh: until this log time, or until more is written.
    Fresh(Option<LogTime>),
}

/// What is dead of a partition in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentDead {
    /// Which generation of the segment was looked at: a later one has lost some of it already.
    pub(crate) generation: Generation,
    /// Which offsets.
    pub(crate) set: DeadSet,
    /// About how many bytes of its payloads that is.
    pub(crate) bytes: u64,
    /// At this log time some of it has to go, whatever that costs.
    pub(crate) due: LogTime,
}

/// It need not go.
pub(crate) const NEVER: LogTime = LogTime(i64::MAX);
