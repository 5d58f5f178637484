//! OffsetCommit, key 8: a group notes how far it has come. Version 10 names topics by id (KIP-848).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Offsets of a group to note.
    pub struct OffsetCommitRequest {
        /// The group.
        group_id: Str [..];
        /// The member's generation or epoch; -1 from outside any.
        generation_id_or_member_epoch: i32 [.., default(-1)];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [7..];
        /// How long to keep the offsets, milliseconds; -1 for the broker's choice.
        retention_time_ms: i64 [..5, lossy(true), default(-1)];
        /// The topics.
        topics: Vec<OffsetCommitRequestTopic> [..];
    }

    /// Offsets of one topic.
    pub struct OffsetCommitRequestTopic {
        /// The topic's name.
        name: Str [..10, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [10.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<OffsetCommitRequestPartition> [..];
    }

    /// The offset of one partition.
    pub struct OffsetCommitRequestPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Offset of the next record to consume; -1 for none.
        committed_offset: i64 [..];
        /// Leader epoch of the last record consumed; -1 if unknown.
        committed_leader_epoch: i32 [6.., lossy(true), default(-1)];
        /// What the client noted beside the offset.
        committed_metadata: Option<Str> [..];
    }

    /// What was noted.
    pub struct OffsetCommitResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [3.., lossy(true)];
        /// The topics.
        topics: Vec<OffsetCommitResponseTopic> [..];
    }

    /// What was noted of one topic.
    pub struct OffsetCommitResponseTopic {
        /// The topic's name.
        name: Str [..10, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [10.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<OffsetCommitResponsePartition> [..];
    }

    /// Whether one partition's offset was noted.
    pub struct OffsetCommitResponsePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}
