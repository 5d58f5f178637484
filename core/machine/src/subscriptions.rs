//! Subscriptions that consumers share: which records of a partition are settled, one by one, and how often the others were handed out
//! in vain. Who has a record at the moment, and until when, is the leader's business.

mod mark;
mod progress;

use std::collections::BTreeSet;

use forebay_model::subscription::StartAt;
use forebay_model::{GroupId, LogIndex, Offset, PartitionId, Refusal};

pub use self::mark::RecordState;
pub use self::progress::{Progress, Run};
use crate::codec::{DecodeError, Reader, Writer};
use crate::command::decode;
use crate::limits::{
    GROUP_ID_BYTES_MAX, SETTLED_RANGES_PER_COMMAND_MAX, SUBSCRIPTIONS_BYTES_MAX, SUBSCRIPTIONS_PER_SHARD_MAX,
};
use crate::table::{Stored, Table, TableLimit};
use crate::{DeliveredUpTo, Meta, Partition, Settle};

/// One subscription in one partition. By partition first: what happens to that concerns all its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriptionKey {
    /// The partition that is read.
    pub partition: PartitionId,
    /// The subscription's name: that of the group of its consumers.
    pub name: GroupId,
}

/// All of a shard.
#[derive(Clone, Debug)]
pub struct Subscriptions {
    table: Table<SubscriptionKey, Progress>,
    /// The same, by name.
    by_name: BTreeSet<(GroupId, PartitionId)>,
}

const LIMIT: TableLimit = TableLimit {
    name: "SUBSCRIPTIONS_PER_SHARD_MAX",
    entries: SUBSCRIPTIONS_PER_SHARD_MAX,
    bytes: SUBSCRIPTIONS_BYTES_MAX,
};

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions { table: Table::new(LIMIT), by_name: BTreeSet::new() }
    }
}

impl Subscriptions {
    /// How far a subscription is with a partition; `None` when it does not read it.
    pub fn get(&self, key: &SubscriptionKey) -> Option<&Progress> {
        self.table.get(key)
    }

    /// The partitions that a subscription reads, by rising id.
    pub fn of_name<'a>(&'a self, name: &'a GroupId) -> impl Iterator<Item = PartitionId> + 'a {
        let from = (name.clone(), PartitionId(0));
        self.by_name.range(from..).take_while(move |(found, _)| found == name).map(|(_, id)| *id)
    }

    /// All of a partition, by name.
    pub fn of_partition(
        &self,
        partition: PartitionId,
    ) -> impl Iterator<Item = (&SubscriptionKey, &Progress)> + '_ {
        self.table.range(first_key(partition)..).take_while(move |(key, _)| key.partition == partition)
    }

    /// All of them, by partition and name.
    pub fn iter(&self) -> impl Iterator<Item = (&SubscriptionKey, &Progress)> {
        self.table.iter()
    }

    /// How many there are, counted once for each partition.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes of all, with what may become of the records that are out.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Begins to read a partition. One that does already goes on as it was; or begins `anew` somewhere else, and nothing that was settled or
    /// tried is remembered.
    pub(crate) fn open(
        &mut self,
        meta: &Meta,
        key: SubscriptionKey,
        partition: &Partition,
        at: StartAt,
        anew: bool,
    ) -> Result<(), Refusal> {
        if key.name.0.is_empty() || key.name.0.len() > GROUP_ID_BYTES_MAX {
            return Err(Refusal::InvalidGroupId);
        }
        if self.table.get(&key).is_some() && !anew {
            return Ok(());
        }
        let place = place(partition, at)
            .ok_or_else(|| Refusal::InvalidRequest("the machine looks into no records".into()))?;
        let progress = Progress::begin(meta.index, meta.term, place);
        self.table.insert(key.clone(), progress)?;
        self.by_name.insert((key.name, key.partition));
        Ok(())
    }

    /// Settles what a leader has handed out since the subscription was opened or set back.
    pub(crate) fn settle(&mut self, settle: &Settle) -> Result<(), Refusal> {
        let Settle { subscription, since, settled } = settle;
        if settled.len() > SETTLED_RANGES_PER_COMMAND_MAX {
            return Err(Refusal::LimitReached { limit: "SETTLED_RANGES_PER_COMMAND_MAX" });
        }
        if settled.iter().any(|settled| settled.range.is_empty()) {
            return Err(Refusal::InvalidRequest("a range of records ends before it begins".into()));
        }
        self.check(subscription, *since)?;
        // Its memory was counted when it was handed out.
        self.table.update(subscription, |progress| {
            settled.iter().for_each(|settled| progress.settle(settled.range, settled.how));
        });
        Ok(())
    }

    /// Notes how far a leader hands out. `partition` is that of the subscription. Refused where there is no memory for what may become of so
    /// many records: then no more is handed out, and what is can be settled.
    pub(crate) fn deliver(
        &mut self,
        meta: &Meta,
        deliver: &DeliveredUpTo,
        partition: &Partition,
    ) -> Result<(), Refusal> {
        let DeliveredUpTo { subscription, since, up_to, attempts_max } = deliver;
        let progress = self.check(subscription, *since)?;
        if *up_to > progress.delivered_max() {
            return Err(Refusal::LimitReached { limit: "SUBSCRIPTION_SPAN_MAX" });
        }
        // What was appended in a later term was handed out by no leader of the term before.
        let before = partition.leader_epoch(progress.term());
        let lost_end = partition.epoch_end(before, meta.term).map_or(partition.end, |epoch| epoch.end);
        let room = up_to.0.saturating_sub(progress.delivered().0);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        self.table.grow(subscription, room, |progress| {
            progress.deliver(meta.term, *up_to, lost_end, *attempts_max);
        })
    }

    fn check(&self, key: &SubscriptionKey, since: LogIndex) -> Result<&Progress, Refusal> {
        let progress = self.table.get(key).ok_or(Refusal::UnknownSubscription)?;
        if progress.since == since { Ok(progress) } else { Err(Refusal::NotHeld) }
    }

    /// Ends the subscription in one partition.
    pub(crate) fn drop_one(&mut self, key: &SubscriptionKey) -> Result<(), Refusal> {
        self.table.remove(key).ok_or(Refusal::UnknownSubscription)?;
        self.by_name.remove(&(key.name.clone(), key.partition));
        Ok(())
    }

    /// The records of a partition before `start` are gone, for every subscription.
    pub(crate) fn trim(&mut self, partition: PartitionId, start: Offset) {
        let behind = self.of_partition(partition).filter(|(_, progress)| progress.begins_before(start));
        let keys: Vec<SubscriptionKey> = behind.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.table.update(&key, |progress| progress.trim(start));
        }
    }

    /// Forgets a partition.
    pub(crate) fn forget(&mut self, partition: PartitionId) {
        let keys: Vec<SubscriptionKey> = self.of_partition(partition).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.table.remove(&key);
            self.by_name.remove(&(key.name, key.partition));
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.table.encode(out);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Subscriptions, DecodeError> {
        let table = Table::<SubscriptionKey, Progress>::decode(LIMIT, input)?;
        let by_name = table.iter().map(|(key, _)| (key.name.clone(), key.partition)).collect();
        Ok(Subscriptions { table, by_name })
    }
}

/// The first key that one of the partition's subscriptions could have.
fn first_key(partition: PartitionId) -> SubscriptionKey {
    SubscriptionKey { partition, name: GroupId("".into()) }
}

/// Where that is in a partition; `None` where the records have to be asked.
fn place(partition: &Partition, at: StartAt) -> Option<Offset> {
    match at {
        StartAt::Earliest => Some(partition.start),
        StartAt::Latest => Some(partition.end),
        StartAt::Offset(offset) => Some(offset.clamp(partition.start, partition.end)),
        StartAt::NoOlderThan { .. } => None,
    }
}

impl Stored for SubscriptionKey {
    fn bytes(&self) -> usize {
        // Its place by name, with the text again: it is shared with nothing when it was decoded.
        2 * (48 + self.name.0.len())
    }

    fn encode(&self, out: &mut Writer) {
        out.uint(self.partition.0);
        out.text(&self.name.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<SubscriptionKey, DecodeError> {
        Ok(SubscriptionKey {
            partition: PartitionId(input.uint("a partition")?),
            name: decode::group_id(input)?,
        })
    }
}

impl Stored for Progress {
    fn bytes(&self) -> usize {
        120 + self.marks_bytes_max()
    }

    fn encode(&self, out: &mut Writer) {
        Progress::encode(self, out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Progress, DecodeError> {
        Progress::decode(input)
    }
}
