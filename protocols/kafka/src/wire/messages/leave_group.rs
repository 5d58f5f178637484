//! LeaveGroup, key 13: members leave. Versions from 3 on let several leave at once.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Who leaves; one member before version 3, a list from 3 on.
    pub struct LeaveGroupRequest {
        /// The group.
        group_id: Str [..];
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..3];
        /// The members.
        members: Vec<MemberIdentity> [3..];
    }

    /// A leaving member.
    pub struct MemberIdentity {
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [3..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [3..];
        /// Why, for the broker's log.
        reason: Option<Str> [5.., lossy(true)];
    }

    /// Who is out.
    pub struct LeaveGroupResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The members.
        members: Vec<MemberResponse> [3..];
    }

    /// Whether one member is out.
    pub struct MemberResponse {
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [3..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [3..];
        /// What went wrong.
        error_code: ErrorCode [3..];
    }
}
