//! Who consumes from queues: each says that it comes, and counts until it leaves or ends, also while it receives nothing. Volatile, on
//! the leader only.
//!
//! A queue that is to go when nobody uses it goes by the catalogue: its leader tells shard 0, again and again, until its partition is
//! dropped. From the first time on nobody can join any more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_machine::SubscriptionKey;
use forebay_model::queue::QueueRules;
use forebay_model::{PartitionId, Refusal};

use super::Consumer;

/// So long after shard 0 was told that a queue goes it is told again.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// The consumers of all queues of a shard.
#[derive(Default)]
pub(crate) struct Attendance {
    queues: BTreeMap<SubscriptionKey, Attendees>,
    by_consumer: BTreeSet<(Consumer, SubscriptionKey)>,
    idle: BTreeMap<PartitionId, Idle>,
    by_time: BTreeSet<(Monotonic, PartitionId)>,
}

/// The consumers of one queue.
#[derive(Default)]
struct Attendees {
    /// In the order in which they came; never empty.
    consumers: Vec<Attendee>,
    /// The one that gets all, where only one does.
    active: Option<Consumer>,
}

/// A queue that nobody uses and that goes.
#[derive(Clone, Copy)]
struct Idle {
    /// When, or when shard 0 is told again.
    at: Monotonic,
    is_over: bool,
}

/// A consumer of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Attendee {
    /// It.
    pub consumer: Consumer,
    /// Those with a higher one are served first.
    pub priority: i32,
    /// It is to be alone.
    pub is_exclusive: bool,
}

impl Attendance {
    /// A consumer comes. One that is there already is there once.
    pub(super) fn join(
        &mut self,
        key: &SubscriptionKey,
        rules: QueueRules,
        joining: Attendee,
    ) -> Result<(), Refusal> {
        if self.idle.get(&key.partition).is_some_and(|idle| idle.is_over) {
            // It is as good as gone.
            return Err(Refusal::UnknownPartition);
        }
        let Attendee { consumer, is_exclusive, .. } = joining;
        let there = self.queues.get(key).map(|found| &found.consumers[..]).unwrap_or_default();
        let mut others = there.iter().filter(|one| one.consumer != consumer);
        if rules.single_active && is_exclusive {
            return Err(Refusal::ConsumedByOthers);
        }
        if others.any(|other| is_exclusive || other.is_exclusive) {
            return Err(Refusal::ConsumedByOthers);
        }
        self.forget_idle(key.partition);
        let attendees = self.queues.entry(key.clone()).or_default();
        attendees.consumers.retain(|one| one.consumer != consumer);
        attendees.consumers.push(joining);
        if rules.single_active {
            attendees.active.get_or_insert(consumer);
        }
        self.by_consumer.insert((consumer, key.clone()));
        Ok(())
    }

    /// A consumer leaves; answers with the queues in which another one is active now, and with those that nobody consumes from any more.
    pub(super) fn leave(&mut self, consumer: Consumer) -> Left {
        let mut left = Left::default();
        let least = (consumer, super::least_key(PartitionId(0)));
        let of_consumer = self.by_consumer.range(least..).take_while(|(found, _)| *found == consumer);
        let keys: Vec<SubscriptionKey> = of_consumer.map(|(_, key)| key.clone()).collect();
        for key in keys {
            self.by_consumer.remove(&(consumer, key.clone()));
            let Some(attendees) = self.queues.get_mut(&key) else { continue };
            attendees.consumers.retain(|one| one.consumer != consumer);
            if attendees.consumers.is_empty() {
                self.queues.remove(&key);
                left.empty.push(key);
            } else if attendees.active == Some(consumer) {
                attendees.active = attendees.next_active();
                left.activated.push(key);
            }
        }
        left
    }

    /// The consumers of a connection.
    pub(super) fn of_source(&self, source: crate::mailbox::Source) -> BTreeSet<Consumer> {
        let least = Consumer { source, number: forebay_model::subscription::ConsumerNumber(0) };
        let from = self.by_consumer.range((least, super::least_key(PartitionId(0)))..);
        from.map(|(consumer, _)| *consumer).take_while(|consumer| consumer.source == source).collect()
    }

    /// How many there are.
    pub(super) fn count(&self, key: &SubscriptionKey) -> usize {
        self.queues.get(key).map_or(0, |attendees| attendees.consumers.len())
    }

    /// Whether a consumer is not the one whose turn it is.
    pub(super) fn stands_by(&self, key: &SubscriptionKey, consumer: Consumer) -> bool {
        let active = self.queues.get(key).and_then(|attendees| attendees.active);
        active.is_some_and(|active| active != consumer)
    }

    /// By what receivers of one queue are sorted: those with a higher priority come first.
    pub(super) fn rank(&self, key: &SubscriptionKey, consumer: Consumer) -> Reverse<i32> {
        let attendees = self.queues.get(key);
        let priority = attendees.and_then(|all| all.consumers.iter().find(|one| one.consumer == consumer));
        Reverse(priority.map_or(0, |one| one.priority))
    }

    /// The queue was used, or is not used any more: where it goes if nobody uses it, that begins anew.
    pub(super) fn touch(&mut self, key: &SubscriptionKey, rules: QueueRules, now: Monotonic) {
        let Some(after_ms) = rules.expires_ms else { return };
        let is_over = self.idle.get(&key.partition).is_some_and(|idle| idle.is_over);
        if !is_over && !self.queues.contains_key(key) {
            self.set_idle(key.partition, now + Duration::from_millis(after_ms), false);
        }
    }

    /// The queue goes: nobody wants it any more.
    pub(super) fn give_up(&mut self, partition: PartitionId, now: Monotonic) {
        self.set_idle(partition, now, true);
    }

    /// Takes the next queue that is over; it comes again after a while.
    pub(super) fn pop_over(&mut self, now: Monotonic) -> Option<PartitionId> {
        let (at, partition) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set_idle(partition, now + TELL_AGAIN, true);
        Some(partition)
    }

    pub(super) fn next_deadline(&self) -> Option<Monotonic> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Forgets a partition that is gone.
    pub(super) fn forget(&mut self, partition: PartitionId) {
        self.forget_idle(partition);
        let of_partition = self.queues.range(super::least_key(partition)..);
        let of_partition = of_partition.take_while(|(key, _)| key.partition == partition);
        let keys: Vec<SubscriptionKey> = of_partition.map(|(key, _)| key.clone()).collect();
        for key in keys {
            for one in self.queues.remove(&key).into_iter().flat_map(|attendees| attendees.consumers) {
                self.by_consumer.remove(&(one.consumer, key.clone()));
            }
        }
    }

    fn set_idle(&mut self, partition: PartitionId, at: Monotonic, is_over: bool) {
        self.forget_idle(partition);
        self.idle.insert(partition, Idle { at, is_over });
        self.by_time.insert((at, partition));
    }

    fn forget_idle(&mut self, partition: PartitionId) {
        if let Some(idle) = self.idle.remove(&partition) {
            self.by_time.remove(&(idle.at, partition));
        }
    }
}

impl Attendees {
    /// The one with the highest priority; of those the one that came first.
    fn next_active(&self) -> Option<Consumer> {
        self.consumers.iter().min_by_key(|one| Reverse(one.priority)).map(|one| one.consumer)
    }
}

/// What a consumer leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Another one is active there.
    pub(super) activated: Vec<SubscriptionKey>,
    /// Nobody consumes from there any more.
    pub(super) empty: Vec<SubscriptionKey>,
}

#[cfg(test)]
mod tests {
    use forebay_model::GroupId;
    use forebay_model::subscription::ConsumerNumber;

    use super::*;
    use crate::mailbox::Source;

    const NOW: Monotonic = Monotonic(1_000_000_000);

    fn key(partition: u64) -> SubscriptionKey {
        SubscriptionKey { partition: PartitionId(partition), name: GroupId("q".into()) }
    }

    fn consumer(number: u32) -> Consumer {
        Consumer { source: Source(u64::from(number) / 10), number: ConsumerNumber(number) }
    }

    fn plain(number: u32) -> Attendee {
        Attendee { consumer: consumer(number), priority: 0, is_exclusive: false }
    }

    #[test]
    fn an_exclusive_consumer_is_alone() {
        let mut all = Attendance::default();
        let rules = QueueRules::default();
        let alone = |number| Attendee { is_exclusive: true, ..plain(number) };
        assert_eq!(all.join(&key(1), rules, plain(1)), Ok(()));
        assert_eq!(all.join(&key(1), rules, alone(2)), Err(Refusal::ConsumedByOthers));
        assert_eq!(all.join(&key(2), rules, alone(2)), Ok(()), "another queue is another thing");
        assert_eq!(all.join(&key(2), rules, alone(2)), Ok(()), "it was there already");
        assert_eq!(all.join(&key(2), rules, plain(1)), Err(Refusal::ConsumedByOthers));
        assert_eq!((all.count(&key(1)), all.count(&key(2))), (1, 1));
        assert_eq!(all.leave(consumer(2)).empty, [key(2)]);
        assert_eq!(all.join(&key(2), rules, plain(1)), Ok(()));
        assert_eq!(all.of_source(Source(0)), [consumer(1)].into());
        assert_eq!(all.leave(consumer(1)).empty, [key(1), key(2)]);
    }

    #[test]
    fn one_is_active_until_it_leaves() {
        let mut all = Attendance::default();
        let rules = QueueRules { single_active: true, ..QueueRules::default() };
        for (number, priority) in [(1, 0), (2, 1), (3, 5), (4, 5)] {
            all.join(&key(1), rules, Attendee { priority, ..plain(number) }).unwrap();
        }
        let active = |all: &Attendance| -> Vec<u32> {
            (1..5).filter(|number| !all.stands_by(&key(1), consumer(*number))).collect()
        };
        assert_eq!(active(&all), [1]);
        assert_eq!(all.leave(consumer(2)), Left::default(), "nobody's turn ends");
        assert_eq!(all.leave(consumer(1)).activated, [key(1)]);
        assert_eq!(active(&all), [3], "the highest priority, and of these the first that came");
        assert_eq!(all.leave(consumer(3)).activated, [key(1)]);
        assert_eq!(all.leave(consumer(4)).empty, [key(1)]);
        assert!(!all.stands_by(&key(1), consumer(9)), "who only gets is in nobody's way");
    }

    #[test]
    fn a_queue_that_nobody_uses_is_over_in_time() {
        let mut all = Attendance::default();
        let rules = QueueRules { expires_ms: Some(500), ..QueueRules::default() };
        let after = |ms| NOW + Duration::from_millis(ms);
        all.touch(&key(1), rules, NOW);
        all.touch(&key(2), QueueRules::default(), NOW);
        assert_eq!(all.next_deadline(), Some(after(500)));
        all.touch(&key(1), rules, after(100));
        assert_eq!(all.pop_over(after(599)), None);
        all.join(&key(1), rules, plain(1)).unwrap();
        assert_eq!(all.next_deadline(), None, "it is used");
        all.touch(&key(1), rules, after(200));
        assert_eq!(all.next_deadline(), None, "it still is");
        all.leave(consumer(1));
        all.touch(&key(1), rules, after(1_000));
        assert_eq!(all.pop_over(after(1_500)), Some(PartitionId(1)));
        assert_eq!(all.pop_over(after(1_500)), None);
        assert_eq!(all.join(&key(1), rules, plain(1)), Err(Refusal::UnknownPartition), "too late");
        assert_eq!(all.pop_over(after(2_500)), Some(PartitionId(1)), "nobody heard");
        all.forget(PartitionId(1));
        assert_eq!(all.next_deadline(), None);
    }

    #[test]
    fn who_is_more_urgent_is_served_first() {
        let mut all = Attendance::default();
        for (number, priority) in [(1, -1), (2, 7), (3, 0)] {
            all.join(&key(1), QueueRules::default(), Attendee { priority, ..plain(number) }).unwrap();
        }
        let mut waiting = [1, 9, 3, 2];
        waiting.sort_by_key(|number| all.rank(&key(1), consumer(*number)));
        assert_eq!(waiting, [2, 9, 3, 1]);
    }
}
