//! Says of each record whether it is dead.
//!
//! | record | dead |
//! |---|---|
//! | of an aborted transaction | yes |
//! | without a key (from before the topic was compacted) | yes |
//! | with a newer one of its key | yes |
//! | a tombstone that is the last of its key | when it has had nothing left to hide for long enough |
//! | the mark of a completed transaction | when none of its records is left before it, dead or not |
//! | the mark of an aborted one | no: a reader has to be told where the range ends that it passes over |
//! | the last one that is looked at | no: a reader behind it would wait for ever to come to the end |
//!
//! A payload in parts goes only as a whole, and what cannot be taken apart stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_commitlog::{Generation, Reader, SegmentId};
use forebay_env::fault::{Fault, planted};
use forebay_machine::{AbortedRange, Compaction, IndexEntry};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, LogTime, Offset, PartitionId, Timestamp};
use forebay_record::batch::{KeyedRecord, for_each_key};

use crate::archive::INFLATED_BYTES_MAX;
use crate::compaction::found::{Found, Left, NEVER, SegmentDead};
use crate::compaction::in_payload::InPayload;
use crate::compaction::key_map::{KeyMap, Noted};
use crate::compaction::transactions::{Kind, Transactions};
use crate::reclaim::dead::DeadSet;
use crate::retention::is_mark;

/// New keys of one batch that a window takes in above what it may have.
const KEYS_OF_BATCH_MAX: usize = 65_536;
/// Runs of dead offsets that one pass remembers: 8 bytes each. What is dead behind them is found by the next one.
const RUNS_MAX: usize = 1_000_000;
/// Into so many parts the time is divided after which something has to go: what falls into one part goes together, so that no segment is
/// rewritten more often than this for it.
pub(super) const DUE_PER_PERIOD: u64 = 8;

/// What a pass is told beside where to read.
pub(crate) struct Order {
    pub(crate) compaction: Compaction,
    pub(crate) now: LogTime,
    /// Transactions that were aborted.
    pub(crate) aborted: Vec<AbortedRange>,
    /// What no pass before this one knew to be dead was replaced at this time or later; `None` where there was none.
    pub(crate) replaced_since: Option<LogTime>,
    /// Tombstones before this are known to have nothing left to hide...
    pub(crate) clean_end: Offset,
    /// ...and before this have had nothing for long enough.
    pub(crate) ripe_end: Offset,
    /// Random numbers.
    pub(crate) salts: [u64; 4],
}

/// Where a pass stands.
pub(crate) struct Judge {
    partition: PartitionId,
    start: Offset,
    order: Order,
    transactions: Transactions,
    keys: KeyMap,
    /// The segments as they are, ascending.
    segments: Vec<SegmentId>,
    dead: BTreeMap<LogIndex, InSegment>,
    /// Runs in `dead`.
    runs: usize,
    /// The first tombstone that hides something, or may.
    unclean: Option<Offset>,
    /// The first tombstone of which nobody knew yet whether it does.
    tombstone: Option<Offset>,
    /// The last record of the last payload that was gathered; where it has none, or nobody can tell, its last offset.
    last: Option<Offset>,
    /// The record that stays whatever it is.
    kept: Option<Offset>,
}

/// What is dead in one segment.
struct InSegment {
    generation: Generation,
    /// By the windows before this one.
    before: DeadSet,
    /// By this one.
    now: DeadSet,
    bytes: u64,
    due: LogTime,
}

impl Judge {
    pub(crate) fn new(partition: PartitionId, start: Offset, order: Order, keys_max: usize) -> Judge {
        Judge {
            partition,
            start,
            transactions: Transactions::new(&order.aborted),
            keys: KeyMap::new(keys_max + KEYS_OF_BATCH_MAX, order.salts),
            order,
            segments: Vec::new(),
            dead: BTreeMap::new(),
            runs: 0,
            unclean: None,
            tombstone: None,
            last: None,
            kept: None,
        }
    }

    /// Takes a new look at which segments there are.
    pub(crate) fn look_at_segments(&mut self, reader: &Reader) {
        self.segments = reader.segments().iter().map(|segment| segment.id).collect();
    }

    /// Keys of this window.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// When a payload is old enough to be looked at; `None` when it is.
    pub(crate) fn too_young_until(&self, entry: &IndexEntry) -> Option<LogTime> {
        let Compaction { lag_ms_min, .. } = self.order.compaction;
        older_at(entry, lag_ms_min).filter(|until| lag_ms_min > 0 && *until > self.order.now)
    }

    /// Whether a payload is fresh where so many bytes, its own among them, lie between its beginning and the partition's end; and
    /// when it is not any more, if nothing is written until then.
    pub(crate) fn fresh(&self, entry: &IndexEntry, bytes_ahead: u64) -> Freshness {
        let Compaction { fresh_bytes, fresh_ms, lag_ms_max, .. } = self.order.compaction;
        if bytes_ahead > fresh_bytes || is_mark(entry) {
            return Freshness::Settled;
        }
        match older_at(entry, fresh_ms.min(lag_ms_max)) {
            Some(until) if until <= self.order.now => Freshness::Settled,
            until => Freshness::Fresh { until },
        }
    }

    /// The last record that was gathered stays. Offsets behind it may belong to its batch and have none: what came from a log that
    /// was compacted already.
    pub(crate) fn keep_last(&mut self) {
        self.kept = self.last;
    }

    /// Takes in the keys of a payload; whether there was room for all of them.
    pub(crate) fn gather(&mut self, entry: &IndexEntry, payload: &Bytes) -> Noted {
        self.last = end_of(entry).0.checked_sub(1).map(Offset);
        let counts = match self.transactions.kind(entry, payload) {
            Kind::Data(_) => true,
            Kind::Aborted(_) => false,
            Kind::Mark(_) | Kind::Opaque => return Noted::Yes,
        };
        let (mut all, mut last) = (true, None);
        let (keys, start) = (&mut self.keys, self.start);
        let read = for_each_key(payload, INFLATED_BYTES_MAX, |record| {
            let offset = offset_of(entry, &record);
            last = Some(offset);
            if let Some(key) = record.key.filter(|_| counts && offset >= start) {
                let deleted_at = record.is_tombstone.then_some(record.timestamp);
                all &= keys.note(key, offset, deleted_at) == Noted::Yes;
            }
        });
        match read {
            Ok(_) => self.last = last.or(self.last),
            Err(_) if counts => self.is_opaque(entry),
            Err(_) => {}
        }
        if all { Noted::Yes } else { Noted::NoRoom }
    }

    /// Among what was not taken in of a payload there may be tombstones: nobody knows what these hide.
    pub(crate) fn is_opaque(&mut self, entry: &IndexEntry) {
        self.hides_something(entry.first_offset);
    }

    /// Looks what of a payload is dead.
    pub(crate) fn sift(&mut self, entry: &IndexEntry, payload: &Bytes) {
        let found = match self.transactions.kind(entry, payload) {
            Kind::Data(producer) => {
                producer.into_iter().for_each(|producer| self.transactions.has_records(producer));
                self.sift_records(entry, payload)
            }
            Kind::Aborted(producer) => {
                self.transactions.has_records(producer);
                Some(self.all_but_kept(entry))
            }
            Kind::Mark(producer) => {
                let is_dead = self.transactions.ends_nothing(entry, producer);
                is_dead.then(|| self.all_but_kept(entry))
            }
            Kind::Opaque => {
                // What is in it may be what a later tombstone hides.
                self.is_opaque(entry);
                None
            }
        };
        if let Some(found) = found.filter(InPayload::is_worth_it) {
            self.note(entry, &found);
        }
    }

    /// When something of this time has to go at the latest, by how long records may stay that could go.
    fn old_at(&self, timestamp: Timestamp) -> LogTime {
        let replaced = self.order.replaced_since.map_or(timestamp, |since| timestamp.max(Timestamp(since.0)));
        due(replaced, self.order.compaction.lag_ms_max)
    }

    fn sift_records(&mut self, entry: &IndexEntry, payload: &Bytes) -> Option<InPayload> {
        let mut found = InPayload::default();
        let mut hides = None;
        let mut tombstone = None;
        let before = self.dead_before(entry);
        let read = for_each_key(payload, INFLATED_BYTES_MAX, |record| {
            let offset = offset_of(entry, &record);
            found.record(record.bytes as u64);
            match self.verdict(offset, &record) {
                Verdict::Lives => {}
                Verdict::Tombstone => tombstone = tombstone.or(Some(offset)),
                Verdict::Trimmed => found.trimmed(offset),
                Verdict::Dead { hidden_by, due } => {
                    hides = first(hides, hidden_by);
                    let is_news = before.is_none_or(|before| !before.contains(offset));
                    found.dead(offset, is_news.then_some((record.bytes as u64, due)));
                }
            }
        });
        self.tombstone = first(self.tombstone, tombstone);
        if let Some(tombstone) = hides {
            self.hides_something(tombstone);
        }
        if let Err(error) = read {
            tracing::warn!(%error, partition = self.partition.0, offset = entry.first_offset.0, "a batch cannot be compacted");
            self.hides_something(entry.first_offset);
            return None;
        }
        Some(found)
    }

    fn verdict(&self, offset: Offset, record: &KeyedRecord<'_>) -> Verdict {
        if offset < self.start {
            return Verdict::Trimmed;
        }
        if Some(offset) == self.kept {
            return Verdict::Lives;
        }
        let old = self.old_at(record.timestamp);
        let Some(key) = record.key else { return Verdict::Dead { hidden_by: None, due: old } };
        let Some(newest) = self.keys.newest(key) else { return Verdict::Lives };
        if newest.offset > offset || (planted(Fault::NewestCompacted) && !record.is_tombstone) {
            let deleted = newest.deleted_at.map_or(NEVER, |at| due(at, self.order.compaction.tombstone_ms));
            let hidden_by = newest.deleted_at.map(|_| newest.offset);
            return Verdict::Dead { hidden_by, due: old.min(deleted) };
        }
        match record.is_tombstone {
            true if offset < self.order.ripe_end || planted(Fault::TombstoneTakenEarly) => {
                Verdict::Dead { hidden_by: None, due: old }
            }
            true if offset >= self.order.clean_end => Verdict::Tombstone,
            _ => Verdict::Lives,
        }
    }

    /// All of a payload: of an aborted transaction, or a mark.
    fn all_but_kept(&self, entry: &IndexEntry) -> InPayload {
        let (from, end) = (entry.first_offset, end_of(entry));
        let until = self.kept.filter(|kept| (from..end).contains(kept)).unwrap_or(end);
        let is_known = self.dead_before(entry).is_some_and(|before| before.covers(from, until));
        // A mark goes with others.
        let old = if is_mark(entry) { NEVER } else { self.old_at(entry.max_timestamp) };
        InPayload::run(from, until, end, (!is_known).then_some((u64::from(entry.bytes), old)))
    }

    /// What the windows before this one found in the segment of an entry.
    fn dead_before(&self, entry: &IndexEntry) -> Option<&DeadSet> {
        Some(&self.dead.get(&self.segment_of(entry)?.first)?.before)
    }

    fn segment_of(&self, entry: &IndexEntry) -> Option<SegmentId> {
        let behind = self.segments.partition_point(|id| id.first <= entry.log_index);
        self.segments.get(behind.checked_sub(1)?).copied()
    }

    fn note(&mut self, entry: &IndexEntry, found: &InPayload) {
        let Some(segment) = self.segment_of(entry) else { return };
        let is_in_parts = entry.bytes as usize > PART_BYTES_MAX;
        if (is_in_parts && !found.is_whole()) || self.runs >= RUNS_MAX {
            return;
        }
        let in_segment = self.dead.entry(segment.first).or_insert_with(|| InSegment::of(segment.generation));
        in_segment.generation = segment.generation;
        let runs = in_segment.now.len();
        let all = match found.is_whole() {
            // With the offsets that went before.
            true => in_segment.now.push(entry.first_offset, end_of(entry)),
            false => found.runs().iter().all(|(from, end)| in_segment.now.push(*from, *end)),
        };
        self.runs += in_segment.now.len() - runs;
        if all {
            in_segment.bytes += found.share_of(entry.bytes.into());
            in_segment.due = in_segment.due.min(found.due());
        }
    }

    /// Notes a tombstone that has an earlier record of its key, or may have.
    fn hides_something(&mut self, tombstone: Offset) {
        self.unclean = first(self.unclean, Some(tombstone));
    }

    /// Everything before the end of the window was looked at.
    pub(crate) fn end_window(&mut self) {
        self.keys.clear();
        self.transactions.end_window();
        self.runs = 0;
        for in_segment in self.dead.values_mut() {
            let now = std::mem::take(&mut in_segment.now);
            in_segment.before =
                if in_segment.before.is_empty() { now } else { in_segment.before.union(&now) };
            self.runs += in_segment.before.len();
        }
    }

    /// What was found, when everything before `end` was looked at.
    pub(crate) fn finish(&mut self, end: Offset, left: Left) -> Found {
        let clean_end = self.unclean.map_or(end, |tombstone| tombstone.min(end));
        let has_news = self.tombstone.is_some_and(|tombstone| tombstone < clean_end);
        let dead = std::mem::take(&mut self.dead).into_iter();
        let dead = dead.filter(|(_, in_segment)| !in_segment.before.is_empty());
        let dead = dead.map(|(first, InSegment { generation, before: set, bytes, due, .. })| {
            (first, Arc::new(SegmentDead { generation, set, bytes, due }))
        });
        Found {
            partition: self.partition,
            start: self.start,
            end,
            dead: dead.collect(),
            clean_end: (has_news && clean_end > self.order.clean_end).then_some(clean_end),
            is_unclean: self.unclean.is_some(),
            left,
        }
    }
}

/// Whether a payload is among the newest, which a pass leaves alone.
pub(crate) enum Freshness {
    /// It is not.
    Settled,
    Fresh {
        /// It is not any more at this log time; `None` where it has no time.
        until: Option<LogTime>,
    },
}

/// What a record is.
enum Verdict {
    Lives,
    /// It lives, is the last of its key, and nobody knew yet whether it hides something.
    Tombstone,
    /// It lies before the start of the partition.
    Trimmed,
    Dead {
        /// A tombstone.
        hidden_by: Option<Offset>,
        /// When it has to go.
        due: LogTime,
    },
}

impl InSegment {
    fn of(generation: Generation) -> InSegment {
        InSegment { generation, before: DeadSet::default(), now: DeadSet::default(), bytes: 0, due: NEVER }
    }
}

fn offset_of(entry: &IndexEntry, record: &KeyedRecord<'_>) -> Offset {
    Offset(entry.first_offset.0.saturating_add(u64::from(record.offset_delta)))
}

fn end_of(entry: &IndexEntry) -> Offset {
    Offset(entry.first_offset.0 + u64::from(entry.count))
}

/// When a payload is so old, if it has a time.
fn older_at(entry: &IndexEntry, ms: u64) -> Option<LogTime> {
    let Timestamp(written) = entry.max_timestamp;
    (written >= 0).then(|| LogTime(written.saturating_add_unsigned(ms)))
}

/// When something of this time has to go that may stay for so long: up to an eighth earlier, together with others.
pub(super) fn due(timestamp: Timestamp, period_ms: u64) -> LogTime {
    let latest = timestamp.0.saturating_add_unsigned(period_ms);
    if timestamp.0 < 0 || latest == i64::MAX {
        return NEVER;
    }
    let step = i64::try_from((period_ms / DUE_PER_PERIOD).max(1)).unwrap_or(i64::MAX);
    LogTime(latest - latest.rem_euclid(step))
}

/// The lower of two offsets that may be missing.
fn first(a: Option<Offset>, b: Option<Offset>) -> Option<Offset> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
