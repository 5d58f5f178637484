//! Bytes in, frames out: a frame that came in one piece is a slice of it, one that came in several is put together once.

use bytes::{Bytes, BytesMut};

use super::error::DecodeError;
use super::frame::{FRAME_HEAD_BYTES, Frame, FrameHead};
use super::numbers::FrameMax;
use super::protocol_header::{PROTOCOL_HEADER_BYTES, ProtocolMismatch, ProtocolVersion};
use crate::limits::FRAME_GROWTH_BYTES_MIN;

/// What was received and not yet understood.
#[derive(Debug)]
pub struct Intake {
    frame_max: FrameMax,
    /// The beginning of what comes next, when that came in more than one piece.
    begun: BytesMut,
    /// Bytes behind it.
    rest: Bytes,
}

impl Intake {
    /// Nothing yet.
    #[must_use]
    pub fn new(frame_max: FrameMax) -> Self {
        Self { frame_max, begun: BytesMut::new(), rest: Bytes::new() }
    }

    /// Takes what the peer sent.
    pub fn push(&mut self, bytes: Bytes) {
        if self.rest.is_empty() {
            self.rest = bytes;
        } else {
            // Whoever takes no frames before they push again: correct, and slower.
            self.rest = [std::mem::take(&mut self.rest), bytes].concat().into();
        }
    }

    /// Accepts frames of up to this many bytes from now on.
    pub fn limit_frames(&mut self, frame_max: FrameMax) {
        self.frame_max = frame_max;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.begun = BytesMut::new();
        self.rest = Bytes::new();
    }

    /// The protocol header, which is asked for once and first; `None` until all of it is there.
    ///
    /// # Errors
    /// [`ProtocolMismatch`].
    pub fn protocol_header(&mut self) -> Result<Option<ProtocolVersion>, ProtocolMismatch> {
        if self.begun.is_empty() && self.rest.len() >= PROTOCOL_HEADER_BYTES {
            return ProtocolVersion::take(&mut self.rest);
        }
        self.take_up_to(PROTOCOL_HEADER_BYTES);
        if self.begun.len() < PROTOCOL_HEADER_BYTES {
            return Ok(None);
        }
        ProtocolVersion::take(&mut std::mem::take(&mut self.begun).freeze())
    }

    /// The next whole frame; `None` until all of it is there.
    ///
    /// # Errors
    /// Those of [`Frame::take`].
    pub fn frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if self.begun.is_empty() {
            let taken = Frame::take(&mut self.rest, self.frame_max)?;
            if taken.is_some() || self.rest.is_empty() {
                return Ok(taken);
            }
        }
        self.complete_begun()
    }

    fn complete_begun(&mut self) -> Result<Option<Frame>, DecodeError> {
        self.take_up_to(FRAME_HEAD_BYTES);
        let Some(head) = FrameHead::peek(&self.begun, self.frame_max)? else { return Ok(None) };
        self.take_up_to(head.frame_bytes());
        if self.begun.len() < head.frame_bytes() {
            return Ok(None);
        }
        head.frame(std::mem::take(&mut self.begun).freeze()).map(Some)
    }

    /// Moves bytes behind the beginning until it has `whole`, or there are no more.
    fn take_up_to(&mut self, whole: usize) {
        let missing = whole.saturating_sub(self.begun.len());
        let taken = self.rest.split_to(missing.min(self.rest.len()));
        if self.begun.capacity() < self.begun.len() + taken.len() {
            let room = whole
                .min((2 * self.begun.len()).max(FRAME_GROWTH_BYTES_MIN))
                .max(self.begun.len() + taken.len());
            self.begun.reserve(room - self.begun.len());
        }
        self.begun.extend_from_slice(&taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::FrameKind;

    /// A header and frames of several lengths.
    fn stream() -> (Vec<u8>, Vec<Vec<u8>>) {
        let payloads: Vec<Vec<u8>> =
            vec![b"one".to_vec(), Vec::new(), b"a rather longer third".to_vec(), b"4".to_vec(), vec![7; 300]];
        let mut stream = b"AMQP\x00\x00\x09\x01".to_vec();
        for payload in &payloads {
            stream.extend([3, 0, 1]);
            stream.extend((payload.len() as u32).to_be_bytes());
            stream.extend(payload);
            stream.push(0xce);
        }
        (stream, payloads)
    }

    fn drain(intake: &mut Intake) -> Vec<Frame> {
        std::iter::from_fn(|| intake.frame().unwrap()).collect()
    }

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut() {
        let (stream, payloads) = stream();
        for step in 1..stream.len() {
            let mut intake = Intake::new(FrameMax::DEFAULT);
            let mut version = None;
            let mut got = Vec::new();
            for piece in stream.chunks(step) {
                intake.push(Bytes::copy_from_slice(piece));
                if version.is_none() {
                    version = intake.protocol_header().unwrap();
                }
                if version.is_some() {
                    got.extend(drain(&mut intake).into_iter().map(|frame| frame.payload));
                }
            }
            assert_eq!(version, Some(ProtocolVersion::V0_9_1));
            assert_eq!(got, payloads, "in steps of {step}");
        }
    }

    #[test]
    fn a_frame_in_one_piece_is_not_copied() {
        let piece = Bytes::from(stream().0);
        let mut intake = Intake::new(FrameMax::DEFAULT);
        intake.push(piece.clone());
        assert!(intake.protocol_header().unwrap().is_some());
        let frames = drain(&mut intake);
        assert_eq!(frames[0].kind, FrameKind::Body);
        assert_eq!(frames[0].payload.as_ptr(), piece[PROTOCOL_HEADER_BYTES + FRAME_HEAD_BYTES..].as_ptr());
    }

    #[test]
    fn a_length_alone_reserves_no_frame() {
        let mut intake = Intake::new(FrameMax::new(100 << 20).unwrap());
        intake.push(Bytes::from([&[3, 0, 1][..], &(90_u32 << 20).to_be_bytes()].concat()));
        assert!(intake.frame().unwrap().is_none());
        intake.push(Bytes::from_static(b"only this"));
        assert!(intake.frame().unwrap().is_none());
        assert!(intake.begun.capacity() <= 2 * FRAME_GROWTH_BYTES_MIN);
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_before_its_bytes_come_and_the_limit_can_change() {
        let head = Bytes::from([&[3, 0, 1][..], &5_000_u32.to_be_bytes()].concat());
        let small = FrameMax::new(4_096).unwrap();
        for step in 1..head.len() {
            let mut intake = Intake::new(FrameMax::DEFAULT);
            intake.limit_frames(small);
            let pieces = head.chunks(step).map(|piece| {
                intake.push(Bytes::copy_from_slice(piece));
                intake.frame()
            });
            let last = pieces.last().unwrap();
            assert_eq!(last, Err(DecodeError::FrameTooLarge { claimed: 5_000, frame_max: small }));
        }
        let mut intake = Intake::new(FrameMax::DEFAULT);
        intake.push(head);
        assert_eq!(intake.frame(), Ok(None));
    }

    #[test]
    fn what_was_forgotten_does_not_come_back() {
        let mut intake = Intake::new(FrameMax::DEFAULT);
        intake.push(Bytes::from_static(b"\x03\x00\x01\x00\x00"));
        assert_eq!(intake.frame(), Ok(None));
        intake.clear();
        intake.push(Bytes::from_static(b"\x03\x00\x02\x00\x00\x00\x00\xce"));
        assert_eq!(intake.frame().unwrap().unwrap().channel.0, 2);
    }
}
