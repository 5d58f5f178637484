//! Writing message batches.

use bytes::Bytes;

use super::envelope::{AT_ONCE, NO_EXPIRY, Stored};
use super::header::END_BYTES;
use super::{ENVELOPE_BYTES, Envelope, MESSAGE_BATCH_HEADER_BYTES, MessageBatchError, MessageBatchHeader};
use crate::limits::{MESSAGES_PER_BATCH_MAX, PROPERTIES_BYTES_MAX};

/// Gathers messages and makes a batch of them.
#[derive(Debug)]
pub struct MessageBatchBuilder {
    header: MessageBatchHeader,
    ends: Vec<u32>,
    messages: Vec<u8>,
    /// Largest batch in bytes; every end fits 32 bits.
    bytes_max: usize,
}

impl MessageBatchBuilder {
    /// A builder of a batch that comes to at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> MessageBatchBuilder {
        MessageBatchBuilder {
            header: MessageBatchHeader::empty(),
            ends: Vec::new(),
            messages: Vec::new(),
            bytes_max: bytes_max.min(u32::MAX as usize),
        }
    }

    /// What the batch comes to in bytes.
    pub fn encoded_len(&self) -> usize {
        MESSAGE_BATCH_HEADER_BYTES + self.ends.len() * END_BYTES + self.messages.len()
    }

    /// Messages so far.
    pub fn message_count(&self) -> usize {
        self.ends.len()
    }

    /// Adds a message. No body is not the same as an empty one. A refused message leaves the batch as it was.
    pub fn push(
        &mut self,
        envelope: &Envelope,
        properties: &[u8],
        body: Option<&[u8]>,
    ) -> Result<(), MessageBatchError> {
        self.admit(envelope, properties, body)?;
        let stored =
            Stored { envelope: *envelope, properties_len: properties.len() as u32, has_body: body.is_some() };
        self.messages.extend_from_slice(&stored.encode());
        self.messages.extend_from_slice(properties);
        self.messages.extend_from_slice(body.unwrap_or_default());
        self.ends.push(self.messages.len() as u32);
        self.header.add(envelope);
        Ok(())
    }

    fn admit(
        &self,
        envelope: &Envelope,
        properties: &[u8],
        body: Option<&[u8]>,
    ) -> Result<(), MessageBatchError> {
        if self.ends.len() == MESSAGES_PER_BATCH_MAX {
            return Err(MessageBatchError::Full);
        }
        if properties.len() > PROPERTIES_BYTES_MAX {
            return Err(MessageBatchError::PropertiesTooLarge { bytes: properties.len() });
        }
        let message = ENVELOPE_BYTES + properties.len() + body.map_or(0, <[u8]>::len);
        let bytes = self.encoded_len() + END_BYTES + message;
        if bytes > self.bytes_max {
            return Err(MessageBatchError::TooLarge { bytes, limit: self.bytes_max });
        }
        // The numbers that stand for "none" cannot be said otherwise, and none may sort on its wrong side.
        let expiry_is_none = envelope.expiry.is_some_and(|time| time.0 == NO_EXPIRY);
        let waits_for_the_past = envelope.deliver_at.is_some_and(|time| time.0 <= AT_ONCE);
        if envelope.timestamp.0 < -1 || expiry_is_none || waits_for_the_past {
            return Err(MessageBatchError::BadEnvelope { index: self.header.count });
        }
        Ok(())
    }

    /// The batch. Without a message there is none.
    pub fn build(self) -> Result<Bytes, MessageBatchError> {
        if self.ends.is_empty() {
            return Err(MessageBatchError::BadCount { count: 0 });
        }
        let mut batch = Vec::with_capacity(self.encoded_len());
        batch.extend_from_slice(&self.header.encode());
        for end in &self.ends {
            batch.extend_from_slice(&end.to_le_bytes());
        }
        batch.extend_from_slice(&self.messages);
        Ok(batch.into())
    }
}
