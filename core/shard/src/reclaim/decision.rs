//! A decision to give space back, as it stands in the log. Format: docs/formats/turn.md.
//!
//! ```text
//!   version u8
//!   unlink count u32, then (first index u64, generation u64)*
//!   rewrite count u32, then per segment:
//!     first index u64, generation u64
//!     partition count u32, then (partition u64, first offset that lives u64)*
//!     part count u32, then (log index u64, slot u32)*
//!     version 2: partition count u32, then (partition u64, dead offsets)*
//! ```
//! Version 2 is written where there are dead offsets, which takes a machine version that has compaction.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use forebay_commitlog::Generation;
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber};

use crate::reclaim::dead::DeadSet;

/// Names what partitions begin with.
const VERSION_STARTS: u8 = 1;
/// Names dead offsets behind that too.
const VERSION_DEAD: u8 = 2;
/// Bytes of one decision; the survey stops before it.
pub(crate) const DECISION_BYTES_MAX: usize = 512 * 1024;
/// Bytes that name a segment.
pub(crate) const SEGMENT_BYTES: usize = 8 + 8;
const REWRITE_BYTES_MIN: usize = SEGMENT_BYTES + 4 + 4;
/// Bytes of a partition's smallest set of dead offsets, with its name.
const DEAD_BYTES_MIN: usize = 8 + 8 + 1 + 4 + 1;

/// Which segments go, and what survives of which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) unlink: Vec<Named>,
    pub(crate) rewrite: Vec<Rewrite>,
}

/// A segment of this shard, as it was when it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) first: LogIndex,
    pub(crate) generation: Generation,
}

/// What survives of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    pub(crate) segment: Named,
    /// Per partition that lives on, the first offset that does; ascending.
    pub(crate) starts: Vec<(PartitionId, Offset)>,
    /// Pieces of big payloads that live on; ascending.
    pub(crate) parts: Vec<(LogIndex, SlotNumber)>,
    /// Per partition of `starts` that lost records in between, which; ascending.
    pub(crate) dead: Vec<(PartitionId, DeadSet)>,
}

impl Rewrite {
    /// Bytes it takes in a decision.
    pub(crate) fn encoded_len(&self) -> usize {
        let dead: usize = self.dead.iter().map(|(_, dead)| 8 + dead.encoded_len()).sum();
        // The count of dead sets too: another rewrite of the decision may have some.
        REWRITE_BYTES_MIN + self.starts.len() * 16 + self.parts.len() * 12 + 4 + dead
    }
}

impl Decision {
    pub(crate) fn encode(&self) -> Bytes {
        let has_dead = self.rewrite.iter().any(|rewrite| !rewrite.dead.is_empty());
        let mut out = BytesMut::new();
        out.put_u8(if has_dead { VERSION_DEAD } else { VERSION_STARTS });
        put_count(&mut out, self.unlink.len());
        self.unlink.iter().for_each(|segment| put_segment(&mut out, *segment));
        put_count(&mut out, self.rewrite.len());
        for rewrite in &self.rewrite {
            put_segment(&mut out, rewrite.segment);
            put_count(&mut out, rewrite.starts.len());
            for (partition, start) in &rewrite.starts {
                out.put_u64_le(partition.0);
                out.put_u64_le(start.0);
            }
            put_count(&mut out, rewrite.parts.len());
            for (index, slot) in &rewrite.parts {
                out.put_u64_le(index.0);
                out.put_u32_le(slot.0);
            }
            if has_dead {
                put_count(&mut out, rewrite.dead.len());
                for (partition, dead) in &rewrite.dead {
                    out.put_u64_le(partition.0);
                    dead.encode(&mut out);
                }
            }
        }
        out.freeze()
    }

    pub(crate) fn decode(slot: &Bytes) -> Result<Decision, &'static str> {
        let mut left = slot.clone();
        let version = left.try_get_u8().map_err(|_| SHORT)?;
        if !(VERSION_STARTS..=VERSION_DEAD).contains(&version) {
            return Err("a decision has an unknown version");
        }
        let unlink = list(&mut left, SEGMENT_BYTES, segment)?;
        let rewrite = list(&mut left, REWRITE_BYTES_MIN, |left| {
            Ok(Rewrite {
                segment: segment(left)?,
                starts: list(left, 16, |left| Ok((PartitionId(long(left)?), Offset(long(left)?))))?,
                parts: list(left, 12, |left| Ok((LogIndex(long(left)?), SlotNumber(word(left)?))))?,
                dead: if version == VERSION_DEAD { list(left, DEAD_BYTES_MIN, dead)? } else { Vec::new() },
            })
        })?;
        let has_dead = rewrite.iter().any(|rewrite| !rewrite.dead.is_empty());
        if has_dead != (version == VERSION_DEAD) {
            return Err("a decision has another version than it needs");
        }
        if left.has_remaining() {
            return Err("a decision has bytes behind its end");
        }
        Ok(Decision { unlink, rewrite })
    }
}

pub(crate) const SHORT: &str = "a decision is shorter than it says";

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32_le(u32::try_from(count).expect("below DECISION_BYTES_MAX"));
}

fn put_segment(out: &mut BytesMut, segment: Named) {
    out.put_u64_le(segment.first.0);
    out.put_u64_le(segment.generation.0);
}

fn segment(left: &mut Bytes) -> Result<Named, &'static str> {
    Ok(Named { first: LogIndex(long(left)?), generation: Generation(long(left)?) })
}

fn dead(left: &mut Bytes) -> Result<(PartitionId, DeadSet), &'static str> {
    Ok((PartitionId(long(left)?), DeadSet::decode(left)?))
}

fn long(left: &mut Bytes) -> Result<u64, &'static str> {
    left.try_get_u64_le().map_err(|_| SHORT)
}

fn word(left: &mut Bytes) -> Result<u32, &'static str> {
    left.try_get_u32_le().map_err(|_| SHORT)
}

/// A list whose items take at least `item_bytes_min` each: its count is checked before anything is allocated.
fn list<V>(
    left: &mut Bytes,
    item_bytes_min: usize,
    mut item: impl FnMut(&mut Bytes) -> Result<V, &'static str>,
) -> Result<Vec<V>, &'static str> {
    let count = word(left)? as usize;
    if count > left.remaining() / item_bytes_min {
        return Err(SHORT);
    }
    (0..count).map(|_| item(left)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        let named = |first| Named { first: LogIndex(first), generation: Generation(3) };
        Decision {
            unlink: vec![named(1), named(2)],
            rewrite: vec![Rewrite {
                segment: named(9),
                starts: vec![(PartitionId(1), Offset(2)), (PartitionId(u64::MAX), Offset(0))],
                parts: vec![(LogIndex(10), SlotNumber(1))],
                dead: Vec::new(),
            }],
        }
    }

    /// The same with dead offsets of two partitions, in the second of two rewrites.
    fn with_dead() -> Decision {
        let mut decision = decision();
        let mut dead = vec![DeadSet::default(), DeadSet::default()];
        assert!(dead[0].push(Offset(7), Offset(9)) && dead[1].push(Offset(1), Offset(1_000)));
        let dead = [PartitionId(1), PartitionId(8)].into_iter().zip(dead).collect();
        let mut second = Rewrite { dead, ..decision.rewrite[0].clone() };
        second.segment.first = LogIndex(20);
        decision.rewrite.push(second);
        decision
    }

    #[test]
    fn a_decision_survives_and_no_part_of_it_does() {
        for (decision, version) in [(decision(), VERSION_STARTS), (with_dead(), VERSION_DEAD)] {
            let bytes = decision.encode();
            assert_eq!((Decision::decode(&bytes).as_ref(), bytes[0]), (Ok(&decision), version));
            for len in 0..bytes.len() {
                assert!(Decision::decode(&bytes.slice(..len)).is_err(), "{len}");
            }
            let weighed: usize = decision.rewrite.iter().map(Rewrite::encoded_len).sum();
            assert!(bytes.len() <= 9 + decision.unlink.len() * SEGMENT_BYTES + weighed);
        }
    }

    #[test]
    fn a_decision_without_dead_offsets_is_what_it_was_before_there_were_any() {
        let mut bytes = decision().encode().to_vec();
        assert_eq!(bytes.len(), 1 + 4 + 2 * 16 + 4 + 16 + 4 + 2 * 16 + 4 + 12);
        bytes[0] = VERSION_DEAD;
        bytes.extend_from_slice(&0u32.to_le_bytes());
        assert!(Decision::decode(&bytes.into()).is_err(), "one decision, one form");
    }

    #[test]
    fn a_hostile_count_allocates_nothing() {
        let mut bytes = vec![VERSION_STARTS];
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Decision::decode(&bytes.into()), Err(SHORT));
    }
}
