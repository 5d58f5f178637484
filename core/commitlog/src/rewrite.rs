//! Copies what is alive of a segment into a later generation; slots may become smaller ones on the way. The bytes depend on the old
//! segment and on the answers of the survivors' judge only, so replicas that judge alike write equal files.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use forebay_env::{File, OpenMode};
use forebay_model::{LogIndex, SlotNumber};

use crate::body::{Body, BodyBuilder, Slot};
use crate::entry::{Entry, EntryHeader, EntryKind};
use crate::facts::FactsBuilder;
use crate::fault::{Action, Fault};
use crate::files::Segment;
use crate::index_entry::IndexEntry;
use crate::keeper::Keeper;
use crate::lock::lock;
use crate::manifest::{TMP_ENDING, remove_if_there};
use crate::reclaim::ReclaimError;
use crate::scan::{Depth, LocalCheck, Scanner, Step};
use crate::segment::{Generation, SEGMENT_HEADER_BYTES, SegmentId, encode_header};
use crate::sidecar::SegmentSummary;
use crate::sidecar_write::{SegmentFacts, WriteError, write_sidecar};

/// What is gathered before it is written, in bytes.
const WRITE_BYTES: usize = 1024 * 1024;

/// What becomes of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is copied.
    Live,
    /// Its bytes are given back.
    Dead,
    /// These bytes take its place; there are no more of them than there were.
    Replaced(Bytes),
}

/// Says what survives a rewrite. Its answers must follow from the slots' bytes and from replicated state alone.
pub trait Judge {
    /// What becomes of a slot of the entry `index`; it has to survive when an index entry that survives points to it. Asked in log
    /// order, and not for the slots of a Seal, which stay.
    fn slot(&mut self, index: LogIndex, slot: &Slot) -> Fate;
    /// The index entry as it is from now on; `None` when it does not survive. What it covers and where it points stays. Asked by
    /// partition and offset, after all slots.
    fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry>;
}

impl Keeper {
    /// Writes the generation `new` of a segment, with its sidecar, durable when this returns. It does not count before
    /// [`Keeper::replace`]; a restart before that removes it. Slots keep their numbers; an entry without a living slot is
    /// gone, the Seal stays. Refused when `new` is no later generation than `old`.
    pub fn rewrite(
        &self,
        old: SegmentId,
        new: Generation,
        judge: &mut dyn Judge,
    ) -> Result<SegmentSummary, ReclaimError> {
        let new = SegmentId { generation: new, ..old };
        if new <= old {
            return Err(ReclaimError::NotLater { old, new });
        }
        let files = &self.files;
        let _one_at_a_time = lock(&files.housekeeping);
        let view = files.view();
        let (segment, sidecar) = self.free_segment(&view, old)?;
        files.fence.check()?;
        let failed = |fault| self.rewrite_failed(new, fault);
        let mut copy = Copy::create(self, new).map_err(failed)?;
        let kept = copy.slots(segment, judge).map_err(failed)?;
        let facts = copy.finish(self).map_err(failed)?;

        let mut entries = Vec::new();
        sidecar.for_each_entry(|entry| {
            let Some(survivor) = judge.index_entry(&entry) else { return Ok(()) };
            if kept.binary_search(&(entry.log_index, entry.slot)).is_err() {
                return Err(ReclaimError::Orphan(entry));
            }
            if !covers_the_same(&entry, &survivor) {
                return Err(ReclaimError::Moved(entry));
            }
            entries.push(survivor);
            Ok(())
        })?;
        let written = write_sidecar(&*files.disk, &files.dir, &facts, entries, &files.cache);
        match written {
            Ok(sidecar) => Ok(*sidecar.summary()),
            Err(WriteError::Fault(fault)) => Err(failed(fault).into()),
            Err(WriteError::Unsorted | WriteError::Foreign(_)) => {
                let path = files.dir.join(old.sidecar_name());
                Err(Fault::corrupt(&path, 0, "the index entries do not ascend or point elsewhere").into())
            }
        }
    }
}

impl Keeper {
    /// A failed write fences, but where there was no room for it: nothing relies on the copy, and a log that only lacks space
    /// must go on. What was written of it is given back.
    fn rewrite_failed(&self, new: SegmentId, fault: Fault) -> Fault {
        let files = &self.files;
        if !fault.is_no_room() {
            return files.fence.trip(fault);
        }
        for name in [new.file_name(), new.sidecar_name()] {
            for name in [name.clone() + TMP_ENDING, name] {
                if let Err(fault) = remove_if_there(&*files.disk, &files.dir.join(name)) {
                    return files.fence.trip(fault);
                }
            }
        }
        fault
    }
}

/// A later generation being written.
struct Copy {
    tmp: PathBuf,
    file: Arc<dyn File>,
    facts: FactsBuilder,
    buffer: Vec<u8>,
    position: u64,
}

impl Copy {
    fn create(keeper: &Keeper, id: SegmentId) -> Result<Copy, Fault> {
        let files = &keeper.files;
        let tmp = files.dir.join(id.file_name() + TMP_ENDING);
        remove_if_there(&*files.disk, &tmp)?;
        let file = files.disk.open(&tmp, OpenMode::CreateNew).map_err(Fault::io(Action::Create, &tmp))?;
        Ok(Copy { tmp, file, facts: FactsBuilder::new(id), buffer: encode_header(id).to_vec(), position: 0 })
    }

    /// Copies what lives; answers the slots that were kept, in order.
    fn slots(&mut self, old: &Segment, judge: &mut dyn Judge) -> Result<Vec<(LogIndex, SlotNumber)>, Fault> {
        let mut kept = Vec::new();
        let span = (SEGMENT_HEADER_BYTES, old.len());
        let mut scanner = Scanner::new(&*old.file, &old.path, old.id, LocalCheck::Ignore, span, None);
        loop {
            let found = match scanner.step(Depth::Full)? {
                Step::Entry(found) => found,
                Step::End => return Ok(kept),
                Step::Bad(what) => return Err(Fault::corrupt(&old.path, scanner.position(), what)),
            };
            let entry = scanner.entry(&found)?;
            let damaged = |what: String| Fault::corrupt(&old.path, found.position, what);
            let body = Body::parse(entry.body.clone()).map_err(|error| damaged(error.to_string()))?;
            if let Some(survivor) = survivor(&entry, &body, judge, &mut kept) {
                self.push(&survivor)?;
            }
        }
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Fault> {
        let body = Body::parse(entry.body.clone()).expect("just built, or read and checked");
        let header = EntryHeader::canonical(entry, body.slot_count(), body.prefix());
        self.facts.add(&header, body.prefix());
        self.buffer.extend_from_slice(&header.encode());
        self.buffer.extend_from_slice(&entry.body);
        if self.buffer.len() >= WRITE_BYTES { self.drain() } else { Ok(()) }
    }

    fn drain(&mut self) -> Result<(), Fault> {
        self.file.write_at(&[&self.buffer], self.position).map_err(Fault::io(Action::Write, &self.tmp))?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Flushes the file and gives it its name, which becomes durable with that of its sidecar.
    fn finish(mut self, keeper: &Keeper) -> Result<SegmentFacts, Fault> {
        self.drain()?;
        self.file.sync_data().map_err(Fault::io(Action::Flush, &self.tmp))?;
        let facts = self.facts.finish();
        let path = keeper.files.dir.join(facts.id.file_name());
        keeper.files.disk.rename(&self.tmp, &path).map_err(Fault::io(Action::Rename, &self.tmp))?;
        Ok(facts)
    }
}

/// What is left of an entry; `None` when nothing is.
fn survivor(
    entry: &Entry,
    body: &Body,
    judge: &mut dyn Judge,
    kept: &mut Vec<(LogIndex, SlotNumber)>,
) -> Option<Entry> {
    let mut builder = BodyBuilder::new(body.slot_count(), entry.body.len());
    for slot in body.slots() {
        let fate = match entry.kind {
            EntryKind::Seal => Fate::Live,
            _ => judge.slot(entry.index, &slot),
        };
        let bytes = match fate {
            Fate::Live => slot.bytes,
            Fate::Dead => continue,
            Fate::Replaced(bytes) => {
                assert!(bytes.len() <= slot.bytes.len(), "a judge makes no slot longer");
                bytes
            }
        };
        builder.push_numbered(slot.number, slot.kind, &[&bytes]).expect("no larger than it was");
        kept.push((entry.index, slot.number));
    }
    if builder.is_empty() && entry.kind != EntryKind::Seal {
        return None;
    }
    Some(Entry { body: builder.finish(), ..entry.clone() })
}

/// Whether an index entry still says the same of offsets and slots.
fn covers_the_same(before: &IndexEntry, after: &IndexEntry) -> bool {
    let IndexEntry { bytes, max_timestamp, earliest_expiry, .. } = *after;
    *after == IndexEntry { bytes, max_timestamp, earliest_expiry, ..*before }
}
