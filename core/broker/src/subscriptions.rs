//! Shared subscriptions: what consumers, operators and settings ask, spread over the shards of the partitions.

use forebay_machine::{Command, Outcome, SubscriptionKey};
use forebay_model::group::{GroupReply, GroupRequest};
use forebay_model::subscription::{
    Attend, ConsumerNumber, Join, ReceivedAll, SettledAll, StartAt, SubscriptionChange, SubscriptionReply,
    SubscriptionRequest, SubscriptionSettings, SubscriptionStates,
};
use forebay_model::{GroupId, PartitionId, PartitionRef, Refusal, Reply, Request, TopicId, TopicRef};
use forebay_shard::{Answer, Attendee, Consumer, SharingAnswer, SharingWork, Source, SubscriptionWork, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, GroupGather, Slots, Step, Ticket};
use crate::fetch::{any_stale, group};
use crate::outbox::ConnectionId;
use crate::place::{self, Placed};
use crate::states::{Named, StatesGather};

/// What the name of a subscription weighs in a mailbox, and what is asked of it.
const ASKED_BYTES: usize = 64;

impl Inner {
    pub(crate) fn subscription(
        &self,
        asker: Asker,
        request: SubscriptionRequest,
        currency: Currency,
        replies: &mut Replies,
    ) {
        match request {
            SubscriptionRequest::Receive(receive) => self.receive(asker, receive, currency, replies),
            SubscriptionRequest::Settle(settle) => self.settle(asker, settle, currency, replies),
            SubscriptionRequest::Attend(attend) => {
                let group = attend.subscription.clone();
                self.ask_sharers(asker, &group, Gather::Sharing, SharingWork::Attend(attend), replies);
            }
            SubscriptionRequest::Members(group) => {
                self.ask_sharers(
                    asker,
                    &group.clone(),
                    Gather::Sharing,
                    SharingWork::Members(group),
                    replies,
                );
            }
            SubscriptionRequest::EndReceive(number) => self.end_receive(&asker, number, replies),
            SubscriptionRequest::EndConsumer(number) => self.end_consumer(asker, number, replies),
            SubscriptionRequest::Join(join) => self.join_queue(asker, join, currency, replies),
            SubscriptionRequest::Leave(number) => self.leave_queues(asker, number, replies),
            SubscriptionRequest::Settings(names) => {
                let reply = SubscriptionReply::Settings(self.settings_of(names));
                self.finish(&asker, Reply::Subscription(reply), replies);
            }
            SubscriptionRequest::Alter { changes, dry_run } => {
                self.alter_subscriptions(asker, changes, dry_run, replies);
            }
            SubscriptionRequest::Describe { subscription, partitions: None } => {
                self.ask_all(asker, &SubscriptionWork::Describe(subscription, None), replies);
            }
            SubscriptionRequest::Describe { .. } => self.ask_some(asker, request, currency, replies),
            // Only where nobody reads.
            SubscriptionRequest::Reset { ref subscription, .. }
            | SubscriptionRequest::Drop { ref subscription, .. } => {
                let subscription = subscription.clone();
                self.when_empty(asker, request, &subscription, currency, replies);
            }
        }
    }

    /// Goes on with a request if the group of its subscription has no members.
    fn when_empty(
        &self,
        asker: Asker,
        request: SubscriptionRequest,
        group: &GroupId,
        currency: Currency,
        replies: &mut Replies,
    ) {
        // One that is told where to begin is there from then on.
        let work = match &request {
            SubscriptionRequest::Reset { .. } => SharingWork::Found(group.clone()),
            _ => SharingWork::Members(group.clone()),
        };
        let gather = Gather::Step(Step::Emptied(Box::new(request), currency));
        self.ask_sharers(asker, group, gather, work, replies);
    }

    /// Asks the shard of a group.
    fn ask_sharers(
        &self,
        asker: Asker,
        group: &GroupId,
        gather: Gather,
        work: SharingWork,
        replies: &mut Replies,
    ) {
        let from = asker.connection;
        let topics = |attend: &Attend| attend.topics.iter().flatten().map(|topic| 24 + topic.len()).sum();
        let bytes: usize = match &work {
            SharingWork::Attend(attend) => topics(attend),
            SharingWork::Members(_) | SharingWork::Found(_) => 0,
        };
        let call = Call::new(asker, gather);
        let work = Work::Sharing(Ticket { call, part: 0 }, work);
        self.post_work(self.shards.of_group(&group.0), from, ASKED_BYTES + bytes, work, replies);
    }

    /// Deletes a group. What one that shares a subscription has read is forgotten first, on every shard, so that what a crash in between
    /// leaves behind is a group that can be deleted again.
    pub(crate) fn delete_group(&self, asker: Asker, group: GroupId, replies: &mut Replies) {
        let gather = Gather::Step(Step::Deleting(group.clone()));
        self.ask_sharers(asker, &group, gather, SharingWork::Members(group.clone()), replies);
    }

    /// It is known whether the group shares a subscription, and whether it has members.
    pub(crate) fn deleting(&self, asker: Asker, group: GroupId, answer: Answer, replies: &mut Replies) {
        match why_not_empty(answer) {
            None => {
                let shards = self.shards.all();
                let from = asker.connection;
                let gather = StatesGather::new(shards.len(), None, Some(group.clone()));
                let call = Call::new(asker, Gather::States(gather));
                for (part, shard) in shards.iter().enumerate() {
                    let work = SubscriptionWork::Drop(group.clone(), None);
                    let work = Work::Subscriptions(Ticket { call: call.clone(), part }, work);
                    self.post_work(shard, from, ASKED_BYTES, work, replies);
                }
            }
            // None of these, or none at all: its own shard says.
            Some(Refusal::UnknownGroup) => self.delete_alone(asker, group, replies),
            Some(refusal) => {
                let reply = Reply::Group(GroupReply::Delete(Err(refusal)));
                self.finish(&asker, reply, replies);
            }
        }
    }

    /// Nothing is left of what it has read, or nothing could be done.
    pub(crate) fn forgotten(&self, asker: Asker, group: GroupId, answer: Answer, replies: &mut Replies) {
        match answer {
            Answer::Subscriptions(Ok(_)) => self.delete_alone(asker, group, replies),
            Answer::Subscriptions(Err(refusal)) => {
                let reply = Reply::Group(GroupReply::Delete(Err(refusal)));
                self.finish(&asker, reply, replies);
            }
            other => panic!("subscriptions were to be dropped, not {other:?}"),
        }
    }

    fn delete_alone(&self, asker: Asker, group: GroupId, replies: &mut Replies) {
        let shard = self.shards.of_group(&group.0);
        let from = asker.connection;
        let call = Call::new(asker, Gather::Group(GroupGather::Plain));
        let work = Work::Group(Ticket { call, part: 0 }, GroupRequest::Delete(group));
        self.post_work(shard, from, ASKED_BYTES, work, replies);
    }

    /// It is known whether the group has members.
    pub(crate) fn emptied(
        &self,
        asker: Asker,
        request: SubscriptionRequest,
        currency: Currency,
        answer: Answer,
        replies: &mut Replies,
    ) {
        if let Some(refusal) = why_not_empty(answer) {
            let reply = SubscriptionReply::States(Err(refusal));
            return self.finish(&asker, Reply::Subscription(reply), replies);
        }
        match request {
            SubscriptionRequest::Drop { subscription, topics: None } => {
                self.ask_all(asker, &SubscriptionWork::Drop(subscription, None), replies);
            }
            request => self.ask_some(asker, request, currency, replies),
        }
    }

    /// Whatever shards hold back for a consumer comes now. Where its receive is answered already there is nothing to do.
    fn end_receive(&self, asker: &Asker, number: ConsumerNumber, replies: &mut Replies) {
        // First what is on its way to the shards: it may be with them before the others are looked through.
        self.end_unplaced(asker, number);
        for call in self.waiting_calls(asker.connection) {
            if call.receives_for(number) {
                self.end_fetches(call.open_fetches());
            }
        }
        self.finish(asker, Reply::Subscription(SubscriptionReply::EndReceive), replies);
    }

    fn end_consumer(&self, asker: Asker, number: ConsumerNumber, replies: &mut Replies) {
        let from = asker.connection;
        let consumer = Consumer { source: Source(from.0), number };
        let shards = self.shards.all();
        let call = Call::new(asker, Gather::EndConsumer(shards.len()));
        for (part, shard) in shards.iter().enumerate() {
            let work = Work::EndConsumer(Ticket { call: call.clone(), part }, consumer);
            self.post_work(shard, from, ASKED_BYTES, work, replies);
        }
    }

    /// A consumer of a queue comes.
    fn join_queue(&self, asker: Asker, join: Join, currency: Currency, replies: &mut Replies) {
        let placed = match place::partition(&self.catalogue(), &self.config.defaults, &join.partition) {
            Err(refusal) if currency == Currency::Unknown && place::may_be_stale(&refusal) => {
                let request = Request::Subscription(SubscriptionRequest::Join(join));
                return self.after_barrier(asker, Step::Unresolved(Box::new(request)), replies);
            }
            Err(refusal) => {
                let refused = SubscriptionReply::Join(Err(refusal));
                return self.finish(&asker, Reply::Subscription(refused), replies);
            }
            Ok(placed) => placed,
        };
        let from = asker.connection;
        let consumer = Consumer { source: Source(from.0), number: join.consumer };
        let key = SubscriptionKey { partition: placed.id, name: join.subscription };
        let joining = Attendee { consumer, priority: join.priority, is_exclusive: join.exclusive };
        let call = Call::new(asker, Gather::Join);
        self.remember_receives(from);
        let work = Work::Subscriptions(Ticket { call, part: 0 }, SubscriptionWork::Join(key, joining));
        self.post_work(self.shards.at(placed.shard.0 as usize), from, ASKED_BYTES, work, replies);
        if !self.is_open(from) {
            // It went meanwhile: what it left is left now.
            self.end_consumers(from);
        }
    }

    /// A consumer of queues wants nothing more.
    fn leave_queues(&self, asker: Asker, number: ConsumerNumber, replies: &mut Replies) {
        let from = asker.connection;
        let consumer = Consumer { source: Source(from.0), number };
        let shards = self.shards.all();
        let call = Call::new(asker, Gather::Leave(shards.len()));
        for (part, shard) in shards.iter().enumerate() {
            let work = SubscriptionWork::Leave(consumer);
            let work = Work::Subscriptions(Ticket { call: call.clone(), part }, work);
            self.post_work(shard, from, ASKED_BYTES, work, replies);
        }
    }

    /// The consumers of a connection that is gone.
    pub(crate) fn end_consumers(&self, connection: ConnectionId) {
        for shard in self.shards.all() {
            let source = Source(connection.0);
            // A full mailbox only means that the leases end by themselves.
            let _ = shard.mailbox.post_work(source, Work::EndSource(source).parcel(ASKED_BYTES));
        }
    }

    fn settings_of(&self, names: Option<Vec<GroupId>>) -> Vec<(GroupId, SubscriptionSettings)> {
        let catalogue = self.catalogue();
        match names {
            Some(names) => {
                names.into_iter().map(|name| (name.clone(), catalogue.subscription(&name))).collect()
            }
            None => catalogue.subscriptions().map(|(name, settings)| (name.clone(), *settings)).collect(),
        }
    }

    fn alter_subscriptions(
        &self,
        asker: Asker,
        changes: Vec<(GroupId, SubscriptionChange)>,
        dry_run: bool,
        replies: &mut Replies,
    ) {
        if dry_run || changes.is_empty() {
            let altered = SubscriptionReply::Alter(changes.iter().map(|_| Ok(())).collect());
            return self.finish(&asker, Reply::Subscription(altered), replies);
        }
        let count = changes.len();
        let command = |(name, change)| Command::AlterSubscription { name, change };
        let commands: Vec<_> = changes.into_iter().map(command).collect();
        let from = asker.connection;
        let call = Call::new(asker, Gather::Step(Step::AlterSubscriptions(count)));
        let work = Work::Propose(Ticket { call, part: 0 }, commands);
        self.post_work(self.shards.catalogue(), from, count * ASKED_BYTES, work, replies);
    }

    /// The catalogue's shard has answered.
    pub(crate) fn subscriptions_altered(
        &self,
        asker: &Asker,
        count: usize,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let altered = match answer {
            Answer::Outcomes(Ok(proposed)) => proposed.outcomes.into_iter().map(done).collect(),
            Answer::Outcomes(Err(refusal)) => vec![Err(refusal); count],
            other => panic!("outcomes were asked for, not {other:?}"),
        };
        self.finish(asker, Reply::Subscription(SubscriptionReply::Alter(altered)), replies);
    }

    /// Asks every shard what it has.
    fn ask_all(&self, asker: Asker, work: &SubscriptionWork, replies: &mut Replies) {
        let (from, shards) = (asker.connection, self.shards.all());
        let gather = StatesGather::new(shards.len(), None, None);
        let call = Call::new(asker, Gather::States(gather));
        for (part, shard) in shards.iter().enumerate() {
            let work = Work::Subscriptions(Ticket { call: call.clone(), part }, work.clone());
            self.post_work(shard, from, ASKED_BYTES, work, replies);
        }
    }

    /// Asks the shards of the partitions that are named.
    fn ask_some(
        &self,
        asker: Asker,
        request: SubscriptionRequest,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let asked = self.partitions_named(&request);
        let placed = match &asked {
            Ok(asked) => self.place(asked.iter()),
            Err(refusal) => vec![Err(refusal.clone())],
        };
        if currency == Currency::Unknown && any_stale(&placed) {
            let request = Box::new(Request::Subscription(request));
            return self.after_barrier(asker, Step::Unresolved(request), replies);
        }
        let asked = match asked {
            Ok(asked) => asked,
            Err(refusal) => {
                let states = SubscriptionReply::States(Err(refusal));
                return self.finish(&asker, Reply::Subscription(states), replies);
            }
        };
        let topic =
            |placed: &Result<Placed, Refusal>| placed.as_ref().map_or(TopicId::NONE, |placed| placed.topic);
        let topics: Vec<TopicId> = placed.iter().map(topic).collect();
        let mut slots = Slots::new(asked.len());
        crate::fetch::refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let groups = group(&placed, |at, placed| (at, placed.id));
        let parts = crate::fetch::places(&groups);
        let open = groups.len();
        let named = Named { asked: asked.into_iter().zip(topics).collect(), slots, parts };
        let mut gather = StatesGather::new(open, Some(named), None);
        if groups.is_empty() {
            return self.finish(&asker, gather.reply(), replies);
        }
        let from = asker.connection;
        let call = Call::new(asker, Gather::States(gather));
        for (part, (shard, _, items)) in groups.into_iter().enumerate() {
            let bytes = ASKED_BYTES * items.len();
            let ticket = Ticket { call: call.clone(), part };
            let work = Work::Subscriptions(ticket, work_of(&request, &items));
            self.post_work(self.shards.at(shard.0 as usize), from, bytes, work, replies);
        }
    }

    /// The partitions that a request is about.
    fn partitions_named(&self, request: &SubscriptionRequest) -> Result<Vec<PartitionRef>, Refusal> {
        match request {
            SubscriptionRequest::Describe { partitions, .. } => Ok(partitions.clone().unwrap_or_default()),
            SubscriptionRequest::Reset { items, .. } => {
                Ok(items.iter().map(|(partition, _)| partition.clone()).collect())
            }
            SubscriptionRequest::Drop { topics, .. } => {
                let catalogue = self.catalogue();
                let mut partitions = Vec::new();
                for name in topics.iter().flatten() {
                    let topic = place::topic(&catalogue, name)?;
                    let numbers = (0u32..).zip(&topic.partitions).map(|(number, _)| number);
                    let named = |number| PartitionRef { topic: name.clone(), number };
                    partitions.extend(numbers.map(named));
                }
                Ok(partitions)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// States as they leave: by name. What is about topics that are gone is left out.
    pub(crate) fn name_states(&self, mut states: SubscriptionStates) -> Reply {
        let catalogue = self.catalogue();
        states.retain_mut(|state| match place::topic(&catalogue, &state.partition.topic) {
            Ok(topic) => {
                state.partition.topic = TopicRef::Name(topic.name.clone());
                true
            }
            Err(_) => false,
        });
        Reply::Subscription(SubscriptionReply::States(Ok(states)))
    }
}

/// Why a group is not one without members.
fn why_not_empty(answer: Answer) -> Option<Refusal> {
    match answer {
        Answer::Sharing(SharingAnswer::Members(Ok(view))) if view.members.is_empty() => None,
        Answer::Sharing(SharingAnswer::Members(Ok(_))) => Some(Refusal::GroupNotEmpty),
        Answer::Sharing(SharingAnswer::Members(Err(refusal))) => Some(refusal),
        other => panic!("members were asked for, not {other:?}"),
    }
}

/// What one shard is asked of these partitions, each with its place in the request.
fn work_of(request: &SubscriptionRequest, items: &[(usize, PartitionId)]) -> SubscriptionWork {
    let ids = || Some(items.iter().map(|(_, id)| *id).collect());
    match request {
        SubscriptionRequest::Reset { subscription, items: all } => {
            let key = |id: PartitionId| SubscriptionKey { partition: id, name: subscription.clone() };
            let reset = |(at, id): &(usize, PartitionId)| (key(*id), start(all, *at));
            SubscriptionWork::Reset(items.iter().map(reset).collect())
        }
        SubscriptionRequest::Drop { subscription, .. } => SubscriptionWork::Drop(subscription.clone(), ids()),
        SubscriptionRequest::Describe { subscription, .. } => {
            SubscriptionWork::Describe(subscription.clone(), ids())
        }
        other => unreachable!("not for single partitions: {other:?}"),
    }
}

fn start(items: &[(PartitionRef, StartAt)], at: usize) -> StartAt {
    items.get(at).map_or(StartAt::Latest, |(_, at)| *at)
}

fn done(outcome: Outcome) -> Result<(), Refusal> {
    match outcome {
        Outcome::Refused(refusal) => Err(refusal),
        _ => Ok(()),
    }
}

/// The reply that refuses all of a request.
pub(crate) fn refused(request: &SubscriptionRequest, refusal: &Refusal) -> SubscriptionReply {
    let no = || refusal.clone();
    let lease_ms = SubscriptionSettings::default().rules().lease_ms;
    match request {
        SubscriptionRequest::Receive(receive) => SubscriptionReply::Receive(ReceivedAll {
            lease_ms,
            partitions: receive.partitions.iter().map(|_| Err(no())).collect(),
        }),
        SubscriptionRequest::Settle(settle) => SubscriptionReply::Settle(SettledAll {
            lease_ms,
            items: settle.items.iter().map(|_| Err(no())).collect(),
        }),
        SubscriptionRequest::EndConsumer(_) => SubscriptionReply::EndConsumer,
        SubscriptionRequest::Join(_) => SubscriptionReply::Join(Err(no())),
        SubscriptionRequest::Leave(_) => SubscriptionReply::Leave,
        SubscriptionRequest::EndReceive(_) => SubscriptionReply::EndReceive,
        SubscriptionRequest::Attend(_) => SubscriptionReply::Attend(Err(no())),
        SubscriptionRequest::Members(_) => SubscriptionReply::Members(Err(no())),
        SubscriptionRequest::Describe { .. }
        | SubscriptionRequest::Reset { .. }
        | SubscriptionRequest::Drop { .. } => SubscriptionReply::States(Err(no())),
        SubscriptionRequest::Settings(_) => SubscriptionReply::Settings(Vec::new()),
        SubscriptionRequest::Alter { changes, .. } => {
            SubscriptionReply::Alter(changes.iter().map(|_| Err(no())).collect())
        }
    }
}

/// Whether it changes something.
pub(crate) fn changes_something(request: &SubscriptionRequest) -> bool {
    match request {
        SubscriptionRequest::Settle(_)
        | SubscriptionRequest::Reset { .. }
        | SubscriptionRequest::Drop { .. }
        | SubscriptionRequest::Alter { .. } => true,
        SubscriptionRequest::Receive(_)
        | SubscriptionRequest::Join(_)
        | SubscriptionRequest::Leave(_)
        | SubscriptionRequest::EndConsumer(_)
        | SubscriptionRequest::EndReceive(_)
        | SubscriptionRequest::Attend(_)
        | SubscriptionRequest::Members(_)
        | SubscriptionRequest::Describe { .. }
        | SubscriptionRequest::Settings(_) => false,
    }
}
