//! CreatePartitions, key 37: more partitions for topics.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Topics that need more partitions.
    pub struct CreatePartitionsRequest {
        /// The topics.
        topics: Vec<CreatePartitionsTopic> [..];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [..];
        /// Whether to check only and change nothing.
        validate_only: bool [..];
    }

    /// A topic that needs more partitions.
    pub struct CreatePartitionsTopic {
        /// The topic's name.
        name: Str [..];
        /// How many partitions the topic shall have in total.
        count: i32 [..];
        /// Brokers chosen by hand per new partition; null to let the broker choose.
        assignments: Option<Vec<CreatePartitionsAssignment>> [..];
    }

    /// Brokers chosen for one new partition.
    pub struct CreatePartitionsAssignment {
        /// The brokers, the preferred leader first.
        broker_ids: Vec<i32> [..];
    }

    /// What was created.
    pub struct CreatePartitionsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each.
        results: Vec<CreatePartitionsTopicResult> [..];
    }

    /// Whether one topic has its partitions.
    pub struct CreatePartitionsTopicResult {
        /// The topic's name.
        name: Str [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}
