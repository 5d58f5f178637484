//! What the journal will be told of one shard: the bytes that were appended since its last flush was begun.

use forebay_model::LogIndex;

use crate::limits::JOURNAL_PIECE_BYTES_MAX;

/// Gathers the bytes of appends, as long as they are few and follow each other in one segment.
#[derive(Default)]
pub(crate) enum Gathered {
    /// Nothing was appended.
    #[default]
    Nothing,
    /// These bytes, from that position on.
    Bytes { segment: LogIndex, position: u64, bytes: Vec<u8> },
    /// More than the journal takes: the segment is flushed itself.
    TooMuch,
}

impl Gathered {
    /// Adds what was written at `position`, `len` bytes in `parts`.
    pub(crate) fn add(&mut self, segment: LogIndex, position: u64, parts: &[&[u8]], len: u64) {
        let held = match self {
            Gathered::Bytes { bytes, .. } => bytes.len(),
            Gathered::Nothing => 0,
            Gathered::TooMuch => return,
        };
        if held as u64 + len > JOURNAL_PIECE_BYTES_MAX as u64 {
            *self = Gathered::TooMuch;
            return;
        }
        if let Gathered::Nothing = self {
            *self = Gathered::Bytes { segment, position, bytes: Vec::with_capacity(parts.len() * 64) };
        }
        match self {
            Gathered::Bytes { segment: same, position: from, bytes }
                if *same == segment && *from + bytes.len() as u64 == position =>
            {
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
            }
            _ => *self = Gathered::TooMuch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: LogIndex = LogIndex(7);

    fn bytes(gathered: Gathered) -> Option<(u64, Vec<u8>)> {
        match gathered {
            Gathered::Bytes { segment: SEGMENT, position, bytes } => Some((position, bytes)),
            _ => None,
        }
    }

    #[test]
    fn appends_of_one_segment_that_follow_each_other_are_gathered() {
        let mut gathered = Gathered::default();
        gathered.add(SEGMENT, 32, &[b"ab", b"c"], 3);
        gathered.add(SEGMENT, 35, &[b"d"], 1);
        assert_eq!(bytes(gathered), Some((32, b"abcd".to_vec())));
    }

    #[test]
    fn a_gap_another_segment_and_too_many_bytes_are_not_gathered() {
        for (segment, position, len) in
            [(SEGMENT, 36, 1), (LogIndex(8), 35, 1), (SEGMENT, 35, JOURNAL_PIECE_BYTES_MAX - 2)]
        {
            let mut gathered = Gathered::default();
            gathered.add(SEGMENT, 32, &[b"abc"], 3);
            let more = vec![0; len];
            gathered.add(segment, position, &[&more], len as u64);
            gathered.add(SEGMENT, 35, &[b"d"], 1);
            assert_eq!(bytes(gathered), None, "{segment} {position} {len}");
        }
        let mut whole = Gathered::default();
        let most = vec![0; JOURNAL_PIECE_BYTES_MAX];
        whole.add(SEGMENT, 32, &[&most], most.len() as u64);
        assert_eq!(bytes(whole), Some((32, most)));
    }
}
