//! What the log asks of the machine.

pub(crate) mod decode;
pub(crate) mod encode;

use bytes::Bytes;
use forebay_model::acl::Acl;
use forebay_model::publish::PayloadKind;
use forebay_model::queue::QueueRules;
use forebay_model::quota::QuotaChange;
use forebay_model::subscription::{OffsetRange, Settlement, StartAt, SubscriptionChange};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{
    Attempts, BatchSequence, GroupId, LeaderEpoch, LogIndex, Offset, PartitionId, ProducerEpoch, ProducerId,
    Ratio, SettingsChange, ShardId, SlotNumber, TimestampType, TopicId, TopicName, TopicSettings,
};
use forebay_model::{LogTime, Term, Timestamp};
use smallvec::SmallVec;

use crate::relays::RelayedEnd;
use crate::routes::Route;
use crate::span::Span;
use crate::subscriptions::SubscriptionKey;
use crate::transactions::{Instance, Next};
use crate::users::{CredentialKey, SetCredential};

pub use decode::decode_commands;
pub use encode::{CommandList, ListMark, encode_commands};

/// What comes with every command of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The entry.
    pub index: LogIndex,
    /// The term it was proposed in.
    pub term: Term,
    /// The log time its leader put in it.
    pub time: LogTime,
}

/// A change of the replicated state. Numbers and layout: docs/formats/commands.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds a topic to the catalogue (shard 0).
    CreateTopic(CreateTopic),
    /// Removes a topic from the catalogue (shard 0).
    DeleteTopic {
        /// Which.
        id: TopicId,
    },
    /// Adds partitions to a topic of the catalogue (shard 0).
    AddPartitions(AddPartitions),
    /// Changes settings of a topic of the catalogue (shard 0). From machine version 2 on.
    AlterTopic {
        /// Which.
        id: TopicId,
        /// What becomes of each setting.
        change: SettingsChange,
    },
    /// Changes what applies to topics that set nothing (shard 0). From machine version 3 on.
    AlterDefaults(SettingsChange),
    /// Changes quotas of clients (shard 0). From machine version 3 on.
    AlterQuotas(QuotaChange),
    /// Gives out a block of producer ids (shard 0).
    AllocateProducers {
        /// How many: 1 to [`PRODUCERS_PER_BLOCK_MAX`](crate::limits::PRODUCERS_PER_BLOCK_MAX).
        count: u32,
    },
    /// From here on commands mean what this machine version says.
    SetMachineVersion {
        /// The version.
        version: u32,
    },
    /// Replaces this shard's settings.
    Configure(MachineSettings),
    /// Makes a partition of the catalogue writable on this shard, or renews its settings.
    OpenPartition(OpenPartition),
    /// Forgets a partition and its records.
    DropPartition {
        /// The catalogue without it.
        catalogue_version: u64,
        /// Which.
        partition: PartitionId,
    },
    /// Appends one payload to partitions.
    Append(Append),
    /// Moves the start of a partition; records before it are gone.
    Trim {
        /// Which.
        partition: PartitionId,
        /// The first offset to keep.
        start: Offset,
        /// Bytes that lie between the present start and the new one, as the proposer's index says.
        bytes: u64,
    },
    /// Tells what compaction found and takes out of partitions. From machine version 3 on.
    Compacted {
        /// Which partitions: at most [`PARTITIONS_PER_COMPACTED_MAX`](crate::limits::PARTITIONS_PER_COMPACTED_MAX).
        partitions: Vec<CompactedPartition>,
    },
    /// Carries only the log time of its entry, so that time-driven things happen on a silent shard.
    AdvanceClock,
    /// Replaces the members of a group.
    SaveGeneration(SaveGeneration),
    /// Sets cursors of a group; the coordinator has checked who asks.
    CommitOffsets(SaveOffsets),
    /// Removes an empty group and its cursors.
    DeleteGroup {
        /// Which.
        group: GroupId,
    },
    /// Removes every cursor into deleted topics.
    ForgetTopics {
        /// Which: at most [`TOPICS_PER_FORGET_MAX`](crate::limits::TOPICS_PER_FORGET_MAX).
        topics: Vec<TopicId>,
    },
    /// Makes an instance of a transactional producer the one that may write.
    OpenProducer(OpenProducer),
    /// Adds partitions and groups to a transaction, which begins if none is open.
    JoinTransaction(JoinTransaction),
    /// Holds cursors back until their transaction commits; the coordinator has checked who asks.
    HoldOffsets(HoldOffsets),
    /// Ends a transaction: its marks are appended, its cursors set or dropped, all at once.
    EndTransaction(EndTransaction),
    /// Lets a transaction of another shard's producer span this one. From machine version 3 on.
    AdmitGuest(AdmitGuest),
    /// Carries out what another shard handed over. From machine version 3 on.
    Relay(Relay),
    /// Another shard has carried out what was handed over to it. From machine version 3 on.
    Relayed {
        /// Which.
        target: ShardId,
        /// Everything up to this number.
        up_to: u64,
    },
    /// Sets a credential of a user (shard 0). From machine version 3 on.
    SetCredential(SetCredential),
    /// Removes a credential of a user (shard 0). From machine version 3 on.
    RemoveCredential {
        /// Which.
        key: CredentialKey,
    },
    /// Adds rules of access, all or none (shard 0). From machine version 3 on.
    AddAcls {
        /// Which.
        acls: Vec<Acl>,
    },
    /// Removes rules of access (shard 0); those that are not there are left alone. From machine version 3 on.
    RemoveAcls {
        /// Which.
        acls: Vec<Acl>,
    },
    /// Begins to read a partition for a subscription. From machine version 3 on, as all below.
    OpenSubscription {
        /// Which.
        subscription: SubscriptionKey,
        /// Where it begins.
        at: StartAt,
        /// Whether one that reads it already begins again there; otherwise it goes on.
        anew: bool,
    },
    /// Ends deliveries of a subscription.
    Settle(Settle),
    /// Says how far records are handed out, ahead of it.
    DeliveredUpTo(DeliveredUpTo),
    /// Ends a subscription in a partition.
    DropSubscription {
        /// Which.
        subscription: SubscriptionKey,
    },
    /// Changes settings of a subscription in the catalogue (shard 0), whether it exists or not.
    AlterSubscription {
        /// Which.
        name: GroupId,
        /// What becomes of each setting.
        change: SubscriptionChange,
    },
    /// Changes exchanges, bindings and queues of a namespace (shard 0). From machine version 4 on.
    Route(Route),
    /// Puts a partition under import, or goes on with the import from the same source. From machine version 3 on.
    BeginImport(BeginImport),
    /// Ends the import of a partition: from here on it takes what producers publish. From machine version 3 on.
    EndImport {
        /// Which.
        partition: PartitionId,
        /// Where it has to end, so that nobody ends what was not copied to its end.
        end: Offset,
    },
}

/// See [`Command::AdmitGuest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitGuest {
    /// Who may write.
    pub instance: Instance,
    /// The transaction: the entry by which it first spanned another shard, in the log of its producer's shard.
    pub begun: LogIndex,
    /// What of this shard.
    pub span: Span,
}

/// See [`Command::Relay`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Who hands it over.
    pub source: ShardId,
    /// Its number among what that shard hands over to this one.
    pub number: u64,
    /// What.
    pub item: RelayedEnd,
    /// The slot of this entry that holds the mark, as in [`EndTransaction::mark`].
    pub mark: SlotNumber,
    /// Its length in bytes.
    pub mark_bytes: u32,
}

/// See [`Command::Settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Which subscription.
    pub subscription: SubscriptionKey,
    /// See [`Progress::since`](crate::Progress::since), as it was when the records were handed out.
    pub since: LogIndex,
    /// What, at most [`SETTLED_RANGES_PER_COMMAND_MAX`](crate::limits::SETTLED_RANGES_PER_COMMAND_MAX), in the order in which it is carried out.
    pub settled: Vec<Settled>,
}

/// How the deliveries of some records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub range: OffsetRange,
    /// How.
    pub how: Settlement,
}

/// See [`Command::DeliveredUpTo`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredUpTo {
    /// Which subscription.
    pub subscription: SubscriptionKey,
    /// See [`Progress::since`](crate::Progress::since).
    pub since: LogIndex,
    /// Nothing from here on is handed out before the next one.
    pub up_to: Offset,
    /// What a leader before may have handed out counts as tried, and never makes more attempts than these.
    pub attempts_max: Attempts,
}

/// See [`Command::BeginImport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginImport {
    /// Which partition.
    pub partition: PartitionId,
    /// Where its records come from, in the importer's own words: 1 to
    /// [`IMPORT_SOURCE_BYTES_MAX`](crate::limits::IMPORT_SOURCE_BYTES_MAX) bytes.
    pub source: String,
    /// The first offset that the source has: where the partition ends before it, it begins and ends here.
    pub start: Offset,
}

/// See [`Command::OpenProducer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenProducer {
    /// Which; made if it does not exist.
    pub id: TransactionalId,
    /// A transaction that is open for longer is aborted.
    pub timeout_ms: u32,
    /// Who the client believes that it is, if it says so.
    pub present: Option<Instance>,
    /// A producer id that nobody has, for a new one and for one that has no epochs left.
    pub spare: ProducerId,
}

/// See [`Command::JoinTransaction`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinTransaction {
    /// Whose.
    pub id: TransactionalId,
    /// Who asks.
    pub instance: Instance,
    /// Partitions of this shard.
    pub partitions: Vec<PartitionId>,
    /// Groups of this shard.
    pub groups: Vec<GroupId>,
    /// What of other shards, which admit the producer afterwards. From machine version 3 on.
    pub elsewhere: Vec<(ShardId, Span)>,
}

/// See [`Command::HoldOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOffsets {
    /// Who asks.
    pub instance: Instance,
    /// How the group becomes part of the transaction.
    pub joining: Joining,
    /// The cursors.
    pub save: SaveOffsets,
}

/// See [`Command::EndTransaction`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// Whose.
    pub id: TransactionalId,
    /// Who asks, or whom the shard fences.
    pub instance: Instance,
    /// How.
    pub decision: Decision,
    /// Who may write behind it.
    pub next: Next,
    /// The slot of this entry that holds the mark: a batch of one control record, the same for all partitions.
    pub mark: SlotNumber,
    /// Its length in bytes.
    pub mark_bytes: u32,
}

/// See [`Command::CreateTopic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopic {
    /// Its name.
    pub name: TopicName,
    /// Its id, drawn at random by the proposer.
    pub id: TopicId,
    /// What is set on it.
    pub settings: TopicSettings,
    /// Where each partition goes, by number from zero.
    pub shards: Vec<ShardId>,
}

/// See [`Command::AddPartitions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPartitions {
    /// Which topic.
    pub id: TopicId,
    /// Partitions in all: the present ones and one per shard named here, so that a retry adds nothing twice.
    pub total: u32,
    /// Where each new partition goes.
    pub shards: Vec<ShardId>,
}

/// Durations that the state itself depends on; the same on every replica because they come through the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineSettings {
    /// A producer silent for this many milliseconds of log time is forgotten.
    pub producer_expiry_ms: u64,
    /// A group empty and without a commit for this many milliseconds of log time is forgotten.
    pub offset_expiry_ms: u64,
}

impl Default for MachineSettings {
    fn default() -> MachineSettings {
        MachineSettings {
            producer_expiry_ms: crate::limits::PRODUCER_EXPIRY_MS_DEFAULT,
            offset_expiry_ms: crate::limits::OFFSET_EXPIRY_MS_DEFAULT,
        }
    }
}

/// See [`Command::OpenPartition`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPartition {
    /// The catalogue that this comes from; settings of an older one never replace those of a newer one.
    pub catalogue_version: u64,
    /// The catalogue's never-reused id.
    pub partition: PartitionId,
    /// Its topic.
    pub topic: TopicId,
    /// Its number within the topic.
    pub number: u32,
    /// What applies to it on this shard.
    pub settings: PartitionSettings,
    /// Its leader epoch at opening.
    pub base_epoch: LeaderEpoch,
}

/// What of a topic's settings a data shard needs, defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSettings {
    /// Records older than this many milliseconds may be dropped; `None` keeps them for ever.
    pub retention_ms: Option<u64>,
    /// The oldest records are dropped above this many bytes; `None` has no bound.
    pub retention_bytes: Option<u64>,
    /// Largest payload in bytes.
    pub message_bytes_max: u32,
    /// Whose timestamp a record carries.
    pub timestamp_type: TimestampType,
    /// How it is compacted, if it is; then bounds by retention apply only where the topic deletes too.
    pub compaction: Option<Compaction>,
    /// What has to be known of the queue that it is, if it is one: what its consumers have settled may be dropped. From machine
    /// version 4 on.
    pub queue: Option<QueueRules>,
}

/// How a partition is compacted: see [`Cleanup`](forebay_model::Cleanup).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// A tombstone that has nothing left to hide stays for at least so many milliseconds of log time.
    pub tombstone_ms: u64,
    /// A record is not compacted before it is so many milliseconds old.
    pub lag_ms_min: u64,
    /// A record that may go is not kept much longer than until it is so many milliseconds old.
    pub lag_ms_max: u64,
    /// Space is given back when this share of a segment is dead, or in time when this share of the partition is.
    pub dirty_ratio_min: Ratio,
    /// The newest records are not compacted: as far back as they take at most so many bytes...
    pub fresh_bytes: u64,
    /// ...and are younger than so many milliseconds, and than `lag_ms_max`.
    pub fresh_ms: u64,
}

/// What compaction found and takes out of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactedPartition {
    /// Which.
    pub partition: PartitionId,
    /// Bytes of payloads that a decision gives back. Where that decision turns out to be void they are counted as gone all the
    /// same: the partition then seems smaller than it is, so that retention by bytes drops less, never more.
    pub freed_bytes: u64,
    /// No tombstone before this offset has an earlier record of its key left in the segments that count.
    pub clean_end: Option<Offset>,
}

/// See [`Command::Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to; each target accepts or refuses by itself.
    pub targets: SmallVec<[(PartitionId, Which); 1]>,
    /// The payload's slot in this entry.
    pub slot: SlotNumber,
    /// What the payload is.
    pub kind: PayloadKind,
    /// Messages in it, 1 or more.
    pub count: u32,
    /// Its length in bytes.
    pub bytes: u32,
    /// The greatest timestamp in it; -1 when it has none.
    pub max_timestamp: Timestamp,
    /// The timestamp that readers see on all its messages, where the topic uses the time of the append.
    pub append_time: Option<Timestamp>,
    /// The idempotent producer that sent it.
    pub producer: Option<ProducerStamp>,
    /// How it is part of its producer's transaction, if it is; then it names a producer.
    pub transaction: Option<Joining>,
    /// The place that an import has for it; then it names neither producer nor transaction.
    pub import: Option<Imported>,
    /// The slots that hold a payload above [`PART_BYTES_MAX`](forebay_model::limits::PART_BYTES_MAX), in order;
    /// empty when the payload lies in its own slot.
    pub parts: Vec<(LogIndex, SlotNumber)>,
}

/// Which messages of a payload go to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those whose bit is set, least significant bit first. Kept for routed messages; `apply` refuses it.
    Some(Bytes),
}

/// What an idempotent producer writes on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// Who.
    pub id: ProducerId,
    /// Which instance of it.
    pub epoch: ProducerEpoch,
    /// The number of the batch's first message.
    pub base_sequence: BatchSequence,
}

/// What an import says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Where the partition has to end: what was imported before and nothing else.
    pub after: Offset,
    /// The offset of the batch's first message; what lies between the two is a gap that the source has too.
    pub at: Offset,
    /// What the batch is to the transactions of the source.
    pub transaction: Option<ImportedTransaction>,
}

/// See [`Imported::transaction`]. Producer ids are the source's: they mean nothing outside of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportedTransaction {
    /// Records of this producer's transaction.
    Records(ProducerId),
    /// The mark that ends this producer's transaction.
    Mark(ProducerId, Decision),
}

/// See [`Command::SaveGeneration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveGeneration {
    /// Which group; made if it does not exist.
    pub group: GroupId,
    /// The generation.
    pub generation: i32,
    /// What kind of group it is, such as `consumer`.
    pub kind: String,
    /// The strategy in force; empty without members.
    pub strategy: String,
    /// The member that assigns; empty without members.
    pub leader: String,
    /// Every member.
    pub members: Vec<Member>,
}

/// A member of a group as it is replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its static name.
    pub instance: Option<String>,
    /// The client's own name.
    pub client: String,
    /// The client's address.
    pub host: String,
    /// See [`JoinGroup::session_timeout_ms`](forebay_model::group::JoinGroup::session_timeout_ms).
    pub session_timeout_ms: u32,
    /// See [`JoinGroup::rebalance_timeout_ms`](forebay_model::group::JoinGroup::rebalance_timeout_ms).
    pub rebalance_timeout_ms: u32,
    /// Its metadata for the strategy in force.
    pub metadata: Bytes,
    /// Its share.
    pub assignment: Bytes,
}

/// See [`Command::CommitOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveOffsets {
    /// Which group; made if it does not exist.
    pub group: GroupId,
    /// The cursors.
    pub offsets: Vec<SavedOffset>,
}

/// One cursor to set. Its time of commit is the entry's log time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedOffset {
    /// The topic, by id: names can change hands.
    pub topic: TopicId,
    /// The partition's number.
    pub number: u32,
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
}

/// The numbers of commands. A number is never used again for something else.
pub(crate) mod number {
    pub(crate) const CREATE_TOPIC: u64 = 1;
    pub(crate) const DELETE_TOPIC: u64 = 2;
    pub(crate) const ADD_PARTITIONS: u64 = 3;
    pub(crate) const ALLOCATE_PRODUCERS: u64 = 4;
    pub(crate) const SET_MACHINE_VERSION: u64 = 5;
    pub(crate) const CONFIGURE: u64 = 6;
    pub(crate) const ALTER_TOPIC: u64 = 7;
    pub(crate) const ALTER_DEFAULTS: u64 = 8;
    pub(crate) const OPEN_PARTITION: u64 = 16;
    pub(crate) const DROP_PARTITION: u64 = 17;
    pub(crate) const APPEND: u64 = 18;
    pub(crate) const TRIM: u64 = 19;
    pub(crate) const ADVANCE_CLOCK: u64 = 20;
    // 21 and 22: closing and opening extents.
    pub(crate) const OPEN_QUEUE: u64 = 23;
    pub(crate) const SAVE_GENERATION: u64 = 32;
    pub(crate) const COMMIT_OFFSETS: u64 = 33;
    pub(crate) const DELETE_GROUP: u64 = 34;
    pub(crate) const FORGET_TOPICS: u64 = 35;
    pub(crate) const SET_CREDENTIAL: u64 = 48;
    pub(crate) const REMOVE_CREDENTIAL: u64 = 49;
    pub(crate) const ADD_ACLS: u64 = 50;
    pub(crate) const REMOVE_ACLS: u64 = 51;
    pub(crate) const COMPACTED: u64 = 52;
    pub(crate) const ALTER_QUOTAS: u64 = 53;
    pub(crate) const OPEN_SUBSCRIPTION: u64 = 54;
    pub(crate) const SETTLE: u64 = 55;
    pub(crate) const DELIVERED_UP_TO: u64 = 56;
    pub(crate) const DROP_SUBSCRIPTION: u64 = 57;
    pub(crate) const ALTER_SUBSCRIPTION: u64 = 58;
    pub(crate) const IMPORT: u64 = 59;
    pub(crate) const ROUTE: u64 = 60;
    pub(crate) const RELAY: u64 = 64;
    pub(crate) const RELAYED: u64 = 65;
    // From 96: the schedule. From 112: settling.
    pub(crate) const OPEN_PRODUCER: u64 = 80;
    pub(crate) const JOIN_TRANSACTION: u64 = 81;
    pub(crate) const APPEND_IN_TRANSACTION: u64 = 82;
    pub(crate) const HOLD_OFFSETS: u64 = 83;
    pub(crate) const END_TRANSACTION: u64 = 84;
    pub(crate) const JOIN_TRANSACTION_ELSEWHERE: u64 = 85;
    pub(crate) const ADMIT_GUEST: u64 = 86;
}

/// The bits of an append's flags.
pub(crate) mod append_flag {
    pub(crate) const APPEND_TIME: u8 = 1;
    pub(crate) const PRODUCER: u8 = 2;
    pub(crate) const PARTS: u8 = 4;
    // 8: the earliest expiry of its messages.
}

/// What the first byte of an import's command says that it is.
pub(crate) mod import_kind {
    pub(crate) const BEGIN: u8 = 0;
    pub(crate) const BATCH: u8 = 1;
    pub(crate) const END: u8 = 2;
}

/// What the byte in an imported batch's command says that the batch is to the source's transactions.
pub(crate) mod imported_transaction {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const RECORDS: u8 = 1;
    pub(crate) const COMMIT: u8 = 2;
    pub(crate) const ABORT: u8 = 3;
}

/// The version of the layout of a list of commands.
pub(crate) const COMMANDS_FORMAT: u8 = 1;
