//! The fields of a stored batch that are changed after its client wrote it.

use bytes::Bytes;
use forebay_model::{LeaderEpoch, Offset, Timestamp};

use super::crc::{crc32c, crc32c_changed};
use super::header::{
    ATTRIBUTES_AT, BASE_TIMESTAMP_AT, COUNT_AT, CRC_AT, EPOCH_AT, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT,
    PRODUCER_ID_AT, SEQUENCE_AT,
};
use super::{Attributes, BatchError, BatchHeader, Producer};

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

/// Makes a client's own prepared batch a new one: its records again, the first of them written at `time` and the others
/// as much later as they were, numbered by `producer`, or by nobody. The crc is computed afresh.
pub fn reissue(batch: &mut [u8], producer: Option<Producer>, time: Timestamp) -> Result<(), BatchError> {
    let header = whole(batch)?;
    let span = header.max_timestamp.0.saturating_sub(header.base_timestamp.0);
    let newest = time.0.checked_add(span).ok_or(BatchError::BadTimestamp { timestamp: time })?;
    let producer = producer.unwrap_or(Producer::NOBODY);
    batch[BASE_TIMESTAMP_AT..MAX_TIMESTAMP_AT].copy_from_slice(&time.0.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..PRODUCER_ID_AT].copy_from_slice(&newest.to_be_bytes());
    batch[PRODUCER_ID_AT..PRODUCER_EPOCH_AT].copy_from_slice(&producer.id.0.to_be_bytes());
    batch[PRODUCER_EPOCH_AT..SEQUENCE_AT].copy_from_slice(&producer.epoch.0.to_be_bytes());
    batch[SEQUENCE_AT..COUNT_AT].copy_from_slice(&producer.base_sequence.0.to_be_bytes());
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Codec, NewRecord, Records, verify};
    use forebay_model::{BatchSequence, ProducerEpoch, ProducerId};

    fn batch(timestamps: [i64; 2], producer: Option<Producer>) -> Bytes {
        let mut builder = BatchBuilder::new(Codec::None, 1000);
        for timestamp in timestamps {
            let record = NewRecord { timestamp: Timestamp(timestamp), ..NewRecord::default() };
            builder.push(&record).unwrap();
        }
        producer.into_iter().fold(builder, BatchBuilder::producer).build().unwrap()
    }

    #[test]
    fn a_reissued_batch_is_as_if_it_was_built_later() {
        let (id, epoch) = (ProducerId(77), ProducerEpoch(3));
        let producer = Producer { id, epoch, base_sequence: BatchSequence(i32::MAX) };
        let mut prepared = batch([1000, 1250], None).to_vec();
        reissue(&mut prepared, Some(producer), Timestamp(5000)).unwrap();
        assert_eq!(prepared, batch([5000, 5250], Some(producer)));
        reissue(&mut prepared, None, Timestamp(9000)).unwrap();
        assert_eq!(prepared, batch([9000, 9250], None));
        verify(&prepared).unwrap();
        let records = Records::open(&prepared.into(), 1000).unwrap();
        let times: Vec<i64> = records.map(|record| record.unwrap().timestamp.0).collect();
        assert_eq!(times, [9000, 9250]);
    }

    #[test]
    fn a_cut_batch_is_not_reissued() {
        let prepared = batch([1000, 1250], None);
        let mut cut = prepared[..prepared.len() - 1].to_vec();
        let before = cut.clone();
        assert!(reissue(&mut cut, None, Timestamp(1)).is_err());
        assert_eq!(cut, before);
    }
}
