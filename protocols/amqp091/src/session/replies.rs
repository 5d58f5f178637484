//! Direct reply-to: answers that come to the connection which asked, without a queue that its client declares.
//!
//! Who consumes from `amq.rabbitmq.reply-to` gets a queue that is its connection's alone, goes with the consumer, and whose name says
//! what it is for. A question that names the pseudo-queue is sent with that name, so whoever answers sends to a queue like any other.

use forebay_kit::model::exchange::QueueName;
use forebay_kit::model::queue::QueueDeclaration;

use super::channel::Channel;
use super::consumers::Consuming;
use super::exception::{Done, Exception, precondition};
use super::shared::Shared;
use crate::wire::method::{QueueDeclare, QueueDeclareOk};
use crate::wire::{Properties, ShortStr};

/// What a question names to be answered on its own connection.
pub(super) const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// What the names of queues for answers begin with.
pub(super) const REPLIES_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// Where the answers of a channel come.
#[derive(Debug)]
pub(super) struct Replies {
    queue: ShortStr,
    /// Of the consumer that gets them.
    tag: ShortStr,
}

impl Channel {
    /// Makes the queue that the answers are to come from.
    pub(super) fn consume_replies(&mut self, shared: &mut Shared, consuming: Consuming) -> Done {
        if !consuming.no_ack {
            return Err(precondition("reply consumer cannot acknowledge"));
        }
        if self.replies.is_some() {
            return Err(precondition("reply consumer already set"));
        }
        let name = shared.names.replies(shared.now);
        let name = QueueName::parse(&name).map_err(|_| precondition("a name that no queue can have"))?;
        let declaration = QueueDeclaration {
            durable: false,
            exclusive: true,
            auto_delete: true,
            ..QueueDeclaration::of(name)
        };
        self.declare_for_consumer(shared, declaration, consuming)
    }

    /// A consumer begins: if its queue is one for answers, it is the channel's.
    pub(super) fn note_replies(&mut self, queue: &QueueName, tag: &ShortStr) {
        if queue.as_str().starts_with(REPLIES_PREFIX) {
            self.replies = Some(Replies { queue: ShortStr::shortened(queue.as_str()), tag: tag.clone() });
        }
    }

    /// A consumer ends.
    pub(super) fn forget_replies(&mut self, tag: &ShortStr) {
        self.replies.take_if(|replies| replies.tag == *tag);
    }

    /// Where the answer to a message is to go, if it asks for one on its own connection.
    pub(super) fn replies_to(&self, properties: &Properties) -> Result<Option<ShortStr>, Exception> {
        if properties.reply_to() != Some(DIRECT_REPLY_TO.as_bytes()) {
            return Ok(None);
        }
        match &self.replies {
            Some(replies) => Ok(Some(replies.queue.clone())),
            None => Err(precondition("fast reply consumer does not exist")),
        }
    }

    /// Whoever answers may look whether somebody still waits; the pseudo-queue itself is always there. Returns false for other names.
    pub(super) fn find_replies(
        &mut self,
        shared: &mut Shared,
        method: &QueueDeclare,
    ) -> Result<bool, Exception> {
        let Some(text) = method.queue.as_str() else { return Ok(false) };
        if text == DIRECT_REPLY_TO {
            self.said_replies(shared, method.queue.clone(), method.no_wait)?;
            return Ok(true);
        }
        let name = QueueName::parse(text).ok().filter(|name| name.as_str().starts_with(REPLIES_PREFIX));
        let Some(name) = name else { return Ok(false) };
        self.ask_for_replies(shared, name, method)?;
        Ok(true)
    }

    pub(super) fn said_replies(&self, shared: &mut Shared, queue: ShortStr, no_wait: bool) -> Done {
        if no_wait {
            return Ok(());
        }
        shared.say(self.place.channel, &QueueDeclareOk { queue, message_count: 0, consumer_count: 1 })
    }
}
