//! The writer's side of a shard's log: append, truncate, flush. Owned by the shard's thread.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use forebay_env::{Disk, OpenMode};
use forebay_model::{LogIndex, Position, ShardId, Term};

use crate::body::{Body, BodyError};
use crate::config::LogConfig;
use crate::durable::{DurableRecord, Occasion};
use crate::entry::{Entry, EntryHeader, EntryKind, HEADER_BYTES, Place};
use crate::fault::{Action, Fault};
use crate::files::{Files, MemoryIndex, Segment, SegmentIndex};
use crate::flush::{FlushDone, FlushJob, Note};
use crate::hard_state::{HardState, HardStateFile};
use crate::keeper::Keeper;
use crate::limits::SEGMENT_POSITION_MAX;
use crate::lock::lock;
use crate::positions::PositionTable;
use crate::reader::Reader;
use crate::recover::{self, Recovered};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentId, encode_header};
use crate::terms::{Point, TermTable};

/// Why nothing was appended.
#[derive(Clone, Debug)]
pub enum AppendError {
    /// The medium failed, now or before: the log is fenced.
    Fault(Fault),
    /// The entry does not follow the end of the log or the entry before it.
    Gap {
        /// The index that must come.
        expected: LogIndex,
        /// The index that came.
        found: LogIndex,
    },
    /// The entry would replace one that is at or below the floor or in a segment that was applied.
    Immutable(LogIndex),
    /// The entry has a lower term than the one before it.
    TermFell(LogIndex),
    /// The entry's body is malformed.
    Body(LogIndex, BodyError),
    /// The segment cannot hold the entry: no Seal came in 4 GiB.
    SegmentFull(LogIndex),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Fault(fault) => fault.fmt(f),
            AppendError::Gap { expected, found } => {
                write!(f, "entry {found} came where {expected} must come")
            }
            AppendError::Immutable(index) => write!(f, "entry {index} was applied and cannot be replaced"),
            AppendError::TermFell(index) => {
                write!(f, "entry {index} has a lower term than the one before it")
            }
            AppendError::Body(index, error) => write!(f, "entry {index} is malformed: {error}"),
            AppendError::SegmentFull(index) => {
                write!(f, "entry {index} does not fit a segment that nobody sealed")
            }
        }
    }
}

impl std::error::Error for AppendError {}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> AppendError {
        AppendError::Fault(fault)
    }
}

/// Why entries cannot be had at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// They are on disk: read them with a [`Reader`], on another thread.
    Cold,
    /// They are at or below the floor.
    Compacted,
    /// They are behind the end.
    Ahead,
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The end of the log.
    pub last: LogIndex,
    /// The end of its last file.
    pub position: Position,
    /// Bytes written.
    pub bytes: u64,
    /// Segments that ended with a Seal of this append.
    pub sealed: Vec<SegmentId>,
}

/// The segment that is being written.
struct Active {
    segment: Arc<Segment>,
    end: u64,
    entries: usize,
    /// Its size at which the leader should seal it.
    bytes_target: u64,
}

/// A flush that was begun and not reported yet.
struct InFlight {
    serial: u64,
    /// Lowered by a truncation: what it covers beyond was replaced.
    cap: LogIndex,
}

/// A shard's log. Not shared: its thread appends; other threads read through [`Reader`] and run [`FlushJob`]s.
pub struct Log {
    files: Arc<Files>,
    config: LogConfig,
    terms: TermTable,
    active: Option<Active>,
    recorded: LogIndex,
    dirty: Vec<Arc<Segment>>,
    dir_dirty: bool,
    in_flight: Option<InFlight>,
    serial: u64,
}

impl Log {
    /// Opens the log in `dir`, or makes one there. On return everything recovered is flushed. Errors name file and
    /// position; nothing that was durable is ever cut.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, config: LogConfig) -> Result<(Log, Recovered), Fault> {
        let (files, terms, recovered) = recover::open(disk, dir, &config)?;
        let files = Arc::new(files);
        let last = files.view().segments.last().filter(|segment| !segment.is_sealed()).cloned();
        let mut log = Log {
            files,
            config,
            recorded: terms.last().index,
            terms,
            active: None,
            dirty: Vec::new(),
            dir_dirty: false,
            in_flight: None,
            serial: 0,
        };
        log.files.set_durable_index(log.last_index());
        log.files.set_floor(log.floor().index);
        log.active = last.map(|segment| log.activate(segment));
        Ok((log, recovered))
    }

    /// Opens the hard state that belongs to this log. A failed save fences the log, and a fenced log saves nothing.
    pub fn open_hard_state(&self) -> Result<(HardStateFile, HardState), Fault> {
        let files = &self.files;
        let (file, state) = files.fence.guard(|| HardStateFile::open(&*files.disk, &files.dir))?;
        Ok((file.with_fence(files.fence.clone()), state))
    }

    /// A handle for reading on other threads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.files.clone())
    }

    /// A handle for housekeeping on other threads.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        Keeper::new(self.files.clone())
    }

    /// The shard of this log.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.files.shard
    }

    /// The fault that fenced this log, if one did.
    pub fn check(&self) -> Result<(), Fault> {
        self.files.fence.check()
    }

    /// The first entry that Raft sees: the one behind the floor. Older ones may still be on disk for consumers.
    #[must_use]
    pub fn first_index(&self) -> LogIndex {
        self.terms.floor().index.next()
    }

    /// The last entry that Raft does not see, and its term.
    #[must_use]
    pub fn floor(&self) -> Point {
        self.terms.floor()
    }

    /// Moves the floor up to `index`; lower or unknown indexes change nothing. No file is touched.
    pub fn raise_floor(&mut self, index: LogIndex) {
        self.terms.raise_floor(index);
        self.files.set_floor(self.terms.floor().index);
    }

    /// The last entry, flushed or not.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.terms.last().index
    }

    /// The term of the last entry.
    #[must_use]
    pub fn last_term(&self) -> Term {
        self.terms.last().term
    }

    /// The term of an entry from the floor itself to the end; never reads a file.
    #[must_use]
    pub fn term(&self, index: LogIndex) -> Option<Term> {
        self.terms.term(index)
    }

    /// Everything up to here is on the medium.
    #[must_use]
    pub fn durable_index(&self) -> LogIndex {
        self.files.durable_index()
    }

    /// Changes the bound of the tail cache, in bytes: its share of the node's memory.
    pub fn set_tail_bytes_max(&mut self, bytes_max: usize) {
        lock(&self.files.tail).set_bytes_max(bytes_max);
    }

    /// Bytes that the tail cache holds.
    #[must_use]
    pub fn tail_bytes(&self) -> usize {
        lock(&self.files.tail).bytes()
    }

    /// Whether the leader should propose a Seal: the segment reached its size or its number of entries.
    #[must_use]
    pub fn wants_seal(&self) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.end >= active.bytes_target || active.entries >= self.config.segment_entries_max
        })
    }

    /// The entries from `low` to before `high` out of memory: at least one, then as many as fit `bytes_max`.
    pub fn entries(&self, low: LogIndex, high: LogIndex, bytes_max: u64) -> Result<Vec<Entry>, Unavailable> {
        if low < self.first_index() {
            return Err(Unavailable::Compacted);
        }
        if low >= high || high > self.last_index().next() {
            return Err(Unavailable::Ahead);
        }
        lock(&self.files.tail).range(low, high, bytes_max).ok_or(Unavailable::Cold)
    }

    /// Appends a batch to the page cache and the tail cache, one write per segment it touches. An index at or below the
    /// end truncates first, which flushes (see `docs/formats/segment.md`). Refusals change nothing; a fault fences.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Appended, AppendError> {
        self.check()?;
        let bodies = self.check_entries(entries)?;
        if let Some(first) = entries.first().filter(|first| first.index <= self.last_index()) {
            self.truncate(first.index)?;
        }
        let mut done = Appended { last: LogIndex(0), position: Position(0), bytes: 0, sealed: Vec::new() };
        let (mut entries, mut bodies) = (entries, &bodies[..]);
        while !entries.is_empty() {
            let seal = entries.iter().position(|entry| entry.kind == EntryKind::Seal);
            let run = seal.map_or(entries.len(), |at| at + 1);
            done.bytes += self.write_run(&entries[..run], &bodies[..run])?;
            if seal.is_some() {
                done.sealed.extend(self.close_active());
            }
            (entries, bodies) = (&entries[run..], &bodies[run..]);
        }
        done.last = self.last_index();
        done.position = self.end_position();
        Ok(done)
    }

    /// Prepares a flush of everything appended so far; `None` when nothing is dirty or a flush is under way. Run it
    /// on another thread, then call [`Log::flushed`].
    pub fn begin_flush(&mut self) -> Result<Option<FlushJob>, Fault> {
        self.check()?;
        let clean = self.dirty.is_empty() && !self.dir_dirty;
        Ok(if clean || self.in_flight.is_some() { None } else { Some(self.flush_job(None)) })
    }

    /// Prepares a flush that also records the durable index by itself, for times without appends: after a second of
    /// idleness, and at a clean stop. `None` when there is nothing to record or a flush is under way.
    pub fn record_durable(&mut self, occasion: Occasion) -> Result<Option<FlushJob>, Fault> {
        self.check()?;
        let clean_stop = occasion == Occasion::CleanStop;
        let known = self.recorded == self.last_index() && self.dirty.is_empty() && !self.dir_dirty;
        if self.in_flight.is_some() || (known && !clean_stop) {
            return Ok(None);
        }
        self.recorded = self.last_index();
        let note = Note {
            file: self.files.durable.clone(),
            record: DurableRecord { index: self.recorded, clean_stop },
            epoch: self.files.durable.epoch(),
        };
        Ok(Some(self.flush_job(Some(note))))
    }

    /// Takes the answer of the flush under way.
    pub fn flushed(&mut self, done: FlushDone) {
        let in_flight = self.in_flight.take().expect("one flush at a time, reported once");
        assert_eq!(in_flight.serial, done.serial, "the flush under way is the one reported");
        self.files.set_durable_index(self.durable_index().max(done.up_to.min(in_flight.cap)));
    }

    pub(crate) fn flush_under_way(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Goes on behind a point with nothing but sealed segments, which are all below it.
    pub(crate) fn restart_at(&mut self, terms: TermTable, segments: Vec<Arc<Segment>>) {
        lock(&self.files.tail).clear();
        self.files.change_view(|view| {
            view.epoch += 1;
            view.segments = segments;
        });
        self.terms = terms;
        self.active = None;
        self.dirty.clear();
        self.dir_dirty = false;
        let last = self.last_index();
        self.recorded = last;
        self.files.set_durable_index(last);
        self.files.set_floor(last);
    }

    fn flush_job(&mut self, note: Option<Note>) -> FlushJob {
        self.serial += 1;
        self.in_flight = Some(InFlight { serial: self.serial, cap: LogIndex(u64::MAX) });
        let files =
            self.dirty.drain(..).map(|segment| (segment.path.clone(), segment.file.clone())).collect();
        let dir = self.dir_dirty.then(|| (self.files.disk.clone(), self.files.dir.clone()));
        self.dir_dirty = false;
        FlushJob {
            serial: self.serial,
            files,
            dir,
            note,
            up_to: self.last_index(),
            position: self.end_position(),
            fence: self.files.fence.clone(),
        }
    }

    fn end_position(&self) -> Position {
        match &self.active {
            Some(active) => Position(active.end),
            None => Position(self.files.view().segments.last().map_or(0, |segment| segment.len())),
        }
    }

    /// Checks a batch against the end of the log and against itself, before anything changes.
    fn check_entries(&self, entries: &[Entry]) -> Result<Vec<Body>, AppendError> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        if first.index <= self.floor().index || self.applied(first.index) {
            return Err(AppendError::Immutable(first.index));
        }
        let before = first.index.previous();
        let mut term = self
            .term(before)
            .ok_or(AppendError::Gap { expected: self.last_index().next(), found: first.index })?;
        let mut expected = first.index;
        let mut end = self.end_before(first.index);
        let mut bodies = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.index != expected {
                return Err(AppendError::Gap { expected, found: entry.index });
            }
            if entry.term < term {
                return Err(AppendError::TermFell(entry.index));
            }
            let body =
                Body::parse(entry.body.clone()).map_err(|error| AppendError::Body(entry.index, error))?;
            bodies.push(body);
            end += entry.stored_len();
            if end > SEGMENT_POSITION_MAX {
                return Err(AppendError::SegmentFull(entry.index));
            }
            if entry.kind == EntryKind::Seal {
                end = SEGMENT_HEADER_BYTES;
            }
            term = entry.term;
            expected = expected.next();
        }
        Ok(bodies)
    }

    /// Whether `index` is in a segment that has a sidecar, which only a segment that was applied gets.
    fn applied(&self, index: LogIndex) -> bool {
        let view = self.files.view();
        let last = view.segments.iter().rev().find(|segment| segment.sidecar().is_some());
        last.and_then(|segment| segment.last()).is_some_and(|last| index <= last)
    }

    /// Where an entry `index`, which replaces what is there, would begin in its segment.
    fn end_before(&self, index: LogIndex) -> u64 {
        let view = self.files.view();
        let segment = view.segment_of(index);
        let replaced = segment.and_then(|segment| segment.memory()?.table.position(index));
        let active = self.active.as_ref().map(|active| active.end);
        replaced.or(active).unwrap_or(SEGMENT_HEADER_BYTES)
    }

    /// Writes entries of one segment with one write. The tables follow only when it succeeded.
    fn write_run(&mut self, entries: &[Entry], bodies: &[Body]) -> Result<u64, Fault> {
        if self.active.is_none() {
            self.create_segment(entries[0].index)?;
        }
        let active = self.active.as_mut().expect("just made");
        let bytes: u64 = entries.iter().map(Entry::stored_len).sum();
        let headers = headers(entries, bodies, active, self.files.salt, self.files.durable_index());
        let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * entries.len());
        for (header, entry) in headers.iter().zip(entries) {
            parts.push(header);
            if !entry.body.is_empty() {
                parts.push(&entry.body);
            }
        }
        let segment = active.segment.clone();
        self.files.fence.guard(|| {
            segment.file.write_at(&parts, active.end).map_err(Fault::io(Action::Write, &segment.path))
        })?;
        active.end += bytes;
        active.entries += entries.len();
        self.note_written(&segment, entries);
        Ok(bytes)
    }

    fn note_written(&mut self, segment: &Arc<Segment>, entries: &[Entry]) {
        {
            let mut memory = segment.memory().expect(ACTIVE_IN_MEMORY);
            for entry in entries {
                memory.table.push(entry.index, entry.stored_len());
            }
        }
        let mut tail = lock(&self.files.tail);
        for entry in entries {
            self.terms.push(entry.term);
            tail.push(entry);
        }
        if !self.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, segment)) {
            self.dirty.push(segment.clone());
        }
    }

    /// Ends the active segment behind its Seal.
    fn close_active(&mut self) -> Option<SegmentId> {
        let active = self.active.take()?;
        active.segment.memory().expect(ACTIVE_IN_MEMORY).sealed = true;
        Some(active.segment.id)
    }

    fn create_segment(&mut self, first: LogIndex) -> Result<(), Fault> {
        let id = SegmentId { shard: self.files.shard, first, generation: 0 };
        let path = self.files.dir.join(id.file_name());
        let file = self.files.fence.guard(|| {
            let file =
                self.files.disk.open(&path, OpenMode::CreateNew).map_err(Fault::io(Action::Create, &path))?;
            file.write_at(&[&encode_header(id)], 0).map_err(Fault::io(Action::Write, &path))?;
            Ok(file)
        })?;
        let index = MemoryIndex { table: PositionTable::new(first), sealed: false };
        let index = SegmentIndex::Memory(Mutex::new(index));
        let segment = Arc::new(Segment { id, path, file, index });
        self.files.change_view(|view| view.segments.push(segment.clone()));
        self.dirty.push(segment.clone());
        self.dir_dirty = true;
        self.active = Some(self.activate(segment));
        Ok(())
    }

    fn activate(&self, segment: Arc<Segment>) -> Active {
        let view = self.files.view();
        let before = view.segments.iter().rev().find(|other| other.id.first < segment.id.first);
        let doubled = before.map_or(0, |before| before.len().saturating_mul(2));
        let bytes_target = doubled.clamp(self.config.segment_bytes_first, self.config.segment_bytes_max);
        let (end, entries) = {
            let memory = segment.memory().expect(ACTIVE_IN_MEMORY);
            (memory.table.end(), memory.table.len())
        };
        Active { segment, end, entries, bytes_target }
    }

    /// Removes `index` and all behind it, durably, before anything is written in their place.
    fn truncate(&mut self, index: LogIndex) -> Result<(), Fault> {
        let view = self.files.view();
        let (keep, drop): (Vec<_>, Vec<_>) =
            view.segments.iter().partition(|segment| segment.id.first < index);
        let (keep, drop): (Vec<Arc<Segment>>, Vec<Arc<Segment>>) =
            (keep.into_iter().cloned().collect(), drop.into_iter().cloned().collect());
        let holds = |segment: &&Arc<Segment>| segment.last().is_some_and(|last| last >= index);
        let cut = keep.last().filter(holds).cloned();

        // Memory first: a reader that fails on the changing files finds a new epoch and looks again.
        lock(&self.files.tail).truncate(index);
        let cut_at = cut.as_ref().map(|segment| {
            let mut memory = segment.memory().expect("checked before anything changed");
            memory.sealed = false;
            memory.table.truncate(index)
        });
        self.files.change_view(|view| {
            view.epoch += 1;
            view.segments = keep;
        });
        self.terms.truncate(index);
        self.dirty.retain(|dirty| dirty.id.first < index);
        self.files.set_durable_index(self.durable_index().min(index.previous()));
        self.recorded = self.recorded.min(index.previous());
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.cap = in_flight.cap.min(index.previous());
        }

        self.files.fence.guard(|| {
            self.files.durable.lower(index.previous())?;
            for segment in drop.iter().rev() {
                self.files
                    .disk
                    .remove_file(&segment.path)
                    .map_err(Fault::io(Action::Remove, &segment.path))?;
            }
            if !drop.is_empty() {
                self.files
                    .disk
                    .sync_dir(&self.files.dir)
                    .map_err(Fault::io(Action::Flush, &self.files.dir))?;
            }
            if let (Some(segment), Some(position)) = (&cut, cut_at) {
                segment.file.set_len(position).map_err(Fault::io(Action::Cut, &segment.path))?;
                segment.file.sync_data().map_err(Fault::io(Action::Flush, &segment.path))?;
            }
            Ok(())
        })?;
        self.active = cut.map(|segment| self.activate(segment));
        Ok(())
    }
}

/// The headers of a run of entries that is written at the end of the active segment.
fn headers(
    entries: &[Entry],
    bodies: &[Body],
    active: &Active,
    salt: u64,
    durable: LogIndex,
) -> Vec<[u8; HEADER_BYTES]> {
    let mut place = Place { salt, segment: active.segment.id.first, position: active.end };
    let mut headers = Vec::with_capacity(entries.len());
    for (entry, body) in entries.iter().zip(bodies) {
        let header = EntryHeader::canonical(entry, body.slot_count(), body.prefix());
        headers.push(header.with_local(place, durable).encode());
        place.position += entry.stored_len();
    }
    headers
}

const ACTIVE_IN_MEMORY: &str = "a segment gets its sidecar only after its Seal";

const _: () = assert!(SEGMENT_HEADER_BYTES < SEGMENT_POSITION_MAX);
