//! DeleteRecords, key 21: delete a partition's records before an offset.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Records to delete.
    pub struct DeleteRecordsRequest {
        /// The topics.
        topics: Vec<DeleteRecordsTopic> [..];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [..];
    }

    /// Records to delete from one topic.
    pub struct DeleteRecordsTopic {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<DeleteRecordsPartition> [..];
    }

    /// Records to delete from one partition.
    pub struct DeleteRecordsPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Records before this offset go; -1 for all readable ones.
        offset: i64 [..];
    }

    /// What was deleted.
    pub struct DeleteRecordsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<DeleteRecordsTopicResult> [..];
    }

    /// What was deleted from one topic.
    pub struct DeleteRecordsTopicResult {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<DeleteRecordsPartitionResult> [..];
    }

    /// What was deleted from one partition.
    pub struct DeleteRecordsPartitionResult {
        /// The partition's number.
        partition_index: i32 [..];
        /// First offset that is still there; -1 on error.
        low_watermark: i64 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}
