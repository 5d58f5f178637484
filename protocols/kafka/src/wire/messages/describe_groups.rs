//! DescribeGroups, key 15: classic groups with their members.

use bytes::Bytes;

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Groups to describe.
    pub struct DescribeGroupsRequest {
        /// The groups.
        groups: Vec<Str> [..];
        /// Whether to say which operations the caller may perform.
        include_authorized_operations: bool [3..];
    }

    /// Groups described.
    pub struct DescribeGroupsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// The groups.
        groups: Vec<DescribedGroup> [..];
    }

    /// A group.
    pub struct DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [6.., lossy(true)];
        /// The group.
        group_id: Str [..];
        /// The group's state by Kafka's name; empty on error.
        group_state: Str [..];
        /// What kind of group this is: `consumer`, `connect` or an application's own.
        protocol_type: Str [..];
        /// The protocol chosen by the group; empty while there is none.
        protocol_data: Str [..];
        /// The members.
        members: Vec<DescribedGroupMember> [..];
        /// Bits of the operations the caller may perform; the smallest `i32` when not asked for.
        authorized_operations: i32 [3.., default(i32::MIN)];
    }

    /// A member.
    pub struct DescribedGroupMember {
        /// The member's id, which the broker gave it; empty on first contact.
        member_id: Str [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        group_instance_id: Option<Str> [4.., lossy(true)];
        /// What the member's client calls itself.
        client_id: Str [..];
        /// Where the member connects from.
        client_host: Str [..];
        /// The member's metadata for the chosen protocol; opaque to the broker.
        member_metadata: Bytes [..];
        /// The member's share, as the group's leader wrote it; opaque to the broker.
        member_assignment: Bytes [..];
    }
}
