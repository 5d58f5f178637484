//! Which segments the log consists of, as its seals and decisions leave them: a function of the log alone, so equal on all
//! replicas that applied the same. The files of a replica follow it as fast as they can (`carry_out`).
//!
//! ```text
//!   version u8 | count u32 | (first index u64, generation u64)*
//! ```
//! It is one section of the checkpoint: docs/formats/turn.md.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use forebay_commitlog::{Generation, SegmentId};
use forebay_model::{LogIndex, ShardId};

use crate::reclaim::decision::{Decision, Named};

/// The kind of its section, behind those of the machine.
pub(crate) const SECTION: u32 = 4096;
const VERSION: u8 = 1;
const SEGMENT_BYTES: usize = 16;

/// The sealed segments that hold something that lives, or that nobody has judged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    /// The last entry of the last sealed one.
    end: LogIndex,
    generations: BTreeMap<LogIndex, Generation>,
}

impl Segments {
    /// None, of a log that begins behind `origin`.
    pub(crate) fn behind(origin: LogIndex) -> Segments {
        Segments { end: origin, generations: BTreeMap::new() }
    }

    /// Every entry up to here was judged, or may be.
    pub(crate) fn end(&self) -> LogIndex {
        self.end
    }

    /// Which generation of the segment that begins at `first` counts; `None` when it was given back.
    pub(crate) fn generation(&self, first: LogIndex) -> Option<Generation> {
        self.generations.get(&first).copied()
    }

    /// Whether this very segment counts.
    pub(crate) fn count(&self, id: SegmentId) -> bool {
        self.generation(id.first) == Some(id.generation)
    }

    /// All of them, of this shard, ascending.
    pub(crate) fn ids(&self, shard: ShardId) -> impl Iterator<Item = SegmentId> {
        self.generations.iter().map(move |(first, generation)| SegmentId {
            shard,
            first: *first,
            generation: *generation,
        })
    }

    /// A `Seal` at `index` was applied.
    pub(crate) fn seal(&mut self, index: LogIndex) {
        self.generations.insert(self.end.next(), Generation::APPENDED);
        self.end = index;
    }

    /// The decision in the entry at `index` was applied. What it says of a segment that does not count any more, because
    /// another decision came before it, is void: here, and so everywhere.
    pub(crate) fn decide(&mut self, index: LogIndex, decision: &Decision) {
        for segment in decision.unlink.iter().filter(|named| self.has(named)).collect::<Vec<_>>() {
            self.generations.remove(&segment.first);
        }
        for rewrite in &decision.rewrite {
            if self.has(&rewrite.segment) {
                self.generations.insert(rewrite.segment.first, Generation::ordered_by(index));
            }
        }
    }

    fn has(&self, named: &Named) -> bool {
        self.generation(named.first) == Some(named.generation)
    }

    /// Equal lists give equal bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(5 + self.generations.len() * SEGMENT_BYTES);
        out.put_u8(VERSION);
        out.put_u32_le(u32::try_from(self.generations.len()).expect("a shard has fewer segments"));
        for (first, generation) in &self.generations {
            out.put_u64_le(first.0);
            out.put_u64_le(generation.0);
        }
        out.freeze()
    }

    /// Reads the section of the checkpoint at `end`.
    pub(crate) fn decode(end: LogIndex, mut section: &[u8]) -> Result<Segments, &'static str> {
        if section.try_get_u8().map_err(|_| SHORT)? != VERSION {
            return Err("the list of segments has an unknown version");
        }
        let count = section.try_get_u32_le().map_err(|_| SHORT)? as usize;
        if Some(section.remaining()) != count.checked_mul(SEGMENT_BYTES) {
            return Err("the list of segments has another length than it says");
        }
        let mut segments = Segments::behind(end);
        let mut before = LogIndex(0);
        for _ in 0..count {
            let (first, generation) = (LogIndex(section.get_u64_le()), Generation(section.get_u64_le()));
            let ordered = generation == Generation::APPENDED
                || (Generation::ordered_by(first) < generation && generation <= Generation::ordered_by(end));
            if first <= before || first > end || !ordered {
                return Err("the list of segments contradicts itself");
            }
            segments.generations.insert(first, generation);
            before = first;
        }
        Ok(segments)
    }
}

const SHORT: &str = "the list of segments is cut short";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reclaim::decision::Rewrite;

    fn named(first: u64, generation: u64) -> Named {
        Named { first: LogIndex(first), generation: Generation(generation) }
    }

    fn rewrite(first: u64, generation: u64) -> Decision {
        let segment = named(first, generation);
        let rewrite = Rewrite { segment, starts: Vec::new(), parts: Vec::new(), dead: Vec::new() };
        Decision { rewrite: vec![rewrite], ..Decision::default() }
    }

    fn unlink(first: u64, generation: u64) -> Decision {
        Decision { unlink: vec![named(first, generation)], ..Decision::default() }
    }

    fn three() -> Segments {
        let mut segments = Segments::behind(LogIndex(1));
        for seal in [10, 20, 30] {
            segments.seal(LogIndex(seal));
        }
        segments
    }

    fn list(segments: &Segments) -> Vec<(u64, u64)> {
        segments.generations.iter().map(|(first, generation)| (first.0, generation.0)).collect()
    }

    #[test]
    fn two_leaders_decide_about_one_segment_and_the_later_decision_is_void() {
        let mut segments = three();
        segments.decide(LogIndex(33), &rewrite(11, 0));
        segments.decide(LogIndex(34), &rewrite(11, 0));
        assert_eq!(list(&segments), [(2, 0), (11, 33), (21, 0)]);
        segments.decide(LogIndex(35), &unlink(11, 0));
        assert_eq!(segments.generation(LogIndex(11)), Some(Generation(33)), "it was judged as it had been");
        segments.decide(LogIndex(36), &unlink(11, 33));
        segments.decide(LogIndex(37), &rewrite(11, 0));
        segments.decide(LogIndex(38), &rewrite(12, 0));
        assert_eq!(list(&segments), [(2, 0), (21, 0)], "what was given back does not come back");
        segments.decide(LogIndex(39), &rewrite(2, 0));
        segments.decide(LogIndex(40), &rewrite(2, 39));
        assert_eq!(list(&segments), [(2, 40), (21, 0)]);
    }

    #[test]
    fn the_list_survives_and_nothing_else_does() {
        let mut segments = three();
        segments.decide(LogIndex(29), &rewrite(2, 0));
        let end = segments.end();
        let bytes = segments.encode();
        assert_eq!(Segments::decode(end, &bytes), Ok(segments));
        for len in 0..bytes.len() {
            assert!(Segments::decode(end, &bytes[..len]).is_err(), "cut to {len}");
        }
        assert!(Segments::decode(LogIndex(28), &bytes).is_err(), "a decision of the future");
        assert!(Segments::decode(LogIndex(20), &bytes).is_err(), "a segment of the future");
    }
}
