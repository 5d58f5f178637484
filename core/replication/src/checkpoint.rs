//! Checkpoints: written away from the shard's thread, current only when the log they stand on is durable; and the floor
//! below which Raft gives the log up.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use forebay_commitlog::{
    AdoptError, CheckpointMeta, Generation, IndexEntry, Keeper, Point, Section, SegmentId, SidecarError,
};
use forebay_env::IoClass;
use forebay_model::{LogIndex, ShardId};
use raft::StateRole;

use crate::job::{self, Done};
use crate::output::{Fence, Output};
use crate::ready::is_alone;
use crate::replica::Replica;
use crate::spent::Conf;
use crate::wire;

/// Checkpoints that wait or are being written; above it the shard is asked for no further seal.
const PENDING_MAX: usize = 2;

/// The state as of a `Seal`, for [`Replica::checkpoint`].
pub struct CheckpointRequest {
    /// The index of the `Seal`, which was applied.
    pub index: LogIndex,
    /// The version of the machine that encoded the sections.
    pub machine_version: u32,
    /// (section, its bytes), ascending.
    pub sections: Vec<(u32, Bytes)>,
    /// The index of the segment that the `Seal` ended, by partition and offset: its sidecar is made of it, on
    /// another thread.
    pub entries: Box<dyn Iterator<Item = IndexEntry> + Send>,
}

/// Where the checkpoints stand.
#[derive(Default)]
pub(crate) struct Checkpoints {
    waiting: VecDeque<CheckpointRequest>,
    running: bool,
    /// The current one.
    pub(crate) current: Point,
    /// Seals above the floor, each with the bytes that this process had appended when it came.
    seals: VecDeque<(LogIndex, u64)>,
    appended_bytes: u64,
    /// The last seal handed out...
    sealed: LogIndex,
    /// ...and the segments that the handed out seals ended, until their checkpoint comes.
    segments: BTreeMap<LogIndex, SegmentId>,
}

impl Checkpoints {
    /// Where they stand at open. What lies between the floor and the checkpoint has been there since an earlier process; it
    /// counts as nothing, so a follower may still get it.
    pub(crate) fn at(current: Point, floor: LogIndex) -> Checkpoints {
        let mut seals = VecDeque::from([(floor, 0), (current.index, 0)]);
        if floor == current.index {
            seals.pop_front();
        }
        Checkpoints { current, seals, sealed: current.index, ..Checkpoints::default() }
    }

    /// Notes what was appended, which replaced everything from `first` on.
    pub(crate) fn note_appended(
        &mut self,
        first: LogIndex,
        bytes: u64,
        seals: impl Iterator<Item = LogIndex>,
    ) {
        while self.seals.back().is_some_and(|(seal, _)| *seal >= first) {
            self.seals.pop_back();
        }
        self.appended_bytes += bytes;
        let appended = self.appended_bytes;
        self.seals.extend(seals.map(|seal| (seal, appended)));
    }

    /// Notes a seal that is handed out: the segment behind the seal before ends with it.
    pub(crate) fn note_sealed(&mut self, shard: ShardId, seal: LogIndex) {
        self.segments
            .insert(seal, SegmentId { shard, first: self.sealed.next(), generation: Generation::APPENDED });
        self.sealed = seal;
        // Met in a replay: no append of this process told of it.
        let at = self.seals.partition_point(|(known, _)| *known < seal);
        if self.seals.get(at).is_none_or(|(known, _)| *known != seal) {
            let bytes = self.seals.get(at).map_or(self.appended_bytes, |(_, bytes)| *bytes);
            self.seals.insert(at, (seal, bytes));
        }
    }

    /// Whether one is being written.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Whether a seal was appended whose checkpoint is not current yet.
    pub(crate) fn is_coming(&self) -> bool {
        self.seals.back().is_some_and(|(seal, _)| *seal > self.current.index)
    }

    /// Whether another seal would only lengthen the queue.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() + usize::from(self.running) >= PENDING_MAX
    }

    /// The index up to which the log must be durable for the next one.
    pub(crate) fn wants_durable(&self) -> Option<LogIndex> {
        self.waiting.front().map(|next| next.index)
    }

    /// The highest seal at or below the current checkpoint that leaves to everybody what they need: what is behind
    /// `matched`, as long as that is no more than `bytes_max`.
    fn floor(&self, matched: LogIndex, bytes_max: u64) -> Option<LogIndex> {
        let durable = self.seals.iter().take_while(|(seal, _)| *seal <= self.current.index);
        let fits = |bytes: u64| self.appended_bytes - bytes <= bytes_max;
        let mut floor = None;
        for (seal, bytes) in durable {
            let spent = floor.is_some_and(|(_, bytes)| !fits(bytes));
            if floor.is_none() || *seal <= matched || spent {
                floor = Some((*seal, *bytes));
            }
        }
        floor.map(|(seal, _)| seal)
    }

    fn forget_below(&mut self, floor: LogIndex) {
        while self.seals.front().is_some_and(|(seal, _)| *seal < floor) {
            self.seals.pop_front();
        }
    }
}

impl Replica {
    /// Hands over the state as of an applied `Seal`. It is written away from the shard's thread and becomes current when the
    /// log up to there is durable; [`Output::Checkpointed`] says so. One that is no newer than the current one is dropped:
    /// replay meets seals again.
    ///
    /// # Panics
    /// When the index is not that of a `Seal` that was reported applied, or the sections do not ascend.
    pub fn checkpoint(&mut self, request: CheckpointRequest) {
        assert!(request.index <= self.applied, "a checkpoint is of what was applied");
        assert!(self.checkpoints.segments.contains_key(&request.index), "a checkpoint is of a seal, once");
        assert!(request.sections.is_sorted_by(|a, b| a.0 < b.0), "sections are distinct and ascend");
        if request.index > self.checkpoints.current.index && self.fence.is_none() {
            self.checkpoints.waiting.push_back(request);
        }
    }

    pub(crate) fn start_checkpoint(&mut self) {
        let durable = self.log().durable_index();
        if self.checkpoints.running || self.fence.is_some() {
            return;
        }
        if self.checkpoints.wants_durable().is_none_or(|index| index > durable) {
            return;
        }
        let Some(request) = self.checkpoints.waiting.pop_front() else { return };
        self.checkpoints.running = true;
        let index = request.index;
        let term = self.log().term(index).expect("a checkpoint is above the floor");
        let meta = CheckpointMeta {
            index,
            term,
            // All that is certain to be durable.
            commit: index,
            conf: wire::encode_conf(&self.conf_at(index)),
            machine_version: request.machine_version,
            sidecars_up_to: index,
        };
        let segment = self.checkpoints.segments.remove(&index).expect("checked when it was handed over");
        let sections = request.sections.into_iter().map(|(kind, bytes)| Section { kind, bytes });
        let sections: Vec<_> = sections.collect();
        let keeper = self.log().keeper();
        job::spawn(&self.env, &self.post, IoClass::Background, move || {
            let result = write(&keeper, segment, request.entries, &meta, &sections);
            Done::Checkpointed { point: Point { index, term }, result }
        });
    }

    pub(crate) fn checkpoint_ended(&mut self, point: Point, result: Result<(), Fence>) {
        self.checkpoints.running = false;
        match result {
            Ok(()) => {
                self.checkpoints.current = point;
                self.newcomers_are_known();
                self.forget_confs_below(point.index);
                self.raise_floor();
                if self.fence.is_none() {
                    self.outputs.push_back(Output::Checkpointed(point.index));
                }
            }
            Err(fence) => self.fence(fence),
        }
    }

    pub(crate) fn conf_at(&self, index: LogIndex) -> Conf {
        self.confs.range(..=index).next_back().map(|(_, conf)| conf.clone()).unwrap_or_default()
    }

    fn forget_confs_below(&mut self, index: LogIndex) {
        if let Some((at, _)) = self.confs.range(..=index).next_back() {
            let at = *at;
            self.confs.retain(|index, _| *index >= at);
        }
    }

    /// Lets Raft give up what nobody needs from it: the checkpoint has it, and the followers have it or are too far behind.
    pub(crate) fn raise_floor(&mut self) {
        if self.checkpoints.current.index <= self.log().floor().index {
            return;
        }
        let raft = &self.node.raft;
        let matched = match raft.state {
            _ if is_alone(&self.membership(), self.config.peer) => LogIndex(u64::MAX),
            StateRole::Leader => {
                let others = raft.prs().iter().filter(|(id, _)| **id != raft.id);
                LogIndex(others.map(|(_, progress)| progress.matched).min().unwrap_or(u64::MAX))
            }
            // It may lead next, and does not know what the others have.
            StateRole::Follower | StateRole::Candidate | StateRole::PreCandidate => LogIndex(0),
        };
        let held = |(index, bytes_max): (LogIndex, u64)| self.checkpoints.floor(index, bytes_max);
        let held = self.sender.held().filter_map(held).min().unwrap_or(LogIndex(u64::MAX));
        if let Some(floor) = self.checkpoints.floor(matched, self.config.follower_lag_bytes_max) {
            let floor = floor.min(held);
            self.checkpoints.forget_below(floor);
            self.log_mut().raise_floor(floor);
        }
    }
}

/// Sidecar, then checkpoint, then manifest: each durable before the next begins.
fn write(
    keeper: &Keeper,
    segment: SegmentId,
    entries: impl IntoIterator<Item = IndexEntry>,
    meta: &CheckpointMeta,
    sections: &[Section],
) -> Result<(), Fence> {
    keeper.write_sidecar(segment, entries).map_err(|error| match error {
        SidecarError::Fault(fault) => Fence::Storage(fault),
        error => Fence::Invariant(error.to_string()),
    })?;
    let written = keeper.write_checkpoint(meta, sections).map_err(Fence::Storage)?;
    keeper.adopt(written).map_err(|error| match error {
        AdoptError::Fault(fault) => Fence::Storage(fault),
        error => Fence::Invariant(error.to_string()),
    })?;
    while keeper.merge_directory().map_err(Fence::Storage)? {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoints() -> Checkpoints {
        let mut checkpoints = Checkpoints::at(Point { index: LogIndex(5), ..Point::default() }, LogIndex(5));
        for seal in [10, 20, 30] {
            checkpoints.note_appended(LogIndex(seal - 1), 100, [LogIndex(seal)].into_iter());
        }
        checkpoints.note_appended(LogIndex(31), 50, std::iter::empty());
        checkpoints.current.index = LogIndex(30);
        checkpoints
    }

    #[test]
    fn the_floor_is_the_checkpoint_when_everybody_has_it() {
        assert_eq!(checkpoints().floor(LogIndex(u64::MAX), 0), Some(LogIndex(30)));
        assert_eq!(checkpoints().floor(LogIndex(30), 1000), Some(LogIndex(30)));
    }

    #[test]
    fn a_follower_that_lags_holds_the_floor_within_the_budget() {
        assert_eq!(checkpoints().floor(LogIndex(29), 1000), Some(LogIndex(20)));
        assert_eq!(checkpoints().floor(LogIndex(7), 1000), Some(LogIndex(5)));
        assert_eq!(checkpoints().floor(LogIndex(7), 250), Some(LogIndex(10)), "250 bytes are behind 10");
        assert_eq!(checkpoints().floor(LogIndex(7), 0), Some(LogIndex(30)));
    }

    #[test]
    fn a_seal_without_a_durable_checkpoint_is_no_floor() {
        let mut early = checkpoints();
        early.current.index = LogIndex(10);
        assert_eq!(early.floor(LogIndex(u64::MAX), 0), Some(LogIndex(10)));
    }

    #[test]
    fn a_replayed_seal_can_become_the_floor() {
        let mut checkpoints = Checkpoints::at(Point { index: LogIndex(5), ..Point::default() }, LogIndex(5));
        checkpoints.note_sealed(ShardId(0), LogIndex(10));
        checkpoints.note_sealed(ShardId(0), LogIndex(20));
        checkpoints.current.index = LogIndex(20);
        assert_eq!(checkpoints.floor(LogIndex(15), 0), Some(LogIndex(10)));
        assert_eq!(checkpoints.floor(LogIndex(20), 0), Some(LogIndex(20)));
        let segment =
            |first| SegmentId { shard: ShardId(0), first: LogIndex(first), generation: Generation::APPENDED };
        let segments: Vec<_> = checkpoints.segments.into_values().collect();
        assert_eq!(segments, [segment(6), segment(11)]);
    }

    #[test]
    fn a_truncated_seal_is_forgotten() {
        let mut checkpoints = checkpoints();
        checkpoints.note_appended(LogIndex(25), 10, std::iter::empty());
        checkpoints.current.index = LogIndex(40);
        assert_eq!(checkpoints.floor(LogIndex(u64::MAX), 0), Some(LogIndex(20)));
    }
}
