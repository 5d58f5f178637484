//! How far one read of a slot goes on: small slots that stand close together are read together.

use forebay_commitlog::SlotPlace;

use crate::sealed::Indexed;
use crate::stamp::COPY_BYTES_MAX;

/// Longest read for more than one slot, in bytes.
const PIECE_BYTES_MAX: u64 = 64 * 1024;
/// Longest gap between two of its slots, in bytes: reading these costs less than another call of the system.
const GAP_BYTES_MAX: u64 = 1024;

/// Where a read of the slot at `first` ends so that it brings the slots of `next` too: before the first that stands apart, and after no
/// more than `left` bytes of them. Only slots that are copied on their way out, for a slice of the piece would keep all of it in memory.
pub(crate) fn reach<'a>(first: &SlotPlace, next: impl Iterator<Item = &'a Indexed>, left: u64) -> u64 {
    let is_copied = |place: &SlotPlace| place.bytes as usize <= COPY_BYTES_MAX;
    let (mut end, mut wanted) = (first.end(), u64::from(first.bytes));
    if !is_copied(first) {
        return end;
    }
    for Indexed { entry, place } in next {
        let Some(place) = place.filter(|place| place.segment == first.segment && is_copied(place)) else {
            break;
        };
        wanted += u64::from(entry.bytes);
        let gap = place.position.checked_sub(end);
        let length = place.end().saturating_sub(first.position);
        if wanted > left || length > PIECE_BYTES_MAX || gap.is_none_or(|gap| gap > GAP_BYTES_MAX) {
            break;
        }
        end = place.end();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed::tests::{indexed_at, place};

    fn reached(first: SlotPlace, next: &[Option<SlotPlace>], left: u64) -> u64 {
        let next: Vec<_> = next.iter().copied().map(indexed_at).collect();
        reach(&first, next.iter(), left)
    }

    #[test]
    fn what_stands_close_is_read_along() {
        let first = place(1, 1_000, 100);
        let all = u64::MAX / 2;
        assert_eq!(reached(first, &[], all), 1_100);
        let next = [Some(place(1, 1_100, 50)), Some(place(1, 1_150 + 1_024, 70))];
        assert_eq!(reached(first, &next, all), 2_244);
        // A longer gap, another segment, no place, one that is not copied: it ends before.
        let long = place(1, 1_150, 4_097);
        for apart in [Some(place(1, 1_150 + 1_025, 70)), Some(place(2, 1_150, 70)), None, Some(long)] {
            assert_eq!(reached(first, &[next[0], apart, next[1]], all), 1_150);
        }
        // What stands before it is no gap.
        assert_eq!(reached(first, &[Some(place(1, 900, 50))], all), 1_100);
        assert_eq!(reached(long, &[Some(place(1, 1_150 + 4_097, 70))], all), 1_150 + 4_097);
    }

    #[test]
    fn no_more_is_read_along_than_is_handed_out_or_fits_a_piece() {
        let first = place(1, 0, 100);
        let next: Vec<_> = (1..=1_000).map(|n| Some(place(1, n * 100, 100))).collect();
        assert_eq!(reached(first, &next, 1_050), 1_000);
        assert_eq!(reached(first, &next, 0), 100);
        assert_eq!(reached(first, &next, u64::MAX / 2), 65_500);
        // A single slot is read whatever its length.
        assert_eq!(reached(place(1, 0, 1_000_000), &[Some(place(1, 1_000_000, 9))], 0), 1_000_000);
    }
}
