//! OffsetForLeaderEpoch, key 23: where a leader epoch ended, to detect truncation.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Epochs whose ends are wanted.
    pub struct OffsetForLeaderEpochRequest {
        /// The follower's broker id; -1 from a client, -2 from a client of a version before 3.
        replica_id: i32 [3.., lossy(true), default(-2)];
        /// The topics.
        topics: Vec<OffsetForLeaderTopic> [..];
    }

    /// Epochs of one topic's partitions.
    pub struct OffsetForLeaderTopic {
        /// The topic's name.
        topic: Str [..];
        /// The topic's partitions.
        partitions: Vec<OffsetForLeaderPartition> [..];
    }

    /// An epoch of one partition.
    pub struct OffsetForLeaderPartition {
        /// The partition's number.
        partition: i32 [..];
        /// The leader epoch the client knows, to fence stale views; -1 to skip the check.
        current_leader_epoch: i32 [.., default(-1)];
        /// The epoch whose end is asked for.
        leader_epoch: i32 [..];
    }

    /// Where the epochs ended.
    pub struct OffsetForLeaderEpochResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<OffsetForLeaderTopicResult> [..];
    }

    /// Where epochs of one topic's partitions ended.
    pub struct OffsetForLeaderTopicResult {
        /// The topic's name.
        topic: Str [..];
        /// The topic's partitions.
        partitions: Vec<EpochEndOffset> [..];
    }

    /// A leader epoch and where it ended.
    pub struct EpochEndOffset {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The partition's number.
        partition: i32 [..];
        /// The partition's leader epoch; -1 if unknown.
        leader_epoch: i32 [.., default(-1)];
        /// End of that epoch: the first offset after it; -1 if unknown.
        end_offset: i64 [.., default(-1)];
    }
}
