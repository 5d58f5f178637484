//! ListGroups, key 16: the groups this broker keeps.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Which groups to list.
    pub struct ListGroupsRequest {
        /// Only groups in these states; empty for all.
        states_filter: Vec<Str> [4..];
        /// Only groups of these types; empty for all.
        types_filter: Vec<Str> [5..];
    }

    /// The groups.
    pub struct ListGroupsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The groups.
        groups: Vec<ListedGroup> [..];
    }

    /// A group.
    pub struct ListedGroup {
        /// The group.
        group_id: Str [..];
        /// What kind of group this is: `consumer`, `connect` or an application's own.
        protocol_type: Str [..];
        /// The group's state by Kafka's name; empty on error.
        group_state: Str [4.., lossy(true)];
        /// The group's kind: `classic` or `consumer`.
        group_type: Str [5.., lossy(true)];
    }
}
