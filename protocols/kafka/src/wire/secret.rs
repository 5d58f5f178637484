//! Bytes that must never be printed.

use std::fmt;

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError};
use super::field::{Version, Wire};
use super::writer::Writer;

/// A byte field that holds passwords or what stands for them. On the wire it is as any other; in logs it is its length.
/// Comparing two takes longer the more of them is equal, which tells an attacker something: never check a password with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Bytes);

impl Secret {
    /// The bytes, shared.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<Bytes> for Secret {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

/// The length only.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Wire for Secret {
    fn bytes_min(version: Version) -> usize {
        Bytes::bytes_min(version)
    }

    fn decode(cursor: &mut Cursor<'_>, version: Version) -> Result<Self, DecodeError> {
        Bytes::decode(cursor, version).map(Self)
    }

    fn encode(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.0.encode(writer, version)
    }
}
