//! Publishing: every item goes to the shard of its partition, in order.

use std::sync::Arc;
use std::time::Duration;

use forebay_env::{Monotonic, WallMs};
use forebay_model::limits::MESSAGE_BYTES_CEILING;
use forebay_model::publish::{PayloadKind, Publish, PublishItem};
use forebay_model::transaction::Joining;
use forebay_model::{PartitionRef, Refusal, Reply, Request};
use forebay_shard::{
    Answer, Append, GuardState, Read, Work, check_keys, check_timestamps, compressed, takes_long,
};

use crate::broker::{Currency, Inner, Replies, lock};
use crate::call::{Asker, Call, Gather, PublishGather, Slots, Step, Ticket};
use crate::joins::Then;
use crate::limits::GROWTH_BYTES_PER_PUBLISH_MAX;
use crate::line::{PublishLine, Waiting};
use crate::memory::Charge;
use crate::place::{self, Placed};

/// A publish may take this long at least: clients whose protocol gives the time no meaning send none.
const PUBLISH_TIMEOUT_MIN: Duration = Duration::from_secs(1);

impl Inner {
    pub(crate) fn publish(&self, asker: Asker, publish: Publish, replies: &mut Replies) {
        if publish.items.is_empty() {
            return self.finish(&asker, Reply::Publish(Vec::new()), replies);
        }
        if self.guard.state() == GuardState::Full {
            return self.refuse(&asker, &Request::Publish(publish), &Refusal::DiskFull, replies);
        }
        let since = self.env.clock.monotonic();
        let deadline = since + Duration::from_millis(publish.timeout_ms.into()).max(PUBLISH_TIMEOUT_MIN);
        let held = publish.items.iter().map(|item| item.payload.len()).sum();
        let charge = Charge::new(&self.memory, held);
        let line = Arc::clone(&asker.publishes);
        if let Some(first) = line.queue(Waiting { asker, publish, since, deadline, charge }) {
            self.place_publish(&line, first, Currency::Unknown, replies);
        }
    }

    /// Goes on with the publishes of a connection that waited for the catalogue, or to join a transaction. This is a shard's thread: what
    /// takes long is done elsewhere, and the line stays busy until then.
    pub(crate) fn publishes_go_on(
        &self,
        line: &Arc<PublishLine>,
        refusal: Option<Refusal>,
        replies: &mut Replies,
    ) {
        if refusal.is_some() || !line.has(|publish| self.takes_long(publish)) {
            return self.place_waiting(line, refusal, replies);
        }
        let line = Arc::clone(line);
        self.elsewhere(move |inner, replies| inner.place_waiting(&line, None, replies));
    }

    /// Whether records have to be looked at or compressed before they are placed.
    fn takes_long(&self, publish: &Publish) -> bool {
        let now = self.env.clock.wall();
        let placed = self.place(publish.items.iter().map(|item| &item.partition));
        publish.items.iter().zip(placed).any(|(item, placed)| {
            let Ok(placed) = placed else { return false };
            let is_judged = item.import.is_none() && item.kind == PayloadKind::RecordBatch;
            is_judged
                && (placed.policy.compacts()
                    || takes_long(&placed.intake, placed.timestamps, now, &item.payload))
        })
    }

    fn place_waiting(&self, line: &Arc<PublishLine>, refusal: Option<Refusal>, replies: &mut Replies) {
        let refusal = refusal.or_else(|| self.is_stopping().then_some(Refusal::ShuttingDown));
        while let Some((waiting, currency)) = line.next() {
            let late = waiting.deadline <= self.env.clock.monotonic();
            match refusal.clone().or(late.then_some(Refusal::TimedOut)) {
                Some(refusal) => self.refuse_publish(waiting, &refusal, replies),
                None => {
                    if self.place_publish(line, waiting, currency, replies) == Placing::Waits {
                        return;
                    }
                }
            }
        }
    }

    /// Refuses the publishes that have waited for the catalogue too long.
    pub(crate) fn expire_publishes(&self, now: Monotonic, replies: &mut Replies) {
        let lines = std::mem::take(&mut *lock(&self.lines));
        for line in lines {
            for late in line.expire(now) {
                self.refuse_publish(late, &Refusal::TimedOut, replies);
            }
            if line.stays_watched() {
                lock(&self.lines).push(line);
            }
        }
    }

    fn refuse_publish(&self, waiting: Waiting, refusal: &Refusal, replies: &mut Replies) {
        self.refuse(&waiting.asker, &Request::Publish(waiting.publish), refusal, replies);
    }

    /// Places a publish, or lets it wait in front of its line if only the local copy may not know its topics.
    fn place_publish(
        &self,
        line: &Arc<PublishLine>,
        waiting: Waiting,
        currency: Currency,
        replies: &mut Replies,
    ) -> Placing {
        let placed = self.place(waiting.publish.items.iter().map(|item| &item.partition));
        let stale = placed.iter().flat_map(|p| p.as_ref().err()).any(place::may_be_stale);
        if currency == Currency::Confirmed || !stale {
            if let Some(refusal) = line.take_refused(waiting.asker.token) {
                self.refuse_publish(waiting, &refusal, replies);
                return Placing::Done;
            }
            let Some((spread, partitions)) = self.publish_to_join(line, &waiting.publish, &placed) else {
                self.send_publish(waiting, placed, replies);
                return Placing::Done;
            };
            let (asker, instance) = (waiting.asker.clone(), spread.instance);
            if line.wait_alone(waiting, currency) {
                lock(&self.lines).push(Arc::clone(line));
            }
            let then = Then::Publish { line: Arc::clone(line), token: asker.token, instance, partitions };
            self.join(asker, spread, then, replies);
            return Placing::Waits;
        }
        let asker = waiting.asker.clone();
        if line.wait_first(waiting) {
            lock(&self.lines).push(Arc::clone(line));
        }
        let call = Call::new(asker, Gather::Step(Step::Publishes(Arc::clone(line))));
        self.post_read(self.shards.catalogue(), Read::Barrier(Ticket { call, part: 0 }), replies);
        Placing::Waits
    }

    fn send_publish(&self, waiting: Waiting, placed: Vec<Result<Placed, Refusal>>, replies: &mut Replies) {
        let Waiting { asker, publish, since, deadline, mut charge } = waiting;
        let confirm = publish.confirm;
        let joining = publish.transaction.as_ref().map_or(Joining::Before, |transaction| transaction.joining);
        let now = self.env.clock.wall();
        let mut room = GROWTH_BYTES_PER_PUBLISH_MAX;
        let items = publish.items.into_iter().zip(placed);
        let items: Vec<_> =
            items.map(|(item, placed)| placed.and_then(|p| accepted(p, item, now, &mut room))).collect();
        charge.grow(GROWTH_BYTES_PER_PUBLISH_MAX - room);
        let gather = PublishGather { slots: Slots::new(items.len()), since, _charge: charge };
        let call = Call::new(asker, Gather::Publish(gather));
        for (part, item) in items.into_iter().enumerate() {
            let ticket = Ticket { call: call.clone(), part };
            match item {
                Err(refusal) => self.answer(&ticket, Answer::Published(Err(refusal)), replies),
                Ok((placed, item)) => {
                    let bytes = item.payload.len();
                    self.metrics.published(bytes);
                    let append = Append {
                        joining,
                        import: item.import,
                        ticket,
                        partition: placed.id,
                        also: Vec::new(),
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
        let defaults = self.defaults(&catalogue);
        let place = |partition| {
            let placed = place::partition(&catalogue, &defaults, partition)?;
            // A shard that this node does not run cannot be served by it.
            self.shards.get(placed.shard).map(|_| placed).ok_or(Refusal::NotLeader { leader: None })
        };
        partitions.map(place).collect()
    }
}

/// Whether a publish was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    Done,
    Waits,
}

/// A payload as its partition takes it, as far as the settings say. What is imported is as its source has it: only the ceiling of all
/// topics counts. `room` is for how much larger a request may become by being compressed otherwise.
fn accepted(
    placed: Placed,
    mut item: PublishItem,
    now: WallMs,
    room: &mut usize,
) -> Result<(Placed, PublishItem), Refusal> {
    if item.import.is_some() {
        fits(&item, MESSAGE_BYTES_CEILING as u64)?;
        return Ok((placed, item));
    }
    let limit = u64::from(placed.message_bytes_max);
    fits(&item, limit)?;
    if item.kind == PayloadKind::RecordBatch {
        check_timestamps(&placed.intake, placed.timestamps, now, &item.payload)?;
    }
    if placed.policy.compacts() {
        check_keys(item.kind, &item.payload)?;
    }
    if item.kind == PayloadKind::RecordBatch {
        let came = item.payload.len();
        item.payload = compressed(&placed.intake, item.payload, placed.message_bytes_max as usize)?;
        fits(&item, limit)?;
        let growth = item.payload.len().saturating_sub(came);
        *room = room
            .checked_sub(growth)
            .ok_or(Refusal::TooLarge { limit: GROWTH_BYTES_PER_PUBLISH_MAX as u64 })?;
    }
    Ok((placed, item))
}

fn fits(item: &PublishItem, limit: u64) -> Result<(), Refusal> {
    if item.payload.len() as u64 > limit { Err(Refusal::TooLarge { limit }) } else { Ok(()) }
}
