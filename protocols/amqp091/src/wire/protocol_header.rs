//! The eight bytes before the first frame.

use std::fmt;

use bytes::Bytes;

/// Bytes of it.
pub const PROTOCOL_HEADER_BYTES: usize = 8;

/// AMQP 0-9-1: what a client begins with, and what is sent to one that began with anything else.
pub const PROTOCOL_HEADER: [u8; PROTOCOL_HEADER_BYTES] = *b"AMQP\x00\x00\x09\x01";

/// The header of AMQP 0-9, which is near enough: RabbitMQ takes it too.
const PROTOCOL_HEADER_0_9: [u8; PROTOCOL_HEADER_BYTES] = *b"AMQP\x01\x01\x00\x09";

/// Bytes that begin a TLS connection: a handshake record of some 3.x version.
const TLS_BEGIN: [u8; 2] = [0x16, 0x03];

/// The version that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolVersion {
    /// 0-9-1.
    V0_9_1,
    /// 0-9, which is served as 0-9-1: `connection.start` names 0 and 9 to both.
    V0_9,
}

/// Why a connection cannot be AMQP 0-9-1: answer with [`PROTOCOL_HEADER`] and close. The text is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolMismatch {
    /// Another AMQP, by its four numbers: protocol id and version.
    OtherAmqp([u8; 4]),
    /// A client that wants TLS, at a listener without.
    Tls,
    /// A client that speaks HTTP.
    Http,
    /// Anything else.
    NotAmqp([u8; PROTOCOL_HEADER_BYTES]),
}

impl ProtocolVersion {
    /// Judges the first bytes of a connection.
    ///
    /// # Errors
    /// [`ProtocolMismatch`].
    pub fn of(header: [u8; PROTOCOL_HEADER_BYTES]) -> Result<Self, ProtocolMismatch> {
        match header {
            PROTOCOL_HEADER => Ok(Self::V0_9_1),
            PROTOCOL_HEADER_0_9 => Ok(Self::V0_9),
            [b'A', b'M', b'Q', b'P', numbers @ ..] => Err(ProtocolMismatch::OtherAmqp(numbers)),
            _ if header.starts_with(&TLS_BEGIN) => Err(ProtocolMismatch::Tls),
            _ if header.starts_with(b"GET ")
                || header.starts_with(b"HEAD ")
                || header.starts_with(b"POST ") =>
            {
                Err(ProtocolMismatch::Http)
            }
            _ => Err(ProtocolMismatch::NotAmqp(header)),
        }
    }

    /// Takes the header from the front of `buffer`; `None` until all of it is there.
    ///
    /// # Errors
    /// [`ProtocolMismatch`].
    pub fn take(buffer: &mut Bytes) -> Result<Option<Self>, ProtocolMismatch> {
        let Some(header) = buffer.first_chunk() else { return Ok(None) };
        let version = Self::of(*header)?;
        let _ = buffer.split_to(PROTOCOL_HEADER_BYTES);
        Ok(Some(version))
    }
}

impl fmt::Display for ProtocolMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherAmqp([id, version @ ..]) => {
                write!(f, "the client asks for AMQP {version:?} with protocol id {id}, not for 0-9-1")
            }
            Self::Tls => write!(f, "the client wants TLS, and this listener has none"),
            Self::Http => write!(f, "the client speaks HTTP"),
            Self::NotAmqp(bytes) => write!(f, "the client does not begin with AMQP but with {bytes:02x?}"),
        }
    }
}

impl std::error::Error for ProtocolMismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(bytes: &'static [u8]) -> Result<Option<ProtocolVersion>, ProtocolMismatch> {
        ProtocolVersion::take(&mut Bytes::from_static(bytes))
    }

    #[test]
    fn it_is_taken_whole_and_nothing_behind_it() {
        let mut buffer = Bytes::from_static(b"AMQP\x00\x00\x09\x01rest");
        assert_eq!(ProtocolVersion::take(&mut buffer), Ok(Some(ProtocolVersion::V0_9_1)));
        assert_eq!(&buffer[..], b"rest");
        assert_eq!(judged(b"AMQP\x01\x01\x00\x09"), Ok(Some(ProtocolVersion::V0_9)));
        assert_eq!(judged(b"AMQP\x00\x00\x09"), Ok(None));
        assert_eq!(judged(b""), Ok(None));
    }

    #[test]
    fn others_are_told_apart() {
        assert_eq!(judged(b"AMQP\x00\x01\x00\x00"), Err(ProtocolMismatch::OtherAmqp([0, 1, 0, 0])));
        assert_eq!(judged(b"AMQP\x03\x01\x00\x00"), Err(ProtocolMismatch::OtherAmqp([3, 1, 0, 0])));
        assert_eq!(judged(b"AMQP\x00\x00\x09\x00"), Err(ProtocolMismatch::OtherAmqp([0, 0, 9, 0])));
        assert_eq!(judged(b"\x16\x03\x01\x02\x00\x01\x00\x01"), Err(ProtocolMismatch::Tls));
        assert_eq!(judged(b"GET / HTTP/1.1"), Err(ProtocolMismatch::Http));
        assert_eq!(judged(b"amqp\x00\x00\x09\x01"), Err(ProtocolMismatch::NotAmqp(*b"amqp\x00\x00\x09\x01")));
    }
}
