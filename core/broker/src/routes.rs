//! Exchanges, bindings and queues: found in the node's copy of the catalogue, changed by shard 0, counted by the shards of the queues.

use std::sync::atomic::Ordering;

use forebay_machine::{
    Command, CreateQueue, EndOfStay, Outcome, Route, RouteChange, Stay, SubscriptionKey, Topic,
};
use forebay_model::exchange::{Destination, ExchangeRefusal};
use forebay_model::queue::{
    QUEUE_SUBSCRIPTION, QueueDeclaration, QueueView, RouteAnswer, RouteAsk, RouteRefusal, RouteRequest,
};
use forebay_model::subscription::StartAt;
use forebay_model::{GroupId, Refusal, Reply, Request, ShardId, TopicId, TopicName, TopicSettings};
use forebay_shard::{Answer, Counted, SubscriptionWork, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, Step, Ticket};
use crate::provision::Change;

/// What a question about one queue weighs in a mailbox.
const ASKED_BYTES: usize = 64;

/// A change that shard 0 was asked for.
pub(crate) struct RouteStep {
    request: RouteRequest,
    /// What a queue has that goes.
    messages: u64,
}

impl Inner {
    pub(crate) fn route(
        &self,
        asker: Asker,
        request: RouteRequest,
        currency: Currency,
        replies: &mut Replies,
    ) {
        if !self.is_settled_in.load(Ordering::Acquire) {
            return self.settle_in(asker, request, currency, replies);
        }
        let catalogue = self.catalogue();
        let namespace = &request.namespace;
        let Some(exchanges) = catalogue.namespaces().get(namespace) else {
            return self.missing(asker, request, currency, Err(RouteRefusal::UnknownNamespace), replies);
        };
        let change = match &request.ask {
            RouteAsk::FindNamespace => return self.tell_route(&asker, Ok(RouteAnswer::Done), replies),
            RouteAsk::LeaveQueues => {
                RouteChange::EndStays(EndOfStay::Connection(self.process, asker.connection.0))
            }
            RouteAsk::FindExchange(name) => {
                let found = exchanges.exchange(name.as_str()).cloned();
                if found.is_some() || name.is_default() {
                    return self.tell_route(&asker, Ok(RouteAnswer::Exchange(found)), replies);
                }
                let unknown = ExchangeRefusal::UnknownExchange(name.clone());
                return self.missing(asker, request, currency, Err(unknown.into()), replies);
            }
            RouteAsk::FindQueue(name) | RouteAsk::PurgeQueue(name) => {
                if let Some(topic) = catalogue.queue(namespace, name) {
                    return self.count_own(asker, topic, request.clone(), replies);
                }
                let unknown = ExchangeRefusal::UnknownQueue(name.clone());
                return self.missing(asker, request, currency, Err(unknown.into()), replies);
            }
            RouteAsk::DeleteQueue { name, .. } => {
                if let Some(topic) = catalogue.queue(namespace, name) {
                    return self.count_own(asker, topic, request.clone(), replies);
                }
                let nothing = Ok(RouteAnswer::Removed { messages: 0 });
                return self.missing(asker, request, currency, nothing, replies);
            }
            RouteAsk::DeclareQueue(declaration) => {
                if let Some(topic) = catalogue.topic(&TopicName::of_queue(namespace, &declaration.name)) {
                    let locked = self.locked(&asker, topic).map_or(Ok(()), Err);
                    return match locked.and_then(|()| same_queue(topic, declaration)) {
                        Ok(()) => self.count(asker, topic, request.clone(), replies),
                        Err(refusal) => self.tell_route(&asker, Err(refusal), replies),
                    };
                }
                match self.new_queue(&asker, declaration) {
                    Ok(create) => RouteChange::CreateQueue(create),
                    Err(refusal) => return self.tell_route(&asker, Err(refusal.into()), replies),
                }
            }
            RouteAsk::DeclareExchange(declaration) => RouteChange::DeclareExchange(declaration.clone()),
            RouteAsk::DeleteExchange { name, if_unused } => {
                RouteChange::DeleteExchange { name: name.clone(), if_unused: *if_unused }
            }
            RouteAsk::Bind(binding) | RouteAsk::Unbind(binding) => {
                let queue = match &binding.destination {
                    Destination::Queue(name) => catalogue.queue(namespace, name),
                    Destination::Exchange(_) => None,
                };
                if let Some(locked) = queue.and_then(|topic| self.locked(&asker, topic)) {
                    return self.tell_route(&asker, Err(locked), replies);
                }
                match &request.ask {
                    RouteAsk::Bind(binding) => RouteChange::Bind(binding.clone()),
                    _ => RouteChange::Unbind(binding.clone()),
                }
            }
        };
        let command = Command::Route(Route { namespace: namespace.clone(), change });
        self.ask_for_route(asker, RouteStep { request, messages: 0 }, command, replies);
    }

    fn ask_for_route(&self, asker: Asker, step: RouteStep, command: Command, replies: &mut Replies) {
        self.propose(asker, Step::Route(Box::new(step)), vec![command], replies);
    }

    /// What was asked for is not in the copy of the catalogue: the answer, once it is known that this is current.
    fn missing(
        &self,
        asker: Asker,
        request: RouteRequest,
        currency: Currency,
        answer: Result<RouteAnswer, RouteRefusal>,
        replies: &mut Replies,
    ) {
        match currency {
            Currency::Confirmed => self.tell_route(&asker, answer, replies),
            Currency::Unknown => {
                let step = Step::Unresolved(Box::new(Request::Route(request)));
                self.after_barrier(asker, step, replies);
            }
        }
    }

    fn tell_route(&self, asker: &Asker, answer: Result<RouteAnswer, RouteRefusal>, replies: &mut Replies) {
        self.finish(asker, Reply::Route(answer), replies);
    }

    fn new_queue(&self, asker: &Asker, declaration: &QueueDeclaration) -> Result<CreateQueue, Refusal> {
        let stay = match declaration {
            QueueDeclaration { exclusive: true, .. } => Stay::Connection(self.process, asker.connection.0),
            QueueDeclaration { durable: false, .. } => Stay::Process(self.process),
            _ => Stay::ForEver,
        };
        // Whoever goes before that is noted leaves nothing that could go with it.
        if declaration.exclusive && !self.remember_queues(asker.connection) {
            return Err(Refusal::ShuttingDown);
        }
        let shard = match self.shards.temporary() {
            Some(shard) if stay != Stay::ForEver => shard,
            _ => self.place_new(&TopicSettings::default(), 1)?[0],
        };
        Ok(CreateQueue { declaration: declaration.clone(), id: self.topic_id(), shard, stay })
    }

    /// Why this connection may not use a queue, if it may not.
    fn locked(&self, asker: &Asker, topic: &Topic) -> Option<RouteRefusal> {
        let queue = topic.queue.as_ref()?;
        match queue.stay {
            Stay::Connection(process, connection)
                if (process, connection) != (self.process, asker.connection.0) =>
            {
                Some(RouteRefusal::LockedQueue(queue.declaration.name.clone()))
            }
            _ => None,
        }
    }

    /// Whatever queues are left of earlier runs of this node go before anybody finds them.
    fn settle_in(&self, asker: Asker, request: RouteRequest, currency: Currency, replies: &mut Replies) {
        let end = EndOfStay::Before(self.process);
        if currency == Currency::Unknown {
            let step = Step::Unresolved(Box::new(Request::Route(request)));
            return self.after_barrier(asker, step, replies);
        }
        if !self.catalogue().has_over(end) {
            self.is_settled_in.store(true, Ordering::Release);
            return self.route(asker, request, currency, replies);
        }
        let change = RouteChange::EndStays(end);
        let command = Command::Route(Route { namespace: request.namespace.clone(), change });
        self.propose(asker, Step::SettleIn(Box::new(request)), vec![command], replies);
    }

    pub(crate) fn settled_in(
        &self,
        asker: Asker,
        request: RouteRequest,
        answer: Answer,
        replies: &mut Replies,
    ) {
        match answer {
            // It is looked at again whether they are gone: the copy of the catalogue may not have heard.
            Answer::Outcomes(Ok(proposed)) => {
                let timeout_ms = request.timeout_ms;
                let change = Change::SettledIn(Box::new(request));
                self.when_provisioned(asker, proposed.catalogue_version, timeout_ms, change, replies);
            }
            Answer::Outcomes(Err(refusal)) => self.tell_route(&asker, Err(refusal.into()), replies),
            other => panic!("a change of routes was asked for, not {other:?}"),
        }
    }

    /// Asks the shard of a queue what it has, if this connection may use it.
    fn count_own(&self, asker: Asker, topic: &Topic, request: RouteRequest, replies: &mut Replies) {
        match self.locked(&asker, topic) {
            Some(locked) => self.tell_route(&asker, Err(locked), replies),
            None => self.count(asker, topic, request, replies),
        }
    }

    /// Asks the shard of a queue what it has.
    fn count(&self, asker: Asker, topic: &Topic, request: RouteRequest, replies: &mut Replies) {
        let place = topic.partitions[0];
        let key = SubscriptionKey { partition: place.id, name: queue_subscription() };
        let step = Step::Counted(topic.id, Box::new(request));
        self.ask_queue(asker, place.shard, step, SubscriptionWork::Count(key), replies);
    }

    fn ask_queue(
        &self,
        asker: Asker,
        shard: ShardId,
        step: Step,
        work: SubscriptionWork,
        replies: &mut Replies,
    ) {
        let from = asker.connection;
        let Some(shard) = self.shards.get(shard) else {
            // A shard that this node does not run cannot be served by it.
            let refused = Err(Refusal::NotLeader { leader: None }.into());
            return self.tell_route(&asker, refused, replies);
        };
        let call = Call::new(asker, Gather::Step(step));
        let work = Work::Subscriptions(Ticket { call, part: 0 }, work);
        self.post_work(shard, from, ASKED_BYTES, work, replies);
    }

    /// The shard of a queue has said what it has.
    pub(crate) fn counted(
        &self,
        asker: Asker,
        id: TopicId,
        request: RouteRequest,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let counted = match answer {
            Answer::Counted(counted) => counted,
            // It has gone meanwhile: whether there is another one by now, the catalogue knows.
            Answer::Subscriptions(Err(_)) if self.catalogue().topic_by_id(id).is_none() => {
                return self.route(asker, request, Currency::Unknown, replies);
            }
            Answer::Subscriptions(Err(refusal)) => {
                return self.tell_route(&asker, Err(refusal.into()), replies);
            }
            other => panic!("what a queue has was asked for, not {other:?}"),
        };
        let catalogue = self.catalogue();
        let name = match &request.ask {
            RouteAsk::DeclareQueue(declaration) => &declaration.name,
            RouteAsk::FindQueue(name) | RouteAsk::PurgeQueue(name) | RouteAsk::DeleteQueue { name, .. } => {
                name
            }
            other => panic!("no queue is counted for {other:?}"),
        };
        // Gone since it was found, or another one by now.
        let topic = catalogue.queue(&request.namespace, name).filter(|topic| topic.id == id);
        let Some(topic) = topic else {
            return self.route(asker, request, Currency::Unknown, replies);
        };
        match request.ask {
            RouteAsk::DeleteQueue { if_unused: true, .. } if counted.consumers > 0 => {
                self.tell_route(&asker, Err(RouteRefusal::QueueInUse), replies);
            }
            RouteAsk::DeleteQueue { if_empty: true, .. } if counted.ready > 0 => {
                self.tell_route(&asker, Err(RouteRefusal::QueueNotEmpty), replies);
            }
            RouteAsk::DeleteQueue { .. } => {
                let command = Command::DeleteTopic { id: topic.id };
                let step = RouteStep { request, messages: counted.ready };
                self.ask_for_route(asker, step, command, replies);
            }
            RouteAsk::PurgeQueue(_) => self.purge(asker, topic, request, &counted, replies),
            _ => {
                let view = view(topic, &counted);
                let view = view.ok_or_else(|| RouteRefusal::from(Refusal::UnknownTopic));
                self.tell_route(&asker, view.map(RouteAnswer::Queue), replies);
            }
        }
    }

    /// Begins to read a queue behind what waits in it.
    fn purge(
        &self,
        asker: Asker,
        topic: &Topic,
        request: RouteRequest,
        counted: &Counted,
        replies: &mut Replies,
    ) {
        if counted.held > 0 {
            // What consumers have would be lost with the rest.
            let why =
                "consumers have messages of this queue that are not settled: it is purged when they are";
            return self.tell_route(&asker, Err(Refusal::Unsupported(why).into()), replies);
        }
        let place = topic.partitions[0];
        let key = SubscriptionKey { partition: place.id, name: queue_subscription() };
        let step = Step::Route(Box::new(RouteStep { request, messages: counted.ready }));
        let work = SubscriptionWork::Reset(vec![(key, StartAt::Latest)]);
        self.ask_queue(asker, place.shard, step, work, replies);
    }

    /// Shard 0 has answered, or a queue is purged.
    pub(crate) fn routed_by(&self, asker: Asker, step: RouteStep, answer: Answer, replies: &mut Replies) {
        let proposed = match answer {
            Answer::Outcomes(Ok(proposed)) => proposed,
            Answer::Outcomes(Err(refusal)) => {
                return self.tell_route(&asker, Err(refusal.into()), replies);
            }
            Answer::Subscriptions(purged) => {
                let purged = purged.and_then(|mut states| states.remove(0).view);
                let messages = step.messages;
                let removed = purged.map(|_| RouteAnswer::Removed { messages });
                return self.tell_route(&asker, removed.map_err(RouteRefusal::from), replies);
            }
            other => panic!("a change of routes was asked for, not {other:?}"),
        };
        let refused = match proposed.outcomes.into_iter().next() {
            Some(Outcome::Routed(result)) => result.err().map(RouteRefusal::Exchange),
            // Somebody was faster: what is there now may be the same.
            Some(Outcome::Refused(Refusal::TopicExists)) | None => None,
            // It is gone, as asked.
            Some(Outcome::Refused(Refusal::UnknownTopicId)) => None,
            Some(Outcome::Refused(refusal)) => Some(refusal.into()),
            Some(_) => None,
        };
        let timeout_ms = step.request.timeout_ms;
        let change = Change::Routed(Box::new(step), refused);
        self.when_provisioned(asker, proposed.catalogue_version, timeout_ms, change, replies);
    }

    /// Every shard has caught up with a change, or has not in time.
    pub(crate) fn report_route(
        &self,
        asker: Asker,
        step: RouteStep,
        refused: Option<RouteRefusal>,
        replies: &mut Replies,
    ) {
        let RouteStep { request, messages } = step;
        if matches!(&request.ask, RouteAsk::DeclareQueue(queue) if queue.exclusive)
            && !self.is_open(asker.connection)
        {
            // It went before the queue was there to go with it.
            self.end_stays_of(asker.connection);
        }
        match (refused, &request.ask) {
            (Some(refusal), _) => self.tell_route(&asker, Err(refusal), replies),
            // It is told as one that was there before is.
            (None, RouteAsk::DeclareQueue(_)) => self.route(asker, request, Currency::Unknown, replies),
            (None, RouteAsk::DeleteQueue { .. }) => {
                self.tell_route(&asker, Ok(RouteAnswer::Removed { messages }), replies);
            }
            (None, _) => self.tell_route(&asker, Ok(RouteAnswer::Done), replies),
        }
    }
}

fn view(topic: &Topic, counted: &Counted) -> Option<QueueView> {
    let queue = topic.queue.as_ref()?;
    Some(QueueView {
        declaration: queue.declaration.clone(),
        topic: topic.id,
        ready: counted.ready,
        consumers: counted.consumers,
    })
}

/// Refuses to take a topic for a queue that was declared otherwise.
fn same_queue(topic: &Topic, asked: &QueueDeclaration) -> Result<(), RouteRefusal> {
    let differs = |argument: &str, asked: String, current: String| {
        Err(RouteRefusal::InequivalentQueue { argument: argument.into(), asked, current })
    };
    let Some(queue) = &topic.queue else {
        return differs("x-queue-type", "queue".into(), "stream".into());
    };
    let current = &queue.declaration;
    if current.durable != asked.durable {
        return differs("durable", asked.durable.to_string(), current.durable.to_string());
    }
    if current.auto_delete != asked.auto_delete {
        return differs("auto_delete", asked.auto_delete.to_string(), current.auto_delete.to_string());
    }
    if current.exclusive != asked.exclusive {
        return Err(RouteRefusal::LockedQueue(current.name.clone()));
    }
    for argument in current.arguments.iter().chain(asked.arguments.iter()) {
        let name = String::from_utf8_lossy(&argument.name);
        let (was, is) = (current.arguments.get(&name), asked.arguments.get(&name));
        if was != is {
            return differs(&name, in_words(is), in_words(was));
        }
    }
    Ok(())
}

fn in_words(value: Option<&forebay_model::exchange::HeaderValue>) -> String {
    match value.map(|value| (value, value.as_text())) {
        None => "none".into(),
        Some((_, Some(text))) => String::from_utf8_lossy(text).into_owned(),
        Some((value, None)) => format!("{value:?}"),
    }
}

pub(crate) fn queue_subscription() -> GroupId {
    GroupId(QUEUE_SUBSCRIPTION.into())
}

/// Whether a request writes.
pub(crate) fn changes_something(request: &RouteRequest) -> bool {
    match request.ask {
        RouteAsk::FindNamespace | RouteAsk::FindExchange(_) | RouteAsk::FindQueue(_) => false,
        RouteAsk::DeclareExchange(_)
        | RouteAsk::DeleteExchange { .. }
        | RouteAsk::Bind(_)
        | RouteAsk::Unbind(_)
        | RouteAsk::DeclareQueue(_)
        | RouteAsk::DeleteQueue { .. }
        | RouteAsk::PurgeQueue(_)
        | RouteAsk::LeaveQueues => true,
    }
}
