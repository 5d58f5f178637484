//! Entry points for fuzzing: any bytes go in, nothing may panic, and memory stays within the limits given here.

use bytes::Bytes;

use crate::batch::{self, BatchHeader, Batches, CheckLimits, Codec, Depth, Filtered, Records};
use crate::message_batch::MessageBatch;

/// What compressed records may come to here: small, so that a fuzzer meets it.
const INFLATED_BYTES_MAX: usize = 1 << 20;
/// The limits of the checks here.
const LIMITS: CheckLimits =
    CheckLimits { batch_bytes_max: 1 << 20, inflated_bytes_max: INFLATED_BYTES_MAX, depth: Depth::Records };

/// Checks any bytes as a client's batch, as they are and with the length and crc put right, and holds what passes
/// against the other readers: what was admitted must iterate, and be found by time.
pub fn fuzz_check(data: &[u8]) {
    let _ = batch::check(data, &LIMITS);
    let repaired = repair(data);
    let Ok((header, stored)) = batch::admit(repaired.into(), &LIMITS) else { return };
    let records =
        Records::open(&with_base_zero(&stored), INFLATED_BYTES_MAX).expect("an admitted batch opens");
    let records = records.collect::<Result<Vec<_>, _>>().expect("an admitted batch iterates");
    assert_eq!(records.len(), header.record_count as usize);
    let newest = records.iter().map(|r| r.timestamp).max();
    assert_eq!(newest, Some(header.max_timestamp));
    let found = batch::first_at_max_timestamp(&stored, 0, INFLATED_BYTES_MAX).expect("it was admitted");
    assert_eq!(found.map(|(_, timestamp)| timestamp), newest);
    let patched = batch::with_append_time(&stored, forebay_model::Timestamp(1)).expect("it was admitted");
    batch::verify(&patched).expect("a patched batch has a right crc");
}

/// Reads any bytes as batches at rest: splits, iterates, finds, re-encodes, filters.
pub fn fuzz_records(data: &[u8]) {
    for batch in Batches::new(Bytes::copy_from_slice(data)).flatten().chain([repair(data).into()]) {
        if let Ok(records) = Records::open(&batch, INFLATED_BYTES_MAX) {
            records.for_each(drop);
        }
        let _ = batch::first_at_or_after(&batch, forebay_model::Timestamp(1), 0, INFLATED_BYTES_MAX);
        let _ = batch::first_at_max_timestamp(&batch, 0, INFLATED_BYTES_MAX);
        let _ = batch::recompress(&batch, Codec::None, batch::Level::Default, INFLATED_BYTES_MAX);
        let _ = batch::without_key(&batch, INFLATED_BYTES_MAX, 10);
        if let Ok(Filtered::Fewer(left)) = batch::filter(&batch, INFLATED_BYTES_MAX, |delta| delta & 1 == 0) {
            batch::verify(&left).expect("what is left is a batch");
        }
    }
}

/// Reads any bytes as a message batch; one that opens is the one that its messages make.
pub fn fuzz_message_batch(data: &[u8]) {
    let Ok(batch) = MessageBatch::open(Bytes::copy_from_slice(data)) else { return };
    let mut again = crate::message_batch::MessageBatchBuilder::new(data.len());
    for message in batch.iter() {
        let pushed = again.push(&message.envelope, &message.properties, message.body.as_deref());
        pushed.expect("what was read can be written");
    }
    assert_eq!(again.build().expect("an open batch has messages"), data, "one batch, one encoding");
}

/// The same bytes with the fields put right that random changes always break: length, magic and crc.
fn repair(data: &[u8]) -> Vec<u8> {
    let mut batch = data.to_vec();
    if batch.len() >= batch::HEADER_BYTES {
        let length = (batch.len() - 12) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = 2;
        let crc = crc_fast::crc32_iscsi(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    batch
}

/// As the reader stamps it; a client's base offset may be anything.
fn with_base_zero(batch: &Bytes) -> Bytes {
    let mut copy = batch.to_vec();
    batch::stamp(&mut copy, forebay_model::Offset(0), forebay_model::LeaderEpoch(0))
        .expect("it was admitted");
    debug_assert!(BatchHeader::peek(&copy).is_ok());
    copy.into()
}
