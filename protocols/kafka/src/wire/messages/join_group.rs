//! JoinGroup, key 11: become a member of a classic group, and learn of the new generation.

use bytes::Bytes;

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A member wants in.
    pub struct JoinGroupRequest {
        /// The group.
        group_id: Str [..];
        /// Silence after which the member is out, milliseconds.
        session_timeout_ms: i32 [..];
        /// How long a rebalance waits for this member, milliseconds; -1 for the session timeout.
        rebalance_timeout_ms: i32 [1.., lossy(true), default(-1)];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [5..];
        /// What kind of group this is: `consumer`, `connect` or an application's own.
        protocol_type: Str [..];
        /// The protocols the member can follow, the preferred one first.
        protocols: Vec<JoinGroupRequestProtocol> [..];
        /// Why, for the broker's log.
        reason: Option<Str> [8.., lossy(true)];
    }

    /// A protocol the member can follow.
    pub struct JoinGroupRequestProtocol {
        /// The protocol (assignor) by name.
        name: Str [..];
        /// The member's metadata for this protocol; opaque to the broker.
        metadata: Bytes [..];
    }

    /// The new generation.
    pub struct JoinGroupResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [2.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The generation just begun; -1 on error.
        generation_id: i32 [.., default(-1)];
        /// What kind of group this is: `consumer`, `connect` or an application's own.
        protocol_type: Option<Str> [7.., lossy(true)];
        /// The protocol chosen by the group.
        protocol_name: Option<Str> [.., null(7..)];
        /// Member id of the group's leader.
        leader: Str [..];
        /// Whether the leader must not run its assignor, for a static leader's rejoin changed nothing.
        skip_assignment: bool [9..];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// All members, for the leader; empty for the others.
        members: Vec<JoinGroupResponseMember> [..];
    }

    /// A member, as its leader sees it.
    pub struct JoinGroupResponseMember {
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [5.., lossy(true)];
        /// The member's metadata for this protocol; opaque to the broker.
        metadata: Bytes [..];
    }
}
