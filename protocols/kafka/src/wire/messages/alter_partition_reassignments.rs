//! AlterPartitionReassignments, key 45: put partitions on other brokers, or stop doing so.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Partitions to move.
    pub struct AlterPartitionReassignmentsRequest {
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [.., default(60_000)];
        /// Whether a partition may get another number of replicas.
        allow_replication_factor_change: bool [1.., default(true)];
        /// The topics.
        topics: Vec<ReassignableTopic> [..];
    }

    /// Partitions of one topic to move.
    pub struct ReassignableTopic {
        /// The topic's name.
        name: Str [..];
        /// The partitions.
        partitions: Vec<ReassignablePartition> [..];
    }

    /// A partition to move.
    pub struct ReassignablePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Where to; null to stop moving it.
        replicas: Option<Vec<i32>> [..];
    }

    /// What became of it.
    pub struct AlterPartitionReassignmentsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// Whether a partition was allowed to get another number of replicas.
        allow_replication_factor_change: bool [1.., default(true)];
        /// What went wrong with all of them.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The topics.
        responses: Vec<ReassignableTopicResponse> [..];
    }

    /// What became of one topic.
    pub struct ReassignableTopicResponse {
        /// The topic's name.
        name: Str [..];
        /// The partitions.
        partitions: Vec<ReassignablePartitionResponse> [..];
    }

    /// What became of one partition.
    pub struct ReassignablePartitionResponse {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}
