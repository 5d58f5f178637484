//! Reading one frame from front to back.

use bytes::Bytes;

use super::error::{DecodeError, Fault};
use crate::limits::{DECODE_MEMORY_FACTOR, DECODE_MEMORY_FLOOR, DECODE_MEMORY_MAX};

/// A reader over one frame. Slices it hands out share the frame's memory and keep it alive.
#[derive(Debug)]
pub struct Cursor<'f> {
    frame: &'f Bytes,
    rest: &'f [u8],
    /// Bytes that arrays of this frame may still take.
    memory_left: usize,
}

impl<'f> Cursor<'f> {
    /// A cursor at the frame's first byte, with the memory allowance of a frame of this size.
    #[must_use]
    pub fn new(frame: &'f Bytes) -> Self {
        let memory_left =
            frame.len().saturating_mul(DECODE_MEMORY_FACTOR).clamp(DECODE_MEMORY_FLOOR, DECODE_MEMORY_MAX);
        Self { frame, rest: frame, memory_left }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Fault::Ended`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.ended(N)),
        }
    }

    /// The next `length` bytes, borrowed.
    ///
    /// # Errors
    /// [`Fault::CountTooLarge`].
    #[inline]
    pub fn slice(&mut self, length: usize) -> Result<&'f [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.too_large(length)),
        }
    }

    /// The next `length` bytes as a slice that shares the frame's memory.
    ///
    /// # Errors
    /// [`Fault::CountTooLarge`].
    #[inline]
    pub fn bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let slice = self.slice(length)?;
        Ok(self.frame.slice_ref(slice))
    }

    /// An unsigned variable-length integer: seven bits a byte, lowest first, at most five bytes.
    ///
    /// # Errors
    /// [`Fault::Ended`], [`Fault::VarintTooLong`].
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let [first] = self.array()?;
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        let long = self.uvarlong_tail(first, 5)?;
        u32::try_from(long).map_err(|_| Fault::VarintTooLong.into())
    }

    /// An unsigned variable-length integer of at most ten bytes.
    ///
    /// # Errors
    /// [`Fault::Ended`], [`Fault::VarintTooLong`].
    pub fn uvarlong(&mut self) -> Result<u64, DecodeError> {
        let [first] = self.array()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.uvarlong_tail(first, 10) }
    }

    /// A signed variable-length integer, zigzag coded.
    ///
    /// # Errors
    /// As [`Self::uvarint`].
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        let n = self.uvarint()?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    /// A signed variable-length integer of 64 bits, zigzag coded.
    ///
    /// # Errors
    /// As [`Self::uvarlong`].
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        let n = self.uvarlong()?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    /// Checks a claimed element count against the bytes left and takes the array's memory from the frame's allowance.
    ///
    /// # Errors
    /// [`Fault::CountTooLarge`], [`Fault::MemoryExceeded`].
    pub fn claim(
        &mut self,
        count: usize,
        wire_bytes_min: usize,
        heap_bytes: usize,
    ) -> Result<(), DecodeError> {
        if count > self.rest.len() / wire_bytes_min.max(1) {
            return Err(self.too_large(count));
        }
        let heap = count.saturating_mul(heap_bytes);
        self.memory_left = self.memory_left.checked_sub(heap).ok_or(Fault::MemoryExceeded)?;
        Ok(())
    }

    /// Lets `read` see the next `length` bytes only, and insists that it reads them all.
    ///
    /// # Errors
    /// [`Fault::CountTooLarge`], [`Fault::Trailing`], and those of `read`.
    pub fn within<T>(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let inner = self.slice(length)?;
        let outer = std::mem::replace(&mut self.rest, inner);
        let value = read(self)?;
        self.finish()?;
        self.rest = outer;
        Ok(value)
    }

    /// Insists that everything was read.
    ///
    /// # Errors
    /// [`Fault::Trailing`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Trailing(clamp(self.rest.len())).into()) }
    }

    /// Reads a section of tagged fields: `known` decodes the tags it knows and answers true, the others are skipped.
    ///
    /// # Errors
    /// [`Fault::CountTooLarge`], [`Fault::TagOutOfOrder`], and those of `known`.
    #[inline]
    pub fn tagged(
        &mut self,
        known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        match self.uvarint()? {
            0 => Ok(()),
            count => self.tagged_fields(count, known),
        }
    }

    fn tagged_fields(
        &mut self,
        count: u32,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        self.claim(count as usize, TAGGED_FIELD_BYTES_MIN, 0)?;
        let mut tag_min = 0;
        for _ in 0..count {
            let tag = self.uvarint()?;
            if tag < tag_min {
                return Err(Fault::TagOutOfOrder(tag).into());
            }
            tag_min = tag.saturating_add(1);
            let length = self.uvarint()? as usize;
            self.within(length, |inner| {
                if !known(inner, tag)? {
                    inner.rest = &[];
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The bytes after `first`, which had its continuation bit set, of an integer of at most `bytes_max` bytes.
    fn uvarlong_tail(&mut self, first: u8, bytes_max: u32) -> Result<u64, DecodeError> {
        let mut value = u64::from(first & 0x7f);
        for index in 1..bytes_max {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * index);
            if shifted >> (7 * index) != bits {
                return Err(Fault::VarintTooLong.into());
            }
            value |= shifted;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::VarintTooLong.into())
    }

    #[cold]
    fn ended(&self, needed: usize) -> DecodeError {
        Fault::Ended { needed: clamp(needed), left: clamp(self.rest.len()) }.into()
    }

    #[cold]
    fn too_large(&self, claimed: usize) -> DecodeError {
        Fault::CountTooLarge { claimed: clamp(claimed), left: clamp(self.rest.len()) }.into()
    }
}

/// A tag and an empty value's length.
const TAGGED_FIELD_BYTES_MIN: usize = 2;

/// Sizes in errors are for people; they saturate.
fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
