//! Jobs that read files for clients: made on the shard's thread, run on an I/O thread, reported to the mailbox.

use std::sync::Arc;

use forebay_commitlog::ReadError;
use forebay_env::{IoClass, Monotonic};
use forebay_model::Refusal;
use forebay_model::fetch::{FetchRefusal, Fetched, FoundOffset, OffsetTarget};

use crate::archive::{Archive, ArchiveError, ReadPlan};
use crate::shard::{Done, Shard};
use crate::work::Answer;

/// A fetch whose records are not all in memory.
pub(crate) struct ColdFetch<T> {
    pub(crate) ticket: T,
    pub(crate) plans: Vec<Result<ReadPlan, Refusal>>,
    pub(crate) bytes_max: u64,
}

/// Look-ups of which some need the index on disk.
pub(crate) struct ColdLookup<T> {
    pub(crate) ticket: T,
    /// What is known already; the rest is filled in.
    pub(crate) found: Vec<FoundOffset>,
    /// Place, partition, target.
    pub(crate) lookups: Vec<(usize, ReadPlan, OffsetTarget)>,
}

/// What a job brought.
pub struct ColdDone<T> {
    ticket: T,
    answer: Answer,
    /// The first thing that could not be read.
    error: Option<String>,
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn start_cold_fetch(&mut self, now: Monotonic, fetch: ColdFetch<T>) {
        self.read_files_at = Some(now);
        let archive = self.archive.clone();
        self.start(move || read_fetch(&archive, fetch));
    }

    pub(crate) fn start_cold_lookup(&mut self, lookup: ColdLookup<T>) {
        let archive = self.archive.clone();
        self.start(move || look_up(&archive, lookup));
    }

    fn start(&mut self, job: impl FnOnce() -> ColdDone<T> + Send + 'static) {
        self.metrics.cold_reads.increment();
        let mailbox = Arc::clone(&self.mailbox);
        let job = Box::new(move || mailbox.post_completion(Done::Cold(job())));
        self.env.spawn.spawn(IoClass::Read, job);
    }

    pub(crate) fn cold_done(&mut self, done: ColdDone<T>) {
        if let Some(error) = done.error {
            self.read_failed(&error);
        }
        self.answers.push((done.ticket, done.answer));
    }

    pub(crate) fn read_failed(&mut self, error: &str) {
        self.metrics.read_errors.increment();
        tracing::error!(shard = self.config.id.0, error, "a read failed; nothing of it was served");
        self.replica.stand_back();
    }
}

fn read_fetch<T>(archive: &Archive, fetch: ColdFetch<T>) -> ColdDone<T> {
    let mut left = fetch.bytes_max;
    let mut first = true;
    let mut error = None;
    let mut read = |plan: Result<ReadPlan, Refusal>| -> Fetched {
        let plan = plan.map_err(|refusal| FetchRefusal { refusal })?;
        if plan.offset >= plan.bound || (left == 0 && !first) {
            return Ok(plan.records(Vec::new(), plan.offset));
        }
        match archive.read(&plan, left, first) {
            Ok(records) => {
                let bytes = records.bytes() as u64;
                left = left.saturating_sub(bytes);
                first &= bytes == 0;
                Ok(records)
            }
            Err(failed) => Err(FetchRefusal { refusal: refusal_of(&failed, &mut error) }),
        }
    };
    let fetched = fetch.plans.into_iter().map(&mut read).collect();
    ColdDone { ticket: fetch.ticket, answer: Answer::Fetched(fetched), error }
}

fn look_up<T>(archive: &Archive, mut lookup: ColdLookup<T>) -> ColdDone<T> {
    let mut error = None;
    for (at, plan, target) in &lookup.lookups {
        let found = match target {
            OffsetTarget::AtOrAfter(timestamp) => archive.at_or_after(plan, *timestamp),
            OffsetTarget::MaxTimestamp => archive.max_timestamp(plan),
            OffsetTarget::Earliest | OffsetTarget::Latest => unreachable!("answered from the state"),
        };
        lookup.found[*at] = found.map_err(|failed| refusal_of(&failed, &mut error));
    }
    ColdDone { ticket: lookup.ticket, answer: Answer::FoundOffsets(lookup.found), error }
}

/// A record that vanished under the reader was trimmed meanwhile: the reader asks again and hears where the partition
/// starts now. Everything else is storage that failed.
pub(crate) fn refusal_of(failed: &ArchiveError, error: &mut Option<String>) -> Refusal {
    match failed {
        ArchiveError::Log(ReadError::NoEntry(_) | ReadError::NoSlot(..)) => Refusal::Busy,
        other => {
            error.get_or_insert_with(|| other.to_string());
            Refusal::Storage
        }
    }
}
