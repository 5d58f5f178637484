//! Consumers that come to a queue, and that leave it: what a queue says of those that it has, who is alone there and who is first.

use forebay_kit::model::subscription::{ConsumerNumber, Join};
use forebay_kit::model::{Refusal, TopicId};

use super::channel::{Channel, Waiting};
use super::consumers::{Consuming, Source};
use super::exception::{Done, access_refused};
use super::refusals;
use super::settles::partition;
use super::shared::{Call, Shared};
use crate::wire::ShortStr;
use crate::wire::method::BasicConsume;

/// A consumer that its queue was told of.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) number: ConsumerNumber,
    pub(super) consuming: Consuming,
    pub(super) from: Source,
}

/// A consumer that its client cancels.
#[derive(Debug)]
pub(super) struct Cancelling {
    pub(super) number: ConsumerNumber,
    pub(super) tag: ShortStr,
    pub(super) no_wait: bool,
}

impl Channel {
    /// Tells a queue of a consumer.
    pub(super) fn join(&mut self, shared: &mut Shared, consuming: Consuming, from: Source) -> Done {
        let number = shared.new_consumer()?;
        let join = join(shared, number, from.topic, consuming.exclusive, consuming.priority);
        self.waiting = Some(Waiting::Join(Box::new(Joining { number, consuming, from })));
        shared.join(Call::Channel(self.place), join);
        Ok(())
    }

    /// The queue has heard of a consumer.
    pub(super) fn joined(
        &mut self,
        shared: &mut Shared,
        joining: Joining,
        joined: Result<(), Refusal>,
    ) -> Done {
        let number = joining.number;
        let Err(refusal) = joined else { return self.begin(shared, number, joining) };
        shared.end_consumer(None, number);
        let about = shared.queue(&joining.from.queue);
        let why = match refusal {
            Refusal::ConsumedByOthers => access_refused(format_args!("{about} in exclusive use")),
            refusal => refusals::broker(shared, &about, &refusal),
        };
        Err(why.of(BasicConsume::INFO.id))
    }

    /// Tells a queue that a consumer wants no more.
    pub(super) fn leave(&mut self, shared: &mut Shared, cancelling: Cancelling) {
        shared.leave(Call::Channel(self.place), cancelling.number);
        self.waiting = Some(Waiting::Leave(cancelling));
    }

    /// The queue has heard it.
    pub(super) fn left(&mut self, shared: &mut Shared, cancelling: Cancelling) -> Done {
        let Cancelling { number, tag, no_wait } = cancelling;
        self.bury(shared, number);
        self.cancelled(shared, tag, no_wait)
    }
}

/// What a queue is told of a consumer.
pub(super) fn join(
    shared: &Shared,
    consumer: ConsumerNumber,
    topic: TopicId,
    exclusive: bool,
    priority: i32,
) -> Join {
    Join { subscription: shared.subscription(), consumer, partition: partition(topic), exclusive, priority }
}
