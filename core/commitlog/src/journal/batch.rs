//! A batch: what one flush of the journal puts onto the medium, for any number of shards. Format: `docs/formats/journal.md`.

use std::path::{Path, PathBuf};

use forebay_env::File;
use forebay_model::{LogIndex, ShardId};

use crate::crc::{Crc32c, crc32c};
use crate::cursor::Cursor;
use crate::fault::{Action, Fault};
use crate::limits::{JOURNAL_BATCH_BYTES_MAX, JOURNAL_FILE_BYTES_MAX, SEGMENT_POSITION_MAX};

const MAGIC: [u8; 6] = *b"FBYJNL";
const VERSION: u16 = 1;
/// A batch begins at a multiple of this, in bytes: a write that tears one never touches the one before it.
pub(crate) const PAGE_BYTES: usize = 4096;
const HEADER_BYTES: usize = 40;
const RECORD_BYTES: usize = 40;
const ENDING: &str = ".journal";

/// Names one file of the journal. Its salt is in no byte that a client could have sent: what stands behind a torn batch
/// cannot pass for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JournalId {
    /// Files are numbered in the order in which they were begun.
    pub(crate) number: u64,
    pub(crate) salt: u64,
}

impl JournalId {
    pub(crate) fn file_name(self) -> String {
        format!("{:020}-{:016x}{ENDING}", self.number, self.salt)
    }

    /// Reads the id out of a file's name; `None` for any other file.
    pub(crate) fn parse(name: &str) -> Option<JournalId> {
        let (number, salt) = name.strip_suffix(ENDING)?.split_once('-')?;
        let id = JournalId { number: number.parse().ok()?, salt: u64::from_str_radix(salt, 16).ok()? };
        (id.file_name() == name).then_some(id)
    }
}

/// What a record says of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// These bytes stand in that segment from that position on.
    Bytes(Piece),
    /// What earlier records say of the shard counts no more.
    Void(ShardId),
}

/// Bytes at the end of a segment that was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) shard: ShardId,
    /// The log's own random number: of a log that was made anew in its place this says nothing.
    pub(crate) log_salt: u64,
    /// The segment's first entry.
    pub(crate) segment: LogIndex,
    /// Where the bytes begin, from the start of the segment's file.
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Record {
    /// What it takes in a batch, in bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Record::Bytes(piece) => RECORD_BYTES + piece.bytes.len(),
            Record::Void(_) => RECORD_BYTES,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, shard, log_salt, segment, position, bytes): (u32, _, _, _, _, &[u8]) = match self {
            Record::Bytes(piece) => {
                (1, piece.shard, piece.log_salt, piece.segment.0, piece.position, &piece.bytes)
            }
            Record::Void(shard) => (2, *shard, 0, 0, 0, &[]),
        };
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&shard.0.to_le_bytes());
        out.extend_from_slice(&log_salt.to_le_bytes());
        out.extend_from_slice(&segment.to_le_bytes());
        out.extend_from_slice(&position.to_le_bytes());
        out.extend_from_slice(&u32::try_from(bytes.len()).expect("bounded by a batch").to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(bytes);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Record> {
        let (kind, shard) = (cursor.u32()?, ShardId(cursor.u32()?));
        let (log_salt, segment, position) = (cursor.u64()?, LogIndex(cursor.u64()?), cursor.u64()?);
        let (len, reserved) = (cursor.u32()?, cursor.u32()?);
        let bytes = cursor.bytes(usize::try_from(len).ok()?)?.to_vec();
        let end = position.checked_add(u64::from(len))?;
        match (kind, reserved) {
            (1, 0) if end <= SEGMENT_POSITION_MAX && !bytes.is_empty() => {
                Some(Record::Bytes(Piece { shard, log_salt, segment, position, bytes }))
            }
            (2, 0) if (log_salt, segment.0, position, len) == (0, 0, 0, 0) => Some(Record::Void(shard)),
            _ => None,
        }
    }
}

/// A batch that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) sequence: u64,
    pub(crate) records: Vec<Record>,
}

/// What records take in a file, padding included, in bytes.
pub(crate) fn padded_len<'a>(records: impl IntoIterator<Item = &'a Record>) -> usize {
    let body: usize = records.into_iter().map(Record::encoded_len).sum();
    (HEADER_BYTES + body).next_multiple_of(PAGE_BYTES)
}

/// The same without the padding.
pub(crate) fn unpadded_len(records: &[Record]) -> usize {
    HEADER_BYTES + records.iter().map(Record::encoded_len).sum::<usize>()
}

/// The bytes of a batch that stands at `position` of the file `id`, up to the page's end.
pub(crate) fn encode(id: JournalId, position: u64, sequence: u64, records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(padded_len(records));
    out.resize(HEADER_BYTES, 0);
    for record in records {
        record.encode(&mut out);
    }
    let (body_len, body_crc) = (out.len() - HEADER_BYTES, crc32c(&out[HEADER_BYTES..]));
    out[0..6].copy_from_slice(&MAGIC);
    out[6..8].copy_from_slice(&VERSION.to_le_bytes());
    out[8..16].copy_from_slice(&sequence.to_le_bytes());
    out[16..20].copy_from_slice(&u32::try_from(body_len).expect("bounded by a batch").to_le_bytes());
    out[20..24].copy_from_slice(&u32::try_from(records.len()).expect("bounded by a batch").to_le_bytes());
    out[24..28].copy_from_slice(&body_crc.to_le_bytes());
    let crc = header_crc(id, position, &out[..HEADER_BYTES - 4]);
    out[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    out.resize(out.len().next_multiple_of(PAGE_BYTES), 0);
    out
}

fn header_crc(id: JournalId, position: u64, header: &[u8]) -> u32 {
    let mut crc = Crc32c::new();
    crc.update(&id.number.to_le_bytes());
    crc.update(&id.salt.to_le_bytes());
    crc.update(&position.to_le_bytes());
    crc.update(header);
    crc.value()
}

/// A header whose checksum is right.
struct Header {
    sequence: u64,
    body_len: usize,
    records: u32,
    body_crc: u32,
}

/// Reads a file of the journal batch by batch. Blocks.
pub(crate) struct BatchReader<'a> {
    id: JournalId,
    file: &'a dyn File,
    path: PathBuf,
    position: u64,
    len: u64,
}

impl<'a> BatchReader<'a> {
    pub(crate) fn new(id: JournalId, file: &'a dyn File, path: &Path) -> Result<BatchReader<'a>, Fault> {
        let len = file.len().map_err(Fault::io(Action::Measure, path))?;
        if len > JOURNAL_FILE_BYTES_MAX + JOURNAL_BATCH_BYTES_MAX as u64 {
            return Err(Fault::corrupt(path, 0, "the file is longer than any of the journal"));
        }
        Ok(BatchReader { id, file, path: path.to_path_buf(), position: 0, len })
    }

    /// The next batch; `None` at the end, which may be one that was not finished. Such a one has nothing behind it: each was
    /// flushed before the next was begun.
    pub(crate) fn step(&mut self) -> Result<Option<Batch>, Fault> {
        let at = self.position;
        if let Some(header) = self.header(at)?
            && let Some(batch) = self.batch(&header)?
        {
            return Ok(Some(batch));
        }
        let mut behind = at + PAGE_BYTES as u64;
        while behind < self.len {
            if self.header(behind)?.is_some() {
                let what = format!("a batch is not as it was written, and a whole one stands at {behind}");
                return Err(Fault::corrupt(&self.path, at, what));
            }
            behind += PAGE_BYTES as u64;
        }
        Ok(None)
    }

    fn header(&self, at: u64) -> Result<Option<Header>, Fault> {
        if at + HEADER_BYTES as u64 > self.len {
            return Ok(None);
        }
        let mut raw = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut raw, at).map_err(Fault::io(Action::Read, &self.path))?;
        let (fields, crc) = raw.split_at(HEADER_BYTES - 4);
        if fields[..6] != MAGIC || crc != header_crc(self.id, at, fields).to_le_bytes() {
            return Ok(None);
        }
        let mut cursor = Cursor::new(&fields[6..]);
        let version = cursor.u16().expect("within the header");
        if version != VERSION {
            return Err(Fault::Unsupported { file: self.path.clone(), version });
        }
        let parsed = (|| {
            let (sequence, body_len) = (cursor.u64()?, usize::try_from(cursor.u32()?).ok()?);
            let (records, body_crc) = (cursor.u32()?, cursor.u32()?);
            (cursor.u64()? == 0).then_some(Header { sequence, body_len, records, body_crc })
        })();
        let header = parsed.filter(|header| HEADER_BYTES + header.body_len <= JOURNAL_BATCH_BYTES_MAX);
        let what = "a batch's header contradicts itself";
        header.map(Some).ok_or_else(|| Fault::corrupt(&self.path, at, what))
    }

    fn batch(&mut self, header: &Header) -> Result<Option<Batch>, Fault> {
        let (at, whole) = (self.position, HEADER_BYTES + header.body_len);
        if at + whole as u64 > self.len {
            return Ok(None);
        }
        let mut body = vec![0; header.body_len];
        let from = at + HEADER_BYTES as u64;
        self.file.read_exact_at(&mut body, from).map_err(Fault::io(Action::Read, &self.path))?;
        if crc32c(&body) != header.body_crc {
            return Ok(None);
        }
        let mut cursor = Cursor::new(&body);
        let records: Option<Vec<Record>> = (0..header.records).map(|_| Record::decode(&mut cursor)).collect();
        match records {
            Some(records) if cursor.remaining() == 0 => {
                self.position = at + whole.next_multiple_of(PAGE_BYTES) as u64;
                Ok(Some(Batch { sequence: header.sequence, records }))
            }
            _ => Err(Fault::corrupt(&self.path, at, "a record of the batch contradicts itself")),
        }
    }
}

/// What fuzzed files are read as.
pub(crate) const FUZZED: JournalId = JournalId { number: 1, salt: 0 };

/// The bytes with the checksums of everything that may be a batch put right, for fuzzers.
pub(crate) fn with_crcs(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    for at in (0..data.len()).step_by(PAGE_BYTES) {
        let Some(header) = out.get(at..at + HEADER_BYTES) else { break };
        if header[..6] != MAGIC {
            continue;
        }
        let len = u32::from_le_bytes(header[16..20].try_into().expect("four bytes")) as usize;
        let Some(body) = out.get(at + HEADER_BYTES..).and_then(|rest| rest.get(..len)) else { continue };
        let body_crc = crc32c(body);
        out[at + 24..at + 28].copy_from_slice(&body_crc.to_le_bytes());
        let crc = header_crc(FUZZED, at as u64, &out[at..at + HEADER_BYTES - 4]);
        out[at + HEADER_BYTES - 4..at + HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use forebay_env::OpenMode;

    use super::*;

    const ID: JournalId = JournalId { number: 12, salt: 0xfeed };

    fn piece(shard: u32, position: u64, bytes: &[u8]) -> Record {
        let (shard, segment) = (ShardId(shard), LogIndex(7));
        Record::Bytes(Piece { shard, log_salt: 99, segment, position, bytes: bytes.to_vec() })
    }

    /// What a reader makes of a file with these bytes.
    fn read(id: JournalId, bytes: &[u8]) -> Result<Vec<Batch>, Fault> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        std::fs::write(&path, bytes).unwrap();
        let disk = forebay_env::real::env().disk;
        let file = disk.open(&path, OpenMode::Read).unwrap();
        let mut reader = BatchReader::new(id, &*file, &path)?;
        std::iter::from_fn(|| reader.step().transpose()).collect()
    }

    /// Two batches, the second one of more than a page.
    fn two() -> (Vec<u8>, [Vec<Record>; 2]) {
        let first = vec![piece(0, 32, b"abc"), Record::Void(ShardId(3)), piece(1, 4_000_000_000, b"d")];
        let second = vec![piece(2, 40, &[7; 5000])];
        let mut bytes = encode(ID, 0, 5, &first);
        bytes.extend(encode(ID, bytes.len() as u64, 6, &second));
        (bytes, [first, second])
    }

    #[test]
    fn names_round_trip_and_foreign_ones_are_left_alone() {
        assert_eq!(ID.file_name(), "00000000000000000012-000000000000feed.journal");
        assert_eq!(JournalId::parse(&ID.file_name()), Some(ID));
        for foreign in ["12-feed.journal", "00000000000000000012-000000000000FEED.journal", "x.journal", "12"]
        {
            assert_eq!(JournalId::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn batches_are_read_as_they_were_written() {
        let (mut bytes, [first, second]) = two();
        assert_eq!(bytes.len(), 3 * PAGE_BYTES);
        assert_eq!(padded_len(&second), 2 * PAGE_BYTES);
        bytes.resize(bytes.len() + 5000, 0);
        let found = read(ID, &bytes).unwrap();
        let expected = [(5, first), (6, second)].map(|(sequence, records)| Batch { sequence, records });
        assert_eq!(found, expected);
        assert_eq!(read(ID, &[]).unwrap(), []);
    }

    #[test]
    fn a_batch_stands_in_one_place_of_one_file() {
        let (bytes, _) = two();
        for other in [JournalId { number: 13, ..ID }, JournalId { salt: 1, ..ID }] {
            assert_eq!(read(other, &bytes).unwrap(), []);
        }
        // The second one in the place of the first.
        assert_eq!(read(ID, &bytes[PAGE_BYTES..]).unwrap(), []);
    }

    #[test]
    fn every_flipped_bit_ends_the_file_or_is_corruption() {
        let (bytes, [first, second]) = two();
        let covered = (0..unpadded_len(&first)).chain(PAGE_BYTES..PAGE_BYTES + unpadded_len(&second));
        for at in covered {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            match read(ID, &bad) {
                Ok(found) => assert!(at >= PAGE_BYTES && found.len() == 1, "byte {at}"),
                Err(Fault::Corrupt(found)) => assert!(at < PAGE_BYTES && found.position.0 == 0, "byte {at}"),
                Err(fault) => panic!("byte {at}: {fault}"),
            }
        }
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let (mut bytes, _) = two();
        bytes[6] = 2;
        let crc = header_crc(ID, 0, &bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(read(ID, &bytes), Err(Fault::Unsupported { version: 2, .. })));
    }

    #[test]
    fn records_that_contradict_themselves_are_corruption() {
        let bad: [fn(&mut Vec<u8>); 4] = [
            |bytes| bytes[HEADER_BYTES] = 3,
            |bytes| bytes[HEADER_BYTES + 36] = 1,
            |bytes| bytes[HEADER_BYTES + 28] = 0xff,
            |bytes| bytes[20] = 9,
        ];
        for break_it in bad {
            let mut bytes = encode(FUZZED, 0, 1, &[piece(0, 32, b"abc")]);
            break_it(&mut bytes);
            let bytes = with_crcs(&bytes);
            assert!(matches!(read(FUZZED, &bytes), Err(Fault::Corrupt(_))));
        }
    }
}
