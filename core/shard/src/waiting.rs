//! Fetches that wait for records. An append to one of their partitions, their deadline, or their end by the asker
//! wakes them; nothing polls.

use std::collections::{BTreeMap, BTreeSet};

use forebay_env::Monotonic;
use forebay_model::PartitionId;

use crate::work::FetchWork;

/// Waiting fetches of one shard.
pub(crate) struct WaitingFetches<T> {
    fetches: BTreeMap<u64, FetchWork<T>>,
    by_partition: BTreeMap<PartitionId, BTreeSet<u64>>,
    by_deadline: BTreeSet<(Monotonic, u64)>,
}

impl<T> WaitingFetches<T> {
    pub(crate) fn new() -> WaitingFetches<T> {
        WaitingFetches {
            fetches: BTreeMap::new(),
            by_partition: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
        }
    }

    pub(crate) fn park(&mut self, fetch: FetchWork<T>) {
        for item in &fetch.items {
            self.by_partition.entry(item.partition).or_default().insert(fetch.number);
        }
        self.by_deadline.insert((fetch.deadline, fetch.number));
        self.fetches.insert(fetch.number, fetch);
    }

    /// Takes out the fetches that wait for `partition`.
    pub(crate) fn wake(&mut self, partition: PartitionId) -> Vec<FetchWork<T>> {
        let numbers = self.by_partition.remove(&partition).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Takes out the fetches whose deadline has come.
    pub(crate) fn due(&mut self, now: Monotonic) -> Vec<FetchWork<T>> {
        let mut due = Vec::new();
        while let Some(&(deadline, number)) = self.by_deadline.first() {
            if deadline > now {
                break;
            }
            due.extend(self.take(number));
        }
        due
    }

    /// Takes out one fetch.
    pub(crate) fn take(&mut self, number: u64) -> Option<FetchWork<T>> {
        let fetch = self.fetches.remove(&number)?;
        self.by_deadline.remove(&(fetch.deadline, number));
        for item in &fetch.items {
            if let Some(numbers) = self.by_partition.get_mut(&item.partition) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_partition.remove(&item.partition);
                }
            }
        }
        Some(fetch)
    }

    /// Takes out all, for a shard that stops leading.
    pub(crate) fn take_all(&mut self) -> Vec<FetchWork<T>> {
        self.by_partition.clear();
        self.by_deadline.clear();
        std::mem::take(&mut self.fetches).into_values().collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn len(&self) -> usize {
        self.fetches.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::FetchItemWork;
    use forebay_model::Offset;
    use forebay_model::fetch::Isolation;

    fn fetch(number: u64, partitions: &[u64], deadline: u64) -> FetchWork<u64> {
        let item = |id: &u64| FetchItemWork {
            partition: PartitionId(*id),
            topic: forebay_model::TopicId::NONE,
            offset: Offset(0),
            bytes_max: 1,
            leader_epoch: None,
        };
        FetchWork {
            ticket: number,
            number,
            items: partitions.iter().map(item).collect(),
            bytes_min: 1,
            bytes_max: 1,
            deadline: Monotonic(deadline),
            isolation: Isolation::Uncommitted,
        }
    }

    fn numbers(fetches: &[FetchWork<u64>]) -> Vec<u64> {
        fetches.iter().map(|fetch| fetch.number).collect()
    }

    #[test]
    fn an_append_wakes_those_who_wait_for_its_partition_only() {
        let mut waiting = WaitingFetches::new();
        waiting.park(fetch(1, &[10, 11], 100));
        waiting.park(fetch(2, &[11], 100));
        waiting.park(fetch(3, &[12], 100));
        assert_eq!(numbers(&waiting.wake(PartitionId(11))), [1, 2]);
        assert!(waiting.wake(PartitionId(10)).is_empty());
        assert_eq!(waiting.len(), 1);
    }

    #[test]
    fn deadlines_come_in_order() {
        let mut waiting = WaitingFetches::new();
        waiting.park(fetch(1, &[10], 300));
        waiting.park(fetch(2, &[10], 100));
        assert_eq!(waiting.next_deadline(), Some(Monotonic(100)));
        assert_eq!(numbers(&waiting.due(Monotonic(200))), [2]);
        assert_eq!(waiting.next_deadline(), Some(Monotonic(300)));
        assert_eq!(numbers(&waiting.take_all()), [1]);
        assert_eq!(waiting.next_deadline(), None);
    }
}
