//! OffsetDelete, key 47: forget a group's offsets.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Offsets of a group to forget.
    pub struct OffsetDeleteRequest {
        /// The group.
        group_id: Str [..];
        /// The topics.
        topics: Vec<OffsetDeleteRequestTopic> [..];
    }

    /// Offsets of one topic to forget.
    pub struct OffsetDeleteRequestTopic {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<OffsetDeleteRequestPartition> [..];
    }

    /// A partition whose offset to forget.
    pub struct OffsetDeleteRequestPartition {
        /// The partition's number.
        partition_index: i32 [..];
    }

    /// What was forgotten.
    pub struct OffsetDeleteResponse {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<OffsetDeleteResponseTopic> [..];
    }

    /// What was forgotten of one topic.
    pub struct OffsetDeleteResponseTopic {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<OffsetDeleteResponsePartition> [..];
    }

    /// Whether one partition's offset was forgotten.
    pub struct OffsetDeleteResponsePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}
