//! ConsumerGroupHeartbeat, key 68: join, stay in and leave a group whose shares the broker deals out (KIP-848). Version 1 can
//! subscribe by a pattern, and has the member make its own id (KIP-1082).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// A member lives. What has not changed since its last heartbeat, it leaves out.
    pub struct ConsumerGroupHeartbeatRequest {
        /// The group.
        group_id: Str [..];
        /// The member's id, the same for as long as its process lives.
        member_id: Str [..];
        /// The member's epoch; 0 to join, -1 to leave, -2 for a static member that will be back.
        member_epoch: i32 [..];
        /// The member's own lasting name (static membership); null for a dynamic member, or when unchanged.
        instance_id: Option<Str> [..];
        /// The member's rack; null for none, or when unchanged.
        rack_id: Option<Str> [..];
        /// How long the broker waits for this member to give partitions up, milliseconds; -1 when unchanged.
        rebalance_timeout_ms: i32 [.., default(-1)];
        /// The topics subscribed to; null when unchanged.
        subscribed_topic_names: Option<Vec<Str>> [..];
        /// The regular expression of the topics subscribed to; null when unchanged.
        subscribed_topic_regex: Option<Str> [1..];
        /// The broker's assignor to use, by name; null for any, or when unchanged.
        server_assignor: Option<Str> [..];
        /// The partitions that the member has; null when unchanged.
        topic_partitions: Option<Vec<TopicPartitions>> [..];
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// Where the member stands.
    pub struct ConsumerGroupHeartbeatResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The member's id; in version 0 the broker may have made it.
        member_id: Option<Str> [..];
        /// The member's epoch.
        member_epoch: i32 [..];
        /// When the next heartbeat is due, milliseconds.
        heartbeat_interval_ms: i32 [..];
        /// The member's share; null when unchanged.
        assignment: Option<Assignment> [..];
    }

    /// A member's share.
    pub struct Assignment {
        /// The partitions that the member may have at once.
        topic_partitions: Vec<TopicPartitions> [..];
    }
}
