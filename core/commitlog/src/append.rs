//! Appending: a batch is checked as a whole, then written with one write per segment it touches.

use std::fmt;
use std::sync::{Arc, Mutex};

use forebay_env::OpenMode;
use forebay_model::{LogIndex, Position};

use crate::body::{Body, BodyError};
use crate::entry::{Entry, EntryHeader, EntryKind, HEADER_BYTES, Place};
use crate::fault::{Action, Fault};
use crate::files::{MemoryIndex, Segment, SegmentIndex};
use crate::limits::{SEGMENT_POSITION_MAX, ZEROS_AHEAD_BYTES_MAX};
use crate::lock::lock;
use crate::log::{ACTIVE_IN_MEMORY, Active, Log};
use crate::positions::PositionTable;
use crate::segment::{Generation, SEGMENT_HEADER_BYTES, SegmentId, encode_header};

/// What a small write leaves behind it.
pub(crate) static ZEROS: [u8; ZEROS_AHEAD_BYTES_MAX] = [0; ZEROS_AHEAD_BYTES_MAX];

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

impl Log {
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
        let end = active.end + bytes;
        let ends = entries.last().is_some_and(|entry| entry.kind == EntryKind::Seal);
        let mut zeros = if ends { 0 } else { active.zeros_ahead(bytes, self.config.zeros_ahead_bytes) };
        let segment = active.segment.clone();
        self.files.fence.guard(|| {
            segment.file.write_at(&parts, active.end).map_err(Fault::io(Action::Write, &segment.path))?;
            if zeros > 0 && !write_zeros(&segment, end, zeros)? {
                zeros = 0;
                active.room_for_zeros = false;
            }
            if ends && end < active.file_end {
                segment.file.set_len(end).map_err(Fault::io(Action::Cut, &segment.path))?;
            }
            Ok(())
        })?;
        if self.files.journal.is_some() {
            self.gathered.add(segment.id.first, active.end, &parts, bytes);
        }
        active.end = end;
        active.file_end = if ends { end } else { active.file_end.max(end + zeros as u64) };
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
        let id = SegmentId { shard: self.files.shard, first, generation: Generation::APPENDED };
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
}

/// Writes zeros behind the last entry; answers whether there was room for them. A disk on which the entry found the last of it
/// must go on: what gives space back needs entries too.
fn write_zeros(segment: &Segment, end: u64, zeros: usize) -> Result<bool, Fault> {
    match segment.file.write_at(&[&ZEROS[..zeros]], end).map_err(Fault::io(Action::Write, &segment.path)) {
        Err(fault) if fault.is_no_room() => {
            segment.file.set_len(end).map_err(Fault::io(Action::Cut, &segment.path))?;
            Ok(false)
        }
        written => written.map(|()| true),
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
