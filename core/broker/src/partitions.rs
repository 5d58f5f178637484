//! Partitions as they are stored: trimming them by hand, and what they hold. The items of a request are grouped by shard.

use std::time::Duration;

use forebay_model::partition::{
    DescribePartitions, DescribedPartition, PartitionSelection, PartitionState, StorageView, TrimPartitions,
};
use forebay_model::{CleanupPolicy, PartitionRef, Refusal, Reply, Request, TopicRef};
use forebay_shard::{Read, Trim, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, Parts, Slots, Step, Ticket};
use crate::fetch::{any_stale, group, places, refuse_unplaced};
use crate::place::Placed;

/// What one partition to trim weighs in a mailbox.
const TRIM_BYTES: usize = 32;

/// The partitions of a description.
pub(crate) struct DescribeGather {
    pub(crate) slots: Slots<Result<PartitionState, Refusal>>,
    pub(crate) parts: Parts,
    pub(crate) asked: Vec<PartitionRef>,
    pub(crate) storage: StorageView,
}

impl Inner {
    pub(crate) fn trim_partitions(
        &self,
        asker: Asker,
        trim: TrimPartitions,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let placed = self.place(trim.items.iter().map(|item| &item.partition));
        if currency == Currency::Unknown && any_stale(&placed) {
            let step = Step::Unresolved(Box::new(Request::TrimPartitions(trim)));
            return self.after_barrier(asker, step, replies);
        }
        let placed: Vec<_> = placed.into_iter().map(|placed| placed.and_then(may_be_trimmed)).collect();
        let mut slots = Slots::new(trim.items.len());
        refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let groups = group(&placed, |at, placed| (placed.id, trim.items[at].to));
        if groups.is_empty() {
            return self.finish(&asker, Reply::TrimPartitions(slots.take()), replies);
        }
        let deadline = self.env.clock.monotonic() + Duration::from_millis(u64::from(trim.timeout_ms));
        let from = asker.connection;
        let call = Call::new(asker, Gather::TrimPartitions(slots, places(&groups)));
        for (part, (shard, _, items)) in groups.into_iter().enumerate() {
            let bytes = items.len() * TRIM_BYTES;
            let work = Work::Trim(Trim { ticket: Ticket { call: call.clone(), part }, items, deadline });
            self.post_work(self.shards.at(shard.0 as usize), from, bytes, work, replies);
        }
    }

    pub(crate) fn describe_partitions(
        &self,
        asker: Asker,
        describe: DescribePartitions,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let producers = describe.producers;
        let asked = match &describe.partitions {
            PartitionSelection::These(these) => these.clone(),
            PartitionSelection::All => self.every_partition(),
        };
        let placed = self.place(asked.iter());
        if currency == Currency::Unknown && any_stale(&placed) {
            let step = Step::Unresolved(Box::new(Request::DescribePartitions(describe)));
            return self.after_barrier(asker, step, replies);
        }
        let mut slots = Slots::new(asked.len());
        refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let groups = group(&placed, |_, placed| placed.id);
        let mut gather = DescribeGather { slots, parts: places(&groups), asked, storage: self.storage() };
        if groups.is_empty() {
            return self.finish(&asker, gather.reply(), replies);
        }
        let call = Call::new(asker, Gather::DescribePartitions(gather));
        for (part, (shard, _, partitions)) in groups.into_iter().enumerate() {
            let read = Read::DescribePartitions(Ticket { call: call.clone(), part }, partitions, producers);
            self.post_read(self.shards.at(shard.0 as usize), read, replies);
        }
    }

    fn every_partition(&self) -> Vec<PartitionRef> {
        let catalogue = self.catalogue();
        let partitions = catalogue.public_topics().flat_map(|topic| {
            (0u32..)
                .zip(&topic.partitions)
                .map(move |(number, _)| PartitionRef { topic: TopicRef::Name(topic.name.clone()), number })
        });
        partitions.collect()
    }

    /// Where this node keeps its log.
    pub(crate) fn storage(&self) -> StorageView {
        let total_bytes = self.guard.total_bytes();
        StorageView {
            directory: self.config.directory.clone(),
            total_bytes,
            free_bytes: total_bytes.map(|_| self.guard.free_bytes()),
        }
    }
}

impl DescribeGather {
    /// The answer, when every partition has its own.
    pub(crate) fn reply(&mut self) -> Reply {
        let described = std::mem::take(&mut self.asked).into_iter().zip(self.slots.take());
        let described = described.map(|(partition, state)| DescribedPartition { partition, state });
        Reply::DescribePartitions(described.collect(), std::mem::take(&mut self.storage))
    }
}

/// Records that only a newer one may replace are not dropped by hand either.
fn may_be_trimmed(placed: Placed) -> Result<Placed, Refusal> {
    match placed.policy {
        CleanupPolicy::Compact => Err(Refusal::Forbidden("the topic's records are compacted, not deleted")),
        _ => Ok(placed),
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::{Intake, PartitionId, ShardId, TimestampType, TopicId};

    use super::*;

    #[test]
    fn what_is_only_compacted_is_not_trimmed_by_hand() {
        let placed = |policy| Placed {
            id: PartitionId(1),
            shard: ShardId(0),
            topic: TopicId([1; 16]),
            number: 0,
            message_bytes_max: 1,
            policy,
            timestamps: TimestampType::Create,
            intake: Intake::default(),
        };
        for policy in [CleanupPolicy::Delete, CleanupPolicy::CompactAndDelete, CleanupPolicy::Never] {
            assert_eq!(may_be_trimmed(placed(policy)), Ok(placed(policy)));
        }
        assert!(matches!(may_be_trimmed(placed(CleanupPolicy::Compact)), Err(Refusal::Forbidden(_))));
    }
}
