//! Giving disk space back.
//!
//! ```text
//!   leader: something was trimmed, replaced in a compacted partition, or settled in a queue --> survey (job) --> Decision in the log
//!   every replica: Decision applied --> the list of segments changes --> carried out (job): unlink, or copy forward
//! ```
//! What is alive of a segment is written into the decision itself, and a rewritten segment is named by the decision's place
//! in the log, so equal names mean equal bytes. Which segments count follows from the log alone ([`segments`]); the
//! files of a replica may lag behind that (it still needs the entries), which costs space, never records.

mod carry_out;
mod choose;
pub(crate) mod dead;
pub(crate) mod decision;
pub(crate) mod segments;
mod settled;
mod sieve;
mod survey;
mod survivors;

use std::sync::Arc;

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_env::{IoClass, Monotonic};
use forebay_machine::{CompactedPartition, IndexEntry, MACHINE_VERSION_COMPACTION};
use forebay_model::{LogIndex, Offset, PartitionId};

pub use self::carry_out::CarriedOut;
use self::carry_out::{carry_out, differ};
use self::choose::Choice;
use self::decision::Decision;
use self::segments::Segments;
use self::settled::SettledPicture;
pub(crate) use self::survey::Urgency;
use self::survey::{Survey, survey};
use crate::big::BigAppend;
use crate::entry::SLOT_RECLAIM;
use crate::pending::{Asking, Own};
use crate::retention::queue_key;
use crate::sealed;
use crate::shard::{Done, Shard};

/// A segment below this is not worth ending early, in bytes.
const SEAL_EARLY_BYTES_MIN: u64 = 1 << 20;

/// Records of queues behind their cursors that one survey looks at: some milliseconds of the shard's thread.
const SETTLED_LOOKED_AT_MAX: u64 = 1 << 20;

/// Where reclaiming stands.
pub(crate) struct Reclaim {
    /// What the log consists of.
    pub(crate) segments: Segments,
    files: Files,
    /// Something died since the last survey.
    dirty: bool,
    next: Option<Monotonic>,
    surveying: bool,
    carrying_out: bool,
    /// What was left to be done waits for an install that counted on it.
    counted_on: bool,
    /// The first queue that the next survey looks at, and those behind it.
    queues_from: PartitionId,
}

/// How this replica's files stand to the list of segments.
enum Files {
    /// They may differ by what stands in the log up to here.
    Behind(LogIndex),
    /// They agree, but for what needs a higher floor than this, or cannot be done here.
    FollowedAt(LogIndex),
}

/// What a job of reclaiming brought.
pub enum ReclaimDone {
    /// What the leader may propose.
    Surveyed(Result<Surveyed, String>),
    /// What was given back.
    CarriedOut(CarriedOut),
}

/// What a survey chose.
pub struct Surveyed(Choice);

impl Reclaim {
    /// At open.
    pub(crate) fn of(segments: Segments) -> Reclaim {
        Reclaim {
            files: Files::Behind(segments.end()),
            segments,
            dirty: false,
            next: None,
            surveying: false,
            carrying_out: false,
            counted_on: false,
            queues_from: PartitionId(0),
        }
    }

    /// Another replica's files took the place of the own ones.
    pub(crate) fn installed(&mut self, segments: Segments) {
        self.files = Files::Behind(segments.end());
        self.segments = segments;
    }

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
        let settled = self.settled_picture();
        self.seal_wanted |= self.active_is_mostly_dead(&settled);
        let job = self.survey_job(now, settled);
        self.env.spawn.spawn(IoClass::Background, job);
    }

    /// Whether the active segment should end early, because only sealed ones give their space back.
    fn active_is_mostly_dead(&self, settled: &SettledPicture) -> bool {
        let Some(active) = self.replica.reader().segments().into_iter().next_back() else { return false };
        if active.sealed || active.bytes < SEAL_EARLY_BYTES_MIN {
            return false;
        }
        let starts = |partition| self.machine.partition(partition).map(|partition| partition.start);
        let lives = |entry: &IndexEntry| {
            let end = Offset(entry.first_offset.0 + u64::from(entry.count));
            starts(entry.partition).is_some_and(|start| start < end) && !settled.takes(&sealed::line(entry))
        };
        let live: u64 = self.index.active_entries().filter(lives).map(|entry| u64::from(entry.bytes)).sum();
        let (compactable, share) = self.compactable(active.id.first);
        live.saturating_sub(compactable) * 2 < active.bytes
            || (compactable > 0
                && share.is_reached(active.bytes.saturating_sub(live) + compactable, active.bytes))
    }

    fn survey_job(&mut self, now: Monotonic, settled: SettledPicture) -> Box<dyn FnOnce() + Send> {
        let time = self.log_time(now);
        let job = Survey {
            archive: self.archive.clone(),
            segments: self.reclaim.segments.clone(),
            starts: self.starts(),
            big_in_memory: self.index.big_entries(),
            parts_from: self.first_part(),
            dead: self.dead_picture(time),
            settled,
            may_rewrite: self.compactor.may_rewrite(now),
        };
        let mailbox = Arc::clone(&self.mailbox);
        Box::new(move || {
            let found = survey(&job).map(Surveyed);
            mailbox.post_completion(Done::Reclaim(ReclaimDone::Surveyed(found)));
        })
    }

    /// What consumers have settled behind what they have not, of as many queues as one survey looks at; the next one looks at others.
    fn settled_picture(&mut self) -> SettledPicture {
        let mut picture = SettledPicture::default();
        let mut left = SETTLED_LOOKED_AT_MAX;
        let from = std::mem::take(&mut self.reclaim.queues_from);
        let mut later = None;
        for partition in self.machine.partitions_from(from).filter(|one| one.settings.queue.is_some()) {
            let Some(progress) = self.machine.subscriptions().get(&queue_key(partition)) else { continue };
            let span = progress.delivered().0.saturating_sub(progress.cursor().0);
            if span > left {
                later = Some(partition.id);
                break;
            }
            left -= span;
            picture.add(partition.id, progress);
        }
        if let Some(later) = later {
            self.reclaim.queues_from = later;
            self.reclaim.dirty = true;
        }
        picture
    }

    /// Where every partition begins.
    fn starts(&self) -> BTreeMap<PartitionId, Offset> {
        self.machine.partitions().map(|partition| (partition.id, partition.start)).collect()
    }

    /// The oldest part of a payload whose append is not applied yet (it is not written, or on its way), or the end of what is
    /// applied. Nothing from there on is judged: the job runs later, and what came after this picture of the partitions
    /// would look dead to it.
    fn first_part(&self) -> LogIndex {
        let writing = self.big.values().filter_map(BigAppend::first_part);
        let stalled = self.stalled.as_ref().and_then(|turn| turn.draft.first_part());
        let named = [self.draft.first_part(), stalled, self.pending.first_part()];
        writing.chain(named.into_iter().flatten()).fold(self.applied.next(), LogIndex::min)
    }

    pub(crate) fn reclaim_done(&mut self, now: Monotonic, done: ReclaimDone) {
        match done {
            ReclaimDone::Surveyed(result) => {
                self.reclaim.surveying = false;
                match result {
                    Ok(Surveyed(choice)) if self.leads() => self.propose_choice(now, choice),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(shard = self.config.id.0, error, "space cannot be given back");
                    }
                }
            }
            ReclaimDone::CarriedOut(done) => self.carried_out(&done),
        }
    }

    fn propose_choice(&mut self, now: Monotonic, choice: Choice) {
        let Choice { decision, freed, vain, for_compaction, put_off } = choice;
        self.compactor.vain(&vain);
        self.compactor.rewrites(for_compaction, now);
        self.reclaim.dirty |= put_off;
        if decision == Decision::default() {
            return;
        }
        // There may be more than one decision holds.
        self.reclaim.dirty = true;
        let compacted = |(partition, freed_bytes): (PartitionId, u64)| CompactedPartition {
            partition,
            freed_bytes,
            clean_end: None,
        };
        let is_compacted = |id: PartitionId| {
            self.machine.partition(id).is_some_and(|partition| partition.settings.compaction.is_some())
        };
        let by_compaction = freed.iter().filter(|(id, _)| is_compacted(*id)).map(|(_, bytes)| bytes).sum();
        self.metrics.compacted_bytes.add(by_compaction);
        self.tell_compacted(freed.into_iter().map(compacted).collect());
        self.draft.push_slot(SLOT_RECLAIM, decision.encode(), |_| Asking::Shard(Own::Housekeeping));
    }

    fn carried_out(&mut self, done: &CarriedOut) {
        self.reclaim.carrying_out = false;
        self.reclaim.counted_on = done.counted_on;
        let shown = &self.metrics;
        shown.reclaimed_bytes.add(done.freed_bytes);
        shown.segments_unlinked.add(done.unlinked);
        shown.segments_rewritten.add(done.rewritten);
        shown.segments_rewritten_held.add(done.rewritten_held);
        if done.rewritten + done.unlinked > 0 {
            self.compactor.rewritten();
        }
        if done.freed_bytes > 0 {
            // What was left out because the files had not followed yet can be judged now.
            self.reclaim.dirty = true;
            tracing::info!(shard = self.config.id.0, bytes = done.freed_bytes, "gave disk space back");
        }
        if let Some(error) = &done.failed {
            tracing::warn!(shard = self.config.id.0, error, "space was not given back");
        }
    }

    /// Takes a decision out of the applied entry at `index`.
    pub(crate) fn decided(&mut self, index: LogIndex, slot: &Bytes) -> Result<(), &'static str> {
        let decision = Decision::decode(slot)?;
        self.reclaim.segments.decide(index, &decision);
        self.reclaim.files = Files::Behind(index);
        Ok(())
    }

    fn no_install_counts_any_more(&self) -> bool {
        self.reclaim.counted_on && !self.replica.log().keeper().is_anything_counted_on()
    }

    fn carry_out_next(&mut self) {
        let (floor, durable) = (self.replica.log().floor().index, self.replica.log().durable_index());
        let due = match self.reclaim.files {
            // A decision that is not on this medium can be lost with the power, and what it did not.
            Files::Behind(ordered) => ordered <= durable,
            Files::FollowedAt(at) => floor > at || self.no_install_counts_any_more(),
        };
        if !due || self.reclaim.carrying_out || self.fenced.is_some() {
            return;
        }
        self.reclaim.files = Files::FollowedAt(floor);
        self.reclaim.counted_on = false;
        let reader = self.replica.reader();
        if !differ(&reader, &self.reclaim.segments) {
            return;
        }
        self.reclaim.carrying_out = true;
        let keeper = self.replica.log().keeper();
        let segments = self.reclaim.segments.clone();
        let has_compaction = self.machine.version() >= MACHINE_VERSION_COMPACTION;
        let starts = if has_compaction { self.starts() } else { BTreeMap::new() };
        let mailbox = Arc::clone(&self.mailbox);
        let job = Box::new(move || {
            let done = carry_out(&keeper, &reader, &segments, &starts);
            mailbox.post_completion(Done::Reclaim(ReclaimDone::CarriedOut(done)));
        });
        self.env.spawn.spawn(IoClass::Background, job);
    }
}
