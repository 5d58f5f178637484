//! Our own batch of single messages (docs/formats/message-batch.md): a header, a directory, then for each message a
//! fixed envelope, the origin protocol's raw properties, and the body.

mod build;
mod envelope;
mod error;
mod header;
mod read;

pub use build::MessageBatchBuilder;
pub use envelope::{DeliveryMode, ENVELOPE_BYTES, Envelope, Origin, ordering_key_hash};
pub use error::MessageBatchError;
pub use header::{MESSAGE_BATCH_HEADER_BYTES, MESSAGE_BATCH_VERSION, MessageBatchHeader};
pub use read::{MessageBatch, StoredMessage};
