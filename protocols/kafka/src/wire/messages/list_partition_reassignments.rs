//! ListPartitionReassignments, key 46: partitions on their way to other brokers.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Partitions wanted.
    pub struct ListPartitionReassignmentsRequest {
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [.., default(60_000)];
        /// The topics; null for all.
        topics: Option<Vec<ListPartitionReassignmentsTopics>> [..];
    }

    /// Partitions wanted of one topic.
    pub struct ListPartitionReassignmentsTopics {
        /// The topic's name.
        name: Str [..];
        /// The partitions' numbers.
        partition_indexes: Vec<i32> [..];
    }

    /// What is on its way.
    pub struct ListPartitionReassignmentsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The topics.
        topics: Vec<OngoingTopicReassignment> [..];
    }

    /// What of one topic is on its way.
    pub struct OngoingTopicReassignment {
        /// The topic's name.
        name: Str [..];
        /// The partitions.
        partitions: Vec<OngoingPartitionReassignment> [..];
    }

    /// A partition on its way.
    pub struct OngoingPartitionReassignment {
        /// The partition's number.
        partition_index: i32 [..];
        /// The brokers that have it.
        replicas: Vec<i32> [..];
        /// The brokers that are to get it.
        adding_replicas: Vec<i32> [..];
        /// The brokers that are to lose it.
        removing_replicas: Vec<i32> [..];
    }
}
