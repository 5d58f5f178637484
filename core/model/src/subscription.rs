//! Subscriptions that consumers share: every record goes to one of them at a time, and each record is settled by itself.

mod settings;
mod sharers;

use bytes::Bytes;

pub use self::settings::{
    AttendanceChange, AttendanceSettings, DeliveryRules, SubscriptionChange, SubscriptionSettings,
};
pub use self::sharers::{Attend, AttendStep, Attending, SharedTopic, SharerView, SharersView};
use crate::publish::PayloadKind;
use crate::{Attempts, GroupId, LeaderEpoch, Offset, PartitionRef, Refusal, TopicId, TopicRef};

/// The kind of a group whose members share a subscription, among all groups. Who is a member is volatile; that there is such a group
/// is not, and it stays until somebody deletes it. No client can name this kind.
pub const SHARED_GROUP_KIND: &str = "\u{1}shared";

/// How a delivery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settlement {
    /// Done: it never comes again.
    Accept,
    /// Again, later.
    Release {
        /// Whether the delivery counts as an attempt. It does where a consumer had the record and did not get done with it; it does
        /// not where a consumer gives back what it never looked at.
        counts: bool,
    },
    /// Never again, although nobody got done with it.
    Reject,
}

/// Consecutive offsets, both ends included. Never empty: `last` is not before `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetRange {
    /// The first.
    pub first: Offset,
    /// The last.
    pub last: Offset,
}

impl OffsetRange {
    /// The range from `first` up to `end`, which is not in it; `None` when that is empty.
    #[must_use]
    pub fn until(first: Offset, end: Offset) -> Option<OffsetRange> {
        (first < end).then(|| OffsetRange { first, last: Offset(end.0 - 1) })
    }

    /// The offset behind it; the last offset there is for a range that ends there.
    #[must_use]
    pub fn end(self) -> Offset {
        Offset(self.last.0.saturating_add(1))
    }

    /// How many offsets there are in it.
    #[must_use]
    pub fn len(self) -> u64 {
        self.end().0.saturating_sub(self.first.0)
    }

    /// Whether there are none: a range that was made the wrong way round.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.last < self.first
    }

    /// What of it lies in `first..end`.
    #[must_use]
    pub fn within(self, first: Offset, end: Offset) -> Option<OffsetRange> {
        OffsetRange::until(self.first.max(first), self.end().min(end))
    }
}

/// One of the consumers that a connection speaks for; its session numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerNumber(pub u32);

/// Takes records of a subscription for a consumer, waiting until there are some. Nobody else gets them while its lease lasts.
#[derive(Clone, Debug)]
pub struct Receive {
    /// Of which subscription.
    pub subscription: GroupId,
    /// For whom.
    pub consumer: ConsumerNumber,
    /// Where from; earlier partitions are emptied first.
    pub partitions: Vec<PartitionRef>,
    /// No more records than these...
    pub records_max: u32,
    /// ...or all of the batch in which that many are reached.
    pub whole_batches: bool,
    /// In which form.
    pub form: ReceiveForm,
    /// Answer as soon as this many bytes are there...
    pub bytes_min: u32,
    /// ...never with more than this (but always with one whole batch if there is any)...
    pub bytes_max: u32,
    /// ...or after this many milliseconds with what there is.
    pub wait_ms_max: u32,
}

/// In which form a receiver wants records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiveForm {
    /// Record batches, stamped: see [`ReceivedRecords::records`].
    #[default]
    Records,
    /// Payloads as they are stored: see [`ReceivedRecords::payloads`].
    Payloads,
}

/// A payload as it is stored.
#[derive(Clone, Debug)]
pub struct ReceivedPayload {
    /// What it is.
    pub kind: PayloadKind,
    /// The offset of its first message.
    pub first: Offset,
    /// All of it. It may hold messages that the receiver did not receive.
    pub bytes: Bytes,
}

/// The records received, and for how long.
#[derive(Clone, Debug)]
pub struct ReceivedAll {
    /// How long each is the consumer's, in milliseconds.
    pub lease_ms: u32,
    /// One per partition, in order.
    pub partitions: Vec<Received>,
}

/// The records of one partition.
pub type Received = Result<ReceivedRecords, Refusal>;

/// What a consumer received of one partition.
#[derive(Clone, Debug, Default)]
pub struct ReceivedRecords {
    /// The topic, for those that asked by name.
    pub topic: TopicId,
    /// Whole batches in offset order, stamped with base offset and leader epoch; pieces of one byte string. They may hold records
    /// that the consumer did not receive.
    pub records: Vec<Bytes>,
    /// The same as it is stored, for receivers that want it so; then `records` is empty.
    pub payloads: Vec<ReceivedPayload>,
    /// Which of them it did receive, by rising offset.
    pub deliveries: Vec<Delivery>,
}

impl ReceivedRecords {
    /// Length of all pieces in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let records: usize = self.records.iter().map(Bytes::len).sum();
        records + self.payloads.iter().map(|payload| payload.bytes.len()).sum::<usize>()
    }
}

/// Records that were handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which.
    pub range: OffsetRange,
    /// How often, this time included.
    pub attempt: Attempts,
}

/// Announces a consumer of a partition: it is one of those that a queue has until it ends, also while it receives nothing.
#[derive(Clone, Debug)]
pub struct Join {
    /// Of which subscription.
    pub subscription: GroupId,
    /// Who.
    pub consumer: ConsumerNumber,
    /// Of what.
    pub partition: PartitionRef,
    /// Only if there is no other, and nobody else until it ends.
    pub exclusive: bool,
    /// Those with a higher one are served first.
    pub priority: i32,
}

/// Says what becomes of records that a consumer received.
#[derive(Clone, Debug)]
pub struct SettleDeliveries {
    /// Of which subscription.
    pub subscription: GroupId,
    /// Whose.
    pub consumer: ConsumerNumber,
    /// What; each partition by itself, all of it or nothing.
    pub items: Vec<SettleItem>,
}

/// What becomes of the records of one partition.
#[derive(Clone, Debug)]
pub struct SettleItem {
    /// Which.
    pub partition: PartitionRef,
    /// What, by rising offset.
    pub verdicts: Vec<(OffsetRange, Verdict)>,
}

/// What a consumer says of records that it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Their delivery ends.
    End(Settlement),
    /// They stay its own for as long as if they came now.
    Renew,
}

/// Whether one partition's deliveries were settled; an answer means that it is durable.
pub type SettledItem = Result<(), Refusal>;

/// Everything asked of shared subscriptions. It is served by the shards of the partitions.
#[derive(Clone, Debug)]
pub enum SubscriptionRequest {
    /// Take records.
    Receive(Receive),
    /// Say what becomes of them.
    Settle(SettleDeliveries),
    /// A consumer comes.
    Join(Join),
    /// This consumer is no more: what it has goes back.
    EndConsumer(ConsumerNumber),
    /// This consumer wants nothing more and counts no more, and is told nothing. What it has stays its own.
    Leave(ConsumerNumber),
    /// This consumer waits for no more records: its receive, if one is open, is answered with what there is. What it has stays its own.
    EndReceive(ConsumerNumber),
    /// Where a subscription stands.
    Describe {
        /// Which.
        subscription: GroupId,
        /// In which partitions; `None` for all that it reads.
        partitions: Option<Vec<PartitionRef>>,
    },
    /// Begin again elsewhere.
    Reset {
        /// Which.
        subscription: GroupId,
        /// Where.
        items: Vec<(PartitionRef, StartAt)>,
    },
    /// Forget where a subscription stands.
    Drop {
        /// Which.
        subscription: GroupId,
        /// In which topics; `None` for all.
        topics: Option<Vec<TopicRef>>,
    },
    /// A member of the subscription's group comes, stays or goes.
    Attend(Attend),
    /// Who they are.
    Members(GroupId),
    /// What is set on these, or on all on which anything is.
    Settings(Option<Vec<GroupId>>),
    /// Set something on subscriptions, whether they exist or not.
    Alter {
        /// Each by itself.
        changes: Vec<(GroupId, SubscriptionChange)>,
        /// Only check.
        dry_run: bool,
    },
}

/// Answers of subscriptions.
#[derive(Clone, Debug)]
pub enum SubscriptionReply {
    /// To [`SubscriptionRequest::Receive`].
    Receive(ReceivedAll),
    /// To [`SubscriptionRequest::Settle`].
    Settle(SettledAll),
    /// To [`SubscriptionRequest::Join`].
    Join(Result<(), Refusal>),
    /// To [`SubscriptionRequest::EndConsumer`].
    EndConsumer,
    /// To [`SubscriptionRequest::Leave`].
    Leave,
    /// To [`SubscriptionRequest::EndReceive`]: the receive is being answered; that answer may come later than this.
    EndReceive,
    /// To [`SubscriptionRequest::Describe`], [`SubscriptionRequest::Reset`] and [`SubscriptionRequest::Drop`].
    States(Result<SubscriptionStates, Refusal>),
    /// To [`SubscriptionRequest::Attend`].
    Attend(Result<Attending, Refusal>),
    /// To [`SubscriptionRequest::Members`].
    Members(Result<SharersView, Refusal>),
    /// To [`SubscriptionRequest::Settings`].
    Settings(Vec<(GroupId, SubscriptionSettings)>),
    /// To [`SubscriptionRequest::Alter`]: one per change, in order.
    Alter(Vec<Result<(), Refusal>>),
}

/// What was settled.
#[derive(Clone, Debug)]
pub struct SettledAll {
    /// How long what was renewed is the consumer's, in milliseconds.
    pub lease_ms: u32,
    /// One per item, in order.
    pub items: Vec<SettledItem>,
}

/// One per partition that was named, in order; or per one that was found, by name.
pub type SubscriptionStates = Vec<SubscriptionState>;

/// How a subscription stands to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Which.
    pub partition: PartitionRef,
    /// Its topic; [`TopicId::NONE`] where there is none.
    pub topic: TopicId,
    /// How far it is; `None` where it does not read the partition.
    pub view: Result<Option<SubscriptionView>, Refusal>,
}

/// How far a subscription is with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Everything before it is settled.
    pub cursor: Offset,
    /// Records that are not settled.
    pub unsettled: u64,
    /// The partition's leader epoch.
    pub leader_epoch: LeaderEpoch,
}

/// Where a subscription begins to read a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record that is there.
    Earliest,
    /// With the next record that comes.
    Latest,
    /// With the first record that is no older than so many milliseconds, by its own timestamp; where all are, with the next one that comes.
    NoOlderThan {
        /// So many.
        ms: u64,
    },
    /// Here, as far as the partition reaches.
    Offset(Offset),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> OffsetRange {
        OffsetRange { first: Offset(first), last: Offset(last) }
    }

    #[test]
    fn a_range_is_cut_to_what_it_shares_with_another() {
        assert_eq!(OffsetRange::until(Offset(3), Offset(3)), None);
        assert_eq!(OffsetRange::until(Offset(3), Offset(5)), Some(range(3, 4)));
        assert_eq!(range(3, 9).within(Offset(5), Offset(7)), Some(range(5, 6)));
        assert_eq!(range(3, 9).within(Offset(0), Offset(4)), Some(range(3, 3)));
        assert_eq!(range(3, 9).within(Offset(10), Offset(20)), None);
        assert_eq!((range(3, 9).len(), range(3, 3).len()), (7, 1));
        assert_eq!(range(4, 3).len(), 0);
        assert!(range(4, 3).is_empty() && !range(4, 4).is_empty());
    }
}
