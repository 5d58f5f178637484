//! The 32 bytes in front of a message batch: what an append needs to know of all its messages.

use forebay_model::{LogTime, Timestamp};

use super::envelope::{AT_ONCE, Envelope, NO_EXPIRY};
use super::{ENVELOPE_BYTES, MessageBatchError};
use crate::limits::MESSAGES_PER_BATCH_MAX;

/// Size of the header in bytes.
pub const MESSAGE_BATCH_HEADER_BYTES: usize = 32;
/// Bytes of one entry of the directory.
pub(super) const END_BYTES: usize = 4;

/// The first byte of a message batch.
pub const MESSAGE_BATCH_VERSION: u8 = 1;

/// The header of a message batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageBatchHeader {
    /// Messages in the batch, from 1 to [`MESSAGES_PER_BATCH_MAX`].
    pub count: u32,
    /// The newest timestamp of its messages; -1 where none has one.
    pub max_timestamp: Timestamp,
    /// The first time one of them expires, if one does.
    pub earliest_expiry: Option<LogTime>,
    /// The last time one of them waits for, if one does.
    pub latest_deliver_at: Option<LogTime>,
}

impl MessageBatchHeader {
    /// The header of no messages yet.
    pub(super) fn empty() -> MessageBatchHeader {
        MessageBatchHeader {
            count: 0,
            max_timestamp: Timestamp(-1),
            earliest_expiry: None,
            latest_deliver_at: None,
        }
    }

    /// Takes one more message into account.
    pub(super) fn add(&mut self, envelope: &Envelope) {
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(envelope.timestamp);
        let earliest = self.stored_expiry().min(envelope.stored_expiry());
        self.earliest_expiry = (earliest != NO_EXPIRY).then_some(LogTime(earliest));
        let latest = self.stored_deliver_at().max(envelope.stored_deliver_at());
        self.latest_deliver_at = (latest != AT_ONCE).then_some(LogTime(latest));
    }

    /// Reads the header at the front of `bytes`, which may end anywhere behind it.
    pub fn peek(bytes: &[u8]) -> Result<MessageBatchHeader, MessageBatchError> {
        if let Some(&version) = bytes.first()
            && version != MESSAGE_BATCH_VERSION
        {
            return Err(MessageBatchError::UnknownVersion { version });
        }
        let truncated =
            MessageBatchError::Truncated { needed: MESSAGE_BATCH_HEADER_BYTES, found: bytes.len() };
        let h = bytes.first_chunk::<MESSAGE_BATCH_HEADER_BYTES>().ok_or(truncated)?;
        if h[1..4] != [0; 3] {
            return Err(MessageBatchError::ReservedBytes);
        }
        let count = u32::from_le_bytes(field(h, 4));
        if count == 0 || count as usize > MESSAGES_PER_BATCH_MAX {
            return Err(MessageBatchError::BadCount { count });
        }
        let long = |at: usize| i64::from_le_bytes(field(h, at));
        let (expiry, deliver_at) = (long(16), long(24));
        Ok(MessageBatchHeader {
            count,
            max_timestamp: Timestamp(long(8)),
            earliest_expiry: (expiry != NO_EXPIRY).then_some(LogTime(expiry)),
            latest_deliver_at: (deliver_at != AT_ONCE).then_some(LogTime(deliver_at)),
        })
    }

    pub(super) fn encode(&self) -> [u8; MESSAGE_BATCH_HEADER_BYTES] {
        let mut h = [0; MESSAGE_BATCH_HEADER_BYTES];
        h[0] = MESSAGE_BATCH_VERSION;
        h[4..8].copy_from_slice(&self.count.to_le_bytes());
        h[8..16].copy_from_slice(&self.max_timestamp.0.to_le_bytes());
        h[16..24].copy_from_slice(&self.stored_expiry().to_le_bytes());
        h[24..32].copy_from_slice(&self.stored_deliver_at().to_le_bytes());
        h
    }

    /// Where the first message begins.
    pub(super) fn messages_at(&self) -> usize {
        MESSAGE_BATCH_HEADER_BYTES + self.count as usize * END_BYTES
    }

    fn stored_expiry(&self) -> i64 {
        self.earliest_expiry.map_or(NO_EXPIRY, |time| time.0)
    }

    fn stored_deliver_at(&self) -> i64 {
        self.latest_deliver_at.map_or(AT_ONCE, |time| time.0)
    }
}

const _: () = assert!(ENVELOPE_BYTES.is_multiple_of(8) && MESSAGE_BATCH_HEADER_BYTES.is_multiple_of(8));

fn field<const N: usize>(header: &[u8; MESSAGE_BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    *header[at..].first_chunk().expect("every field lies within the header")
}
