//! What stands only in the journal: which segments have to be flushed before a file of it may go.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_env::{Disk, File};
use forebay_model::ShardId;

use super::batch::JournalId;
use super::replay::remove;
use crate::fault::{Action, Fault, Fence};
use crate::flush::FlushJob;

/// A segment with bytes that only the journal has on the medium.
#[derive(Clone)]
pub(crate) struct Unflushed {
    shard: ShardId,
    path: PathBuf,
    file: Arc<dyn File>,
    fence: Arc<Fence>,
}

impl Unflushed {
    /// Flushes it. An error fences its log.
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        self.fence.guard(|| self.file.sync_data().map_err(Fault::io(Action::Flush, &self.path)))
    }
}

/// A file of the journal that is on the disk.
struct OnDisk {
    id: JournalId,
    /// Segments that must be flushed before it goes; of the last file, those of its batches so far.
    segments: BTreeMap<PathBuf, Unflushed>,
    full: bool,
}

/// The files of the journal, oldest first, and what each is needed for.
#[derive(Default)]
pub(crate) struct Ledger {
    files: VecDeque<OnDisk>,
}

impl Ledger {
    /// A file was begun.
    pub(crate) fn begin(&mut self, id: JournalId) {
        self.files.push_back(OnDisk { id, segments: BTreeMap::new(), full: false });
    }

    /// The last file takes no more.
    pub(crate) fn end(&mut self) {
        if let Some(last) = self.files.back_mut() {
            last.full = true;
        }
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// Whether no file is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What the job wrote is in the last file.
    pub(crate) fn note(&mut self, job: &FlushJob) {
        let last = self.files.back_mut().expect("a batch stands in a file");
        for (path, file) in &job.files {
            let unflushed = Unflushed {
                shard: job.shard,
                path: path.clone(),
                file: Arc::clone(file),
                fence: Arc::clone(&job.fence),
            };
            last.segments.insert(path.clone(), unflushed);
        }
    }

    /// What the job covers was flushed where it is: also what earlier batches said of the same files.
    pub(crate) fn flushed(&mut self, job: &FlushJob) {
        for file in &mut self.files {
            for (path, _) in &job.files {
                file.segments.remove(path);
            }
        }
    }

    /// Nothing that was said of the shard is needed any more.
    pub(crate) fn forget(&mut self, shard: ShardId) {
        for file in &mut self.files {
            file.segments.retain(|_, segment| segment.shard != shard);
        }
    }

    /// Whether no file is needed for anything.
    pub(crate) fn is_settled(&self) -> bool {
        self.files.iter().all(|file| file.segments.is_empty())
    }

    /// Flushes everything that is needed of any file.
    pub(crate) fn flush_all(&mut self) -> Result<(), Fault> {
        for file in &mut self.files {
            file.segments.values().try_for_each(Unflushed::flush)?;
            file.segments.clear();
        }
        Ok(())
    }

    /// The segments that have to be flushed before the file may go.
    pub(crate) fn waiting_for(&self, number: u64) -> Vec<Unflushed> {
        let file = self.files.iter().find(|file| file.id.number == number);
        file.map(|file| file.segments.values().cloned().collect()).unwrap_or_default()
    }

    /// All of them were.
    pub(crate) fn settled(&mut self, number: u64) {
        if let Some(file) = self.files.iter_mut().find(|file| file.id.number == number) {
            file.segments.clear();
        }
    }

    /// Removes the files that nothing is needed of, the oldest first.
    pub(crate) fn remove_settled(&mut self, disk: &dyn Disk, dir: &Path) -> Result<(), Fault> {
        while let Some(oldest) = self.files.front()
            && oldest.full
            && oldest.segments.is_empty()
        {
            remove(disk, dir, &[oldest.id])?;
            self.files.pop_front();
        }
        Ok(())
    }
}
