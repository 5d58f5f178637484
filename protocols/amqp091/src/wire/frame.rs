//! A byte stream cut into frames: an octet of type, the channel, the payload's length, the payload, and the octet 0xCE.

use std::fmt;

use bytes::{Buf, Bytes};

use super::error::DecodeError;
use super::numbers::{ChannelId, FRAME_OVERHEAD, FrameMax};
use crate::limits::FRAME_BYTES_FORGIVEN;

/// Bytes before a frame's payload.
pub const FRAME_HEAD_BYTES: usize = 7;
/// The octet behind it.
pub const FRAME_END: u8 = 0xce;
/// Bytes of a method's numbers.
const METHOD_ID_BYTES: usize = 4;
/// Bytes of a content header before its properties.
const CONTENT_HEADER_BYTES: usize = 12;

/// A frame's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A method and its arguments.
    Method,
    /// A message's properties and the size of its body.
    Header,
    /// A piece of a body.
    Body,
    /// A sign of life.
    Heartbeat,
}

/// A frame whose form is right. Its payload is a slice of what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: FrameKind,
    /// The channel it belongs to.
    pub channel: ChannelId,
    /// What it carries.
    pub payload: Bytes,
}

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The frame's type.
    pub kind: FrameKind,
    /// Its channel.
    pub channel: ChannelId,
    /// Bytes of its payload.
    pub payload: usize,
}

impl FrameKind {
    /// The octet on the wire.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            Self::Heartbeat => 8,
        }
    }

    /// The type with this octet.
    ///
    /// # Errors
    /// [`DecodeError::FrameType`].
    pub const fn from_octet(octet: u8) -> Result<Self, DecodeError> {
        match octet {
            1 => Ok(Self::Method),
            2 => Ok(Self::Header),
            3 => Ok(Self::Body),
            8 => Ok(Self::Heartbeat),
            other => Err(DecodeError::FrameType(other)),
        }
    }

    /// Whether a payload can have this length.
    const fn fits(self, payload: usize) -> bool {
        match self {
            Self::Method => payload >= METHOD_ID_BYTES,
            Self::Header => payload >= CONTENT_HEADER_BYTES,
            Self::Body => true,
            Self::Heartbeat => payload == 0,
        }
    }
}

impl FrameHead {
    /// Judges the front of `buffer` as soon as the head is there, so that a bad one never makes anyone wait for, or make room
    /// for, what it claims. `None` until then.
    ///
    /// # Errors
    /// [`DecodeError`]: `FrameType`, `FrameTooLarge`, `FrameForm`, `HeartbeatOnChannel`.
    pub fn peek(buffer: &[u8], frame_max: FrameMax) -> Result<Option<Self>, DecodeError> {
        let Some(&[octet, c0, c1, n0, n1, n2, n3]) = buffer.first_chunk::<FRAME_HEAD_BYTES>() else {
            return Ok(None);
        };
        let kind = FrameKind::from_octet(octet)?;
        let channel = ChannelId(u16::from_be_bytes([c0, c1]));
        let claimed = u32::from_be_bytes([n0, n1, n2, n3]);
        let payload = claimed as usize;
        if payload > frame_max.payload() + FRAME_BYTES_FORGIVEN {
            return Err(DecodeError::FrameTooLarge { claimed, frame_max });
        }
        if !kind.fits(payload) {
            return Err(DecodeError::FrameForm(kind));
        }
        if kind == FrameKind::Heartbeat && channel != ChannelId::CONNECTION {
            return Err(DecodeError::HeartbeatOnChannel(channel));
        }
        Ok(Some(Self { kind, channel, payload }))
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        self.payload + FRAME_OVERHEAD
    }

    /// The frame itself, out of exactly its bytes.
    pub(super) fn frame(self, mut whole: Bytes) -> Result<Frame, DecodeError> {
        let end = whole[FRAME_HEAD_BYTES + self.payload];
        if end != FRAME_END {
            return Err(DecodeError::FrameEnd(end));
        }
        whole.advance(FRAME_HEAD_BYTES);
        whole.truncate(self.payload);
        Ok(Frame { kind: self.kind, channel: self.channel, payload: whole })
    }
}

impl Frame {
    /// Takes the next whole frame from the front of `buffer`; `None` until all of it is there.
    ///
    /// # Errors
    /// [`DecodeError`]; those of [`FrameHead::peek`], and `FrameEnd`.
    pub fn take(buffer: &mut Bytes, frame_max: FrameMax) -> Result<Option<Self>, DecodeError> {
        match FrameHead::peek(buffer, frame_max)? {
            Some(head) if buffer.len() >= head.frame_bytes() => {
                head.frame(buffer.split_to(head.frame_bytes())).map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "method",
            Self::Header => "content header",
            Self::Body => "body",
            Self::Heartbeat => "heartbeat",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ReplyCode;

    fn taken(bytes: &[u8]) -> Result<Option<Frame>, DecodeError> {
        Frame::take(&mut Bytes::copy_from_slice(bytes), FrameMax::DEFAULT)
    }

    fn refused(bytes: &[u8]) -> (DecodeError, ReplyCode) {
        let why = taken(bytes).expect_err("it is wrong");
        (why, why.reply_code())
    }

    #[test]
    fn each_kind_is_read_without_a_copy() {
        let bytes =
            Bytes::from_static(b"\x03\x01\x02\x00\x00\x00\x02hi\xce\x08\x00\x00\x00\x00\x00\x00\xcenext");
        let mut rest = bytes.clone();
        let body = Frame::take(&mut rest, FrameMax::DEFAULT).unwrap().unwrap();
        assert_eq!(
            (body.kind, body.channel, &body.payload[..]),
            (FrameKind::Body, ChannelId(258), &b"hi"[..])
        );
        assert_eq!(body.payload.as_ptr(), bytes[7..].as_ptr());
        let beat = Frame::take(&mut rest, FrameMax::DEFAULT).unwrap().unwrap();
        assert_eq!((beat.kind, beat.channel), (FrameKind::Heartbeat, ChannelId::CONNECTION));
        assert_eq!(&rest[..], b"next");
        for kind in [FrameKind::Method, FrameKind::Header, FrameKind::Body, FrameKind::Heartbeat] {
            assert_eq!(FrameKind::from_octet(kind.octet()), Ok(kind));
        }
    }

    #[test]
    fn a_claim_is_refused_as_soon_as_it_is_made() {
        let claim = b"\x01\x00\x01\x80\x00\x00\x00";
        let (why, code) = refused(claim);
        assert_eq!(why, DecodeError::FrameTooLarge { claimed: 1 << 31, frame_max: FrameMax::DEFAULT });
        assert_eq!(code, ReplyCode::FrameError);
        assert!(why.ends_the_stream());
        let used = allocation_counter::measure(|| {
            let _ = std::hint::black_box(FrameHead::peek(claim, FrameMax::DEFAULT));
        });
        assert_eq!(used.count_total, 0);
    }

    #[test]
    fn the_agreed_size_counts_the_whole_frame_and_forgives_its_form() {
        let max = FrameMax::new(4096).unwrap();
        let head = |payload: u32| [&[3, 0, 1][..], &payload.to_be_bytes()].concat();
        assert_eq!(FrameHead::peek(&head(4088), max).unwrap().unwrap().frame_bytes(), 4096);
        assert_eq!(FrameHead::peek(&head(4096), max).unwrap().unwrap().frame_bytes(), 4104);
        let why = FrameHead::peek(&head(4097), max).unwrap_err();
        assert_eq!(why, DecodeError::FrameTooLarge { claimed: 4097, frame_max: max });
        assert_eq!(FrameMax::new(4095), None);
    }

    #[test]
    fn wrong_forms_are_told_apart() {
        assert_eq!(
            refused(b"\x03\x00\x01\x00\x00\x00\x01a\xcd"),
            (DecodeError::FrameEnd(0xcd), ReplyCode::FrameError)
        );
        assert_eq!(
            refused(b"\x04\x00\x01\x00\x00\x00\x00"),
            (DecodeError::FrameType(4), ReplyCode::FrameError)
        );
        assert_eq!(
            refused(b"\x01\x00\x01\x00\x00\x00\x03"),
            (DecodeError::FrameForm(FrameKind::Method), ReplyCode::FrameError)
        );
        assert_eq!(
            refused(b"\x02\x00\x01\x00\x00\x00\x0b"),
            (DecodeError::FrameForm(FrameKind::Header), ReplyCode::FrameError)
        );
        assert_eq!(
            refused(b"\x08\x00\x00\x00\x00\x00\x01"),
            (DecodeError::FrameForm(FrameKind::Heartbeat), ReplyCode::FrameError)
        );
        assert_eq!(
            refused(b"\x08\x00\x01\x00\x00\x00\x00"),
            (DecodeError::HeartbeatOnChannel(ChannelId(1)), ReplyCode::UnexpectedFrame)
        );
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        let whole = b"\x03\x00\x01\x00\x00\x00\x02hi\xce";
        for length in 0..whole.len() {
            assert_eq!(taken(&whole[..length]), Ok(None), "{length} bytes");
        }
        assert!(taken(whole).unwrap().is_some());
    }
}
