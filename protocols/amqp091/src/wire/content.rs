//! Content headers, and commands: a method together with the content that follows it.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::DecodeError;
use super::frame::FrameKind;
use super::method::Method;
use super::properties::Properties;

/// Bytes of a content header before its properties.
pub(super) const CONTENT_HEADER_BYTES: usize = 12;

/// What stands between a method with content and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHeader {
    /// The class of the method: 60, `basic`.
    pub class: u16,
    /// Bytes of the body, in all its frames.
    pub body_size: u64,
    /// The message's properties.
    pub properties: Properties,
}

/// A message as it travels: its properties, untouched, and its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Bytes,
}

/// What somebody says on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A method that stands alone.
    Plain(Method),
    /// A method with content.
    WithContent(Method, Content),
}

impl ContentHeader {
    /// Reads the payload of a header frame.
    ///
    /// # Errors
    /// [`DecodeError`]: `FrameForm`, `HeaderWeight`, `Property`.
    pub fn decode(payload: &Bytes) -> Result<Self, DecodeError> {
        if payload.len() < CONTENT_HEADER_BYTES {
            return Err(DecodeError::FrameForm(FrameKind::Header));
        }
        let mut rest = payload.clone();
        let (class, weight, body_size) = (rest.get_u16(), rest.get_u16(), rest.get_u64());
        if weight != 0 {
            return Err(DecodeError::HeaderWeight(weight));
        }
        Ok(Self { class, body_size, properties: Properties::parse(rest)? })
    }

    /// Appends the payload of a header frame; `properties` are raw.
    pub(super) fn put(out: &mut BytesMut, class: u16, body_size: u64, properties: &[u8]) {
        out.put_u16(class);
        out.put_u16(0);
        out.put_u64(body_size);
        out.put_slice(properties);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ReplyCode;

    #[test]
    fn a_header_is_read_and_its_properties_are_no_copy() {
        let payload = Bytes::from_static(b"\x00\x3c\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x10\x00\x02");
        let header = ContentHeader::decode(&payload).unwrap();
        assert_eq!((header.class, header.body_size), (60, (1 << 32) + 2));
        assert_eq!(header.properties.delivery_mode(), Some(2));
        assert_eq!(header.properties.as_bytes().as_ptr(), payload[12..].as_ptr());
    }

    #[test]
    fn broken_headers_are_told_apart() {
        let refused = |bytes: &'static [u8]| {
            let why = ContentHeader::decode(&Bytes::from_static(bytes)).expect_err("it is broken");
            (why, why.reply_code())
        };
        assert_eq!(
            refused(b"\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
            (DecodeError::FrameForm(FrameKind::Header), ReplyCode::FrameError)
        );
        assert_eq!(
            refused(b"\x00\x3c\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
            (DecodeError::HeaderWeight(7), ReplyCode::UnexpectedFrame)
        );
        let (_, code) = refused(b"\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00");
        assert_eq!(code, ReplyCode::SyntaxError);
    }
}
