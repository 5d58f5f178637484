//! Replaces a whole log by files from a peer: for a replica that is too far behind to be sent entries. The steps and what a
//! crash between them leaves are in `docs/formats/checkpoint.md`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::{CheckpointFile, CheckpointMeta};
use crate::durable::DurableRecord;
use crate::fault::{Action, Fault};
use crate::files::Segment;
use crate::keeper::Keeper;
use crate::lock::lock;
use crate::log::Log;
use crate::manifest::Manifest;
use crate::reclaim::{open_sealed, remove_segment};
use crate::segment::SegmentId;
use crate::terms::{Point, TermTable};
use crate::transfer::{FileName, open_incoming};
use crate::write_over::write_over;

use forebay_env::{Disk, OpenMode};
use forebay_model::LogIndex;

/// Why nothing was installed; the log is as it was.
#[derive(Clone, Debug)]
pub enum InstallError {
    /// The medium failed, and the log is fenced; or a received file is damaged or missing.
    Fault(Fault),
    /// The log holds committed entries behind the checkpoint, or a newer checkpoint: it needs no install.
    Behind {
        /// The checkpoint that was to be installed.
        checkpoint: LogIndex,
    },
    /// A listed segment ends behind the checkpoint, or the list does not ascend: an error of the sender.
    BadList(SegmentId),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallError::Fault(fault) => fault.fmt(f),
            InstallError::Behind { checkpoint } => {
                write!(f, "the log is already behind the checkpoint at {checkpoint}")
            }
            InstallError::BadList(id) => write!(f, "segment {id} does not belong into this list"),
        }
    }
}

impl std::error::Error for InstallError {}

impl From<Fault> for InstallError {
    fn from(fault: Fault) -> InstallError {
        InstallError::Fault(fault)
    }
}

impl Log {
    /// Replaces everything by the received checkpoint at `index` and by `segments`, ascending: received ones, or ones that
    /// are here under the same id. On return the log is empty behind the checkpoint, which is current and the floor; its
    /// meta is the answer. Blocks; call it with no flush under way, on any thread that owns the log. The hard state is
    /// the caller's to save, with the meta's configuration.
    pub fn install(
        &mut self,
        index: LogIndex,
        segments: &[SegmentId],
    ) -> Result<CheckpointMeta, InstallError> {
        assert!(!self.flush_under_way(), "a log is replaced while it stands still");
        self.check()?;
        let keeper = self.keeper();
        let files = keeper.files.clone();
        let _one_at_a_time = lock(&files.housekeeping);
        let manifest = files.manifest.current();
        if manifest.checkpoint.is_some_and(|current| current.index >= index) {
            return Err(InstallError::Behind { checkpoint: index });
        }
        let received = keeper.check_install(index, segments)?;
        let point = Point { index, term: received.meta.term };
        let opened = files.fence.guard(|| {
            self.leave_journal()?;
            keeper.flush_received(&received)?;
            files.durable.lower(LogIndex(0))?;
            keeper.unlink_behind(index)?;
            let named = files.manifest.update(|manifest| {
                manifest.segments = segments.to_vec();
                manifest.checkpoint = Some(point);
                manifest.floor = point;
                manifest.tail_first = index.next();
                manifest.installing = true;
            })?;
            move_in(&*files.disk, &files.dir, &install_names(&named))?;
            files.manifest.update(|manifest| manifest.installing = false)?;
            let open = |id| open_sealed(&*files.disk, &files.dir, id, &files.cache).map(Arc::new);
            named.segments.into_iter().map(open).collect::<Result<Vec<Arc<Segment>>, Fault>>()
        });
        // Half-way there is no log to go on with, whatever it was that failed.
        let opened = opened.map_err(|fault| files.fence.stop(fault))?;
        let old = files.view();
        self.restart_at(TermTable::new(point), opened);
        files.fence.guard(|| {
            for segment in old.segments.iter().filter(|segment| !segments.contains(&segment.id)) {
                remove_segment(&*files.disk, &files.dir, segment.id)?;
            }
            keeper.remove_other_checkpoints()?;
            let record = DurableRecord { index, clean_stop: false };
            files.durable.record(record, files.durable.epoch())
        })?;
        Ok(received.meta)
    }
}

/// The files that a manifest in the middle of an install names.
pub(crate) fn install_names(manifest: &Manifest) -> Vec<FileName> {
    let segments = manifest.segments.iter().flat_map(|id| [FileName::Segment(*id), FileName::Sidecar(*id)]);
    segments.chain(manifest.checkpoint.map(|point| FileName::Checkpoint(point.index))).collect()
}

/// Moves files that have arrived into place, over what is there; those that were moved before are not there any more.
pub(crate) fn move_in(disk: &dyn Disk, dir: &Path, names: &[FileName]) -> Result<(), Fault> {
    for name in names {
        let (from, to) = (dir.join(name.incoming_name()), dir.join(name.file_name()));
        match disk.rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::io(Action::Rename, &from)(error));
            }
            _ => {}
        }
    }
    disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))
}

/// What an install brings, checked.
struct Received {
    meta: CheckpointMeta,
    /// Files to be moved into place.
    names: Vec<FileName>,
}

impl Keeper {
    fn check_install(&self, index: LogIndex, segments: &[SegmentId]) -> Result<Received, InstallError> {
        let files = &self.files;
        let path = files.dir.join(FileName::Checkpoint(index).incoming_name());
        let checkpoint = CheckpointFile::open_at(&*files.disk, path, files.shard, index)?;
        checkpoint.load()?;
        let mut names = vec![FileName::Checkpoint(index)];
        let view = files.view();
        let mut before: Option<SegmentId> = None;
        for id in segments {
            let ascends = before.is_none_or(|before| before.first < id.first);
            let here =
                view.segment(*id).and_then(|segment| segment.sidecar()).map(|sidecar| *sidecar.summary());
            let summary = match here {
                Some(summary) => {
                    // What is here stays; a piece of it that arrived must not take its place.
                    self.discard(FileName::Segment(*id))?;
                    self.discard(FileName::Sidecar(*id))?;
                    summary
                }
                None => {
                    names.extend([FileName::Segment(*id), FileName::Sidecar(*id)]);
                    let received = open_incoming(files, *id)?;
                    *received.sidecar().expect("opened by it").summary()
                }
            };
            if !ascends || id.shard != files.shard || summary.last.index > index {
                return Err(InstallError::BadList(*id));
            }
            before = Some(*id);
        }
        Ok(Received { meta: checkpoint.meta().clone(), names })
    }

    fn flush_received(&self, received: &Received) -> Result<(), Fault> {
        for name in &received.names {
            let path = self.files.dir.join(name.incoming_name());
            let file =
                self.files.disk.open(&path, OpenMode::Write).map_err(Fault::io(Action::Open, &path))?;
            if lock(&self.files.left_behind).contains(name) {
                let len = file.len().map_err(Fault::io(Action::Measure, &path))?;
                write_over(&*file, &path, 0, len)?;
            }
            file.sync_data().map_err(Fault::io(Action::Flush, &path))?;
        }
        self.files.disk.sync_dir(&self.files.dir).map_err(Fault::io(Action::Flush, &self.files.dir))
    }

    /// Unlinks segments that would still count by their presence once the log begins behind `index`. One by one: a segment
    /// that outlived the one before it would prove that entries are missing.
    fn unlink_behind(&self, index: LogIndex) -> Result<(), Fault> {
        let files = &self.files;
        let view = files.view();
        for segment in view.segments.iter().rev().filter(|segment| segment.id.first > index) {
            remove_segment(&*files.disk, &files.dir, segment.id)?;
            files.disk.sync_dir(&files.dir).map_err(Fault::io(Action::Flush, &files.dir))?;
        }
        Ok(())
    }
}
