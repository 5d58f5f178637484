//! Entrances for fuzzers: what the shard reads from its own log. Whatever the bytes are, each returns, and what was read is
//! written as the same bytes again.

use bytes::Bytes;
use forebay_model::LogIndex;

use crate::entry::{TurnHeader, decode_parts, encode_parts};
use crate::reclaim::decision::Decision;
use crate::reclaim::segments::Segments;

/// A turn: its header, then its commands.
pub fn turn(data: &[u8]) {
    let slot = Bytes::copy_from_slice(data);
    let Ok((header, commands)) = TurnHeader::decode(&slot) else { return };
    assert_eq!([&header.encode()[..], &commands].concat(), data, "a turn has one form");
    forebay_machine::fuzz::commands(&commands);
}

/// The list of a big payload's pieces.
pub fn parts(data: &[u8]) {
    let Ok(parts) = decode_parts(data) else { return };
    assert_eq!(encode_parts(&parts), data, "a part list has one form");
}

/// The kind of the checkpoint's section with the list of segments.
pub const SEGMENTS_SECTION: u32 = crate::reclaim::segments::SECTION;

/// The list of segments in a checkpoint.
pub fn segments(data: &[u8]) {
    let Ok(segments) = Segments::decode(LogIndex(u64::MAX), data) else { return };
    assert_eq!(segments.encode(), data, "a list of segments has one form");
}

/// A decision to give space back.
pub fn decision(data: &[u8]) {
    let Ok(decision) = Decision::decode(&Bytes::copy_from_slice(data)) else { return };
    assert_eq!(decision.encode(), data, "a decision has one form");
}
