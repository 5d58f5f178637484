//! The readers' side of a shard's log: any thread but the shard's may block here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use forebay_model::{LogIndex, Offset, PartitionId, Position, SlotNumber};

use crate::body::{Body, check_prefix, lines};
use crate::crc::crc32c;
use crate::entry::{Entry, EntryHeader, HEADER_BYTES};
use crate::facts::read_facts;
use crate::fault::{Action, Fault};
use crate::files::{Files, Segment, View};
use crate::index_entry::PartitionRun;
use crate::limits::POINT_READ_BYTES;
use crate::lock::lock;
use crate::scan::{Depth, LocalCheck, Scanner, Step};
use crate::segment::SegmentId;
use crate::sidecar::{SegmentSummary, Sidecar};

/// Why something could not be read.
#[derive(Clone, Debug)]
pub enum ReadError {
    /// The medium failed or the bytes are damaged; the fault names file and position.
    Fault(Fault),
    /// The log has no such entry: behind the end, or no longer on disk, or without a living slot.
    NoEntry(LogIndex),
    /// The entry has no such slot, or no longer.
    NoSlot(LogIndex, SlotNumber),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Fault(fault) => fault.fmt(f),
            ReadError::NoEntry(index) => write!(f, "the log has no entry {index}"),
            ReadError::NoSlot(index, slot) => write!(f, "entry {index} has no slot {slot}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> ReadError {
        ReadError::Fault(fault)
    }
}

/// Where a partition goes on.
#[derive(Clone)]
pub struct Located {
    /// The segment.
    pub id: SegmentId,
    /// What it holds of the partition.
    pub run: PartitionRun,
    /// Its index.
    pub sidecar: Sidecar,
}

/// One segment that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its id.
    pub id: SegmentId,
    /// Its last entry; `None` when it has none.
    pub last: Option<LogIndex>,
    /// Length in bytes.
    pub bytes: u64,
    /// Whether its Seal was appended.
    pub sealed: bool,
    /// What its sidecar says, once it has one.
    pub summary: Option<SegmentSummary>,
}

/// Reads entries and slots: from the tail cache, else from files, blocking. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    files: Arc<Files>,
}

impl Reader {
    pub(crate) fn new(files: Arc<Files>) -> Reader {
        Reader { files }
    }

    pub(crate) fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// The entry `index`, every byte checked.
    pub fn read_entry(&self, index: LogIndex) -> Result<Entry, ReadError> {
        if let Some(entry) = lock(&self.files.tail).get(index) {
            return Ok(entry.clone());
        }
        self.with_view(|view| {
            let (segment, position) = locate(view, index)?;
            read_entry_at(segment, position, index)
        })
    }

    /// The entries from `low` to before `high` that exist, in order: at least one, then as many as fit `bytes_max`. Fewer
    /// than asked for when the log ends or has a gap below the floor.
    pub fn read_entries(
        &self,
        low: LogIndex,
        high: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, ReadError> {
        if let Some(entries) = lock(&self.files.tail).range(low, high, bytes_max) {
            return Ok(entries);
        }
        self.with_view(|view| {
            let mut out = Vec::new();
            let mut left = bytes_max;
            for segment in view.segments_from(low).iter().take_while(|segment| segment.id.first < high) {
                if !read_run(segment, low, high, &mut left, &mut out)? {
                    break;
                }
            }
            if out.is_empty() { Err(ReadError::NoEntry(low)) } else { Ok(out) }
        })
    }

    /// The bytes of one slot, checked. `hint` is where its entry was last seen in its file; a stale one costs a lookup.
    pub fn read_slot(
        &self,
        index: LogIndex,
        slot: SlotNumber,
        hint: Option<Position>,
    ) -> Result<Bytes, ReadError> {
        let cached = lock(&self.files.tail).get(index).map(|entry| entry.body.clone());
        if let Some(body) = cached {
            let body = Body::parse(body).expect("checked when it was appended");
            let slot = body.slot(slot).ok_or(ReadError::NoSlot(index, slot))?;
            return Ok(slot.bytes);
        }
        self.with_view(|view| {
            if let (Some(hint), Some(segment)) = (hint, view.segment_of(index))
                && let Ok(bytes) = read_slot_at(segment, hint.0, index, slot)
            {
                return Ok(bytes);
            }
            let (segment, position) = locate(view, index)?;
            read_slot_at(segment, position, index, slot)
        })
    }

    /// The segment that holds `offset` of `partition`, or the first behind it that holds any of the partition. `None`
    /// when no segment with a sidecar does: newer records are in the shard's own index.
    pub fn locate(&self, partition: PartitionId, offset: Offset) -> Result<Option<Located>, Fault> {
        let view = self.files.view();
        let found = self.files.directory().locate(&view, partition, offset)?;
        Ok(found.map(|(segment, run)| {
            let sidecar = segment.sidecar().expect("only segments with a sidecar are found");
            Located { id: segment.id, run, sidecar: sidecar.clone() }
        }))
    }

    /// The sidecar of a segment; `None` when it has none yet or no longer counts.
    #[must_use]
    pub fn sidecar(&self, id: SegmentId) -> Option<Sidecar> {
        self.files.view().segment(id)?.sidecar().cloned()
    }

    /// Computes the content digest of a sealed segment from its file; equal exactly when the canonical bytes are. `None` when
    /// the segment is not sealed or does not count. Reads headers only: `scrub` reads everything.
    pub fn canonical_digest(&self, id: SegmentId) -> Result<Option<u64>, Fault> {
        let view = self.files.view();
        let Some(segment) = view.segment(id).filter(|segment| segment.is_sealed()) else { return Ok(None) };
        Ok(Some(read_facts(segment, self.files.salt, Depth::Headers)?.content_digest))
    }

    /// The segments that count, ascending.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let info = |segment: &Arc<Segment>| SegmentInfo {
            id: segment.id,
            last: segment.last(),
            bytes: segment.len(),
            sealed: segment.is_sealed(),
            summary: segment.sidecar().map(|sidecar| *sidecar.summary()),
        };
        self.files.view().segments.iter().map(info).collect()
    }

    /// Runs a read on the list of segments as it is. A fault while entries were truncated is no fault: the read
    /// starts again on what is there now.
    fn with_view<T>(&self, read: impl Fn(&View) -> Result<T, ReadError>) -> Result<T, ReadError> {
        loop {
            let view = self.files.view();
            match read(&view) {
                Err(ReadError::Fault(_)) if self.files.view().epoch != view.epoch => {}
                result => return result,
            }
        }
    }
}

fn locate(view: &View, index: LogIndex) -> Result<(&Segment, u64), ReadError> {
    let segment = view.segment_of(index).ok_or(ReadError::NoEntry(index))?;
    let position = segment.position(index)?.ok_or(ReadError::NoEntry(index))?;
    Ok((segment, position))
}

/// Reads the entries of one segment between `low` and `high`; answers whether there is room for more.
fn read_run(
    segment: &Segment,
    low: LogIndex,
    high: LogIndex,
    left: &mut u64,
    out: &mut Vec<Entry>,
) -> Result<bool, ReadError> {
    let Some((first, position)) = segment.at_or_after(low)? else { return Ok(true) };
    // Only what was asked for is read: damage behind it is not this reader's.
    let end = segment.at_or_after(high)?.map_or_else(|| segment.len(), |(_, position)| position);
    let span = (position, end);
    let previous = (first > segment.id.first).then(|| (first.previous(), Default::default()));
    let mut scanner =
        Scanner::new(&*segment.file, &segment.path, segment.id, LocalCheck::Ignore, span, previous);
    loop {
        let found = match scanner.step(Depth::Full)? {
            Step::Entry(found) => found,
            Step::End => return Ok(true),
            Step::Bad(what) => return Err(Fault::corrupt(&segment.path, scanner.position(), what).into()),
        };
        let len = found.header.stored_len();
        if len > *left && !out.is_empty() {
            return Ok(false);
        }
        *left = left.saturating_sub(len);
        out.push(scanner.entry(&found)?);
    }
}

/// The beginning of an entry: its header, and the first bytes of its body.
struct Start {
    header: EntryHeader,
    /// The body as far as it was read: its directory at least.
    body: Vec<u8>,
}

fn read_start(segment: &Segment, position: u64, index: LogIndex) -> Result<Start, Fault> {
    let damaged = |what: &str| Fault::corrupt(&segment.path, position, what);
    let mut buffer = vec![0; POINT_READ_BYTES];
    let mut filled = 0;
    while filled < buffer.len() {
        let read = segment.file.read_at(&mut buffer[filled..], position + filled as u64);
        match read.map_err(Fault::io(Action::Read, &segment.path))? {
            0 => break,
            n => filled += n,
        }
    }
    buffer.truncate(filled);
    let raw = buffer.first_chunk().ok_or_else(|| damaged("the entry's header is cut short"))?;
    let header = EntryHeader::decode(raw).map_err(damaged)?;
    if header.index != index {
        return Err(damaged("another entry stands here"));
    }
    let mut body = buffer.split_off(HEADER_BYTES);
    body.truncate(header.body_len as usize);
    if body.len() < header.prefix_len() {
        body = read_piece(segment, position, 0, header.prefix_len())?;
    }
    let prefix = &body[..header.prefix_len()];
    if !header.crc_matches(prefix) {
        return Err(damaged("the entry's header does not match its checksum"));
    }
    check_prefix(prefix, header.slot_count as usize, header.body_len as usize)
        .map_err(|error| damaged(&error.to_string()))?;
    Ok(Start { header, body })
}

/// `len` bytes of the body of the entry at `position`, from `start` on.
fn read_piece(segment: &Segment, position: u64, start: usize, len: usize) -> Result<Vec<u8>, Fault> {
    let from = position + (HEADER_BYTES + start) as u64;
    let file_len = segment.file.len().map_err(Fault::io(Action::Measure, &segment.path))?;
    if from + len as u64 > file_len {
        return Err(Fault::corrupt(&segment.path, position, "the entry is cut short"));
    }
    let mut bytes = vec![0; len];
    segment.file.read_exact_at(&mut bytes, from).map_err(Fault::io(Action::Read, &segment.path))?;
    Ok(bytes)
}

fn read_entry_at(segment: &Segment, position: u64, index: LogIndex) -> Result<Entry, ReadError> {
    let Start { header, mut body } = read_start(segment, position, index)?;
    if body.len() < header.body_len as usize {
        body = read_piece(segment, position, 0, header.body_len as usize)?;
    }
    let damaged = |what: String| Fault::corrupt(&segment.path, position, what);
    let body = Body::parse(body.into()).map_err(|error| damaged(error.to_string()))?;
    body.verify().map_err(|error| damaged(error.to_string()))?;
    Ok(Entry { term: header.term, index, kind: header.kind, body: body.bytes().clone() })
}

fn read_slot_at(
    segment: &Segment,
    position: u64,
    index: LogIndex,
    slot: SlotNumber,
) -> Result<Bytes, ReadError> {
    let Start { header, body } = read_start(segment, position, index)?;
    let mut start = header.prefix_len();
    for line in lines(&body[..header.prefix_len()]) {
        let len = line.len as usize;
        if line.number != slot {
            start += len;
            continue;
        }
        let bytes = match body.get(start..start + len) {
            Some(bytes) => Bytes::copy_from_slice(bytes),
            None => read_piece(segment, position, start, len)?.into(),
        };
        if crc32c(&bytes) != line.crc {
            let at = position + (HEADER_BYTES + start) as u64;
            let what = format!("slot {slot} of entry {index} does not match its checksum");
            return Err(Fault::corrupt(&segment.path, at, what).into());
        }
        return Ok(bytes);
    }
    Err(ReadError::NoSlot(index, slot))
}
