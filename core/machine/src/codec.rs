//! The primitives of every stored byte of the machine: see docs/formats/commands.md.

use std::fmt;

use bytes::{BufMut, Bytes};
use forebay_model::TopicId;
use smallvec::SmallVec;

/// Why bytes are no commands or no checkpoint of this machine. Both are written by brokers and guarded by checksums,
/// so any of these means a binary that is too old or a defect: the shard has to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end within this.
    Truncated(&'static str),
    /// This has a value that it cannot have.
    Invalid(&'static str),
    /// Bytes are left behind this.
    Trailing(&'static str),
    /// Written in a format that this binary does not know.
    UnknownFormat {
        /// Of what.
        what: &'static str,
        /// The version found.
        version: u64,
    },
    /// A command that this binary does not know.
    UnknownCommand(u64),
    /// A checkpoint lacks this section or has it twice.
    Section(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated(what) => write!(f, "the bytes end within {what}"),
            DecodeError::Invalid(what) => write!(f, "{what} has a value that it cannot have"),
            DecodeError::Trailing(what) => write!(f, "bytes are left behind {what}"),
            DecodeError::UnknownFormat { what, version } => {
                write!(f, "{what} is in format {version}, which this binary does not know")
            }
            DecodeError::UnknownCommand(number) => {
                write!(f, "command {number} is not known to this binary")
            }
            DecodeError::Section(what) => write!(f, "the section {what} is missing or there twice"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Collects encoded bytes.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Writer {
        Writer { out: Vec::with_capacity(bytes) }
    }

    pub(crate) fn finish(self) -> Bytes {
        self.out.into()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.out
    }

    pub(crate) fn capacity(&self) -> usize {
        self.out.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.out.clear();
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(crate) fn uint(&mut self, value: impl Into<u64>) {
        let mut rest: u64 = value.into();
        while rest >= 0x80 {
            self.out.put_u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.put_u8(rest as u8);
    }

    pub(crate) fn len(&mut self, value: usize) {
        self.uint(value as u64);
    }

    pub(crate) fn int(&mut self, value: i64) {
        self.uint((value.wrapping_shl(1) ^ (value >> 63)) as u64);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.len(value.len());
        self.out.put_slice(value);
    }

    /// Bytes without their length.
    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.out.put_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn topic_id(&mut self, value: TopicId) {
        self.out.put_slice(&value.0);
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Writer, T),
    ) {
        self.len(items.len());
        for item in items {
            write(self, item);
        }
    }
}

/// Takes encoded bytes apart; never reads or allocates past their end.
pub struct Reader<'a> {
    rest: &'a [u8],
}

type Read<T> = Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn end(&self, what: &'static str) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(what)) }
    }

    /// Whether anything is left.
    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    fn take(&mut self, bytes: usize, what: &'static str) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Read<u8> {
        Ok(self.take(1, what)?[0])
    }

    pub(crate) fn uint(&mut self, what: &'static str) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Invalid(what));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid(what))
    }

    /// An unsigned number of a narrower type.
    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self, what: &'static str) -> Read<T> {
        T::try_from(self.uint(what)?).map_err(|_| DecodeError::Invalid(what))
    }

    pub(crate) fn int(&mut self, what: &'static str) -> Read<i64> {
        let zigzag = self.uint(what)?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// A slice with its length before it.
    pub(crate) fn slice(&mut self, what: &'static str) -> Read<&'a [u8]> {
        let length = self.narrow::<usize>(what)?;
        if length > self.rest.len() {
            return Err(DecodeError::Truncated(what));
        }
        self.take(length, what)
    }

    /// A copy of such a slice.
    pub(crate) fn bytes(&mut self, what: &'static str) -> Read<Bytes> {
        Ok(Bytes::copy_from_slice(self.slice(what)?))
    }

    /// A slice that is UTF-8.
    pub(crate) fn text(&mut self, what: &'static str) -> Read<&'a str> {
        std::str::from_utf8(self.slice(what)?).map_err(|_| DecodeError::Invalid(what))
    }

    pub(crate) fn topic_id(&mut self, what: &'static str) -> Read<TopicId> {
        Ok(TopicId(self.array(what)?))
    }

    /// So many bytes, without a length before them.
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Read<[u8; N]> {
        Ok(self.take(N, what)?.try_into().expect("take returns as many bytes as asked"))
    }

    pub(crate) fn option<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Read<T>,
    ) -> Read<Option<T>> {
        match self.u8(what)? {
            0 => Ok(None),
            1 => Ok(Some(read(self)?)),
            _ => Err(DecodeError::Invalid(what)),
        }
    }

    /// How many items follow, at least one byte each: never more than there are bytes left.
    pub(crate) fn count(&mut self, what: &'static str) -> Read<usize> {
        let count = self.narrow::<usize>(what)?;
        if count > self.rest.len() {
            return Err(DecodeError::Truncated(what));
        }
        Ok(count)
    }

    pub(crate) fn list<T>(
        &mut self,
        what: &'static str,
        mut read: impl FnMut(&mut Reader<'a>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let count = self.count(what)?;
        // An item can be far larger in memory than on disk: grow with what is really read.
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// A list that mostly has one item.
    pub(crate) fn few<T>(
        &mut self,
        what: &'static str,
        mut read: impl FnMut(&mut Reader<'a>) -> Read<T>,
    ) -> Read<SmallVec<[T; 1]>> {
        let count = self.count(what)?;
        let mut items = SmallVec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_trip() {
        for value in [0u64, 1, 127, 128, 16_383, 16_384, u64::MAX - 1, u64::MAX] {
            let mut writer = Writer::default();
            writer.uint(value);
            writer.int(value as i64);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.uint("u"), Ok(value));
            assert_eq!(reader.int("i"), Ok(value as i64));
            assert_eq!(reader.end("all"), Ok(()));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Reader::new(&bytes).uint("u"), Err(DecodeError::Invalid("u")));
        let endless = [0xff; 11];
        assert_eq!(Reader::new(&endless).uint("u"), Err(DecodeError::Invalid("u")));
    }

    #[test]
    fn a_hostile_length_allocates_nothing() {
        let mut writer = Writer::default();
        writer.uint(u64::MAX);
        let bytes = writer.finish();
        assert_eq!(Reader::new(&bytes).slice("s"), Err(DecodeError::Truncated("s")));
        assert_eq!(Reader::new(&bytes).count("c"), Err(DecodeError::Truncated("c")));
    }
}
