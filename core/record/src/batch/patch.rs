//! The fields of a stored batch that are changed after its client wrote it.

use bytes::Bytes;
use forebay_model::{LeaderEpoch, Offset, Timestamp};

use super::crc::{crc32c, crc32c_changed};
use super::header::{ATTRIBUTES_AT, CRC_AT, EPOCH_AT, MAX_TIMESTAMP_AT};
use super::{Attributes, BatchError, BatchHeader};

/// Where the last patched field that the crc covers ends.
const PATCHED_END: usize = MAX_TIMESTAMP_AT + 8;

/// Writes the base offset and the leader's epoch into a batch, of which the header is enough. Both lie outside its
/// crc. The fault is the caller's: the batch was checked when it was stored.
pub fn stamp(batch: &mut [u8], base: Offset, epoch: LeaderEpoch) -> Result<(), BatchError> {
    BatchHeader::peek(batch)?;
    let base = i64::try_from(base.0).map_err(|_| BatchError::BadBase)?;
    let epoch = i32::try_from(epoch.0).map_err(|_| BatchError::BadBase)?;
    batch[..8].copy_from_slice(&base.to_be_bytes());
    batch[EPOCH_AT..EPOCH_AT + 4].copy_from_slice(&epoch.to_be_bytes());
    Ok(())
}

/// Gives all records of a whole batch the time of their append: sets the attribute and the newest timestamp, and
/// corrects the crc. The records' own timestamps stay in place and no longer count.
pub fn set_append_time(batch: &mut [u8], time: Timestamp) -> Result<(), BatchError> {
    let header = whole(batch)?;
    let attributes = header.attributes.0 | Attributes::APPEND_TIME;
    rewrite(batch, header.crc, |covered| {
        covered[..2].copy_from_slice(&attributes.to_be_bytes());
        put_max_timestamp(covered, time);
    });
    Ok(())
}

/// A copy of a whole batch as [`set_append_time`] leaves it.
pub fn with_append_time(batch: &[u8], time: Timestamp) -> Result<Bytes, BatchError> {
    let mut copy = batch.to_vec();
    set_append_time(&mut copy, time)?;
    Ok(copy.into())
}

/// Replaces the newest timestamp of a whole batch and corrects the crc.
pub fn set_max_timestamp(batch: &mut [u8], time: Timestamp) -> Result<(), BatchError> {
    let header = whole(batch)?;
    rewrite(batch, header.crc, |covered| put_max_timestamp(covered, time));
    Ok(())
}

/// The header of a batch that is there to its end, with nothing behind it.
fn whole(batch: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::peek(batch)?;
    let (needed, found) = (header.encoded_len, batch.len());
    if found < needed {
        return Err(BatchError::Truncated { needed, found });
    }
    if found > needed {
        return Err(BatchError::TrailingBytes { bytes: found - needed });
    }
    Ok(header)
}

fn put_max_timestamp(covered: &mut [u8], time: Timestamp) {
    covered[MAX_TIMESTAMP_AT - ATTRIBUTES_AT..].copy_from_slice(&time.0.to_be_bytes());
}

/// Changes bytes at the front of what the crc covers, and the crc by what the change does to it.
///
/// The crc is not computed afresh from the rest of the batch: that would cost a pass over it, and would put the seal
/// of a right checksum on bytes that rotted since they were stored.
fn rewrite(batch: &mut [u8], old: u32, change: impl FnOnce(&mut [u8])) {
    let behind = batch.len() - PATCHED_END;
    let front = &mut batch[ATTRIBUTES_AT..PATCHED_END];
    let before = crc32c(front);
    change(front);
    let crc = crc32c_changed(old, before, crc32c(front), behind);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}
