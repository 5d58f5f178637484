//! The broker's refusals as Kafka's error codes: one total match, and what each kind of request needs different.

use forebay_kit::model::Refusal;

use super::rights;
use crate::wire::{ErrorCode, Str};

/// What was asked, as far as the choice of an error code depends on it. Clients know a closed set of codes per API and give
/// up on others; the differences below are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// Produce. A code tells the producer also whether the batch may have been stored.
    Publish,
    /// Fetch, ListOffsets, OffsetForLeaderEpoch. The Java consumer's fetcher fails on retriable codes it does not expect.
    Read,
    /// Metadata, DescribeTopicPartitions.
    Metadata,
    /// Topics and their settings.
    Catalogue,
    /// DeleteRecords, DescribeProducers, DescribeQuorum. As for readers, but a trim has a time of its own.
    Stored,
    /// InitProducerId without a transactional id. `NOT_COORDINATOR` would send an idempotent producer to look for a coordinator it has not.
    Producer,
    /// FindCoordinator.
    FindCoordinator,
    /// AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn, and InitProducerId with a transactional id.
    Transaction,
    /// JoinGroup, LeaveGroup, OffsetCommit, and the administration of groups.
    Group,
    /// Heartbeat and SyncGroup. Consumers fail on `COORDINATOR_LOAD_IN_PROGRESS` here.
    Membership,
    /// OffsetFetch. Older consumers know `NOT_COORDINATOR` but not `COORDINATOR_NOT_AVAILABLE` here.
    Cursors,
}

#[cfg(test)]
impl Area {
    /// The requests it stands for, as the documentation names them.
    pub(super) fn apis(self) -> &'static str {
        match self {
            Area::Publish => "Produce",
            Area::Read => "Fetch, ListOffsets, OffsetForLeaderEpoch",
            Area::Metadata => "Metadata",
            Area::Catalogue => "topics and settings",
            Area::Stored => "DeleteRecords, DescribeProducers, DescribeQuorum",
            Area::Producer => "InitProducerId",
            Area::FindCoordinator => "FindCoordinator",
            Area::Transaction => "transactional requests",
            Area::Group => "other group requests",
            Area::Membership => "Heartbeat, SyncGroup",
            Area::Cursors => "OffsetFetch",
        }
    }
}

/// Kafka's number for a refusal.
pub(super) fn code(refusal: &Refusal, area: Area) -> ErrorCode {
    match refusal {
        Refusal::UnknownTopic | Refusal::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        Refusal::UnknownTopicId => ErrorCode::UnknownTopicId,
        // Two clients that create a topic by asking for it: the second is to ask again.
        Refusal::TopicExists if area == Area::Metadata => ErrorCode::LeaderNotAvailable,
        Refusal::TopicExists => ErrorCode::TopicAlreadyExists,
        Refusal::InvalidTopicName(_) => ErrorCode::InvalidTopic,
        Refusal::InvalidPartitionCount(_) => ErrorCode::InvalidPartitions,
        Refusal::InvalidReplicaCount(_) => ErrorCode::InvalidReplicationFactor,
        Refusal::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
        Refusal::InvalidSetting(_) => ErrorCode::InvalidConfig,
        Refusal::InvalidRequest(_) | Refusal::DuplicateItem => ErrorCode::InvalidRequest,
        Refusal::TooLarge { .. } if matches!(area, Area::Publish | Area::Read) => ErrorCode::MessageTooLarge,
        Refusal::TooLarge { .. } => ErrorCode::InvalidRequest,
        Refusal::LimitReached { .. } | Refusal::Forbidden(_) => ErrorCode::PolicyViolation,
        Refusal::Unsupported(_) if area == Area::Publish => ErrorCode::UnsupportedForMessageFormat,
        Refusal::Unsupported(_) => ErrorCode::UnsupportedVersion,

        Refusal::CorruptPayload(_) => ErrorCode::CorruptMessage,
        Refusal::InvalidPayload(_) => ErrorCode::InvalidRecord,
        Refusal::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        Refusal::MissingKeys(_) => ErrorCode::InvalidRecord,

        Refusal::OutOfOrderSequence => ErrorCode::OutOfOrderSequenceNumber,
        Refusal::DuplicateSequence => ErrorCode::DuplicateSequenceNumber,
        Refusal::ProducerFenced if matches!(area, Area::Producer | Area::Transaction) => {
            ErrorCode::ProducerFenced
        }
        Refusal::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        Refusal::UnknownProducer => ErrorCode::UnknownProducerId,

        Refusal::ConcurrentTransaction => ErrorCode::ConcurrentTransactions,
        Refusal::InvalidTransactionState => ErrorCode::InvalidTxnState,
        Refusal::UnknownTransaction => ErrorCode::InvalidProducerIdMapping,
        Refusal::InvalidTransactionTimeout => ErrorCode::InvalidTransactionTimeout,
        Refusal::UnstableCursor => ErrorCode::UnstableOffsetCommit,

        Refusal::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        Refusal::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
        Refusal::UnknownLeaderEpoch => ErrorCode::UnknownLeaderEpoch,

        Refusal::InvalidGroupId => ErrorCode::InvalidGroupId,
        Refusal::UnknownMember => ErrorCode::UnknownMemberId,
        Refusal::IllegalGeneration => ErrorCode::IllegalGeneration,
        Refusal::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        Refusal::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        Refusal::FencedInstance => ErrorCode::FencedInstanceId,
        Refusal::MemberIdRequired { .. } => ErrorCode::MemberIdRequired,
        Refusal::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        Refusal::GroupFull => ErrorCode::GroupMaxSizeReached,
        Refusal::GroupNotEmpty => ErrorCode::NonEmptyGroup,
        Refusal::UnknownGroup => ErrorCode::GroupIdNotFound,
        Refusal::TopicIsRead => ErrorCode::GroupSubscribedToTopic,
        Refusal::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        Refusal::FencedMember => ErrorCode::FencedMemberEpoch,
        // Older than member epochs, and producers know no other word for it.
        Refusal::StaleMember if area == Area::Transaction => ErrorCode::IllegalGeneration,
        Refusal::StaleMember => ErrorCode::StaleMemberEpoch,
        Refusal::UnreleasedInstance => ErrorCode::UnreleasedInstanceId,
        Refusal::UnsupportedStrategy(_) => ErrorCode::UnsupportedAssignor,
        Refusal::InvalidPattern(_) => ErrorCode::InvalidRegularExpression,
        Refusal::UnknownSubscription => ErrorCode::GroupIdNotFound,
        Refusal::NotHeld => ErrorCode::InvalidRecordState,
        // No member of a share group asks for that.
        Refusal::ConsumedByOthers => ErrorCode::InvalidRequest,

        Refusal::WrongCredentials => ErrorCode::SaslAuthenticationFailed,
        Refusal::UnknownCredential => ErrorCode::ResourceNotFound,
        Refusal::InvalidCredential(_) => ErrorCode::UnacceptableCredential,

        Refusal::NotAuthorized { kind } => rights::code(*kind),
        Refusal::AuthorizationOff => ErrorCode::SecurityDisabled,
        Refusal::InvalidAcl(_) => ErrorCode::InvalidRequest,

        Refusal::NotLeader { .. } => not_leader(area),
        Refusal::Loading => loading(area),
        Refusal::Busy => busy(area),
        Refusal::TimedOut | Refusal::Unknown => unknown_fate(area),
        Refusal::DiskFull | Refusal::Storage => storage(area),
        Refusal::ShuttingDown => not_leader(area),
    }
}

/// The refusal in words, where a response has room for them.
pub(super) fn message(refusal: &Refusal) -> Option<Str> {
    Some(Str::from(refusal.to_string()))
}

fn not_leader(area: Area) -> ErrorCode {
    match area {
        Area::Publish | Area::Read | Area::Stored => ErrorCode::NotLeaderOrFollower,
        Area::Metadata => ErrorCode::LeaderNotAvailable,
        Area::Catalogue => ErrorCode::NotController,
        Area::Producer => ErrorCode::CoordinatorLoadInProgress,
        Area::FindCoordinator => ErrorCode::CoordinatorNotAvailable,
        Area::Group | Area::Membership | Area::Cursors | Area::Transaction => ErrorCode::NotCoordinator,
    }
}

fn loading(area: Area) -> ErrorCode {
    match area {
        Area::Publish | Area::Metadata => ErrorCode::LeaderNotAvailable,
        Area::Read | Area::Stored => ErrorCode::NotLeaderOrFollower,
        Area::Catalogue => ErrorCode::NotController,
        Area::Producer | Area::Group | Area::Cursors | Area::Transaction => {
            ErrorCode::CoordinatorLoadInProgress
        }
        Area::FindCoordinator => ErrorCode::CoordinatorNotAvailable,
        Area::Membership => ErrorCode::NotCoordinator,
    }
}

/// Queues are full and nothing was done.
fn busy(area: Area) -> ErrorCode {
    match area {
        // Of the codes after which every producer tries again, the one that says that nothing was stored.
        Area::Publish => ErrorCode::NotEnoughReplicas,
        other => loading(other),
    }
}

/// It may have happened, or may happen yet.
fn unknown_fate(area: Area) -> ErrorCode {
    match area {
        Area::Publish | Area::Catalogue | Area::Stored => ErrorCode::RequestTimedOut,
        Area::Read => ErrorCode::NotLeaderOrFollower,
        Area::Metadata => ErrorCode::LeaderNotAvailable,
        Area::Producer => ErrorCode::CoordinatorLoadInProgress,
        Area::FindCoordinator | Area::Group | Area::Membership | Area::Transaction => {
            ErrorCode::CoordinatorNotAvailable
        }
        Area::Cursors => ErrorCode::NotCoordinator,
    }
}

fn storage(area: Area) -> ErrorCode {
    match area {
        Area::Publish | Area::Read | Area::Catalogue | Area::Stored => ErrorCode::KafkaStorageError,
        Area::Metadata => ErrorCode::LeaderNotAvailable,
        Area::Producer => ErrorCode::CoordinatorLoadInProgress,
        Area::FindCoordinator => ErrorCode::CoordinatorNotAvailable,
        Area::Group | Area::Membership | Area::Cursors | Area::Transaction => ErrorCode::NotCoordinator,
    }
}
