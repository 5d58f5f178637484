//! Writing one payload behind others.

use bytes::{BufMut, BytesMut};

use super::text::ShortStr;

/// A writer that appends to a buffer.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut BytesMut,
    /// The bit that comes next in the last octet; 0 when that octet is no octet of bits, or full.
    bit: u8,
}

impl<'o> Writer<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut BytesMut) -> Self {
        Self { out, bit: 0 }
    }

    /// These bytes as they are.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.bit = 0;
        self.out.put_slice(bytes);
    }

    /// One of up to eight bits that share an octet, the lowest first.
    #[inline]
    pub fn bit(&mut self, is_set: bool) {
        if self.bit == 0 {
            self.out.put_u8(0);
            self.bit = 1;
        }
        if is_set && let Some(octet) = self.out.last_mut() {
            *octet |= self.bit;
        }
        // Behind the eighth it is 0 again.
        self.bit <<= 1;
    }

    /// A short string.
    #[inline]
    pub fn short_str(&mut self, text: &ShortStr) {
        let bytes = text.as_bytes();
        // A short string has at most 255.
        self.put(&[bytes.len() as u8]);
        self.put(bytes);
    }

    /// A long string, or a table. One above 4 GiB gets a length that lies, but no frame is as large: it is never sent.
    #[inline]
    pub fn long_str(&mut self, bytes: &[u8]) {
        self.put(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.put(bytes);
    }
}
