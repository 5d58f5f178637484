//! TxnOffsetCommit, key 28: note how far a group has come, to hold when a transaction commits. From version 3 on the group's
//! coordinator fences members that are no longer in the group (KIP-447), from 4 on the error may be `TRANSACTION_ABORTABLE`,
//! and version 5 adds the group to the transaction by itself (KIP-890).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Offsets to note within a transaction.
    pub struct TxnOffsetCommitRequest {
        /// The transactional id.
        transactional_id: Str [..];
        /// The group.
        group_id: Str [..];
        /// The producer's id.
        producer_id: i64 [..];
        /// The producer's epoch, which fences older ones of the same id.
        producer_epoch: i16 [..];
        /// The group's generation, or the member's epoch; -1 from outside a group.
        generation_id: i32 [3.., default(-1)];
        /// The member's id; empty from outside a group.
        member_id: Str [3..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [3..];
        /// The topics.
        topics: Vec<TxnOffsetCommitRequestTopic> [..];
    }

    /// Offsets of one topic.
    pub struct TxnOffsetCommitRequestTopic {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<TxnOffsetCommitRequestPartition> [..];
    }

    /// The offset of one partition.
    pub struct TxnOffsetCommitRequestPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Offset of the next record to consume.
        committed_offset: i64 [..];
        /// Leader epoch of the last record consumed; -1 if unknown.
        committed_leader_epoch: i32 [2.., lossy(true), default(-1)];
        /// What the client noted beside the offset.
        committed_metadata: Option<Str> [..];
    }

    /// What was noted.
    pub struct TxnOffsetCommitResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<TxnOffsetCommitResponseTopic> [..];
    }

    /// What was noted of one topic.
    pub struct TxnOffsetCommitResponseTopic {
        /// The topic's name.
        name: Str [..];
        /// The topic's partitions.
        partitions: Vec<TxnOffsetCommitResponsePartition> [..];
    }

    /// Whether one partition's offset was noted.
    pub struct TxnOffsetCommitResponsePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}
