//! What the shard writes into an entry: slot 0 is the turn, the payloads follow. Format: docs/formats/turn.md.
//!
//! ```text
//!   slot 0 (Turn):      version u8 | log time i64 | proposer u64 | number u64 | commands...
//!   slot 1.. (Payload): a payload as it came
//!        or (Part):     a piece of a payload above PART_BYTES_MAX
//!        or (PartList): count u32 | (log index u64, slot u32, bytes u32)*
//!        or (Reclaim):  segments that go, and what survives of which
//! ```
//! `proposer` is drawn at random when a process opens the shard and `number` counts its entries, so that a
//! proposer knows its own entries again without guessing their indexes.

use bytes::{BufMut, Bytes, BytesMut};
use forebay_commitlog::SlotKind;
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, LogTime, SlotNumber};

/// The turn: log time and commands.
pub const SLOT_TURN: SlotKind = SlotKind(1);
/// A whole payload.
pub const SLOT_PAYLOAD: SlotKind = SlotKind(2);
/// A piece of a payload.
pub const SLOT_PART: SlotKind = SlotKind(3);
/// The list of a payload's pieces.
pub const SLOT_PART_LIST: SlotKind = SlotKind(4);

/// A decision to give space back.
pub const SLOT_RECLAIM: SlotKind = SlotKind(5);

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 8 + 8 + 8;
const PART_BYTES: usize = 8 + 4 + 4;
/// Pieces of one payload.
pub const PARTS_MAX: usize = forebay_model::limits::MESSAGE_BYTES_CEILING / PART_BYTES_MAX + 1;

/// The head of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnHeader {
    /// The leader's log time.
    pub time: LogTime,
    /// Which process proposed it.
    pub proposer: u64,
    /// Its number among that process's turns.
    pub number: u64,
}

/// Why a slot is not what its kind says. Always a bug or corruption that a checksum missed: the shard stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl TurnHeader {
    /// The slot's bytes in front of the commands.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0] = VERSION;
        out[1..9].copy_from_slice(&self.time.0.to_le_bytes());
        out[9..17].copy_from_slice(&self.proposer.to_le_bytes());
        out[17..25].copy_from_slice(&self.number.to_le_bytes());
        out
    }

    /// The header and the commands behind it.
    pub fn decode(slot: &Bytes) -> Result<(TurnHeader, Bytes), Malformed> {
        if slot.len() < HEADER_BYTES {
            return Err(Malformed("a turn is shorter than its header"));
        }
        if slot[0] != VERSION {
            return Err(Malformed("a turn has an unknown version"));
        }
        let long = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&slot[at..at + 8]);
            bytes
        };
        let header = TurnHeader {
            time: LogTime(i64::from_le_bytes(long(1))),
            proposer: u64::from_le_bytes(long(9)),
            number: u64::from_le_bytes(long(17)),
        };
        Ok((header, slot.slice(HEADER_BYTES..)))
    }
}

/// Where a piece of a payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRef {
    /// Its entry.
    pub index: LogIndex,
    /// Its slot there.
    pub slot: SlotNumber,
    /// Its length in bytes.
    pub bytes: u32,
}

/// A part list's bytes.
pub fn encode_parts(parts: &[PartRef]) -> Bytes {
    assert!(parts.len() <= PARTS_MAX, "a payload is below the ceiling");
    let mut out = BytesMut::with_capacity(4 + parts.len() * PART_BYTES);
    out.put_u32_le(u32::try_from(parts.len()).expect("below PARTS_MAX"));
    for part in parts {
        out.put_u64_le(part.index.0);
        out.put_u32_le(part.slot.0);
        out.put_u32_le(part.bytes);
    }
    out.freeze()
}

/// The pieces that a part list names.
pub fn decode_parts(slot: &[u8]) -> Result<Vec<PartRef>, Malformed> {
    let Some((count, rest)) = slot.split_first_chunk::<4>() else {
        return Err(Malformed("a part list is shorter than its count"));
    };
    let count = u32::from_le_bytes(*count) as usize;
    if count > PARTS_MAX || rest.len() != count * PART_BYTES {
        return Err(Malformed("a part list's length does not match its count"));
    }
    let (lines, _) = rest.as_chunks::<PART_BYTES>();
    Ok(lines.iter().map(decode_part).collect())
}

fn decode_part(line: &[u8; PART_BYTES]) -> PartRef {
    let word = |at: usize| u32::from_le_bytes([line[at], line[at + 1], line[at + 2], line[at + 3]]);
    let index = u64::from(word(0)) | (u64::from(word(4)) << 32);
    PartRef { index: LogIndex(index), slot: SlotNumber(word(8)), bytes: word(12) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_header_survives() {
        let header = TurnHeader { time: LogTime(-5), proposer: u64::MAX, number: 7 };
        let mut slot = header.encode().to_vec();
        slot.extend_from_slice(b"commands");
        let (decoded, rest) = TurnHeader::decode(&Bytes::from(slot)).expect("just encoded");
        assert_eq!(decoded, header);
        assert_eq!(rest, "commands");
    }

    #[test]
    fn a_cut_turn_is_malformed() {
        let header = TurnHeader { time: LogTime(1), proposer: 2, number: 3 }.encode();
        for len in 0..header.len() {
            assert!(TurnHeader::decode(&Bytes::copy_from_slice(&header[..len])).is_err());
        }
    }

    #[test]
    fn part_lists_survive_and_hostile_counts_do_not() {
        let parts: Vec<PartRef> =
            (0..100).map(|i| PartRef { index: LogIndex(i << 40), slot: SlotNumber(3), bytes: 9 }).collect();
        let bytes = encode_parts(&parts);
        assert_eq!(decode_parts(&bytes), Ok(parts));
        assert!(decode_parts(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode_parts(&u32::MAX.to_le_bytes()).is_err());
        assert!(decode_parts(&[]).is_err());
    }
}
