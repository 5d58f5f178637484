//! Deliveries of shared subscriptions: who has which record, and until when. Volatile, on the leader only: what becomes of a record goes
//! through the log, and whatever is lost with a leader is handed out again.

mod admin;
mod attend;
mod attendance;
mod begin;
mod ledger;
mod read;
mod receive;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use forebay_env::Monotonic;
use forebay_machine::{Progress, SubscriptionKey};
use forebay_model::subscription::{ConsumerNumber, DeliveryRules};
use forebay_model::{GroupId, PartitionId};

pub(crate) use self::admin::refuse_admin;
use self::attendance::Attendance;
pub use self::attendance::Attendee;
pub use self::begin::BeginDone;
pub(crate) use self::ledger::{Lease, Ledger};
pub use self::read::ReceiveDone;
pub(crate) use self::settle::{Settler, SettlesUnderWay, settled_answer};
use crate::mailbox::Source;

/// Somebody who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer {
    /// Its connection.
    pub source: Source,
    /// Which of the connection's.
    pub number: ConsumerNumber,
}

/// A receive for which files are read.
struct Reading {
    consumer: Consumer,
    /// Its consumer waits for nothing more.
    was_ended: bool,
}

/// All deliveries of a shard.
#[derive(Default)]
pub(crate) struct Deliveries {
    ledgers: BTreeMap<SubscriptionKey, Ledger>,
    /// Where a consumer may have something.
    by_consumer: BTreeSet<(Consumer, SubscriptionKey)>,
    /// A time at which leases of a ledger may end, at most one for each.
    timers: BTreeMap<SubscriptionKey, Monotonic>,
    by_time: BTreeSet<(Monotonic, SubscriptionKey)>,
    /// Subscriptions that are being opened.
    opening: BTreeSet<SubscriptionKey>,
    /// Receives, by their numbers, for which files are read.
    reading: BTreeMap<u64, Reading>,
    /// Subscriptions with records that have become free.
    freed: BTreeSet<SubscriptionKey>,
    /// Who consumes from queues.
    attendance: Attendance,
}

impl Deliveries {
    /// The ledger over this progress; one that lay over another is given up.
    fn ledger(&mut self, key: &SubscriptionKey, progress: &Progress, rules: DeliveryRules) -> &mut Ledger {
        let ledger = self.ledgers.entry(key.clone()).or_insert_with(|| Ledger::new(progress.since, rules));
        if ledger.since != progress.since {
            let before = std::mem::replace(ledger, Ledger::new(progress.since, rules));
            ledger.consumers = before.consumers;
        }
        ledger.rules = rules;
        ledger.forget_before(progress.cursor());
        ledger
    }

    /// The ledger, if it lies over this progress.
    fn known(&mut self, key: &SubscriptionKey, progress: &Progress) -> Option<&mut Ledger> {
        let ledger = self.ledgers.get_mut(key).filter(|ledger| ledger.since == progress.since)?;
        ledger.forget_before(progress.cursor());
        Some(ledger)
    }

    /// Records that consumers have.
    fn held(&self, key: &SubscriptionKey, progress: &Progress) -> u64 {
        let ledger = self.ledgers.get(key).filter(|ledger| ledger.since == progress.since);
        ledger.map_or(0, |ledger| ledger.held(progress.cursor()))
    }

    /// A lease of this ledger ends then, or earlier ones do.
    fn wake_at(&mut self, key: &SubscriptionKey, at: Monotonic) {
        let before = self.timers.get(key).copied();
        if before.is_some_and(|before| before <= at) {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key.clone()));
        }
        self.timers.insert(key.clone(), at);
        self.by_time.insert((at, key.clone()));
    }

    /// Takes the next ledger out of which a lease may have ended.
    fn pop_due(&mut self, now: Monotonic) -> Option<SubscriptionKey> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.timers.remove(&key);
        Some(key)
    }

    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        let lease = self.by_time.first().map(|(at, _)| *at);
        lease.into_iter().chain(self.attendance.next_deadline()).min()
    }

    /// Where this consumer may have something; nothing from here on.
    fn take_consumer(&mut self, consumer: Consumer) -> Vec<SubscriptionKey> {
        let of_consumer = self.by_consumer.range((consumer, least_key(PartitionId(0)))..);
        let of_consumer = of_consumer.take_while(|(found, _)| *found == consumer);
        let keys: Vec<SubscriptionKey> = of_consumer.map(|(_, key)| key.clone()).collect();
        for key in &keys {
            self.by_consumer.remove(&(consumer, key.clone()));
            if let Some(ledger) = self.ledgers.get_mut(key) {
                ledger.consumers.remove(&consumer);
            }
        }
        keys
    }

    /// A consumer has something from here on, until then.
    fn note_lease(&mut self, key: &SubscriptionKey, lease: Lease) {
        let Lease { consumer, until } = lease;
        if let Some(ledger) = self.ledgers.get_mut(key) {
            ledger.consumers.insert(consumer);
            self.by_consumer.insert((consumer, key.clone()));
        }
        self.wake_at(key, until);
    }

    /// The consumers of a connection.
    fn consumers_of(&self, source: Source) -> Vec<Consumer> {
        let least = (Consumer { source, number: ConsumerNumber(0) }, least_key(PartitionId(0)));
        let of_source = self.by_consumer.range(least..).map(|(consumer, _)| *consumer);
        let mut found: Vec<Consumer> = of_source.take_while(|consumer| consumer.source == source).collect();
        found.extend(
            self.reading
                .values()
                .map(|reading| reading.consumer)
                .filter(|consumer| consumer.source == source),
        );
        found.extend(self.attendance.of_source(source));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Forgets the ledgers of a partition that is gone.
    pub(crate) fn forget(&mut self, partition: PartitionId) {
        let of_partition = self.ledgers.range(least_key(partition)..);
        let of_partition = of_partition.take_while(|(key, _)| key.partition == partition);
        let keys: Vec<SubscriptionKey> = of_partition.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(&key);
        }
        self.attendance.forget(partition);
    }

    /// Forgets a ledger with nothing in it.
    fn let_go(&mut self, key: &SubscriptionKey) {
        if self.ledgers.get(key).is_some_and(Ledger::is_idle) && !self.timers.contains_key(key) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &SubscriptionKey) {
        let consumers = self.ledgers.remove(key).map(|ledger| ledger.consumers);
        for consumer in consumers.into_iter().flatten() {
            self.by_consumer.remove(&(consumer, key.clone()));
        }
        if let Some(at) = self.timers.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// Forgets everything, for a shard that leads no more.
    pub(crate) fn clear(&mut self) {
        *self = Deliveries::default();
    }

    /// Whether receivers have to be woken.
    pub(crate) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    /// How many ledgers there are.
    pub(crate) fn len(&self) -> usize {
        self.ledgers.len()
    }
}

/// The first key that a subscription of the partition could have.
fn least_key(partition: PartitionId) -> SubscriptionKey {
    SubscriptionKey { partition, name: GroupId("".into()) }
}
