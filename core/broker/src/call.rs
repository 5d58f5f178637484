//! An open request and the answers that it still waits for. Parts of one request may be served by several shards;
//! the last answer completes it.

use std::sync::{Arc, Mutex, PoisonError};

use forebay_env::Monotonic;
use forebay_model::admin::{AlterTopics, CreatePartitions, CreateTopics, DeleteTopics, DescribeTopics};
use forebay_model::fetch::{FetchRefusal, Fetched, FoundEpochEnd, FoundOffset};
use forebay_model::group::{FetchedOffset, GroupListing, GroupReply};
use forebay_model::partition::Trimmed;
use forebay_model::publish::Published;
use forebay_model::queue::RouteRequest;
use forebay_model::subscription::{
    ConsumerNumber, SubscriptionReply, SubscriptionRequest, SubscriptionStates,
};
use forebay_model::transaction::{TransactionListing, TransactionRequest, TransactionView};
use forebay_model::{GroupId, PartitionRef, Principal, Refusal, Reply, TopicId, TopicName};
use forebay_shard::{Answer, SharingAnswer};

use crate::acls::{AddAclsStep, RemoveAclsStep};
use crate::authorize::{Host, Withheld};
use crate::broker::Currency;
use crate::joins::{AdmitGather, JoinStep, Then};
use crate::line::PublishLine;
use crate::memory::Charge;
use crate::outbox::{ConnectionId, Outbox};
use crate::partitions::DescribeGather;
use crate::post::{PostGather, PostLine};
use crate::receive::{ReceiveGather, SettleGather};
use crate::routes::RouteStep;
use crate::states::StatesGather;
use crate::transactions;
use crate::users::AlterUsersStep;

/// Whom a finished request is answered to.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) connection: ConnectionId,
    pub(crate) token: u64,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) protocol: &'static str,
    pub(crate) local: std::net::SocketAddr,
    /// Whose its connection was when it asked.
    pub(crate) principal: Arc<Principal>,
    /// The address that it came from.
    pub(crate) host: Arc<Host>,
    /// What of its request it may not do, and of the reply not see.
    pub(crate) withheld: Option<Arc<Withheld>>,
    /// Where its connection's publishes wait for the catalogue.
    pub(crate) publishes: Arc<PublishLine>,
    /// Where its posts do.
    pub(crate) posts: Arc<PostLine>,
}

/// One part of an open request: what a shard gives back with its answer.
#[derive(Clone)]
pub struct Ticket {
    pub(crate) call: Arc<Call>,
    pub(crate) part: usize,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}/{}#{}", self.call.asker.connection, self.call.asker.token, self.part)
    }
}

/// An open request.
pub(crate) struct Call {
    pub(crate) asker: Asker,
    gather: Mutex<Gather>,
}

/// What has been answered so far.
pub(crate) enum Gather {
    /// One slot per item, and when the front desk took it.
    Publish(PublishGather),
    /// One fate per message; a part covers the messages of one batch.
    Post(PostGather),
    /// One slot per item; a part covers the items of one shard.
    Fetch(FetchGather),
    /// One slot per item; a part covers the items of one shard.
    FindOffsets(Slots<FoundOffset>, Parts),
    /// One slot per item; a part covers the items of one shard.
    FindEpochEnds(Slots<FoundEpochEnd>, Parts),
    /// One slot per item; a part covers the items of one shard.
    TrimPartitions(Slots<Trimmed>, Parts),
    /// One slot per partition; a part covers the partitions of one shard.
    DescribePartitions(DescribeGather),
    /// The one answer of a group.
    Group(GroupGather),
    /// The one answer of a transactional producer.
    Transaction(transactions::Asked),
    /// One part per shard that a transaction is about to span.
    Admit(AdmitGather),
    /// One part per shard.
    ListTransactions(Vec<TransactionListing>, usize),
    /// One part per shard.
    ListGroups(Vec<GroupListing>, usize),
    /// The one answer of the catalogue's shard.
    Quorum,
    /// One slot per partition; a part covers the partitions of one shard.
    Receive(ReceiveGather),
    /// One slot per item; a part covers the items of one shard.
    Settle(SettleGather),
    /// One part per shard.
    EndConsumer(usize),
    /// The one answer of a queue's shard.
    Join,
    /// One part per shard.
    Leave(usize),
    /// Where a subscription stands.
    States(StatesGather),
    /// The one answer of a group that shares a subscription.
    Sharing,
    /// A step of a longer request; the front desk goes on with it when the part is answered.
    Step(Step),
    /// Answered.
    Done,
}

/// Which items a part covers.
pub(crate) type Parts = Vec<Vec<usize>>;

/// The items of a publish.
pub(crate) struct PublishGather {
    pub(crate) slots: Slots<Published>,
    /// When it was taken.
    pub(crate) since: Monotonic,
    /// The memory of its payloads, given back with the gather.
    pub(crate) _charge: Charge,
}

/// The items of a fetch and the parts that are still open.
pub(crate) struct FetchGather {
    pub(crate) slots: Slots<Fetched>,
    pub(crate) parts: Parts,
    /// Per part: its shard and the fetch's number there, until it has answered.
    pub(crate) open: Vec<Option<(usize, u64)>>,
    pub(crate) bytes_min: u64,
    pub(crate) bytes: u64,
    /// Whether one shard had enough, or a refusal: nobody waits any more.
    pub(crate) enough: bool,
}

/// What of a group's answer has to be put back into the asker's words.
pub(crate) enum GroupGather {
    /// Nothing.
    Plain,
    /// The answers for the offsets that reached the group go to these places.
    Commit { asked: Vec<(PartitionRef, Option<Refusal>)> },
    /// The answers for the cursors that reached the group go to the free places.
    Forget { refused: Vec<Option<Refusal>> },
    /// Cursors come by id and leave as they were asked for.
    Offsets { asked: Option<Vec<(PartitionRef, Option<Refusal>)>> },
}

/// A request that takes more than one step.
pub(crate) enum Step {
    /// Waits for the barrier that makes the local catalogue current.
    Describe(DescribeTopics),
    /// The publishes of a connection wait for the barrier, before one of them hears that its topic does not exist.
    Publishes(Arc<PublishLine>),
    /// The posts of a connection wait for the barrier, before one of them hears that it goes nowhere.
    Posts(Arc<PostLine>),
    /// Waits for shard 0 to change exchanges or bindings, or to create or delete a queue.
    Route(Box<RouteStep>),
    /// Waits for shard 0 to delete what queues of an earlier process are left.
    SettleIn(Box<RouteRequest>),
    /// Waits to hear how many messages a queue has.
    Counted(TopicId, Box<RouteRequest>),
    /// Waits for the barrier before saying that a topic does not exist.
    Unresolved(Box<forebay_model::Request>),
    /// Waits for shard 0 to create.
    Create(CreateStep),
    /// Waits for shard 0 to delete.
    Delete(DeleteTopics, Vec<Option<(TopicName, TopicId)>>, Vec<Option<Refusal>>),
    /// Waits for shard 0 to add partitions.
    Grow(CreatePartitions, Vec<Option<Refusal>>),
    /// Waits for shard 0 to change settings.
    Alter(AlterTopics, Vec<Option<Refusal>>),
    /// Waits for shard 0 to change the defaults for topics.
    AlterDefaults { timeout_ms: u32 },
    /// Waits for shard 0 to change quotas; refused before anything was proposed, by position.
    AlterQuotas(Vec<Option<Refusal>>),
    /// Waits for shard 0 to change credentials.
    AlterUsers(AlterUsersStep),
    /// Waits for shard 0 to add rules of access.
    AddAcls(AddAclsStep),
    /// Waits for shard 0 to remove rules of access.
    RemoveAcls(RemoveAclsStep),
    /// Waits for a block of producer ids.
    Producers,
    /// Waits for one to go on with.
    ProducersFor(TransactionRequest),
    /// Waits for a transactional producer's own shard to note what its transaction spans elsewhere.
    Join(Box<JoinStep>),
    /// Waits for shard 0 to change the settings of so many subscriptions.
    AlterSubscriptions(usize),
    /// Waits to hear what a group is that is to be deleted.
    Deleting(GroupId),
    /// Waits until what a group has read is forgotten.
    Forgotten(GroupId),
    /// Waits to hear that nobody reads a subscription.
    Emptied(Box<SubscriptionRequest>, Currency),
}

/// A creation under way.
pub(crate) struct CreateStep {
    pub(crate) topics: CreateTopics,
    /// Refused before anything was proposed, by position.
    pub(crate) refused: Vec<Option<Refusal>>,
    /// The description that asked for it, if it is an automatic one.
    pub(crate) describe: Option<DescribeTopics>,
}

/// One slot per item; counts what is missing.
pub(crate) struct Slots<V> {
    values: Vec<Option<V>>,
    missing: usize,
}

impl<V> Slots<V> {
    pub(crate) fn new(len: usize) -> Slots<V> {
        Slots { values: (0..len).map(|_| None).collect(), missing: len }
    }

    pub(crate) fn set(&mut self, at: usize, value: V) {
        let slot = &mut self.values[at];
        assert!(slot.is_none(), "an item is answered once");
        *slot = Some(value);
        self.missing -= 1;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    pub(crate) fn take(&mut self) -> Vec<V> {
        assert!(self.is_complete(), "taken when complete");
        let values = std::mem::take(&mut self.values);
        values.into_iter().map(|value| value.expect("complete")).collect()
    }
}

/// What has to happen after a part was answered.
pub(crate) enum Next {
    /// Other parts are open.
    Wait,
    /// Other parts are open, and these waiting fetches (shard, number) should end now.
    EndFetches(Vec<(usize, u64)>),
    /// Everything is answered.
    Reply(Reply),
    /// A publish is answered that was taken then.
    Published(Vec<Published>, Monotonic),
    /// The step is done; go on.
    Continue(Step, Answer),
    /// A complete cursor list by id that must be put into names.
    NameOffsets(Vec<FetchedOffset>),
    /// A transaction whose partitions must be put into names.
    NamePartitions(TransactionView),
    /// Every shard that a transaction is about to span has answered.
    Admitted(Then, Result<(), Refusal>),
    /// Where a subscription stands, which must be put into names.
    NameStates(SubscriptionStates),
}

impl Call {
    pub(crate) fn new(asker: Asker, gather: Gather) -> Arc<Call> {
        Arc::new(Call { asker, gather: Mutex::new(gather) })
    }

    /// Takes the answer for one part.
    pub(crate) fn answer(&self, part: usize, answer: Answer) -> Next {
        let mut gather = self.gather.lock().unwrap_or_else(PoisonError::into_inner);
        let next = gather.answer(part, answer);
        if !matches!(next, Next::Wait | Next::EndFetches(_)) {
            *gather = Gather::Done;
        }
        next
    }

    /// Whether the fetches that still wait need not.
    pub(crate) fn has_enough(&self) -> bool {
        match &*self.gather.lock().unwrap_or_else(PoisonError::into_inner) {
            Gather::Fetch(fetch) => fetch.enough,
            Gather::Receive(receive) => receive.has_enough(),
            _ => false,
        }
    }

    /// Whether it is a receive of this consumer of its connection.
    pub(crate) fn receives_for(&self, consumer: ConsumerNumber) -> bool {
        match &*self.gather.lock().unwrap_or_else(PoisonError::into_inner) {
            Gather::Receive(receive) => receive.consumer() == consumer,
            _ => false,
        }
    }

    /// The fetches (shard, number) that still wait.
    pub(crate) fn open_fetches(&self) -> Vec<(usize, u64)> {
        match &*self.gather.lock().unwrap_or_else(PoisonError::into_inner) {
            Gather::Fetch(fetch) => fetch.open.iter().flatten().copied().collect(),
            Gather::Receive(receive) => receive.open_receives(),
            _ => Vec::new(),
        }
    }
}

impl Gather {
    fn answer(&mut self, part: usize, answer: Answer) -> Next {
        match (&mut *self, answer) {
            (Gather::Publish(PublishGather { slots, since, .. }), Answer::Published(published)) => {
                slots.set(part, published);
                if slots.is_complete() { Next::Published(slots.take(), *since) } else { Next::Wait }
            }
            (Gather::Post(post), Answer::Published(published)) => post.answer(part, published),
            (Gather::Fetch(fetch), Answer::Fetched(items)) => fetch.answer(part, items),
            (Gather::Receive(receive), Answer::Received(items)) => receive.answer(part, items),
            (Gather::Settle(settle), Answer::Settled(items)) => settle.answer(part, items),
            (Gather::Sharing, Answer::Sharing(answer)) => Next::Reply(Reply::Subscription(match answer {
                SharingAnswer::Attend(attended) => SubscriptionReply::Attend(attended),
                SharingAnswer::Members(members) => SubscriptionReply::Members(members),
            })),
            (Gather::States(states), Answer::Subscriptions(found)) => states.answer(part, found),
            (Gather::EndConsumer(open), Answer::ConsumerEnded) => {
                *open -= 1;
                match *open {
                    0 => Next::Reply(Reply::Subscription(SubscriptionReply::EndConsumer)),
                    _ => Next::Wait,
                }
            }
            (Gather::Join, Answer::Joined(joined)) => {
                Next::Reply(Reply::Subscription(SubscriptionReply::Join(joined)))
            }
            (Gather::Leave(open), Answer::Joined(_)) => {
                *open -= 1;
                match *open {
                    0 => Next::Reply(Reply::Subscription(SubscriptionReply::Leave)),
                    _ => Next::Wait,
                }
            }
            (Gather::FindOffsets(slots, parts), Answer::FoundOffsets(found)) => {
                spread(slots, &parts[part], found);
                complete(slots, Reply::FindOffsets)
            }
            (Gather::FindEpochEnds(slots, parts), Answer::FoundEpochEnds(found)) => {
                spread(slots, &parts[part], found);
                complete(slots, Reply::FindEpochEnds)
            }
            (Gather::TrimPartitions(slots, parts), Answer::Trimmed(trimmed)) => {
                spread(slots, &parts[part], trimmed);
                complete(slots, Reply::TrimPartitions)
            }
            (Gather::DescribePartitions(gather), Answer::DescribedPartitions(states)) => {
                spread(&mut gather.slots, &gather.parts[part], states);
                if gather.slots.is_complete() { Next::Reply(gather.reply()) } else { Next::Wait }
            }
            (Gather::Group(group), Answer::Group(reply)) => group.answer(reply),
            (Gather::Transaction(asked), Answer::Transaction(answer)) => transactions::next(*asked, answer),
            (Gather::Admit(gather), Answer::Transaction(answer)) => match gather.answer(answer) {
                Some((then, result)) => Next::Admitted(then, result),
                None => Next::Wait,
            },
            (Gather::ListTransactions(listed, open), Answer::Transactions(more)) => {
                listed.extend(more.unwrap_or_default());
                *open -= 1;
                if *open > 0 {
                    Next::Wait
                } else {
                    Next::Reply(Reply::ListTransactions(Ok(std::mem::take(listed))))
                }
            }
            (Gather::ListGroups(listed, open), Answer::Groups(more)) => {
                // A shard that is led elsewhere has no groups here.
                listed.extend(more.unwrap_or_default());
                *open -= 1;
                if *open > 0 {
                    Next::Wait
                } else {
                    Next::Reply(Reply::ListGroups(Ok(std::mem::take(listed))))
                }
            }
            (Gather::Quorum, Answer::Quorum(described)) => Next::Reply(Reply::DescribeQuorum(described)),
            (Gather::Step(_), answer) => match std::mem::replace(self, Gather::Done) {
                Gather::Step(step) => Next::Continue(step, answer),
                _ => unreachable!("just matched"),
            },
            (Gather::Done, _) => Next::Wait,
            (_, answer) => panic!("a shard answered another question: {answer:?}"),
        }
    }
}

pub(crate) fn spread<V>(slots: &mut Slots<V>, items: &[usize], values: Vec<V>) {
    assert_eq!(items.len(), values.len(), "a shard answers every item");
    for (at, value) in items.iter().zip(values) {
        slots.set(*at, value);
    }
}

fn complete<V>(slots: &mut Slots<V>, reply: impl FnOnce(Vec<V>) -> Reply) -> Next {
    if slots.is_complete() { Next::Reply(reply(slots.take())) } else { Next::Wait }
}

impl FetchGather {
    fn answer(&mut self, part: usize, items: Vec<Fetched>) -> Next {
        self.open[part] = None;
        let urgent = items.iter().any(Result::is_err);
        self.bytes += items.iter().flatten().map(|records| records.bytes() as u64).sum::<u64>();
        spread(&mut self.slots, &self.parts[part], items);
        if self.slots.is_complete() {
            return Next::Reply(Reply::Fetch(self.slots.take()));
        }
        // One shard has enough, or a refusal that the reader should hear now: the others answer with what they have. They are told
        // once; their answers follow.
        let had_enough = self.enough;
        self.enough |= urgent || self.bytes >= self.bytes_min;
        if self.enough && !had_enough {
            Next::EndFetches(self.open.iter().flatten().copied().collect())
        } else {
            Next::Wait
        }
    }
}

impl GroupGather {
    fn answer(&mut self, reply: GroupReply) -> Next {
        let reply = match (self, reply) {
            (GroupGather::Commit { asked }, GroupReply::CommitOffsets(done)) => {
                GroupReply::CommitOffsets(merge_commits(std::mem::take(asked), done))
            }
            (GroupGather::Forget { refused }, GroupReply::ForgetOffsets(Ok(done))) => {
                GroupReply::ForgetOffsets(Ok(merge_forgotten(std::mem::take(refused), done)))
            }
            (GroupGather::Offsets { asked: Some(asked) }, GroupReply::FetchOffsets(Ok(found))) => {
                GroupReply::FetchOffsets(Ok(merge_cursors(std::mem::take(asked), found)))
            }
            (GroupGather::Offsets { asked: None }, GroupReply::FetchOffsets(Ok(found))) => {
                return Next::NameOffsets(found);
            }
            (_, reply) => reply,
        };
        Next::Reply(Reply::Group(reply))
    }
}

/// Puts the group's answers between those that never reached it.
fn merge_commits(
    asked: Vec<(PartitionRef, Option<Refusal>)>,
    done: Vec<(PartitionRef, Result<(), Refusal>)>,
) -> Vec<(PartitionRef, Result<(), Refusal>)> {
    let mut done = done.into_iter();
    let answer = |(partition, refused): (PartitionRef, Option<Refusal>)| {
        let result = match refused {
            Some(refusal) => Err(refusal),
            None => done.next().map_or(Err(Refusal::Unknown), |(_, result)| result),
        };
        (partition, result)
    };
    asked.into_iter().map(answer).collect()
}

/// Puts the group's answers between the refusals of what never reached it.
fn merge_forgotten(
    refused: Vec<Option<Refusal>>,
    done: Vec<Result<(), Refusal>>,
) -> Vec<Result<(), Refusal>> {
    let mut done = done.into_iter();
    let answer = |refused: Option<Refusal>| match refused {
        Some(refusal) => Err(refusal),
        None => done.next().unwrap_or(Err(Refusal::Unknown)),
    };
    refused.into_iter().map(answer).collect()
}

/// Puts the group's cursors between those that never reached it.
fn merge_cursors(
    asked: Vec<(PartitionRef, Option<Refusal>)>,
    found: Vec<FetchedOffset>,
) -> Vec<FetchedOffset> {
    let mut found = found.into_iter();
    let answer = |(partition, refused): (PartitionRef, Option<Refusal>)| {
        let cursor = match refused {
            Some(refusal) => Err(refusal),
            None => found.next().map_or(Ok(None), |found| found.cursor),
        };
        FetchedOffset { partition, topic: None, cursor }
    };
    asked.into_iter().map(answer).collect()
}

/// A fetch item that could not be placed.
pub(crate) fn unreadable(refusal: Refusal) -> Fetched {
    Err(FetchRefusal { refusal })
}

#[cfg(test)]
mod tests {
    use forebay_model::Offset;
    use forebay_model::fetch::FetchedRecords;

    use super::*;

    fn fetched(bytes: &'static [u8]) -> Vec<Fetched> {
        vec![Ok(FetchedRecords {
            topic: TopicId::NONE,
            start_offset: Offset(0),
            high_watermark: Offset(0),
            last_stable_offset: Offset(0),
            aborted: Vec::new(),
            records: vec![bytes.into()],
        })]
    }

    #[test]
    fn the_others_are_told_once_that_one_shard_has_enough() {
        const SHARDS: usize = 4;
        let mut gather = FetchGather {
            slots: Slots::new(SHARDS),
            parts: (0..SHARDS).map(|at| vec![at]).collect(),
            open: (0..SHARDS).map(|at| Some((at, 100 + at as u64))).collect(),
            bytes_min: 1,
            bytes: 0,
            enough: false,
        };
        assert!(matches!(gather.answer(2, fetched(b"")), Next::Wait));
        let Next::EndFetches(ended) = gather.answer(1, fetched(b"record")) else { panic!("nobody is told") };
        assert_eq!(ended, [(0, 100), (3, 103)]);
        assert!(matches!(gather.answer(3, fetched(b"one more")), Next::Wait), "shard 0 has heard it");
        assert!(
            matches!(gather.answer(0, fetched(b"")), Next::Reply(Reply::Fetch(all)) if all.len() == SHARDS)
        );
    }
}
