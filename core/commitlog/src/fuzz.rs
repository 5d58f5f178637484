//! One function per file decoder, for fuzzers: whatever the bytes are, it returns. Where a checksum would turn nearly every
//! input away, the function also tries the input with its checksum put right.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use forebay_env::File;
use forebay_model::{LogIndex, Offset, PartitionId, ShardId, SlotNumber, Timestamp};

use crate::block_cache::{BLOCK_BYTES, BLOCK_DATA_BYTES, BlockCache};
use crate::body::Body;
use crate::checkpoint::CheckpointFile;
use crate::crc::crc32c;
use crate::directory::{Cover, decode_footer};
use crate::entry::{ENTRY_MAGIC, EntryHeader, HEADER_BYTES};
use crate::fault::Fault;
use crate::journal::batch::{self as journal, BatchReader};
use crate::manifest::Manifest;
use crate::scan::{Depth, LocalCheck, Scanner, Step, highest_durable};
use crate::segment::{Generation, SEGMENT_HEADER_BYTES, SegmentId, check_header};
use crate::sidecar::Sidecar;
use crate::slots::newest_of;
use crate::{durable, hard_state};

/// A file that is its bytes; it refuses to change.
struct BytesFile(Vec<u8>);

impl File for BytesFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.0.len());
        let n = buf.len().min(self.0.len() - from);
        buf[..n].copy_from_slice(&self.0[from..from + n]);
        Ok(n)
    }
    fn write_at(&self, _: &[&[u8]], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

const PATH: &str = "fuzz";

/// The bytes with the last four replaced by the CRC-32C of what is before them.
fn with_crc(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    if let Some(len) = out.len().checked_sub(4) {
        let crc = crc32c(&out[..len]);
        out[len..].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

/// The body of an entry, as a peer sends it.
pub fn body(data: &[u8]) {
    let Ok(body) = Body::parse(Bytes::copy_from_slice(data)) else { return };
    let bytes: usize = body.slots().map(|slot| slot.bytes.len()).sum();
    assert!(bytes <= data.len(), "slots are slices of the body");
    let _ = body.verify();
    let _ = body.slot(SlotNumber(1));
}

/// A segment file: its header, its entries, and the search for durable indexes behind damage.
pub fn segment(data: &[u8]) {
    let (path, id) = (
        Path::new(PATH),
        SegmentId { shard: ShardId(0), first: LogIndex(1), generation: Generation::APPENDED },
    );
    let _ = check_header(data, id, path);
    for bytes in [data.to_vec(), with_entry_crcs(data)] {
        let file = BytesFile(bytes);
        let len = file.0.len() as u64;
        let from = SEGMENT_HEADER_BYTES.min(len);
        let mut scanner = Scanner::new(&file, path, id, LocalCheck::Salt(0), (from, len), None);
        while let Ok(Step::Entry(found)) = scanner.step(Depth::Full) {
            let entry = scanner.entry(&found).expect("a whole entry was found");
            assert_eq!(entry.stored_len(), found.header.stored_len(), "the header says how long it is");
            Body::parse(entry.body).expect("its directory was checked");
        }
        let _ = highest_durable(&file, path, id.first, 0, (0, len));
    }
}

/// The bytes with the header checksums of everything that looks like an entry put right.
fn with_entry_crcs(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    let starts: Vec<usize> = (0..data.len()).filter(|at| data[*at..].starts_with(&ENTRY_MAGIC)).collect();
    for at in starts {
        let Some(raw) = out.get(at..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>()) else { break };
        let Ok(header) = EntryHeader::decode(raw) else { continue };
        let behind = at + HEADER_BYTES;
        let Some(prefix) = out.get(behind..behind + header.prefix_len()) else { continue };
        let crc = header.crc_with(prefix);
        out[at + 32..at + 36].copy_from_slice(&crc.to_le_bytes());
        out[at + 36..at + 48].fill(0);
    }
    out
}

/// A file of the journal.
pub fn journal(data: &[u8]) {
    for bytes in [data.to_vec(), journal::with_crcs(data)] {
        let file = BytesFile(bytes);
        let Ok(mut reader) = BatchReader::new(journal::FUZZED, &file, Path::new(PATH)) else { return };
        let mut position = 0;
        while let Ok(Some(batch)) = reader.step() {
            let again = journal::encode(journal::FUZZED, position, batch.sequence, &batch.records);
            let from = usize::try_from(position).expect("within the input");
            let len = again.len().min(file.0.len() - from);
            let (read, padding) = (journal::unpadded_len(&batch.records), again.len());
            assert_eq!(file.0[from..from + read.min(len)], again[..read.min(len)], "one batch has one form");
            position += padding as u64;
        }
    }
}

/// A sidecar: its footer, then every way to look something up.
pub fn sidecar(data: &[u8]) {
    for bytes in [data.to_vec(), with_block_crcs(data)] {
        let file = Arc::new(BytesFile(bytes));
        let cache = BlockCache::new(1 << 16);
        let Ok(sidecar) = Sidecar::of_any_segment(file, Path::new(PATH), &cache) else { continue };
        let _ = sidecar.verify();
        let _ = sidecar.terms();
        for probe in data.first_chunk::<8>().into_iter().chain([&[0; 8], &[255; 8]]) {
            let number = u64::from_be_bytes(*probe);
            let partition = PartitionId(number);
            let _ = sidecar.lookup(partition, Offset(number));
            let _ = sidecar.scan(partition, Offset(0), 10);
            let _ = sidecar.first_with_timestamp_at_or_after(partition, Timestamp(0));
            let _ = sidecar.partition(partition);
            let _ = sidecar.position(LogIndex(number));
        }
        let _ = sidecar.for_each_partition::<Fault>(|_| Ok(()));
        let _ = sidecar.for_each_entry::<Fault>(|_| Ok(()));
    }
}

/// The bytes with the checksums of all blocks, and of the footer behind them, put right.
fn with_block_crcs(data: &[u8]) -> Vec<u8> {
    let mut out = with_crc(data);
    for block in out.as_chunks_mut::<BLOCK_BYTES>().0 {
        let crc = crc32c(&block[..BLOCK_DATA_BYTES]);
        block[BLOCK_DATA_BYTES..].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

/// The footer of a directory file.
pub fn directory(data: &[u8]) {
    let cover = Cover { from: LogIndex(1), to: LogIndex(9), tier: 1 };
    for bytes in [data.to_vec(), with_crc(data)] {
        if let Some(footer) = bytes.last_chunk() {
            let start = (bytes.len() - footer.len()) as u64;
            let _ = decode_footer(footer, ShardId(0), cover, start, Path::new(PATH));
        }
    }
}

/// A checkpoint: its head, then its sections.
pub fn checkpoint(data: &[u8]) {
    for bytes in [data.to_vec(), with_head_crc(data)] {
        let file = Arc::new(BytesFile(bytes));
        if let Ok(checkpoint) = CheckpointFile::of_any_shard(file, PATH.into())
            && let Ok(loaded) = checkpoint.load()
        {
            let sum: usize = loaded.sections.iter().map(|section| section.bytes.len()).sum();
            assert!(sum <= data.len(), "sections are parts of the file");
        }
    }
}

/// The bytes with the checksum of a checkpoint's head put where the head ends.
fn with_head_crc(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    let word =
        |at: usize| data.get(at..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_le_bytes(*four));
    let (Some(conf), Some(count)) = (word(48), word(52)) else { return out };
    let end = 56usize.saturating_add(conf as usize).saturating_add((count as usize).saturating_mul(16));
    if let Some(head) = data.get(..end)
        && let Some(sum) = out.get_mut(end..).and_then(|rest| rest.first_chunk_mut())
    {
        *sum = crc32c(head).to_le_bytes();
    }
    out
}

/// A manifest.
pub fn manifest(data: &[u8]) {
    for bytes in [data.to_vec(), with_crc(data)] {
        if let Ok(manifest) = Manifest::decode(&bytes, Path::new(PATH)) {
            assert_eq!(manifest.encode(), bytes, "a manifest has one form");
        }
    }
}

/// A hard state or durable file, and their records.
pub fn hard_state(data: &[u8]) {
    let path = Path::new(PATH);
    let _ = newest_of(data, path, hard_state::HARD_STATE_MAGIC);
    let _ = newest_of(data, path, durable::DURABLE_MAGIC);
    let _ = hard_state::decode(data, path);
    let _ = durable::decode(data, path);
}
