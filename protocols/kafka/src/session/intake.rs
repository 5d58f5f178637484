//! Bytes in, frames out: a frame that came in one piece is a slice of it, one that came in several is put together once.

use bytes::{Buf, Bytes, BytesMut};

use crate::limits::FRAME_GROWTH_BYTES_MIN;
use crate::wire::frame::{FrameError, Framing};

/// Bytes of the length before each frame.
const PREFIX_BYTES: usize = 4;

/// What was received and not yet understood.
pub(super) struct Intake {
    framing: Framing,
    /// The beginning of the next frame, when it came in more than one piece.
    begun: BytesMut,
    /// Bytes behind it.
    rest: Bytes,
    /// A frame that came and is not taken yet: the next one.
    put_back: Option<Bytes>,
}

impl Intake {
    pub(super) fn new(frame_bytes_max: usize) -> Intake {
        Intake {
            framing: Framing::with_max(frame_bytes_max),
            begun: BytesMut::new(),
            rest: Bytes::new(),
            put_back: None,
        }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.rest.is_empty() {
            self.rest = bytes;
        } else {
            // A driver that does not ask `wants_bytes`: correct, and slower.
            self.rest = [std::mem::take(&mut self.rest), bytes].concat().into();
        }
    }

    /// Accepts frames of up to this many bytes from now on.
    pub(super) fn limit_frames(&mut self, frame_bytes_max: usize) {
        self.framing = Framing::with_max(frame_bytes_max);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.begun = BytesMut::new();
        self.rest = Bytes::new();
        self.put_back = None;
    }

    /// Keeps a frame that cannot be taken yet.
    pub(super) fn put_back(&mut self, frame: Bytes) {
        self.put_back = Some(frame);
    }

    /// Whether a whole frame waits to be taken.
    pub(super) fn is_held_up(&self) -> bool {
        self.put_back.is_some()
    }

    /// The next whole frame without its length; `None` until all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(frame) = self.put_back.take() {
            return Ok(Some(frame));
        }
        if self.begun.is_empty() {
            match self.framing.next_length(&self.rest)? {
                Some(length) if self.rest.len() >= PREFIX_BYTES + length => {
                    self.rest.advance(PREFIX_BYTES);
                    return Ok(Some(self.rest.split_to(length)));
                }
                _ if self.rest.is_empty() => return Ok(None),
                _ => {}
            }
        }
        self.complete_begun()
    }

    fn complete_begun(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.known_length()? else { return Ok(None) };
        let whole = PREFIX_BYTES + length;
        self.take_up_to(whole);
        if self.begun.len() < whole {
            return Ok(None);
        }
        let mut frame = std::mem::take(&mut self.begun).freeze();
        frame.advance(PREFIX_BYTES);
        Ok(Some(frame))
    }

    fn known_length(&mut self) -> Result<Option<usize>, FrameError> {
        self.take_up_to(PREFIX_BYTES);
        self.framing.next_length(&self.begun)
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

    fn stream(frames: &[&[u8]]) -> Vec<u8> {
        frames.iter().flat_map(|frame| [&(frame.len() as i32).to_be_bytes(), *frame].concat()).collect()
    }

    fn drain(intake: &mut Intake) -> Vec<Bytes> {
        std::iter::from_fn(|| intake.next().unwrap()).collect()
    }

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut() {
        let frames: [&[u8]; 5] = [b"one", b"", b"a rather longer third", b"4", &[7; 300]];
        let stream = stream(&frames);
        for step in 1..stream.len() {
            let mut intake = Intake::new(1000);
            let mut got = Vec::new();
            for piece in stream.chunks(step) {
                intake.push(Bytes::copy_from_slice(piece));
                got.extend(drain(&mut intake));
            }
            assert_eq!(got, frames, "in steps of {step}");
        }
    }

    #[test]
    fn a_frame_in_one_piece_is_not_copied() {
        let piece = Bytes::from(stream(&[b"first", b"second"]));
        let mut intake = Intake::new(1000);
        intake.push(piece.clone());
        let frames = drain(&mut intake);
        assert_eq!(frames[1].as_ptr(), piece[PREFIX_BYTES + 5 + PREFIX_BYTES..].as_ptr());
    }

    #[test]
    fn a_length_alone_reserves_no_frame() {
        let mut intake = Intake::new(100 << 20);
        intake.push(Bytes::from((100_i32 << 20).to_be_bytes().to_vec()));
        assert!(intake.next().unwrap().is_none());
        intake.push(Bytes::from_static(b"only this"));
        assert!(intake.next().unwrap().is_none());
        assert!(intake.begun.capacity() <= 2 * FRAME_GROWTH_BYTES_MIN);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_its_bytes_come() {
        let mut intake = Intake::new(10);
        intake.push(Bytes::from(11_i32.to_be_bytes().to_vec()));
        assert_eq!(intake.next(), Err(FrameError::TooLarge { length: 11, frame_bytes_max: 10 }));
    }
}
