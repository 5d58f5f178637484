//! The pivot: one message as any protocol can read it, from a payload of either kind.
//!
//! A reader of the protocol that wrote a payload never comes here; it has the bytes. For all others this is the only
//! way, so that protocols are converted to and from one shape, not to each other.

use std::fmt;

use bytes::Bytes;
use forebay_model::Timestamp;

use crate::PayloadKind;
use crate::batch::{BatchError, Header, Record, Records};
use crate::message_batch::{Envelope, MessageBatch, MessageBatchError, Origin, StoredMessage};

/// One message. Its parts are views into its payload (or into what that decompressed to).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the broker knows of it.
    pub envelope: Envelope,
    /// What it is about, where that is known without the origin's parser.
    pub key: Option<Bytes>,
    /// Named values.
    pub properties: Properties,
    /// What it says; `None` is not the same as empty.
    pub body: Option<Bytes>,
}

/// A message's named values, parsed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Properties {
    /// In order; names may repeat.
    Headers(Vec<Header>),
    /// As the envelope's origin encodes them; its crate parses them, and only when somebody asks.
    Raw(Bytes),
}

impl Message {
    /// The publisher's time, or the append's; -1 for none.
    pub fn timestamp(&self) -> Timestamp {
        self.envelope.timestamp
    }

    /// Whose message it is.
    pub fn origin(&self) -> Origin {
        self.envelope.origin
    }
}

impl From<Record> for Message {
    fn from(record: Record) -> Message {
        Message {
            envelope: Envelope::new(Origin::RECORD, record.timestamp),
            key: record.key,
            properties: Properties::Headers(record.headers),
            body: record.value,
        }
    }
}

impl From<StoredMessage> for Message {
    fn from(stored: StoredMessage) -> Message {
        Message {
            envelope: stored.envelope,
            key: None,
            properties: Properties::Raw(stored.properties),
            body: stored.body,
        }
    }
}

/// Why a payload does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// As a record batch.
    RecordBatch(BatchError),
    /// As a message batch.
    MessageBatch(MessageBatchError),
}

/// Iterates over the messages of one payload, each converted when it is asked for. Ends behind the first error.
#[derive(Debug)]
pub struct Messages(Source);

#[derive(Debug)]
enum Source {
    Records(Records),
    Messages { batch: MessageBatch, next: u32 },
}

impl Messages {
    /// Opens a whole payload; a compressed one may come to `inflated_bytes_max` bytes.
    pub fn open(
        kind: PayloadKind,
        payload: &Bytes,
        inflated_bytes_max: usize,
    ) -> Result<Messages, PayloadError> {
        let source = match kind {
            PayloadKind::RecordBatch => {
                let records =
                    Records::open(payload, inflated_bytes_max).map_err(PayloadError::RecordBatch)?;
                Source::Records(records)
            }
            PayloadKind::MessageBatch => {
                let batch = MessageBatch::open(payload.clone()).map_err(PayloadError::MessageBatch)?;
                Source::Messages { batch, next: 0 }
            }
        };
        Ok(Messages(source))
    }
}

impl Iterator for Messages {
    /// A message and its distance from the payload's base offset.
    type Item = Result<(u32, Message), PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Records(records) => {
                let record = records.next()?.map_err(PayloadError::RecordBatch);
                Some(record.map(|record| (record.offset_delta, record.into())))
            }
            Source::Messages { batch, next } => {
                let message = batch.get(*next)?;
                *next += 1;
                Some(Ok((*next - 1, message.into())))
            }
        }
    }
}

/// The message at a distance from its payload's base offset; `None` where the payload has none there. For more than
/// one of them [`Messages`] is cheaper.
pub fn to_message(
    kind: PayloadKind,
    payload: &Bytes,
    offset_delta: u32,
    inflated_bytes_max: usize,
) -> Result<Option<Message>, PayloadError> {
    for item in Messages::open(kind, payload, inflated_bytes_max)? {
        let (delta, message) = item?;
        if delta >= offset_delta {
            return Ok((delta == offset_delta).then_some(message));
        }
    }
    Ok(None)
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayloadError::RecordBatch(error) => write!(f, "record batch: {error}"),
            PayloadError::MessageBatch(error) => write!(f, "message batch: {error}"),
        }
    }
}

impl std::error::Error for PayloadError {}
