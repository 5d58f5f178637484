//! A broker that is small enough to be looked through: queues in memory, and what it was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use forebay_kit::model::exchange::{Destination, ExchangeRefusal, QueueName};
use forebay_kit::model::login::LoginStep;
use forebay_kit::model::post::{Post, PostItem, PostRefusal, Posted, PostedTo};
use forebay_kit::model::queue::{
    QueueDeclaration, QueueView, RouteAnswer, RouteAsk, RouteRefusal, RouteReply,
};
use forebay_kit::model::subscription::{
    ConsumerNumber, Delivery, Join, OffsetRange, Receive, ReceivedAll, ReceivedPayload, ReceivedRecords,
    SettleDeliveries, SettledAll, Settlement, SubscriptionReply, SubscriptionRequest, Verdict,
};
use forebay_kit::model::{
    Attempts, Offset, Principal, Refusal, Reply, Request, Secret, Timestamp, TopicId, TopicRef,
};
use forebay_kit::record::PayloadKind;
use forebay_kit::record::message_batch::{Envelope, MessageBatchBuilder, Origin};
use forebay_kit::{Bytes, Token};

/// See the module.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) exchanges: BTreeSet<String>,
    bindings: BTreeSet<(String, String)>,
    /// Queues that were declared: no topic has the id of another.
    declared: u64,
    waiting: VecDeque<(Token, Receive)>,
    /// Everything that was asked, in order.
    pub(super) asked: Vec<Request>,
    /// What the next settlements are refused for.
    pub(super) refuse_settles: VecDeque<Refusal>,
    /// What the next consumers are refused for.
    pub(super) refuse_joins: VecDeque<Refusal>,
    /// Consumers that queues were told of.
    pub(super) joined: Vec<Join>,
    /// What the next receives are refused for.
    pub(super) refuse_receives: VecDeque<Refusal>,
}

pub(super) struct Queue {
    pub(super) declaration: QueueDeclaration,
    pub(super) topic: TopicId,
    pub(super) messages: Vec<Message>,
}

pub(super) struct Message {
    pub(super) item: Bytes,
    pub(super) kind: PayloadKind,
    pub(super) attempts: u16,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    With(ConsumerNumber),
    Done(Settlement),
}

type Answers = Vec<(Token, Reply)>;

impl Desk {
    /// Answers, and answers also who waited for it.
    pub(super) fn ask(&mut self, token: Token, request: Request) -> Answers {
        self.asked.push(request.clone());
        let mut answers = match request {
            Request::Route(route) => {
                let reply = if route.namespace.as_str() == "/" {
                    self.route(route.ask)
                } else {
                    Err(RouteRefusal::UnknownNamespace)
                };
                vec![(token, Reply::Route(reply))]
            }
            Request::Post(post) => vec![(token, Reply::Post(self.post(post)))],
            Request::Subscription(request) => self.subscription(token, request),
            Request::Login(login) => {
                let reply = if login.bytes.expose() == b"\0alice\0secret" {
                    let principal = Principal::user("alice").unwrap().into();
                    Ok(LoginStep::Done { bytes: Secret::default(), principal })
                } else {
                    Err(Refusal::WrongCredentials)
                };
                vec![(token, Reply::Login(reply))]
            }
            other => panic!("{other:?}"),
        };
        answers.extend(self.wake());
        answers
    }

    fn route(&mut self, ask: RouteAsk) -> RouteReply {
        match ask {
            RouteAsk::FindNamespace => Ok(RouteAnswer::Done),
            RouteAsk::FindExchange(name) if self.exchanges.contains(name.as_str()) => {
                Ok(RouteAnswer::Exchange(None))
            }
            RouteAsk::FindExchange(name) => Err(ExchangeRefusal::UnknownExchange(name).into()),
            RouteAsk::DeclareExchange(declaration) => {
                self.exchanges.insert(declaration.name.as_str().into());
                Ok(RouteAnswer::Done)
            }
            RouteAsk::DeleteExchange { name, .. } => {
                self.exchanges.remove(name.as_str());
                Ok(RouteAnswer::Done)
            }
            RouteAsk::Bind(binding) => {
                if !self.exchanges.contains(binding.source.as_str()) {
                    return Err(ExchangeRefusal::UnknownExchange(binding.source).into());
                }
                if let Destination::Queue(queue) = binding.destination {
                    self.find(&queue)?;
                    self.bindings.insert((binding.source.as_str().into(), queue.as_str().into()));
                }
                Ok(RouteAnswer::Done)
            }
            RouteAsk::Unbind(_) => Ok(RouteAnswer::Done),
            RouteAsk::FindQueue(name) => self.find(&name).map(RouteAnswer::Queue),
            RouteAsk::DeclareQueue(declaration) => Ok(RouteAnswer::Queue(self.declare(declaration))),
            RouteAsk::DeleteQueue { name, .. } => {
                let gone = self.queues.remove(name.as_str());
                Ok(RouteAnswer::Removed { messages: gone.map_or(0, |queue| queue.ready()) })
            }
            RouteAsk::LeaveQueues => {
                self.queues.retain(|_, queue| !queue.declaration.exclusive);
                Ok(RouteAnswer::Done)
            }
            RouteAsk::PurgeQueue(name) => {
                let messages = self.find(&name)?.ready;
                let queue = self.queues.get_mut(name.as_str()).unwrap();
                let ready = queue.messages.iter_mut().filter(|message| message.state == State::Ready);
                ready.for_each(|message| message.state = State::Done(Settlement::Reject));
                Ok(RouteAnswer::Removed { messages })
            }
        }
    }

    fn find(&self, name: &QueueName) -> Result<QueueView, RouteRefusal> {
        let queue = self.queues.get(name.as_str());
        let queue = queue.ok_or_else(|| ExchangeRefusal::UnknownQueue(name.clone()))?;
        Ok(QueueView {
            declaration: queue.declaration.clone(),
            topic: queue.topic,
            ready: queue.ready(),
            consumers: self
                .joined
                .iter()
                .filter(|join| join.partition.topic == TopicRef::Id(queue.topic))
                .count() as u32,
        })
    }

    fn declare(&mut self, declaration: QueueDeclaration) -> QueueView {
        let name = declaration.name.clone();
        self.declared += 1;
        let topic = TopicId(u128::from(self.declared).to_be_bytes());
        let queue = || Queue { declaration, topic, messages: Vec::new() };
        self.queues.entry(name.as_str().into()).or_insert_with(queue);
        self.find(&name).unwrap()
    }

    fn post(&mut self, post: Post) -> Vec<Posted> {
        post.items.into_iter().map(|item| self.put(item)).collect()
    }

    fn put(&mut self, item: PostItem) -> Posted {
        let exchange = item.exchange.as_str();
        let mut to = Vec::new();
        if item.exchange.is_default() {
            let named = |key: &Bytes| String::from_utf8_lossy(key).into_owned();
            to.extend(item.keys.iter().map(named).filter(|key| self.queues.contains_key(key)));
        } else if exchange == "internal" {
            return Err(PostRefusal::InternalExchange(item.exchange));
        } else if exchange == "broken" {
            return Err(PostRefusal::NotTaken(Refusal::Busy));
        } else if self.exchanges.contains(exchange) {
            to.extend(self.bindings.iter().filter(|(from, _)| from == exchange).map(|(_, to)| to.clone()));
        } else {
            return Err(PostRefusal::UnknownExchange(item.exchange));
        }
        let stored = stored(&item);
        for name in &to {
            if let Some(queue) = self.queues.get_mut(name) {
                queue.put(PayloadKind::MessageBatch, stored.clone());
            }
        }
        Ok(if to.is_empty() { PostedTo::Nowhere } else { PostedTo::Queues(to.len() as u32) })
    }

    fn subscription(&mut self, token: Token, request: SubscriptionRequest) -> Answers {
        let mut answers = Vec::new();
        let reply = match request {
            SubscriptionRequest::Receive(receive) => {
                if let Some(refusal) = self.refuse_receives.pop_front() {
                    let all = ReceivedAll { lease_ms: 1, partitions: vec![Err(refusal)] };
                    return vec![(token, Reply::Subscription(SubscriptionReply::Receive(all)))];
                }
                self.waiting.push_back((token, receive));
                return answers;
            }
            SubscriptionRequest::Settle(settle) => SubscriptionReply::Settle(self.settle(&settle)),
            SubscriptionRequest::Join(join) => {
                let refused = self.refuse_joins.pop_front();
                self.joined.push(join);
                SubscriptionReply::Join(refused.map_or(Ok(()), Err))
            }
            SubscriptionRequest::Leave(number) => {
                self.joined.retain(|join| join.consumer != number);
                SubscriptionReply::Leave
            }
            SubscriptionRequest::EndConsumer(number) => {
                self.joined.retain(|join| join.consumer != number);
                self.give_back(number);
                SubscriptionReply::EndConsumer
            }
            SubscriptionRequest::EndReceive(number) => {
                let at = self.waiting.iter().position(|(_, receive)| receive.consumer == number);
                if let Some((token, _)) = at.and_then(|at| self.waiting.remove(at)) {
                    answers.push((token, received(Ok(ReceivedRecords::default()))));
                }
                SubscriptionReply::EndReceive
            }
            other => panic!("{other:?}"),
        };
        answers.push((token, Reply::Subscription(reply)));
        answers
    }

    fn settle(&mut self, settle: &SettleDeliveries) -> SettledAll {
        let items = settle.items.iter().map(|item| {
            if let Some(refusal) = self.refuse_settles.pop_front() {
                return Err(refusal);
            }
            let TopicRef::Id(topic) = item.partition.topic else { panic!("a queue is named by its topic") };
            let Some(queue) = self.queues.values_mut().find(|queue| queue.topic == topic) else {
                return Err(Refusal::UnknownTopicId);
            };
            for (range, verdict) in &item.verdicts {
                for at in range.first.0..=range.last.0 {
                    let message = &mut queue.messages[at as usize];
                    assert_eq!(message.state, State::With(settle.consumer), "it is this consumer's");
                    let Verdict::End(how) = verdict else { panic!("nothing is renewed") };
                    message.settle(*how);
                }
            }
            Ok(())
        });
        SettledAll { lease_ms: 1, items: items.collect() }
    }

    fn give_back(&mut self, number: ConsumerNumber) {
        self.waiting.retain(|(_, receive)| receive.consumer != number);
        for queue in self.queues.values_mut() {
            let held = queue.messages.iter_mut().filter(|message| message.state == State::With(number));
            held.for_each(|message| message.state = State::Ready);
        }
    }

    /// Answers those that wait for messages which are there, or that do not wait.
    fn wake(&mut self) -> Answers {
        let mut answers = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        for (token, receive) in waiting {
            let TopicRef::Id(topic) = receive.partitions[0].topic else {
                panic!("a queue is named by its topic")
            };
            let records = match self.queues.values_mut().find(|queue| queue.topic == topic) {
                None => Err(Refusal::UnknownTopicId),
                Some(queue) => Ok(queue.hand_out(&receive)),
            };
            match records {
                Ok(records) if records.deliveries.is_empty() && receive.wait_ms_max > 0 => {
                    self.waiting.push_back((token, receive));
                }
                records => answers.push((token, received(records))),
            }
        }
        answers
    }

    /// Consumers whose receives are open, and how much they want.
    pub(super) fn waiting(&self) -> Vec<(ConsumerNumber, u32)> {
        self.waiting.iter().map(|(_, receive)| (receive.consumer, receive.records_max)).collect()
    }

    /// What became of each message of a queue.
    pub(super) fn states(&self, queue: &str) -> Vec<State> {
        self.queues[queue].messages.iter().map(|message| message.state).collect()
    }
}

impl Queue {
    pub(super) fn put(&mut self, kind: PayloadKind, item: Bytes) {
        self.messages.push(Message { item, kind, attempts: 0, state: State::Ready });
    }

    fn ready(&self) -> u64 {
        self.messages.iter().filter(|message| message.state == State::Ready).count() as u64
    }

    fn hand_out(&mut self, receive: &Receive) -> ReceivedRecords {
        let mut records = ReceivedRecords { topic: self.topic, ..Default::default() };
        for (at, message) in self.messages.iter_mut().enumerate() {
            if message.state != State::Ready || records.deliveries.len() == receive.records_max as usize {
                continue;
            }
            message.state = State::With(receive.consumer);
            message.attempts += 1;
            let offset = Offset(at as u64);
            let range = OffsetRange { first: offset, last: offset };
            records.deliveries.push(Delivery { range, attempt: Attempts(message.attempts) });
            records.payloads.push(ReceivedPayload {
                kind: message.kind,
                first: offset,
                bytes: message.item.clone(),
            });
        }
        records
    }
}

impl Message {
    fn settle(&mut self, how: Settlement) {
        self.state = match how {
            Settlement::Release { counts } => {
                self.attempts -= u16::from(!counts);
                State::Ready
            }
            done => State::Done(done),
        };
    }
}

fn received(records: Result<ReceivedRecords, Refusal>) -> Reply {
    let all = ReceivedAll { lease_ms: 1_000, partitions: vec![records] };
    Reply::Subscription(SubscriptionReply::Receive(all))
}

fn stored(item: &PostItem) -> Bytes {
    let origin = Origin(item.origin.try_into().unwrap());
    let mut batch = MessageBatchBuilder::new(32 << 20);
    batch.push(&Envelope::new(origin, Timestamp(1)), &item.properties, Some(&item.body)).unwrap();
    batch.build().unwrap()
}
