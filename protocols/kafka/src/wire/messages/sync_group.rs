//! SyncGroup, key 14: the leader hands in everyone's share, everyone gets theirs.

use bytes::Bytes;

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A member wants its share.
    pub struct SyncGroupRequest {
        /// The group.
        group_id: Str [..];
        /// The group's generation the member is in.
        generation_id: i32 [..];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [3..];
        /// What kind of group this is: `consumer`, `connect` or an application's own.
        protocol_type: Option<Str> [5.., lossy(true)];
        /// The protocol chosen by the group.
        protocol_name: Option<Str> [5.., lossy(true)];
        /// The share of every member; from the group's leader only, empty from the others.
        assignments: Vec<SyncGroupRequestAssignment> [..];
    }

    /// One member's share.
    pub struct SyncGroupRequestAssignment {
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's share, as the group's leader wrote it; opaque to the broker.
        assignment: Bytes [..];
    }

    /// The member's share.
    pub struct SyncGroupResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// What kind of group this is: `consumer`, `connect` or an application's own.
        protocol_type: Option<Str> [5.., lossy(true)];
        /// The protocol chosen by the group.
        protocol_name: Option<Str> [5.., lossy(true)];
        /// The member's share, as the group's leader wrote it; opaque to the broker.
        assignment: Bytes [..];
    }
}
