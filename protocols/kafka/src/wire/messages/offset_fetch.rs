//! OffsetFetch, key 9: how far a group has come. Versions from 8 on ask for several groups at once, version
//! 10 names topics by id (KIP-848).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Groups and partitions whose offsets are wanted; one group in its own fields before version 8, a list
    /// from 8 on.
    pub struct OffsetFetchRequest {
        /// The group.
        group_id: Str [..8];
        /// The topics asked for; null for all.
        topics: Option<Vec<OffsetFetchRequestTopic>> [..8, null(2..8)];
        /// The groups.
        groups: Vec<OffsetFetchRequestGroup> [8..];
        /// Whether to answer `UNSTABLE_OFFSET_COMMIT` while a transaction holds offsets back.
        require_stable: bool [7..];
    }

    /// Partitions of one topic.
    pub struct OffsetFetchRequestTopic {
        /// The topic's name.
        name: Str [..8];
        /// The partitions' numbers.
        partition_indexes: Vec<i32> [..8];
    }

    /// What is wanted of one group.
    pub struct OffsetFetchRequestGroup {
        /// The group.
        group_id: Str [8..];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Option<Str> [9.., lossy(true)];
        /// The member's epoch; -1 from outside a group.
        member_epoch: i32 [9.., lossy(true), default(-1)];
        /// The topics asked for; null for all.
        topics: Option<Vec<OffsetFetchRequestTopics>> [8..];
    }

    /// Partitions of one topic.
    pub struct OffsetFetchRequestTopics {
        /// The topic's name.
        name: Str [8..10, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [10.., lossy(true)];
        /// The partitions' numbers.
        partition_indexes: Vec<i32> [8..];
    }

    /// Offsets noted; one group's before version 8, a list from 8 on.
    pub struct OffsetFetchResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [3.., lossy(true)];
        /// The topics.
        topics: Vec<OffsetFetchResponseTopic> [..8];
        /// What went wrong.
        error_code: ErrorCode [2..8, lossy(true)];
        /// An answer for each group.
        groups: Vec<OffsetFetchResponseGroup> [8..];
    }

    /// Offsets of one topic.
    pub struct OffsetFetchResponseTopic {
        /// The topic's name.
        name: Str [..8];
        /// The topic's partitions.
        partitions: Vec<OffsetFetchResponsePartition> [..8];
    }

    /// The offset of one partition.
    pub struct OffsetFetchResponsePartition {
        /// The partition's number.
        partition_index: i32 [..8];
        /// Offset of the next record to consume; -1 for none.
        committed_offset: i64 [..8];
        /// Leader epoch of the last record consumed; -1 if unknown.
        committed_leader_epoch: i32 [5..8, lossy(true), default(-1)];
        /// What the client noted beside the offset.
        metadata: Option<Str> [..8];
        /// What went wrong.
        error_code: ErrorCode [..8];
    }

    /// Offsets of one group.
    pub struct OffsetFetchResponseGroup {
        /// The group.
        group_id: Str [8..];
        /// The topics.
        topics: Vec<OffsetFetchResponseTopics> [8..];
        /// What went wrong.
        error_code: ErrorCode [8..];
    }

    /// Offsets of one topic.
    pub struct OffsetFetchResponseTopics {
        /// The topic's name.
        name: Str [8..10, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [10.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<OffsetFetchResponsePartitions> [8..];
    }

    /// The offset of one partition.
    pub struct OffsetFetchResponsePartitions {
        /// The partition's number.
        partition_index: i32 [8..];
        /// Offset of the next record to consume; -1 for none.
        committed_offset: i64 [8..];
        /// Leader epoch of the last record consumed; -1 if unknown.
        committed_leader_epoch: i32 [8.., lossy(true), default(-1)];
        /// What the client noted beside the offset.
        metadata: Option<Str> [8..];
        /// What went wrong.
        error_code: ErrorCode [8..];
    }
}
