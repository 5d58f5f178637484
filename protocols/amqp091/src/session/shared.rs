//! What the channels of a connection share: the way out, the way to the broker, and the bounds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use forebay_kit::model::exchange::QueueName;
use forebay_kit::model::queue::{NamespaceName, QUEUE_SUBSCRIPTION, RouteAsk, RouteRequest};
use forebay_kit::model::subscription::{
    ConsumerNumber, Join, Receive, SettleDeliveries, SubscriptionRequest,
};
use forebay_kit::model::{GroupId, Refusal, Request};
use forebay_kit::{BytesMut, ConnectionInfo, Instant, Output, Token};

use super::budget::Budget;
use super::exception::{Done, Exception};
use super::names::Names;
use super::publishes::{Posting, Publishes};
use super::settles::{self, Again, Settles};
use crate::limits::{
    CONSUMER_BYTES, CONSUMERS_PER_CONNECTION_MAX, MESSAGE_BYTES_MAX, RETRY_AFTER, ROUTE_TIMEOUT_MS,
    SETTLE_TRIES_MAX, SETTLES_WAITING_MAX,
};
use crate::wire::{
    ChannelId, Delivery, DeliveryPrefix, EncodeError, FrameMax, FrameWriter, OutgoingContent, ReplyCode,
    WireMethod,
};

/// A channel, as long as it is the same: its number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) channel: ChannelId,
    pub(super) opened: u64,
}

/// What is kept of a request until its reply comes.
#[derive(Debug)]
pub(super) enum Call {
    /// Who the client is.
    Login,
    /// Whether there is the namespace.
    Enter,
    /// Something for which a channel waits.
    Channel(Place),
    /// Messages for a consumer.
    Receive(Place, ConsumerNumber),
    /// Publishes.
    Post(Vec<Posting>),
    /// Settlements, and how often they were tried.
    Settle(SettleDeliveries, u32),
    /// A consumer that had come before comes again: its queue may have lost sight of it.
    Rejoin,
    /// The queues of the connection that go with it.
    LeaveQueues,
    /// A consumer that is no more, and the channel that waits for this.
    EndConsumer(Option<Place>),
    /// A consumer that waits for no more messages: its receive is what is waited for.
    EndReceive,
}

/// See the module.
pub(super) struct Shared {
    pub(super) out: BytesMut,
    pub(super) outputs: VecDeque<Output>,
    pub(super) calls: BTreeMap<Token, Call>,
    next_token: u64,
    pub(super) frame_max: FrameMax,
    pub(super) now: Instant,
    pub(super) namespace: NamespaceName,
    pub(super) user: String,
    /// Whether the client wants to hear that a consumer has ended.
    pub(super) tells_cancels: bool,
    /// Queues were declared that go with the connection.
    pub(super) has_queues: bool,
    pub(super) names: Names,
    pub(super) budget: Budget,
    pub(super) publishes: Publishes,
    pub(super) settles: Settles,
    /// Settlements to be tried again.
    waiting: VecDeque<(SettleDeliveries, u32)>,
    /// Settlements under way with which these consumers give something back.
    releasing: BTreeMap<ConsumerNumber, u32>,
    /// When to try again what could not be done.
    pub(super) retry_at: Option<Instant>,
    subscription: GroupId,
    last_consumer: u32,
    /// Those that have not ended.
    consumers: BTreeSet<ConsumerNumber>,
    /// Largest body.
    pub(super) message_bytes_max: usize,
    /// Bytes of the bodies of which something is missing, together.
    parts: usize,
    parts_max: usize,
    /// Commands that wait in channels, and their bytes.
    pub(super) backlog: (usize, usize),
}

impl Shared {
    pub(super) fn new(info: &ConnectionInfo, connection: u64) -> Shared {
        Shared {
            out: BytesMut::new(),
            outputs: VecDeque::new(),
            calls: BTreeMap::new(),
            next_token: 0,
            frame_max: FrameMax::DEFAULT,
            now: Instant::default(),
            namespace: NamespaceName::default(),
            user: String::new(),
            tells_cancels: false,
            has_queues: false,
            names: Names::new(info.peer, connection),
            budget: Budget::new(&info.memory),
            publishes: Publishes::new(info.requests_open_max),
            settles: Settles::default(),
            waiting: VecDeque::new(),
            releasing: BTreeMap::new(),
            retry_at: None,
            subscription: GroupId(QUEUE_SUBSCRIPTION.into()),
            last_consumer: 0,
            consumers: BTreeSet::new(),
            message_bytes_max: info.frame_bytes_max.min(MESSAGE_BYTES_MAX),
            parts: 0,
            parts_max: info.frame_bytes_max,
            backlog: (0, 0),
        }
    }

    /// Says a method to the client.
    pub(super) fn say(&mut self, channel: ChannelId, method: &impl WireMethod) -> Done {
        let written = FrameWriter::new(&mut self.out, self.frame_max).method(channel, method);
        written.map_err(|error| unsayable(&error))
    }

    /// Says a method with a message.
    pub(super) fn say_message(
        &mut self,
        channel: ChannelId,
        method: &impl WireMethod,
        content: OutgoingContent<'_>,
    ) -> Done {
        let written = FrameWriter::new(&mut self.out, self.frame_max).message(channel, method, content);
        written.map_err(|error| unsayable(&error))
    }

    pub(super) fn deliver(
        &mut self,
        prefix: &DeliveryPrefix,
        delivery: Delivery<'_>,
        content: OutgoingContent<'_>,
    ) -> Done {
        let written = FrameWriter::new(&mut self.out, self.frame_max).delivery(prefix, delivery, content);
        written.map_err(|error| unsayable(&error))
    }

    /// Asks the broker.
    pub(super) fn call(&mut self, call: Call, request: Request) {
        self.next_token += 1;
        let token = Token(self.next_token);
        self.calls.insert(token, call);
        self.outputs.push_back(Output::Call(token, request));
    }

    pub(super) fn route(&mut self, call: Call, ask: RouteAsk) {
        let namespace = self.namespace.clone();
        self.call(call, Request::Route(RouteRequest { namespace, ask, timeout_ms: ROUTE_TIMEOUT_MS }));
    }

    pub(super) fn receive(&mut self, call: Call, receive: Receive) {
        self.call(call, Request::Subscription(SubscriptionRequest::Receive(receive)));
    }

    pub(super) fn subscription(&self) -> GroupId {
        self.subscription.clone()
    }

    pub(super) fn end_receive(&mut self, number: ConsumerNumber) {
        self.call(Call::EndReceive, Request::Subscription(SubscriptionRequest::EndReceive(number)));
    }

    /// Announces a consumer to its queue.
    pub(super) fn join(&mut self, call: Call, join: Join) {
        self.call(call, Request::Subscription(SubscriptionRequest::Join(join)));
    }

    /// A consumer of a queue counts no more.
    pub(super) fn leave(&mut self, call: Call, number: ConsumerNumber) {
        self.call(call, Request::Subscription(SubscriptionRequest::Leave(number)));
    }

    /// Gives back what a consumer has; what was settled before is settled. A channel may wait for it.
    pub(super) fn end_consumer(&mut self, waits: Option<Place>, number: ConsumerNumber) {
        self.send_settles();
        let request = SubscriptionRequest::EndConsumer(number);
        self.call(Call::EndConsumer(waits), Request::Subscription(request));
        self.consumers.remove(&number);
        self.budget.give(CONSUMER_BYTES);
        self.waiting.retain(|(settle, _)| settle.consumer != number);
    }

    /// The number of a new consumer.
    pub(super) fn new_consumer(&mut self) -> Result<ConsumerNumber, Exception> {
        if self.consumers.len() >= CONSUMERS_PER_CONNECTION_MAX {
            let why = "the limit CONSUMERS_PER_CONNECTION_MAX is reached";
            return Err(Exception::new(ReplyCode::ResourceError, why));
        }
        self.budget.demand(CONSUMER_BYTES)?;
        // A connection that had so many consumers begins anew; those of old are gone.
        self.last_consumer = self.last_consumer.wrapping_add(1);
        let number = ConsumerNumber(self.last_consumer);
        self.consumers.insert(number);
        Ok(number)
    }

    /// Lets publishes go that have gathered.
    pub(super) fn send_posts(&mut self) {
        while let Some((post, postings)) = self.publishes.next(&self.namespace) {
            self.call(Call::Post(postings), Request::Post(post));
        }
    }

    /// Lets settlements go that have gathered.
    pub(super) fn send_settles(&mut self) {
        for settle in self.settles.take(&self.subscription) {
            self.settle(settle, 0);
        }
    }

    /// Whether something that was said of deliveries is not carried out yet.
    pub(super) fn is_settling(&self) -> bool {
        let is_open = |call: &Call| matches!(call, Call::Settle(..));
        !self.settles.are_none() || !self.waiting.is_empty() || self.calls.values().any(is_open)
    }

    fn settle(&mut self, settle: SettleDeliveries, tries: u32) {
        if settles::gives_back(&settle) {
            *self.releasing.entry(settle.consumer).or_default() += 1;
        }
        let request = Request::Subscription(SubscriptionRequest::Settle(settle.clone()));
        self.call(Call::Settle(settle, tries), request);
    }

    /// A settlement was answered.
    pub(super) fn note_settled(&mut self, settle: &SettleDeliveries) {
        if settles::gives_back(settle)
            && let Some(open) = self.releasing.get_mut(&settle.consumer)
        {
            *open -= 1;
            if *open == 0 {
                self.releasing.remove(&settle.consumer);
            }
        }
    }

    /// Whether what a consumer gave back is on its way: it comes again before anything that lies behind it.
    pub(super) fn is_releasing(&self, number: ConsumerNumber) -> bool {
        self.releasing.contains_key(&number)
    }

    /// A settlement was refused. What a consumer had that is no more has gone back.
    pub(super) fn unsettled(&mut self, settle: SettleDeliveries, tries: u32, refusal: &Refusal) {
        if !self.consumers.contains(&settle.consumer) {
            return;
        }
        match settles::again(settle, refusal) {
            Again::Halves(halves) => halves.into_iter().for_each(|half| self.settle(half, tries)),
            Again::Later(settle) if tries < SETTLE_TRIES_MAX && self.waiting.len() < SETTLES_WAITING_MAX => {
                self.waiting.push_back((settle, tries + 1));
                self.retry_soon();
            }
            Again::Later(_) | Again::Never => {}
        }
    }

    pub(super) fn retry_soon(&mut self) {
        let at = self.now + RETRY_AFTER;
        self.retry_at = Some(self.retry_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Tries what waited; says whether it was time.
    pub(super) fn retry(&mut self) -> bool {
        let is_time = self.retry_at.is_some_and(|at| at <= self.now);
        if is_time {
            self.retry_at = None;
            for (settle, tries) in std::mem::take(&mut self.waiting) {
                self.settle(settle, tries);
            }
        }
        is_time
    }

    pub(super) fn forget_retries(&mut self) {
        self.waiting.clear();
        self.retry_at = None;
    }

    /// More of a body came.
    pub(super) fn take_part(&mut self, bytes: usize) -> Done {
        if self.parts + bytes > self.parts_max {
            let why = "bodies that come in parts exceed what a connection may hold";
            return Err(Exception::new(ReplyCode::ResourceError, why));
        }
        self.parts += bytes;
        Ok(())
    }

    /// A body is whole, or nobody wants it.
    pub(super) fn give_parts(&mut self, bytes: usize) {
        self.parts -= bytes;
    }

    /// A thing of the namespace as errors name it.
    pub(super) fn queue(&self, name: &QueueName) -> String {
        format!("queue '{name}' in vhost '{}'", self.namespace)
    }

    pub(super) fn exchange(&self, name: impl std::fmt::Display) -> String {
        format!("exchange '{name}' in vhost '{}'", self.namespace)
    }
}

/// A method or a message's properties that no frame of the agreed size holds.
fn unsayable(error: &EncodeError) -> Exception {
    Exception::new(ReplyCode::InternalError, error)
}
