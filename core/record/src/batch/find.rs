//! Finding one record by its time. Compressed batches are read as streams: memory does not grow with them.

use std::ops::RangeInclusive;

use forebay_model::Timestamp;

use super::walk::{Frame, walk};
use super::{BatchError, BatchHeader, HEADER_BYTES, RecordFault};

/// The first record, in order of offsets, whose timestamp is `timestamp` or later: its offset delta and timestamp. Records with a lower
/// delta than `from` do not count.
/// `batch` is one whole batch; that no record of it is newer than its header says is believed.
pub fn first_at_or_after(
    batch: &[u8],
    timestamp: Timestamp,
    from: u32,
    inflated_bytes_max: usize,
) -> Result<Option<(u32, Timestamp)>, BatchError> {
    let header = BatchHeader::peek(batch)?;
    if header.max_timestamp < timestamp {
        return Ok(None);
    }
    each(&header, batch, inflated_bytes_max, |delta, found| {
        // With append time every record has the same, so the first that counts is the one.
        (delta >= from && found >= timestamp).then_some((delta, found))
    })
}

/// The first of the records with the newest timestamp: its offset delta and that timestamp; `None` in a batch that
/// compaction emptied. Records with a lower delta than `from` do not count. `batch` is one whole batch.
pub fn first_at_max_timestamp(
    batch: &[u8],
    from: u32,
    inflated_bytes_max: usize,
) -> Result<Option<(u32, Timestamp)>, BatchError> {
    let header = BatchHeader::peek(batch)?;
    let mut newest = None;
    let certain = each(&header, batch, inflated_bytes_max, |delta, found| {
        if delta < from {
            return None;
        }
        if newest.is_none_or(|(_, timestamp)| timestamp < found) {
            newest = Some((delta, found));
        }
        (found == header.max_timestamp).then_some((delta, found))
    })?;
    Ok(certain.or(newest))
}

/// The places of records whose timestamp is not within `times`, by number from zero: the first `limit` of them. A record
/// without a timestamp (-1) is within. `batch` is one whole batch.
///
/// # Errors
/// The records are not what the header says, or come to more than `inflated_bytes_max` bytes.
pub fn outside(
    batch: &[u8],
    times: RangeInclusive<Timestamp>,
    inflated_bytes_max: usize,
    limit: usize,
) -> Result<Vec<u32>, BatchError> {
    let header = BatchHeader::peek(batch)?;
    let (mut places, mut place) = (Vec::new(), 0);
    each(&header, batch, inflated_bytes_max, |_, timestamp| {
        if timestamp.0 >= 0 && !times.contains(&timestamp) {
            places.push(place);
        }
        place += 1;
        (places.len() >= limit).then_some(())
    })?;
    Ok(places)
}

/// Shows each record's offset delta and timestamp to `see` until that returns something.
fn each<B>(
    header: &BatchHeader,
    batch: &[u8],
    inflated_bytes_max: usize,
    mut see: impl FnMut(u32, Timestamp) -> Option<B>,
) -> Result<Option<B>, BatchError> {
    let section = batch
        .get(HEADER_BYTES..header.encoded_len)
        .ok_or(BatchError::Truncated { needed: header.encoded_len, found: batch.len() })?;
    walk(header, section, inflated_bytes_max, |_, frame: &Frame| {
        let timestamp = header.timestamp_of(frame.timestamp_delta).ok_or(RecordFault::BadTimestamp)?;
        let delta = frame.offset_delta;
        match u32::try_from(delta) {
            Ok(d) if d <= header.last_offset_delta => Ok(see(d, timestamp)),
            _ => Err(RecordFault::BadOffset { delta }),
        }
    })
}
