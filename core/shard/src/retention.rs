//! Retention: finds out which partitions hold records that need not be kept, and trims them through the log.
//!
//! Only the leader looks, every `retention_interval`, and only while the clock is believed. A partition whose oldest record
//! is known and young enough is passed over; the others' indexes are read by jobs, one behind the other until all partitions
//! had their turn. What a job found is proposed as `Trim`, so every replica forgets the same records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_env::{IoClass, Monotonic};
use forebay_machine::{Command, IndexEntry, Partition, RunSummary, SubscriptionKey, TrimDue, retention_due};
use forebay_model::fetch::Isolation;
use forebay_model::queue::QUEUE_SUBSCRIPTION;
use forebay_model::{GroupId, LogTime, Offset, PartitionId, Timestamp};
use forebay_record::batch::MARK_BYTES;

use crate::archive::{Archive, ArchiveError, ReadPlan};
use crate::pending::Asking;
use crate::sealed::Indexed;
use crate::shard::{Done, Shard};

/// Partitions that one job looks at; the next one of the same round goes on behind them.
const PARTITIONS_PER_JOB_MAX: usize = 512;
/// Index entries read of one partition by one job; what is left is found by the next round...
const ENTRIES_PER_PARTITION_MAX: usize = 50_000;
/// ...which then begins so much later: partitions that small batches are written to fill faster than one job per interval empties them.
const NEXT_ROUND_OF_MORE: Duration = Duration::from_millis(500);

/// A queue whose consumers have settled so many records that are still there does not wait for the next round.
const SETTLED_MUCH: u64 = 100_000;

/// What retention remembers between two looks.
#[derive(Default)]
pub(crate) struct Retention {
    /// When the next round begins.
    next: Option<Monotonic>,
    /// Where the round under way goes on.
    round: Option<PartitionId>,
    running: bool,
    /// Per partition the start that was looked at and the newest time of its first payload.
    oldest: BTreeMap<PartitionId, (Offset, Timestamp)>,
}

impl Retention {
    pub(crate) fn next_look(&self) -> Option<Monotonic> {
        self.next.filter(|_| !self.running && self.round.is_none())
    }

    /// Forgets everything, when leadership ends.
    pub(crate) fn clear(&mut self) {
        self.next = None;
        self.round = None;
        self.oldest.clear();
    }
}

/// What a job found of one partition.
pub(crate) struct Found {
    partition: PartitionId,
    start: Offset,
    due: Option<TrimDue>,
    /// The time of the first payload that stays, if the job saw one.
    oldest: Option<Timestamp>,
    /// The job stopped at its limit with everything due that it had read: there may be more.
    more: bool,
}

/// What a job found.
pub struct RetentionDone(Vec<Found>, Option<String>);

struct Look {
    partition: Partition,
    /// Everything before it is settled, if it is a queue's.
    settled: Offset,
    plan: ReadPlan,
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Starts a look if one is due.
    pub(crate) fn look_for_old(&mut self, now: Monotonic) {
        if !self.leads() || self.retention.running {
            return;
        }
        let interval = self.config.retention_interval;
        let next = *self.retention.next.get_or_insert(now + interval);
        if next <= now && self.retention.round.is_none() {
            self.retention.next = Some(now + interval);
            self.retention.round = Some(PartitionId(0));
        }
        let Some(from) = self.retention.round else { return };
        let time = self.log_time(now);
        if self.clock.as_ref().is_none_or(|clock| !clock.deletes()) {
            self.retention.round = None;
            return;
        }
        let (looks, next) = self.suspects(from, time);
        self.retention.round = next;
        if looks.is_empty() {
            return;
        }
        self.retention.running = true;
        let (archive, mailbox) = (self.archive.clone(), Arc::clone(&self.mailbox));
        let job = Box::new(move || mailbox.post_completion(Done::Retention(look_at(&archive, looks, time))));
        self.env.spawn.spawn(IoClass::Background, job);
    }

    /// Partitions from `from` on that may hold too much, as many as one job looks at, and where the next job goes on.
    fn suspects(&self, from: PartitionId, time: LogTime) -> (Vec<Look>, Option<PartitionId>) {
        let mut looks = Vec::new();
        for partition in self.machine.partitions_from(from) {
            let passed_over = partition.start == partition.end || self.trimming.has(partition.id);
            if passed_over || !self.is_suspect(partition, time) {
                continue;
            }
            if looks.len() >= PARTITIONS_PER_JOB_MAX {
                return (looks, Some(partition.id));
            }
            let mut plan = self.plan_from(partition, partition.start, Isolation::Uncommitted, u64::MAX);
            let in_memory = self.index.from(partition.id, partition.start);
            plan.in_memory = in_memory.take(ENTRIES_PER_PARTITION_MAX).collect();
            looks.push(Look { partition: partition.clone(), settled: self.settled(partition), plan });
        }
        (looks, None)
    }

    fn is_suspect(&self, partition: &Partition, time: LogTime) -> bool {
        let settings = &partition.settings;
        let too_many = settings.retention_bytes.is_some_and(|kept| partition.bytes > kept);
        let too_old = settings.retention_ms.is_some_and(|kept_ms| {
            match self.retention.oldest.get(&partition.id) {
                Some((start, Timestamp(oldest))) if *start == partition.start => {
                    // Without a timestamp nothing is too old.
                    *oldest >= 0 && oldest.saturating_add_unsigned(kept_ms) < time.0
                }
                _ => true,
            }
        });
        too_many || too_old || self.settled(partition) > partition.start
    }

    /// Before where the consumers of a queue have settled everything.
    fn settled(&self, partition: &Partition) -> Offset {
        if partition.settings.queue.is_none() {
            return partition.start;
        }
        let progress = self.machine.subscriptions().get(&queue_key(partition));
        progress.map_or(partition.start, |progress| progress.cursor().max(partition.start))
    }

    /// Consumers of a queue have settled something: a round begins soon if that is much.
    pub(crate) fn queue_settled(&mut self, now: Monotonic, partition: PartitionId) {
        let Some(partition) = self.machine.partition(partition).filter(|one| one.settings.queue.is_some())
        else {
            return;
        };
        // What lies behind something that is not settled cannot be trimmed, and goes all the same.
        self.reclaim.mark_dirty();
        let is_much = self.settled(partition).0.saturating_sub(partition.start.0) >= SETTLED_MUCH;
        if is_much && !self.trimming.has(partition.id) {
            let soon = now + NEXT_ROUND_OF_MORE;
            self.retention.next = Some(self.retention.next.map_or(soon, |next| next.min(soon)));
        }
    }

    pub(crate) fn retention_done(&mut self, done: RetentionDone) {
        self.retention.running = false;
        if let Some(error) = done.1 {
            self.metrics.read_errors.increment();
            tracing::error!(
                shard = self.config.id.0,
                error,
                "retention could not read an index; nothing is dropped there"
            );
        }
        if !self.leads() {
            return;
        }
        let mut more = false;
        for found in done.0 {
            let start = self.machine.partition(found.partition).map(|partition| partition.start);
            if start != Some(found.start) || self.trimming.has(found.partition) {
                // Somebody trims it by hand meanwhile: what was counted would count twice. The next round looks again.
                continue;
            }
            let start = found.due.map_or(found.start, |due| due.start);
            if let Some(oldest) = found.oldest {
                self.retention.oldest.insert(found.partition, (start, oldest));
            }
            more |= found.more;
            if let Some(due) = found.due {
                tracing::debug!(
                    shard = self.config.id.0,
                    partition = found.partition.0,
                    start = start.0,
                    "trims"
                );
                let trim = Command::Trim { partition: found.partition, start, bytes: due.bytes };
                self.trims_begin(&[found.partition]);
                self.draft.push(&trim, Asking::Trimming(vec![found.partition]));
            }
        }
        if more {
            let soon = self.env.clock.monotonic() + NEXT_ROUND_OF_MORE;
            self.retention.next = self.retention.next.map(|next| next.min(soon));
        }
        let machine = &self.machine;
        self.retention.oldest.retain(|id, _| machine.partition(*id).is_some());
    }
}

/// Under which name the consumers of a queue take its records.
pub(crate) fn queue_key(partition: &Partition) -> SubscriptionKey {
    SubscriptionKey { partition: partition.id, name: GroupId(QUEUE_SUBSCRIPTION.into()) }
}

fn look_at(archive: &Archive, looks: Vec<Look>, time: LogTime) -> RetentionDone {
    let mut found = Vec::new();
    let mut error = None;
    for look in looks {
        match look_at_one(archive, &look, time) {
            Ok(one) => found.push(one),
            Err(failed) => {
                error.get_or_insert_with(|| failed.to_string());
            }
        }
    }
    RetentionDone(found, error)
}

fn look_at_one(archive: &Archive, look: &Look, time: LogTime) -> Result<Found, ArchiveError> {
    let mut failed = None;
    let mut walk = archive.entries(&look.plan);
    // Of each payload the beginning, the end and the newest timestamp.
    let mut seen: Vec<(Offset, Offset, Timestamp)> = Vec::new();
    let runs = std::iter::from_fn(|| match walk.next() {
        Ok(entry) => entry,
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let runs = runs.take(ENTRIES_PER_PARTITION_MAX).map(|Indexed { entry, .. }| {
        let end = Offset(entry.first_offset.0 + u64::from(entry.count));
        // A mark has no time that anybody looks for. It may go as soon as what lies before it is gone.
        let (oldest, appended_by) = match is_mark(&entry) {
            true => (Timestamp(0), Some(LogTime(i64::MIN))),
            false => (entry.max_timestamp, None),
        };
        seen.push((entry.first_offset, end, oldest));
        RunSummary { end, max_timestamp: entry.max_timestamp, appended_by, bytes: u64::from(entry.bytes) }
    });
    let due = retention_due(&look.partition, time, look.settled, runs);
    if let Some(error) = failed {
        return Err(error);
    }
    let due = over_gaps(look, due, &seen);
    let start = due.map_or(look.partition.start, |due| due.start);
    let oldest = seen.iter().find(|(_, end, _)| *end > start).map(|(.., timestamp)| *timestamp);
    let more = due.is_some() && oldest.is_none() && seen.len() >= ENTRIES_PER_PARTITION_MAX;
    Ok(Found { partition: look.partition.id, start: look.partition.start, due, oldest, more })
}

/// What was settled behind something else may be gone before that: a queue begins with what is left, or where it is settled to.
fn over_gaps(look: &Look, due: Option<TrimDue>, seen: &[(Offset, Offset, Timestamp)]) -> Option<TrimDue> {
    let (start, bytes) = due.map_or((look.partition.start, 0), |due| (due.start, due.bytes));
    let left = seen.iter().find(|(_, end, _)| *end > start).map(|(first, ..)| *first);
    let next = match left {
        Some(first) => first.min(look.settled),
        None if seen.len() < ENTRIES_PER_PARTITION_MAX => look.settled,
        None => return due,
    };
    if look.partition.settings.queue.is_some() && next > start {
        Some(TrimDue { start: next, bytes })
    } else {
        due
    }
}

/// Whether it is the mark that ends a transaction. A payload of one record without a time and of just that length is taken for one
/// too: it goes with what lies before it.
pub(crate) fn is_mark(entry: &IndexEntry) -> bool {
    (entry.count, entry.bytes, entry.max_timestamp) == (1, MARK_BYTES, Timestamp(-1))
}
