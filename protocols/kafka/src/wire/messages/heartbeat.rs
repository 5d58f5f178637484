//! Heartbeat, key 12: a member is alive.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A member is alive.
    pub struct HeartbeatRequest {
        /// The group.
        group_id: Str [..];
        /// The group's generation the member is in.
        generation_id: i32 [..];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [3..];
    }

    /// Whether it may go on.
    pub struct HeartbeatResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}
