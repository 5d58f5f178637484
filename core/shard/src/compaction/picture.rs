//! What passes found of all partitions, by segment: for whoever weighs segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_commitlog::SegmentId;
use forebay_model::{LogIndex, LogTime, PartitionId, Ratio};

use crate::compaction::found::SegmentDead;
use crate::reclaim::Urgency;

/// What is dead, and from when on it is to go.
#[derive(Default)]
pub(crate) struct DeadPicture {
    dead: BTreeMap<(LogIndex, PartitionId), (Arc<SegmentDead>, Urgency)>,
}

impl DeadPicture {
    /// Adds what is dead of a partition in the segment that begins at `first`; `ratio` is what it lives with, `now` the log time.
    pub(crate) fn add(
        &mut self,
        first: LogIndex,
        partition: PartitionId,
        dead: &Arc<SegmentDead>,
        ratio: Ratio,
        now: LogTime,
    ) {
        let urgency = if dead.due <= now { Urgency::Due } else { Urgency::From(ratio) };
        self.dead.insert((first, partition), (Arc::clone(dead), urgency));
    }

    /// What is dead of a partition in just this segment.
    pub(crate) fn of(&self, id: SegmentId, partition: PartitionId) -> Option<(&SegmentDead, Urgency)> {
        let (dead, urgency) = self.dead.get(&(id.first, partition))?;
        (dead.generation == id.generation).then_some((&**dead, *urgency))
    }
}
