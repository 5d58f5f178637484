//! ShareGroupHeartbeat, key 76: join, stay in and leave a share group (KIP-932). Version 0 was an early access and is gone.
//!

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// A member lives. What has not changed since its last heartbeat, it leaves out.
    pub struct ShareGroupHeartbeatRequest {
        /// The group.
        group_id: Str [..];
        /// The member's id, the same for as long as its process lives.
        member_id: Str [..];
        /// The member's epoch; 0 to join, -1 to leave.
        member_epoch: i32 [..];
        /// The member's rack; null for none, or when unchanged.
        rack_id: Option<Str> [..];
        /// The topics subscribed to; null when unchanged.
        subscribed_topic_names: Option<Vec<Str>> [..];
    }

    /// Where the member stands.
    pub struct ShareGroupHeartbeatResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The member's id.
        member_id: Option<Str> [..];
        /// The member's epoch.
        member_epoch: i32 [..];
        /// When the next heartbeat is due, milliseconds.
        heartbeat_interval_ms: i32 [..];
        /// The partitions to read from; null when unchanged.
        assignment: Option<Assignment> [..];
    }

    /// The partitions that a member reads from, as others may too.
    pub struct Assignment {
        /// The topics.
        topic_partitions: Vec<TopicPartitions> [..];
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }
}
