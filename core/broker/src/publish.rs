//! Publishing: every item goes to the shard of its partition, in order.

use std::time::Duration;

use forebay_model::publish::Publish;
use forebay_model::{PartitionRef, Refusal, Reply, Request};
use forebay_shard::{Answer, Append, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, PublishGather, Slots, Step, Ticket};
use crate::memory::Charge;
use crate::place::{self, Placed};
use forebay_shard::GuardState;

/// A publish may take this long at least: clients whose protocol gives the time no meaning send none.
const PUBLISH_TIMEOUT_MIN: Duration = Duration::from_secs(1);

impl Inner {
    pub(crate) fn publish(&self, asker: Asker, publish: Publish, currency: Currency, replies: &mut Replies) {
        if publish.items.is_empty() {
            return self.finish(&asker, Reply::Publish(Vec::new()), replies);
        }
        if self.guard.state() == GuardState::Full {
            return self.refuse(&asker, &Request::Publish(publish), &Refusal::DiskFull, replies);
        }
        let placed = self.place(publish.items.iter().map(|item| &item.partition));
        if currency == Currency::Unknown
            && placed.iter().flat_map(|p| p.as_ref().err()).any(place::may_be_stale)
        {
            let step = Step::Unresolved(Box::new(Request::Publish(publish)));
            return self.after_barrier(asker, step, replies);
        }
        let now = self.env.clock.monotonic();
        let deadline = now + Duration::from_millis(publish.timeout_ms.into()).max(PUBLISH_TIMEOUT_MIN);
        let confirm = publish.confirm;
        let held = publish.items.iter().map(|item| item.payload.len()).sum();
        let charge = Charge::new(&self.memory, held);
        let gather = PublishGather { slots: Slots::new(publish.items.len()), since: now, _charge: charge };
        let call = Call::new(asker, Gather::Publish(gather));
        for (part, (item, placed)) in publish.items.into_iter().zip(placed).enumerate() {
            let ticket = Ticket { call: call.clone(), part };
            let bytes = item.payload.len();
            match placed.and_then(|placed| fits(placed, bytes)) {
                Err(refusal) => self.answer(&ticket, Answer::Published(Err(refusal)), replies),
                Ok(placed) => {
                    self.metrics.published(bytes);
                    let append = Append {
                        ticket,
                        partition: placed.id,
                        kind: item.kind,
                        payload: item.payload,
                        confirm,
                        deadline,
                    };
                    let shard = self.shards.at(placed.shard.0 as usize);
                    let from = call.asker.connection;
                    self.post_work(shard, from, bytes, Work::Append(append), replies);
                }
            }
        }
    }

    /// Places every partition by the local copy of the catalogue.
    pub(crate) fn place<'a>(
        &self,
        partitions: impl Iterator<Item = &'a PartitionRef>,
    ) -> Vec<Result<Placed, Refusal>> {
        let catalogue = self.catalogue();
        let place = |partition| {
            let placed = place::partition(&catalogue, &self.config.defaults, partition)?;
            // A shard that this node does not run cannot be served by it.
            self.shards.get(placed.shard).map(|_| placed).ok_or(Refusal::NotLeader { leader: None })
        };
        partitions.map(place).collect()
    }
}

fn fits(placed: Placed, bytes: usize) -> Result<Placed, Refusal> {
    let limit = u64::from(placed.message_bytes_max);
    if bytes as u64 > limit { Err(Refusal::TooLarge { limit }) } else { Ok(placed) }
}
