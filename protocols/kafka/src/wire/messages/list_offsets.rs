//! ListOffsets, key 2: offsets by timestamp or by name. Version 11 differs from 10 in the timestamps allowed only.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Offsets wanted.
    pub struct ListOffsetsRequest {
        /// The follower's broker id; -1 from a client.
        replica_id: i32 [..];
        /// 0 every record, 1 committed records only.
        isolation_level: i8 [2..];
        /// The topics.
        topics: Vec<ListOffsetsTopic> [..];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [10.., lossy(true)];
    }

    /// Offsets wanted of one topic.
    pub struct ListOffsetsTopic {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<ListOffsetsPartition> [..];
    }

    /// The offset wanted of one partition.
    pub struct ListOffsetsPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// The leader epoch the client knows, to fence stale views; -1 to skip the check.
        current_leader_epoch: i32 [4.., lossy(true), default(-1)];
        /// Milliseconds since 1970, or: -1 latest, -2 earliest, -3 maximum timestamp, -4 earliest local, -5
        /// latest tiered, -6 earliest not yet tiered.
        timestamp: i64 [..];
    }

    /// Offsets found.
    pub struct ListOffsetsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [2.., lossy(true)];
        /// The topics.
        topics: Vec<ListOffsetsTopicResponse> [..];
    }

    /// Offsets found of one topic.
    pub struct ListOffsetsTopicResponse {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<ListOffsetsPartitionResponse> [..];
    }

    /// The offset found of one partition.
    pub struct ListOffsetsPartitionResponse {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The found record's timestamp, milliseconds since 1970; -1 for none.
        timestamp: i64 [.., default(-1)];
        /// The offset found; -1 for none.
        offset: i64 [.., default(-1)];
        /// The partition's leader epoch; -1 if unknown.
        leader_epoch: i32 [4.., default(-1)];
    }
}
