//! A byte stream cut into frames: an `i32` length, then that many bytes.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::writer::FRAME_PREFIX_BYTES;
use crate::limits::FRAME_BYTES_MAX_DEFAULT;

/// How a stream is cut: the bound on a frame's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    frame_bytes_max: usize,
}

/// Why a stream cannot be cut any further. The sender's fault; the connection must be closed, for the next frame's start is
/// unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length is negative.
    Negative {
        /// The length read.
        length: i32,
    },
    /// The length exceeds the limit.
    TooLarge {
        /// The length read.
        length: i32,
        /// The limit, bytes.
        frame_bytes_max: usize,
    },
}

impl Default for Framing {
    fn default() -> Self {
        Self { frame_bytes_max: FRAME_BYTES_MAX_DEFAULT }
    }
}

impl Framing {
    /// Accepts frames of up to this many bytes after the length.
    #[must_use]
    pub fn with_max(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max }
    }

    /// Takes the next whole frame, without its length, from the front of `buffer`; `None` until all of it is there. The length
    /// is judged as soon as it is readable, so a bad one never makes anyone wait for, or make room for, its bytes.
    ///
    /// # Errors
    /// [`FrameError`]; `buffer` is left as it was.
    pub fn next(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.next_length(buffer)? else { return Ok(None) };
        if buffer.len() - FRAME_PREFIX_BYTES < length {
            return Ok(None);
        }
        buffer.advance(FRAME_PREFIX_BYTES);
        Ok(Some(buffer.split_to(length).freeze()))
    }

    /// The length of the frame at the front of `buffer`, once its four bytes are there. A reader can use it to size its next
    /// read.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn next_length(&self, buffer: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = buffer.first_chunk::<FRAME_PREFIX_BYTES>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        let bytes = usize::try_from(length).map_err(|_| FrameError::Negative { length })?;
        if bytes > self.frame_bytes_max {
            return Err(FrameError::TooLarge { length, frame_bytes_max: self.frame_bytes_max });
        }
        Ok(Some(bytes))
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative { length } => write!(f, "the frame length {length} is negative"),
            Self::TooLarge { length, frame_bytes_max } => {
                write!(f, "the frame length {length} exceeds the limit frame_bytes_max = {frame_bytes_max}")
            }
        }
    }
}

impl std::error::Error for FrameError {}
