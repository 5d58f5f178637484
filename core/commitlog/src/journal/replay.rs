//! Brings the segments up to what the journal says, before any shard is opened, and begins a new journal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_env::fault::Fault::JournalNotReplayed;
use forebay_env::fault::planted;
use forebay_env::{Disk, File, OpenMode};
use forebay_model::ShardId;

use super::batch::{Batch, BatchReader, JournalId, Piece, Record};
use crate::fault::{Action, Fault};
use crate::manifest::{Manifest, remove_if_there};
use crate::segment::{Generation, SegmentId};

/// What an open found in the journal and did with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Files of the journal.
    pub files: usize,
    /// Pieces that were written to their segments.
    pub pieces: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments that were written to, and flushed.
    pub segments: usize,
}

/// Where the directory of a shard is.
pub type ShardDir<'a> = &'a dyn Fn(ShardId) -> PathBuf;

/// The files of the journal in `dir`, oldest first.
pub(crate) fn files(disk: &dyn Disk, dir: &Path) -> Result<Vec<JournalId>, Fault> {
    let entries = disk.list(dir).map_err(Fault::io(Action::List, dir))?;
    let mut ids: Vec<JournalId> = entries
        .iter()
        .filter(|entry| !entry.is_dir)
        .filter_map(|entry| JournalId::parse(&entry.name))
        .collect();
    ids.sort();
    Ok(ids)
}

/// Writes what the journal says to the segments, flushes them, and removes its files. Answers the highest number of one.
pub(crate) fn replay(disk: &dyn Disk, dir: &Path, shard_dir: ShardDir<'_>) -> Result<(Replayed, u64), Fault> {
    // An earlier process may have removed a file and not flushed that: a power cut could bring it back when the later one that
    // says that it does not count is gone.
    disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))?;
    let ids = files(disk, dir)?;
    let void = voids(disk, dir, &ids)?;
    let mut segments = Segments::new(disk, shard_dir, OpenMode::Write);
    let mut replayed = Replayed { files: ids.len(), ..Replayed::default() };
    for_each(disk, dir, &ids, |batch| {
        for record in batch.records {
            let Record::Bytes(piece) = record else { continue };
            if void.get(&piece.shard).is_some_and(|until| batch.sequence <= *until) {
                continue;
            }
            if planted(JournalNotReplayed) {
                continue;
            }
            if segments.write(&piece)? {
                replayed.pieces += 1;
                replayed.bytes += piece.bytes.len() as u64;
            }
        }
        Ok(())
    })?;
    replayed.segments = segments.flush()?;
    remove(disk, dir, &ids)?;
    Ok((replayed, ids.last().map_or(0, |id| id.number)))
}

/// The shards of which the journal knows bytes that their segments do not have: after a power cut, until the next start.
pub fn unreplayed(disk: &dyn Disk, dir: &Path, shard_dir: ShardDir<'_>) -> Result<BTreeSet<ShardId>, Fault> {
    let ids = files(disk, dir)?;
    let void = voids(disk, dir, &ids)?;
    let mut segments = Segments::new(disk, shard_dir, OpenMode::Read);
    let mut lacking = BTreeSet::new();
    for_each(disk, dir, &ids, |batch| {
        for record in batch.records {
            let Record::Bytes(piece) = record else { continue };
            let counts = void.get(&piece.shard).is_none_or(|until| batch.sequence > *until);
            if counts && segments.lacks(&piece)? {
                lacking.insert(piece.shard);
            }
        }
        Ok(())
    })?;
    Ok(lacking)
}

/// Up to which batch the records of a shard do not count.
fn voids(disk: &dyn Disk, dir: &Path, ids: &[JournalId]) -> Result<BTreeMap<ShardId, u64>, Fault> {
    let mut void = BTreeMap::new();
    let mut last: Option<u64> = None;
    for_each(disk, dir, ids, |batch| {
        if last.is_some_and(|last| batch.sequence != last + 1) {
            let what = format!("batch {} comes behind batch {}", batch.sequence, last.unwrap_or_default());
            return Err(Fault::corrupt(dir, 0, format!("the journal has a gap: {what}")));
        }
        last = Some(batch.sequence);
        for record in batch.records {
            if let Record::Void(shard) = record {
                void.insert(shard, batch.sequence);
            }
        }
        Ok(())
    })?;
    Ok(void)
}

fn for_each(
    disk: &dyn Disk,
    dir: &Path,
    ids: &[JournalId],
    mut step: impl FnMut(Batch) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for id in ids {
        let path = dir.join(id.file_name());
        let file = disk.open(&path, OpenMode::Read).map_err(Fault::io(Action::Open, &path))?;
        let mut reader = BatchReader::new(*id, &*file, &path)?;
        while let Some(batch) = reader.step()? {
            step(batch)?;
        }
    }
    Ok(())
}

/// Removes files of the journal, the oldest first and one by one: a later one may say that an earlier one's records do not
/// count, and must not go before it.
pub(crate) fn remove(disk: &dyn Disk, dir: &Path, ids: &[JournalId]) -> Result<(), Fault> {
    for id in ids {
        remove_if_there(disk, &dir.join(id.file_name()))?;
        disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))?;
    }
    Ok(())
}

/// An open segment, with its path.
type Open = (PathBuf, Arc<dyn File>);

/// The segments that records speak of.
struct Segments<'a> {
    disk: &'a dyn Disk,
    shard_dir: ShardDir<'a>,
    mode: OpenMode,
    /// The salt of each shard's log; `None` where there is none.
    salts: BTreeMap<ShardId, Option<u64>>,
    /// Open segments; `None` for one that is not there any more.
    open: BTreeMap<PathBuf, Option<Arc<dyn File>>>,
}

impl<'a> Segments<'a> {
    fn new(disk: &'a dyn Disk, shard_dir: ShardDir<'a>, mode: OpenMode) -> Segments<'a> {
        Segments { disk, shard_dir, mode, salts: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// Writes a piece to its segment; answers whether that is still there.
    fn write(&mut self, piece: &Piece) -> Result<bool, Fault> {
        let Some((path, file)) = self.segment(piece)? else { return Ok(false) };
        // Also where the same bytes are there: after a failed flush of the last process they may be in the page cache only.
        file.write_at(&[&piece.bytes], piece.position).map_err(Fault::io(Action::Write, &path))?;
        Ok(true)
    }

    /// Whether the segment is there and has other bytes in the piece's place, or none.
    fn lacks(&mut self, piece: &Piece) -> Result<bool, Fault> {
        let Some((path, file)) = self.segment(piece)? else { return Ok(false) };
        let mut bytes = vec![0; piece.bytes.len()];
        match file.read_exact_at(&mut bytes, piece.position) {
            Ok(()) => Ok(bytes != piece.bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(Fault::io(Action::Read, &path)(error)),
        }
    }

    fn segment(&mut self, piece: &Piece) -> Result<Option<Open>, Fault> {
        let dir = (self.shard_dir)(piece.shard);
        let salt = match self.salts.get(&piece.shard) {
            Some(salt) => *salt,
            None => {
                let manifest = match Manifest::load(self.disk, &dir) {
                    // Its own opening, or reading, names it.
                    Err(Fault::Corrupt(_)) if self.mode == OpenMode::Read => None,
                    loaded => loaded?,
                };
                let salt = manifest.map(|manifest| manifest.salt);
                self.salts.insert(piece.shard, salt);
                salt
            }
        };
        if salt != Some(piece.log_salt) {
            return Ok(None);
        }
        let id = SegmentId { shard: piece.shard, first: piece.segment, generation: Generation::APPENDED };
        let path = dir.join(id.file_name());
        if let Some(file) = self.open.get(&path) {
            return Ok(file.clone().map(|file| (path, file)));
        }
        let file = match self.disk.open(&path, self.mode) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Fault::io(Action::Open, &path)(error)),
        };
        self.open.insert(path.clone(), file.clone());
        Ok(file.map(|file| (path, file)))
    }

    fn flush(&self) -> Result<usize, Fault> {
        let there = self.open.iter().filter_map(|(path, file)| Some((path, file.as_ref()?)));
        let mut flushed = 0;
        for (path, file) in there {
            file.sync_data().map_err(Fault::io(Action::Flush, path))?;
            flushed += 1;
        }
        Ok(flushed)
    }
}
