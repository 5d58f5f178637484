//! Why a request was refused. One vocabulary for every operation; each protocol maps it in one total `match`.

use std::fmt;

use crate::acl::ResourceKind;
use crate::{NodeId, Offset, TopicNameError};

/// The reason a request, or one item of it, was not carried out. Nothing of a refused item has taken effect,
/// except where the variant says that this is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    // The asker's mistakes: names and arguments.
    /// No topic of that name, confirmed against the current catalogue.
    UnknownTopic,
    /// No topic of that id.
    UnknownTopicId,
    /// The topic has no partition of that number.
    UnknownPartition,
    /// The name is taken.
    TopicExists,
    /// The name cannot be a topic's.
    InvalidTopicName(TopicNameError),
    /// A partition count of zero, above the limit, or not above the present one.
    InvalidPartitionCount(String),
    /// More replicas than nodes, or none.
    InvalidReplicaCount(String),
    /// A manual assignment that cannot be honoured.
    InvalidAssignment(String),
    /// A setting that is unknown or whose value cannot be enforced.
    InvalidSetting(String),
    /// Something else about the request is wrong; the text says what.
    InvalidRequest(String),
    /// The same thing was asked twice in one request.
    DuplicateItem,
    /// Above the configured size, in bytes.
    TooLarge {
        /// The limit that was crossed.
        limit: u64,
    },
    /// A named limit of the broker is reached.
    LimitReached {
        /// Its name in `limits.rs` or in the configuration.
        limit: &'static str,
    },
    /// The broker knows the request but does not do it.
    Unsupported(&'static str),
    /// The request violates a policy of the operator, such as topic creation by clients.
    Forbidden(&'static str),

    // The records themselves.
    /// The payload is damaged: its checksum or framing is wrong.
    CorruptPayload(String),
    /// The payload is intact and still not acceptable.
    InvalidPayload(String),
    /// Timestamps outside what the topic accepts.
    InvalidTimestamp {
        /// Whose, by number from zero: at most [`TIMESTAMP_ERRORS_MAX`](crate::limits::TIMESTAMP_ERRORS_MAX) of them are named.
        records: Vec<u32>,
        /// What is accepted, in words.
        why: String,
    },
    /// The topic is compacted, and these records of the payload, by number from zero, have no ordering key: at most
    /// [`MISSING_KEYS_MAX`](crate::limits::MISSING_KEYS_MAX) of them are named.
    MissingKeys(Vec<u32>),

    // Producers.
    /// The sequence leaves a gap or lies in the past beyond what is remembered.
    OutOfOrderSequence,
    /// Stored long ago; its offset is no longer known.
    DuplicateSequence,
    /// A newer instance of this producer exists.
    ProducerFenced,
    /// Nothing is known of this producer.
    UnknownProducer,

    // Transactions.
    /// The last transaction of this producer has not ended yet; try again.
    ConcurrentTransaction,
    /// Nothing like it may happen in the state that the producer's transaction is in.
    InvalidTransactionState,
    /// The transactional id is not known, or belongs to another producer id.
    UnknownTransaction,
    /// Zero, or above what the operator allows.
    InvalidTransactionTimeout,
    /// A transaction that has not ended is about to set this cursor.
    UnstableCursor,

    // Reading.
    /// Outside `start..=end`.
    OffsetOutOfRange {
        /// First readable offset.
        start: Offset,
        /// The offset the next record will get.
        end: Offset,
    },
    /// The asker's leader epoch is older than the partition's.
    FencedLeaderEpoch,
    /// The asker's leader epoch is newer than the partition's.
    UnknownLeaderEpoch,

    // Groups.
    /// The group id cannot be one.
    InvalidGroupId,
    /// No member of that id; join again without one.
    UnknownMember,
    /// The member belongs to another generation.
    IllegalGeneration,
    /// Join again: the group is changing.
    RebalanceInProgress,
    /// No assignment protocol that all members share, or another kind of group.
    InconsistentProtocol,
    /// Another process uses this static member's name.
    FencedInstance,
    /// Join again with this id.
    MemberIdRequired {
        /// The id to come back with.
        member: String,
    },
    /// Outside the configured session timeouts.
    InvalidSessionTimeout,
    /// Members, or bytes of their metadata, at the limit.
    GroupFull,
    /// Only empty groups can be deleted.
    GroupNotEmpty,
    /// No group of that id.
    UnknownGroup,
    /// A member of the group reads this topic: its cursors stay.
    TopicIsRead,
    /// The metadata beside an offset is too long.
    OffsetMetadataTooLarge,
    /// The member's epoch is not one that it was told, or was told long ago: it gives up all it has and joins again.
    FencedMember,
    /// The member's epoch is not the present one: what it says is not taken over.
    StaleMember,
    /// The static member's name is still in use.
    UnreleasedInstance,
    /// The broker has no assignment strategy of that name.
    UnsupportedStrategy(String),
    /// Not a regular expression, or too large a one.
    InvalidPattern(String),

    // Shared subscriptions.
    /// The subscription reads nothing of this partition.
    UnknownSubscription,
    /// The asker does not hold these records: its lease has ended, they were settled before, or somebody set the subscription back.
    NotHeld,
    /// Somebody consumes from it alone, or would have to do so and is not alone.
    ConsumedByOthers,

    // Users.
    /// The name or the secret that came with it is wrong; nobody is told which.
    WrongCredentials,
    /// The user has no credential of that kind.
    UnknownCredential,
    /// The credential cannot be stored.
    InvalidCredential(String),

    // Rights.
    /// The asker may not do this to a resource of this kind. Says nothing of whether it exists.
    NotAuthorized {
        /// Of which kind.
        kind: ResourceKind,
    },
    /// There is no access control: no rules are kept.
    AuthorizationOff,
    /// The rule of access cannot be one.
    InvalidAcl(String),

    // Not now: every one of these may be tried again.
    /// Another node leads.
    NotLeader {
        /// Who, if known.
        leader: Option<NodeId>,
    },
    /// The shard's state is still being rebuilt.
    Loading,
    /// Queues are full; slow down.
    Busy,
    /// Not done in time. A publish never will be; whether anything else still takes effect is not known.
    TimedOut,
    /// Leadership was lost on the way, or its time was up when it was on its way already. Whether it takes effect is not known.
    Unknown,
    /// The disk is at its reserve.
    DiskFull,
    /// Storage failed; the shard serves nothing until it was repaired.
    Storage,
    /// The node is stopping.
    ShuttingDown,
}

impl Refusal {
    /// A short name for metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::UnknownTopic => "unknown_topic",
            Refusal::UnknownTopicId => "unknown_topic_id",
            Refusal::UnknownPartition => "unknown_partition",
            Refusal::TopicExists => "topic_exists",
            Refusal::InvalidTopicName(_) => "invalid_topic_name",
            Refusal::InvalidPartitionCount(_) => "invalid_partition_count",
            Refusal::InvalidReplicaCount(_) => "invalid_replica_count",
            Refusal::InvalidAssignment(_) => "invalid_assignment",
            Refusal::InvalidSetting(_) => "invalid_setting",
            Refusal::InvalidRequest(_) => "invalid_request",
            Refusal::DuplicateItem => "duplicate_item",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::LimitReached { .. } => "limit_reached",
            Refusal::Unsupported(_) => "unsupported",
            Refusal::Forbidden(_) => "forbidden",
            Refusal::CorruptPayload(_) => "corrupt_payload",
            Refusal::InvalidPayload(_) => "invalid_payload",
            Refusal::InvalidTimestamp { .. } => "invalid_timestamp",
            Refusal::MissingKeys(_) => "missing_keys",
            Refusal::OutOfOrderSequence => "out_of_order_sequence",
            Refusal::DuplicateSequence => "duplicate_sequence",
            Refusal::ProducerFenced => "producer_fenced",
            Refusal::UnknownProducer => "unknown_producer",
            Refusal::ConcurrentTransaction => "concurrent_transaction",
            Refusal::InvalidTransactionState => "invalid_transaction_state",
            Refusal::UnknownTransaction => "unknown_transaction",
            Refusal::InvalidTransactionTimeout => "invalid_transaction_timeout",
            Refusal::UnstableCursor => "unstable_cursor",
            Refusal::OffsetOutOfRange { .. } => "offset_out_of_range",
            Refusal::FencedLeaderEpoch => "fenced_leader_epoch",
            Refusal::UnknownLeaderEpoch => "unknown_leader_epoch",
            Refusal::InvalidGroupId => "invalid_group_id",
            Refusal::UnknownMember => "unknown_member",
            Refusal::IllegalGeneration => "illegal_generation",
            Refusal::RebalanceInProgress => "rebalance_in_progress",
            Refusal::InconsistentProtocol => "inconsistent_protocol",
            Refusal::FencedInstance => "fenced_instance",
            Refusal::MemberIdRequired { .. } => "member_id_required",
            Refusal::InvalidSessionTimeout => "invalid_session_timeout",
            Refusal::GroupFull => "group_full",
            Refusal::GroupNotEmpty => "group_not_empty",
            Refusal::UnknownGroup => "unknown_group",
            Refusal::TopicIsRead => "topic_is_read",
            Refusal::OffsetMetadataTooLarge => "offset_metadata_too_large",
            Refusal::FencedMember => "fenced_member",
            Refusal::StaleMember => "stale_member",
            Refusal::UnreleasedInstance => "unreleased_instance",
            Refusal::UnsupportedStrategy(_) => "unsupported_strategy",
            Refusal::InvalidPattern(_) => "invalid_pattern",
            Refusal::UnknownSubscription => "unknown_subscription",
            Refusal::NotHeld => "not_held",
            Refusal::ConsumedByOthers => "consumed_by_others",
            Refusal::WrongCredentials => "wrong_credentials",
            Refusal::UnknownCredential => "unknown_credential",
            Refusal::InvalidCredential(_) => "invalid_credential",
            Refusal::NotAuthorized { .. } => "not_authorized",
            Refusal::AuthorizationOff => "authorization_off",
            Refusal::InvalidAcl(_) => "invalid_acl",
            Refusal::NotLeader { .. } => "not_leader",
            Refusal::Loading => "loading",
            Refusal::Busy => "busy",
            Refusal::TimedOut => "timed_out",
            Refusal::Unknown => "unknown",
            Refusal::DiskFull => "disk_full",
            Refusal::Storage => "storage",
            Refusal::ShuttingDown => "shutting_down",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::InvalidTopicName(why) => why.fmt(f),
            Refusal::InvalidPartitionCount(text)
            | Refusal::InvalidReplicaCount(text)
            | Refusal::InvalidAssignment(text)
            | Refusal::InvalidSetting(text)
            | Refusal::InvalidRequest(text)
            | Refusal::UnsupportedStrategy(text)
            | Refusal::InvalidPattern(text)
            | Refusal::InvalidAcl(text)
            | Refusal::CorruptPayload(text)
            | Refusal::InvalidPayload(text)
            | Refusal::InvalidTimestamp { why: text, .. }
            | Refusal::InvalidCredential(text) => f.write_str(text),
            Refusal::NotAuthorized { kind } => write!(f, "not authorized for this {kind}"),
            Refusal::MissingKeys(_) => f.write_str("a compacted topic takes no records without a key"),
            Refusal::TooLarge { limit } => write!(f, "larger than the limit of {limit} bytes"),
            Refusal::LimitReached { limit } => write!(f, "the limit {limit} is reached"),
            Refusal::Unsupported(text) | Refusal::Forbidden(text) => f.write_str(text),
            Refusal::OffsetOutOfRange { start, end } => write!(f, "the partition holds {start}..{end}"),
            other => f.write_str(&other.name().replace('_', " ")),
        }
    }
}

impl std::error::Error for Refusal {}
