//! Batches on their way out: base offset and leader epoch are written into a copy of the header (both lie outside its
//! checksum), the rest of a batch is passed on as it lies in memory.

use bytes::{Bytes, BytesMut};
use forebay_model::{LeaderEpoch, Offset};
use forebay_record::batch::{HEADER_BYTES, stamp};

/// Up to this size a batch is copied whole into the buffer before it: one piece costs less than two.
pub(crate) const COPY_BYTES_MAX: usize = 4096;

/// Stamped batches as pieces of one byte string.
pub(crate) struct Pieces {
    done: Vec<Bytes>,
    /// Copied bytes that are not a piece yet.
    copied: BytesMut,
    /// The pieces of the batch that is not stamped yet.
    raw: Vec<Bytes>,
    len: usize,
}

impl Pieces {
    pub(crate) fn new() -> Pieces {
        Pieces { done: Vec::new(), copied: BytesMut::new(), raw: Vec::new(), len: 0 }
    }

    /// Bytes of all stamped batches.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a piece of the next batch.
    pub(crate) fn push_raw(&mut self, piece: Bytes) {
        self.raw.push(piece);
    }

    /// Ends the batch, which has `bytes` bytes, and stamps it.
    pub(crate) fn stamp_last(
        &mut self,
        bytes: usize,
        base: Offset,
        epoch: LeaderEpoch,
    ) -> Result<(), String> {
        let raw = std::mem::take(&mut self.raw);
        let have: usize = raw.iter().map(Bytes::len).sum();
        if have != bytes || raw.first().is_none_or(|first| first.len() < HEADER_BYTES) {
            return Err(format!("a batch has {have} bytes where the index says {bytes}"));
        }
        self.len += bytes;
        if bytes <= COPY_BYTES_MAX {
            let at = self.copied.len();
            raw.iter().for_each(|piece| self.copied.extend_from_slice(piece));
            return stamp(&mut self.copied[at..], base, epoch).map_err(|error| error.to_string());
        }
        let mut header = BytesMut::from(&raw[0][..HEADER_BYTES]);
        stamp(&mut header, base, epoch).map_err(|error| error.to_string())?;
        self.copied.extend_from_slice(&header);
        self.flush_copied();
        self.done.push(raw[0].slice(HEADER_BYTES..));
        self.done.extend_from_slice(&raw[1..]);
        Ok(())
    }

    fn flush_copied(&mut self) {
        if !self.copied.is_empty() {
            self.done.push(self.copied.split().freeze());
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.flush_copied();
        self.done
    }
}
