//! Housekeeping of a shard's directory: everything that changes which files count, away from the shard's thread.

use std::fmt;
use std::sync::Arc;

use forebay_env::Disk;
use forebay_model::LogIndex;

use crate::checkpoint::{
    Checkpoint, CheckpointFile, CheckpointMeta, Section, Written, checkpoint_name, parse_checkpoint_name,
    write_checkpoint,
};
use crate::directory::Directory;
use crate::facts::read_facts;
use crate::fault::{Action, Fault};
use crate::files::{Files, Segment, SegmentIndex, View};
use crate::index_entry::IndexEntry;
use crate::lock::lock;
use crate::manifest::{Manifest, remove_if_there};
use crate::scan::Depth;
use crate::segment::SegmentId;
use crate::sidecar::Sidecar;
use crate::sidecar_write::{WriteError, write_sidecar};

/// Why a checkpoint did not become current.
#[derive(Clone, Debug)]
pub enum AdoptError {
    /// The medium failed: the log is fenced.
    Fault(Fault),
    /// The log is not flushed up to the checkpoint's index: an error of the caller.
    LogBehind {
        /// The durable index.
        durable: LogIndex,
        /// The checkpoint's index.
        checkpoint: LogIndex,
    },
    /// A segment that the checkpoint relies on has no durable sidecar: an error of the caller.
    NoSidecar(SegmentId),
    /// The current checkpoint is newer.
    Older(LogIndex),
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdoptError::Fault(fault) => fault.fmt(f),
            AdoptError::LogBehind { durable, checkpoint } => {
                write!(f, "the log is flushed up to {durable}, the checkpoint is at {checkpoint}")
            }
            AdoptError::NoSidecar(id) => {
                write!(f, "segment {id} has no sidecar, which the checkpoint relies on")
            }
            AdoptError::Older(current) => write!(f, "the checkpoint at {current} is newer"),
        }
    }
}

impl std::error::Error for AdoptError {}

impl From<Fault> for AdoptError {
    fn from(fault: Fault) -> AdoptError {
        AdoptError::Fault(fault)
    }
}

/// Why a sidecar was not written.
#[derive(Clone, Debug)]
pub enum SidecarError {
    /// The medium failed, and the log is fenced; or the segment is damaged.
    Fault(Fault),
    /// No such segment counts.
    NoSegment(SegmentId),
    /// The segment has no Seal yet.
    NotSealed(SegmentId),
    /// The segment is not flushed up to its Seal yet.
    NotFlushed(SegmentId),
    /// The entries do not ascend by partition and offset, or overlap: an error of the caller.
    Unsorted(SegmentId),
    /// An entry is empty or points outside the segment: an error of the caller.
    Foreign(SegmentId, LogIndex),
}

impl fmt::Display for SidecarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SidecarError::Fault(fault) => fault.fmt(f),
            SidecarError::NoSegment(id) => write!(f, "there is no segment {id}"),
            SidecarError::NotSealed(id) => write!(f, "segment {id} is not sealed"),
            SidecarError::NotFlushed(id) => write!(f, "segment {id} is not flushed"),
            SidecarError::Unsorted(id) => write!(f, "the index entries of segment {id} do not ascend"),
            SidecarError::Foreign(id, index) => {
                write!(f, "an index entry of segment {id} points to entry {index}")
            }
        }
    }
}

impl std::error::Error for SidecarError {}

impl From<Fault> for SidecarError {
    fn from(fault: Fault) -> SidecarError {
        SidecarError::Fault(fault)
    }
}

/// A handle for the threads that may block. Cheap to clone. Every change is durable when its call returns; any failed
/// write or flush fences the log.
#[derive(Clone)]
pub struct Keeper {
    pub(crate) files: Arc<Files>,
}

impl Keeper {
    pub(crate) fn new(files: Arc<Files>) -> Keeper {
        Keeper { files }
    }

    /// Which files count now.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        self.files.manifest.current()
    }

    /// Writes a checkpoint; it does not count before [`Keeper::adopt`].
    pub fn write_checkpoint(&self, meta: &CheckpointMeta, sections: &[Section]) -> Result<Written, Fault> {
        let files = &self.files;
        files.fence.guard(|| write_checkpoint(&*files.disk, &files.dir, files.shard, meta, sections))
    }

    /// Makes a written checkpoint the current one and removes the older ones. Refused while the log is not flushed up to
    /// its index or a sidecar it relies on is missing.
    pub fn adopt(&self, written: Written) -> Result<(), AdoptError> {
        let files = &self.files;
        let index = written.point.index;
        if files.durable_index() < index {
            return Err(AdoptError::LogBehind { durable: files.durable_index(), checkpoint: index });
        }
        if let Some(id) = files.view().first_without_sidecar(written.sidecars_up_to) {
            return Err(AdoptError::NoSidecar(id));
        }
        let mut older = None;
        files.fence.guard(|| {
            files.manifest.update(|manifest| match manifest.checkpoint {
                Some(current) if current.index > index => older = Some(current.index),
                _ => {
                    manifest.checkpoint = Some(written.point);
                    list_sealed(manifest, &files.view());
                }
            })?;
            self.remove_other_checkpoints()
        })?;
        older.map_or(Ok(()), |current| Err(AdoptError::Older(current)))
    }

    pub(crate) fn remove_other_checkpoints(&self) -> Result<(), Fault> {
        let files = &self.files;
        let current = files.manifest.current().checkpoint;
        for entry in files.disk.list(&files.dir).map_err(Fault::io(Action::List, &files.dir))? {
            let index = parse_checkpoint_name(&entry.name);
            if index.is_some_and(|index| Some(index) < current.map(|current| current.index)) {
                remove_if_there(&*files.disk, &files.dir.join(&entry.name))?;
            }
        }
        Ok(())
    }

    /// Writes the sidecar of a sealed segment, from the segment itself and from `entries`, which come sorted by partition
    /// and offset. From then on the segment counts as applied: its index leaves the memory, and it is never truncated.
    /// Answers at once when it has a sidecar already.
    pub fn write_sidecar(
        &self,
        id: SegmentId,
        entries: impl IntoIterator<Item = IndexEntry>,
    ) -> Result<Sidecar, SidecarError> {
        let files = &self.files;
        let _one_at_a_time = lock(&files.housekeeping);
        let segment = files.view().segment(id).cloned().ok_or(SidecarError::NoSegment(id))?;
        if let Some(sidecar) = segment.sidecar() {
            return Ok(sidecar.clone());
        }
        let last = segment.last().filter(|_| segment.is_sealed()).ok_or(SidecarError::NotSealed(id))?;
        if files.durable_index() < last {
            return Err(SidecarError::NotFlushed(id));
        }
        files.fence.check()?;
        let facts = read_facts(&segment, files.salt, Depth::Headers)?;
        let written = write_sidecar(&*files.disk, &files.dir, &facts, entries, &files.cache);
        let sidecar = written.map_err(|error| match error {
            WriteError::Fault(fault) => SidecarError::Fault(files.fence.trip(fault)),
            WriteError::Unsorted => SidecarError::Unsorted(id),
            WriteError::Foreign(index) => SidecarError::Foreign(id, index),
        })?;
        let index = SegmentIndex::Sidecar(sidecar.clone());
        let Segment { path, file, .. } = &*segment;
        let sealed = Arc::new(Segment { id, path: path.clone(), file: file.clone(), index });
        files.change_view(|view| {
            if let Some(slot) = view.segments.iter_mut().find(|segment| segment.id == id) {
                *slot = sealed;
            }
        });
        Ok(sidecar)
    }

    /// Merges a few files of the segment directory into one, if that is due; answers whether it did. Call it after each
    /// sidecar, until it answers false.
    pub fn merge_directory(&self) -> Result<bool, Fault> {
        let files = &self.files;
        let _one_at_a_time = lock(&files.housekeeping);
        let (view, directory) = (files.view(), files.directory());
        let Some(merge) = directory.due(&view) else { return Ok(false) };
        files.fence.guard(|| {
            let merged = merge.write(&*files.disk, &files.dir, files.shard, &view, &files.cache)?;
            let (replaced, mut kept): (Vec<_>, Vec<_>) =
                directory.files.iter().cloned().partition(|file| merged.cover.replaces(&file.cover));
            kept.push(Arc::new(merged));
            kept.sort_by_key(|file| file.cover);
            files.set_directory(Directory { files: kept });
            for file in replaced {
                remove_if_there(&*files.disk, &files.dir.join(file.cover.file_name()))?;
            }
            Ok(true)
        })
    }

    /// Opens the current checkpoint, for sending it; `None` when there is none.
    pub fn open_checkpoint(&self) -> Result<Option<CheckpointFile>, Fault> {
        let files = &self.files;
        loop {
            let Some(current) = files.manifest.current().checkpoint else { return Ok(None) };
            match CheckpointFile::open(&*files.disk, &files.dir, files.shard, current.index) {
                // A newer one took its place between the look and the open.
                Err(_) if files.manifest.current().checkpoint != Some(current) => {}
                result => return result.map(Some),
            }
        }
    }

    /// Reads the current checkpoint, every byte checked; `None` when there is none. Damage names file and position.
    pub fn load_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        self.open_checkpoint()?.map(|checkpoint| checkpoint.load()).transpose()
    }
}

/// Lists the segments of the tail that have a sidecar: from now on they count by name.
pub(crate) fn list_sealed(manifest: &mut Manifest, view: &View) {
    let tail_first = manifest.tail_first;
    for segment in view.segments.iter().filter(|segment| segment.id.first >= tail_first) {
        let Some(sidecar) = segment.sidecar() else { return };
        manifest.segments.push(segment.id);
        manifest.tail_first = sidecar.summary().last.index.next();
    }
}

/// Whether this is a checkpoint other than the current one.
pub(crate) fn is_stale_checkpoint(name: &str, manifest: &Manifest) -> bool {
    let current = manifest.checkpoint.map(|point| checkpoint_name(point.index));
    parse_checkpoint_name(name).is_some() && current.as_deref() != Some(name)
}

/// Reads the current checkpoint of a directory that nobody has open.
pub fn load_latest(disk: &dyn Disk, dir: &std::path::Path) -> Result<Option<Checkpoint>, Fault> {
    let Some(manifest) = Manifest::load(disk, dir)? else { return Ok(None) };
    let Some(point) = manifest.checkpoint else { return Ok(None) };
    CheckpointFile::open(disk, dir, manifest.shard, point.index)?.load().map(Some)
}
