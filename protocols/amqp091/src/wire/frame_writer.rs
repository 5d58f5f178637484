//! Writing frames, one behind the other: methods, messages, heartbeats.

use bytes::{BufMut, BytesMut};

use super::content::{CONTENT_HEADER_BYTES, ContentHeader};
use super::error::EncodeError;
use super::frame::{FRAME_END, FRAME_HEAD_BYTES, FrameKind};
use super::method::{BasicDeliver, WireMethod};
use super::numbers::{ChannelId, DeliveryTag, FRAME_OVERHEAD, FrameMax};
use super::text::ShortStr;
use super::writer::Writer;

/// A writer of frames that appends to a buffer. What does not fit leaves the buffer as it was.
#[derive(Debug)]
pub struct FrameWriter<'o> {
    out: &'o mut BytesMut,
    frame_max: FrameMax,
}

/// A message to be written: raw properties, and the body in one piece.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingContent<'c> {
    /// As they stand in a content header, untouched.
    pub properties: &'c [u8],
    /// The body.
    pub body: &'c [u8],
}

/// What all deliveries to one consumer begin with, prepared once.
#[derive(Debug, Clone)]
pub struct DeliveryPrefix {
    /// A frame's head without its length, the method's numbers, the consumer's tag.
    bytes: Box<[u8]>,
}

/// What differs between two deliveries to the same consumer.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'d> {
    /// Names it in its channel.
    pub delivery_tag: DeliveryTag,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// The exchange that the message was published to.
    pub exchange: &'d ShortStr,
    /// The key that it was published by.
    pub routing_key: &'d ShortStr,
}

/// Where a frame began whose length is not known yet.
#[must_use]
struct Begun {
    at: usize,
}

impl<'o> FrameWriter<'o> {
    /// Appends frames of up to `frame_max` to `out`.
    pub fn new(out: &'o mut BytesMut, frame_max: FrameMax) -> Self {
        Self { out, frame_max }
    }

    /// A method alone.
    ///
    /// # Errors
    /// [`EncodeError::FrameTooLarge`].
    pub fn method(&mut self, channel: ChannelId, method: &impl WireMethod) -> Result<(), EncodeError> {
        let begun = self.begin(FrameKind::Method, channel);
        let id = method.info().id;
        let mut writer = Writer::new(self.out);
        writer.put(&id.class.to_be_bytes());
        writer.put(&id.method.to_be_bytes());
        method.write_arguments(&mut writer);
        self.end(begun)
    }

    /// A method with its message: `basic.publish`, `deliver`, `get-ok` or `return`.
    ///
    /// # Errors
    /// [`EncodeError::FrameTooLarge`], where the method or the properties do not fit into a frame.
    pub fn message(
        &mut self,
        channel: ChannelId,
        method: &impl WireMethod,
        content: OutgoingContent<'_>,
    ) -> Result<(), EncodeError> {
        debug_assert!(method.info().carries_content, "{} has no content", method.info().name);
        let start = self.out.len();
        self.out.reserve(self.content_bytes(content) + FRAME_GUESS);
        let written = self.method(channel, method);
        written.and_then(|()| self.content(channel, method.info().id.class, content)).inspect_err(|_| {
            self.out.truncate(start);
        })
    }

    /// A message for a consumer. The channel is the prefix's.
    ///
    /// # Errors
    /// As [`Self::message`].
    pub fn delivery(
        &mut self,
        prefix: &DeliveryPrefix,
        delivery: Delivery<'_>,
        content: OutgoingContent<'_>,
    ) -> Result<(), EncodeError> {
        let start = self.out.len();
        self.out.reserve(self.content_bytes(content) + prefix.bytes.len() + FRAME_GUESS);
        self.out.put_slice(&prefix.bytes);
        let mut writer = Writer::new(self.out);
        writer.put(&delivery.delivery_tag.0.to_be_bytes());
        writer.bit(delivery.redelivered);
        writer.short_str(delivery.exchange);
        writer.short_str(delivery.routing_key);
        let written = self.end(Begun { at: start });
        let class = BasicDeliver::INFO.id.class;
        written.and_then(|()| self.content(prefix.channel(), class, content)).inspect_err(|_| {
            self.out.truncate(start);
        })
    }

    /// A sign of life.
    pub fn heartbeat(&mut self) {
        let begun = self.begin(FrameKind::Heartbeat, ChannelId::CONNECTION);
        let written = self.end(begun);
        debug_assert!(written.is_ok(), "nothing fits into every frame");
    }

    /// A content header and the body's frames; an empty body has none.
    fn content(
        &mut self,
        channel: ChannelId,
        class: u16,
        content: OutgoingContent<'_>,
    ) -> Result<(), EncodeError> {
        let begun = self.begin(FrameKind::Header, channel);
        ContentHeader::put(self.out, class, content.body.len() as u64, content.properties);
        self.end(begun)?;
        for piece in content.body.chunks(self.frame_max.payload()) {
            let begun = self.begin(FrameKind::Body, channel);
            self.out.put_slice(piece);
            self.end(begun)?;
        }
        Ok(())
    }

    /// Bytes of a content header and of the body's frames.
    fn content_bytes(&self, content: OutgoingContent<'_>) -> usize {
        let frames = 1 + content.body.len().div_ceil(self.frame_max.payload());
        frames * FRAME_OVERHEAD + CONTENT_HEADER_BYTES + content.properties.len() + content.body.len()
    }

    fn begin(&mut self, kind: FrameKind, channel: ChannelId) -> Begun {
        let at = self.out.len();
        self.out.put_slice(&head(kind, channel));
        Begun { at }
    }

    /// Puts the length into the head, and the end behind the payload. One that is too long is taken back.
    fn end(&mut self, Begun { at }: Begun) -> Result<(), EncodeError> {
        let payload = self.out.len() - at - FRAME_HEAD_BYTES;
        if payload > self.frame_max.payload() {
            self.out.truncate(at);
            return Err(EncodeError::FrameTooLarge { payload, frame_max: self.frame_max });
        }
        // It fits: the longest frame's length is a u32 too.
        let length = (payload as u32).to_be_bytes();
        self.out[at + LENGTH_AT..at + FRAME_HEAD_BYTES].copy_from_slice(&length);
        self.out.put_u8(FRAME_END);
        Ok(())
    }
}

/// Where the length stands in a frame's head.
const LENGTH_AT: usize = 3;
/// Room for a method whose length is not known before it is written; most are shorter.
const FRAME_GUESS: usize = 128;

/// A frame's head, with a length of 0.
fn head(kind: FrameKind, channel: ChannelId) -> [u8; FRAME_HEAD_BYTES] {
    let [c0, c1] = channel.0.to_be_bytes();
    [kind.octet(), c0, c1, 0, 0, 0, 0]
}

impl DeliveryPrefix {
    /// Prepares deliveries on `channel` to the consumer with this tag.
    #[must_use]
    pub fn new(channel: ChannelId, consumer_tag: &ShortStr) -> Self {
        let mut out = BytesMut::new();
        out.put_slice(&head(FrameKind::Method, channel));
        let id = BasicDeliver::INFO.id;
        let mut writer = Writer::new(&mut out);
        writer.put(&id.class.to_be_bytes());
        writer.put(&id.method.to_be_bytes());
        writer.short_str(consumer_tag);
        Self { bytes: out[..].into() }
    }

    fn channel(&self) -> ChannelId {
        ChannelId(u16::from_be_bytes([self.bytes[1], self.bytes[2]]))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::method::{
        BasicAck, BasicGetOk, BasicReturn, ConnectionClose, ConnectionStartOk, ExchangeDeclare,
    };
    use crate::wire::properties::PropertyList;
    use crate::wire::table::{TableBuilder, Value};
    use crate::wire::{Assembly, Command, Content, Frame, Method, Progress, Properties, ReplyCode};

    const CHANNEL: ChannelId = ChannelId(3);
    /// The flags of no properties.
    const NONE: [u8; 2] = [0; 2];

    fn small() -> FrameMax {
        FrameMax::new(4_096).unwrap()
    }

    fn frames(out: BytesMut, frame_max: FrameMax) -> Vec<Frame> {
        let mut stream = out.freeze();
        let frames = std::iter::from_fn(|| Frame::take(&mut stream, frame_max).unwrap()).collect();
        assert!(stream.is_empty(), "nothing is left over");
        frames
    }

    fn command(frames: &[Frame]) -> Command {
        let mut assembly = Assembly::default();
        let last = frames.iter().map(|frame| assembly.take(frame).unwrap()).last();
        match last {
            Some(Progress::Done(command)) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_ack_is_these_bytes() {
        let mut out = BytesMut::new();
        let ack = BasicAck { delivery_tag: DeliveryTag(258), multiple: true };
        FrameWriter::new(&mut out, small()).method(CHANNEL, &ack).unwrap();
        assert_eq!(
            &out[..],
            b"\x01\x00\x03\x00\x00\x00\x0d\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x01\x02\x01\xce"
        );
    }

    #[test]
    fn a_heartbeat_is_these_bytes() {
        let mut out = BytesMut::new();
        FrameWriter::new(&mut out, small()).heartbeat();
        assert_eq!(&out[..], b"\x08\x00\x00\x00\x00\x00\x00\xce");
    }

    #[test]
    fn bits_share_octets_and_tables_follow() {
        let mut out = BytesMut::new();
        let declare = ExchangeDeclare {
            exchange: ShortStr::from_static("e"),
            kind: ShortStr::from_static("fanout"),
            durable: true,
            no_wait: true,
            arguments: TableBuilder::new().put("a", Value::Void).finish().unwrap(),
            ..Default::default()
        };
        FrameWriter::new(&mut out, small()).method(CHANNEL, &declare).unwrap();
        assert_eq!(&out[7..], b"\x00\x28\x00\x0a\x00\x00\x01e\x06fanout\x12\x00\x00\x00\x03\x01aV\xce");
    }

    #[test]
    fn a_body_is_split_where_frames_end_and_an_empty_one_has_no_frame() {
        let payload = small().payload();
        for (size, bodies) in [(0, 0), (1, 1), (payload, 1), (payload + 1, 2), (10 * payload, 10)] {
            let body: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let mut out = BytesMut::new();
            let got = BasicGetOk { message_count: 4, ..Default::default() };
            let content = OutgoingContent { properties: &NONE, body: &body };
            FrameWriter::new(&mut out, small()).message(CHANNEL, &got, content).unwrap();
            let frames = frames(out, small());
            assert_eq!(frames.len(), 2 + bodies, "{size} bytes");
            assert!(frames.iter().all(|frame| frame.channel == CHANNEL && frame.payload.len() <= payload));
            let content = Content { properties: Properties::NONE, body: Bytes::from(body) };
            assert_eq!(command(&frames), Command::WithContent(got.into(), content));
        }
    }

    #[test]
    fn a_delivery_by_its_prefix_is_the_same_as_one_without() {
        let tag = ShortStr::from_static("amq.ctag-1");
        let method = BasicDeliver {
            consumer_tag: tag.clone(),
            delivery_tag: DeliveryTag(u64::MAX),
            redelivered: true,
            exchange: ShortStr::from_static("orders"),
            routing_key: ShortStr::EMPTY,
        };
        let properties = PropertyList { delivery_mode: Some(2), ..Default::default() }.encode();
        let content = OutgoingContent { properties: properties.as_bytes(), body: &[7; 9_000] };
        let (mut plain, mut prepared) = (BytesMut::new(), BytesMut::new());
        FrameWriter::new(&mut plain, small()).message(CHANNEL, &method, content).unwrap();
        let prefix = DeliveryPrefix::new(CHANNEL, &tag);
        let delivery = Delivery {
            delivery_tag: method.delivery_tag,
            redelivered: true,
            exchange: &method.exchange,
            routing_key: &method.routing_key,
        };
        FrameWriter::new(&mut prepared, small()).delivery(&prefix, delivery, content).unwrap();
        assert_eq!(plain, prepared);
    }

    #[test]
    fn what_does_not_fit_leaves_nothing_behind() {
        let mut out = BytesMut::from(&b"before"[..]);
        let wide = TableBuilder::new().put("x", Value::Bytes(&[0; 5_000])).finish().unwrap();
        let start = ConnectionStartOk { client_properties: wide.clone(), ..Default::default() };
        let mut writer = FrameWriter::new(&mut out, small());
        let why = writer.method(ChannelId::CONNECTION, &start).unwrap_err();
        assert!(matches!(why, EncodeError::FrameTooLarge { payload: 5_000.., .. }), "{why}");
        let properties = PropertyList { headers: Some(wide), ..Default::default() }.encode();
        let content = OutgoingContent { properties: properties.as_bytes(), body: b"body" };
        writer.message(CHANNEL, &BasicReturn::default(), content).unwrap_err();
        let (tag, empty) = (ShortStr::from_static("t"), ShortStr::EMPTY);
        let delivery = Delivery {
            delivery_tag: DeliveryTag(1),
            redelivered: false,
            exchange: &empty,
            routing_key: &empty,
        };
        writer.delivery(&DeliveryPrefix::new(CHANNEL, &tag), delivery, content).unwrap_err();
        assert_eq!(&out[..], b"before");
    }

    #[test]
    fn a_frame_as_long_as_agreed_fits() {
        let mut out = BytesMut::new();
        let empty = ConnectionStartOk::default();
        FrameWriter::new(&mut out, small()).method(CHANNEL, &empty).unwrap();
        let room = small().bytes() as usize - out.len();
        let filled = |bytes: usize| ConnectionStartOk {
            response: crate::wire::Secret(Bytes::from(vec![0; bytes])),
            ..Default::default()
        };
        out.clear();
        FrameWriter::new(&mut out, small()).method(CHANNEL, &filled(room)).unwrap();
        assert_eq!(out.len(), 4_096);
        FrameWriter::new(&mut out, small()).method(CHANNEL, &filled(room + 1)).unwrap_err();
    }

    #[test]
    fn a_close_says_why() {
        let mut out = BytesMut::new();
        let close = ConnectionClose {
            reply_code: ReplyCode::SyntaxError,
            reply_text: ShortStr::shortened("SYNTAX_ERROR - it is broken"),
            class_id: 60,
            method_id: 40,
        };
        FrameWriter::new(&mut out, small()).method(ChannelId::CONNECTION, &close).unwrap();
        assert_eq!(&out[11..13], &502_u16.to_be_bytes());
        let frames = frames(out, small());
        assert_eq!(Method::decode(&frames[0].payload), Ok(close.into()));
    }
}
