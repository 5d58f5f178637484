//! The manifest: which files of a shard's directory count. Replaced as a whole, by rename. Format:
//! `docs/formats/checkpoint.md`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_env::{Disk, OpenMode};
use forebay_model::{LogIndex, ShardId, Term};

use crate::crc::crc32c;
use crate::cursor::Cursor;
use crate::fault::{Action, Fault};
use crate::limits::MANIFEST_BYTES_MAX;
use crate::lock::lock;
use crate::segment::{Generation, SegmentId};
use crate::terms::Point;

pub(crate) const MANIFEST_NAME: &str = "manifest";
const MAGIC: [u8; 6] = *b"FBYMAN";
/// Of version 1, whose generations were 32 bits wide, nothing was ever released.
const VERSION: u16 = 2;
const SEGMENT_BYTES: usize = 16;
/// Appended to the name of a file that is being written and does not count yet.
pub(crate) const TMP_ENDING: &str = ".tmp";

/// Which files count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Rises with every change.
    pub sequence: u64,
    /// Whose files these are.
    pub shard: ShardId,
    /// The random number of this replica's local checksums; never sent anywhere.
    pub salt: u64,
    /// The last entry that Raft no longer needs: rewriting and unlinking happen at or below it only.
    pub floor: Point,
    /// Segments that begin here or behind count by their presence; earlier ones only when listed.
    pub tail_first: LogIndex,
    /// The current checkpoint.
    pub checkpoint: Option<Point>,
    /// The segments before `tail_first` that count, ascending.
    pub segments: Vec<SegmentId>,
    /// An install is under way: files that have arrived and are named here take the place of those of that name.
    pub installing: bool,
}

const HAS_CHECKPOINT: u32 = 1;
const INSTALLING: u32 = 2;

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.segments.len() * SEGMENT_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.shard.0.to_le_bytes());
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(self.checkpoint.is_some(), HAS_CHECKPOINT) | flag(self.installing, INSTALLING);
        out.extend_from_slice(&flags.to_le_bytes());
        let checkpoint = self.checkpoint.unwrap_or_default();
        let words = [
            self.salt,
            self.floor.index.0,
            self.floor.term.0,
            self.tail_first.0,
            checkpoint.index.0,
            checkpoint.term.0,
        ];
        for word in words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let count = u32::try_from(self.segments.len()).expect("bounded by the manifest's limit");
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for id in &self.segments {
            out.extend_from_slice(&id.first.0.to_le_bytes());
            out.extend_from_slice(&id.generation.0.to_le_bytes());
        }
        let crc = crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8], file: &Path) -> Result<Manifest, Fault> {
        let damaged = |what: &str| Fault::corrupt(file, 0, what);
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged("the file is cut short"))?;
        let mut cursor = Cursor::new(body);
        if cursor.array() != Some(MAGIC) {
            return Err(damaged("this is no manifest"));
        }
        if u32::from_le_bytes(*crc) != crc32c(body) {
            return Err(damaged("the manifest does not match its checksum"));
        }
        match cursor.u16() {
            Some(VERSION) => {}
            Some(version) => return Err(Fault::Unsupported { file: file.to_path_buf(), version }),
            None => return Err(damaged("the file is cut short")),
        }
        Manifest::decode_fields(&mut cursor)
            .ok_or_else(|| damaged("the manifest's fields contradict each other"))
    }

    fn decode_fields(cursor: &mut Cursor<'_>) -> Option<Manifest> {
        let sequence = cursor.u64()?;
        let shard = ShardId(cursor.u32()?);
        let flags = cursor.u32()?;
        if flags & !(HAS_CHECKPOINT | INSTALLING) != 0 {
            return None;
        }
        let salt = cursor.u64()?;
        let mut point = || Some((LogIndex(cursor.u64()?), cursor.u64()?));
        let (floor, floor_term) = point()?;
        let tail_first = LogIndex(cursor.u64()?);
        let checkpoint = Point { index: LogIndex(cursor.u64()?), term: Term(cursor.u64()?) };
        if flags & HAS_CHECKPOINT == 0 && checkpoint != Point::default() {
            return None;
        }
        let count = cursor.u32()? as usize;
        if cursor.u32()? != 0 || cursor.remaining() != count.checked_mul(SEGMENT_BYTES)? {
            return None;
        }
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            let (first, generation) = (LogIndex(cursor.u64()?), Generation(cursor.u64()?));
            let id = SegmentId { shard, first, generation };
            let ordered = segments.last().is_none_or(|last: &SegmentId| last.first < id.first);
            if !ordered || id.first >= tail_first {
                return None;
            }
            segments.push(id);
        }
        Some(Manifest {
            sequence,
            shard,
            salt,
            floor: Point { index: floor, term: Term(floor_term) },
            tail_first,
            checkpoint: (flags & HAS_CHECKPOINT != 0).then_some(checkpoint),
            segments,
            installing: flags & INSTALLING != 0,
        })
    }

    /// Reads the manifest of `dir`; `None` when there is no such file.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Option<Manifest>, Fault> {
        let path = dir.join(MANIFEST_NAME);
        Ok(match read_whole(disk, &path, MANIFEST_BYTES_MAX)? {
            Some(bytes) => Some(Manifest::decode(&bytes, &path)?),
            None => None,
        })
    }

    /// Puts `self` into place: written beside, flushed, renamed, and the name flushed.
    pub(crate) fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Fault> {
        replace_file(disk, dir, MANIFEST_NAME, &[&self.encode()])
    }
}

/// Reads a small file; `None` when it does not exist.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Fault> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::io(Action::Open, path)(error)),
    };
    let len = file.len().map_err(Fault::io(Action::Measure, path))?;
    if len > bytes_max {
        return Err(Fault::corrupt(path, bytes_max, "the file is longer than its limit"));
    }
    let mut bytes = vec![0; usize::try_from(len).expect("bounded above")];
    file.read_exact_at(&mut bytes, 0).map_err(Fault::io(Action::Read, path))?;
    Ok(Some(bytes))
}

/// Writes `name` beside, flushes it, renames it into place and flushes the name.
pub(crate) fn replace_file(disk: &dyn Disk, dir: &Path, name: &str, parts: &[&[u8]]) -> Result<(), Fault> {
    let path = dir.join(name);
    let tmp = dir.join(name.to_owned() + TMP_ENDING);
    remove_if_there(disk, &tmp)?;
    let file = disk.open(&tmp, OpenMode::CreateNew).map_err(Fault::io(Action::Create, &tmp))?;
    file.write_at(parts, 0).map_err(Fault::io(Action::Write, &tmp))?;
    file.sync_data().map_err(Fault::io(Action::Flush, &tmp))?;
    disk.rename(&tmp, &path).map_err(Fault::io(Action::Rename, &tmp))?;
    disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))
}

/// Removes a name that may not exist.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), Fault> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::io(Action::Remove, path)(error))
        }
        _ => Ok(()),
    }
}

/// The manifest of an open shard. Changes come from several threads and each is durable when it returns.
pub(crate) struct ManifestStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Held while a change is written: it is the only writer's turn. Never taken by a shard's thread while it appends.
    current: Mutex<Manifest>,
}

impl ManifestStore {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, current: Manifest) -> ManifestStore {
        ManifestStore { disk, dir: dir.to_path_buf(), current: Mutex::new(current) }
    }

    pub(crate) fn current(&self) -> Manifest {
        lock(&self.current).clone()
    }

    /// Changes the manifest and makes the change durable. `change` answers whether there is one.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Manifest)) -> Result<Manifest, Fault> {
        let mut current = lock(&self.current);
        let mut next = current.clone();
        change(&mut next);
        if next != *current {
            next.sequence += 1;
            next.store(&*self.disk, &self.dir)?;
            *current = next;
        }
        Ok(current.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_every_flipped_bit_is_noticed() {
        let id = |first, generation| SegmentId {
            shard: ShardId(3),
            first: LogIndex(first),
            generation: Generation(generation),
        };
        let manifest = Manifest {
            sequence: 9,
            shard: ShardId(3),
            salt: 0x1234_5678_9abc_def0,
            floor: Point { index: LogIndex(70), term: Term(4) },
            tail_first: LogIndex(90),
            checkpoint: Some(Point { index: LogIndex(80), term: Term(5) }),
            segments: vec![id(6, 2), id(50, 0)],
            installing: true,
        };
        let file = Path::new("manifest");
        let good = manifest.encode();
        assert_eq!(Manifest::decode(&good, file).unwrap(), manifest);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&bad, file).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(Manifest::decode(&good[..len], file).is_err(), "cut to {len}");
        }
    }
}
