//! Applying what happens to shared subscriptions. A subscription's state lies on the shard of the partition that it reads, so what
//! is settled and what is stored are one log.

use forebay_model::subscription::{StartAt, SubscriptionChange};
use forebay_model::{GroupId, Refusal};

use crate::command::{DeliveredUpTo, Settle};
use crate::subscriptions::SubscriptionKey;
use crate::{MACHINE_VERSION_SUBSCRIPTIONS, Machine, Meta, Outcome};

impl Machine {
    pub(super) fn open_subscription(
        &mut self,
        meta: &Meta,
        key: SubscriptionKey,
        at: StartAt,
        anew: bool,
    ) -> Result<Outcome, Refusal> {
        self.has_subscriptions()?;
        let partition = self.partitions.get(&key.partition).ok_or(Refusal::UnknownPartition)?;
        self.subscriptions.open(meta, key, partition, at, anew).map(|()| Outcome::Done)
    }

    pub(super) fn settle_deliveries(&mut self, settle: &Settle) -> Result<Outcome, Refusal> {
        self.has_subscriptions()?;
        self.subscriptions.settle(settle).map(|()| Outcome::Done)
    }

    pub(super) fn deliver(&mut self, meta: &Meta, deliver: &DeliveredUpTo) -> Result<Outcome, Refusal> {
        self.has_subscriptions()?;
        let id = deliver.subscription.partition;
        let partition = self.partitions.get(&id).ok_or(Refusal::UnknownPartition)?;
        self.subscriptions.deliver(meta, deliver, partition).map(|()| Outcome::Done)
    }

    pub(super) fn drop_subscription(&mut self, key: &SubscriptionKey) -> Result<Outcome, Refusal> {
        self.has_subscriptions()?;
        self.subscriptions.drop_one(key).map(|()| Outcome::Done)
    }

    pub(super) fn alter_subscription(
        &mut self,
        name: GroupId,
        change: &SubscriptionChange,
    ) -> Result<Outcome, Refusal> {
        self.has_subscriptions()?;
        self.catalog.alter_subscription(name, change).map(|()| Outcome::Done)
    }

    fn has_subscriptions(&self) -> Result<(), Refusal> {
        if self.version < MACHINE_VERSION_SUBSCRIPTIONS {
            return Err(Refusal::Unsupported("the machine version in force has no shared subscriptions"));
        }
        Ok(())
    }
}
