//! A batch without some of its records, as compaction leaves it, and what compaction looks at to find out which.
//!
//! What remains of a batch keeps its place: base offset, last offset delta, producer, sequence and attributes stay what they were, so
//! that readers go on behind the last offset it ever had. The records' own bytes are not touched; their timestamps go on
//! counting from the base timestamp. The newest timestamp is that of the records that are left (Apache Kafka's
//! `MemoryRecords.filterTo` does the same; it also moves the base timestamp, which no reader looks at by itself).

use std::borrow::Cow;

use bytes::Bytes;
use forebay_model::{Timestamp, TimestampType};

use super::build::assemble;
use super::deflate::Level;
use super::inflate::Inflate;
use super::walk::{Frame, Slice, Source, frame, walk};
use super::{BatchError, BatchHeader, Codec, HEADER_BYTES, RecordFault};

/// What is left of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// All of it.
    Unchanged,
    /// No record.
    Emptied,
    /// A batch with fewer records, compressed by the same codec.
    Fewer(Bytes),
}

/// What compaction looks at of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedRecord<'a> {
    /// Its distance from the batch's base offset.
    pub offset_delta: u32,
    /// Its own timestamp, or the batch's where that is the append's; -1 for none.
    pub timestamp: Timestamp,
    /// What it is about; `None` where it has no key.
    pub key: Option<&'a [u8]>,
    /// Whether it has no value: it marks its key as deleted.
    pub is_tombstone: bool,
    /// Its bytes before compression.
    pub bytes: usize,
}

/// The batch with those records whose offset delta `lives` says yes to. The result depends on the batch and these answers
/// only, and on the compression libraries that this is linked with. `batch` is one whole batch whose crc was checked.
///
/// # Errors
/// The records are not what the header says, or come to more than `inflated_bytes_max` bytes.
pub fn filter(
    batch: &Bytes,
    inflated_bytes_max: usize,
    mut lives: impl FnMut(u32) -> bool,
) -> Result<Filtered, BatchError> {
    let mut kept = Vec::new();
    let mut count = 0;
    let mut newest = Timestamp(-1);
    let header = each(batch, inflated_bytes_max, |record, bytes| {
        if lives(record.offset_delta) {
            kept.extend_from_slice(bytes);
            count += 1;
            newest = newest.max(record.timestamp);
        }
    })?;
    match count {
        0 => Ok(Filtered::Emptied),
        all if all == header.record_count => Ok(Filtered::Unchanged),
        record_count => {
            let max_timestamp = match header.attributes.timestamp_type() {
                TimestampType::Create => newest,
                TimestampType::Append => header.max_timestamp,
            };
            assemble(BatchHeader { record_count, max_timestamp, ..header }, Level::Default, &kept)
                .map(Filtered::Fewer)
        }
    }
}

/// Shows every record of a batch to `see`, in order of offsets; answers the header. `batch` is one whole batch.
///
/// # Errors
/// As [`filter`].
pub fn for_each_key(
    batch: &Bytes,
    inflated_bytes_max: usize,
    mut see: impl FnMut(KeyedRecord<'_>),
) -> Result<BatchHeader, BatchError> {
    each(batch, inflated_bytes_max, |record, _| see(*record))
}

/// The places of records without a key, by number from zero: the first `limit` of them. Read as a stream: memory does not grow with
/// the batch. `batch` is one whole batch.
///
/// # Errors
/// As [`filter`].
pub fn without_key(batch: &[u8], inflated_bytes_max: usize, limit: usize) -> Result<Vec<u32>, BatchError> {
    let header = BatchHeader::peek(batch)?;
    let mut places = Vec::new();
    walk(&header, section(&header, batch)?, inflated_bytes_max, |index, frame: &Frame| {
        if frame.key.is_none() {
            places.push(index);
        }
        Ok((places.len() >= limit).then_some(()))
    })?;
    Ok(places)
}

/// Shows every record with its bytes, length included.
fn each(
    batch: &Bytes,
    inflated_bytes_max: usize,
    mut see: impl FnMut(&KeyedRecord<'_>, &[u8]),
) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::peek(batch)?;
    let section = section(&header, batch)?;
    let records = match header.codec {
        Codec::None => Cow::Borrowed(section),
        codec => Cow::Owned(Inflate::open(codec, section, inflated_bytes_max)?.read_all()?),
    };
    let mut source = Slice::new(&records, 0);
    for index in 0..header.record_count {
        let from = source.position();
        let bad = |fault| BatchError::BadRecord { index, fault };
        let frame = frame(&mut source).map_err(bad)?;
        let bytes = &records[from..source.position()];
        let record = KeyedRecord {
            offset_delta: delta(&header, &frame).map_err(bad)?,
            timestamp: header.timestamp_of(frame.timestamp_delta).ok_or(bad(RecordFault::BadTimestamp))?,
            key: frame.key.map(|key| &records[key]),
            is_tombstone: frame.value.is_none(),
            bytes: bytes.len(),
        };
        see(&record, bytes);
    }
    if source.position() < records.len() {
        return Err(BatchError::TrailingRecordBytes);
    }
    Ok(header)
}

fn section<'a>(header: &BatchHeader, batch: &'a [u8]) -> Result<&'a [u8], BatchError> {
    let cut = BatchError::Truncated { needed: header.encoded_len, found: batch.len() };
    batch.get(HEADER_BYTES..header.encoded_len).ok_or(cut)
}

fn delta(header: &BatchHeader, frame: &Frame) -> Result<u32, RecordFault> {
    let delta = frame.offset_delta;
    let within = u32::try_from(delta).ok().filter(|delta| *delta <= header.last_offset_delta);
    within.ok_or(RecordFault::BadOffset { delta })
}
