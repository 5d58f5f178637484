//! The files of one shard that count right now, shared by the writer and all readers. A reader works on the list it
//! took: files stay readable through their handles whatever happens to their names.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use forebay_env::{Disk, File};
use forebay_model::{LogIndex, ShardId};

use crate::block_cache::BlockCache;
use crate::directory::Directory;
use crate::durable::DurableFile;
use crate::fault::{Fault, Fence};
use crate::journal::Journal;
use crate::lock::lock;
use crate::manifest::ManifestStore;
use crate::positions::PositionTable;
use crate::read_buffers::ReadBuffers;
use crate::segment::SegmentId;
use crate::sidecar::Sidecar;
use crate::tail::TailCache;
use crate::transfer::FileName;

/// One open segment.
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) index: SegmentIndex,
}

/// Where the positions of a segment's entries are.
pub(crate) enum SegmentIndex {
    /// In memory: the segment is being written, or its sidecar is not there yet.
    Memory(Mutex<MemoryIndex>),
    /// On disk: the segment is complete, flushed, applied and never truncated.
    Sidecar(Sidecar),
}

/// The index of a segment without a sidecar.
pub(crate) struct MemoryIndex {
    pub(crate) table: PositionTable,
    pub(crate) sealed: bool,
}

impl Segment {
    /// The first entry at or behind `index` in this segment, and its position.
    pub(crate) fn at_or_after(&self, index: LogIndex) -> Result<Option<(LogIndex, u64)>, Fault> {
        match &self.index {
            SegmentIndex::Memory(memory) => Ok(lock(memory).table.at_or_after(index)),
            SegmentIndex::Sidecar(sidecar) => sidecar.position_at_or_after(index),
        }
    }

    /// The position of the entry `index`.
    pub(crate) fn position(&self, index: LogIndex) -> Result<Option<u64>, Fault> {
        match &self.index {
            SegmentIndex::Memory(memory) => Ok(lock(memory).table.position(index)),
            SegmentIndex::Sidecar(sidecar) => sidecar.position(index),
        }
    }

    /// Bytes of entries and header.
    pub(crate) fn len(&self) -> u64 {
        match &self.index {
            SegmentIndex::Memory(memory) => lock(memory).table.end(),
            SegmentIndex::Sidecar(sidecar) => sidecar.summary().bytes,
        }
    }

    /// The last entry; `None` when there is none.
    pub(crate) fn last(&self) -> Option<LogIndex> {
        match &self.index {
            SegmentIndex::Memory(memory) => lock(memory).table.last(),
            SegmentIndex::Sidecar(sidecar) => Some(sidecar.summary().last.index),
        }
    }

    /// Whether its Seal was appended.
    pub(crate) fn is_sealed(&self) -> bool {
        match &self.index {
            SegmentIndex::Memory(memory) => lock(memory).sealed,
            SegmentIndex::Sidecar(_) => true,
        }
    }

    /// Its index in memory, as long as it has no sidecar.
    pub(crate) fn memory(&self) -> Option<MutexGuard<'_, MemoryIndex>> {
        match &self.index {
            SegmentIndex::Memory(memory) => Some(lock(memory)),
            SegmentIndex::Sidecar(_) => None,
        }
    }

    /// Its sidecar, once it has one.
    pub(crate) fn sidecar(&self) -> Option<&Sidecar> {
        match &self.index {
            SegmentIndex::Memory(_) => None,
            SegmentIndex::Sidecar(sidecar) => Some(sidecar),
        }
    }
}

/// The segments at one moment, ascending.
#[derive(Clone, Default)]
pub(crate) struct View {
    /// Rises when entries are truncated: a read that failed meanwhile is tried again, not reported as damage.
    pub(crate) epoch: u64,
    pub(crate) segments: Vec<Arc<Segment>>,
}

impl View {
    /// The segment that holds `index`, if any does.
    pub(crate) fn segment_of(&self, index: LogIndex) -> Option<&Arc<Segment>> {
        self.segments[..self.behind(index)].last()
    }

    /// The segments from the one that holds `index` on.
    pub(crate) fn segments_from(&self, index: LogIndex) -> &[Arc<Segment>] {
        &self.segments[self.behind(index).saturating_sub(1)..]
    }

    /// The segment with this id, if it counts.
    pub(crate) fn segment(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        self.segment_of(id.first).filter(|segment| segment.id == id)
    }

    /// The first sealed segment without a sidecar that ends at or below `index`.
    pub(crate) fn first_without_sidecar(&self, index: LogIndex) -> Option<SegmentId> {
        let lacks = |segment: &&Arc<Segment>| segment.sidecar().is_none() && segment.is_sealed();
        let mut whole =
            self.segments.iter().take_while(|segment| segment.last().is_some_and(|last| last <= index));
        whole.find(lacks).map(|segment| segment.id)
    }

    fn behind(&self, index: LogIndex) -> usize {
        self.segments.partition_point(|segment| segment.id.first <= index)
    }
}

/// Everything about a shard's directory that more than one thread uses.
pub(crate) struct Files {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) shard: ShardId,
    pub(crate) salt: u64,
    pub(crate) fence: Arc<Fence>,
    pub(crate) durable: Arc<DurableFile>,
    /// Shared with other shards, where there are any.
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) manifest: ManifestStore,
    pub(crate) tail: Mutex<TailCache>,
    view: Mutex<Arc<View>>,
    /// What `Log::durable_index` says, for threads that must not run ahead of it.
    durable_index: AtomicU64,
    /// What `Log::floor` says, for threads that must not touch what is above.
    floor: AtomicU64,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) read_buffers: Arc<ReadBuffers>,
    directory: Mutex<Arc<Directory>>,
    /// Incoming files of which earlier processes wrote a part, or all.
    pub(crate) left_behind: Mutex<BTreeSet<FileName>>,
    /// Segments that somebody counts on, by whoever still does.
    pub(crate) counted_on: Mutex<Vec<Weak<[SegmentId]>>>,
    /// One merge, rewrite or switch at a time; never taken by the shard's thread.
    pub(crate) housekeeping: Mutex<()>,
}

impl Files {
    #[allow(clippy::too_many_arguments, reason = "called once, where a shard is opened")]
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        shard: ShardId,
        salt: u64,
        fence: Arc<Fence>,
        durable: DurableFile,
        journal: Option<Arc<Journal>>,
        manifest: ManifestStore,
        tail: TailCache,
        segments: Vec<Arc<Segment>>,
        cache: Arc<BlockCache>,
        read_buffers: Arc<ReadBuffers>,
        directory: Directory,
        left_behind: BTreeSet<FileName>,
    ) -> Files {
        let view = Mutex::new(Arc::new(View { epoch: 0, segments }));
        Files {
            disk,
            dir,
            shard,
            salt,
            fence,
            durable: Arc::new(durable),
            journal,
            manifest,
            tail: Mutex::new(tail),
            view,
            durable_index: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            cache,
            read_buffers,
            directory: Mutex::new(Arc::new(directory)),
            left_behind: Mutex::new(left_behind),
            counted_on: Mutex::default(),
            housekeeping: Mutex::new(()),
        }
    }

    /// Everything up to here is on the medium.
    pub(crate) fn durable_index(&self) -> LogIndex {
        LogIndex(self.durable_index.load(Ordering::Acquire))
    }

    pub(crate) fn set_durable_index(&self, index: LogIndex) {
        self.durable_index.store(index.0, Ordering::Release);
    }

    /// The last entry that Raft does not need.
    pub(crate) fn floor(&self) -> LogIndex {
        LogIndex(self.floor.load(Ordering::Acquire))
    }

    pub(crate) fn set_floor(&self, index: LogIndex) {
        self.floor.store(index.0, Ordering::Release);
    }

    /// The segments as they are now.
    pub(crate) fn view(&self) -> Arc<View> {
        lock(&self.view).clone()
    }

    /// The segment directory as it is now.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        lock(&self.directory).clone()
    }

    pub(crate) fn set_directory(&self, directory: Directory) {
        *lock(&self.directory) = Arc::new(directory);
    }

    /// Replaces the list of segments by a changed one.
    pub(crate) fn change_view(&self, change: impl FnOnce(&mut View)) {
        let mut view = lock(&self.view);
        let mut next = View::clone(&view);
        change(&mut next);
        *view = Arc::new(next);
    }
}
