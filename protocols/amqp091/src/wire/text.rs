//! Strings of the wire. Both kinds are slices of a frame that keep it alive; what lives longer than its frame should be a
//! `detached` copy.

use std::fmt;

use bytes::Bytes;

use super::error::EncodeError;
use crate::limits::SHORT_STRING_BYTES_MAX;

/// A string of at most 255 bytes: a name, a routing key, a tag. Arguments of methods without content are UTF-8; those of
/// `basic.publish` and properties are whatever their sender put there, as with RabbitMQ.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortStr(Bytes);

/// A string of up to 4 GiB: any bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LongStr(pub Bytes);

/// A long string that holds a password or what stands for it. In logs it is its length. Comparing two takes longer the more
/// of them is equal, which tells an attacker something: never check a password with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Bytes);

impl ShortStr {
    /// The empty string.
    pub const EMPTY: Self = Self(Bytes::new());

    /// Takes up to 255 bytes.
    ///
    /// # Errors
    /// [`EncodeError::ShortStringTooLong`].
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, EncodeError> {
        let bytes = bytes.into();
        if bytes.len() > SHORT_STRING_BYTES_MAX {
            return Err(EncodeError::ShortStringTooLong { length: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// A short string known at compile time; a longer one does not compile where it is a constant.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.len() <= SHORT_STRING_BYTES_MAX, "a short string has at most 255 bytes");
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// As much of a text as fits, cut between characters, with three dots where something is missing: for reply texts.
    #[must_use]
    pub fn shortened(text: &str) -> Self {
        const DOTS: &str = "...";
        if text.len() <= SHORT_STRING_BYTES_MAX {
            return Self(Bytes::copy_from_slice(text.as_bytes()));
        }
        let end = text.floor_char_boundary(SHORT_STRING_BYTES_MAX - DOTS.len());
        Self(Bytes::from([&text[..end], DOTS].concat()))
    }

    /// The bytes, shared.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text, where it is UTF-8. Walks the bytes to check them.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy that keeps no frame alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// Bytes whose length came out of one octet.
    pub(super) fn of_octet(bytes: Bytes) -> Self {
        debug_assert!(bytes.len() <= SHORT_STRING_BYTES_MAX);
        Self(bytes)
    }
}

impl PartialEq<str> for ShortStr {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for ShortStr {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl From<&'static str> for LongStr {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl PartialEq<&str> for LongStr {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, &self.0)
    }
}

impl fmt::Debug for LongStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, &self.0)
    }
}

/// The length only.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A text as one; other bytes escaped, behind a `b`.
pub(super) fn write_text(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) => fmt::Debug::fmt(text, f),
        Err(_) => write!(f, "b\"{}\"", bytes.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_string_has_at_most_255_bytes() {
        assert!(ShortStr::new(vec![b'x'; 255]).is_ok());
        assert_eq!(ShortStr::new(vec![b'x'; 256]), Err(EncodeError::ShortStringTooLong { length: 256 }));
    }

    #[test]
    fn a_reply_text_is_cut_between_characters() {
        let cut = ShortStr::shortened(&"ü".repeat(200));
        assert_eq!(cut.as_str().unwrap(), "ü".repeat(126) + "...");
        assert_eq!(ShortStr::shortened(&"x".repeat(255)).as_bytes().len(), 255);
    }

    #[test]
    fn what_is_not_utf8_is_kept_and_printed_escaped() {
        let odd = ShortStr::new(vec![b'a', 0xff]).unwrap();
        assert_eq!(odd.as_str(), None);
        assert_eq!(format!("{odd:?} {:?}", ShortStr::from_static("é")), r#"b"a\xff" "é""#);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret(Bytes::from_static(b"guest"))), "5 bytes");
    }
}
