//! DescribeTopicPartitions, key 75: topics and partitions, page by page.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Topics wanted, from a place on.
    pub struct DescribeTopicPartitionsRequest {
        /// The topics.
        topics: Vec<TopicRequest> [..];
        /// Most partitions wanted in one response.
        response_partition_limit: i32 [.., default(2000)];
        /// Where to go on; null for the beginning.
        cursor: Option<Cursor> [..];
    }

    /// A topic wanted.
    pub struct TopicRequest {
        /// The topic's name.
        name: Str [..];
    }

    /// Where to go on.
    pub struct Cursor {
        /// First topic to describe.
        topic_name: Str [..];
        /// First partition to describe.
        partition_index: i32 [..];
    }

    /// One page of topics.
    pub struct DescribeTopicPartitionsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<DescribeTopicPartitionsResponseTopic> [..];
        /// Where to go on with the next request; null at the end.
        next_cursor: Option<Cursor> [..];
    }

    /// A topic.
    pub struct DescribeTopicPartitionsResponseTopic {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The topic's name.
        name: Option<Str> [..];
        /// The topic's id.
        topic_id: Uuid [..];
        /// Whether the topic is the broker's own.
        is_internal: bool [..];
        /// The topic's partitions.
        partitions: Vec<DescribeTopicPartitionsResponsePartition> [..];
        /// Bits of the operations the caller may perform; the smallest `i32` when not asked for.
        topic_authorized_operations: i32 [.., default(i32::MIN)];
    }

    /// A partition.
    pub struct DescribeTopicPartitionsResponsePartition {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The partition's number.
        partition_index: i32 [..];
        /// The leader; -1 if there is none.
        leader_id: i32 [..];
        /// The partition's leader epoch; -1 if unknown.
        leader_epoch: i32 [.., default(-1)];
        /// The replicas.
        replica_nodes: Vec<i32> [..];
        /// Replicas in sync.
        isr_nodes: Vec<i32> [..];
        /// Replicas that are out of sync but lost nothing confirmed.
        eligible_leader_replicas: Option<Vec<i32>> [..];
        /// The replicas that were eligible last.
        last_known_elr: Option<Vec<i32>> [..];
        /// Replicas that are not reachable.
        offline_replicas: Vec<i32> [..];
    }
}
