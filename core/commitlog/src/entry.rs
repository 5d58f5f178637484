//! One entry of the log: its 48 bytes of header around the body. Format: `docs/formats/segment.md`.

use bytes::Bytes;
use forebay_model::{LogIndex, Term};

use crate::body::prefix_bytes;
use crate::crc::{Crc32c, crc32c};
use crate::cursor::Cursor;
use crate::limits::{ENTRY_BODY_BYTES_MAX, ENTRY_SLOTS_MAX};

/// Begins every entry: three letters and the version.
pub(crate) const ENTRY_MAGIC: [u8; 4] = *b"FbE\x01";
/// Bytes of the part of the header that is equal on all replicas, its crc included.
pub(crate) const FIXED_BYTES: usize = 36;
/// Bytes of the whole header.
pub(crate) const HEADER_BYTES: usize = 48;

/// What an entry is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A leader's first entry: no body.
    Noop,
    /// Slots.
    Normal,
    /// A change of Raft's configuration: one slot with Raft's own bytes (see `Body::opaque`).
    ConfChange,
    /// Ends the segment on every replica when it is appended.
    Seal,
}

impl EntryKind {
    fn from_byte(byte: u8) -> Option<EntryKind> {
        Some(match byte {
            0 => EntryKind::Noop,
            1 => EntryKind::Normal,
            2 => EntryKind::ConfChange,
            3 => EntryKind::Seal,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            EntryKind::Noop => 0,
            EntryKind::Normal => 1,
            EntryKind::ConfChange => 2,
            EntryKind::Seal => 3,
        }
    }
}

/// An entry: what Raft hands over to be appended, and what is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The term of the leader that proposed it.
    pub term: Term,
    /// Its place in the log.
    pub index: LogIndex,
    /// What it is to the log.
    pub kind: EntryKind,
    /// Its slots, as made by `BodyBuilder`.
    pub body: Bytes,
}

impl Entry {
    /// Bytes that this entry takes in a segment.
    #[must_use]
    pub fn stored_len(&self) -> u64 {
        (HEADER_BYTES + self.body.len()) as u64
    }
}

/// The header as it stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    pub(crate) kind: EntryKind,
    pub(crate) term: Term,
    pub(crate) index: LogIndex,
    pub(crate) slot_count: u32,
    pub(crate) body_len: u32,
    pub(crate) crc: u32,
    pub(crate) local_crc: u32,
    pub(crate) durable: LogIndex,
}

/// Where an entry stands, as far as its local checksum knows.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) salt: u64,
    pub(crate) segment: LogIndex,
    pub(crate) position: u64,
}

impl EntryHeader {
    /// The header of `entry`, whose body begins with `prefix`, without local fields.
    pub(crate) fn canonical(entry: &Entry, slot_count: usize, prefix: &[u8]) -> EntryHeader {
        let mut header = EntryHeader {
            kind: entry.kind,
            term: entry.term,
            index: entry.index,
            slot_count: u32::try_from(slot_count).expect("the limit of slots fits 32 bits"),
            body_len: u32::try_from(entry.body.len()).expect("the limit of a body fits 32 bits"),
            crc: 0,
            local_crc: 0,
            durable: LogIndex(0),
        };
        header.crc = header.crc_with(prefix);
        header
    }

    /// The same header with the local fields of an entry written at `place`.
    pub(crate) fn with_local(mut self, place: Place, durable: LogIndex) -> EntryHeader {
        self.durable = durable;
        self.local_crc = self.local_crc_at(place);
        self
    }

    /// The first 36 bytes: what all replicas share.
    pub(crate) fn fixed(&self) -> [u8; FIXED_BYTES] {
        let mut out = [0; FIXED_BYTES];
        out[0..4].copy_from_slice(&ENTRY_MAGIC);
        out[4] = self.kind.byte();
        out[8..16].copy_from_slice(&self.term.0.to_le_bytes());
        out[16..24].copy_from_slice(&self.index.0.to_le_bytes());
        out[24..28].copy_from_slice(&self.slot_count.to_le_bytes());
        out[28..32].copy_from_slice(&self.body_len.to_le_bytes());
        out[32..36].copy_from_slice(&self.crc.to_le_bytes());
        out
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..FIXED_BYTES].copy_from_slice(&self.fixed());
        out[36..40].copy_from_slice(&self.local_crc.to_le_bytes());
        out[40..48].copy_from_slice(&self.durable.0.to_le_bytes());
        out
    }

    /// Reads the fields and checks them against the limits, not against the checksums.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<EntryHeader, &'static str> {
        let mut cursor = Cursor::new(bytes);
        let mut fields = || {
            let magic: [u8; 4] = cursor.array()?;
            let [kind, reserved @ ..]: [u8; 4] = cursor.array()?;
            Some((magic, kind, reserved, cursor.u64()?, cursor.u64()?, cursor.u32()?, cursor.u32()?))
        };
        let (magic, kind, reserved, term, index, slot_count, body_len) = fields().expect("48 bytes");
        if magic != ENTRY_MAGIC {
            return Err("no entry begins here");
        }
        if reserved != [0; 3] {
            return Err("a reserved byte of the entry's header is not zero");
        }
        let kind = EntryKind::from_byte(kind).ok_or("the entry has an unknown kind")?;
        if body_len as usize > ENTRY_BODY_BYTES_MAX || slot_count as usize > ENTRY_SLOTS_MAX {
            return Err("the entry is larger than its limit");
        }
        if prefix_bytes(slot_count as usize) > body_len as usize {
            return Err("the entry's directory is longer than its body");
        }
        let mut tail = || Some((cursor.u32()?, cursor.u32()?, cursor.u64()?));
        let (crc, local_crc, durable) = tail().expect("48 bytes");
        Ok(EntryHeader {
            kind,
            term: Term(term),
            index: LogIndex(index),
            slot_count,
            body_len,
            crc,
            local_crc,
            durable: LogIndex(durable),
        })
    }

    /// Bytes of the body before its first slot's bytes.
    pub(crate) fn prefix_len(&self) -> usize {
        prefix_bytes(self.slot_count as usize)
    }

    /// Bytes that the entry takes in its file.
    pub(crate) fn stored_len(&self) -> u64 {
        (HEADER_BYTES + self.body_len as usize) as u64
    }

    /// Whether the header and `prefix` are what was written.
    pub(crate) fn crc_matches(&self, prefix: &[u8]) -> bool {
        self.crc == self.crc_with(prefix)
    }

    pub(crate) fn crc_with(&self, prefix: &[u8]) -> u32 {
        let mut crc = Crc32c::new();
        crc.update(&self.fixed()[..FIXED_BYTES - 4]);
        crc.update(prefix);
        crc.value()
    }

    /// What the local fields say.
    pub(crate) fn local_at(&self, place: Place) -> Local {
        if self.local_crc == 0 && self.durable == LogIndex(0) {
            return Local::Nothing;
        }
        if self.local_crc == self.local_crc_at(place) && self.durable < self.index {
            return Local::Durable(self.durable);
        }
        Local::Damaged
    }

    fn local_crc_at(&self, place: Place) -> u32 {
        let words =
            [place.salt, place.segment.0, place.position, self.index.0, self.durable.0, u64::from(self.crc)];
        let mut bytes = [0; 48];
        for (word, out) in words.iter().zip(bytes.as_chunks_mut::<8>().0) {
            *out = word.to_le_bytes();
        }
        crc32c(&bytes[..44])
    }
}

/// The local fields of an entry, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// Rewritten or fetched: this replica recorded nothing here.
    Nothing,
    /// Everything up to this index was flushed when the entry was written.
    Durable(LogIndex),
    /// Neither.
    Damaged,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Body, SlotKind};

    fn header() -> (EntryHeader, Body) {
        let body = Body::parse(Body::opaque(SlotKind(1), b"payload").unwrap()).unwrap();
        let entry =
            Entry { term: Term(3), index: LogIndex(9), kind: EntryKind::Normal, body: body.bytes().clone() };
        (EntryHeader::canonical(&entry, 1, body.prefix()), body)
    }

    const PLACE: Place = Place { salt: 77, segment: LogIndex(1), position: 32 };

    #[test]
    fn a_header_reads_back() {
        let (header, body) = header();
        let local = header.with_local(PLACE, LogIndex(8));
        let back = EntryHeader::decode(&local.encode()).unwrap();
        assert_eq!(back, local);
        assert!(back.crc_matches(body.prefix()));
        assert_eq!(back.local_at(PLACE), Local::Durable(LogIndex(8)));
        assert_eq!(header.local_at(PLACE), Local::Nothing);
    }

    #[test]
    fn the_durable_index_counts_only_where_it_was_written() {
        let local = header().0.with_local(PLACE, LogIndex(8));
        for elsewhere in [
            Place { salt: 78, ..PLACE },
            Place { segment: LogIndex(2), ..PLACE },
            Place { position: 33, ..PLACE },
        ] {
            assert_eq!(local.local_at(elsewhere), Local::Damaged);
        }
        assert_eq!(header().0.with_local(PLACE, LogIndex(9)).local_at(PLACE), Local::Damaged);
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let (header, body) = header();
        let good = header.with_local(PLACE, LogIndex(8)).encode();
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let noticed = match EntryHeader::decode(&bad) {
                Ok(back) => !back.crc_matches(body.prefix()) || back.local_at(PLACE) == Local::Damaged,
                Err(_) => true,
            };
            assert!(noticed, "bit {bit}");
        }
    }
}
