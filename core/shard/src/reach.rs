//! How far one read of a slot goes on: slots that stand close together are read together.

use forebay_commitlog::{Reach, SlotPlace};

use crate::sealed::Indexed;

/// Longest read for more than one slot, in bytes.
const PIECE_BYTES_MAX: u64 = 64 * 1024;
/// Longest gap between two of its slots, in bytes: reading these costs less than another call of the system.
const GAP_BYTES_MAX: u64 = 1024;

/// How far a read of the slot at `first` may go so that it brings the slots of `next` too: up to the first that stands apart, and no
/// more than `left` bytes of them.
pub(crate) fn reach<'a>(first: &SlotPlace, next: impl Iterator<Item = &'a Indexed>, left: u64) -> Reach {
    let mut reach = Reach::of(first);
    for Indexed { entry, place } in next {
        let Some(place) = place.filter(|place| place.segment == first.segment) else { break };
        let gap = place.position.checked_sub(reach.end);
        let length = place.end().saturating_sub(first.position);
        let fits = reach.wanted + u64::from(entry.bytes) <= left && length <= PIECE_BYTES_MAX;
        if !fits || gap.is_none_or(|gap| gap > GAP_BYTES_MAX) {
            break;
        }
        reach = Reach { end: place.end(), wanted: reach.wanted + u64::from(place.bytes) };
    }
    reach
}

#[cfg(test)]
mod tests {
    use forebay_commitlog::{Generation, SegmentId};
    use forebay_machine::IndexEntry;
    use forebay_model::{LogIndex, Offset, PartitionId, ShardId, SlotNumber, Timestamp};

    use super::*;

    fn place(first: u64, position: u64, bytes: u32) -> SlotPlace {
        let segment = SegmentId { shard: ShardId(0), first: LogIndex(first), generation: Generation(0) };
        SlotPlace { segment, position, bytes, crc: 0 }
    }

    fn indexed(place: Option<SlotPlace>) -> Indexed {
        let entry = IndexEntry {
            partition: PartitionId(1),
            first_offset: Offset(0),
            count: 1,
            log_index: LogIndex(1),
            slot: SlotNumber(1),
            first_position: 0,
            bytes: place.map_or(0, |place| place.bytes),
            max_timestamp: Timestamp(0),
            earliest_expiry: None,
            parts: Vec::new(),
        };
        Indexed { entry, place }
    }

    fn reached(first: SlotPlace, next: &[Option<SlotPlace>], left: u64) -> (u64, u64) {
        let next: Vec<_> = next.iter().copied().map(indexed).collect();
        let Reach { end, wanted } = reach(&first, next.iter(), left);
        (end, wanted)
    }

    #[test]
    fn what_stands_close_is_read_along() {
        let first = place(1, 1_000, 100);
        let all = u64::MAX / 2;
        assert_eq!(reached(first, &[], all), (1_100, 100));
        let next = [Some(place(1, 1_100, 50)), Some(place(1, 1_150 + 1_024, 70))];
        assert_eq!(reached(first, &next, all), (2_244, 220));
        // A longer gap, another segment, no place: it ends before.
        for apart in [Some(place(1, 1_150 + 1_025, 70)), Some(place(2, 1_150, 70)), None] {
            assert_eq!(reached(first, &[next[0], apart, next[1]], all), (1_150, 150));
        }
        // What stands before it is no gap.
        assert_eq!(reached(first, &[Some(place(1, 900, 50))], all), (1_100, 100));
    }

    #[test]
    fn no_more_is_read_along_than_is_handed_out_or_fits_a_piece() {
        let first = place(1, 0, 100);
        let next: Vec<_> = (1..=1_000).map(|n| Some(place(1, n * 100, 100))).collect();
        assert_eq!(reached(first, &next, 1_050), (1_000, 1_000));
        assert_eq!(reached(first, &next, 0), (100, 100));
        assert_eq!(reached(first, &next, u64::MAX / 2), (65_500, 65_500));
        // A single slot is read whatever its length.
        assert_eq!(
            reached(place(1, 0, 1_000_000), &[Some(place(1, 1_000_000, 9))], 0),
            (1_000_000, 1_000_000)
        );
    }
}
