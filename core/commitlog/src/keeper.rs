//! Housekeeping of a shard's directory: everything that changes which files count, away from the shard's thread.

use std::fmt;
use std::sync::Arc;

use forebay_env::Disk;
use forebay_model::LogIndex;

use crate::checkpoint::{
    Checkpoint, CheckpointFile, CheckpointMeta, Section, Written, checkpoint_name, parse_checkpoint_name,
    write_checkpoint,
};
use crate::fault::Fault;
use crate::files::Files;
use crate::manifest::{Manifest, remove_if_there};

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
    NoSidecar(crate::SegmentId),
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
                _ => manifest.checkpoint = Some(written.point),
            })?;
            self.remove_other_checkpoints()
        })?;
        older.map_or(Ok(()), |current| Err(AdoptError::Older(current)))
    }

    fn remove_other_checkpoints(&self) -> Result<(), Fault> {
        let files = &self.files;
        let current = files.manifest.current().checkpoint;
        for entry in files.disk.list(&files.dir).map_err(Fault::io("list", &files.dir))? {
            let index = parse_checkpoint_name(&entry.name);
            if index.is_some_and(|index| Some(index) < current.map(|current| current.index)) {
                remove_if_there(&*files.disk, &files.dir.join(&entry.name))?;
            }
        }
        Ok(())
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

/// Removes checkpoints that are not the current one.
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
