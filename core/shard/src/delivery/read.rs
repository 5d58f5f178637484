//! Reading for receivers: whole batches from memory, or by a job where files have to be read, with what must be known of each to tell
//! what nobody is to see.

use std::sync::Arc;

use bytes::Bytes;
use forebay_env::IoClass;
use forebay_machine::{AbortedRange, IndexEntry};
use forebay_model::publish::PayloadKind;
use forebay_model::subscription::{OffsetRange, ReceiveForm, Received};
use forebay_model::{Offset, ProducerId, Refusal};
use forebay_record::batch::BatchHeader;
use forebay_record::kind_of;

use crate::archive::{Archive, ArchiveError, ReadPlan};
use crate::cold::refusal_of;
use crate::shard::{Done, Shard};
use crate::stamp::{Pieces, ReadPieces};
use crate::work::ReceiveWork;

/// Batches that were read.
pub(crate) struct ReadBatches {
    pub(super) pieces: ReadPieces,
    /// The offset behind the last of them.
    pub(super) end: Offset,
    pub(super) notes: Vec<BatchNote>,
}

/// What one batch is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchNote {
    range: OffsetRange,
    /// Whose transaction it belongs to.
    transaction: Option<ProducerId>,
    /// It is a mark that ends one.
    is_mark: bool,
}

/// How much of what is free is worth reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appetite {
    pub(super) bytes_max: u64,
    /// One batch is read whatever its size.
    pub(super) first_always: bool,
    /// No more batches when they hold so many records.
    pub(super) records_max: u64,
    /// No more that are cut by what may be handed out, or that begin here or behind, when there is one: they are handed out whole.
    pub(super) whole_before: Option<Offset>,
}

impl Appetite {
    /// Whether a batch that is not the first is left for another time.
    fn leaves(&self, first: Offset, end: Offset, bound: Offset) -> bool {
        self.whole_before.is_some_and(|before| first >= before || end > bound)
    }
}

/// A receive that waits for files.
pub(super) struct ColdReceive<T> {
    pub(super) work: ReceiveWork<T>,
    /// What the other partitions gave: nothing but refusals.
    pub(super) received: Vec<Received>,
    /// The place of the one that is read.
    pub(super) at: usize,
}

/// What a job brought.
pub struct ReceiveDone<T> {
    pub(super) receive: ColdReceive<T>,
    /// What was free when it began.
    pub(super) range: OffsetRange,
    pub(super) read: Result<ReadBatches, Refusal>,
    /// What could not be read.
    pub(super) error: Option<String>,
}

impl BatchNote {
    /// What the header of a batch says.
    fn of(first: Offset, count: u32, payload: Option<&Bytes>) -> Result<BatchNote, String> {
        let payload = payload.map_or(&[][..], |payload| payload);
        if kind_of(payload) == PayloadKind::MessageBatch {
            let end = Offset(first.0 + u64::from(count));
            let range = OffsetRange::until(first, end).ok_or("a batch without messages")?;
            return Ok(BatchNote { range, transaction: None, is_mark: false });
        }
        let header = BatchHeader::peek(payload).map_err(|error| error.to_string())?;
        let end = Offset(first.0 + u64::from(count));
        let range = OffsetRange::until(first, end).ok_or("a batch without records")?;
        let transaction = header.attributes.is_transactional().then_some(header.producer_id);
        Ok(BatchNote { range, transaction, is_mark: header.attributes.is_control() })
    }

    /// Whether nobody is to see it: it is a mark, or belongs to one of these transactions.
    pub(super) fn is_hidden(&self, aborted: &[AbortedRange]) -> bool {
        let belongs = |range: &AbortedRange| {
            self.transaction == Some(range.producer) && (range.first..=range.last).contains(&self.range.first)
        };
        self.is_mark || aborted.iter().any(belongs)
    }

    pub(super) fn range(&self) -> OffsetRange {
        self.range
    }
}

/// Counts the records of batches from `offset` on.
struct Fill {
    offset: Offset,
    records: u64,
    records_max: u64,
    notes: Vec<BatchNote>,
}

impl Fill {
    fn new(plan: &ReadPlan, appetite: Appetite) -> Fill {
        Fill { offset: plan.offset, records: 0, records_max: appetite.records_max, notes: Vec::new() }
    }

    /// Takes one batch in; whether there are enough.
    fn take(&mut self, first: Offset, count: u32, payload: Option<&Bytes>) -> Result<bool, String> {
        self.notes.push(BatchNote::of(first, count, payload)?);
        let end = first.0 + u64::from(count);
        self.records += end.saturating_sub(first.0.max(self.offset.0));
        Ok(self.records >= self.records_max)
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Whole batches from memory; `None` when the first of them is not there.
    pub(super) fn read_hot(
        &self,
        plan: &ReadPlan,
        form: ReceiveForm,
        appetite: Appetite,
    ) -> Option<ReadBatches> {
        let mut pieces = Pieces::new(form, self.archive.properties);
        let mut fill = Fill::new(plan, appetite);
        let mut end = plan.offset;
        for hot in self.hot.from(plan.partition, plan.offset) {
            // A hole in memory: what is here before it is an answer already.
            if hot.first_offset > end && !pieces.is_empty() || hot.first_offset >= plan.bound {
                break;
            }
            if !pieces.is_empty() && appetite.leaves(hot.first_offset, hot.end(), plan.bound) {
                break;
            }
            let fits = pieces.len() as u64 + hot.payload.len() as u64 <= appetite.bytes_max;
            let is_first = pieces.is_empty() && appetite.first_always;
            if !fits && !is_first {
                break;
            }
            if form == ReceiveForm::Records && kind_of(&hot.payload) == PayloadKind::MessageBatch {
                // What becomes of it takes longer than this thread has: it is done where files are read.
                return None;
            }
            let enough = fill.take(hot.first_offset, hot.count, Some(&hot.payload)).ok()?;
            pieces.push_raw(hot.payload.clone());
            let epoch = plan.epoch_at(hot.first_offset);
            pieces.stamp_last(hot.payload.len(), hot.first_offset, epoch).ok()?;
            end = hot.end();
            if enough {
                break;
            }
        }
        // Even a batch that does not fit shows that it is here.
        self.hot.from(plan.partition, plan.offset).next()?;
        self.metrics.records_out.add(fill.records);
        Some(ReadBatches { pieces: pieces.finish(), end, notes: fill.notes })
    }

    /// Reads the same from files, on another thread.
    pub(super) fn start_cold_receive(
        &mut self,
        receive: ColdReceive<T>,
        plan: ReadPlan,
        range: OffsetRange,
        appetite: Appetite,
    ) {
        self.read_files_at = Some(self.env.clock.monotonic());
        self.metrics.cold_reads.increment();
        let (archive, mailbox) = (self.archive.clone(), Arc::clone(&self.mailbox));
        let form = receive.work.form;
        let job = move || {
            let mut error = None;
            let read = read_cold(&archive, &plan, form, appetite);
            let read = read.map_err(|failed| refusal_of(&failed, &mut error));
            mailbox.post_completion(Done::Receive(ReceiveDone { receive, range, read, error }));
        };
        self.env.spawn.spawn(IoClass::Read, Box::new(job));
    }
}

fn read_cold(
    archive: &Archive,
    plan: &ReadPlan,
    form: ReceiveForm,
    appetite: Appetite,
) -> Result<ReadBatches, ArchiveError> {
    let mut fill = Fill::new(plan, appetite);
    let Appetite { bytes_max, first_always, .. } = appetite;
    let end = |entry: &IndexEntry| Offset(entry.first_offset.0 + u64::from(entry.count));
    let leaves = |entry: &IndexEntry| appetite.leaves(entry.first_offset, end(entry), plan.bound);
    let (pieces, end) =
        archive.read_until(plan, form, bytes_max, first_always, leaves, |entry, payload| {
            fill.take(entry.first_offset, entry.count, payload).map_err(ArchiveError::Damaged)
        })?;
    Ok(ReadBatches { pieces, end, notes: fill.notes })
}
