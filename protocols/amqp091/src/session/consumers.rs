//! basic.consume, cancel, get, and all that settles: who waits for messages, what was delivered, and what became of it.

use forebay_kit::Instant;
use forebay_kit::model::exchange::QueueName;
use forebay_kit::model::queue::QueueView;
use forebay_kit::model::subscription::{
    ConsumerNumber, Receive, ReceiveForm, ReceivedAll, ReceivedRecords, Settlement,
};
use forebay_kit::model::{Attempts, Offset, Refusal, TopicId};

use super::arguments::{self, QueueType};
use super::attendance::{self, Cancelling, Joining};
use super::channel::{Channel, Waiting};
use super::exception::{Done, Exception, not_implemented, precondition};
use super::received::{Received, received};
use super::refusals;
use super::replies::DIRECT_REPLY_TO;
use super::settles::partition;
use super::shared::{Call, Shared};
use super::stored::Seen;
use crate::limits::{
    GET_WAIT_MS, RECEIVE_BYTES_MAX, RECEIVE_RECORDS_MAX, RECEIVE_WAIT_MS, UNACKED_BYTES,
    UNACKED_PER_CHANNEL_MAX,
};
use crate::wire::method::{
    BasicAck, BasicCancel, BasicCancelOk, BasicConsume, BasicConsumeOk, BasicGet, BasicGetEmpty, BasicGetOk,
    BasicNack, BasicRecoverOk, BasicReject,
};
use crate::wire::{Delivery, DeliveryPrefix, DeliveryTag, OutgoingContent, ReplyCode, ShortStr};

/// Who waits for messages of a queue.
#[derive(Debug)]
pub(super) struct Consumer {
    tag: ShortStr,
    from: Source,
    prefix: DeliveryPrefix,
    no_ack: bool,
    /// Deliveries that it may have; 0 for any number.
    prefetch: u16,
    /// Deliveries that it has.
    unacked: u32,
    /// While it waits for messages: how many may come, as far as memory is kept for them.
    open: Option<u32>,
    /// It wants no more, and is there until all that it has is settled.
    is_cancelled: bool,
    retry_at: Option<Instant>,
    exclusive: bool,
    priority: i32,
    /// Its queue may have lost sight of it.
    may_be_unknown: bool,
}

/// A queue that messages come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) queue: QueueName,
    pub(super) topic: TopicId,
    queue_type: QueueType,
}

/// A consumer whose queue is being looked for.
#[derive(Debug)]
pub(super) struct Consuming {
    tag: ShortStr,
    pub(super) no_ack: bool,
    no_wait: bool,
    pub(super) exclusive: bool,
    pub(super) priority: i32,
}

/// A message that was asked for without a consumer.
#[derive(Debug)]
pub(super) struct Getting {
    from: Source,
    no_ack: bool,
    /// Messages that were ready when it was asked for.
    ready: u64,
}

/// A delivery that is not settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unacked {
    number: ConsumerNumber,
    topic: TopicId,
    offset: Offset,
}

/// Comes again, and that it was delivered counts.
const REQUEUE: Settlement = Settlement::Release { counts: true };
/// Comes again as if it had never been handed out.
const UNTOUCHED: Settlement = Settlement::Release { counts: false };

impl Consumer {
    /// Deliveries for which memory is kept and which have not come.
    pub(super) fn reserved(&self) -> usize {
        if self.no_ack { 0 } else { self.open.unwrap_or(0) as usize }
    }

    /// How many more it may have, for its own part.
    fn credit(&self) -> u32 {
        match self.prefetch {
            _ if self.no_ack => RECEIVE_RECORDS_MAX,
            0 => RECEIVE_RECORDS_MAX,
            most => u32::from(most).saturating_sub(self.unacked).min(RECEIVE_RECORDS_MAX),
        }
    }

    fn may_ask(&self, now: Instant) -> bool {
        !self.is_cancelled && self.open.is_none() && self.retry_at.is_none_or(|at| at <= now)
    }
}

impl From<&QueueView> for Source {
    fn from(queue: &QueueView) -> Source {
        Source {
            queue: queue.declaration.name.clone(),
            topic: queue.topic,
            queue_type: QueueType::declared(&queue.declaration.arguments),
        }
    }
}

impl Channel {
    pub(super) fn consume(&mut self, shared: &mut Shared, method: BasicConsume) -> Done {
        let priority = arguments::consumer_arguments(&method.arguments)?;
        let is_for_replies = method.queue == DIRECT_REPLY_TO;
        let queue = if is_for_replies { None } else { Some(self.named(shared, &method.queue)?) };
        let tag = match method.consumer_tag.is_empty() {
            true => shared.names.consumer(shared.now),
            false => method.consumer_tag.detached(),
        };
        if self.tags.contains_key(&tag) {
            let tag = String::from_utf8_lossy(tag.as_bytes());
            let why = format!("attempt to reuse consumer tag '{tag}'");
            return Err(Exception::new(ReplyCode::NotAllowed, why));
        }
        let BasicConsume { no_ack, no_wait, exclusive, .. } = method;
        let consuming = Consuming { tag, no_ack, no_wait, exclusive, priority };
        match queue {
            Some(queue) => self.find_for_consumer(shared, queue, consuming),
            None => self.consume_replies(shared, consuming),
        }
    }

    /// The queue is there.
    pub(super) fn consume_from(
        &mut self,
        shared: &mut Shared,
        consuming: Consuming,
        queue: QueueView,
    ) -> Done {
        let from = Source::from(&queue);
        if from.queue_type == QueueType::Quorum && self.global_prefetch != 0 {
            let about = shared.queue(&from.queue);
            return Err(not_implemented(format_args!("{about} does not support global qos")));
        }
        self.join(shared, consuming, from)
    }

    /// A consumer may have messages from now on.
    pub(super) fn begin(&mut self, shared: &mut Shared, number: ConsumerNumber, joining: Joining) -> Done {
        let Joining { consuming, from, .. } = joining;
        let Consuming { tag, no_ack, no_wait, exclusive, priority } = consuming;
        self.note_replies(&from.queue, &tag);
        let consumer = Consumer {
            tag: tag.clone(),
            from,
            prefix: DeliveryPrefix::new(self.place.channel, &tag),
            no_ack,
            exclusive,
            priority,
            prefetch: self.prefetch,
            unacked: 0,
            open: None,
            is_cancelled: false,
            retry_at: None,
            may_be_unknown: false,
        };
        self.consumers.insert(number, consumer);
        self.tags.insert(tag.clone(), number);
        self.is_stirred = true;
        if no_wait { Ok(()) } else { shared.say(self.place.channel, &BasicConsumeOk { consumer_tag: tag }) }
    }

    pub(super) fn cancel(&mut self, shared: &mut Shared, method: BasicCancel) -> Done {
        let BasicCancel { consumer_tag: tag, no_wait } = method;
        let number = self.tags.remove(&tag);
        self.forget_replies(&tag);
        let consumer = number.and_then(|number| self.consumers.get_mut(&number).map(|found| (number, found)));
        // As with RabbitMQ, it is well if there is no such consumer.
        let Some((number, consumer)) = consumer else { return self.cancelled(shared, tag, no_wait) };
        consumer.is_cancelled = true;
        let cancelling = Cancelling { number, tag, no_wait };
        if consumer.open.is_some() {
            shared.end_receive(number);
            self.waiting = Some(Waiting::Cancel(cancelling));
            return Ok(());
        }
        self.leave(shared, cancelling);
        Ok(())
    }

    pub(super) fn cancelled(&self, shared: &mut Shared, consumer_tag: ShortStr, no_wait: bool) -> Done {
        if no_wait { Ok(()) } else { shared.say(self.place.channel, &BasicCancelOk { consumer_tag }) }
    }

    /// Ends a consumer that wants no more, once all that it had is settled.
    pub(super) fn bury(&mut self, shared: &mut Shared, number: ConsumerNumber) {
        let is_done =
            |consumer: &Consumer| consumer.is_cancelled && consumer.unacked == 0 && consumer.open.is_none();
        if self.consumers.get(&number).is_some_and(is_done) {
            self.consumers.remove(&number);
            shared.end_consumer(None, number);
        }
    }

    /// Lets consumers ask for as much as they may have.
    pub(super) fn stir(&mut self, shared: &mut Shared) {
        if !std::mem::take(&mut self.is_stirred) {
            return;
        }
        let room = self.room();
        for (number, consumer) in &mut self.consumers {
            if !consumer.may_ask(shared.now) || shared.is_releasing(*number) {
                continue;
            }
            if std::mem::take(&mut consumer.may_be_unknown) {
                let Consumer { from, exclusive, priority, .. } = consumer;
                let join = attendance::join(shared, *number, from.topic, *exclusive, *priority);
                shared.join(Call::Rejoin, join);
            }
            let room = if consumer.no_ack { u32::MAX } else { room };
            let wanted = consumer.credit().min(room);
            let records_max = reserve(shared, wanted, consumer.no_ack);
            if wanted > 0 && records_max == 0 {
                consumer.retry_at = Some(shared.now + crate::limits::RETRY_AFTER);
                shared.retry_soon();
            }
            if records_max == 0 {
                continue;
            }
            (consumer.open, consumer.retry_at) = (Some(records_max), None);
            let receive = receive(shared, *number, consumer.from.topic, records_max, RECEIVE_WAIT_MS);
            shared.receive(Call::Receive(self.place, *number), receive);
        }
    }

    /// What one of its consumers gave back is there again.
    pub(super) fn note_released(&mut self, number: ConsumerNumber) -> bool {
        let is_one = self.consumers.contains_key(&number);
        self.is_stirred |= is_one;
        is_one
    }

    /// How many more deliveries the channel may have.
    fn room(&self) -> u32 {
        let most = UNACKED_PER_CHANNEL_MAX.saturating_sub(self.unacked.len() as u32);
        match self.global_prefetch {
            0 => most,
            limit => {
                let held: u32 = self.consumers.values().map(|consumer| consumer.unacked).sum();
                most.min(u32::from(limit).saturating_sub(held))
            }
        }
    }

    /// A consumer's messages came, or its time is over.
    pub(super) fn received(&mut self, shared: &mut Shared, number: ConsumerNumber, all: ReceivedAll) -> Done {
        let Some(consumer) = self.consumers.get_mut(&number) else { return Ok(()) };
        shared.budget.give(consumer.reserved() * UNACKED_BYTES);
        consumer.open = None;
        self.is_stirred = true;
        let is_cancelled = consumer.is_cancelled;
        for records in all.partitions {
            match records {
                Ok(records) if is_cancelled => self.decline(shared, number, &records),
                Ok(records) => self.hand_on(shared, number, &records)?,
                Err(refusal) => self.unreceived(shared, number, &refusal)?,
            }
        }
        match self.waiting.take() {
            Some(Waiting::Cancel(cancelling)) if cancelling.number == number => {
                self.leave(shared, cancelling);
                Ok(())
            }
            waiting => {
                self.waiting = waiting;
                Ok(())
            }
        }
    }

    /// Gives back what nobody wants any more.
    fn decline(&mut self, shared: &mut Shared, number: ConsumerNumber, records: &ReceivedRecords) {
        let Some(consumer) = self.consumers.get(&number) else { return };
        for delivery in &records.deliveries {
            for offset in delivery.range.first.0..=delivery.range.last.0 {
                shared.settles.add(number, consumer.from.topic, Offset(offset), UNTOUCHED);
            }
        }
    }

    fn hand_on(&mut self, shared: &mut Shared, number: ConsumerNumber, records: &ReceivedRecords) -> Done {
        let all = received(records).map_err(unreadable)?;
        let mut room = self.room();
        for Received { offset, attempt, seen } in all {
            let Some(consumer) = self.consumers.get_mut(&number) else { return Ok(()) };
            let topic = consumer.from.topic;
            let Some(seen) = seen else {
                // Nothing is there that anybody could be given.
                shared.settles.add(number, topic, offset, Settlement::Accept);
                continue;
            };
            if !consumer.no_ack && (room == 0 || shared.budget.take(UNACKED_BYTES).is_err()) {
                shared.settles.add(number, topic, offset, UNTOUCHED);
                continue;
            }
            self.last_delivery += 1;
            let delivery_tag = DeliveryTag(self.last_delivery);
            if consumer.no_ack {
                shared.settles.add(number, topic, offset, Settlement::Accept);
            } else {
                room -= 1;
                consumer.unacked += 1;
                self.unacked.insert(delivery_tag.0, Unacked { number, topic, offset });
            }
            let seen = counted(seen, &consumer.from, attempt);
            let delivery = Delivery {
                delivery_tag,
                redelivered: is_again(attempt),
                exchange: &seen.exchange,
                routing_key: &seen.routing_key,
            };
            shared.deliver(&consumer.prefix, delivery, content(&seen))?;
        }
        Ok(())
    }

    /// A consumer gets nothing now, or never again.
    fn unreceived(&mut self, shared: &mut Shared, number: ConsumerNumber, refusal: &Refusal) -> Done {
        let Some(consumer) = self.consumers.get_mut(&number) else { return Ok(()) };
        match refusal {
            _ if consumer.is_cancelled => Ok(()),
            refusal if refusals::passes(refusal) => {
                consumer.retry_at = Some(shared.now + crate::limits::RETRY_AFTER);
                // Who consumes from a queue is known to its leader alone, which may be another one.
                consumer.may_be_unknown = true;
                shared.retry_soon();
                Ok(())
            }
            Refusal::UnknownTopicId | Refusal::UnknownTopic | Refusal::UnknownPartition => {
                self.queue_is_gone(shared, number)
            }
            refusal => {
                let about = shared.queue(&consumer.from.queue);
                Err(refusals::broker(shared, &about, refusal))
            }
        }
    }

    /// The queue of a consumer was deleted: its client hears it, if it wants to.
    fn queue_is_gone(&mut self, shared: &mut Shared, number: ConsumerNumber) -> Done {
        let Some(consumer) = self.consumers.get_mut(&number) else { return Ok(()) };
        consumer.is_cancelled = true;
        let consumer_tag = consumer.tag.clone();
        self.tags.remove(&consumer_tag);
        self.forget_replies(&consumer_tag);
        self.bury(shared, number);
        if shared.tells_cancels {
            return shared.say(self.place.channel, &BasicCancel { consumer_tag, no_wait: true });
        }
        Ok(())
    }

    pub(super) fn get(&mut self, shared: &mut Shared, method: &BasicGet) -> Done {
        let queue = self.named(shared, &method.queue)?;
        self.find_for_get(shared, queue, method.no_ack)
    }

    /// The queue is there.
    pub(super) fn get_from(&mut self, shared: &mut Shared, no_ack: bool, queue: QueueView) -> Done {
        if self.unacked.len() >= UNACKED_PER_CHANNEL_MAX as usize {
            return Err(Exception::new(
                ReplyCode::ResourceError,
                "the limit UNACKED_PER_CHANNEL_MAX is reached",
            ));
        }
        if queue.declaration.settings.single_active
            && QueueType::declared(&queue.declaration.arguments) == QueueType::Quorum
        {
            let about = shared.queue(&queue.declaration.name);
            return Err(Exception::new(
                ReplyCode::ResourceLocked,
                format_args!(
                    "cannot obtain access to locked {about}. basic.get operations are not supported by quorum queues with single \
                     active consumer"
                ),
            ));
        }
        if queue.ready == 0 {
            return shared.say(self.place.channel, &BasicGetEmpty::default());
        }
        let number = match self.getter {
            Some(number) => number,
            None => *self.getter.insert(shared.new_consumer()?),
        };
        let getting = Getting { from: Source::from(&queue), no_ack, ready: queue.ready };
        let receive = receive(shared, number, getting.from.topic, 1, GET_WAIT_MS);
        self.waiting = Some(Waiting::Get(getting));
        shared.receive(Call::Channel(self.place), receive);
        Ok(())
    }

    /// A message that was got, or none.
    pub(super) fn got(&mut self, shared: &mut Shared, getting: Getting, all: ReceivedAll) -> Done {
        let Getting { from, no_ack, ready } = getting;
        let Some(number) = self.getter else { return Ok(()) };
        let records = match all.partitions.into_iter().next() {
            Some(Ok(records)) => records,
            Some(Err(refusal)) => {
                let about = shared.queue(&from.queue);
                return Err(refusals::broker(shared, &about, &refusal).of(BasicGet::INFO.id));
            }
            None => ReceivedRecords::default(),
        };
        let mut found = None;
        for Received { offset, attempt, seen } in received(&records).map_err(unreadable)? {
            match seen {
                None => shared.settles.add(number, from.topic, offset, Settlement::Accept),
                Some(seen) if found.is_none() => found = Some((offset, attempt, seen)),
                Some(_) => shared.settles.add(number, from.topic, offset, UNTOUCHED),
            }
        }
        let Some((offset, attempt, seen)) = found else {
            return shared.say(self.place.channel, &BasicGetEmpty::default());
        };
        self.last_delivery += 1;
        let delivery_tag = DeliveryTag(self.last_delivery);
        if no_ack {
            shared.settles.add(number, from.topic, offset, Settlement::Accept);
        } else {
            shared.budget.demand(UNACKED_BYTES)?;
            self.unacked.insert(delivery_tag.0, Unacked { number, topic: from.topic, offset });
        }
        let seen = counted(seen, &from, attempt);
        let method = BasicGetOk {
            delivery_tag,
            redelivered: is_again(attempt),
            exchange: seen.exchange.clone(),
            routing_key: seen.routing_key.clone(),
            message_count: u32::try_from(ready.saturating_sub(1)).unwrap_or(u32::MAX),
        };
        shared.say_message(self.place.channel, &method, content(&seen))
    }

    pub(super) fn ack(&mut self, shared: &mut Shared, method: &BasicAck) -> Done {
        self.settle(shared, method.delivery_tag, method.multiple, Settlement::Accept)
    }

    pub(super) fn nack(&mut self, shared: &mut Shared, method: &BasicNack) -> Done {
        let how = if method.requeue { REQUEUE } else { Settlement::Reject };
        self.settle(shared, method.delivery_tag, method.multiple, how)
    }

    pub(super) fn reject(&mut self, shared: &mut Shared, method: &BasicReject) -> Done {
        let how = if method.requeue { REQUEUE } else { Settlement::Reject };
        self.settle(shared, method.delivery_tag, false, how)
    }

    pub(super) fn recover(&mut self, shared: &mut Shared, requeue: bool, is_answered: bool) -> Done {
        if !requeue {
            return Err(not_implemented("requeue=false"));
        }
        self.settle(shared, DeliveryTag(0), true, REQUEUE)?;
        if is_answered { shared.say(self.place.channel, &BasicRecoverOk {}) } else { Ok(()) }
    }

    fn settle(&mut self, shared: &mut Shared, tag: DeliveryTag, multiple: bool, how: Settlement) -> Done {
        let settled = self.named_by(tag, multiple)?;
        shared.budget.give(settled.len() * UNACKED_BYTES);
        self.is_stirred = true;
        for Unacked { number, topic, offset } in settled {
            shared.settles.add(number, topic, offset, how);
            if let Some(consumer) = self.consumers.get_mut(&number) {
                consumer.unacked -= 1;
                self.bury(shared, number);
            }
        }
        Ok(())
    }

    /// Takes the deliveries that a tag means. With `multiple` it still has to be one that is not settled; 0 means all there are.
    fn named_by(&mut self, tag: DeliveryTag, multiple: bool) -> Result<Vec<Unacked>, Exception> {
        if multiple && tag.0 == 0 {
            return Ok(std::mem::take(&mut self.unacked).into_values().collect());
        }
        let Some(one) = self.unacked.get(&tag.0).copied() else {
            return Err(precondition(format_args!("unknown delivery tag {}", tag.0)));
        };
        if multiple {
            let later = self.unacked.split_off(&(tag.0 + 1));
            return Ok(std::mem::replace(&mut self.unacked, later).into_values().collect());
        }
        self.unacked.remove(&tag.0);
        Ok(vec![one])
    }
}

/// Keeps memory for as many deliveries as it can; says how many.
fn reserve(shared: &mut Shared, wanted: u32, no_ack: bool) -> u32 {
    if no_ack || wanted == 0 || shared.budget.take(wanted as usize * UNACKED_BYTES).is_ok() {
        return wanted;
    }
    if shared.budget.take(UNACKED_BYTES).is_ok() { 1 } else { 0 }
}

fn receive(
    shared: &Shared,
    number: ConsumerNumber,
    topic: TopicId,
    records_max: u32,
    wait_ms_max: u32,
) -> Receive {
    Receive {
        subscription: shared.subscription(),
        consumer: number,
        partitions: vec![partition(topic)],
        records_max,
        whole_batches: false,
        form: ReceiveForm::Payloads,
        bytes_min: 1,
        bytes_max: RECEIVE_BYTES_MAX,
        wait_ms_max,
    }
}

/// Whether it may have been delivered before.
fn is_again(attempt: Attempts) -> bool {
    attempt.0 > 1
}

/// Quorum queues tell how often a message was delivered before; classic ones do not.
fn counted(seen: Seen, from: &Source, attempt: Attempts) -> Seen {
    if from.queue_type == QueueType::Quorum && is_again(attempt) {
        seen.with_delivery_count(attempt.0 - 1)
    } else {
        seen
    }
}

fn content(seen: &Seen) -> OutgoingContent<'_> {
    OutgoingContent { properties: seen.properties.as_bytes(), body: &seen.body }
}

fn unreadable(why: String) -> Exception {
    Exception::new(ReplyCode::InternalError, why)
}
