//! DeleteGroups, key 42: remove groups that have no members.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Groups to delete.
    pub struct DeleteGroupsRequest {
        /// The groups to delete.
        groups_names: Vec<Str> [..];
    }

    /// What was deleted.
    pub struct DeleteGroupsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each.
        results: Vec<DeletableGroupResult> [..];
    }

    /// Whether one group was deleted.
    pub struct DeletableGroupResult {
        /// The group.
        group_id: Str [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}
