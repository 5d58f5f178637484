//! A checkpoint's file: the machine's state as of one entry, in sections that the log does not understand. Format:
//! `docs/formats/checkpoint.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use forebay_env::{Disk, File, OpenMode};
use forebay_model::{LogIndex, ShardId, Term};

use crate::crc::crc32c;
use crate::cursor::Cursor;
use crate::fault::{Action, Fault};
use crate::hard_state::CONF_BYTES_MAX;
use crate::limits::CHECKPOINT_SECTIONS_MAX;
use crate::manifest::{TMP_ENDING, remove_if_there};
use crate::terms::Point;

const MAGIC: [u8; 6] = *b"FBYCKP";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 56;
const SECTION_LINE_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// Bytes of a section under one checksum.
const BLOCK_BYTES: usize = 64 * 1024;
/// Blocks that are written with one call.
const BLOCKS_PER_WRITE: usize = 64;

/// What a checkpoint says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointMeta {
    /// The last entry applied to the state.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
    /// What was known to be committed; at least `index`.
    pub commit: LogIndex,
    /// Raft's configuration as of `index`, in the replication layer's encoding; at most [`CONF_BYTES_MAX`] bytes.
    pub conf: Bytes,
    /// The version of the machine that wrote the sections.
    pub machine_version: u32,
    /// The state leaves out what the sidecars of segments up to this index hold; 0 when it holds everything.
    pub sidecars_up_to: LogIndex,
}

/// A piece of the state, of a kind that its owner knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Kinds are distinct and ascend.
    pub kind: u32,
    /// The piece.
    pub bytes: Bytes,
}

/// A checkpoint read back, every byte checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says of itself.
    pub meta: CheckpointMeta,
    /// The state, kinds ascending.
    pub sections: Vec<Section>,
}

impl Checkpoint {
    /// The section of this kind.
    #[must_use]
    pub fn section(&self, kind: u32) -> Option<&Bytes> {
        self.sections.iter().find(|section| section.kind == kind).map(|section| &section.bytes)
    }
}

/// A checkpoint that is on the medium and not current yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a checkpoint counts only once it was adopted"]
pub struct Written {
    /// The last entry applied to its state.
    pub point: Point,
    pub(crate) sidecars_up_to: LogIndex,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// The name of the checkpoint at `index`.
#[must_use]
pub fn checkpoint_name(index: LogIndex) -> String {
    format!("checkpoint-{:020}.ckpt", index.0)
}

/// The index in a checkpoint's file name; `None` for any other file.
pub(crate) fn parse_checkpoint_name(name: &str) -> Option<LogIndex> {
    let digits = name.strip_prefix("checkpoint-")?.strip_suffix(".ckpt")?;
    let index = LogIndex(digits.parse().ok()?);
    (checkpoint_name(index) == name).then_some(index)
}

/// Writes a checkpoint into `dir`: beside, flushed, renamed, the name flushed. It becomes current only when it is adopted.
pub(crate) fn write_checkpoint(
    disk: &dyn Disk,
    dir: &Path,
    shard: ShardId,
    meta: &CheckpointMeta,
    sections: &[Section],
) -> Result<Written, Fault> {
    assert!(meta.commit >= meta.index, "what was applied was committed");
    assert!(meta.conf.len() <= CONF_BYTES_MAX, "a configuration has a bounded number of voters");
    assert!(sections.len() <= CHECKPOINT_SECTIONS_MAX, "the machine has a bounded number of sections");
    assert!(sections.is_sorted_by(|a, b| a.kind < b.kind), "kinds are distinct and ascend");
    let path = dir.join(checkpoint_name(meta.index));
    let tmp = dir.join(checkpoint_name(meta.index) + TMP_ENDING);
    remove_if_there(disk, &tmp)?;
    let file = disk.open(&tmp, OpenMode::CreateNew).map_err(Fault::io(Action::Create, &tmp))?;
    let head = encode_head(shard, meta, sections);
    file.write_at(&[&head], 0).map_err(Fault::io(Action::Write, &tmp))?;
    let mut position = head.len() as u64;
    for section in sections {
        position = write_section(&*file, &tmp, &section.bytes, position)?;
    }
    file.sync_data().map_err(Fault::io(Action::Flush, &tmp))?;
    disk.rename(&tmp, &path).map_err(Fault::io(Action::Rename, &tmp))?;
    disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))?;
    let point = Point { index: meta.index, term: meta.term };
    Ok(Written { point, sidecars_up_to: meta.sidecars_up_to, bytes: position })
}

fn write_section(file: &dyn File, path: &Path, bytes: &[u8], mut position: u64) -> Result<u64, Fault> {
    for group in bytes.chunks(BLOCK_BYTES * BLOCKS_PER_WRITE) {
        let sums: Vec<[u8; CRC_BYTES]> = group.chunks(BLOCK_BYTES).map(|b| crc32c(b).to_le_bytes()).collect();
        let parts: Vec<&[u8]> =
            group.chunks(BLOCK_BYTES).zip(&sums).flat_map(|(block, sum)| [block, sum]).collect();
        file.write_at(&parts, position).map_err(Fault::io(Action::Write, path))?;
        position += (group.len() + sums.len() * CRC_BYTES) as u64;
    }
    Ok(position)
}

fn encode_head(shard: ShardId, meta: &CheckpointMeta, sections: &[Section]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FIXED_BYTES + meta.conf.len() + sections.len() * SECTION_LINE_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&shard.0.to_le_bytes());
    out.extend_from_slice(&meta.machine_version.to_le_bytes());
    for word in [meta.index.0, meta.term.0, meta.commit.0, meta.sidecars_up_to.0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let conf = u32::try_from(meta.conf.len()).expect("bounded by its limit");
    let count = u32::try_from(sections.len()).expect("bounded by its limit");
    out.extend_from_slice(&conf.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&meta.conf);
    for section in sections {
        out.extend_from_slice(&section.kind.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(section.bytes.len() as u64).to_le_bytes());
    }
    let crc = crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// The head of a checkpoint: what it says of itself, and how long its sections are.
pub(crate) struct Head {
    pub(crate) shard: ShardId,
    pub(crate) meta: CheckpointMeta,
    pub(crate) sections: Vec<(u32, u64)>,
    pub(crate) bytes: u64,
}

/// An open checkpoint. Its file stays readable through this handle when a newer one replaces it.
pub struct CheckpointFile {
    file: Arc<dyn File>,
    path: PathBuf,
    len: u64,
    head: Head,
}

impl CheckpointFile {
    /// Opens the checkpoint at `index` in `dir` and checks its head.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        shard: ShardId,
        index: LogIndex,
    ) -> Result<CheckpointFile, Fault> {
        CheckpointFile::open_at(disk, dir.join(checkpoint_name(index)), shard, index)
    }

    /// Opens a checkpoint wherever it is.
    pub(crate) fn open_at(
        disk: &dyn Disk,
        path: PathBuf,
        shard: ShardId,
        index: LogIndex,
    ) -> Result<CheckpointFile, Fault> {
        let file = disk.open(&path, OpenMode::Read).map_err(Fault::io(Action::Open, &path))?;
        let checkpoint = CheckpointFile::of_any_shard(file, path)?;
        if checkpoint.head.shard != shard || checkpoint.head.meta.index != index {
            let what = "the checkpoint is one of another shard or another index";
            return Err(Fault::corrupt(&checkpoint.path, 0, what));
        }
        Ok(checkpoint)
    }

    /// Opens a checkpoint whichever shard it is of: to look at a file that somebody points at.
    pub(crate) fn of_any_shard(file: Arc<dyn File>, path: PathBuf) -> Result<CheckpointFile, Fault> {
        let len = file.len().map_err(Fault::io(Action::Measure, &path))?;
        let head = read_head(&*file, &path, len)?;
        Ok(CheckpointFile { file, path, len, head })
    }

    /// What it says of itself.
    #[must_use]
    pub fn meta(&self) -> &CheckpointMeta {
        &self.head.meta
    }

    /// Kind and length in bytes of each section.
    #[must_use]
    pub fn section_lengths(&self) -> &[(u32, u64)] {
        &self.head.sections
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: a checkpoint has a head.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file's bytes as they are, for sending it to a peer; fewer only at its end.
    pub fn read_raw(&self, buf: &mut [u8], position: u64) -> Result<usize, Fault> {
        self.file.read_at(buf, position).map_err(Fault::io(Action::Read, &self.path))
    }

    /// Reads and checks everything.
    pub fn load(&self) -> Result<Checkpoint, Fault> {
        let mut position = self.head.bytes;
        let mut sections = Vec::with_capacity(self.head.sections.len());
        for (kind, len) in &self.head.sections {
            let bytes = self.read_section(*len, &mut position)?;
            sections.push(Section { kind: *kind, bytes });
        }
        Ok(Checkpoint { meta: self.head.meta.clone(), sections })
    }

    fn read_section(&self, len: u64, position: &mut u64) -> Result<Bytes, Fault> {
        let len = usize::try_from(len).expect("checked against the length of the file");
        let mut out = BytesMut::zeroed(len);
        for block in out.chunks_mut(BLOCK_BYTES) {
            let mut sum = [0; CRC_BYTES];
            self.file.read_exact_at(block, *position).map_err(Fault::io(Action::Read, &self.path))?;
            let behind = *position + block.len() as u64;
            self.file.read_exact_at(&mut sum, behind).map_err(Fault::io(Action::Read, &self.path))?;
            if crc32c(block) != u32::from_le_bytes(sum) {
                let what = "a block of the checkpoint does not match its checksum";
                return Err(Fault::corrupt(&self.path, *position, what));
            }
            *position = behind + CRC_BYTES as u64;
        }
        Ok(out.freeze())
    }
}

fn read_head(file: &dyn File, path: &Path, len: u64) -> Result<Head, Fault> {
    let damaged = |what: &str| Fault::corrupt(path, 0, what);
    let most = FIXED_BYTES + CONF_BYTES_MAX + CHECKPOINT_SECTIONS_MAX * SECTION_LINE_BYTES + CRC_BYTES;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(most).min(most)];
    file.read_exact_at(&mut bytes, 0).map_err(Fault::io(Action::Read, path))?;
    let mut cursor = Cursor::new(&bytes);
    if cursor.array() != Some(MAGIC) {
        return Err(damaged("this is no checkpoint"));
    }
    let version = cursor.u16().ok_or_else(|| damaged("the file is cut short"))?;
    let fields = (|| {
        let (shard, machine_version) = (cursor.u32()?, cursor.u32()?);
        let (index, term, commit, sidecars) = (cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (conf, count) = (cursor.u32()? as usize, cursor.u32()? as usize);
        if conf > CONF_BYTES_MAX || count > CHECKPOINT_SECTIONS_MAX {
            return None;
        }
        let conf = Bytes::copy_from_slice(cursor.bytes(conf)?);
        let lines = cursor.bytes(count * SECTION_LINE_BYTES)?;
        let crc = cursor.u32()?;
        let meta = CheckpointMeta {
            index: LogIndex(index),
            term: Term(term),
            commit: LogIndex(commit),
            conf,
            machine_version,
            sidecars_up_to: LogIndex(sidecars),
        };
        Some((ShardId(shard), meta, lines, crc, bytes.len() - cursor.remaining()))
    })();
    let Some((owner, meta, lines, crc, end)) = fields else {
        return Err(damaged("the checkpoint's head is cut short"));
    };
    if crc != crc32c(&bytes[..end - CRC_BYTES]) {
        return Err(damaged("the checkpoint's head does not match its checksum"));
    }
    if version != VERSION {
        return Err(Fault::Unsupported { file: path.to_path_buf(), version });
    }
    let head = Head {
        shard: owner,
        meta,
        sections: decode_lines(lines).ok_or_else(|| damaged("the sections do not ascend"))?,
        bytes: end as u64,
    };
    if stored_len(&head) != Some(len) {
        return Err(damaged("the sections do not add up to the length of the file"));
    }
    Ok(head)
}

fn decode_lines(lines: &[u8]) -> Option<Vec<(u32, u64)>> {
    let mut sections: Vec<(u32, u64)> = Vec::with_capacity(lines.len() / SECTION_LINE_BYTES);
    for line in lines.as_chunks::<SECTION_LINE_BYTES>().0 {
        let mut cursor = Cursor::new(line);
        let (kind, reserved, len) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        if reserved != 0 || sections.last().is_some_and(|(last, _)| *last >= kind) {
            return None;
        }
        sections.push((kind, len));
    }
    Some(sections)
}

/// Length of the file that this head begins; `None` when it does not fit any number.
fn stored_len(head: &Head) -> Option<u64> {
    head.sections.iter().try_fold(head.bytes, |sum, (_, len)| {
        let sums = len.div_ceil(BLOCK_BYTES as u64).checked_mul(CRC_BYTES as u64)?;
        sum.checked_add(*len)?.checked_add(sums)
    })
}
