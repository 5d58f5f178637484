//! A flush: prepared on the shard's thread, run on another, reported back. The log never waits for one.

use std::path::PathBuf;
use std::sync::Arc;

use forebay_env::fault::Fault::CheckpointAheadOfLog;
use forebay_env::fault::planted;
use forebay_env::{Disk, File};
use forebay_model::{LogIndex, Position, ShardId};

use crate::durable::{DurableFile, DurableRecord};
use crate::fault::{Action, Fault, Fence};
use crate::journal::{Journal, Piece};

/// Everything that one flush must do. Owned and `Send`; run it once, then hand its answer to `Log::flushed`.
pub struct FlushJob {
    pub(crate) serial: u64,
    pub(crate) shard: ShardId,
    /// All of it, when that is little and stands in one segment: [`Journal::flush`] may write it to the journal instead.
    pub(crate) piece: Option<Piece>,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) files: Vec<(PathBuf, Arc<dyn File>)>,
    pub(crate) dir: Option<(Arc<dyn Disk>, PathBuf)>,
    pub(crate) note: Option<Note>,
    pub(crate) up_to: LogIndex,
    pub(crate) position: Position,
    pub(crate) fence: Arc<Fence>,
}

/// A record for the `durable` file, true once everything before it in the job is done.
pub(crate) struct Note {
    pub(crate) file: Arc<DurableFile>,
    pub(crate) record: DurableRecord,
    pub(crate) epoch: u64,
}

/// A flush that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the log confirms nothing before it is told"]
pub struct FlushDone {
    pub(crate) serial: u64,
    /// Every entry up to here is on the medium, unless it was truncated meanwhile: `Log::durable_index` knows.
    pub up_to: LogIndex,
    /// The end of the last file it covers.
    pub position: Position,
}

impl FlushJob {
    /// The end of what this flush covers.
    #[must_use]
    pub fn up_to(&self) -> LogIndex {
        self.up_to
    }

    /// Whether all there is to do is one fdatasync.
    #[must_use]
    pub fn is_one_file(&self) -> bool {
        self.files.len() == 1 && self.dir.is_none() && self.note.is_none()
    }

    /// Flushes. Blocks. An error fences the log: its next append or flush answers the same error, and the mark
    /// `fenced` tells the next open not to trust the page cache.
    pub fn run(self) -> Result<FlushDone, Fault> {
        self.fence.guard(|| {
            let unflushed =
                if planted(CheckpointAheadOfLog) { self.files.len().saturating_sub(1) } else { 0 };
            for (path, file) in self.files.iter().skip(unflushed) {
                file.sync_data().map_err(Fault::io(Action::Flush, path))?;
            }
            if let Some((disk, dir)) = &self.dir {
                disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))?;
            }
            match &self.note {
                Some(note) => note.file.record(note.record, note.epoch),
                None => Ok(()),
            }
        })?;
        if let Some(journal) = &self.journal {
            journal.flushed_apart(&self);
        }
        self.end(Ok(()))
    }

    /// The answer of a job whose bytes somebody else flushed, or failed to.
    pub(crate) fn end(self, flushed: Result<(), Fault>) -> Result<FlushDone, Fault> {
        self.fence.guard(|| flushed)?;
        Ok(FlushDone { serial: self.serial, up_to: self.up_to, position: self.position })
    }
}
