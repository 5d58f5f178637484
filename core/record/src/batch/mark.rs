//! The mark that ends a transaction in a partition: a batch of one control record. Its layout is Kafka's (KIP-98): the key holds a
//! version and whether it commits, the value a version and the epoch of the coordinator.

use bytes::{BufMut, Bytes, BytesMut};
use forebay_model::transaction::Decision;
use forebay_model::{BatchSequence, ProducerEpoch, ProducerId, Timestamp};

use super::build::one_record;
use super::{Attributes, BatchError, NewRecord, Producer, Records};

/// The length of every mark.
pub const MARK_BYTES: u32 = 78;

/// A control batch that somebody compressed may come to this much.
const INFLATED_BYTES_MAX: usize = 64 * 1024;

/// The version of key and value.
const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// The mark that ends the transaction of this instance of a producer.
pub fn transaction_mark(
    id: ProducerId,
    epoch: ProducerEpoch,
    decision: Decision,
    timestamp: Timestamp,
) -> Bytes {
    let mut key = BytesMut::with_capacity(4);
    key.put_i16(VERSION);
    key.put_i16(match decision {
        Decision::Abort => ABORT,
        Decision::Commit => COMMIT,
    });
    let mut value = BytesMut::with_capacity(6);
    value.put_i16(VERSION);
    // Readers do not look at it, and no coordinator of ours is fenced by it.
    value.put_i32(0);
    let record =
        NewRecord { timestamp, key: Some(key.freeze()), value: Some(value.freeze()), headers: Vec::new() };
    // Marks are not numbered.
    let producer = Producer { id, epoch, base_sequence: BatchSequence(-1) };
    one_record(&record, producer, Attributes::mark())
}

/// How a mark, wherever it was written, ends its transaction. `None` where the control batch has no record, as after a compaction,
/// or one that says something else. `mark` is one whole batch.
pub fn decision_of(mark: &Bytes) -> Result<Option<Decision>, BatchError> {
    let Some(record) = Records::open(mark, INFLATED_BYTES_MAX)?.next().transpose()? else { return Ok(None) };
    let key = record.key.unwrap_or_default();
    Ok(match key.get(2..4) {
        Some(kind) if kind == ABORT.to_be_bytes() => Some(Decision::Abort),
        Some(kind) if kind == COMMIT.to_be_bytes() => Some(Decision::Commit),
        Some(_) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::crc::crc32c;
    use crate::batch::{BatchHeader, Codec};

    #[test]
    fn a_mark_is_one_control_record_that_says_how_it_ended() {
        for (decision, kind) in [(Decision::Abort, 0), (Decision::Commit, 1)] {
            let mark = transaction_mark(ProducerId(7), ProducerEpoch(3), decision, Timestamp(5_000));
            let header = BatchHeader::peek(&mark).expect("a batch");
            assert_eq!(mark.len(), MARK_BYTES as usize);
            assert!(header.attributes.is_control() && header.attributes.is_transactional());
            assert_eq!(
                (header.encoded_len, header.record_count, header.last_offset_delta),
                (mark.len(), 1, 0)
            );
            assert_eq!((header.producer_id, header.producer_epoch), (ProducerId(7), ProducerEpoch(3)));
            assert_eq!((header.base_sequence, header.codec), (BatchSequence(-1), Codec::None));
            assert_eq!(header.crc, crc32c(&mark[21..]));
            let records = Records::open(&mark, usize::MAX).expect("readable");
            let record = records.map(|record| record.expect("readable")).next().expect("one");
            assert_eq!(record.key.as_deref(), Some(&[0, 0, 0, kind][..]));
            assert_eq!(record.value.as_deref(), Some(&[0; 6][..]));
            assert_eq!(decision_of(&mark), Ok(Some(decision)));
        }
    }
}
