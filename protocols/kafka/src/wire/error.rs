//! What can be wrong with bytes we read, and with values we are asked to write.

use std::fmt;

/// Why a frame could not be decoded. Always the sender's fault: the connection is closed and the reason logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// Where: `Struct.field`, or empty outside a message body.
    pub field: &'static str,
}

/// What is wrong with the bytes. Sizes saturate at `u32::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The frame ends before the value does.
    Ended {
        /// Bytes the value needs.
        needed: u32,
        /// Bytes left.
        left: u32,
    },
    /// A count or length claims more than the bytes that are left can hold.
    CountTooLarge {
        /// Elements or bytes claimed.
        claimed: u32,
        /// Bytes left.
        left: u32,
    },
    /// The arrays of this frame would take more memory than [`crate::limits`] grants a frame of its size.
    MemoryExceeded,
    /// A length below -1.
    NegativeLength(i32),
    /// A null where this version has none.
    NullNotAllowed,
    /// A variable-length integer that does not end, or exceeds its type.
    VarintTooLong,
    /// A string that is not UTF-8.
    NotUtf8,
    /// A presence byte other than -1 (absent) and 1 (present).
    BadPresence(i8),
    /// Tags must rise strictly; this one does not.
    TagOutOfOrder(u32),
    /// Bytes are left after the last field.
    Trailing(u32),
    /// A version of this message that the codec does not know.
    UnknownVersion(i16),
    /// An API key that the codec does not know.
    UnknownApi(i16),
}

impl DecodeError {
    /// Names the field, unless a deeper one is already named.
    #[cold]
    pub(crate) fn at(mut self, field: &'static str) -> Self {
        if self.field.is_empty() {
            self.field = field;
        }
        self
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        Self { fault, field: "" }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Ended { needed, left } => write!(f, "needs {needed} bytes where {left} are left")?,
            Fault::CountTooLarge { claimed, left } => {
                write!(f, "claims a length of {claimed} where {left} bytes are left")?;
            }
            Fault::MemoryExceeded => {
                write!(f, "its arrays would take more memory than a frame of its size may")?
            }
            Fault::NegativeLength(n) => write!(f, "has the length {n}")?,
            Fault::NullNotAllowed => write!(f, "is null, which this version does not allow")?,
            Fault::VarintTooLong => write!(f, "has a variable-length integer that does not end")?,
            Fault::NotUtf8 => write!(f, "is not UTF-8")?,
            Fault::BadPresence(n) => write!(f, "has {n} as its presence byte (-1 or 1 expected)")?,
            Fault::TagOutOfOrder(tag) => write!(f, "has tag {tag} out of order")?,
            Fault::Trailing(left) => write!(f, "has {left} bytes after its last field")?,
            Fault::UnknownVersion(version) => write!(f, "has version {version}, which is not supported")?,
            Fault::UnknownApi(key) => write!(f, "has API key {key}, which does not exist")?,
        }
        if self.field.is_empty() { Ok(()) } else { write!(f, " (at {})", self.field) }
    }
}

impl std::error::Error for DecodeError {}

/// Why a message could not be encoded. Always the caller's fault: it put a value into the message that the peer's version
/// cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The codec has no such version of this message.
    UnknownVersion {
        /// The message's API.
        api: super::ApiKey,
        /// The version asked for.
        version: i16,
    },
    /// A field that this version lacks holds a value that must not be dropped.
    NotInVersion {
        /// `Struct.field`.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is absent though this version needs it.
    NullNotAllowed {
        /// `Struct.field`.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A string, byte field, array or frame exceeds what its length field can say.
    TooLong {
        /// Bytes or elements.
        length: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { api, version } => write!(f, "{} has no version {version}", api.name()),
            Self::NotInVersion { field, version } => write!(f, "{field} cannot be said in version {version}"),
            Self::NullNotAllowed { field, version } => {
                write!(f, "{field} must not be null in version {version}")
            }
            Self::TooLong { length } => write!(f, "a length of {length} does not fit its field"),
        }
    }
}

impl std::error::Error for EncodeError {}
