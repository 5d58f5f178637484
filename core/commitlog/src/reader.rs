//! The readers' side of a shard's log: any thread but the shard's may block here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber};

use crate::entry::Entry;
use crate::facts::read_facts;
use crate::fault::Fault;
use crate::files::{Files, Segment, View};
use crate::index_entry::PartitionRun;
use crate::lock::lock;
use crate::point_read::read_entry_at;
use crate::scan::{Depth, LocalCheck, Scanner, Step};
use crate::segment::SegmentId;
use crate::sidecar::{SegmentSummary, Sidecar};
use crate::slot_reader::SlotReader;

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
            Ok(read_entry_at(segment, position, index, &self.files.read_buffers)?)
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

    /// The bytes of one slot, checked. For more than one see [`Reader::slots`].
    ///
    /// # Errors
    /// As [`SlotReader::read`].
    pub fn read_slot(&self, index: LogIndex, slot: SlotNumber) -> Result<Bytes, ReadError> {
        self.slots().read(index, slot)
    }

    /// Reads slots one after the other; quickest in the order of the log.
    #[must_use]
    pub fn slots(&self) -> SlotReader<'_> {
        SlotReader::new(self)
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
    pub(crate) fn with_view<T>(&self, read: impl Fn(&View) -> Result<T, ReadError>) -> Result<T, ReadError> {
        loop {
            let view = self.files.view();
            match read(&view) {
                Err(ReadError::Fault(_)) if self.files.view().epoch != view.epoch => {}
                result => return result,
            }
        }
    }
}

/// Where the entry `index` stands.
pub(crate) fn locate(view: &View, index: LogIndex) -> Result<(&Arc<Segment>, u64), ReadError> {
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
        // What was appended since the end was looked up may lie before it.
        if found.header.index >= high {
            return Ok(false);
        }
        let len = found.header.stored_len();
        if len > *left && !out.is_empty() {
            return Ok(false);
        }
        *left = left.saturating_sub(len);
        out.push(scanner.entry(&found)?);
    }
}
