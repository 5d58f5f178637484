//! Reading message batches. All parts are views into the batch.

use std::ops::Range;

use bytes::Bytes;

use super::envelope::Stored;
use super::header::END_BYTES;
use super::{ENVELOPE_BYTES, Envelope, MESSAGE_BATCH_HEADER_BYTES, MessageBatchError, MessageBatchHeader};
use crate::limits::PROPERTIES_BYTES_MAX;

/// A whole batch whose directory and envelopes were checked when it was opened.
#[derive(Clone, Debug)]
pub struct MessageBatch {
    header: MessageBatchHeader,
    bytes: Bytes,
}

/// One message of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// What the broker reads.
    pub envelope: Envelope,
    /// What the origin's protocol reads.
    pub properties: Bytes,
    /// What the consumer reads.
    pub body: Option<Bytes>,
}

impl MessageBatch {
    /// Opens a whole batch. Checks the directory and every envelope, and that the header sums them up; touches
    /// neither properties nor bodies.
    pub fn open(bytes: Bytes) -> Result<MessageBatch, MessageBatchError> {
        let header = MessageBatchHeader::peek(&bytes)?;
        if bytes.len() < header.messages_at() {
            return Err(MessageBatchError::Truncated { needed: header.messages_at(), found: bytes.len() });
        }
        let batch = MessageBatch { header, bytes };
        batch.check()?;
        Ok(batch)
    }

    /// The batch's header.
    pub fn header(&self) -> &MessageBatchHeader {
        &self.header
    }

    /// The message with that number; `None` past the last.
    pub fn get(&self, index: u32) -> Option<StoredMessage> {
        let (place, stored) =
            self.message(index).expect("every message was checked when the batch was opened")?;
        let properties_at = place.start + ENVELOPE_BYTES;
        let body_at = properties_at + stored.properties_len as usize;
        Some(StoredMessage {
            envelope: stored.envelope,
            properties: self.bytes.slice(properties_at..body_at),
            body: stored.has_body.then(|| self.bytes.slice(body_at..place.end)),
        })
    }

    /// The envelope of the message with that number, nothing else of it; `None` past the last.
    pub fn envelope(&self, index: u32) -> Option<Envelope> {
        let message = self.message(index).expect("every message was checked when the batch was opened");
        message.map(|(_, stored)| stored.envelope)
    }

    /// All messages in order.
    pub fn iter(&self) -> impl Iterator<Item = StoredMessage> + '_ {
        (0..self.header.count).map_while(|index| self.get(index))
    }

    fn check(&self) -> Result<(), MessageBatchError> {
        let mut summary = MessageBatchHeader::empty();
        let mut end = self.header.messages_at();
        for index in 0..self.header.count {
            if let Some((place, stored)) = self.message(index)? {
                summary.add(&stored.envelope);
                end = place.end;
            }
        }
        if end != self.bytes.len() {
            return Err(MessageBatchError::BadDirectory { index: self.header.count - 1 });
        }
        if summary != self.header {
            return Err(MessageBatchError::BadSummary);
        }
        Ok(())
    }

    /// Where a message is, and its envelope.
    fn message(&self, index: u32) -> Result<Option<(Range<usize>, Stored)>, MessageBatchError> {
        if index >= self.header.count {
            return Ok(None);
        }
        let start = if index == 0 { 0 } else { self.end(index - 1) };
        let base = self.header.messages_at();
        let place = base + start..base + self.end(index);
        let misplaced = MessageBatchError::BadDirectory { index };
        let bytes = self.bytes.get(place.clone()).ok_or(misplaced)?;
        let stored = Stored::decode(bytes.first_chunk().ok_or(misplaced)?);
        let stored =
            stored.filter(|s| fits(s, bytes.len())).ok_or(MessageBatchError::BadEnvelope { index })?;
        Ok(Some((place, stored)))
    }

    fn end(&self, index: u32) -> usize {
        let at = MESSAGE_BATCH_HEADER_BYTES + index as usize * END_BYTES;
        let end =
            self.bytes[at..].first_chunk().expect("the directory was found whole when the batch was opened");
        u32::from_le_bytes(*end) as usize
    }
}

/// Whether the parts fill a message of `bytes` bytes.
fn fits(stored: &Stored, bytes: usize) -> bool {
    let properties = stored.properties_len as usize;
    let room = bytes - ENVELOPE_BYTES;
    properties <= room.min(PROPERTIES_BYTES_MAX) && (stored.has_body || properties == room)
}
