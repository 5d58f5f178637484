//! Why bytes are not a message batch, or a message cannot join one.

use std::fmt;

/// What is wrong. Batches are written by this broker alone, so on reading every one of these is damage or a newer
/// version; on writing the fault is the message's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageBatchError {
    /// The batch ends within its header or directory.
    Truncated {
        /// Bytes that should be there.
        needed: usize,
        /// Bytes that are.
        found: usize,
    },
    /// Written by a version that is not known here.
    UnknownVersion {
        /// As stated.
        version: u8,
    },
    /// Reserved bytes are not zero.
    ReservedBytes,
    /// No message, or more than [`crate::limits::MESSAGES_PER_BATCH_MAX`].
    BadCount {
        /// As stated.
        count: u32,
    },
    /// The directory does not cut the batch into messages.
    BadDirectory {
        /// The message whose end is wrong.
        index: u32,
    },
    /// A field of an envelope holds what it cannot.
    BadEnvelope {
        /// Which message's.
        index: u32,
    },
    /// The header's times are not those of the envelopes.
    BadSummary,
    /// The batch with this message would be larger than allowed.
    TooLarge {
        /// What it would come to, in bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The message's properties are larger than [`crate::limits::PROPERTIES_BYTES_MAX`].
    PropertiesTooLarge {
        /// Their size in bytes.
        bytes: usize,
    },
    /// The batch has as many messages as it can.
    Full,
}

impl fmt::Display for MessageBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageBatchError::Truncated { needed, found } => {
                write!(f, "needs {needed} bytes and has {found}")
            }
            MessageBatchError::UnknownVersion { version } => {
                write!(f, "message batch version {version} is not known")
            }
            MessageBatchError::ReservedBytes => f.write_str("reserved bytes are not zero"),
            MessageBatchError::BadCount { count } => write!(f, "a batch cannot have {count} messages"),
            MessageBatchError::BadDirectory { index } => {
                write!(f, "message {index} ends at an impossible place")
            }
            MessageBatchError::BadEnvelope { index } => {
                write!(f, "the envelope of message {index} is impossible")
            }
            MessageBatchError::BadSummary => f.write_str("the header's times are not those of the messages"),
            MessageBatchError::TooLarge { bytes, limit } => {
                write!(f, "{bytes} bytes are more than the limit of {limit}")
            }
            MessageBatchError::PropertiesTooLarge { bytes } => {
                write!(f, "{bytes} bytes of properties are more than a message may have")
            }
            MessageBatchError::Full => f.write_str("the batch has as many messages as it can"),
        }
    }
}

impl std::error::Error for MessageBatchError {}
