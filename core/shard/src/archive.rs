//! Reading what is no longer in memory: sealed segments by their sidecars, payloads by their slots. All of it blocks, so
//! all of it runs on I/O threads, on a consistent picture taken on the shard's thread.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use forebay_commitlog::{ReadError, Reader, SlotPlace, SlotReader};
use forebay_machine::{AbortedRange, IndexEntry};
use forebay_model::fetch::{FetchedRecords, OffsetAt};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::subscription::ReceiveForm;
use forebay_model::{LeaderEpoch, Offset, PartitionId, Timestamp, TopicId};
use forebay_record::batch::{self, BatchError, HEADER_BYTES};
use forebay_record::{PropertyReaders, as_record_batch};

use crate::ahead::Ahead;
use crate::entry::decode_parts;
use crate::metrics::ShardMetrics;
use crate::reach::reach;
use crate::sealed::{self, Indexed};
use crate::stamp::{Pieces, ReadPieces, joined};

/// Why records could not be read.
#[derive(Debug)]
pub(crate) enum ArchiveError {
    /// The log could not be read; the fault names file and position.
    Log(ReadError),
    /// What was read is not what the index says.
    Damaged(String),
}

impl ArchiveError {
    pub(crate) fn fault(fault: forebay_commitlog::Fault) -> ArchiveError {
        ArchiveError::Log(ReadError::Fault(fault))
    }
}

impl std::fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArchiveError::Log(error) => error.fmt(f),
            ArchiveError::Damaged(what) => f.write_str(what),
        }
    }
}

impl From<ReadError> for ArchiveError {
    fn from(error: ReadError) -> ArchiveError {
        ArchiveError::Log(error)
    }
}

/// What a job needs to read the records of one shard.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) reader: Reader,
    pub(crate) metrics: Arc<ShardMetrics>,
    /// Who reads the properties of messages, for readers of record batches.
    pub(crate) properties: PropertyReaders,
}

/// One partition to read, as it was when the job was made.
pub(crate) struct ReadPlan {
    pub(crate) partition: PartitionId,
    pub(crate) topic: TopicId,
    pub(crate) offset: Offset,
    /// Records before this offset may be handed out.
    pub(crate) bound: Offset,
    pub(crate) start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) bytes_max: u64,
    /// Whether payloads may be shorter than their index entries say, or gone.
    pub(crate) is_compacted: bool,
    /// Whether offsets may be missing between entries.
    pub(crate) has_holes: bool,
    /// The entries in memory from `offset` on, as far as they may be needed.
    pub(crate) in_memory: Vec<IndexEntry>,
    /// Transactions that were aborted between `offset` and `bound`, for a reader of completed ones.
    pub(crate) aborted: Vec<AbortedRange>,
    /// Whether `bound` lies before what could be read, because so many were aborted.
    pub(crate) is_cut: bool,
    /// First offset of each epoch, oldest first.
    pub(crate) epochs: Arc<[(Offset, LeaderEpoch)]>,
}

impl ReadPlan {
    /// The epoch of the record at `offset`.
    pub(crate) fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        let at = self.epochs.partition_point(|(first, _)| *first <= offset);
        self.epochs.get(at.saturating_sub(1)).map_or(LeaderEpoch(0), |(_, epoch)| *epoch)
    }

    /// How long the payload of an entry has to be. One that compaction has shortened since its index entry was read is what it is.
    fn bytes_of(&self, entry: &IndexEntry, pieces: &[Bytes]) -> usize {
        match self.is_compacted {
            true => pieces.iter().map(Bytes::len).sum(),
            false => entry.bytes as usize,
        }
    }

    /// What was read from `offset` up to `end`.
    pub(crate) fn records(&self, pieces: Vec<Bytes>, end: Offset) -> FetchedRecords {
        let within = self.aborted.iter().filter(|range| range.first < end);
        let aborted = within.map(|range| (range.producer, range.first)).collect();
        FetchedRecords {
            topic: self.topic,
            start_offset: self.start,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset,
            aborted,
            records: pieces,
        }
    }
}

/// Walks the entries of one partition: first those in sidecars, then those in memory.
pub(crate) struct Walk<'a> {
    archive: &'a Archive,
    plan: &'a ReadPlan,
    next: Offset,
    sealed: std::vec::IntoIter<Indexed>,
    sealed_done: bool,
}

/// A compressed batch may inflate to this much when something is looked for in it.
pub(crate) const INFLATED_BYTES_MAX: usize = 2 * forebay_model::limits::MESSAGE_BYTES_CEILING;
/// Entries taken from a sidecar at once.
const SIDECAR_ENTRIES: usize = 256;

impl<'a> Walk<'a> {
    fn new(archive: &'a Archive, plan: &'a ReadPlan, from: Offset) -> Walk<'a> {
        Walk { archive, plan, next: from, sealed: Vec::new().into_iter(), sealed_done: false }
    }

    /// The next entry below the plan's bound.
    pub(crate) fn next(&mut self) -> Result<Option<Indexed>, ArchiveError> {
        loop {
            let indexed = match self.sealed.next() {
                Some(indexed) => Some(indexed),
                None if self.sealed_done => self.in_memory().map(|entry| Indexed { entry, place: None }),
                None => {
                    let more = sealed::entries(
                        &self.archive.reader,
                        self.plan.partition,
                        self.next,
                        SIDECAR_ENTRIES,
                    )?;
                    self.sealed_done = more.is_empty();
                    self.sealed = more.into_iter();
                    continue;
                }
            };
            let Some(indexed) = indexed else { return Ok(None) };
            let end = Offset(indexed.entry.first_offset.0 + u64::from(indexed.entry.count));
            if end <= self.next {
                continue;
            }
            self.next = end;
            return Ok(Some(indexed).filter(|indexed| indexed.entry.first_offset < self.plan.bound));
        }
    }

    /// What is known of the entries that come next, without reading anything.
    fn known(&self) -> impl Iterator<Item = &Indexed> {
        self.sealed.as_slice().iter().take_while(|indexed| indexed.entry.first_offset < self.plan.bound)
    }

    fn in_memory(&self) -> Option<IndexEntry> {
        let entries = &self.plan.in_memory;
        let at =
            entries.partition_point(|entry| entry.first_offset.0 + u64::from(entry.count) <= self.next.0);
        entries.get(at).cloned()
    }
}

impl Archive {
    /// The entries of a partition from `plan.offset` on.
    pub(crate) fn entries<'a>(&'a self, plan: &'a ReadPlan) -> Walk<'a> {
        Walk::new(self, plan, plan.offset)
    }

    /// Reads whole batches from `plan.offset` on, within `bytes_max`; the first one is always read when `first_always`.
    pub(crate) fn read(
        &self,
        plan: &ReadPlan,
        bytes_max: u64,
        first_always: bool,
    ) -> Result<FetchedRecords, ArchiveError> {
        let form = ReceiveForm::Records;
        let (read, end) =
            self.read_until(plan, form, bytes_max, first_always, |_| false, |_, _| Ok(false))?;
        Ok(plan.records(read.records, end))
    }

    /// The same, until `leaves` says so of a batch that is not the first, before it is read; or until `enough` says so of one, of which it
    /// sees the entry and the beginning. Also the offset behind the last one.
    pub(crate) fn read_until(
        &self,
        plan: &ReadPlan,
        form: ReceiveForm,
        bytes_max: u64,
        first_always: bool,
        leaves: impl Fn(&IndexEntry) -> bool,
        mut enough: impl FnMut(&IndexEntry, Option<&Bytes>) -> Result<bool, ArchiveError>,
    ) -> Result<(ReadPieces, Offset), ArchiveError> {
        let mut pieces = Pieces::new(form, self.properties);
        let mut walk = Walk::new(self, plan, plan.offset);
        let mut slots = self.reader.slots();
        let mut ahead = Ahead::default();
        let limit = plan.bytes_max.min(bytes_max);
        let mut end = plan.offset;
        loop {
            let indexed = match ahead.pop() {
                Some(indexed) => indexed,
                None => match walk.next()? {
                    Some(indexed) => indexed,
                    None => {
                        // Compaction has taken all that was there, or an import brought nothing.
                        let nothing_before = |entry: &IndexEntry| entry.first_offset >= plan.bound;
                        let is_gone = plan.has_holes
                            && end == plan.offset
                            && plan.in_memory.first().is_none_or(nothing_before);
                        end = if is_gone { end.max(plan.bound) } else { end };
                        break;
                    }
                },
            };
            let entry = &indexed.entry;
            let fits = pieces.len() as u64 + u64::from(entry.bytes) <= limit;
            let first = pieces.is_empty() && first_always;
            if !fits && !first || !pieces.is_empty() && leaves(entry) {
                break;
            }
            let next = ahead.iter().chain(walk.known());
            let left = limit.saturating_sub(pieces.len() as u64);
            end = Offset(entry.first_offset.0 + u64::from(entry.count));
            let Some(payload) = payload(plan, &mut slots, &indexed, |first| reach(first, next, left))? else {
                continue;
            };
            let is_enough = enough(entry, payload.first())?;
            let bytes = plan.bytes_of(entry, &payload);
            payload.into_iter().for_each(|piece| pieces.push_raw(piece));
            let epoch = plan.epoch_at(entry.first_offset);
            pieces.stamp_last(bytes, entry.first_offset, epoch).map_err(ArchiveError::Damaged)?;
            self.metrics.records_out.add(entry.count.into());
            if is_enough {
                break;
            }
            if slots.waited() {
                // What cannot be read is met again when its turn comes.
                ahead.fill(&mut slots, limit.saturating_sub(pieces.len() as u64), || {
                    walk.next().ok().flatten()
                });
            }
        }
        Ok((pieces.finish(), end))
    }

    /// Shows the payloads of a partition from `plan.offset` on, in order, until `see` has seen enough.
    pub(crate) fn each_payload(
        &self,
        plan: &ReadPlan,
        mut see: impl FnMut(&IndexEntry, &Bytes) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let mut walk = Walk::new(self, plan, plan.offset);
        let mut slots = self.reader.slots();
        while let Some(indexed) = walk.next()? {
            let along = |first: &SlotPlace| reach(first, walk.known(), u64::MAX);
            let Some(payload) = payload(plan, &mut slots, &indexed, along)? else { continue };
            if see(&indexed.entry, &joined(payload)).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The payload of an entry in one piece, as a record batch; `None` when it is gone.
    fn whole_records(&self, plan: &ReadPlan, indexed: &Indexed) -> Result<Option<Bytes>, ArchiveError> {
        let payload = payload(plan, &mut self.reader.slots(), indexed, SlotPlace::end)?.map(joined);
        let records = payload.map(|payload| as_record_batch(&payload, self.properties)).transpose();
        records.map_err(|error| damaged(&indexed.entry, &error))
    }

    /// The first record at or after `target`.
    pub(crate) fn at_or_after(
        &self,
        plan: &ReadPlan,
        target: Timestamp,
    ) -> Result<Option<OffsetAt>, ArchiveError> {
        let mut walk = Walk::new(self, plan, plan.start);
        while let Some(indexed) = walk.next()? {
            let entry = &indexed.entry;
            if entry.max_timestamp < target {
                continue;
            }
            let Some(payload) = self.whole_records(plan, &indexed)? else { continue };
            let trimmed = trimmed_in(plan, entry);
            let found = batch::first_at_or_after(&payload, target, trimmed, INFLATED_BYTES_MAX);
            let found = found.or_else(|error| by_its_header(entry, &payload, trimmed, &error))?;
            let Some((delta, timestamp)) = found else { continue };
            let offset = Offset(entry.first_offset.0 + u64::from(delta));
            if offset < plan.start || offset >= plan.bound {
                continue;
            }
            let leader_epoch = Some(plan.epoch_at(offset));
            return Ok(Some(OffsetAt { offset, timestamp: Some(timestamp), leader_epoch }));
        }
        Ok(None)
    }

    /// The first record with the greatest timestamp.
    pub(crate) fn max_timestamp(&self, plan: &ReadPlan) -> Result<Option<OffsetAt>, ArchiveError> {
        let mut best: Option<Indexed> = None;
        let mut cut = None;
        let mut walk = Walk::new(self, plan, plan.start);
        while let Some(indexed) = walk.next()? {
            if indexed.entry.bytes as usize <= HEADER_BYTES {
                // A header without records: what the source of an import left of a batch.
                continue;
            }
            if indexed.entry.first_offset < plan.start {
                // The record that made its timestamp the greatest may be trimmed.
                cut = self.newest_of(plan, &indexed)?;
            } else if best.as_ref().is_none_or(|best| indexed.entry.max_timestamp > best.entry.max_timestamp)
            {
                best = Some(indexed);
            }
        }
        let cut = cut.filter(|at| at.timestamp >= Some(Timestamp(0)));
        let later = best.filter(|best| {
            let greatest = Some(best.entry.max_timestamp);
            greatest >= Some(Timestamp(0)) && cut.as_ref().is_none_or(|cut| greatest > cut.timestamp)
        });
        later.map_or(Ok(cut), |best| self.newest_of(plan, &best))
    }

    /// The first record with the greatest timestamp of one payload, without those that are trimmed.
    fn newest_of(&self, plan: &ReadPlan, indexed: &Indexed) -> Result<Option<OffsetAt>, ArchiveError> {
        let Some(payload) = self.whole_records(plan, indexed)? else { return Ok(None) };
        let entry = &indexed.entry;
        let trimmed = trimmed_in(plan, entry);
        let found = batch::first_at_max_timestamp(&payload, trimmed, INFLATED_BYTES_MAX);
        let found = found.or_else(|error| by_its_header(entry, &payload, trimmed, &error))?;
        Ok(found.map(|(delta, timestamp)| {
            let offset = Offset(entry.first_offset.0 + u64::from(delta));
            OffsetAt { offset, timestamp: Some(timestamp), leader_epoch: Some(plan.epoch_at(offset)) }
        }))
    }
}

/// How many records at the beginning of a payload are trimmed: a partition may begin in the middle of one.
fn trimmed_in(plan: &ReadPlan, entry: &IndexEntry) -> u32 {
    u32::try_from(plan.start.0.saturating_sub(entry.first_offset.0)).unwrap_or(u32::MAX)
}

/// The payload of an entry, in pieces. `None` when compaction has taken it: its segment may be rewritten while it is read, and the pieces of a
/// big one may leave before the segment with its index entry follows.
fn payload(
    plan: &ReadPlan,
    slots: &mut SlotReader<'_>,
    indexed: &Indexed,
    reach: impl FnOnce(&SlotPlace) -> u64,
) -> Result<Option<Vec<Bytes>>, ArchiveError> {
    match pieces(slots, indexed, reach) {
        Err(ArchiveError::Log(ReadError::NoEntry(_) | ReadError::NoSlot(..))) if plan.is_compacted => {
            Ok(None)
        }
        result => result.map(Some),
    }
}

fn pieces(
    slots: &mut SlotReader<'_>,
    Indexed { entry, place }: &Indexed,
    reach: impl FnOnce(&SlotPlace) -> u64,
) -> Result<Vec<Bytes>, ArchiveError> {
    let here = (entry.log_index, entry.slot);
    let slot = match place {
        Some(place) => slots.read_placed(here, place, reach)?,
        None => slots.read(here.0, here.1)?,
    };
    if entry.bytes as usize <= PART_BYTES_MAX {
        return Ok(vec![slot]);
    }
    let parts = decode_parts(&slot).map_err(|malformed| ArchiveError::Damaged(malformed.0.into()))?;
    let read = |part: &crate::entry::PartRef| slots.read(part.index, part.slot);
    Ok(parts.iter().map(read).collect::<Result<_, _>>()?)
}

/// What there is to say of a payload whose records cannot be taken apart: its first record and its newest time, if it is what was stored.
/// Whoever wrote it was believed, here or at the source of an import: that is no damage of the log.
fn by_its_header(
    entry: &IndexEntry,
    payload: &[u8],
    trimmed: u32,
    why: &BatchError,
) -> Result<Option<(u32, Timestamp)>, ArchiveError> {
    let header = batch::verify(payload).map_err(|error| damaged(entry, &error))?;
    tracing::warn!(%why, partition = entry.partition.0, offset = entry.first_offset.0, "no time can be looked for in a batch");
    Ok(Some((trimmed, header.max_timestamp)))
}

fn damaged(entry: &IndexEntry, error: &dyn std::fmt::Display) -> ArchiveError {
    let (partition, offset, index) = (entry.partition, entry.first_offset, entry.log_index);
    ArchiveError::Damaged(format!("partition {partition} offset {offset} (entry {index}): {error}"))
}
