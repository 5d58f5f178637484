//! The body of an entry: a directory and the slots behind it, one contiguous piece of bytes that Raft carries, the file
//! holds and peers receive as it is. Format: `docs/formats/segment.md`.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use forebay_model::SlotNumber;

use crate::crc::{Crc32c, crc32c};
use crate::cursor::Cursor;
use crate::limits::{ENTRY_BODY_BYTES_MAX, ENTRY_SLOTS_MAX};

/// Bytes of the slot count before the directory.
pub(crate) const COUNT_BYTES: usize = 4;
/// Bytes of one directory line.
pub(crate) const LINE_BYTES: usize = 16;

/// Bytes of a body with `slots` slots that come before the first slot's bytes.
pub(crate) fn prefix_bytes(slots: usize) -> usize {
    if slots == 0 { 0 } else { COUNT_BYTES + slots * LINE_BYTES }
}

/// What a slot holds, in the words of whoever wrote it; the log understands none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotKind(pub u8);

/// Why bytes are no body, or would become none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Shorter than its own directory says.
    Short,
    /// The directory names no slot, although there are bytes.
    NoSlot,
    /// More than [`ENTRY_SLOTS_MAX`] slots.
    TooManySlots,
    /// More than [`ENTRY_BODY_BYTES_MAX`] bytes.
    TooLong,
    /// The slots' lengths do not add up to the length of the body.
    LengthMismatch,
    /// The slot numbers do not ascend.
    SlotOrder,
    /// A reserved byte is not zero.
    Reserved,
    /// The bytes of this slot do not match their checksum.
    SlotChecksum(SlotNumber),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Short => f.write_str("the body is shorter than its directory"),
            BodyError::NoSlot => f.write_str("the body has bytes but names no slot"),
            BodyError::TooManySlots => write!(f, "the body has more than {ENTRY_SLOTS_MAX} slots"),
            BodyError::TooLong => write!(f, "the body has more than {ENTRY_BODY_BYTES_MAX} bytes"),
            BodyError::LengthMismatch => f.write_str("the slots' lengths do not add up to the body"),
            BodyError::SlotOrder => f.write_str("the slot numbers do not ascend"),
            BodyError::Reserved => f.write_str("a reserved byte of the directory is not zero"),
            BodyError::SlotChecksum(slot) => write!(f, "slot {slot} does not match its checksum"),
        }
    }
}

impl std::error::Error for BodyError {}

/// One line of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: SlotNumber,
    pub(crate) kind: SlotKind,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

impl Line {
    pub(crate) fn encode(&self) -> [u8; LINE_BYTES] {
        let mut out = [0; LINE_BYTES];
        out[0..4].copy_from_slice(&self.number.0.to_le_bytes());
        out[4] = self.kind.0;
        out[8..12].copy_from_slice(&self.len.to_le_bytes());
        out[12..16].copy_from_slice(&self.crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; LINE_BYTES]) -> Line {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Line { number: SlotNumber(word(0)), kind: SlotKind(bytes[4]), len: word(8), crc: word(12) }
    }
}

/// The lines of a directory, `prefix` being the body up to its first slot's bytes.
pub(crate) fn lines(prefix: &[u8]) -> impl Iterator<Item = Line> + '_ {
    let directory = prefix.get(COUNT_BYTES..).unwrap_or(&[]);
    directory.as_chunks::<LINE_BYTES>().0.iter().map(Line::decode)
}

/// Where in a directory a slot was found: the search for the next one goes on from there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    line: usize,
    /// Bytes of the slots before it.
    before: usize,
}

impl Mark {
    /// The line of the slot `number` and how many bytes of slots come before it; `prefix` is that of the same body each time.
    pub(crate) fn find(&mut self, prefix: &[u8], number: SlotNumber) -> Option<(Line, usize)> {
        let directory = prefix.get(COUNT_BYTES..).unwrap_or(&[]).as_chunks::<LINE_BYTES>().0;
        let here = directory.get(self.line).map(Line::decode);
        if here.is_none_or(|line| line.number > number) {
            *self = Mark::default();
        }
        while let Some(line) = directory.get(self.line).map(Line::decode) {
            if line.number >= number {
                return (line.number == number).then_some((line, self.before));
            }
            *self = Mark { line: self.line + 1, before: self.before + line.len as usize };
        }
        None
    }
}

/// Checks everything of a body but its slots' bytes: `prefix` is the body up to its first slot's bytes, `body_len` the
/// length of all of it.
pub(crate) fn check_prefix(prefix: &[u8], slots: usize, body_len: usize) -> Result<(), BodyError> {
    if slots == 0 {
        return if body_len == 0 { Ok(()) } else { Err(BodyError::NoSlot) };
    }
    if Cursor::new(prefix).u32() != u32::try_from(slots).ok() {
        return Err(BodyError::LengthMismatch);
    }
    let mut left = body_len.checked_sub(prefix.len()).ok_or(BodyError::Short)?;
    let mut previous = None;
    for (line, raw) in lines(prefix).zip(prefix[COUNT_BYTES..].as_chunks::<LINE_BYTES>().0) {
        if raw[5..8] != [0; 3] {
            return Err(BodyError::Reserved);
        }
        if previous >= Some(line.number) {
            return Err(BodyError::SlotOrder);
        }
        previous = Some(line.number);
        left = left.checked_sub(line.len as usize).ok_or(BodyError::LengthMismatch)?;
    }
    if left == 0 { Ok(()) } else { Err(BodyError::LengthMismatch) }
}

/// Builds a body slot by slot. With as many slots as were announced, each byte is copied once.
pub struct BodyBuilder {
    announced: usize,
    lines: Vec<Line>,
    bytes: BytesMut,
}

impl BodyBuilder {
    /// Announces how many slots and how many slot bytes will come; both may be wrong, at the price of a copy.
    #[must_use]
    pub fn new(slots: usize, bytes: usize) -> BodyBuilder {
        let announced = slots.min(ENTRY_SLOTS_MAX);
        let prefix = prefix_bytes(announced);
        let mut buffer = BytesMut::with_capacity(prefix + bytes.min(ENTRY_BODY_BYTES_MAX));
        buffer.put_bytes(0, prefix);
        BodyBuilder { announced, lines: Vec::with_capacity(announced), bytes: buffer }
    }

    /// Adds the next slot, its bytes being `parts` one behind the other. Fails when a limit is reached, and the
    /// body is as before.
    pub fn push_slot(&mut self, kind: SlotKind, parts: &[&[u8]]) -> Result<SlotNumber, BodyError> {
        let number = SlotNumber(self.lines.last().map_or(0, |line| line.number.0 + 1));
        self.push_numbered(number, kind, parts)?;
        Ok(number)
    }

    /// Adds a slot that keeps its number; numbers must ascend.
    pub(crate) fn push_numbered(
        &mut self,
        number: SlotNumber,
        kind: SlotKind,
        parts: &[&[u8]],
    ) -> Result<(), BodyError> {
        if self.lines.last().is_some_and(|line| line.number >= number) {
            return Err(BodyError::SlotOrder);
        }
        if self.lines.len() == ENTRY_SLOTS_MAX {
            return Err(BodyError::TooManySlots);
        }
        let room = ENTRY_BODY_BYTES_MAX.saturating_sub(self.len() + LINE_BYTES + COUNT_BYTES);
        let mut len = 0usize;
        for part in parts {
            len = len.saturating_add(part.len());
        }
        if len > room {
            return Err(BodyError::TooLong);
        }
        let mut crc = Crc32c::new();
        for part in parts {
            crc.update(part);
            self.bytes.put_slice(part);
        }
        let len = u32::try_from(len).expect("the limit of a body fits 32 bits");
        self.lines.push(Line { number, kind, len, crc: crc.value() });
        Ok(())
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.lines.len()
    }

    /// Length in bytes of the body as it stands.
    #[must_use]
    pub fn len(&self) -> usize {
        prefix_bytes(self.lines.len()) + self.bytes.len() - prefix_bytes(self.announced)
    }

    /// Whether no slot was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The finished body; without slots it has no bytes at all.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let count = self.lines.len();
        if count != self.announced {
            let slots = self.bytes.split_off(prefix_bytes(self.announced));
            let mut buffer = BytesMut::with_capacity(prefix_bytes(count) + slots.len());
            buffer.put_bytes(0, prefix_bytes(count));
            buffer.put_slice(&slots);
            self.bytes = buffer;
        }
        if count == 0 {
            return Bytes::new();
        }
        let prefix = &mut self.bytes[..prefix_bytes(count)];
        let words = u32::try_from(count).expect("the limit of slots fits 32 bits");
        prefix[..COUNT_BYTES].copy_from_slice(&words.to_le_bytes());
        for (line, out) in self.lines.iter().zip(prefix[COUNT_BYTES..].as_chunks_mut::<LINE_BYTES>().0) {
            *out = line.encode();
        }
        self.bytes.freeze()
    }
}

/// One slot of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number within the entry, for life.
    pub number: SlotNumber,
    /// What it holds.
    pub kind: SlotKind,
    /// Its bytes; not checked against [`Slot::crc`] before [`Slot::verify`].
    pub bytes: Bytes,
    /// The CRC-32C that its directory line states.
    pub crc: u32,
}

impl Slot {
    /// Compares the bytes with their checksum.
    pub fn verify(&self) -> Result<(), BodyError> {
        if crc32c(&self.bytes) == self.crc { Ok(()) } else { Err(BodyError::SlotChecksum(self.number)) }
    }
}

/// A body whose directory was checked. Its slots' bytes are checked on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    bytes: Bytes,
    count: usize,
}

impl Body {
    /// Checks the directory of `bytes`: limits, order, lengths. Allocates nothing.
    pub fn parse(bytes: Bytes) -> Result<Body, BodyError> {
        if bytes.is_empty() {
            return Ok(Body { bytes, count: 0 });
        }
        if bytes.len() > ENTRY_BODY_BYTES_MAX {
            return Err(BodyError::TooLong);
        }
        let count = Cursor::new(&bytes).u32().ok_or(BodyError::Short)? as usize;
        if count > ENTRY_SLOTS_MAX {
            return Err(BodyError::TooManySlots);
        }
        let prefix = bytes.get(..prefix_bytes(count)).ok_or(BodyError::Short)?;
        check_prefix(prefix, count, bytes.len())?;
        Ok(Body { bytes, count })
    }

    /// A body of one slot, for bytes that belong to somebody else (a configuration change of Raft).
    pub fn opaque(kind: SlotKind, bytes: &[u8]) -> Result<Bytes, BodyError> {
        let mut builder = BodyBuilder::new(1, bytes.len());
        builder.push_slot(kind, &[bytes])?;
        Ok(builder.finish())
    }

    /// The bytes as Raft carries them.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many slots there are.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.count
    }

    /// The body up to its first slot's bytes.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.bytes[..prefix_bytes(self.count)]
    }

    /// The slots in order; their bytes are slices of the body.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let mut start = prefix_bytes(self.count);
        lines(self.prefix()).map(move |line| {
            let end = start + line.len as usize;
            let bytes = self.bytes.slice(start..end);
            start = end;
            Slot { number: line.number, kind: line.kind, bytes, crc: line.crc }
        })
    }

    /// The slots of one kind, in order.
    pub fn slots_of(&self, kind: SlotKind) -> impl Iterator<Item = Slot> + '_ {
        let numbers = lines(self.prefix()).filter(move |line| line.kind == kind).map(|line| line.number);
        let mut finder = self.finder();
        numbers.filter_map(move |number| finder.find(number))
    }

    /// Finds one slot after the other, quickest in their order.
    #[must_use]
    pub fn finder(&self) -> SlotFinder<'_> {
        SlotFinder { body: self, mark: Mark::default() }
    }

    /// The slot with this number; `None` when the entry never had it or a rewrite dropped it.
    #[must_use]
    pub fn slot(&self, number: SlotNumber) -> Option<Slot> {
        self.finder().find(number)
    }

    /// Compares every slot with its checksum.
    pub fn verify(&self) -> Result<(), BodyError> {
        self.slots().try_for_each(|slot| slot.verify())
    }
}

/// See [`Body::finder`].
pub struct SlotFinder<'a> {
    body: &'a Body,
    mark: Mark,
}

impl SlotFinder<'_> {
    /// The slot with this number; `None` when the entry never had it or a rewrite dropped it.
    pub fn find(&mut self, number: SlotNumber) -> Option<Slot> {
        let (line, before) = self.mark.find(self.body.prefix(), number)?;
        let start = prefix_bytes(self.body.count) + before;
        let bytes = self.body.bytes.slice(start..start + line.len as usize);
        Some(Slot { number, kind: line.kind, bytes, crc: line.crc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_slots(announced: usize) -> Bytes {
        let mut builder = BodyBuilder::new(announced, 0);
        assert_eq!(builder.push_slot(SlotKind(7), &[b"he", b"llo"]), Ok(SlotNumber(0)));
        assert_eq!(builder.push_slot(SlotKind(9), &[]), Ok(SlotNumber(1)));
        let len = builder.len();
        let bytes = builder.finish();
        assert_eq!(bytes.len(), len);
        bytes
    }

    #[test]
    fn a_body_reads_back_whatever_was_announced() {
        let exact = two_slots(2);
        for announced in [0, 1, 3, 100] {
            assert_eq!(two_slots(announced), exact);
        }
        let body = Body::parse(exact).unwrap();
        body.verify().unwrap();
        let slots: Vec<Slot> = body.slots().collect();
        assert_eq!((&slots[0].bytes[..], slots[0].kind), (&b"hello"[..], SlotKind(7)));
        assert_eq!((&slots[1].bytes[..], slots[1].kind), (&b""[..], SlotKind(9)));
        assert_eq!(body.slot(SlotNumber(1)), Some(slots[1].clone()));
        assert_eq!(body.slot(SlotNumber(2)), None);
        assert_eq!(body.slots_of(SlotKind(9)).collect::<Vec<_>>(), slots[1..]);
        assert_eq!(body.slots_of(SlotKind(8)).count(), 0);
    }

    #[test]
    fn slots_are_found_in_any_order_from_where_the_last_one_was() {
        let mut builder = BodyBuilder::new(4, 0);
        for number in [0, 2, 3, 7] {
            builder
                .push_numbered(SlotNumber(number), SlotKind(1), &[&vec![9; 10 + number as usize]])
                .unwrap();
        }
        let body = Body::parse(builder.finish()).unwrap();
        let mut mark = Mark::default();
        let mut find =
            |number| mark.find(body.prefix(), SlotNumber(number)).map(|(line, before)| (line.len, before));
        for _ in 0..2 {
            assert_eq!(find(2), Some((12, 10)));
            assert_eq!(find(7), Some((17, 35)));
            assert_eq!(find(8), None);
            assert_eq!(find(3), Some((13, 22)));
            assert_eq!((find(1), find(5)), (None, None));
            assert_eq!((find(0), find(0)), (Some((10, 0)), Some((10, 0))));
        }
        assert_eq!(Mark::default().find(&[], SlotNumber(0)), None);
    }

    #[test]
    fn a_body_without_slots_has_no_bytes() {
        assert!(BodyBuilder::new(5, 100).finish().is_empty());
        assert_eq!(Body::parse(Bytes::new()).unwrap().slot_count(), 0);
        assert_eq!(Body::parse(Bytes::from_static(&[0; 4])), Err(BodyError::NoSlot));
    }

    #[test]
    fn every_changed_byte_of_a_body_is_noticed() {
        let good = two_slots(2);
        let noticed = |bytes: Vec<u8>| match Body::parse(Bytes::from(bytes)) {
            Ok(body) => body.verify().is_err(),
            Err(_) => true,
        };
        for at in 0..good.len() {
            // A slot's number and kind are covered by the entry's crc, not by the body's own.
            let line_at =
                at.checked_sub(COUNT_BYTES).filter(|at| *at < 2 * LINE_BYTES).map(|at| at % LINE_BYTES);
            if line_at.is_some_and(|at| at <= 4) {
                continue;
            }
            let mut bad = good.to_vec();
            bad[at] ^= 0x10;
            assert!(noticed(bad), "byte {at}");
        }
        for len in 1..good.len() {
            assert!(noticed(good[..len].to_vec()), "cut to {len}");
        }
    }

    #[test]
    fn hostile_counts_and_lengths_are_refused() {
        let count = |count: u32| Body::parse(Bytes::copy_from_slice(&count.to_le_bytes()));
        assert_eq!(count(u32::MAX), Err(BodyError::TooManySlots));
        assert_eq!(count(65_536), Err(BodyError::Short));
        let mut line = two_slots(2).to_vec();
        line[COUNT_BYTES + 8..COUNT_BYTES + 12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Body::parse(line.into()), Err(BodyError::LengthMismatch));
    }
}
