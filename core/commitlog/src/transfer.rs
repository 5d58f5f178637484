//! Files on their way between replicas: what a sender reads, and what a receiver gathers beside. Segments travel
//! as canonical bytes. Format and steps: `docs/formats/checkpoint.md`.

use std::path::Path;
use std::sync::Arc;

use forebay_env::{Disk, File, OpenMode};
use forebay_model::{LogIndex, ShardId};

use crate::checkpoint::{CheckpointFile, checkpoint_name, parse_checkpoint_name};
use crate::entry::{FIXED_BYTES, HEADER_BYTES};
use crate::facts::read_facts;
use crate::fault::{Action, Fault};
use crate::files::{Files, Segment};
use crate::keeper::Keeper;
use crate::lock::lock;
use crate::manifest::remove_if_there;
use crate::reclaim::open_sealed_at;
use crate::scan::Depth;
use crate::segment::SegmentId;
use crate::sidecar::SegmentSummary;
use crate::sidecar_write::SegmentFacts;

/// Appended to the name of a file that arrives and is not part of the shard yet.
pub(crate) const INCOMING_ENDING: &str = ".part";
/// What one receive call may bring, in bytes.
pub const RECEIVE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A file that replicas exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// The entries of a segment.
    Segment(SegmentId),
    /// Its sidecar.
    Sidecar(SegmentId),
    /// The checkpoint at an index.
    Checkpoint(LogIndex),
}

impl FileName {
    pub(crate) fn file_name(&self) -> String {
        match self {
            FileName::Segment(id) => id.file_name(),
            FileName::Sidecar(id) => id.sidecar_name(),
            FileName::Checkpoint(index) => checkpoint_name(*index),
        }
    }

    /// Its name while it arrives.
    pub(crate) fn incoming_name(&self) -> String {
        self.file_name() + INCOMING_ENDING
    }

    pub(crate) fn parse(shard: ShardId, name: &str) -> Option<FileName> {
        let segment = SegmentId::parse(shard, name, ".seg").map(FileName::Segment);
        let sidecar = || SegmentId::parse(shard, name, ".idx").map(FileName::Sidecar);
        segment.or_else(sidecar).or_else(|| parse_checkpoint_name(name).map(FileName::Checkpoint))
    }
}

/// A file being sent. It stays readable when it is unlinked or replaced meanwhile.
pub struct Outgoing {
    source: Source,
    len: u64,
}

enum Source {
    Segment(Arc<Segment>),
    Sidecar(crate::Sidecar),
    Checkpoint(CheckpointFile),
}

impl Outgoing {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: every file has a header or a footer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads up to `buf.len()` bytes from `position` on, of a segment its canonical bytes; fewer only at the end.
    pub fn read(&self, buf: &mut [u8], position: u64) -> Result<usize, Fault> {
        let left = usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX);
        let take = buf.len().min(left);
        let buf = &mut buf[..take];
        match &self.source {
            Source::Segment(segment) => {
                read_canonical(segment, buf, position)?;
                Ok(take)
            }
            Source::Sidecar(sidecar) => sidecar.read_raw(buf, position),
            Source::Checkpoint(checkpoint) => checkpoint.read_raw(buf, position),
        }
    }
}

/// Reads bytes of a sealed segment with the local fields of every entry zeroed.
fn read_canonical(segment: &Segment, buf: &mut [u8], position: u64) -> Result<(), Fault> {
    segment.file.read_exact_at(buf, position).map_err(Fault::io(Action::Read, &segment.path))?;
    let sidecar = segment.sidecar().expect("only segments with a sidecar are sent");
    let end = position + buf.len() as u64;
    for entry in sidecar.positions_behind(position.saturating_sub(HEADER_BYTES as u64))? {
        let entry = entry?;
        if entry >= end {
            break;
        }
        let local = entry + FIXED_BYTES as u64..entry + HEADER_BYTES as u64;
        let from = local.start.clamp(position, end) - position;
        let to = local.end.clamp(position, end) - position;
        let (from, to) = (usize::try_from(from), usize::try_from(to));
        buf[from.expect("within the buffer")..to.expect("within the buffer")].fill(0);
    }
    Ok(())
}

impl Keeper {
    /// Opens a file for sending; `None` when it does not count (any more).
    pub fn send(&self, name: FileName) -> Result<Option<Outgoing>, Fault> {
        let source = match name {
            FileName::Segment(id) | FileName::Sidecar(id) => {
                let view = self.files.view();
                let Some(segment) = view.segment(id).filter(|segment| segment.sidecar().is_some()) else {
                    return Ok(None);
                };
                match (name, segment.sidecar()) {
                    (FileName::Sidecar(_), Some(sidecar)) => Source::Sidecar(sidecar.clone()),
                    _ => Source::Segment(segment.clone()),
                }
            }
            FileName::Checkpoint(index) => match self.open_checkpoint()? {
                Some(checkpoint) if checkpoint.meta().index == index => Source::Checkpoint(checkpoint),
                _ => return Ok(None),
            },
        };
        let len = match &source {
            Source::Segment(segment) => segment.len(),
            Source::Sidecar(sidecar) => sidecar.file_bytes(),
            Source::Checkpoint(checkpoint) => checkpoint.len(),
        };
        Ok(Some(Outgoing { source, len }))
    }

    /// How much of an incoming file is here already, in bytes: where a fetch goes on.
    pub fn received(&self, name: FileName) -> Result<u64, Fault> {
        let path = self.files.dir.join(name.incoming_name());
        match self.files.disk.open(&path, OpenMode::Read) {
            Ok(file) => file.len().map_err(Fault::io(Action::Measure, &path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(Fault::io(Action::Open, &path)(error)),
        }
    }

    /// Adds a piece to an incoming file, at most [`RECEIVE_BYTES_MAX`] bytes. Answers where the fetch goes on; a piece that
    /// does not follow what is here is not taken.
    pub fn receive(&self, name: FileName, position: u64, bytes: &[u8]) -> Result<u64, Fault> {
        assert!(bytes.len() <= RECEIVE_BYTES_MAX, "a peer's message is smaller than this");
        let here = self.received(name)?;
        if here != position {
            return Ok(here);
        }
        let path = self.files.dir.join(name.incoming_name());
        self.files.fence.guard(|| {
            let file = self.incoming_file(&path)?;
            file.write_at(&[bytes], position).map_err(Fault::io(Action::Write, &path))
        })?;
        Ok(position + bytes.len() as u64)
    }

    /// The files that arrive, whole or not: also what an unfinished fetch left behind.
    pub fn incoming_files(&self) -> Result<Vec<FileName>, Fault> {
        incoming_files(&*self.files.disk, &self.files.dir, self.files.shard)
    }

    fn incoming_file(&self, path: &Path) -> Result<Arc<dyn File>, Fault> {
        let disk = &self.files.disk;
        match disk.open(path, OpenMode::Write) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                disk.open(path, OpenMode::CreateNew).map_err(Fault::io(Action::Create, path))
            }
            result => result.map_err(Fault::io(Action::Open, path)),
        }
    }

    /// Forgets an incoming file, for instance a damaged one.
    pub fn discard(&self, name: FileName) -> Result<(), Fault> {
        let path = self.files.dir.join(name.incoming_name());
        self.files.fence.guard(|| remove_if_there(&*self.files.disk, &path))?;
        lock(&self.files.left_behind).remove(&name);
        Ok(())
    }

    /// Reads every block of an incoming checkpoint. Damage names the file.
    pub fn check_received_checkpoint(&self, index: LogIndex) -> Result<(), Fault> {
        let path = self.files.dir.join(FileName::Checkpoint(index).incoming_name());
        CheckpointFile::open_at(&*self.files.disk, path, self.files.shard, index)?.load().map(|_| ())
    }

    /// Reads every byte of an incoming segment and its sidecar and compares them with each other and with `digest`, which
    /// the sender's summary states. Damage names the file.
    pub fn check_received(&self, id: SegmentId, digest: u64) -> Result<SegmentSummary, Fault> {
        let segment = open_incoming(&self.files, id)?;
        check_segment(&segment, self.files.salt)?;
        let summary = *segment.sidecar().expect("opened by it").summary();
        if summary.content_digest != digest {
            return Err(Fault::corrupt(&segment.path, 0, "the segment is not the one that was asked for"));
        }
        Ok(summary)
    }
}

/// The files that arrive into `dir`.
pub(crate) fn incoming_files(disk: &dyn Disk, dir: &Path, shard: ShardId) -> Result<Vec<FileName>, Fault> {
    let names = disk.list(dir).map_err(Fault::io(Action::List, dir))?;
    let parse = |name: &str| FileName::parse(shard, name.strip_suffix(INCOMING_ENDING)?);
    Ok(names.iter().filter_map(|entry| parse(&entry.name)).collect())
}

/// Opens a segment that has arrived with its sidecar.
pub(crate) fn open_incoming(files: &Files, id: SegmentId) -> Result<Segment, Fault> {
    let path = |name: FileName| files.dir.join(name.incoming_name());
    let (segment, sidecar) = (path(FileName::Segment(id)), path(FileName::Sidecar(id)));
    open_sealed_at(&*files.disk, id, segment, &sidecar, &files.cache)
}

/// Reads every byte of a segment with a sidecar, and of the sidecar, and compares the two; answers what the segment says.
pub(crate) fn check_segment(segment: &Segment, salt: u64) -> Result<SegmentFacts, Fault> {
    let facts = read_facts(segment, salt, Depth::Full)?;
    let sidecar = segment.sidecar().expect("only segments with a sidecar are compared with it");
    sidecar.verify()?;
    let summary = sidecar.summary();
    let mut agree = facts.content_digest == summary.content_digest
        && facts.last == summary.last
        && facts.positions.len() as u64 == summary.entries
        && facts.terms == sidecar.terms()?;
    for (found, expected) in sidecar.all_positions().zip(&facts.positions) {
        agree &= found? == *expected;
    }
    if !agree {
        return Err(Fault::corrupt(
            &segment.path,
            0,
            "the segment is not the one that its sidecar describes",
        ));
    }
    sidecar.check_entries(&facts.places)?;
    Ok(facts)
}
