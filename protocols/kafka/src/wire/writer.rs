//! Writing a frame whose record data is referenced, not copied.

use bytes::{BufMut, Bytes};

use super::error::EncodeError;
use crate::limits::ROPE_COPY_BYTES_MAX;

/// A frame under construction: our own bytes in one buffer, and where in it foreign chunks belong.
#[derive(Debug, Default)]
pub struct Writer {
    own: Vec<u8>,
    /// (position in `own` before which the chunk goes, the chunk); positions never fall.
    chunks: Vec<(usize, Bytes)>,
    chunk_bytes: usize,
    /// Unknown tagged fields put into every tag section, to see that readers skip them.
    #[cfg(test)]
    pub(crate) extra_tag: Option<(u32, Bytes)>,
}

/// Bytes in order, in as few pieces as copying would not pay for. Write it with a vectored write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rope {
    chunks: Vec<Bytes>,
}

/// Bytes that a short message's buffer starts with, so that most replies allocate once.
const OWN_BYTES_START: usize = 256;

impl Writer {
    /// An empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self { own: Vec::with_capacity(OWN_BYTES_START), ..Self::default() }
    }

    /// Bytes written so far, chunks included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.own.len() + self.chunk_bytes
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies a few bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.own.put_slice(bytes);
    }

    /// Adds a chunk: referenced if it is long, copied if that is cheaper.
    pub fn put_chunk(&mut self, chunk: &Bytes) {
        if chunk.len() <= ROPE_COPY_BYTES_MAX {
            self.own.put_slice(chunk);
        } else {
            self.chunk_bytes += chunk.len();
            self.chunks.push((self.own.len(), chunk.clone()));
        }
    }

    /// An unsigned variable-length integer.
    #[inline]
    pub fn uvarint(&mut self, n: u32) {
        self.uvarlong(u64::from(n));
    }

    /// An unsigned variable-length integer of 64 bits.
    #[inline]
    pub fn uvarlong(&mut self, mut n: u64) {
        while n >= 0x80 {
            // The low seven bits, and the sign that more follow.
            self.own.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.own.push(n as u8);
    }

    /// A signed variable-length integer, zigzag coded.
    pub fn varint(&mut self, n: i32) {
        self.uvarint(((n << 1) ^ (n >> 31)).cast_unsigned());
    }

    /// A signed variable-length integer of 64 bits, zigzag coded.
    pub fn varlong(&mut self, n: i64) {
        self.uvarlong(((n << 1) ^ (n >> 63)).cast_unsigned());
    }

    /// One tagged field: its tag, its size, its value.
    ///
    /// # Errors
    /// Those of `value`.
    pub fn tagged(
        &mut self,
        tag: u32,
        value: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.uvarint(tag);
        let start = self.own.len();
        let chunks_before = self.chunks.len();
        value(self)?;
        assert_eq!(self.chunks.len(), chunks_before, "record data never sits in a tagged field");
        // The size goes before the value and its own length depends on it: append it, then rotate it to the front.
        let size = self.own.len() - start;
        self.uvarint(length_u32(size)?);
        let prefix = self.own.len() - start - size;
        self.own[start..].rotate_right(prefix);
        Ok(())
    }

    /// Opens a tag section of `count` fields.
    pub(crate) fn tag_count(&mut self, count: u32) {
        #[cfg(test)]
        let count = count + u32::from(self.extra_tag.is_some());
        self.uvarint(count);
    }

    /// Closes a tag section.
    pub(crate) fn tag_end(&mut self) {
        #[cfg(test)]
        if let Some((tag, value)) = self.extra_tag.clone() {
            self.tagged(tag, |w| {
                w.put(&value);
                Ok(())
            })
            .expect("test tags are short");
        }
    }

    /// The bytes, in order.
    #[must_use]
    pub fn finish(self) -> Rope {
        if self.chunks.is_empty() {
            return Rope { chunks: vec![Bytes::from(self.own)] };
        }
        let own = Bytes::from(self.own);
        let mut chunks = Vec::with_capacity(2 * self.chunks.len() + 1);
        let mut from = 0;
        for (position, chunk) in self.chunks {
            if position > from {
                chunks.push(own.slice(from..position));
            }
            chunks.push(chunk);
            from = position;
        }
        if own.len() > from {
            chunks.push(own.slice(from..));
        }
        Rope { chunks }
    }

    /// The bytes, in order, with their total length as an `i32` before them: one frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the length does not fit.
    pub(crate) fn finish_frame(mut self) -> Result<Rope, EncodeError> {
        let length = self.len() - FRAME_PREFIX_BYTES;
        let prefix = i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        self.own[..FRAME_PREFIX_BYTES].copy_from_slice(&prefix.to_be_bytes());
        Ok(self.finish())
    }

    /// An empty frame with room for its length.
    pub(crate) fn for_frame() -> Self {
        let mut writer = Self::new();
        writer.put(&[0; FRAME_PREFIX_BYTES]);
        writer
    }
}

/// The length before each frame: one `i32`.
pub(crate) const FRAME_PREFIX_BYTES: usize = 4;

/// A length as the wire's widest length type.
pub(crate) fn length_u32(length: usize) -> Result<u32, EncodeError> {
    u32::try_from(length).map_err(|_| EncodeError::TooLong { length })
}

impl Rope {
    /// The pieces, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The pieces, in order, owned.
    #[must_use]
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.chunks
    }

    /// Total bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes in one piece. Copies unless there is only one.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.chunks.len() == 1
            && let Some(only) = self.chunks.pop()
        {
            return only;
        }
        self.chunks.concat().into()
    }
}
