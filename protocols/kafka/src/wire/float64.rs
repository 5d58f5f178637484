//! Numbers with a fraction.

use std::fmt;

use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError};
use super::field::{Version, Wire};
use super::writer::Writer;

/// A number of 64 bits with a fraction, as client quotas are. It is kept as its bits: whatever came in goes out the same, and
/// equals itself even where it is not a number.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Float64(u64);

impl Float64 {
    /// The number; anything a client says, so that it may be infinite or no number at all.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Float64 {
    fn from(number: f64) -> Self {
        Self(number.to_bits())
    }
}

impl fmt::Display for Float64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

impl fmt::Debug for Float64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

impl Wire for Float64 {
    fn bytes_min(_: Version) -> usize {
        8
    }

    fn decode(cursor: &mut Cursor<'_>, _: Version) -> Result<Self, DecodeError> {
        cursor.array().map(|bytes| Self(u64::from_be_bytes(bytes)))
    }

    fn encode(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.put(&self.0.to_be_bytes());
        Ok(())
    }
}
