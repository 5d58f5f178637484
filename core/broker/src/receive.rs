//! Receiving from shared subscriptions, and settling: the partitions of a request are grouped by shard, as for reading.

use std::time::Duration;

use forebay_model::queue::QUEUE_SUBSCRIPTION;
use forebay_model::subscription::{
    ConsumerNumber, DeliveryRules, Receive, Received, ReceivedAll, SettleDeliveries, SettleItem, SettledAll,
    SettledItem, SubscriptionReply, SubscriptionRequest, SubscriptionSettings, Verdict,
};
use forebay_model::{GroupId, Refusal, Reply, Request};
use forebay_shard::{Consumer, Read, ReceiveItemWork, ReceiveWork, SettleItemWork, SettleWork, Source, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, Next, Parts, Slots, Step, Ticket, spread};
use crate::fetch::{any_stale, group, places, refuse_unplaced};
use crate::place::{self, Placed};

/// What one receive hands out at most, whatever it asks for, beyond a first batch that is larger by itself: as much as a fetch does.
const RECEIVE_BYTES_MAX: u64 = crate::fetch::FETCH_BYTES_MAX;

/// What one range of records to settle weighs in a mailbox.
const VERDICT_BYTES: usize = 32;

/// The partitions of a receive and the parts that are still open.
pub(crate) struct ReceiveGather {
    consumer: ConsumerNumber,
    slots: Slots<Received>,
    parts: Parts,
    /// Per part: its shard and the receive's number there, until it has answered.
    open: Vec<Option<(usize, u64)>>,
    lease_ms: u32,
    /// Whether one shard has answered: it had something, or the receiver is not to wait, and nobody waits any more.
    enough: bool,
}

/// The items of a settlement.
pub(crate) struct SettleGather {
    slots: Slots<SettledItem>,
    parts: Parts,
    lease_ms: u32,
}

impl Inner {
    /// What is set on a subscription.
    pub(crate) fn subscription_settings(&self, name: &GroupId) -> SubscriptionSettings {
        self.catalogue().subscription(name)
    }

    /// By which rules a receive is served: those that were set on its subscription, or those of the queue that it is of.
    fn rules_of(&self, receive: &Receive) -> DeliveryRules {
        let catalogue = self.catalogue();
        if &*receive.subscription.0 != QUEUE_SUBSCRIPTION {
            return catalogue.subscription(&receive.subscription).rules();
        }
        let topic = receive.partitions.first().and_then(|first| place::topic(&catalogue, &first.topic).ok());
        let queue = topic.and_then(|topic| topic.queue.as_ref());
        queue.map(|queue| queue.declaration.settings).unwrap_or_default().rules()
    }

    pub(crate) fn receive(&self, asker: Asker, receive: Receive, currency: Currency, replies: &mut Replies) {
        let placed = self.place(receive.partitions.iter());
        if currency == Currency::Unknown && any_stale(&placed) {
            self.remember_unplaced(&asker, receive.consumer);
            let request = Request::Subscription(SubscriptionRequest::Receive(receive));
            return self.after_barrier(asker, Step::Unresolved(Box::new(request)), replies);
        }
        let rules = self.rules_of(&receive);
        let mut slots = Slots::new(receive.partitions.len());
        let refused = refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let mut groups =
            group(&placed, |_, placed| ReceiveItemWork { partition: placed.id, topic: placed.topic });
        // Whoever wants fewer records than there are shards gets them from those that it names first, so each has its turn.
        groups.sort_by_key(|(_, places, _)| places.first().copied());
        if groups.is_empty() {
            let received = ReceivedAll { lease_ms: rules.lease_ms, partitions: slots.take() };
            return self.finish(&asker, Reply::Subscription(SubscriptionReply::Receive(received)), replies);
        }
        // A refusal is told at once: the other partitions do not wait for records. Nor does anybody when the node stops.
        let wait_ms = if refused || self.is_stopping() { 0 } else { receive.wait_ms_max };
        let deadline = self.env.clock.monotonic() + Duration::from_millis(u64::from(wait_ms));
        let numbered: Vec<u64> = groups.iter().map(|_| self.fetch_number()).collect();
        let open =
            groups.iter().zip(&numbered).map(|((shard, ..), number)| Some((shard.0 as usize, *number)));
        let gather = ReceiveGather {
            consumer: receive.consumer,
            slots,
            parts: places(&groups),
            open: open.collect(),
            lease_ms: rules.lease_ms,
            enough: false,
        };
        let (connection, token, shards) = (asker.connection, asker.token, groups.len() as u64);
        let consumer = Consumer { source: Source(connection.0), number: receive.consumer };
        let bytes_max = u64::from(receive.bytes_max).min(RECEIVE_BYTES_MAX);
        let shares = Shares::of(u64::from(receive.records_max), shards, receive.whole_batches);
        let call = Call::new(asker, Gather::Receive(gather));
        self.remember_receiver(&call);
        for (part, ((shard, _, items), number)) in groups.into_iter().zip(numbered).enumerate() {
            let work = ReceiveWork {
                ticket: Ticket { call: call.clone(), part },
                number,
                subscription: receive.subscription.clone(),
                consumer,
                items,
                records_max: shares.of_part(part as u64),
                whole_batches: receive.whole_batches,
                form: receive.form,
                bytes_min: u64::from(receive.bytes_min).min(bytes_max),
                bytes_max,
                deadline,
                rules,
            };
            self.post_read(self.shards.at(shard.0 as usize), Read::Receive(work), replies);
        }
        // As for fetches: one shard may have answered, or the connection may have gone, before all were asked. Or the consumer has ended it.
        let is_open = self.is_open(connection);
        if call.has_enough() || !is_open || self.was_ended(connection, token) {
            self.end_fetches(call.open_fetches());
        }
        if !is_open {
            // What its end gave back is not given to it again.
            self.end_consumers(connection);
        }
    }

    pub(crate) fn settle(
        &self,
        asker: Asker,
        settle: SettleDeliveries,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let placed = self.place(settle.items.iter().map(|item| &item.partition));
        if currency == Currency::Unknown && any_stale(&placed) {
            let request = Request::Subscription(SubscriptionRequest::Settle(settle));
            return self.after_barrier(asker, Step::Unresolved(Box::new(request)), replies);
        }
        let settings = self.subscription_settings(&settle.subscription);
        let lease_ms = settings.rules().lease_ms;
        let placed = forbid_renewals(placed, &settle, settings.renews());
        let mut slots = Slots::new(settle.items.len());
        refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let groups = group(&placed, |at, placed| SettleItemWork {
            partition: placed.id,
            verdicts: settle.items[at].verdicts.clone(),
        });
        let parts = places(&groups);
        let gather = SettleGather { slots, parts, lease_ms };
        if groups.is_empty() {
            return self.finish(&asker, gather.reply(), replies);
        }
        let from = asker.connection;
        let consumer = Consumer { source: Source(from.0), number: settle.consumer };
        let call = Call::new(asker, Gather::Settle(gather));
        for (part, (shard, _, items)) in groups.into_iter().enumerate() {
            let bytes = items.iter().map(|item| VERDICT_BYTES * item.verdicts.len()).sum();
            let work = SettleWork {
                ticket: Ticket { call: call.clone(), part },
                subscription: settle.subscription.clone(),
                consumer,
                items,
            };
            self.post_work(self.shards.at(shard.0 as usize), from, bytes, Work::Settle(work), replies);
        }
    }
}

/// Where leases cannot be renewed, whoever wants to holds nothing that could be.
fn forbid_renewals(
    placed: Vec<Result<Placed, Refusal>>,
    settle: &SettleDeliveries,
    renews: bool,
) -> Vec<Result<Placed, Refusal>> {
    let is_renewal = |item: &SettleItem| item.verdicts.iter().any(|(_, verdict)| *verdict == Verdict::Renew);
    let forbid = |(placed, item): (Result<Placed, Refusal>, &SettleItem)| match !renews && is_renewal(item) {
        true => Err(Refusal::NotHeld),
        false => placed,
    };
    placed.into_iter().zip(&settle.items).map(forbid).collect()
}

/// How many records each shard may hand out.
struct Shares {
    each: u64,
    more: u64,
}

impl Shares {
    /// Who wants no more than so many gets them from all shards together; who takes whole batches may get as many from each.
    fn of(records_max: u64, shards: u64, whole_batches: bool) -> Shares {
        if whole_batches {
            return Shares { each: records_max, more: 0 };
        }
        Shares { each: records_max / shards, more: records_max % shards }
    }

    fn of_part(&self, part: u64) -> u64 {
        self.each + u64::from(part < self.more)
    }
}

impl ReceiveGather {
    pub(crate) fn answer(&mut self, part: usize, items: Vec<Received>) -> Next {
        self.open[part] = None;
        let had_enough = std::mem::replace(&mut self.enough, true);
        spread(&mut self.slots, &self.parts[part], items);
        if self.slots.is_complete() {
            let received = ReceivedAll { lease_ms: self.lease_ms, partitions: self.slots.take() };
            return Next::Reply(Reply::Subscription(SubscriptionReply::Receive(received)));
        }
        // The others answer with what they have. They are told once.
        if had_enough { Next::Wait } else { Next::EndFetches(self.open_receives()) }
    }

    /// Whether those that still wait need not.
    pub(crate) fn has_enough(&self) -> bool {
        self.enough
    }

    /// Whose it is.
    pub(crate) fn consumer(&self) -> ConsumerNumber {
        self.consumer
    }

    /// The receives (shard, number) that still wait.
    pub(crate) fn open_receives(&self) -> Vec<(usize, u64)> {
        self.open.iter().flatten().copied().collect()
    }
}

impl SettleGather {
    pub(crate) fn answer(&mut self, part: usize, items: Vec<SettledItem>) -> Next {
        spread(&mut self.slots, &self.parts[part], items);
        if self.slots.is_complete() { Next::Reply(self.take()) } else { Next::Wait }
    }

    fn reply(mut self) -> Reply {
        self.take()
    }

    fn take(&mut self) -> Reply {
        let settled = SettledAll { lease_ms: self.lease_ms, items: self.slots.take() };
        Reply::Subscription(SubscriptionReply::Settle(settled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_what_a_consumer_takes_at_most() {
        let shares = |records, shards, whole| {
            let shares = Shares::of(records, shards, whole);
            (0..shards).map(|part| shares.of_part(part)).collect::<Vec<_>>()
        };
        assert_eq!(shares(10, 1, false), [10]);
        assert_eq!(shares(10, 3, false), [4, 3, 3]);
        assert_eq!(shares(1, 3, false), [1, 0, 0]);
        assert_eq!(shares(10, 3, true), [10, 10, 10]);
    }
}
