//! What a read will come to next: where the medium has to be waited for, all of it is asked for at once.

use std::collections::VecDeque;

use forebay_commitlog::{SlotPlace, SlotReader};
use forebay_model::{LogIndex, SlotNumber};

use crate::sealed::Indexed;

/// How much is asked for before it is read: so many slots whose places are known keep a medium busy.
const WEIGHT_MAX: usize = 128;
/// A slot whose place is not known costs more: its entry's beginning is read first, and kept in memory.
const UNPLACED_WEIGHT: usize = 4;
/// Larger ones are quick by themselves: the system reads ahead in them.
const BYTES_MAX: u32 = 64 * 1024;

/// Entries that were taken from a walk before their turn. Every small one among them was announced.
#[derive(Default)]
pub(crate) struct Ahead {
    entries: VecDeque<Indexed>,
    weight: usize,
    bytes: u64,
}

/// Slots to ask the medium for.
#[derive(Default)]
struct Announced {
    placed: Vec<SlotPlace>,
    others: Vec<(LogIndex, SlotNumber)>,
}

impl Ahead {
    /// The entry whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Indexed> {
        let indexed = self.entries.pop_front()?;
        self.weight -= weight(&indexed);
        self.bytes -= u64::from(indexed.entry.bytes);
        Some(indexed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Indexed> {
        self.entries.iter()
    }

    /// Takes what comes `next` and has the medium asked for it, as far as it fits into `bytes`: a partition that lies scattered among
    /// others is then read at the medium's rate and not one wait after the other. Does so when half of what was asked for is read.
    pub(crate) fn fill(
        &mut self,
        slots: &mut SlotReader<'_>,
        bytes: u64,
        next: impl FnMut() -> Option<Indexed>,
    ) {
        if self.weight <= WEIGHT_MAX / 2 {
            let Announced { placed, others } = self.take(bytes, next);
            slots.expect_placed(&placed);
            slots.expect(&others);
        }
    }

    fn take(&mut self, bytes: u64, mut next: impl FnMut() -> Option<Indexed>) -> Announced {
        let mut announced = Announced::default();
        while self.weight < WEIGHT_MAX && self.bytes < bytes {
            let Some(indexed) = next() else { break };
            match indexed.place {
                _ if indexed.entry.bytes > BYTES_MAX => {}
                Some(place) => announced.placed.push(place),
                None => announced.others.push((indexed.entry.log_index, indexed.entry.slot)),
            }
            self.weight += weight(&indexed);
            self.bytes += u64::from(indexed.entry.bytes);
            self.entries.push_back(indexed);
        }
        announced
    }
}

fn weight(indexed: &Indexed) -> usize {
    if indexed.place.is_some() { 1 } else { UNPLACED_WEIGHT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed::tests::indexed;

    /// Reads `all` as an archive does; answers the log indexes that were announced, in order, and how many were outstanding at most.
    fn read(all: Vec<Indexed>, bytes: u64) -> (Vec<u64>, usize) {
        let mut walk = all.into_iter();
        let (mut ahead, mut announced, mut most) = (Ahead::default(), Vec::new(), 0);
        // The first one was waited for: it is read before anything is announced.
        let mut turn = walk.next();
        while let Some(one) = turn {
            if ahead.weight <= WEIGHT_MAX / 2 {
                let Announced { placed, others } = ahead.take(bytes, || walk.next());
                announced.extend(placed.iter().map(|place| place.position));
                announced.extend(others.iter().map(|(index, _)| index.0));
            }
            let outstanding: usize = ahead.iter().map(weight).sum();
            assert!(outstanding == ahead.weight && one.entry.bytes > 0);
            most = most.max(outstanding);
            turn = ahead.pop().or_else(|| walk.next());
        }
        announced.sort_unstable();
        (announced, most)
    }

    /// An entry that is known by its number, as a position or as a log index.
    fn numbered(number: u64, bytes: u32, is_placed: bool) -> Indexed {
        indexed(LogIndex(number), bytes, is_placed.then_some(number))
    }

    #[test]
    fn whatever_is_small_is_announced_once() {
        for placed in [|_| true, |_| false, |n: u64| n.is_multiple_of(2), |n: u64| n < 300, |n: u64| n > 300]
        {
            let all: Vec<_> = (0..700).map(|n| numbered(n, 1_000, placed(n))).collect();
            let (announced, most) = read(all, u64::MAX);
            assert_eq!(announced, (1..700).collect::<Vec<_>>());
            assert!((WEIGHT_MAX..WEIGHT_MAX + UNPLACED_WEIGHT).contains(&most), "{most}");
        }
    }

    #[test]
    fn what_is_large_or_will_not_be_read_is_not_announced() {
        let large = |n: u64| n.is_multiple_of(3);
        let all: Vec<_> =
            (0..90).map(|n| numbered(n, if large(n) { BYTES_MAX + 1 } else { BYTES_MAX }, true)).collect();
        let (announced, _) = read(all, u64::MAX);
        assert_eq!(announced, (1..90).filter(|n| !large(*n)).collect::<Vec<_>>());
        let mut ahead = Ahead::default();
        let mut walk = (0..90).map(|n| numbered(n, 1_000, true));
        assert_eq!(ahead.take(9_500, || walk.next()).placed.len(), 10);
        assert_eq!(ahead.take(9_500, || walk.next()).placed.len(), 0);
        ahead.pop();
        assert_eq!(ahead.take(9_500, || walk.next()).placed.len(), 1);
    }
}
