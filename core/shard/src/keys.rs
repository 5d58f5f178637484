//! Whether every record of a payload has a key: compaction could not tell the others apart.

use bytes::Bytes;
use forebay_model::Refusal;
use forebay_model::limits::MISSING_KEYS_MAX;
use forebay_model::publish::PayloadKind;
use forebay_record::batch::without_key;
use forebay_record::message_batch::MessageBatchHeader;

use crate::archive::INFLATED_BYTES_MAX;

/// Refuses a payload for a compacted topic with records that have no key. Reads all of it: not for the shard's thread.
///
/// # Errors
/// [`Refusal::MissingKeys`] names them; or the payload cannot be read.
pub fn check_keys(kind: PayloadKind, payload: &Bytes) -> Result<(), Refusal> {
    let missing = match kind {
        PayloadKind::RecordBatch => without_key(payload, INFLATED_BYTES_MAX, MISSING_KEYS_MAX)
            .map_err(|error| Refusal::CorruptPayload(error.to_string()))?,
        // None of its messages has one.
        PayloadKind::MessageBatch => {
            let header = MessageBatchHeader::peek(payload)
                .map_err(|error| Refusal::CorruptPayload(error.to_string()))?;
            (0..header.count).take(MISSING_KEYS_MAX).collect()
        }
    };
    if missing.is_empty() { Ok(()) } else { Err(Refusal::MissingKeys(missing)) }
}
