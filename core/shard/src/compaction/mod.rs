//! Compaction: of each key the last record stays.
//!
//! ```text
//!   leader: enough was written --> pass (job, step by step): what is dead
//!           survey (reclaim): segments with enough of it --> Decision that names dead offsets
//!   every replica: Decision --> the segment is copied forward without them
//! ```
//! Nothing of what is dead is state: a leader finds it by itself, from the partition's start each time, and remembers it only to spare
//! itself a pass. What has to be remembered is since when tombstones have nothing left to hide ([`forebay_machine::CleanMarks`]).

mod due;
mod found;
mod in_payload;
mod judge;
mod key_map;
mod pass;
mod picture;
mod transactions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forebay_env::{IoClass, Monotonic};
use forebay_machine::{
    Command, CompactedPartition, Compaction, IndexEntry, MACHINE_VERSION_COMPACTION, Partition,
};
use forebay_model::fetch::Isolation;
use forebay_model::{LogIndex, LogTime, Offset, PartitionId, Ratio};

use self::due::{Begun, Known, Passed};
use self::found::Found;
use self::judge::Order;
use self::pass::{Ahead, Pass};
pub(crate) use self::picture::DeadPicture;
use crate::pending::{Asking, Own};
use crate::shard::{Done, Shard};

/// Keys that one window of a pass has, but for those of its last batch: some 17 MB of memory. A partition with more takes several windows.
const KEYS_MAX: usize = 393_216;
/// Index entries in memory that one pass looks at; what lies behind them is looked at when it is sealed.
const ENTRIES_IN_MEMORY_MAX: usize = 50_000;
/// How much a pass reads in one step, in bytes.
const STEP_BYTES: u64 = 8 << 20;
/// After a step a pass rests for so many times as long as that took: it has a third of one thread, and less of a disk that is slow...
const REST: u32 = 2;
/// ...but for no shorter...
const REST_MIN: Duration = Duration::from_millis(10);
/// ...and no longer.
const REST_MAX: Duration = Duration::from_secs(1);
/// Runs of dead offsets that are remembered of all partitions, 8 bytes each; above it, partitions are passed over once more.
const RUNS_MAX: usize = 4_000_000;
/// What compaction writes again of segments that would stay as they are without it, in bytes a second on average: however small the times and
/// shares are that topics are set to, the disk goes on to serve.
const REWRITE_BYTES_PER_SECOND: u64 = 16 << 20;

/// Where compaction stands. Only a leader's says anything.
#[derive(Default)]
pub(crate) struct Compactor {
    /// When it looks which partitions are due.
    next: Option<Monotonic>,
    /// Partitions that are due.
    queue: VecDeque<PartitionId>,
    /// A step is being made.
    running: bool,
    /// The pass under way.
    present: Option<Present>,
    /// When its last step began.
    stepped_at: Monotonic,
    /// When its next step is made.
    step_at: Option<Monotonic>,
    /// Every compacted partition.
    known: BTreeMap<PartitionId, Known>,
    /// Before this no segment is rewritten for compaction alone.
    rewrites_from: Monotonic,
}

/// A pass under way.
struct Present {
    partition: PartitionId,
    begun: Begun,
    /// `None` while a step is being made.
    pass: Option<Box<Pass>>,
}

/// What a step brought.
pub struct CompactionDone {
    pass: Box<Pass>,
    result: Result<Option<Found>, String>,
}

impl Compactor {
    /// Forgets everything, when leadership ends.
    pub(crate) fn clear(&mut self) {
        let (running, rewrites_from) = (self.running, self.rewrites_from);
        *self = Compactor { running, rewrites_from, ..Compactor::default() };
    }

    /// When it has something to do next.
    pub(crate) fn next_step(&self) -> Option<Monotonic> {
        let waits = self.present.is_some() || !self.queue.is_empty();
        let next = if waits { self.step_at.or(self.next) } else { self.next };
        next.filter(|_| !self.running)
    }

    /// A step ended.
    fn rest(&mut self, now: Monotonic) {
        let took = now.since(self.stepped_at);
        self.step_at = Some(now + (REST * took).clamp(REST_MIN, REST_MAX));
    }

    /// Counts what was written to a compacted partition.
    pub(crate) fn written(&mut self, entry: &IndexEntry, time: LogTime) {
        if let Some(known) = self.known.get_mut(&entry.partition) {
            known.written(entry.bytes.into(), time);
        }
    }

    /// Segments were rewritten here: tombstones may have nothing left to hide.
    pub(crate) fn rewritten(&mut self) {
        self.known.values_mut().for_each(Known::rewritten);
    }

    /// Whether segments may be rewritten for compaction alone.
    pub(crate) fn may_rewrite(&self, now: Monotonic) -> bool {
        self.rewrites_from <= now
    }

    /// So many bytes are rewritten for compaction alone.
    pub(crate) fn rewrites(&mut self, bytes: u64, now: Monotonic) {
        let takes = Duration::from_millis(bytes / (REWRITE_BYTES_PER_SECOND / 1000));
        self.rewrites_from = self.rewrites_from.max(now) + takes;
    }

    /// What some passes found gives nothing back.
    pub(crate) fn vain(&mut self, found: &[(LogIndex, PartitionId)]) {
        for (first, partition) in found {
            if let Some(passed) = self.known.get_mut(partition).and_then(|known| known.passed.as_mut()) {
                passed.dead.remove(first);
            }
        }
    }

    fn passed(&self) -> impl Iterator<Item = &Passed> {
        self.known.values().filter_map(|known| known.passed.as_ref())
    }

    /// Keeps what is remembered within its limit.
    fn keep_within_limit(&mut self) {
        let mut runs: usize = self.passed().map(Passed::runs).sum();
        for known in self.known.values_mut() {
            if runs <= RUNS_MAX {
                return;
            }
            runs -= known.passed.take().map_or(0, |passed| passed.runs());
        }
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Goes on with compaction if there is anything to do.
    pub(crate) fn compact(&mut self, now: Monotonic) {
        if !self.leads() || self.compactor.running || self.machine.version() < MACHINE_VERSION_COMPACTION {
            return;
        }
        let interval = self.config.retention_interval;
        let next = *self.compactor.next.get_or_insert(now + interval);
        if next <= now {
            self.compactor.next = Some(now + interval);
            self.look_what_is_due(now);
        }
        if self.compactor.step_at.is_none_or(|at| at <= now) {
            self.start_step(now);
        }
    }

    /// Finds the partitions that are due, and what of the passes before it still says something.
    fn look_what_is_due(&mut self, now: Monotonic) {
        let time = self.log_time(now);
        if self.clock.as_ref().is_none_or(|clock| !clock.deletes()) {
            return;
        }
        // What is imported stays as its source has it until that is over.
        let is_due =
            |partition: &&Partition| partition.settings.compaction.is_some() && !partition.is_under_import();
        let compacted = self.machine.partitions().filter(is_due);
        let ids: Vec<PartitionId> = compacted.map(|partition| partition.id).collect();
        let compactor = &mut self.compactor;
        compactor.known.retain(|id, _| ids.binary_search(id).is_ok());
        let segments = &self.reclaim.segments;
        let mut has_due = false;
        for id in ids {
            let Some(partition) = self.machine.partition(id) else { continue };
            let Some(compaction) = &partition.settings.compaction else { continue };
            let known = compactor.known.entry(id).or_default();
            if let Some(passed) = &mut known.passed {
                passed.forget_what_went(segments);
                has_due |= passed.dead.values().any(|dead| dead.due <= time);
            }
            let is_present = compactor.present.as_ref().is_some_and(|present| present.partition == id);
            if !known.is_queued && !is_present && known.is_due(partition, compaction, time) {
                known.is_queued = true;
                compactor.queue.push_back(id);
            }
        }
        if has_due {
            self.reclaim.mark_dirty();
        }
        self.end_active_if_due(time);
    }

    /// Ends the segment that is being written when what is dead in it has to go: only sealed ones can be rewritten.
    fn end_active_if_due(&mut self, time: LogTime) {
        let Some(active) = self.replica.reader().segments().into_iter().next_back() else { return };
        let mut dead = self.compactor.passed().filter_map(|passed| passed.dead.get(&active.id.first));
        self.seal_wanted |= !active.sealed && dead.any(|dead| dead.due <= time);
    }

    /// About how many bytes of the segment that begins at `first` are dead by compaction, and with which share of it their partitions
    /// live.
    pub(crate) fn compactable(&self, first: LogIndex) -> (u64, Ratio) {
        let (mut bytes, mut share) = (0, Ratio::ONE);
        for (id, known) in &self.compactor.known {
            let dead = known.passed.as_ref().and_then(|passed| passed.dead.get(&first));
            let settings = self.machine.partition(*id).and_then(|partition| partition.settings.compaction);
            let (Some(dead), Some(compaction)) = (dead, settings) else { continue };
            bytes += dead.bytes;
            share = share.min(compaction.dirty_ratio_min);
        }
        (bytes, share)
    }

    fn start_step(&mut self, now: Monotonic) {
        if self.compactor.present.is_none() {
            self.compactor.present = self.next_pass(now);
        }
        let Some(mut pass) = self.compactor.present.as_mut().and_then(|present| present.pass.take()) else {
            return;
        };
        self.compactor.running = true;
        self.compactor.stepped_at = now;
        let mailbox = Arc::clone(&self.mailbox);
        let job = Box::new(move || {
            let result = pass.step(STEP_BYTES).map_err(|error| error.to_string());
            mailbox.post_completion(Done::Compaction(CompactionDone { pass, result }));
        });
        self.env.spawn.spawn(IoClass::Background, job);
    }

    /// A pass over the next partition that is due.
    fn next_pass(&mut self, now: Monotonic) -> Option<Present> {
        let time = self.log_time(now);
        while let Some(id) = self.compactor.queue.pop_front() {
            let random = &self.env.random;
            let salts = [random.next_u64(), random.next_u64(), random.next_u64(), random.next_u64()];
            let found = self.machine.partition(id);
            let Some((partition, compaction)) =
                found.and_then(|partition| Some((partition, partition.settings.compaction?)))
            else {
                continue;
            };
            let pass = self.pass_over(partition, compaction, time, salts);
            let stable = partition.last_stable_offset();
            let known = self.compactor.known.entry(id).or_default();
            known.is_queued = false;
            let begun = known.begin_pass(stable);
            return Some(Present { partition: id, begun, pass: Some(Box::new(pass)) });
        }
        None
    }

    fn pass_over(
        &self,
        partition: &Partition,
        compaction: Compaction,
        now: LogTime,
        salts: [u64; 4],
    ) -> Pass {
        // What is not stable yet is not looked at: nobody knows whether it will count.
        let mut plan = self.plan_from(partition, partition.start, Isolation::Committed, u64::MAX);
        let mut in_memory = self.index.from(partition.id, partition.start);
        plan.in_memory = in_memory.by_ref().take(ENTRIES_IN_MEMORY_MAX).collect();
        let left_out: Option<IndexEntry> = in_memory.next();
        if let Some(left_out) = &left_out {
            plan.bound = plan.bound.min(left_out.first_offset);
        }
        let known = self.compactor.known.get(&partition.id);
        let ahead = known.and_then(|known| known.ahead(partition.start)).unwrap_or_else(|| Ahead::Unknown {
            in_memory_from: plan.in_memory.first().map_or(Offset(u64::MAX), |entry| entry.first_offset),
            in_memory_bytes: plan
                .in_memory
                .iter()
                .map(|entry| u64::from(entry.bytes))
                .chain(left_out.iter().map(|entry| u64::from(entry.bytes)))
                .chain(in_memory.map(|entry| u64::from(entry.bytes)))
                .sum(),
        });
        let aborted = self.machine.unstable().aborted_from(partition.id, partition.start);
        let order = Order {
            compaction,
            now,
            aborted: aborted.collect(),
            replaced_since: known.and_then(Known::replaced_since),
            clean_end: partition.clean.end(),
            ripe_end: partition.clean.ripe_end(now, compaction.tombstone_ms),
            salts,
        };
        Pass::new(self.archive.clone(), plan, order, ahead, KEYS_MAX)
    }

    pub(crate) fn compaction_done(&mut self, now: Monotonic, done: CompactionDone) {
        self.compactor.running = false;
        self.compactor.rest(now);
        let Some(present) = self.compactor.present.as_mut().filter(|present| present.pass.is_none()) else {
            // It led no more meanwhile.
            return;
        };
        match done.result {
            Ok(None) => present.pass = Some(done.pass),
            Ok(Some(found)) => self.passed_over(now, found),
            Err(error) => {
                self.compactor.present = None;
                self.metrics.read_errors.increment();
                tracing::error!(shard = self.config.id.0, error, "a partition cannot be compacted");
            }
        }
    }

    fn passed_over(&mut self, now: Monotonic, found: Found) {
        let Some(present) = self.compactor.present.take().filter(|_| self.leads()) else { return };
        let time = self.log_time(now);
        let Found { partition, clean_end, .. } = found;
        let Some(state) = self.machine.partition(partition) else { return };
        let (Some(known), Some(compaction)) =
            (self.compactor.known.get_mut(&partition), &state.settings.compaction)
        else {
            return;
        };
        if !found.dead.is_empty() {
            self.reclaim.mark_dirty();
        }
        self.metrics.compaction_passes.increment();
        known.passed_over(found, present.begun, compaction, state.bytes, time);
        self.compactor.keep_within_limit();
        self.end_active_if_due(time);
        if clean_end.is_some() {
            let compacted = CompactedPartition { partition, freed_bytes: 0, clean_end };
            self.tell_compacted(vec![compacted]);
        }
    }

    /// Puts into the log what became of compacted partitions.
    pub(crate) fn tell_compacted(&mut self, partitions: Vec<CompactedPartition>) {
        for partitions in partitions.chunks(forebay_machine::limits::PARTITIONS_PER_COMPACTED_MAX) {
            let command = Command::Compacted { partitions: partitions.to_vec() };
            self.raise_version(std::slice::from_ref(&command));
            self.draft.push(&command, Asking::Shard(Own::Housekeeping));
        }
    }

    /// What passes found, as it is at this log time.
    pub(crate) fn dead_picture(&self, time: LogTime) -> DeadPicture {
        let mut picture = DeadPicture::default();
        for (id, known) in &self.compactor.known {
            let compaction = self.machine.partition(*id).and_then(|partition| partition.settings.compaction);
            let (Some(passed), Some(compaction)) = (&known.passed, compaction) else { continue };
            for (first, dead) in &passed.dead {
                picture.add(*first, *id, dead, compaction.dirty_ratio_min, time);
            }
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rewritten_for_compaction_alone_keeps_within_its_rate() {
        let mut compactor = Compactor::default();
        let at = |seconds: u64| Monotonic(seconds * 1_000_000_000);
        assert!(compactor.may_rewrite(at(0)));
        compactor.rewrites(10 * REWRITE_BYTES_PER_SECOND, at(100));
        assert!(!compactor.may_rewrite(at(109)) && compactor.may_rewrite(at(111)));
        compactor.rewrites(10 * REWRITE_BYTES_PER_SECOND, at(105));
        assert!(!compactor.may_rewrite(at(119)) && compactor.may_rewrite(at(121)));
        compactor.clear();
        assert!(!compactor.may_rewrite(at(119)), "another term is no other disk");
    }

    #[test]
    fn a_pass_rests_the_longer_the_slower_the_disk_is() {
        let ms = |ms: u64| Monotonic(ms * 1_000_000);
        let rested = |took: u64| {
            let mut compactor = Compactor { stepped_at: ms(1_000), ..Compactor::default() };
            compactor.rest(ms(1_000 + took));
            compactor.step_at.map(|at| at.since(ms(1_000 + took)).as_millis())
        };
        assert_eq!([0, 20, 200, 9_000].map(rested), [10, 40, 400, 1_000].map(Some));
    }
}
