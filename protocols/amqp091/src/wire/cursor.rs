//! Reading a payload from front to back.

use bytes::Bytes;

use super::error::{Fault, clamp};
use super::table::Table;
use super::text::{LongStr, ShortStr};

/// A reader over one payload. Slices it hands out share the payload's memory and keep it alive.
#[derive(Debug)]
pub struct Cursor<'p> {
    payload: &'p Bytes,
    rest: &'p [u8],
    /// An octet of bits of which some were read, and where the next one stands; 0 when there is none.
    bits: u8,
    bit: u8,
    checks_text: bool,
}

impl<'p> Cursor<'p> {
    /// A cursor at the payload's first byte. Short strings must be UTF-8 where it checks texts.
    #[must_use]
    pub fn new(payload: &'p Bytes, checks_text: bool) -> Self {
        Self { payload, rest: payload, bits: 0, bit: 0, checks_text }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Fault::Ended`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.bit = 0;
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
    /// [`Fault::Ended`].
    #[inline]
    pub fn slice(&mut self, length: usize) -> Result<&'p [u8], Fault> {
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.ended(length)),
        }
    }

    /// The next `length` bytes as a slice that shares the payload's memory.
    ///
    /// # Errors
    /// [`Fault::Ended`].
    #[inline]
    pub fn bytes(&mut self, length: usize) -> Result<Bytes, Fault> {
        self.slice(length).map(|slice| self.payload.slice_ref(slice))
    }

    /// One of up to eight bits that share an octet, the lowest first. Whatever else is read begins a new octet.
    ///
    /// # Errors
    /// [`Fault::Ended`].
    #[inline]
    pub fn bit(&mut self) -> Result<bool, Fault> {
        if self.bit == 0 {
            [self.bits] = self.array()?;
            self.bit = 1;
        }
        let is_set = self.bits & self.bit != 0;
        // Behind the eighth it is 0 again.
        self.bit <<= 1;
        Ok(is_set)
    }

    /// A short string: its length in one octet before it.
    ///
    /// # Errors
    /// [`Fault::Ended`], [`Fault::NotUtf8`].
    #[inline]
    pub fn short_str(&mut self) -> Result<ShortStr, Fault> {
        let [length] = self.array()?;
        let bytes = self.bytes(usize::from(length))?;
        if self.checks_text && std::str::from_utf8(&bytes).is_err() {
            return Err(Fault::NotUtf8);
        }
        Ok(ShortStr::of_octet(bytes))
    }

    /// A long string: its length in four octets before it.
    ///
    /// # Errors
    /// [`Fault::Ended`].
    pub fn long_str(&mut self) -> Result<LongStr, Fault> {
        let length = u32::from_be_bytes(self.array()?);
        self.bytes(length as usize).map(LongStr)
    }

    /// A field table, checked.
    ///
    /// # Errors
    /// [`Fault::Ended`], [`Fault::Table`].
    pub fn table(&mut self) -> Result<Table, Fault> {
        let LongStr(bytes) = self.long_str()?;
        Ok(Table::parse(bytes)?)
    }

    /// Leaves out bytes that are known to be there.
    pub(super) fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }

    /// Insists that everything was read.
    ///
    /// # Errors
    /// [`Fault::Trailing`].
    pub fn finish(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Trailing(clamp(self.rest.len()))) }
    }

    #[cold]
    fn ended(&self, needed: usize) -> Fault {
        Fault::Ended { needed: clamp(needed), left: clamp(self.rest.len()) }
    }
}
