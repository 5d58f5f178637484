//! Giving disk space back.
//!
//! ```text
//!   leader: something was trimmed --> survey (job) --> Decision in the log
//!   every replica: Decision applied --> carried out (job): unlink, or copy forward and replace
//! ```
//! What is alive of a segment is written into the decision itself, so every replica that carries it out makes the same
//! bytes. A replica that cannot (it lacks that generation, or still needs the entries) leaves its files as they are: it
//! loses space, never records.

mod carry_out;
pub(crate) mod decision;
mod survey;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use forebay_env::{IoClass, Monotonic};
use forebay_machine::IndexEntry;
use forebay_model::{LogIndex, Offset};

use self::carry_out::carry_out;
use self::decision::Decision;
use self::survey::{Survey, survey};
use crate::big::BigAppend;
use crate::entry::SLOT_RECLAIM;
use crate::pending::{Asking, Own};
use crate::shard::{Done, Shard};

/// Decisions that wait to be carried out; above it the oldest is forgotten, which costs space until the next survey.
const DECISIONS_WAITING_MAX: usize = 64;

/// A segment below this is not worth ending early, in bytes.
const SEAL_EARLY_BYTES_MIN: u64 = 1 << 20;

/// Where reclaiming stands.
#[derive(Default)]
pub(crate) struct Reclaim {
    /// Something died since the last survey.
    dirty: bool,
    next: Option<Monotonic>,
    surveying: bool,
    waiting: VecDeque<Decision>,
    carrying_out: bool,
}

/// What a job of reclaiming brought.
pub enum ReclaimDone {
    /// What the leader may propose.
    Surveyed(Result<Option<Bytes>, String>),
    /// How many bytes were given back.
    CarriedOut(Result<u64, String>),
}

impl Reclaim {
    pub(crate) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    pub(crate) fn next_look(&self) -> Option<Monotonic> {
        self.next.filter(|_| self.dirty && !self.surveying)
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Starts a survey if something died.
    pub(crate) fn look_for_space(&mut self, now: Monotonic) {
        self.carry_out_next();
        if !self.leads() || !self.reclaim.dirty || self.reclaim.surveying {
            return;
        }
        let interval = self.config.retention_interval;
        let next = *self.reclaim.next.get_or_insert(now + interval / 2);
        if next > now {
            return;
        }
        self.reclaim.next = Some(now + interval);
        self.reclaim.dirty = false;
        self.reclaim.surveying = true;
        self.seal_wanted |= self.active_is_mostly_dead();
        let job = self.survey_job();
        self.env.spawn.spawn(IoClass::Background, job);
    }

    /// Whether the active segment should end early, because only sealed ones give their space back.
    fn active_is_mostly_dead(&self) -> bool {
        let Some(active) = self.replica.reader().segments().into_iter().next_back() else { return false };
        if active.sealed || active.bytes < SEAL_EARLY_BYTES_MIN {
            return false;
        }
        let starts = |partition| self.machine.partition(partition).map(|partition| partition.start);
        let lives = |entry: &&IndexEntry| {
            let end = Offset(entry.first_offset.0 + u64::from(entry.count));
            starts(entry.partition).is_some_and(|start| start < end)
        };
        let live: u64 = self.index.active_entries().filter(lives).map(|entry| u64::from(entry.bytes)).sum();
        live * 2 < active.bytes
    }

    fn survey_job(&self) -> Box<dyn FnOnce() + Send> {
        let in_memory = self.index.big_entries();
        let job = Survey {
            archive: self.archive.clone(),
            starts: self.machine.partitions().map(|partition| (partition.id, partition.start)).collect(),
            big_in_memory: in_memory,
            parts_from: self.first_part(),
        };
        let mailbox = Arc::clone(&self.mailbox);
        Box::new(move || {
            let found = survey(&job).map(|decision| decision.map(|decision| decision.encode()));
            mailbox.post_completion(Done::Reclaim(ReclaimDone::Surveyed(found)));
        })
    }

    /// The oldest part of a payload that is not named yet, or the end of what is applied. Nothing from there on is judged:
    /// the job runs later, and what came after this picture of the partitions would look dead to it.
    fn first_part(&self) -> LogIndex {
        let first = self.big.values().filter_map(BigAppend::first_part).min();
        let end = self.applied.next();
        first.map_or(end, |first| first.min(end))
    }

    pub(crate) fn reclaim_done(&mut self, done: ReclaimDone) {
        match done {
            ReclaimDone::Surveyed(result) => {
                self.reclaim.surveying = false;
                match result {
                    Ok(Some(decision)) if self.leads() => {
                        // There may be more than one decision holds.
                        self.reclaim.dirty = true;
                        self.draft.push_slot(SLOT_RECLAIM, decision, |_| Asking::Shard(Own::Housekeeping));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(shard = self.config.id.0, error, "space cannot be given back");
                    }
                }
            }
            ReclaimDone::CarriedOut(result) => {
                self.reclaim.carrying_out = false;
                match result {
                    Ok(bytes) => {
                        self.metrics.reclaimed_bytes.add(bytes);
                        tracing::info!(shard = self.config.id.0, bytes, "gave disk space back");
                    }
                    Err(error) => tracing::warn!(shard = self.config.id.0, error, "space was not given back"),
                }
            }
        }
    }

    /// Takes a decision out of an applied entry.
    pub(crate) fn decided(&mut self, slot: &Bytes) -> Result<(), &'static str> {
        let decision = Decision::decode(slot)?;
        if self.reclaim.waiting.len() >= DECISIONS_WAITING_MAX {
            self.reclaim.waiting.pop_front();
        }
        self.reclaim.waiting.push_back(decision);
        Ok(())
    }

    fn carry_out_next(&mut self) {
        if self.reclaim.carrying_out || self.fenced.is_some() {
            return;
        }
        let Some(decision) = self.reclaim.waiting.pop_front() else { return };
        self.reclaim.carrying_out = true;
        let (keeper, reader) = (self.replica.log().keeper(), self.replica.reader());
        let mailbox = Arc::clone(&self.mailbox);
        let job = Box::new(move || {
            let done = carry_out(&keeper, &reader, &decision);
            mailbox.post_completion(Done::Reclaim(ReclaimDone::CarriedOut(done)));
        });
        self.env.spawn.spawn(IoClass::Background, job);
    }
}
