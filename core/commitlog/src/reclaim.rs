//! Gives disk space back: unlinks segments that hold nothing alive, and puts rewritten ones in the place of the old.
//! Whoever reads an old file goes on reading it through its handle.

use std::fmt;

use forebay_model::LogIndex;

use crate::block_cache::BlockCache;
use crate::fault::{Action, Fault};
use crate::files::{Segment, SegmentIndex, View};
use crate::keeper::{Keeper, list_sealed};
use crate::lock::lock;
use crate::manifest::remove_if_there;
use crate::segment::SegmentId;
use crate::sidecar::Sidecar;
use crate::terms::Point;

use forebay_env::fault::{self, planted};
use forebay_env::{Disk, OpenMode};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a segment was left as it is.
#[derive(Clone, Debug)]
pub enum ReclaimError {
    /// The medium failed, and the log is fenced; or a file is damaged.
    Fault(Fault),
    /// No such segment counts.
    NoSegment(SegmentId),
    /// The segment, or one before it, has no sidecar yet: it was not applied.
    NoSidecar(SegmentId),
    /// Raft, or a replay from the current checkpoint, still needs entries of the segment.
    Needed {
        /// The segment.
        id: SegmentId,
        /// Nothing above this may be reclaimed.
        free_up_to: LogIndex,
    },
    /// An install counts on the segment.
    CountedOn(SegmentId),
    /// The survivors name an index entry whose slot they drop: an error of the caller.
    Orphan(crate::IndexEntry),
    /// The survivors let an index entry cover other offsets or point elsewhere: an error of the caller.
    Moved(crate::IndexEntry),
    /// The replacement is no later generation of the segment it replaces.
    NotLater {
        /// The segment to be replaced.
        old: SegmentId,
        /// The replacement.
        new: SegmentId,
    },
}

impl fmt::Display for ReclaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReclaimError::Fault(fault) => fault.fmt(f),
            ReclaimError::NoSegment(id) => write!(f, "there is no segment {id}"),
            ReclaimError::NoSidecar(id) => write!(f, "segment {id} has no sidecar yet"),
            ReclaimError::Needed { id, free_up_to } => {
                write!(f, "segment {id} is needed: nothing above entry {free_up_to} is free")
            }
            ReclaimError::CountedOn(id) => write!(f, "an install counts on segment {id}"),
            ReclaimError::Orphan(entry) => {
                write!(f, "an index entry survives, but not slot {} of entry {}", entry.slot, entry.log_index)
            }
            ReclaimError::Moved(entry) => {
                let (partition, offset) = (entry.partition, entry.first_offset);
                write!(
                    f,
                    "the index entry at offset {offset} of partition {partition} would say something else"
                )
            }
            ReclaimError::NotLater { old, new } => write!(f, "segment {new} does not replace segment {old}"),
        }
    }
}

impl std::error::Error for ReclaimError {}

/// What putting a rewritten segment in its place did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// How many bytes it gave back; those of the old files once nobody holds them any more.
    pub freed_bytes: u64,
    /// Whether somebody still read or sent the old files.
    pub held: Held,
}

/// Whether a file is in use at the moment its name goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// By a reader, or by a snapshot on its way to another replica.
    Yes,
    /// By nobody.
    No,
}

impl From<Fault> for ReclaimError {
    fn from(fault: Fault) -> ReclaimError {
        ReclaimError::Fault(fault)
    }
}

/// Segments that are neither unlinked nor replaced as long as this lives.
#[derive(Clone, Debug)]
pub struct CountedOn(#[expect(dead_code, reason = "it is held, not read")] Arc<[SegmentId]>);

impl Keeper {
    /// Keeps segments where they are, as far as they are here, for an install that does not bring them.
    #[must_use]
    pub fn count_on(&self, ids: Vec<SegmentId>) -> CountedOn {
        let files = &self.files;
        // Whoever is about to take one away has done so before the caller looks what is here.
        let _one_at_a_time = lock(&files.housekeeping);
        let ids: Arc<[SegmentId]> = ids.into();
        lock(&files.counted_on).push(Arc::downgrade(&ids));
        CountedOn(ids)
    }

    /// Whether anything is counted on.
    #[must_use]
    pub fn is_anything_counted_on(&self) -> bool {
        let mut counted_on = lock(&self.files.counted_on);
        counted_on.retain(|ids| ids.strong_count() > 0);
        !counted_on.is_empty()
    }

    fn is_counted_on(&self, id: SegmentId) -> bool {
        lock(&self.files.counted_on).iter().filter_map(std::sync::Weak::upgrade).any(|ids| ids.contains(&id))
    }

    /// Removes segments that hold nothing alive, with their sidecars; answers how many bytes that frees. All or none:
    /// refused when one of them is needed or unknown.
    pub fn unlink(&self, ids: &[SegmentId]) -> Result<u64, ReclaimError> {
        let files = &self.files;
        let _one_at_a_time = lock(&files.housekeeping);
        let view = files.view();
        let mut floor = Point::default();
        let mut freed = 0;
        for id in ids {
            let (segment, sidecar) = self.free_segment(&view, *id)?;
            floor = later(floor, sidecar.summary().last);
            freed += segment.len() + sidecar.file_bytes();
        }
        files.fence.guard(|| {
            files.manifest.update(|manifest| {
                list_sealed(manifest, &view);
                manifest.segments.retain(|id| !ids.contains(id));
                manifest.floor = later(manifest.floor, floor);
            })?;
            files.change_view(|view| view.segments.retain(|segment| !ids.contains(&segment.id)));
            ids.iter().try_for_each(|id| remove_segment(&*files.disk, &files.dir, *id))
        })?;
        Ok(freed)
    }

    /// Puts the rewritten segment `new` in the place of `old`, and removes `old`. Whoever reads or sends the old files goes
    /// on doing so.
    pub fn replace(&self, old: SegmentId, new: SegmentId) -> Result<Replaced, ReclaimError> {
        if new <= old || (new.shard, new.first) != (old.shard, old.first) {
            return Err(ReclaimError::NotLater { old, new });
        }
        let files = &self.files;
        let _one_at_a_time = lock(&files.housekeeping);
        let view = files.view();
        let (segment, sidecar) = self.free_segment(&view, old)?;
        let floor = sidecar.summary().last;
        let before = segment.len() + sidecar.file_bytes();
        let replacement = open_sealed(&*files.disk, &files.dir, new, &files.cache)?;
        let after = replacement.sidecar().map_or(0, |sidecar| sidecar.file_bytes()) + replacement.len();
        files.fence.guard(|| {
            if planted(fault::Fault::RewrittenUnlinkedEarly) {
                remove_segment(&*files.disk, &files.dir, old)?;
            }
            files.manifest.update(|manifest| {
                list_sealed(manifest, &view);
                for id in manifest.segments.iter_mut().filter(|id| **id == old) {
                    *id = new;
                }
                manifest.floor = later(manifest.floor, floor);
            })?;
            let replacement = Arc::new(replacement);
            files.change_view(|view| {
                if let Some(slot) = view.segments.iter_mut().find(|segment| segment.id == old) {
                    *slot = replacement;
                }
            });
            remove_segment(&*files.disk, &files.dir, old)
        })?;
        let held = if is_held(segment, &view) { Held::Yes } else { Held::No };
        Ok(Replaced { freed_bytes: before.saturating_sub(after), held })
    }

    /// Whether Raft and a replay can do without a segment; the error says why not.
    pub fn check_free(&self, id: SegmentId) -> Result<(), ReclaimError> {
        self.free_segment(&self.files.view(), id).map(|_| ())
    }

    /// A segment that Raft and a replay can do without.
    pub(crate) fn free_segment<'v>(
        &self,
        view: &'v View,
        id: SegmentId,
    ) -> Result<(&'v Arc<Segment>, &'v Sidecar), ReclaimError> {
        let segment = view.segment(id).ok_or(ReclaimError::NoSegment(id))?;
        let sidecar = segment.sidecar().ok_or(ReclaimError::NoSidecar(id))?;
        let replay = self.files.manifest.current().checkpoint.unwrap_or_default().index;
        let free_up_to = self.files.floor().min(replay);
        if sidecar.summary().last.index > free_up_to {
            return Err(ReclaimError::Needed { id, free_up_to });
        }
        if self.is_counted_on(id) {
            return Err(ReclaimError::CountedOn(id));
        }
        // The manifest lists segments without a hole, and only a listed one can stop counting.
        match view.first_without_sidecar(sidecar.summary().last.index) {
            Some(before) => Err(ReclaimError::NoSidecar(before)),
            None => Ok((segment, sidecar)),
        }
    }
}

/// Opens a segment of `dir` by its sidecar, which must be there and fit.
pub(crate) fn open_sealed(
    disk: &dyn Disk,
    dir: &Path,
    id: SegmentId,
    cache: &Arc<BlockCache>,
) -> Result<Segment, Fault> {
    open_sealed_at(disk, id, dir.join(id.file_name()), &dir.join(id.sidecar_name()), cache)
}

/// Opens a segment by its sidecar, wherever the two are.
pub(crate) fn open_sealed_at(
    disk: &dyn Disk,
    id: SegmentId,
    path: PathBuf,
    sidecar: &Path,
    cache: &Arc<BlockCache>,
) -> Result<Segment, Fault> {
    let file = disk.open(sidecar, OpenMode::Read).map_err(Fault::io(Action::Open, sidecar))?;
    let sidecar = Sidecar::from_file(file, sidecar, id, cache)?;
    let file = disk.open(&path, OpenMode::Read).map_err(Fault::io(Action::Open, &path))?;
    let len = file.len().map_err(Fault::io(Action::Measure, &path))?;
    let bytes = sidecar.summary().bytes;
    if len != bytes {
        let what = format!("the file has {len} bytes, and {bytes} according to its sidecar");
        return Err(Fault::corrupt(&path, len.min(bytes), what));
    }
    Ok(Segment { id, path, file, index: SegmentIndex::Sidecar(sidecar) })
}

/// Removes the files of a segment that the manifest no longer names. Not waited for: a name that comes back is debris.
pub(crate) fn remove_segment(disk: &dyn Disk, dir: &Path, id: SegmentId) -> Result<(), Fault> {
    remove_if_there(disk, &dir.join(id.file_name()))?;
    remove_if_there(disk, &dir.join(id.sidecar_name()))
}

/// Whether anybody but the caller has a segment that left the view since the caller took `view`.
fn is_held(segment: &Arc<Segment>, view: &Arc<View>) -> bool {
    Arc::strong_count(segment) > 1 || Arc::strong_count(view) > 1
}

fn later(a: Point, b: Point) -> Point {
    if b.index > a.index { b } else { a }
}
