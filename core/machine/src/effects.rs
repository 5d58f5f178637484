//! What applying a command means for the world around the machine.

use forebay_model::exchange::ExchangeRefusal;
use forebay_model::transaction::TransactionalId;
use forebay_model::{
    Count, GroupId, LogIndex, LogTime, Offset, PartitionId, ProducerId, Refusal, SlotNumber, Timestamp,
};
use smallvec::SmallVec;
use std::sync::Arc;

use crate::{Instance, Topic};

/// Collected over a batch of commands. The first part are facts that every replica carries out; the second part are
/// hints for the leader, who can rebuild all of it from the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Fact: payloads that became part of a partition, in order of application.
    pub indexed: Vec<IndexEntry>,
    /// Fact: slots whose payload no partition took.
    pub dead: Vec<DeadSlot>,
    /// Fact: partitions that exist since now.
    pub opened: Vec<PartitionId>,
    /// Fact: partitions whose records are all dead.
    pub dropped: Vec<PartitionId>,
    /// Fact: partitions with their new start; records before it are dead.
    pub trimmed: Vec<(PartitionId, Offset)>,
    /// Fact: partitions that lose records to compaction, of those that they had before this.
    pub compacted: Vec<PartitionId>,
    /// Hint: partitions that grew, once per append: wake their readers.
    pub appended: Vec<PartitionId>,
    /// Hint: groups that expired.
    pub expired_groups: Vec<GroupId>,
    /// Hint: the catalogue changed and now has this version.
    pub catalogue_version: Option<u64>,
    /// Hint: something is to be handed over to other shards.
    pub handed_over: bool,
    /// Hint: transactions that other shards have carried out the end of, all of them.
    pub ended: Vec<TransactionalId>,
}

impl Effects {
    /// Empties it and keeps its buffers.
    pub fn clear(&mut self) {
        self.indexed.clear();
        self.dead.clear();
        self.opened.clear();
        self.dropped.clear();
        self.trimmed.clear();
        self.compacted.clear();
        self.appended.clear();
        self.expired_groups.clear();
        self.catalogue_version = None;
        self.handed_over = false;
        self.ended.clear();
    }
}

/// One payload of one partition: the same on every replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The partition.
    pub partition: PartitionId,
    /// The offset of its first message.
    pub first_offset: Offset,
    /// Messages.
    pub count: u32,
    /// The entry that holds the payload...
    pub log_index: LogIndex,
    /// ...in this slot; with parts, in those.
    pub slot: SlotNumber,
    /// The number within the payload of the first message that belongs to the partition.
    pub first_position: u32,
    /// The payload's length in bytes.
    pub bytes: u32,
    /// The greatest timestamp that readers see in it; -1 when there is none.
    pub max_timestamp: Timestamp,
    /// When the first of its messages expires, where messages can.
    pub earliest_expiry: Option<LogTime>,
    /// The slots of a big payload, in order; else empty.
    pub parts: Vec<(LogIndex, SlotNumber)>,
}

/// A slot whose bytes nobody needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadSlot {
    /// The entry.
    pub log_index: LogIndex,
    /// The slot.
    pub slot: SlotNumber,
    /// Bytes of the whole payload, parts included.
    pub bytes: u32,
    /// The slots of a big payload, which are dead with it; else empty.
    pub parts: Vec<(LogIndex, SlotNumber)>,
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; there is nothing to tell.
    Done,
    /// Nothing of it took effect.
    Refused(Refusal),
    /// To [`CreateTopic`](crate::Command::CreateTopic).
    TopicCreated(Arc<Topic>),
    /// To [`DeleteTopic`](crate::Command::DeleteTopic): what it was. Its partitions are to be dropped.
    TopicDeleted(Arc<Topic>),
    /// To [`AddPartitions`](crate::Command::AddPartitions).
    PartitionsAdded {
        /// The topic as it is now.
        topic: Arc<Topic>,
        /// The number of the first new partition.
        first_number: u32,
    },
    /// To [`AlterTopic`](crate::Command::AlterTopic): the topic as it is now.
    TopicAltered(Arc<Topic>),
    /// To [`Route`](crate::Command::Route), but for queues, which are answered as topics are.
    Routed(Result<(), ExchangeRefusal>),
    /// To [`AllocateProducers`](crate::Command::AllocateProducers).
    ProducersAllocated {
        /// The first id of the block.
        first: ProducerId,
        /// How many.
        count: Count,
    },
    /// To [`OpenPartition`](crate::Command::OpenPartition).
    Opened,
    /// To [`Append`](crate::Command::Append): one answer per target, in order.
    Appended(SmallVec<[Result<AppendedTo, Refusal>; 1]>),
    /// To [`Trim`](crate::Command::Trim).
    Trimmed {
        /// The partition's start now; above the one asked for when it was there already.
        start: Offset,
    },
    /// To [`CommitOffsets`](crate::Command::CommitOffsets) and [`HoldOffsets`](crate::Command::HoldOffsets): one answer per offset, in
    /// order.
    OffsetsCommitted(Vec<Result<(), Refusal>>),
    /// To [`OpenProducer`](crate::Command::OpenProducer).
    ProducerOpened {
        /// Who may write now.
        instance: Instance,
    },
    /// To [`EndTransaction`](crate::Command::EndTransaction).
    TransactionEnded {
        /// Who may write now.
        instance: Instance,
    },
    /// To [`EndTransaction`](crate::Command::EndTransaction): it is decided so, and other shards are about to carry that out.
    TransactionEnding {
        /// Whose.
        id: TransactionalId,
        /// Who may write when they have.
        instance: Instance,
    },
    /// To [`JoinTransaction`](crate::Command::JoinTransaction), where the transaction spans other shards.
    Joined {
        /// By which entry it first did: they admit it by that.
        begun: LogIndex,
    },
    /// To [`Relay`](crate::Command::Relay): everything up to this number is carried out here.
    Relayed {
        /// The number.
        up_to: u64,
    },
}

/// Where a payload is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedTo {
    /// The partition.
    pub partition: PartitionId,
    /// The offset of its first message.
    pub base_offset: Offset,
    /// The partition's first readable offset.
    pub start_offset: Offset,
    /// The time of the append, where the topic uses it.
    pub append_time: Option<Timestamp>,
    /// True when it was stored by an earlier command: this one stored nothing.
    pub duplicate: bool,
}
