//! Writing and reading fields one after the other.

use bytes::{Buf, Bytes};

use super::WireError;

pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Writer {
        Writer(Vec::with_capacity(bytes))
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A count or length; what is written here came from a list or buffer within its named limit.
    pub(super) fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).expect("lists and buffers of a message are below 4 GiB"));
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.0.extend_from_slice(value);
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into()
    }

    /// Appends the checksum of everything so far.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let crc = crc_fast::crc32_iscsi(&self.0);
        self.u32(crc);
        self.0
    }
}

pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Reader {
        Reader(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.0.try_get_u8().map_err(|_| WireError::Short)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.0.try_get_u32_le().map_err(|_| WireError::Short)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.0.try_get_u64_le().map_err(|_| WireError::Short)
    }

    /// A count of things that take at least `bytes_each` bytes; refused above `max` or what the frame can hold.
    pub(super) fn count(
        &mut self,
        max: usize,
        bytes_each: usize,
        field: &'static str,
    ) -> Result<usize, WireError> {
        let count = self.u32()? as usize;
        if count > max {
            return Err(WireError::Field(field));
        }
        if count > self.0.len() / bytes_each {
            return Err(WireError::Short);
        }
        Ok(count)
    }

    /// Length-prefixed bytes, shared with the frame.
    pub(super) fn bytes(&mut self, max: usize, field: &'static str) -> Result<Bytes, WireError> {
        let len = self.count(max, 1, field)?;
        Ok(self.0.split_to(len))
    }

    /// Reserved bytes.
    pub(super) fn zero(&mut self, count: usize, field: &'static str) -> Result<(), WireError> {
        for _ in 0..count {
            if self.u8()? != 0 {
                return Err(WireError::Field(field));
            }
        }
        Ok(())
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Long) }
    }
}
