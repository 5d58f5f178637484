//! A small file that is overwritten in place and never torn: two regions used in turns, each with two copies of its record.
//! Format: `docs/formats/hard-state.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_env::{Disk, File, OpenMode};

use crate::crc::crc32c;
use crate::cursor::Cursor;
use crate::fault::{Action, Fault};
use crate::write_over::write_over;

const VERSION: u16 = 1;
/// One region: a write that tears one never touches the other.
const REGION_BYTES: usize = 4096;
/// Each region holds its record twice, in different sectors.
const COPY_BYTES: usize = 2048;
const FILE_BYTES: usize = 2 * REGION_BYTES;
const HEAD_BYTES: usize = 20;
/// Longest record.
pub(crate) const RECORD_BYTES_MAX: usize = COPY_BYTES - HEAD_BYTES - 4;

/// What a save has reached when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In the page cache: survives the process.
    Written,
    /// Flushed: survives a power cut.
    Flushed,
}

/// An open file of two regions.
pub(crate) struct TwoSlots {
    file: Arc<dyn File>,
    path: PathBuf,
    magic: [u8; 6],
    sequence: u64,
    /// The region with the last flushed record; it is never written until the other one is flushed.
    flushed: usize,
    failed: Option<Fault>,
}

/// The newest record of such a file.
pub(crate) struct Newest {
    pub(crate) sequence: u64,
    pub(crate) record: Vec<u8>,
    region: usize,
}

impl TwoSlots {
    /// Makes the file with a first record, flushed; its name is durable after the caller flushed the directory.
    pub(crate) fn create(
        disk: &dyn Disk,
        path: &Path,
        magic: [u8; 6],
        record: &[u8],
    ) -> Result<TwoSlots, Fault> {
        let file = disk.open(path, OpenMode::CreateNew).map_err(Fault::io(Action::Create, path))?;
        file.set_len(FILE_BYTES as u64).map_err(Fault::io(Action::Extend, path))?;
        let mut slots =
            TwoSlots { file, path: path.to_path_buf(), magic, sequence: 0, flushed: 1, failed: None };
        slots.save(record, Durability::Flushed)?;
        Ok(slots)
    }

    /// Opens the file and answers its newest record, flushed: it was read from the page cache and might not have been on the
    /// medium, even if an earlier process tried to flush it, and the next save overwrites the one before it.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, magic: [u8; 6]) -> Result<(TwoSlots, Vec<u8>), Fault> {
        let file = disk.open(path, OpenMode::Write).map_err(Fault::io(Action::Open, path))?;
        let newest = read_newest(&*file, path, magic)?;
        let region = (newest.region * REGION_BYTES) as u64;
        write_over(&*file, path, region, region + REGION_BYTES as u64)?;
        file.sync_data().map_err(Fault::io(Action::Flush, path))?;
        let slots = TwoSlots {
            file,
            path: path.to_path_buf(),
            magic,
            sequence: newest.sequence,
            flushed: newest.region,
            failed: None,
        };
        Ok((slots, newest.record))
    }

    /// Replaces the record. After an error every later save fails with the same one.
    pub(crate) fn save(&mut self, record: &[u8], durability: Durability) -> Result<(), Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        self.try_save(record, durability).inspect_err(|fault| self.failed = Some(fault.clone()))
    }

    fn try_save(&mut self, record: &[u8], durability: Durability) -> Result<(), Fault> {
        let region = 1 - self.flushed;
        self.sequence += 1;
        let copy = encode(self.magic, self.sequence, record);
        let position = (region * REGION_BYTES) as u64;
        self.file.write_at(&[&copy, &copy], position).map_err(Fault::io(Action::Write, &self.path))?;
        if durability == Durability::Flushed {
            self.file.sync_data().map_err(Fault::io(Action::Flush, &self.path))?;
            self.flushed = region;
        }
        Ok(())
    }
}

fn encode(magic: [u8; 6], sequence: u64, record: &[u8]) -> Vec<u8> {
    assert!(record.len() <= RECORD_BYTES_MAX, "callers bound their records");
    let mut out = vec![0; COPY_BYTES];
    out[0..6].copy_from_slice(&magic);
    out[6..8].copy_from_slice(&VERSION.to_le_bytes());
    out[8..16].copy_from_slice(&sequence.to_le_bytes());
    let len = u32::try_from(record.len()).expect("bounded above");
    out[16..20].copy_from_slice(&len.to_le_bytes());
    out[HEAD_BYTES..HEAD_BYTES + record.len()].copy_from_slice(record);
    let crc = crc32c(&out[..COPY_BYTES - 4]);
    out[COPY_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Reads all copies and picks the newest valid one.
pub(crate) fn read_newest(file: &dyn File, path: &Path, magic: [u8; 6]) -> Result<Newest, Fault> {
    let mut bytes = vec![0; FILE_BYTES];
    if let Err(error) = file.read_exact_at(&mut bytes, 0) {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return Err(Fault::corrupt(path, 0, "the file is shorter than its two regions"));
        }
        return Err(Fault::io(Action::Read, path)(error));
    }
    newest_of(&bytes, path, magic)
}

/// The newest valid copy in the bytes of such a file.
pub(crate) fn newest_of(bytes: &[u8], path: &Path, magic: [u8; 6]) -> Result<Newest, Fault> {
    let mut newest: Option<Newest> = None;
    for (at, copy) in bytes.as_chunks::<COPY_BYTES>().0.iter().enumerate() {
        let Some((version, sequence, record)) = decode(copy, magic) else { continue };
        if version != VERSION {
            return Err(Fault::Unsupported { file: path.to_path_buf(), version });
        }
        if newest.as_ref().is_none_or(|newest| newest.sequence < sequence) {
            let region = at * COPY_BYTES / REGION_BYTES;
            newest = Some(Newest { sequence, record: record.to_vec(), region });
        }
    }
    newest.ok_or_else(|| Fault::corrupt(path, 0, "none of its four copies matches its checksum"))
}

/// Where a copy is, and its number and record when it is whole.
type Copy<'a> = (usize, Option<(u64, &'a [u8])>);

/// What each of the four copies holds, for looking at a file: its position, and its number and record unless it is damaged
/// or was never written.
pub(crate) fn copies(bytes: &[u8], magic: [u8; 6]) -> Vec<Copy<'_>> {
    let copies = bytes.as_chunks::<COPY_BYTES>().0.iter().enumerate();
    copies
        .map(|(at, copy)| {
            let found = decode(copy, magic).filter(|(version, ..)| *version == VERSION);
            (at * COPY_BYTES, found.map(|(_, sequence, record)| (sequence, record)))
        })
        .collect()
}

/// Positions of copies that hold something other than a record or nothing at all.
pub(crate) fn damaged_copies(bytes: &[u8], magic: [u8; 6]) -> Vec<usize> {
    let copies = copies(bytes, magic).into_iter().filter(|(_, found)| found.is_none()).map(|(at, _)| at);
    copies.filter(|at| bytes[*at..*at + COPY_BYTES].iter().any(|byte| *byte != 0)).collect()
}

fn decode(copy: &[u8; COPY_BYTES], magic: [u8; 6]) -> Option<(u16, u64, &[u8])> {
    let (body, crc) = copy.split_last_chunk::<4>()?;
    let mut cursor = Cursor::new(body);
    if cursor.array()? != magic || crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (version, sequence, len) = (cursor.u16()?, cursor.u64()?, cursor.u32()?);
    Some((version, sequence, cursor.bytes(len as usize)?))
}
