//! AlterShareGroupOffsets, key 91: set where a share group without members begins to read (KIP-932).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Where to begin.
    pub struct AlterShareGroupOffsetsRequest {
        /// The group.
        group_id: Str [..];
        /// The topics.
        topics: Vec<AlterShareGroupOffsetsRequestTopic> [..];
    }

    /// Where to begin in one topic.
    pub struct AlterShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str [..];
        /// The topic's partitions.
        partitions: Vec<AlterShareGroupOffsetsRequestPartition> [..];
    }

    /// Where to begin in one partition.
    pub struct AlterShareGroupOffsetsRequestPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Offset of the first record to read.
        start_offset: i64 [..];
    }

    /// What was set.
    pub struct AlterShareGroupOffsetsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// An answer for each topic.
        responses: Vec<AlterShareGroupOffsetsResponseTopic> [..];
    }

    /// What was set in one topic.
    pub struct AlterShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str [..];
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's partitions.
        partitions: Vec<AlterShareGroupOffsetsResponsePartition> [..];
    }

    /// Whether the beginning was set in one partition.
    pub struct AlterShareGroupOffsetsResponsePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}
