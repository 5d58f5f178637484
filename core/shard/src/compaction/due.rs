//! When a partition is due for a pass. A pass reads all of it, so it comes when so much was written that it is worth it, or when time has
//! passed that somebody waits for.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_machine::{Compaction, Partition};
use forebay_model::{LogIndex, LogTime, Offset, Timestamp};

use crate::compaction::found::{Found, SegmentDead, Why};
use crate::compaction::judge::{DUE_PER_PERIOD, due};
use crate::compaction::pass::Ahead;
use crate::reclaim::segments::Segments;

/// A partition that a pass could not look at to its end is looked at again after so long, in milliseconds of log time, if nothing else
/// is known.
const AGAIN_MS: i64 = 600_000;
/// Where enough of a partition is dead it has to go after as long as records are fresh, but not sooner than after this, in milliseconds of
/// log time: segments are shared, and this writes those again that are hardly dead.
const SETTLE_MS_MIN: u64 = 600_000;

/// What a leader knows of a compacted partition.
#[derive(Default)]
pub(super) struct Known {
    /// Bytes that no pass has looked at, up to the partition's end; before the first pass, what was written since this leads.
    dirty_bytes: u64,
    /// When the first of them were written.
    dirty_since: Option<LogTime>,
    /// Segments were rewritten since the last pass began.
    rewritten: bool,
    /// It waits for its pass.
    pub(super) is_queued: bool,
    pub(super) passed: Option<Passed>,
}

/// What the last pass left.
pub(super) struct Passed {
    at: LogTime,
    start: Offset,
    end: Offset,
    pub(super) dead: BTreeMap<LogIndex, Arc<SegmentDead>>,
    is_unclean: bool,
    next: Next,
}

/// What lies behind the end of a pass is looked at...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// ...when there is enough of it.
    Dirty,
    /// ...when there is enough of it, not before this log time.
    From(LogTime),
    /// ...when there is enough of it that is fresh no longer: what comes next is not from this log time on, or when more was written.
    Settled(LogTime),
}

/// What a pass was told when it began.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    /// Where what is stable ended, and what no pass before had looked at.
    pub(super) end: Offset,
    dirty_bytes: u64,
}

impl Known {
    pub(super) fn written(&mut self, bytes: u64, time: LogTime) {
        self.dirty_bytes += bytes;
        self.dirty_since.get_or_insert(time);
    }

    pub(super) fn rewritten(&mut self) {
        self.rewritten = true;
    }

    /// A pass begins, over a partition of which what is stable ends there: it is not to wait for a transaction that is open at the moment, as
    /// with producers that always have one it would for long.
    pub(super) fn begin_pass(&mut self, end: Offset) -> Begun {
        self.rewritten = false;
        Begun { end, dirty_bytes: self.dirty_bytes }
    }

    /// What no pass has looked at of a partition that begins at `start`, if that is known.
    pub(super) fn ahead(&self, start: Offset) -> Option<Ahead> {
        let passed = self.passed.as_ref().filter(|passed| start <= passed.end)?;
        Some(Ahead::Known { from: passed.end, bytes: self.dirty_bytes })
    }

    /// What is dead and was not found by the last pass was replaced at this time or later; `None` before the first one.
    pub(super) fn replaced_since(&self) -> Option<LogTime> {
        self.passed.as_ref().and(self.dirty_since)
    }

    /// A pass ended, over a partition that has so many bytes.
    pub(super) fn passed_over(
        &mut self,
        found: Found,
        begun: Begun,
        compaction: &Compaction,
        bytes: u64,
        now: LogTime,
    ) {
        let Found { start, end, mut dead, is_unclean, left, .. } = found;
        self.dirty_bytes = self.dirty_bytes.saturating_sub(begun.dirty_bytes) + left.bytes;
        let is_behind = end < begun.end;
        if !is_behind {
            self.dirty_since = (self.dirty_bytes > 0).then_some(now);
        } else if let Some(since) = left.since {
            self.dirty_since = Some(LogTime(since.0).min(now));
        }
        let next = match left.why {
            // It has more index entries in memory than a pass looks at.
            Why::End if is_behind => Next::From(LogTime(now.0.saturating_add(AGAIN_MS))),
            Why::End => Next::Dirty,
            Why::Young(until) => Next::From(until.max(after_part(now, compaction.lag_ms_min))),
            Why::Fresh(until) => {
                let never = LogTime(i64::MAX);
                let period = compaction.fresh_ms.min(compaction.lag_ms_max);
                Next::Settled(until.unwrap_or(never).max(after_part(now, period)))
            }
        };
        self.keep_dues(&mut dead, compaction, bytes, now);
        self.passed = Some(Passed { at: now, start, end, dead, is_unclean, next });
    }

    /// What the pass before found and nobody took yet has to go when that one said. Where enough of the partition is dead, all of it has to
    /// go in time.
    fn keep_dues(
        &self,
        dead: &mut BTreeMap<LogIndex, Arc<SegmentDead>>,
        compaction: &Compaction,
        bytes: u64,
        now: LogTime,
    ) {
        let dead_bytes = dead.values().map(|dead| dead.bytes).sum();
        let is_enough = dead_bytes > 0 && compaction.dirty_ratio_min.is_reached(dead_bytes, bytes);
        let settle_ms = compaction.fresh_ms.max(SETTLE_MS_MIN);
        let settled = is_enough.then(|| LogTime(now.0.saturating_add_unsigned(settle_ms)));
        for (first, dead) in dead {
            let before = self.passed.as_ref().and_then(|passed| passed.dead.get(first));
            let before =
                before.filter(|before| before.generation == dead.generation).map(|before| before.due);
            let due = [before, settled].into_iter().flatten().fold(dead.due, LogTime::min);
            Arc::make_mut(dead).due = due;
        }
    }

    /// Whether it is time for a pass.
    pub(super) fn is_due(&self, partition: &Partition, compaction: &Compaction, now: LogTime) -> bool {
        let stable = partition.last_stable_offset();
        let Some(passed) = &self.passed else { return partition.start < stable };
        let cleanable = passed.cleanable(self.dirty_bytes, compaction, now);
        let settled = partition.bytes.saturating_sub(self.dirty_bytes - cleanable);
        let is_dirty = cleanable > 0 && compaction.dirty_ratio_min.is_reached(cleanable, settled);
        let waits = |since: LogTime| due(Timestamp(since.0), compaction.lag_ms_max) <= now;
        let is_old = self.dirty_bytes > 0 && self.dirty_since.is_some_and(waits);
        let has_more = passed.end < stable && passed.may_go_on(now) && (is_dirty || is_old);
        let ripens = partition.clean.next_ripe(passed.at, compaction.tombstone_ms);
        let is_ripe = ripens.is_some_and(|time| time <= now);
        let may_be_clean = passed.is_unclean && (self.rewritten || passed.start < partition.start);
        has_more || is_ripe || may_be_clean
    }
}

/// An eighth of a time from now on: passes come no more often for records that grow old one by one.
fn after_part(now: LogTime, period_ms: u64) -> LogTime {
    LogTime(now.0.saturating_add_unsigned(period_ms / DUE_PER_PERIOD))
}

impl Passed {
    /// How much of what no pass has looked at one may look at now, in bytes: about, for what grows old does so one by one.
    fn cleanable(&self, dirty_bytes: u64, compaction: &Compaction, now: LogTime) -> u64 {
        match self.next {
            Next::Settled(time) if now < time => dirty_bytes.saturating_sub(compaction.fresh_bytes),
            _ => dirty_bytes,
        }
    }

    fn may_go_on(&self, now: LogTime) -> bool {
        !matches!(self.next, Next::From(time) if now < time)
    }

    /// Forgets what was found in segments that are gone or were rewritten.
    pub(super) fn forget_what_went(&mut self, segments: &Segments) {
        let is_there = |first: &LogIndex, dead: &mut Arc<SegmentDead>| {
            *first > segments.end() || segments.generation(*first) == Some(dead.generation)
        };
        self.dead.retain(is_there);
    }

    pub(super) fn runs(&self) -> usize {
        self.dead.values().map(|dead| dead.set.len()).sum()
    }
}

#[cfg(test)]
mod tests;
