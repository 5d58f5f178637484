//! The records of a batch, one after the other.

use std::ops::Range;

use bytes::Bytes;
use forebay_model::{Offset, Timestamp};

use super::inflate::Inflate;
use super::walk::{self, Frame, Slice, Source};
use super::{BatchError, BatchHeader, Codec, HEADER_BYTES, RecordFault};
use crate::limits::HEADERS_RESERVED_MAX;

/// One header of a record. Keys may repeat, and their order means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name; UTF-8 by convention.
    pub key: Bytes,
    /// Its value, which may be null.
    pub value: Option<Bytes>,
}

/// One record. Its parts are views into the batch, or into the batch's decompressed records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The batch's base offset and the record's delta; means something once the batch was stamped.
    pub offset: Offset,
    /// Its distance from the batch's base offset.
    pub offset_delta: u32,
    /// Its own timestamp, or the batch's where that is the append's; -1 for none.
    pub timestamp: Timestamp,
    /// What it is about; `None` where it has no key.
    pub key: Option<Bytes>,
    /// What it says; `None` marks the key as deleted.
    pub value: Option<Bytes>,
    /// Named values, in the order they came.
    pub headers: Vec<Header>,
}

/// Iterates over the records of one batch. Ends behind the first error.
#[derive(Debug)]
pub struct Records {
    header: BatchHeader,
    /// At most `i64::MAX`, so that adding a delta cannot overflow.
    base: u64,
    bytes: Bytes,
    at: usize,
    index: u32,
    /// One more than the offset delta of the last record.
    next_delta: u32,
}

impl Records {
    /// Opens a whole batch; decompresses its records, up to `inflated_bytes_max` bytes of them. The crc is not looked
    /// at: see [`super::verify`]. Offsets must ascend within what the header says, gaps are fine.
    pub fn open(batch: &Bytes, inflated_bytes_max: usize) -> Result<Records, BatchError> {
        let header = BatchHeader::peek(batch)?;
        if batch.len() < header.encoded_len {
            return Err(BatchError::Truncated { needed: header.encoded_len, found: batch.len() });
        }
        let base = u64::try_from(header.base_offset).map_err(|_| BatchError::BadBase)?;
        let section = batch.slice(HEADER_BYTES..header.encoded_len);
        let bytes = match header.codec {
            Codec::None => section,
            codec => Inflate::open(codec, &section, inflated_bytes_max)?.read_all()?.into(),
        };
        Ok(Records { header, base, bytes, at: 0, index: 0, next_delta: 0 })
    }

    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    fn next_record(&mut self) -> Result<Record, RecordFault> {
        let mut source = Slice::new(&self.bytes, self.at);
        let frame = walk::frame(&mut source)?;
        self.at = source.position();
        let offset_delta = self.offset_delta(&frame)?;
        Ok(Record {
            offset: Offset(self.base + u64::from(offset_delta)),
            offset_delta,
            timestamp: self.header.timestamp_of(frame.timestamp_delta).ok_or(RecordFault::BadTimestamp)?,
            key: frame.key.clone().map(|part| self.bytes.slice(part)),
            value: frame.value.clone().map(|part| self.bytes.slice(part)),
            headers: self.headers(&frame)?,
        })
    }

    fn offset_delta(&mut self, frame: &Frame) -> Result<u32, RecordFault> {
        let delta = frame.offset_delta;
        match u32::try_from(delta) {
            Ok(d) if d >= self.next_delta && d <= self.header.last_offset_delta => {
                self.next_delta = d + 1;
                Ok(d)
            }
            _ => Err(RecordFault::BadOffset { delta }),
        }
    }

    fn headers(&self, frame: &Frame) -> Result<Vec<Header>, RecordFault> {
        let mut headers = Vec::with_capacity(frame.header_count.min(HEADERS_RESERVED_MAX));
        let mut source = Slice::new(&self.bytes, frame.headers_at);
        for _ in 0..frame.header_count {
            let (key, value) = walk::header(&mut source)?;
            let part = |part: Range<usize>| self.bytes.slice(part);
            headers.push(Header { key: part(key), value: value.map(part) });
        }
        Ok(headers)
    }

    fn end(&mut self) -> Option<Result<Record, BatchError>> {
        let trailing = self.at < self.bytes.len();
        self.at = self.bytes.len();
        trailing.then_some(Err(BatchError::TrailingRecordBytes))
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.header.record_count {
            return self.end();
        }
        let index = self.index;
        self.index += 1;
        let record = self.next_record();
        if record.is_err() {
            self.index = self.header.record_count;
            self.at = self.bytes.len();
        }
        Some(record.map_err(|fault| BatchError::BadRecord { index, fault }))
    }
}
