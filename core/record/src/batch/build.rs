//! Making batches.

use bytes::Bytes;
use forebay_model::{BatchSequence, ProducerEpoch, ProducerId, Timestamp};

use super::crc::crc32c;
use super::deflate::{Level, deflate};
use super::header::{ATTRIBUTES_AT, CRC_AT, LENGTH_OVERHEAD};
use super::inflate::Inflate;
use super::varint::{put_varint, varint_len};
use super::{Attributes, BatchError, BatchHeader, Codec, HEADER_BYTES, Header};

/// A record that is to become part of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Milliseconds since 1970, or -1.
    pub timestamp: Timestamp,
    /// What it is about.
    pub key: Option<Bytes>,
    /// What it says.
    pub value: Option<Bytes>,
    /// Named values; names may repeat.
    pub headers: Vec<Header>,
}

/// An idempotent producer and its number of a batch's first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Who.
    pub id: ProducerId,
    /// Which instance.
    pub epoch: ProducerEpoch,
    /// The first record's number.
    pub base_sequence: BatchSequence,
}

impl Producer {
    /// What a batch says that nobody numbered.
    pub(super) const NOBODY: Producer =
        Producer { id: ProducerId(-1), epoch: ProducerEpoch(-1), base_sequence: BatchSequence(-1) };
}

/// Gathers records and makes a batch of them: base offset 0, leader epoch -1, as a client sends it.
#[derive(Debug)]
pub struct BatchBuilder {
    codec: Codec,
    producer: Option<Producer>,
    attributes: Attributes,
    /// Largest batch in bytes before compression.
    bytes_max: usize,
    records: Vec<u8>,
    count: u32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// A builder of a batch that comes to at most `bytes_max` bytes, with its header, before compression.
    pub fn new(codec: Codec, bytes_max: usize) -> BatchBuilder {
        BatchBuilder {
            codec,
            producer: None,
            attributes: Attributes::default(),
            bytes_max: bytes_max.min(i32::MAX as usize),
            records: Vec::new(),
            count: 0,
            base_timestamp: Timestamp(-1),
            max_timestamp: Timestamp(-1),
        }
    }

    /// Makes the batch one of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, producer: Producer) -> BatchBuilder {
        self.producer = Some(producer);
        self
    }

    /// Makes the batch part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes = Attributes::transactional();
        self
    }

    /// Records so far.
    pub fn record_count(&self) -> u32 {
        self.count
    }

    /// What the batch comes to in bytes before compression.
    pub fn encoded_len(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// Adds a record. Refuses one that would make the batch too large ([`BatchError::TooLarge`]), or whose timestamp
    /// is impossible; the batch is then as it was.
    pub fn push(&mut self, record: &NewRecord) -> Result<(), BatchError> {
        let base = if self.count == 0 { record.timestamp } else { self.base_timestamp };
        let impossible = BatchError::BadTimestamp { timestamp: record.timestamp };
        let delta =
            record.timestamp.0.checked_sub(base.0).filter(|_| record.timestamp.0 >= -1).ok_or(impossible)?;
        let body = body_len(record, delta, self.count);
        let bytes = self.encoded_len() + varint_len(body as i64) + body;
        if bytes > self.bytes_max {
            return Err(BatchError::TooLarge { bytes, limit: self.bytes_max });
        }
        put_varint(&mut self.records, body as i64);
        put_body(&mut self.records, record, delta, self.count);
        self.base_timestamp = base;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.count += 1;
        Ok(())
    }

    /// The batch. Without a record there is none.
    pub fn build(self) -> Result<Bytes, BatchError> {
        let last_offset_delta = self.count.checked_sub(1).ok_or(BatchError::NoRecords)?;
        let producer = self.producer.unwrap_or(Producer::NOBODY);
        let header = BatchHeader {
            base_offset: 0,
            encoded_len: HEADER_BYTES,
            leader_epoch: -1,
            crc: 0,
            attributes: self.attributes,
            codec: self.codec,
            last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            record_count: self.count,
        };
        assemble(header, Level::Default, &self.records)
    }
}

/// The same batch with its records compressed by `codec`, at a level; as it is, if they are by that codec. The records' bytes stay what they are; base offset, leader
/// epoch, producer and attributes too. `batch` is one whole batch whose crc was checked.
pub fn recompress(
    batch: &Bytes,
    codec: Codec,
    level: Level,
    inflated_bytes_max: usize,
) -> Result<Bytes, BatchError> {
    let header = BatchHeader::peek(batch)?;
    let section = batch
        .get(HEADER_BYTES..header.encoded_len)
        .ok_or(BatchError::Truncated { needed: header.encoded_len, found: batch.len() })?;
    if codec == header.codec {
        return Ok(batch.slice(..header.encoded_len));
    }
    let records = Inflate::open(header.codec, section, inflated_bytes_max)?.read_all()?;
    assemble(BatchHeader { codec, ..header }, level, &records)
}

/// A batch of one record that is not compressed.
pub(super) fn one_record(record: &NewRecord, producer: Producer, attributes: Attributes) -> Bytes {
    let mut records = Vec::new();
    put_varint(&mut records, body_len(record, 0, 0) as i64);
    put_body(&mut records, record, 0, 0);
    let header = BatchHeader {
        base_offset: 0,
        encoded_len: HEADER_BYTES,
        leader_epoch: -1,
        crc: 0,
        attributes,
        codec: Codec::None,
        last_offset_delta: 0,
        base_timestamp: record.timestamp,
        max_timestamp: record.timestamp,
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: producer.base_sequence,
        record_count: 1,
    };
    assemble(header, Level::Default, &records).expect("a small record fits into a batch")
}

/// Puts compressed records behind a header, whose length, codec bits and crc are set here.
pub(super) fn assemble(mut header: BatchHeader, level: Level, records: &[u8]) -> Result<Bytes, BatchError> {
    let mut batch = Vec::with_capacity(HEADER_BYTES + records.len());
    batch.resize(HEADER_BYTES, 0);
    deflate(header.codec, level, records, &mut batch);
    if batch.capacity() > batch.len() + batch.len() / 8 {
        // It may be kept for long, and is counted by its length.
        batch.shrink_to_fit();
    }
    header.encoded_len = batch.len();
    let limit = i32::MAX as usize + LENGTH_OVERHEAD;
    if batch.len() > limit {
        return Err(BatchError::TooLarge { bytes: batch.len(), limit });
    }
    batch[..HEADER_BYTES].copy_from_slice(&header.encode());
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    Ok(batch.into())
}

/// What [`put_body`] writes: all of a record but its length.
fn body_len(record: &NewRecord, timestamp_delta: i64, offset_delta: u32) -> usize {
    let headers: usize =
        record.headers.iter().map(|h| part_len(Some(&h.key)) + part_len(h.value.as_ref())).sum();
    1 + varint_len(timestamp_delta)
        + varint_len(i64::from(offset_delta))
        + part_len(record.key.as_ref())
        + part_len(record.value.as_ref())
        + varint_len(record.headers.len() as i64)
        + headers
}

fn put_body(out: &mut Vec<u8>, record: &NewRecord, timestamp_delta: i64, offset_delta: u32) {
    out.push(0); // attributes: none are defined
    put_varint(out, timestamp_delta);
    put_varint(out, i64::from(offset_delta));
    put_part(out, record.key.as_ref());
    put_part(out, record.value.as_ref());
    put_varint(out, record.headers.len() as i64);
    for header in &record.headers {
        put_part(out, Some(&header.key));
        put_part(out, header.value.as_ref());
    }
}

fn part_len(part: Option<&Bytes>) -> usize {
    part.map_or(varint_len(-1), |bytes| varint_len(bytes.len() as i64) + bytes.len())
}

fn put_part(out: &mut Vec<u8>, part: Option<&Bytes>) {
    match part {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}
