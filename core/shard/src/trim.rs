//! Trims that somebody asked for. How many bytes lie before the new start, the index says; for sealed segments it is on disk,
//! so a job looks there. The trim itself goes through the log, as retention's do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_env::{IoClass, Monotonic};
use forebay_machine::{Command, Outcome};
use forebay_model::fetch::Isolation;
use forebay_model::partition::{TrimTo, Trimmed};
use forebay_model::{Offset, PartitionId, Refusal};

use crate::archive::{Archive, ArchiveError, ReadPlan};
use crate::cold::refusal_of;
use crate::pending::Asking;
use crate::shard::{Done, Shard};
use crate::work::{Answer, Trim};

/// What is known of the partitions of one request; the others are on their way.
struct Trims<T> {
    asked: Trim<T>,
    known: Vec<Option<Trimmed>>,
}

/// What a job found.
pub struct TrimDone<T> {
    trims: Trims<T>,
    found: Vec<Found>,
    /// The first thing that could not be read.
    error: Option<String>,
}

/// A trim that is to be proposed.
struct Found {
    /// Its place in the request.
    at: usize,
    /// Where the partition began when the job was made.
    from: Offset,
    to: Offset,
    bytes: u64,
}

/// Which partitions have a trim that is proposed and not applied. What a trim takes is counted from where its partition begins, so a second
/// one beside it would count that once more.
pub(crate) struct Trimming<T> {
    under_way: BTreeSet<PartitionId>,
    /// Who asked for another one meanwhile. Bounded by the requests that may be open.
    waiting: Vec<Trim<T>>,
}

/// Trims that are proposed; whoever asked hears when they are applied.
pub(crate) struct TrimsUnderWay<T> {
    trims: Trims<T>,
    /// The place of each in the request.
    places: Vec<usize>,
}

impl<T> std::fmt::Debug for TrimsUnderWay<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrimsUnderWay").field("places", &self.places).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Looks for what the trims would give up. Whoever leads no more never comes here: it is behind a barrier.
    pub(crate) fn trim(&mut self, asked: Trim<T>) {
        let mut looks = Vec::new();
        let mut known = Vec::with_capacity(asked.items.len());
        for (at, (partition, to)) in asked.items.iter().enumerate() {
            known.push(match self.plan_trim(*partition, *to) {
                Ok((plan, to)) if plan.start < to => {
                    looks.push((at, to, plan));
                    None
                }
                Ok((plan, _)) => Some(Ok(plan.start)),
                Err(refusal) => Some(Err(refusal)),
            });
        }
        let trims = Trims { asked, known };
        if looks.is_empty() {
            return self.answers.push(trims.answer(&Refusal::Unknown));
        }
        let (archive, mailbox) = (self.archive.clone(), Arc::clone(&self.mailbox));
        let job = Box::new(move || mailbox.post_completion(Done::Trim(look_at(&archive, trims, looks))));
        self.env.spawn.spawn(IoClass::Read, job);
    }

    /// What a job needs to know of a partition, and where it is to begin.
    fn plan_trim(&self, id: PartitionId, to: TrimTo) -> Result<(ReadPlan, Offset), Refusal> {
        let partition = self.machine.partition(id).ok_or_else(|| self.no_partition(id))?;
        let end = partition.high_watermark();
        let to = match to {
            TrimTo::End => end,
            TrimTo::Offset(offset) if offset > end => {
                return Err(Refusal::OffsetOutOfRange { start: partition.start, end });
            }
            TrimTo::Offset(offset) => offset,
        };
        let mut plan = self.plan_from(partition, partition.start, Isolation::Uncommitted, u64::MAX);
        plan.bound = to;
        let in_memory = self.index.from(id, partition.start);
        plan.in_memory = in_memory.take_while(|entry| entry.first_offset < to).collect();
        Ok((plan, to))
    }

    pub(crate) fn trim_looked(&mut self, now: Monotonic, done: TrimDone<T>) {
        let TrimDone { trims, found, error } = done;
        if let Some(error) = error {
            self.read_failed(&error);
        }
        if !self.leads() {
            let refusal = self.not_leading();
            return self.answers.push(trims.answer(&refusal));
        }
        if trims.asked.deadline <= now {
            return self.answers.push(trims.answer(&Refusal::TimedOut));
        }
        let start = |found: &Found| self.machine.partition(trims.asked.items[found.at].0).map(|p| p.start);
        if found.iter().any(|found| start(found) != Some(found.from)) {
            // Retention trims too, or somebody else; or it is gone. What was counted would count twice.
            return self.trim(trims.asked);
        }
        if found.iter().any(|found| self.trimming.has(trims.asked.items[found.at].0)) {
            // That is on its way.
            return self.trimming.waiting.push(trims.asked);
        }
        if found.is_empty() {
            return self.answers.push(trims.answer(&Refusal::Unknown));
        }
        let mut counted = BTreeMap::new();
        let command = |found: &Found| {
            let partition = trims.asked.items[found.at].0;
            let bytes = not_counted(counted.entry(partition).or_default(), found);
            Command::Trim { partition, start: found.to, bytes }
        };
        let commands: Vec<_> = found.iter().map(command).collect();
        let places: Vec<_> = found.iter().map(|found| found.at).collect();
        let partitions: Vec<_> = places.iter().map(|at| trims.asked.items[*at].0).collect();
        self.trims_begin(&partitions);
        self.draft.push_all(&commands, Asking::Trim(Box::new(TrimsUnderWay { trims, places })));
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Trims of these partitions are proposed.
    pub(crate) fn trims_begin(&mut self, partitions: &[PartitionId]) {
        self.trimming.under_way.extend(partitions);
    }

    /// They are applied, or never will be as far as anybody here can tell: whoever waited for them looks again.
    pub(crate) fn trims_end(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.trimming.under_way.remove(partition);
        }
        let waits_for_one = |asked: &mut Trim<T>| asked.items.iter().any(|(id, _)| partitions.contains(id));
        let woken: Vec<Trim<T>> = self.trimming.waiting.extract_if(.., waits_for_one).collect();
        for asked in woken {
            if self.leads() {
                self.trim(asked);
            } else {
                self.answers
                    .push((asked.ticket, Answer::Trimmed(vec![Err(self.not_leading()); asked.items.len()])));
            }
        }
    }
}

/// What a trim takes that no trim of its partition before it in the request does.
fn not_counted(counted: &mut (Offset, u64), found: &Found) -> u64 {
    if found.to <= counted.0 {
        return 0;
    }
    let (_, before) = std::mem::replace(counted, (found.to, found.bytes));
    found.bytes.saturating_sub(before)
}

impl<T> Trimming<T> {
    /// Answers who has waited too long.
    pub(crate) fn expire(&mut self, now: Monotonic, answers: &mut Vec<(T, Answer)>) {
        for asked in self.waiting.extract_if(.., |asked| asked.deadline <= now) {
            let refused = vec![Err(Refusal::TimedOut); asked.items.len()];
            answers.push((asked.ticket, Answer::Trimmed(refused)));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.waiting.iter().map(|asked| asked.deadline).min()
    }

    /// Whether a trim of this partition is under way.
    pub(crate) fn has(&self, partition: PartitionId) -> bool {
        self.under_way.contains(&partition)
    }
}

impl<T> Default for Trimming<T> {
    fn default() -> Trimming<T> {
        Trimming { under_way: BTreeSet::new(), waiting: Vec::new() }
    }
}

impl<T> Trims<T> {
    /// The answer; what is not known is refused.
    fn answer(self, refusal: &Refusal) -> (T, Answer) {
        let known = self.known.into_iter().map(|known| known.unwrap_or_else(|| Err(refusal.clone())));
        (self.asked.ticket, Answer::Trimmed(known.collect()))
    }
}

impl<T> TrimsUnderWay<T> {
    /// The partitions that are trimmed.
    pub(crate) fn partitions(&self) -> Vec<PartitionId> {
        self.places.iter().map(|at| self.trims.asked.items[*at].0).collect()
    }

    pub(crate) fn deadline(&self) -> Monotonic {
        self.trims.asked.deadline
    }

    /// The answer when nobody knows what becomes of them, or nothing does.
    pub(crate) fn refuse(self, refusal: &Refusal) -> (T, Answer) {
        self.trims.answer(refusal)
    }

    /// The answer when they were applied.
    pub(crate) fn applied(mut self, outcomes: impl Iterator<Item = Outcome>) -> (T, Answer) {
        for (at, outcome) in self.places.into_iter().zip(outcomes) {
            self.trims.known[at] = Some(match outcome {
                Outcome::Trimmed { start } => Ok(start),
                Outcome::Refused(refusal) => Err(refusal),
                other => panic!("a trim was applied, not {other:?}"),
            });
        }
        self.trims.answer(&Refusal::Unknown)
    }
}

fn look_at<T>(archive: &Archive, mut trims: Trims<T>, looks: Vec<(usize, Offset, ReadPlan)>) -> TrimDone<T> {
    let mut found = Vec::with_capacity(looks.len());
    let mut error = None;
    for (at, to, plan) in looks {
        match bytes_before(archive, &plan, to) {
            Ok(bytes) => found.push(Found { at, from: plan.start, to, bytes }),
            Err(failed) => trims.known[at] = Some(Err(refusal_of(&failed, &mut error))),
        }
    }
    TrimDone { trims, found, error }
}

/// Bytes of the payloads that end at `to` or before: one that the new start cuts stays.
fn bytes_before(archive: &Archive, plan: &ReadPlan, to: Offset) -> Result<u64, ArchiveError> {
    let mut walk = archive.entries(plan);
    let mut bytes = 0;
    while let Some(indexed) = walk.next()? {
        let entry = indexed.entry;
        if entry.first_offset.0 + u64::from(entry.count) <= to.0 {
            bytes += u64::from(entry.bytes);
        }
    }
    Ok(bytes)
}
