//! What a shard is asked to do and what it answers. Partitions are named by their ids here: the front desk has
//! resolved topics already.

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_machine::{
    AdmitGuest, Command, Instance, JoinTransaction, Next, OpenProducer, Outcome, SubscriptionKey,
};
use forebay_model::fetch::{FetchRefusal, Fetched, FoundEpochEnd, FoundOffset, Isolation, OffsetTarget};
use forebay_model::group::{GroupListing, GroupReply, GroupRequest};
use forebay_model::partition::{PartitionState, TrimTo, Trimmed};
use forebay_model::publish::{Confirm, Import, PayloadKind, Published};
use forebay_model::quorum::DescribedQuorum;
use forebay_model::subscription::{
    Attend, Attending, DeliveryRules, OffsetRange, ReceiveForm, Received, SettledItem, SharersView, StartAt,
    SubscriptionStates, Verdict,
};
use forebay_model::transaction::{Decision, Joining, TransactionListing, TransactionView, TransactionalId};
use forebay_model::{GroupId, LeaderEpoch, LogIndex, Offset, PartitionId, Refusal, TopicId};

use crate::delivery::{Attendee, Consumer, refuse_admin};
use crate::mailbox::{Lane, Parcel, Source};
use crate::membership::MembersOrder;
use crate::refuse_group;
use crate::transaction;

/// Work that is ordered per source and may go through the log. `T` is the asker's ticket, given back with the answer.
#[derive(Debug)]
pub enum Work<T> {
    /// Append a payload to a partition.
    Append(Append<T>),
    /// Apply commands of the catalogue; answered when applied.
    Propose(T, Vec<Command>),
    /// Something of a group led here.
    Group(T, GroupRequest),
    /// Something of a transactional producer led here.
    Transaction(T, TransactionWork),
    /// Trim partitions; answered when applied.
    Trim(Trim<T>),
    /// Settle what a consumer received; answered when applied.
    Settle(SettleWork<T>),
    /// A consumer is no more: what it has goes back.
    EndConsumer(T, Consumer),
    /// A connection is no more, with all its consumers. Nobody waits for an answer.
    EndSource(Source),
    /// Something of shared subscriptions of partitions here.
    Subscriptions(T, SubscriptionWork),
    /// Something of a group led here that shares a subscription.
    Sharing(T, SharingWork),
}

/// What is asked of a group that shares a subscription.
#[derive(Clone, Debug)]
pub enum SharingWork {
    /// A member comes, stays or goes.
    Attend(Attend),
    /// Who its members are.
    Members(GroupId),
    /// The same, of one that is made if it does not exist.
    Found(GroupId),
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum SharingAnswer {
    /// To [`SharingWork::Attend`].
    Attend(Result<Attending, Refusal>),
    /// To [`SharingWork::Members`] and [`SharingWork::Found`].
    Members(Result<SharersView, Refusal>),
}

impl SharingWork {
    /// The group that it is about.
    pub(crate) fn group(&self) -> &GroupId {
        match self {
            SharingWork::Attend(attend) => &attend.subscription,
            SharingWork::Members(group) | SharingWork::Found(group) => group,
        }
    }

    /// The answer that refuses it.
    pub(crate) fn refuse(&self, refusal: &Refusal) -> Answer {
        Answer::Sharing(match self {
            SharingWork::Attend(_) => SharingAnswer::Attend(Err(refusal.clone())),
            SharingWork::Members(_) | SharingWork::Found(_) => SharingAnswer::Members(Err(refusal.clone())),
        })
    }
}

impl SharingAnswer {
    /// The same answer, refused.
    pub(crate) fn refused(&self, refusal: Refusal) -> SharingAnswer {
        match self {
            SharingAnswer::Attend(_) => SharingAnswer::Attend(Err(refusal)),
            SharingAnswer::Members(_) => SharingAnswer::Members(Err(refusal)),
        }
    }
}

/// What a consumer received, and what becomes of it.
#[derive(Debug)]
pub struct SettleWork<T> {
    /// Whom to answer.
    pub ticket: T,
    /// Of which subscription.
    pub subscription: GroupId,
    /// Whose.
    pub consumer: Consumer,
    /// What; each partition by itself, all of it or nothing.
    pub items: Vec<SettleItemWork>,
}

/// What becomes of the records of one partition.
#[derive(Debug)]
pub struct SettleItemWork {
    /// Which.
    pub partition: PartitionId,
    /// What, by rising offset.
    pub verdicts: Vec<(OffsetRange, Verdict)>,
}

/// What operators ask of subscriptions.
#[derive(Clone, Debug)]
pub enum SubscriptionWork {
    /// Where one stands, in these partitions or in all that it reads here.
    Describe(GroupId, Option<Vec<PartitionId>>),
    /// What waits for one in a partition, and who takes it.
    Count(SubscriptionKey),
    /// A consumer comes, with its priority, and whether it wants to be alone.
    Join(SubscriptionKey, Attendee),
    /// A consumer counts no more.
    Leave(Consumer),
    /// Begin again elsewhere.
    Reset(Vec<(SubscriptionKey, StartAt)>),
    /// Forget where one stands, in these partitions or in all that it reads here.
    Drop(GroupId, Option<Vec<PartitionId>>),
}

impl SubscriptionWork {
    /// The answer that refuses it.
    pub(crate) fn refuse(&self, refusal: &Refusal) -> Answer {
        match self {
            SubscriptionWork::Join(..) => Answer::Joined(Err(refusal.clone())),
            // It is nowhere.
            SubscriptionWork::Leave(_) => Answer::Joined(Ok(())),
            _ => refuse_admin(refusal),
        }
    }
}

/// What a subscription has of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Records that nobody has.
    pub ready: u64,
    /// Records that consumers have.
    pub held: u64,
    /// Consumers that have joined.
    pub consumers: u32,
}

/// What is asked of a transactional producer.
#[derive(Clone, Debug)]
pub enum TransactionWork {
    /// Makes whoever asks the one that may write; what it had open is aborted.
    Open(OpenProducer),
    /// Adds to its transaction.
    Join(JoinTransaction),
    /// Lets a transaction of another shard's producer span this one.
    Admit(AdmitGuest),
    /// Ends its transaction.
    End {
        /// Whose.
        id: TransactionalId,
        /// Who asks.
        instance: Instance,
        /// How.
        decision: Decision,
        /// Who may write behind it.
        next: Next,
    },
    /// State and participants.
    Describe(TransactionalId),
}

/// What a transactional producer is answered.
#[derive(Clone, Debug)]
pub enum TransactionAnswer {
    /// To [`TransactionWork::Open`] and [`TransactionWork::End`]: who may write now.
    Instance(Result<Instance, Refusal>),
    /// To [`TransactionWork::Join`]: by which entry it first spanned another shard, if it spans one. To
    /// [`TransactionWork::Admit`]: nothing.
    Joined(Result<Option<LogIndex>, Refusal>),
    /// To [`TransactionWork::Describe`]: partitions by topic id.
    Described(Result<TransactionView, Refusal>),
}

/// One payload to append.
#[derive(Debug)]
pub struct Append<T> {
    /// Whom to answer.
    pub ticket: T,
    /// Where to.
    pub partition: PartitionId,
    /// Where else: it is stored once. Only for messages; the answer says whether all of them took it, and where the first did.
    pub also: Vec<PartitionId>,
    /// What it is.
    pub kind: PayloadKind,
    /// The batch, verbatim, already checked.
    pub payload: Bytes,
    /// When to answer.
    pub confirm: Confirm,
    /// How its partition becomes part of the transaction that the batch belongs to, if it belongs to one.
    pub joining: Joining,
    /// What it is to an import, if it is part of one.
    pub import: Option<Box<Import>>,
    /// Answer at this time: `TimedOut` if it was not proposed, and then it never is; `Unknown` if it was.
    pub deadline: Monotonic,
}

/// Partitions to trim.
#[derive(Debug)]
pub struct Trim<T> {
    /// Whom to answer.
    pub ticket: T,
    /// Which, and what of them stays.
    pub items: Vec<(PartitionId, TrimTo)>,
    /// From this time on it is not proposed but answered with `TimedOut`; with `Unknown` if it was proposed.
    pub deadline: Monotonic,
}

/// Work that reads and never goes through the log.
#[derive(Debug)]
pub enum Read<T> {
    /// Read records, waiting for them.
    Fetch(FetchWork<T>),
    /// Take records for a consumer, waiting for them.
    Receive(ReceiveWork<T>),
    /// Look up offsets.
    FindOffsets(T, Vec<FindOffsetWork>, Isolation),
    /// Look up ends of epochs.
    FindEpochEnds(T, Vec<FindEpochEndWork>),
    /// What partitions hold, and who writes to them if that is wanted.
    DescribePartitions(T, Vec<PartitionId>, bool),
    /// Every group led here.
    ListGroups(T),
    /// Every transactional producer led here.
    ListTransactions(T),
    /// Who keeps this shard's log.
    Quorum(T),
    /// Answer when everything that was confirmed before is applied here.
    Barrier(T),
    /// Answer a waiting fetch or receive of this number now, with what there is.
    EndFetch(u64),
    /// Something of the replicas' membership; it brings whom to tell.
    Members(MembersOrder),
}

/// A fetch from the partitions of one shard.
#[derive(Debug)]
pub struct FetchWork<T> {
    /// Whom to answer.
    pub ticket: T,
    /// A number unique among open fetches, for [`Read::EndFetch`].
    pub number: u64,
    /// What to read; earlier items are filled first.
    pub items: Vec<FetchItemWork>,
    /// Answer as soon as this much is there...
    pub bytes_min: u64,
    /// ...never with more (one whole batch is always allowed)...
    pub bytes_max: u64,
    /// ...or at this time.
    pub deadline: Monotonic,
    /// Which records are visible.
    pub isolation: Isolation,
}

/// Takes records of a subscription, from the partitions of one shard.
#[derive(Debug)]
pub struct ReceiveWork<T> {
    /// Whom to answer.
    pub ticket: T,
    /// A number unique among open fetches and receives, for [`Read::EndFetch`].
    pub number: u64,
    /// Of which subscription.
    pub subscription: GroupId,
    /// For whom.
    pub consumer: Consumer,
    /// Where from; earlier items are emptied first.
    pub items: Vec<ReceiveItemWork>,
    /// No more records than these...
    pub records_max: u64,
    /// ...or all of the batch in which that many are reached.
    pub whole_batches: bool,
    /// See [`Receive::form`](forebay_model::subscription::Receive::form).
    pub form: ReceiveForm,
    /// Answer as soon as this much is there...
    pub bytes_min: u64,
    /// ...never with more (one whole batch is always allowed)...
    pub bytes_max: u64,
    /// ...or at this time.
    pub deadline: Monotonic,
    /// What applies to the deliveries.
    pub rules: DeliveryRules,
}

/// One partition of a receive.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveItemWork {
    /// Where from.
    pub partition: PartitionId,
    /// Its topic, for the answer.
    pub topic: TopicId,
}

/// One partition of a fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchItemWork {
    /// Where from.
    pub partition: PartitionId,
    /// Its topic, for the answer.
    pub topic: TopicId,
    /// First offset wanted.
    pub offset: Offset,
    /// Upper bound in bytes.
    pub bytes_max: u64,
    /// The epoch the reader believes in.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// One look-up.
#[derive(Clone, Copy, Debug)]
pub struct FindOffsetWork {
    /// Where.
    pub partition: PartitionId,
    /// What.
    pub target: OffsetTarget,
    /// The epoch the reader believes in.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// One look-up of the end of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct FindEpochEndWork {
    /// Where.
    pub partition: PartitionId,
    /// Whose end.
    pub epoch: LeaderEpoch,
    /// The epoch the reader believes in.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What a shard answers.
#[derive(Debug)]
pub enum Answer {
    /// To [`Work::Append`].
    Published(Published),
    /// To [`Work::Propose`].
    Outcomes(Result<Proposed, Refusal>),
    /// To [`Work::Group`].
    Group(GroupReply),
    /// To [`Work::Transaction`].
    Transaction(TransactionAnswer),
    /// To [`Work::Trim`]: one per item.
    Trimmed(Vec<Trimmed>),
    /// To [`Read::DescribePartitions`]: one per partition.
    DescribedPartitions(Vec<Result<PartitionState, Refusal>>),
    /// To [`Read::Fetch`]: one per item.
    Fetched(Vec<Fetched>),
    /// To [`Read::Receive`]: one per item.
    Received(Vec<Received>),
    /// To [`Work::Settle`]: one per item.
    Settled(Vec<SettledItem>),
    /// To [`Work::EndConsumer`]: what it had is on its way back.
    ConsumerEnded,
    /// To [`Work::Sharing`].
    Sharing(SharingAnswer),
    /// To [`SubscriptionWork::Join`] and [`SubscriptionWork::Leave`].
    Joined(Result<(), Refusal>),
    /// To [`SubscriptionWork::Count`].
    Counted(Counted),
    /// To [`Work::Subscriptions`]: one per partition that was named, in order, or that was found; by topic id.
    Subscriptions(Result<SubscriptionStates, Refusal>),
    /// To [`Read::FindOffsets`]: one per item.
    FoundOffsets(Vec<FoundOffset>),
    /// To [`Read::FindEpochEnds`]: one per item.
    FoundEpochEnds(Vec<FoundEpochEnd>),
    /// To [`Read::ListTransactions`].
    Transactions(Result<Vec<TransactionListing>, Refusal>),
    /// To [`Read::ListGroups`].
    Groups(Result<Vec<GroupListing>, Refusal>),
    /// To [`Read::Quorum`].
    Quorum(DescribedQuorum),
    /// To [`Read::Barrier`].
    Barrier(Result<(), Refusal>),
}

/// What became of proposed commands.
#[derive(Debug)]
pub struct Proposed {
    /// One per command, in order.
    pub outcomes: Vec<Outcome>,
    /// The version of the catalogue after them.
    pub catalogue_version: u64,
}

impl<T> Work<T> {
    /// It as a mailbox takes it; it weighs `bytes`.
    pub fn parcel(self, bytes: usize) -> Parcel<Work<T>> {
        let (lane, deadline) = match &self {
            Work::Append(append) => (Lane::Paced, Some(append.deadline)),
            Work::Propose(..) | Work::Group(..) | Work::Transaction(..) => (Lane::Free, None),
            Work::Settle(_)
            | Work::EndConsumer(..)
            | Work::EndSource(_)
            | Work::Subscriptions(..)
            | Work::Sharing(..) => (Lane::Free, None),
            Work::Trim(trim) => (Lane::Free, Some(trim.deadline)),
        };
        Parcel { bytes, lane, deadline, work: self }
    }

    /// The answer that refuses it; nothing where nobody waits for one.
    pub fn refuse(self, refusal: &Refusal) -> Option<(T, Answer)> {
        Some(match self {
            Work::Append(append) => (append.ticket, Answer::Published(Err(refusal.clone()))),
            Work::Propose(ticket, _) => (ticket, Answer::Outcomes(Err(refusal.clone()))),
            Work::Group(ticket, request) => (ticket, Answer::Group(refuse_group(&request, refusal))),
            Work::Transaction(ticket, work) => (ticket, transaction::refuse(&work, refusal)),
            Work::Trim(trim) => trim.refuse(refusal),
            Work::Settle(settle) => settle.refuse(refusal),
            // It has nothing here.
            Work::EndConsumer(ticket, _) => (ticket, Answer::ConsumerEnded),
            Work::EndSource(_) => return None,
            Work::Subscriptions(ticket, work) => (ticket, work.refuse(refusal)),
            Work::Sharing(ticket, work) => (ticket, work.refuse(refusal)),
        })
    }
}

impl<T> Trim<T> {
    /// The answer that refuses every item.
    pub fn refuse(self, refusal: &Refusal) -> (T, Answer) {
        let items = self.items.iter().map(|_| Err(refusal.clone()));
        (self.ticket, Answer::Trimmed(items.collect()))
    }
}

impl<T> Read<T> {
    /// The answer that refuses it; nothing where nobody waits for one.
    pub fn refuse(self, refusal: &Refusal) -> Option<(T, Answer)> {
        let no = || refusal.clone();
        match self {
            Read::Fetch(fetch) => Some(fetch.refuse(refusal)),
            Read::Receive(receive) => Some(receive.refuse(refusal)),
            Read::FindOffsets(ticket, items, _) => {
                Some((ticket, Answer::FoundOffsets(items.iter().map(|_| Err(no())).collect())))
            }
            Read::FindEpochEnds(ticket, items) => {
                Some((ticket, Answer::FoundEpochEnds(items.iter().map(|_| Err(no())).collect())))
            }
            Read::DescribePartitions(ticket, items, _) => {
                Some((ticket, Answer::DescribedPartitions(items.iter().map(|_| Err(no())).collect())))
            }
            Read::ListGroups(ticket) => Some((ticket, Answer::Groups(Err(no())))),
            Read::ListTransactions(ticket) => Some((ticket, Answer::Transactions(Err(no())))),
            Read::Quorum(ticket) => Some((ticket, Answer::Quorum(Err(no())))),
            Read::Barrier(ticket) => Some((ticket, Answer::Barrier(Err(no())))),
            Read::EndFetch(_) => None,
            Read::Members(order) => {
                order.give_up();
                None
            }
        }
    }
}

impl<T> FetchWork<T> {
    /// The answer that refuses every item.
    pub fn refuse(self, refusal: &Refusal) -> (T, Answer) {
        let items = self.items.iter().map(|_| Err(FetchRefusal { refusal: refusal.clone() }));
        (self.ticket, Answer::Fetched(items.collect()))
    }
}

impl<T> ReceiveWork<T> {
    /// The answer that refuses every item.
    pub fn refuse(self, refusal: &Refusal) -> (T, Answer) {
        let items = self.items.iter().map(|_| Err(refusal.clone()));
        (self.ticket, Answer::Received(items.collect()))
    }
}

impl<T> SettleWork<T> {
    /// The answer that refuses every item.
    pub fn refuse(self, refusal: &Refusal) -> (T, Answer) {
        let items = self.items.iter().map(|_| Err(refusal.clone()));
        (self.ticket, Answer::Settled(items.collect()))
    }
}
