//! The frames of one channel put together to commands: a method, its content header, the pieces of its body.

use bytes::{Bytes, BytesMut};

use super::content::{Command, Content, ContentHeader};
use super::error::{DecodeError, Expected, clamp};
use super::frame::{Frame, FrameKind};
use super::method::{Method, WireMethod};
use super::numbers::ChannelId;
use super::properties::Properties;
use crate::limits::{BODY_BYTES_MAX, BODY_GROWTH_BYTES_MIN};

/// What came of a channel's next command. Each channel has its own; their frames may come in any mixture.
#[derive(Debug, Default)]
pub struct Assembly {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    /// A method comes next.
    #[default]
    Method,
    /// The content header of this method comes next.
    Header(Method),
    /// Pieces of a body come next.
    Body { method: Method, properties: Properties, body: Body },
}

/// A body of which something is still missing.
#[derive(Debug)]
struct Body {
    size: u64,
    /// What is there, once it is more than one piece.
    begun: BytesMut,
}

/// What a frame has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// A piece of something.
    More,
    /// The header of a message with a body of so many bytes, of which none is there: the moment to refuse it.
    Announced {
        /// Bytes of the body.
        body_size: u64,
    },
    /// The last piece.
    Done(Command),
    /// A sign of life.
    Heartbeat,
}

impl Assembly {
    /// Takes the channel's next frame.
    ///
    /// # Errors
    /// [`DecodeError`]; the assembly is of no use after one.
    pub fn take(&mut self, frame: &Frame) -> Result<Progress, DecodeError> {
        if frame.kind == FrameKind::Heartbeat {
            return Ok(Progress::Heartbeat);
        }
        match (std::mem::take(&mut self.stage), frame.kind) {
            (Stage::Method, FrameKind::Method) => {
                let method = Method::decode(&frame.payload)?;
                self.begin(method, frame.channel)
            }
            (Stage::Header(method), FrameKind::Header) => self.header(method, &frame.payload),
            (Stage::Body { method, properties, body }, FrameKind::Body) => {
                self.body(method, properties, body, &frame.payload)
            }
            (stage, got) => Err(DecodeError::UnexpectedFrame { got, expected: stage.expected() }),
        }
    }

    /// Whether nothing of a command is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.stage, Stage::Method)
    }

    fn begin(&mut self, method: Method, channel: ChannelId) -> Result<Progress, DecodeError> {
        if !method.info().carries_content {
            return Ok(Progress::Done(Command::Plain(method)));
        }
        if channel == ChannelId::CONNECTION {
            // Of itself a connection says nothing that has content: there is no header to wait for.
            return Err(DecodeError::UnexpectedFrame { got: FrameKind::Method, expected: Expected::Method });
        }
        self.stage = Stage::Header(method);
        Ok(Progress::More)
    }

    fn header(&mut self, method: Method, payload: &Bytes) -> Result<Progress, DecodeError> {
        let header = ContentHeader::decode(payload)?;
        let expected = method.info().id.class;
        if header.class != expected {
            return Err(DecodeError::HeaderClass { got: header.class, expected });
        }
        let body_size = header.body_size;
        if body_size > BODY_BYTES_MAX {
            return Err(DecodeError::BodyTooLarge { announced: body_size });
        }
        let properties = header.properties;
        if body_size == 0 {
            let content = Content { properties, body: Bytes::new() };
            return Ok(Progress::Done(Command::WithContent(method, content)));
        }
        let body = Body { size: body_size, begun: BytesMut::new() };
        self.stage = Stage::Body { method, properties, body };
        Ok(Progress::Announced { body_size })
    }

    fn body(
        &mut self,
        method: Method,
        properties: Properties,
        mut body: Body,
        piece: &Bytes,
    ) -> Result<Progress, DecodeError> {
        if let Some(body) = body.take(piece)? {
            return Ok(Progress::Done(Command::WithContent(method, Content { properties, body })));
        }
        self.stage = Stage::Body { method, properties, body };
        Ok(Progress::More)
    }
}

impl Stage {
    fn expected(&self) -> Expected {
        match self {
            Self::Method => Expected::Method,
            Self::Header(method) => Expected::Header(method.info().id.class),
            Self::Body { .. } => Expected::Body,
        }
    }
}

impl Body {
    /// The whole body, with its last piece. One that comes in a single piece is no copy; others are put together once, so
    /// that neither many small pieces nor the buffers that they lie in stay in memory.
    fn take(&mut self, piece: &Bytes) -> Result<Option<Bytes>, DecodeError> {
        let (there, got) = (self.begun.len() as u64, piece.len() as u64);
        let left = self.size - there;
        if got > left {
            return Err(DecodeError::BodyTooLong { got: clamp(piece.len()), left });
        }
        if there == 0 && got == left {
            return Ok(Some(piece.clone()));
        }
        self.make_room(piece.len());
        self.begun.extend_from_slice(piece);
        Ok((got == left).then(|| std::mem::take(&mut self.begun).freeze()))
    }

    /// Room for the next piece, and for as much again as is there, but not for what was only announced.
    fn make_room(&mut self, piece: usize) {
        let needed = self.begun.len() + piece;
        if self.begun.capacity() < needed {
            let ahead = (2 * self.begun.len()).max(BODY_GROWTH_BYTES_MIN) as u64;
            // At most the size, which is bounded by a limit far below what memory can address.
            let room = (ahead.min(self.size) as usize).max(needed);
            self.begun.reserve(room - self.begun.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ReplyCode;
    use crate::wire::method::{BasicAck, BasicPublish};
    use crate::wire::numbers::{DeliveryTag, FrameMax};
    use crate::wire::text::ShortStr;
    use crate::wire::{FrameWriter, Properties};

    const CHANNEL: ChannelId = ChannelId(1);

    fn frame(kind: FrameKind, payload: &[u8]) -> Frame {
        Frame { kind, channel: CHANNEL, payload: Bytes::copy_from_slice(payload) }
    }

    fn header(size: u64) -> Frame {
        let mut payload = BytesMut::new();
        ContentHeader::put(&mut payload, 60, size, Properties::NONE.as_bytes());
        frame(FrameKind::Header, &payload)
    }

    fn publish() -> BasicPublish {
        BasicPublish { routing_key: ShortStr::from_static("q"), ..Default::default() }
    }

    /// The frames of something written.
    fn frames(write: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<Frame> {
        let mut out = BytesMut::new();
        write(&mut FrameWriter::new(&mut out, FrameMax::DEFAULT));
        let mut stream = out.freeze();
        std::iter::from_fn(|| Frame::take(&mut stream, FrameMax::DEFAULT).unwrap()).collect()
    }

    fn method() -> Frame {
        frames(|to| to.method(CHANNEL, &publish()).unwrap()).remove(0)
    }

    fn done(body: &[u8]) -> Progress {
        let content = Content { properties: Properties::NONE, body: Bytes::copy_from_slice(body) };
        Progress::Done(Command::WithContent(publish().into(), content))
    }

    /// An assembly behind these frames.
    fn behind(frames: &[Frame]) -> Assembly {
        let mut assembly = Assembly::default();
        for frame in frames {
            assembly.take(frame).unwrap();
        }
        assembly
    }

    fn refused(assembly: &mut Assembly, frame: &Frame) -> (DecodeError, ReplyCode) {
        let why = assembly.take(frame).expect_err("it is wrong");
        (why, why.reply_code())
    }

    #[test]
    fn a_method_without_content_stands_alone() {
        let ack = BasicAck { delivery_tag: DeliveryTag(7), multiple: true };
        let frame = frames(|to| to.method(CHANNEL, &ack).unwrap()).remove(0);
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&frame), Ok(Progress::Done(Command::Plain(ack.into()))));
        assert!(assembly.is_empty());
    }

    #[test]
    fn a_body_comes_in_no_frame_one_or_many() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&method()), Ok(Progress::More));
        assert_eq!(assembly.take(&header(0)), Ok(done(b"")));
        assembly.take(&method()).unwrap();
        assert_eq!(assembly.take(&header(5)), Ok(Progress::Announced { body_size: 5 }));
        assert!(!assembly.is_empty());
        let piece = frame(FrameKind::Body, b"whole");
        let Ok(Progress::Done(Command::WithContent(_, content))) = assembly.take(&piece) else {
            panic!("it is whole")
        };
        assert_eq!(content.body.as_ptr(), piece.payload.as_ptr(), "no copy");
        assembly.take(&method()).unwrap();
        assembly.take(&header(5)).unwrap();
        for piece in ["a", "", "bcd"] {
            assert_eq!(assembly.take(&frame(FrameKind::Body, piece.as_bytes())), Ok(Progress::More));
        }
        assert_eq!(assembly.take(&frame(FrameKind::Body, b"e")), Ok(done(b"abcde")));
    }

    #[test]
    fn frames_out_of_turn_are_unexpected() {
        let unexpected =
            |got, expected| (DecodeError::UnexpectedFrame { got, expected }, ReplyCode::UnexpectedFrame);
        let body = frame(FrameKind::Body, b"x");
        let mut fresh = Assembly::default();
        assert_eq!(refused(&mut fresh, &header(1)), unexpected(FrameKind::Header, Expected::Method));
        assert_eq!(refused(&mut fresh, &body), unexpected(FrameKind::Body, Expected::Method));
        let begun = || behind(&[method()]);
        assert_eq!(refused(&mut begun(), &method()), unexpected(FrameKind::Method, Expected::Header(60)));
        assert_eq!(refused(&mut begun(), &body), unexpected(FrameKind::Body, Expected::Header(60)));
        let open = || behind(&[method(), header(2)]);
        assert_eq!(refused(&mut open(), &method()), unexpected(FrameKind::Method, Expected::Body));
        assert_eq!(refused(&mut open(), &header(2)), unexpected(FrameKind::Header, Expected::Body));
    }

    #[test]
    fn a_header_must_fit_its_method_and_a_body_its_header() {
        let mut payload = BytesMut::new();
        ContentHeader::put(&mut payload, 10, 0, Properties::NONE.as_bytes());
        assert_eq!(
            refused(&mut behind(&[method()]), &frame(FrameKind::Header, &payload)),
            (DecodeError::HeaderClass { got: 10, expected: 60 }, ReplyCode::UnexpectedFrame)
        );
        assert_eq!(
            refused(&mut behind(&[method(), header(2)]), &frame(FrameKind::Body, b"abc")),
            (DecodeError::BodyTooLong { got: 3, left: 2 }, ReplyCode::FrameError)
        );
        assert_eq!(
            refused(&mut behind(&[method()]), &header(BODY_BYTES_MAX + 1)),
            (DecodeError::BodyTooLarge { announced: BODY_BYTES_MAX + 1 }, ReplyCode::FrameError)
        );
        let mut on_zero = method();
        on_zero.channel = ChannelId::CONNECTION;
        assert_eq!(refused(&mut Assembly::default(), &on_zero).1, ReplyCode::UnexpectedFrame);
    }

    #[test]
    fn an_announced_body_reserves_nothing_and_small_pieces_stay_small() {
        const PIECES: u64 = 10_000;
        let mut assembly = behind(&[method()]);
        let piece = frame(FrameKind::Body, b"x");
        let header = header(BODY_BYTES_MAX);
        let used = allocation_counter::measure(|| {
            assembly.take(&header).unwrap();
            for _ in 0..PIECES {
                assembly.take(&piece).unwrap();
            }
        });
        // Old and new buffer while it grows, at most twice as long as what is there.
        assert!(used.bytes_max < 3 * PIECES, "{used:?}");
    }

    #[test]
    fn a_heartbeat_disturbs_nothing() {
        let mut assembly = behind(&[method(), header(1)]);
        let beat =
            Frame { kind: FrameKind::Heartbeat, channel: ChannelId::CONNECTION, payload: Bytes::new() };
        assert_eq!(assembly.take(&beat), Ok(Progress::Heartbeat));
        assert_eq!(assembly.take(&frame(FrameKind::Body, b"x")), Ok(done(b"x")));
    }
}
