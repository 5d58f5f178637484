//! Reads that wait for records. An append to one of their partitions, their deadline, or their end by the asker
//! wakes them; nothing polls.

use std::collections::{BTreeMap, BTreeSet};

use forebay_env::Monotonic;
use forebay_model::PartitionId;

use crate::work::{FetchWork, ReceiveWork};

/// A read that can wait.
pub(crate) trait Waits {
    /// A number unique among those that are open.
    fn number(&self) -> u64;
    /// When it waits no longer.
    fn deadline(&self) -> Monotonic;
    /// Where its records may come from.
    fn partitions(&self) -> impl Iterator<Item = PartitionId>;
}

impl<T> Waits for FetchWork<T> {
    fn number(&self) -> u64 {
        self.number
    }

    fn deadline(&self) -> Monotonic {
        self.deadline
    }

    fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.items.iter().map(|item| item.partition)
    }
}

impl<T> Waits for ReceiveWork<T> {
    fn number(&self) -> u64 {
        self.number
    }

    fn deadline(&self) -> Monotonic {
        self.deadline
    }

    fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.items.iter().map(|item| item.partition)
    }
}

/// Waiting reads of one kind of one shard.
pub(crate) struct Waiting<W> {
    reads: BTreeMap<u64, W>,
    by_partition: BTreeMap<PartitionId, BTreeSet<u64>>,
    by_deadline: BTreeSet<(Monotonic, u64)>,
}

impl<W: Waits> Waiting<W> {
    pub(crate) fn new() -> Waiting<W> {
        Waiting { reads: BTreeMap::new(), by_partition: BTreeMap::new(), by_deadline: BTreeSet::new() }
    }

    pub(crate) fn park(&mut self, read: W) {
        let number = read.number();
        for partition in read.partitions() {
            self.by_partition.entry(partition).or_default().insert(number);
        }
        self.by_deadline.insert((read.deadline(), number));
        self.reads.insert(number, read);
    }

    /// Takes out the reads that wait for `partition`.
    pub(crate) fn wake(&mut self, partition: PartitionId) -> Vec<W> {
        let numbers = self.by_partition.remove(&partition).unwrap_or_default();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Takes out those that wait for `partition` and are `wanted`.
    pub(crate) fn wake_if(&mut self, partition: PartitionId, wanted: impl Fn(&W) -> bool) -> Vec<W> {
        let numbers = self.by_partition.get(&partition).into_iter().flatten();
        let is_wanted = |number: &&u64| self.reads.get(number).is_some_and(&wanted);
        let numbers: Vec<u64> = numbers.filter(is_wanted).copied().collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// Takes out the reads whose deadline has come.
    pub(crate) fn due(&mut self, now: Monotonic) -> Vec<W> {
        let mut due = Vec::new();
        while let Some(&(deadline, number)) = self.by_deadline.first() {
            if deadline > now {
                break;
            }
            due.extend(self.take(number));
        }
        due
    }

    /// Takes out one read.
    pub(crate) fn take(&mut self, number: u64) -> Option<W> {
        let read = self.reads.remove(&number)?;
        self.by_deadline.remove(&(read.deadline(), number));
        for partition in read.partitions() {
            if let Some(numbers) = self.by_partition.get_mut(&partition) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_partition.remove(&partition);
                }
            }
        }
        Some(read)
    }

    /// Takes out all, for a shard that stops leading.
    pub(crate) fn take_all(&mut self) -> Vec<W> {
        self.by_partition.clear();
        self.by_deadline.clear();
        std::mem::take(&mut self.reads).into_values().collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn len(&self) -> usize {
        self.reads.len()
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
        let mut waiting = Waiting::new();
        waiting.park(fetch(1, &[10, 11], 100));
        waiting.park(fetch(2, &[11], 100));
        waiting.park(fetch(3, &[12], 100));
        assert_eq!(numbers(&waiting.wake(PartitionId(11))), [1, 2]);
        assert!(waiting.wake(PartitionId(10)).is_empty());
        assert_eq!(waiting.len(), 1);
    }

    #[test]
    fn deadlines_come_in_order() {
        let mut waiting = Waiting::new();
        waiting.park(fetch(1, &[10], 300));
        waiting.park(fetch(2, &[10], 100));
        assert_eq!(waiting.next_deadline(), Some(Monotonic(100)));
        assert_eq!(numbers(&waiting.due(Monotonic(200))), [2]);
        assert_eq!(waiting.next_deadline(), Some(Monotonic(300)));
        assert_eq!(numbers(&waiting.take_all()), [1]);
        assert_eq!(waiting.next_deadline(), None);
    }
}
