//! The writer's side of a shard's log: append, truncate, flush. Owned by the shard's thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_env::{Disk, File};
use forebay_model::{LogIndex, Position, ShardId, Term};

use crate::config::LogConfig;
use crate::durable::{DurableRecord, Occasion};
use crate::entry::Entry;
use crate::fault::{Action, Fault};
use crate::files::{Files, Segment};
use crate::flush::{FlushDone, FlushJob, Note};
use crate::hard_state::{HardState, HardStateFile};
use crate::journal::{Gathered, Piece};
use crate::keeper::Keeper;
use crate::limits::{SEGMENT_POSITION_MAX, SMALL_WRITE_BYTES_MAX, ZEROS_AHEAD_BYTES_MAX};
use crate::lock::lock;
use crate::reader::Reader;
use crate::recover::{self, Recovered};
use crate::segment::SEGMENT_HEADER_BYTES;
use crate::terms::{Point, TermTable};

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

/// The segment that is being written.
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) end: u64,
    /// The length of its file: zeros stand from the end to here.
    pub(crate) file_end: u64,
    /// The disk had room when zeros were written last.
    pub(crate) room_for_zeros: bool,
    pub(crate) entries: usize,
    /// Its size at which the leader should seal it.
    bytes_target: u64,
}

impl Active {
    /// How many zeros a write up to `end` brings with it.
    pub(crate) fn zeros_ahead(&self, bytes: u64, most: usize) -> usize {
        let end = self.end + bytes;
        if end <= self.file_end || bytes > SMALL_WRITE_BYTES_MAX || !self.room_for_zeros {
            return 0;
        }
        let room = usize::try_from(self.bytes_target.saturating_sub(end)).unwrap_or(usize::MAX);
        most.min(room).min(ZEROS_AHEAD_BYTES_MAX)
    }
}

/// A flush that was begun and not reported yet.
pub(crate) struct InFlight {
    serial: u64,
    /// Lowered by a truncation: what it covers beyond was replaced.
    pub(crate) cap: LogIndex,
}

/// A shard's log. Not shared: its thread appends; other threads read through [`Reader`] and run [`FlushJob`]s.
pub struct Log {
    pub(crate) files: Arc<Files>,
    pub(crate) config: LogConfig,
    pub(crate) terms: TermTable,
    pub(crate) active: Option<Active>,
    pub(crate) recorded: LogIndex,
    pub(crate) dirty: Vec<Arc<Segment>>,
    pub(crate) dir_dirty: bool,
    pub(crate) in_flight: Option<InFlight>,
    /// What was written since the last flush was begun, where there is a journal.
    pub(crate) gathered: Gathered,
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
            gathered: Gathered::default(),
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
        if clean_stop {
            self.cut_zeros()?;
        }
        // What only the journal has goes where it belongs: it may end with the last shard that needs it.
        if self.files.journal.is_some()
            && let Some(active) = &self.active
            && !self.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, &active.segment))
        {
            self.dirty.push(active.segment.clone());
        }
        self.recorded = self.last_index();
        let note = Note {
            file: self.files.durable.clone(),
            record: DurableRecord { index: self.recorded, clean_stop },
            epoch: self.files.durable.epoch(),
        };
        Ok(Some(self.flush_job(Some(note))))
    }

    /// Ends the last file where its last entry ends, for the flush that follows.
    fn cut_zeros(&mut self) -> Result<(), Fault> {
        let Some(active) = self.active.as_mut().filter(|active| active.end < active.file_end) else {
            return Ok(());
        };
        let segment = active.segment.clone();
        self.files
            .fence
            .guard(|| segment.file.set_len(active.end).map_err(Fault::io(Action::Cut, &segment.path)))?;
        active.file_end = active.end;
        if !self.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, &segment)) {
            self.dirty.push(segment);
        }
        Ok(())
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
        self.gathered = Gathered::default();
        let last = self.last_index();
        self.recorded = last;
        self.files.set_durable_index(last);
        self.files.set_floor(last);
    }

    fn flush_job(&mut self, note: Option<Note>) -> FlushJob {
        self.serial += 1;
        self.in_flight = Some(InFlight { serial: self.serial, cap: LogIndex(u64::MAX) });
        let files: Vec<_> =
            self.dirty.drain(..).map(|segment| (segment.path.clone(), segment.file.clone())).collect();
        let dir = self.dir_dirty.then(|| (self.files.disk.clone(), self.files.dir.clone()));
        self.dir_dirty = false;
        let gathered = std::mem::take(&mut self.gathered);
        let piece = if dir.is_none() && note.is_none() { self.piece(gathered, &files) } else { None };
        FlushJob {
            serial: self.serial,
            shard: self.files.shard,
            piece,
            journal: self.files.journal.clone(),
            files,
            dir,
            note,
            up_to: self.last_index(),
            position: self.end_position(),
            fence: self.files.fence.clone(),
        }
    }

    /// What the journal may be told instead of a flush of `files`: nothing, unless it is all that was written to them, and
    /// their name and beginning are on the medium.
    fn piece(&self, gathered: Gathered, files: &[(PathBuf, Arc<dyn File>)]) -> Option<Piece> {
        let Gathered::Bytes { segment, position, bytes } = gathered else { return None };
        let active = &self.active.as_ref()?.segment;
        let all = matches!(files, [(path, _)] if *path == active.path) && active.id.first == segment;
        all.then(|| Piece { shard: self.files.shard, log_salt: self.files.salt, segment, position, bytes })
    }

    /// Puts everything onto the medium where it belongs, and ends what the journal says of this shard: its files are about to be
    /// cut or replaced.
    pub(crate) fn leave_journal(&self) -> Result<(), Fault> {
        let Some(journal) = &self.files.journal else { return Ok(()) };
        if !journal.speaks_of(self.files.shard) {
            return Ok(());
        }
        for segment in self.files.view().segments.iter().filter(|segment| segment.sidecar().is_none()) {
            segment.file.sync_data().map_err(Fault::io(Action::Flush, &segment.path))?;
        }
        journal.void(self.files.shard)
    }

    pub(crate) fn end_position(&self) -> Position {
        match &self.active {
            Some(active) => Position(active.end),
            None => Position(self.files.view().segments.last().map_or(0, |segment| segment.len())),
        }
    }

    pub(crate) fn activate(&self, segment: Arc<Segment>) -> Active {
        let view = self.files.view();
        let before = view.segments.iter().rev().find(|other| other.id.first < segment.id.first);
        let doubled = before.map_or(0, |before| before.len().saturating_mul(2));
        let bytes_target = doubled.clamp(self.config.segment_bytes_first, self.config.segment_bytes_max);
        let (end, entries) = {
            let memory = segment.memory().expect(ACTIVE_IN_MEMORY);
            (memory.table.end(), memory.table.len())
        };
        Active { segment, end, file_end: end, room_for_zeros: true, entries, bytes_target }
    }
}

pub(crate) const ACTIVE_IN_MEMORY: &str = "a segment gets its sidecar only after its Seal";

const _: () = assert!(SEGMENT_HEADER_BYTES < SEGMENT_POSITION_MAX);
