//! What a batch from a client has to be before it is stored. Nothing behind this looks again.

use bytes::Bytes;
use forebay_model::{Timestamp, TimestampType};

use super::crc::crc32c;
use super::header::ATTRIBUTES_AT;
use super::walk::{Frame, walk};
use super::{BatchError, BatchHeader, Codec, HEADER_BYTES, RecordFault, patch};

/// Least a record can come to: its length, attributes, two deltas, no key, no value, no headers.
const RECORD_BYTES_MIN: usize = 7;

/// How far a check looks into a compressed batch. The records of an uncompressed one are always looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Its header and checksum: the records are believed.
    Header,
    /// Every record, decompressed as a stream and thrown away.
    #[default]
    Records,
}

/// What a client's batch is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// Largest batch in bytes, header included, as it came.
    pub batch_bytes_max: usize,
    /// What its records may come to in bytes after decompression.
    pub inflated_bytes_max: usize,
    /// How far to look into compressed batches.
    pub depth: Depth,
}

/// Checks that `payload` is exactly one intact batch, whoever wrote it: length, layout, crc. Its records are not
/// looked at.
pub fn verify(payload: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::peek(payload)?;
    exact(&header, payload)?;
    crc(&header, payload)?;
    Ok(header)
}

/// Checks that `payload` is exactly one batch as a broker stores it: intact, with a base offset and known attributes, of whatever
/// kind, with no more records than offsets and not before 1970. Its records are believed: their broker has looked at them.
pub fn check_stored(payload: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = verify(payload)?;
    if header.attributes.has_undefined() {
        return Err(BatchError::UnknownAttributes { bits: header.attributes.0 });
    }
    if header.base_offset < 0 {
        return Err(BatchError::BadBase);
    }
    if u64::from(header.record_count) > header.offset_count() || header.last_offset_delta == i32::MAX as u32 {
        return Err(BatchError::BadCounts {
            last_offset_delta: header.last_offset_delta as i32,
            record_count: header.record_count as i32,
        });
    }
    if header.attributes.is_transactional() && header.producer_id.0 < 0 {
        return Err(BatchError::TransactionWithoutProducer);
    }
    if !possible(header.max_timestamp) {
        return Err(BatchError::BadTimestamp { timestamp: header.max_timestamp });
    }
    Ok(header)
}

/// Checks that `payload` is exactly one batch that a client may write: intact, in the v2 layout, within the limits,
/// with consistent counts, producer and timestamps, and with records at offsets 0, 1, 2 ...
///
/// A client without a producer id may write anything for its epoch and sequence: some leave them zero, some -1.
pub fn check(payload: &[u8], limits: &CheckLimits) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::peek(payload)?;
    exact(&header, payload)?;
    if payload.len() > limits.batch_bytes_max {
        return Err(BatchError::TooLarge { bytes: payload.len(), limit: limits.batch_bytes_max });
    }
    crc(&header, payload)?;
    attributes(&header)?;
    counts(&header, limits)?;
    producer(&header)?;
    timestamps(&header)?;
    if header.codec == Codec::None || limits.depth == Depth::Records {
        records(&header, &payload[HEADER_BYTES..], limits.inflated_bytes_max)?;
    }
    Ok(header)
}

/// As [`check`], but repairs the one field that known clients get wrong: where the header's newest timestamp is not
/// that of the records, a copy with the right one is returned (so that lookups by time find them). Where nothing has
/// to be repaired the payload comes back as it was.
pub fn admit(payload: Bytes, limits: &CheckLimits) -> Result<(BatchHeader, Bytes), BatchError> {
    match check(&payload, limits) {
        Ok(header) => Ok((header, payload)),
        Err(BatchError::WrongMaxTimestamp { found, .. }) => {
            let mut copy = payload.to_vec();
            patch::set_max_timestamp(&mut copy, found)?;
            Ok((BatchHeader::peek(&copy)?, copy.into()))
        }
        Err(error) => Err(error),
    }
}

fn exact(header: &BatchHeader, payload: &[u8]) -> Result<(), BatchError> {
    let (needed, found) = (header.encoded_len, payload.len());
    if found < needed {
        return Err(BatchError::Truncated { needed, found });
    }
    if found > needed {
        return Err(BatchError::TrailingBytes { bytes: found - needed });
    }
    Ok(())
}

fn crc(header: &BatchHeader, payload: &[u8]) -> Result<(), BatchError> {
    let computed = crc32c(&payload[ATTRIBUTES_AT..]);
    if computed != header.crc {
        return Err(BatchError::WrongCrc { stored: header.crc, computed });
    }
    Ok(())
}

fn attributes(header: &BatchHeader) -> Result<(), BatchError> {
    let attributes = header.attributes;
    if attributes.has_undefined() {
        return Err(BatchError::UnknownAttributes { bits: attributes.0 });
    }
    if attributes.is_control() {
        return Err(BatchError::ControlFromClient);
    }
    if attributes.has_delete_horizon() {
        return Err(BatchError::DeleteHorizonFromClient);
    }
    if attributes.timestamp_type() == TimestampType::Append {
        return Err(BatchError::AppendTimeFromClient);
    }
    Ok(())
}

fn counts(header: &BatchHeader, limits: &CheckLimits) -> Result<(), BatchError> {
    let count = header.record_count;
    if count == 0 {
        return Err(BatchError::NoRecords);
    }
    if header.last_offset_delta != count - 1 {
        return Err(BatchError::BadCounts {
            last_offset_delta: header.last_offset_delta as i32,
            record_count: count as i32,
        });
    }
    // Not left to the walk: without one, a small compressed batch could claim two billion offsets.
    let bytes = match header.codec {
        Codec::None => header.encoded_len - HEADER_BYTES,
        _ => limits.inflated_bytes_max,
    };
    let limit = u32::try_from(bytes / RECORD_BYTES_MIN).unwrap_or(u32::MAX);
    if count > limit {
        return Err(BatchError::TooManyRecords { count, limit });
    }
    Ok(())
}

fn producer(header: &BatchHeader) -> Result<(), BatchError> {
    let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
    if id.0 < -1 || id.0 >= 0 && (epoch.0 < 0 || sequence.0 < 0) {
        return Err(BatchError::BadProducer { id, epoch, sequence });
    }
    if header.attributes.is_transactional() && id.0 < 0 {
        return Err(BatchError::TransactionWithoutProducer);
    }
    Ok(())
}

fn timestamps(header: &BatchHeader) -> Result<(), BatchError> {
    for timestamp in [header.base_timestamp, header.max_timestamp] {
        if !possible(timestamp) {
            return Err(BatchError::BadTimestamp { timestamp });
        }
    }
    Ok(())
}

fn possible(timestamp: Timestamp) -> bool {
    timestamp.0 >= -1
}

fn records(header: &BatchHeader, section: &[u8], inflated_bytes_max: usize) -> Result<(), BatchError> {
    let mut found = Timestamp(-1);
    let see = |index: u32, frame: &Frame| {
        if frame.offset_delta as u32 != index {
            return Err(RecordFault::BadOffset { delta: frame.offset_delta });
        }
        let timestamp = header.timestamp_of(frame.timestamp_delta);
        found = found.max(timestamp.filter(|t| possible(*t)).ok_or(RecordFault::BadTimestamp)?);
        Ok(None::<()>)
    };
    walk(header, section, inflated_bytes_max, see)?;
    if found != header.max_timestamp {
        return Err(BatchError::WrongMaxTimestamp { claimed: header.max_timestamp, found });
    }
    Ok(())
}
