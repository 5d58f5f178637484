//! One pass over a compacted partition: finds the records that a newer one of their key replaced, or that nobody needs for another reason. It
//! reads all of the partition, from its start, a step at a time on a background thread, on a picture taken by the leader.
//!
//! ```text
//!   gather: the newest record of each key, as many keys as there is room for (a window)
//!   sift:   everything up to the end of the window: what has a newer one there is dead
//!   then the next window, until the end, or until what is too young or fresh
//! ```
//! What is found stays true: records are only added at the end. So it does not matter when it is acted upon, nor by which leader.

use std::ops::ControlFlow;

use forebay_machine::IndexEntry;
use forebay_model::{Offset, Timestamp};

use crate::archive::{Archive, ArchiveError, ReadPlan};
use crate::compaction::found::{Found, Left, Why};
use crate::compaction::judge::{Freshness, Judge, Order};
use crate::compaction::key_map::Noted;

/// What an index entry costs beside its bytes, when steps are counted.
const ENTRY_COST_BYTES: u64 = 512;

/// What an index entry costs where only it is read.
const INDEX_COST_BYTES: u64 = 64;

/// What lies between where the pass before came to its end and the end of the partition.
#[derive(Clone, Copy)]
pub(crate) enum Ahead {
    /// There was a pass: where it ended, and so many bytes.
    Known { from: Offset, bytes: u64 },
    /// There was none, or its count is of no use: all of it. So many bytes of payloads have their index entries in memory, from this offset on.
    Unknown { in_memory_from: Offset, in_memory_bytes: u64 },
}

/// A pass on its way.
pub(crate) struct Pass {
    archive: Archive,
    plan: ReadPlan,
    judge: Judge,
    stage: Stage,
    /// Keys of one window.
    keys_max: usize,
    /// The pass looks at what lies before it.
    bound: Offset,
    /// Behind the last record that was gathered.
    last_end: Offset,
    /// What may be fresh lies behind this offset...
    ahead_from: Offset,
    /// ...and takes so many bytes, as far as it was not gathered.
    ahead_bytes: u64,
    /// Why it ends there, and when the first of what it leaves was written.
    why: Why,
    left_since: Option<Timestamp>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Counts the bytes of index entries on disk.
    Count { at: Offset, until: Offset },
    /// Takes keys in, for the window that begins at `from`.
    Gather { from: Offset, at: Offset },
    /// Looks at what lies before the end of the window.
    Sift { at: Offset, end: Offset },
}

/// Why a walk came to its end.
enum Stop {
    /// There is nothing more.
    End,
    /// The step is long enough.
    Spent,
    /// The window has all the keys that it may.
    Full(Offset),
    /// What comes next is left alone.
    Left(Offset, Why, Timestamp),
}

impl Pass {
    /// A pass over the partition of `plan`, up to its bound or to what is fresh. A window has `keys_max` keys, and a batch more.
    pub(crate) fn new(archive: Archive, plan: ReadPlan, order: Order, ahead: Ahead, keys_max: usize) -> Pass {
        let (start, bound) = (plan.start, plan.bound);
        let judge = Judge::new(plan.partition, start, order, keys_max);
        let (stage, ahead_from, ahead_bytes) = match ahead {
            Ahead::Known { from, bytes } => (Stage::Gather { from: start, at: start }, from, bytes),
            Ahead::Unknown { in_memory_from, in_memory_bytes } => {
                (Stage::Count { at: start, until: in_memory_from }, start, in_memory_bytes)
            }
        };
        Pass {
            archive,
            plan,
            judge,
            stage,
            keys_max,
            bound,
            last_end: start,
            ahead_from,
            ahead_bytes,
            why: Why::End,
            left_since: None,
        }
    }

    /// Reads about `budget` bytes more; what was found, when that was all of it.
    pub(crate) fn step(&mut self, budget: u64) -> Result<Option<Found>, ArchiveError> {
        self.judge.look_at_segments(&self.archive.reader);
        let mut left = budget;
        loop {
            match self.stage {
                Stage::Count { at, until } => {
                    if let Stop::Spent = self.count(at, until, &mut left)? {
                        return Ok(None);
                    }
                    let from = self.plan.start;
                    self.stage = Stage::Gather { from, at: from };
                }
                Stage::Gather { from, at } => {
                    let stop = self.gather(from, at, &mut left)?;
                    let end = match stop {
                        Stop::Spent => return Ok(None),
                        Stop::Full(end) => end,
                        Stop::Left(end, why, since) => {
                            (self.why, self.bound) = (why, end);
                            self.left_since = Some(since).filter(|since| since.0 >= 0);
                            end
                        }
                        Stop::End => self.bound,
                    };
                    if end >= self.bound {
                        self.judge.keep_last();
                    }
                    self.stage = Stage::Sift { at: self.plan.start, end };
                }
                Stage::Sift { at, end } => {
                    if let Stop::Spent = self.sift(at, end, &mut left)? {
                        return Ok(None);
                    }
                    self.judge.end_window();
                    if end >= self.bound {
                        let left = Left { bytes: self.ahead_bytes, why: self.why, since: self.left_since };
                        return Ok(Some(self.judge.finish(self.last_end, left)));
                    }
                    self.stage = Stage::Gather { from: end, at: end };
                }
            }
        }
    }

    /// Counts what may be fresh, as far as its index entries are on disk.
    fn count(&mut self, at: Offset, until: Offset, left: &mut u64) -> Result<Stop, ArchiveError> {
        (self.plan.offset, self.plan.bound) = (at, until);
        let mut walk = self.archive.entries(&self.plan);
        while let Some(indexed) = walk.next()? {
            self.ahead_bytes += u64::from(indexed.entry.bytes);
            *left = left.saturating_sub(INDEX_COST_BYTES);
            if *left == 0 {
                self.stage = Stage::Count { at: end_of(&indexed.entry), until };
                return Ok(Stop::Spent);
            }
        }
        Ok(Stop::End)
    }

    fn gather(&mut self, from: Offset, at: Offset, left: &mut u64) -> Result<Stop, ArchiveError> {
        (self.plan.offset, self.plan.bound) = (at, self.bound);
        let mut stop = Stop::End;
        let mut next = at;
        let Pass { judge, archive, plan, keys_max, ahead_from, ahead_bytes, .. } = self;
        archive.each_payload(plan, |entry, payload| {
            let is_ahead = entry.first_offset >= *ahead_from;
            if let Some(why) = left_alone(judge, entry, is_ahead.then_some(*ahead_bytes)) {
                stop = Stop::Left(entry.first_offset, why, entry.max_timestamp);
                return ControlFlow::Break(());
            }
            let begins_window = entry.first_offset <= from;
            if judge.keys() >= *keys_max && !begins_window {
                stop = Stop::Full(entry.first_offset);
                return ControlFlow::Break(());
            }
            if judge.gather(entry, payload) == Noted::NoRoom {
                if !begins_window {
                    // What was taken in of it says nothing wrong: it is newer than all of this window.
                    stop = Stop::Full(entry.first_offset);
                    return ControlFlow::Break(());
                }
                judge.is_opaque(entry);
            }
            if is_ahead {
                *ahead_bytes = ahead_bytes.saturating_sub(entry.bytes.into());
            }
            next = end_of(entry);
            spend(left, entry, &mut stop)
        })?;
        self.last_end = self.last_end.max(next);
        self.stage = Stage::Gather { from, at: next };
        Ok(stop)
    }

    fn sift(&mut self, at: Offset, end: Offset, left: &mut u64) -> Result<Stop, ArchiveError> {
        (self.plan.offset, self.plan.bound) = (at, end);
        let mut stop = Stop::End;
        let mut next = at;
        self.archive.each_payload(&self.plan, |entry, payload| {
            self.judge.sift(entry, payload);
            next = end_of(entry);
            spend(left, entry, &mut stop)
        })?;
        self.stage = Stage::Sift { at: next, end };
        Ok(stop)
    }
}

/// Why a pass goes no further than to this payload. `ahead` are the bytes from it to the partition's end, if it may be fresh.
fn left_alone(judge: &Judge, entry: &IndexEntry, ahead: Option<u64>) -> Option<Why> {
    if let Some(until) = judge.too_young_until(entry) {
        return Some(Why::Young(until));
    }
    match judge.fresh(entry, ahead?) {
        Freshness::Settled => None,
        Freshness::Fresh { until } => Some(Why::Fresh(until)),
    }
}

fn spend(left: &mut u64, entry: &IndexEntry, stop: &mut Stop) -> ControlFlow<()> {
    *left = left.saturating_sub(u64::from(entry.bytes) + ENTRY_COST_BYTES);
    if *left > 0 {
        return ControlFlow::Continue(());
    }
    *stop = Stop::Spent;
    ControlFlow::Break(())
}

fn end_of(entry: &IndexEntry) -> Offset {
    Offset(entry.first_offset.0 + u64::from(entry.count))
}

#[cfg(test)]
mod tests;
