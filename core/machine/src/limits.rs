//! Limits of the replicated state. Every replica must use the same numbers: a change of one of them is a change of
//! the machine version.

use forebay_model::limits::{
    MESSAGE_BYTES_CEILING, MIB, PART_BYTES_MAX, PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX,
};

pub use forebay_model::limits::TRANSACTIONAL_ID_BYTES_MAX;

/// Slots that one payload can be spread over.
pub const PARTS_PER_APPEND_MAX: usize = MESSAGE_BYTES_CEILING / PART_BYTES_MAX + 1;
/// Partitions that one append can name.
pub const TARGETS_PER_APPEND_MAX: usize = 10_000;
/// Producer ids of one [`AllocateProducers`](crate::AllocateProducers).
pub const PRODUCERS_PER_BLOCK_MAX: u32 = 100_000;

/// Ids of dropped partitions that a shard remembers, so that a late [`OpenPartition`](crate::OpenPartition) cannot
/// revive one.
pub const DROPPED_PARTITIONS_MAX: usize = 16_384;
/// Partitions of one [`Compacted`](crate::Command::Compacted).
pub const PARTITIONS_PER_COMPACTED_MAX: usize = 10_000;
/// What a partition remembers of when its tombstones had nothing left to hide: see [`CleanMarks`](crate::CleanMarks).
pub const CLEAN_MARKS_MAX: usize = 8;
/// Leader epochs with records that a partition remembers; the oldest goes first.
pub const EPOCHS_PER_PARTITION_MAX: usize = 64;

/// Batches that a producer's state remembers, as many as clients keep in flight.
pub const BATCHES_PER_PRODUCER_MAX: usize = 5;
/// Producers with state on one shard, counted once per partition they write to; the one silent longest goes first.
pub const PRODUCERS_PER_SHARD_MAX: usize = 200_000;
/// Bytes of all producers' state on one shard; the one silent longest goes first.
pub const PRODUCERS_BYTES_MAX: usize = 64 * MIB;
/// A silent producer is forgotten after this many milliseconds of log time, unless configured otherwise: 7 days.
pub const PRODUCER_EXPIRY_MS_DEFAULT: u64 = 7 * 24 * 3_600_000;
/// Silent producers forgotten by one command at most.
pub const PRODUCERS_EXPIRED_PER_COMMAND_MAX: usize = 64;

/// The last epoch that a transactional producer writes with: the one behind it marks its last transaction when that is aborted,
/// and then it gets another id.
pub const PRODUCER_EPOCH_MAX: i16 = i16::MAX - 1;
/// Transactional ids of one shard.
pub const TRANSACTIONAL_IDS_PER_SHARD_MAX: usize = 100_000;
/// Bytes of all transactional producers of one shard, with what their open transactions span.
pub const TRANSACTIONAL_IDS_BYTES_MAX: usize = 128 * MIB;
/// Partitions and groups of one transaction.
pub const PARTICIPANTS_PER_TRANSACTION_MAX: usize = 10_000;
/// Bytes of what one transaction spans: it ends in one entry of the log.
pub const TRANSACTION_SPAN_BYTES_MAX: usize = MIB;
/// A transactional id that nobody uses is forgotten after this many milliseconds of log time: 7 days.
pub const TRANSACTIONAL_ID_EXPIRY_MS: u64 = 7 * 24 * 3_600_000;
/// Transactional ids forgotten by one command at most.
pub const TRANSACTIONAL_IDS_EXPIRED_PER_COMMAND_MAX: usize = 16;
/// What transactions have open or had aborted in the partitions of one shard, counted once per partition and transaction. An
/// aborted one counts until it was trimmed.
pub const TRANSACTION_RANGES_PER_SHARD_MAX: usize = 1_000_000;
/// Cursors that open transactions of one shard are about to set.
pub const PENDING_CURSORS_PER_SHARD_MAX: usize = 200_000;
/// Bytes of these.
pub const PENDING_CURSORS_BYTES_MAX: usize = 128 * MIB;

/// Ends of transactions that one shard has for others and that were not carried out there yet.
pub const RELAYS_PER_SHARD_MAX: usize = 100_000;
/// Bytes of these.
pub const RELAYS_BYTES_MAX: usize = 64 * MIB;
/// Transactional producers of other shards that one shard knows.
pub const GUESTS_PER_SHARD_MAX: usize = 200_000;
/// Bytes of these, with what their open transactions span.
pub const GUESTS_BYTES_MAX: usize = 128 * MIB;
/// One with nothing open is idle for so many milliseconds of log time before one that is admitted takes its place: whoever asked for its
/// last transaction, and is late, is still refused. 10 minutes.
pub const GUEST_IDLE_MS_MIN: i64 = 600_000;
/// Those with nothing open that are forgotten by one command at most.
pub const GUESTS_EXPIRED_PER_COMMAND_MAX: usize = 16;
/// Bytes of the words in which an import says where its records come from.
pub const IMPORT_SOURCE_BYTES_MAX: usize = 512;

/// Groups of one shard.
pub const GROUPS_PER_SHARD_MAX: usize = 100_000;
/// Bytes of all groups' members on one shard.
pub const GROUPS_BYTES_MAX: usize = 256 * MIB;
/// Members of one group.
pub const MEMBERS_PER_GROUP_MAX: usize = 10_000;
/// Bytes of one group's members: ids, metadata and assignments.
pub const GROUP_BYTES_MAX: usize = 8 * MIB;
/// Bytes of a group's id.
pub const GROUP_ID_BYTES_MAX: usize = 4_096;
/// Committed offsets of one group.
pub const OFFSETS_PER_GROUP_MAX: usize = 100_000;
/// Committed offsets of one shard.
pub const OFFSETS_PER_SHARD_MAX: usize = 2_000_000;
/// Bytes of all committed offsets of one shard.
pub const OFFSETS_BYTES_MAX: usize = 512 * MIB;
/// Bytes of a client's note beside a committed offset.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4_096;
/// An empty group is forgotten after this many milliseconds of log time without a commit, unless configured
/// otherwise: 7 days.
pub const OFFSET_EXPIRY_MS_DEFAULT: u64 = 7 * 24 * 3_600_000;
/// Empty groups forgotten by one command at most.
pub const GROUPS_EXPIRED_PER_COMMAND_MAX: usize = 4;
/// Topics of one [`ForgetTopics`](crate::ForgetTopics).
pub const TOPICS_PER_FORGET_MAX: usize = 10_000;

/// Users and clients with quotas of their own, pairs of them included.
pub const QUOTAS_MAX: usize = 10_000;
/// Bytes of the name of a user or a client that has a quota.
pub const QUOTA_NAME_BYTES_MAX: usize = 1_024;

/// Subscriptions of one shard, counted once for each partition that they read.
pub const SUBSCRIPTIONS_PER_SHARD_MAX: usize = 200_000;
/// Bytes of all subscriptions of one shard.
pub const SUBSCRIPTIONS_BYTES_MAX: usize = 256 * MIB;
/// Subscriptions of the catalogue for which something is set.
pub const SUBSCRIPTION_SETTINGS_MAX: usize = 100_000;
/// Records of one partition between the oldest that a subscription has not settled and the newest that it was handed.
pub const SUBSCRIPTION_SPAN_MAX: u64 = 65_536;
/// Attempts that are counted: a subscription may not ask for more before it gives a record up.
pub const ATTEMPTS_MAX: u16 = 254;
/// Ranges of records of one [`Settle`](crate::Settle).
pub const SETTLED_RANGES_PER_COMMAND_MAX: usize = 65_536;

/// The greatest offset a record can have: clients read offsets as signed numbers.
pub const OFFSET_MAX: u64 = i64::MAX as u64;
/// The greatest leader epoch: clients read epochs as signed numbers.
pub const LEADER_EPOCH_MAX: u32 = i32::MAX as u32;

const _: () = assert!(PARTITIONS_PER_TOPIC_MAX as usize <= PARTITIONS_MAX);
const _: () = assert!(OFFSETS_PER_GROUP_MAX <= OFFSETS_PER_SHARD_MAX);
