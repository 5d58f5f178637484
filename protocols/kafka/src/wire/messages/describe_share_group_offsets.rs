//! DescribeShareGroupOffsets, key 90: where share groups begin to read in their partitions (KIP-932). Version 1 says how far
//! behind they are (KIP-1226).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Groups and partitions asked about.
    pub struct DescribeShareGroupOffsetsRequest {
        /// The groups.
        groups: Vec<DescribeShareGroupOffsetsRequestGroup> [..];
    }

    /// What is asked about one group.
    pub struct DescribeShareGroupOffsetsRequestGroup {
        /// The group.
        group_id: Str [..];
        /// The topics asked about; null for all.
        topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>> [..];
    }

    /// Partitions of one topic.
    pub struct DescribeShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// Where the groups are.
    pub struct DescribeShareGroupOffsetsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each group.
        groups: Vec<DescribeShareGroupOffsetsResponseGroup> [..];
    }

    /// Where one group is.
    pub struct DescribeShareGroupOffsetsResponseGroup {
        /// The group.
        group_id: Str [..];
        /// The topics.
        topics: Vec<DescribeShareGroupOffsetsResponseTopic> [..];
        /// What went wrong with the whole group.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }

    /// Where one group is in one topic.
    pub struct DescribeShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str [..];
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's partitions.
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition> [..];
    }

    /// Where one group is in one partition.
    pub struct DescribeShareGroupOffsetsResponsePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Offset of the first record that the group is not yet done with; -1 if unknown.
        start_offset: i64 [..];
        /// The partition's leader epoch.
        leader_epoch: i32 [..];
        /// How many records the group has yet to do; -1 if unknown.
        lag: i64 [1.., lossy(true), default(-1)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}
