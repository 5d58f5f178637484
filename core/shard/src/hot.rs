//! The hot payloads: what was applied last, still in memory, by partition and offset. Readers at the tail are served
//! from here and touch no file. Bounded by bytes; the oldest leave first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use forebay_model::{Offset, PartitionId};

/// What one cached payload costs beside its bytes.
const OVERHEAD_BYTES: usize = 96;

/// Room of a partition that is never given back, in payloads.
const ROOM_MIN: usize = 64;

/// Applied payloads, newest kept.
pub(crate) struct HotCache {
    /// In the order of their offsets.
    partitions: BTreeMap<PartitionId, VecDeque<Hot>>,
    /// Whose first payload leaves next.
    oldest: VecDeque<PartitionId>,
    bytes: usize,
    bytes_max: usize,
}

/// One payload and the records in it.
pub(crate) struct Hot {
    pub(crate) first_offset: Offset,
    pub(crate) count: u32,
    pub(crate) payload: Bytes,
}

impl Hot {
    /// The offset behind it.
    pub(crate) fn end(&self) -> Offset {
        Offset(self.first_offset.0 + u64::from(self.count))
    }

    fn cost(&self) -> usize {
        self.payload.len() + OVERHEAD_BYTES
    }
}

impl HotCache {
    pub(crate) fn new(bytes_max: usize) -> HotCache {
        HotCache { partitions: BTreeMap::new(), oldest: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds a payload behind those of its partition; what stood at its offset or behind it is replaced.
    pub(crate) fn insert(&mut self, partition: PartitionId, hot: Hot) {
        let payloads = self.partitions.entry(partition).or_default();
        let mut is_new = true;
        while let Some(replaced) = payloads.pop_back_if(|last| last.first_offset >= hot.first_offset) {
            self.bytes -= replaced.cost();
            is_new = false;
        }
        self.bytes += hot.cost();
        payloads.push_back(hot);
        if is_new {
            self.oldest.push_back(partition);
        }
        while self.bytes > self.bytes_max {
            let Some(partition) = self.oldest.pop_front() else { break };
            self.forget_first(partition);
        }
    }

    fn forget_first(&mut self, partition: PartitionId) {
        let Some(payloads) = self.partitions.get_mut(&partition) else { return };
        if let Some(first) = payloads.pop_front() {
            self.bytes -= first.cost();
        }
        // A burst to one partition leaves it with room for many; it costs no less than payloads do.
        if payloads.capacity() > ROOM_MIN && payloads.len() < payloads.capacity() / 4 {
            payloads.shrink_to(payloads.capacity() / 2);
        }
        if payloads.is_empty() {
            self.partitions.remove(&partition);
        }
    }

    /// The payloads of `partition` from the one that holds `offset` on; nothing when that one is not here.
    pub(crate) fn from(&self, partition: PartitionId, offset: Offset) -> impl Iterator<Item = &Hot> {
        let payloads = self.partitions.get(&partition);
        let found = payloads.and_then(|payloads| {
            let at = payloads.partition_point(|hot| hot.end() <= offset);
            let holds = payloads.get(at).is_some_and(|hot| hot.first_offset <= offset);
            holds.then(|| payloads.range(at..))
        });
        found.into_iter().flatten()
    }

    /// The offset behind the last payload of `partition` here.
    pub(crate) fn end(&self, partition: PartitionId) -> Option<Offset> {
        Some(self.partitions.get(&partition)?.back()?.end())
    }

    /// Forgets what it has of these partitions: compaction takes records out of them. Memory must not go on with a value whose tombstone is
    /// gone from the files: a reader that goes on there would never hear that it was deleted.
    pub(crate) fn forget(&mut self, partitions: &[PartitionId]) {
        let mut forgotten = BTreeSet::new();
        for partition in partitions {
            let Some(payloads) = self.partitions.remove(partition) else { continue };
            self.bytes -= payloads.iter().map(Hot::cost).sum::<usize>();
            forgotten.insert(*partition);
        }
        if !forgotten.is_empty() {
            self.oldest.retain(|partition| !forgotten.contains(partition));
        }
    }

    /// Forgets everything, for a state that was replaced.
    pub(crate) fn clear(&mut self) {
        self.partitions.clear();
        self.oldest.clear();
        self.bytes = 0;
    }

    /// Bytes held, overhead included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PartitionId = PartitionId(1);
    const TWO: PartitionId = PartitionId(2);

    fn hot(first: u64, count: u32, bytes: usize) -> Hot {
        Hot { first_offset: Offset(first), count, payload: vec![first as u8; bytes].into() }
    }

    fn firsts(cache: &HotCache, partition: PartitionId, offset: u64) -> Vec<u64> {
        cache.from(partition, Offset(offset)).map(|hot| hot.first_offset.0).collect()
    }

    #[test]
    fn payloads_are_found_by_any_offset_in_them_and_not_beside_them() {
        let mut cache = HotCache::new(1 << 20);
        for (first, count) in [(10, 5), (15, 1), (20, 10)] {
            cache.insert(ONE, hot(first, count, 100));
        }
        cache.insert(TWO, hot(0, 1, 100));
        assert_eq!(firsts(&cache, ONE, 10), [10, 15, 20]);
        assert_eq!(firsts(&cache, ONE, 14), [10, 15, 20]);
        assert_eq!(firsts(&cache, ONE, 15), [15, 20]);
        for outside in [0, 9, 16, 19, 30] {
            assert_eq!(firsts(&cache, ONE, outside), [0; 0], "{outside}");
        }
        assert_eq!((cache.end(ONE), cache.end(TWO)), (Some(Offset(30)), Some(Offset(1))));
        assert_eq!(cache.end(PartitionId(3)), None);
    }

    #[test]
    fn the_oldest_of_all_partitions_leave_when_the_bytes_are_spent() {
        let each = 1000 + OVERHEAD_BYTES;
        let mut cache = HotCache::new(3 * each);
        for first in 0..3 {
            cache.insert(if first == 1 { TWO } else { ONE }, hot(first, 1, 1000));
        }
        assert_eq!(cache.bytes(), 3 * each);
        cache.insert(ONE, hot(3, 1, 1000));
        assert_eq!((firsts(&cache, ONE, 2), firsts(&cache, TWO, 1)), (vec![2, 3], vec![1]));
        assert!(firsts(&cache, ONE, 0).is_empty());
        cache.insert(ONE, hot(4, 1, 1000));
        assert!(firsts(&cache, TWO, 1).is_empty());
        assert_eq!(cache.bytes(), 3 * each);
        cache.insert(ONE, hot(5, 1, 4000));
        assert_eq!((cache.bytes(), cache.end(ONE)), (0, None), "what is too large by itself is not kept");
    }

    #[test]
    fn what_comes_again_replaces_what_was_there() {
        let mut cache = HotCache::new(10_000);
        cache.insert(ONE, hot(0, 2, 100));
        cache.insert(ONE, hot(2, 2, 100));
        cache.insert(ONE, hot(1, 1, 50));
        assert_eq!(firsts(&cache, ONE, 1), [0, 1]);
        cache.clear();
        assert_eq!(cache.bytes(), 0);
        for first in 0..1000 {
            cache.insert(ONE, hot(first / 2, 1, 100));
        }
        assert!(cache.bytes() <= 10_000 && cache.end(ONE) == Some(Offset(500)));
        assert!(cache.oldest.len() <= 10_000 / OVERHEAD_BYTES);
    }

    #[test]
    fn what_is_forgotten_leaves_the_others_and_their_turn_as_they_were() {
        let each = 1000 + OVERHEAD_BYTES;
        let mut cache = HotCache::new(3 * each);
        for round in 0..1000 {
            cache.insert(ONE, hot(round, 1, 1000));
            cache.forget(&[PartitionId(3), ONE]);
            assert_eq!((cache.bytes(), cache.end(ONE), cache.oldest.len()), (0, None, 0));
        }
        cache.insert(TWO, hot(0, 1, 1000));
        cache.insert(ONE, hot(1000, 1, 1000));
        cache.insert(TWO, hot(1, 1, 1000));
        cache.forget(&[ONE]);
        assert_eq!((cache.bytes(), firsts(&cache, TWO, 0)), (2 * each, vec![0, 1]));
        cache.insert(ONE, hot(1001, 1, 1000));
        cache.insert(ONE, hot(1002, 1, 1000));
        assert_eq!((firsts(&cache, TWO, 1), firsts(&cache, ONE, 1001)), (vec![1], vec![1001, 1002]));
        assert!(firsts(&cache, TWO, 0).is_empty() && firsts(&cache, ONE, 1000).is_empty());
    }

    #[test]
    fn bursts_that_moved_on_leave_little_behind() {
        let mut cache = HotCache::new(1 << 20);
        for partition in 0..50 {
            for first in 0..10_000 {
                cache.insert(PartitionId(partition), hot(first, 1, 1));
                // The others trickle on, so that none of them runs empty.
                let other = PartitionId(first % (partition + 1));
                let next = cache.end(other).map_or(0, |end| end.0);
                cache.insert(other, hot(next, 1, 1));
            }
        }
        let room: usize = cache.partitions.values().map(VecDeque::capacity).sum();
        let held: usize = cache.partitions.values().map(VecDeque::len).sum();
        assert!(room <= 4 * held + 50 * ROOM_MIN, "room for {room}, {held} held");
    }
}
