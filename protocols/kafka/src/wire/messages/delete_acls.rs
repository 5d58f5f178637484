//! DeleteAcls, key 31: take away the access rules that match filters. Version 1 knows prefixes (KIP-290), version 3 users as
//! resources (KIP-373).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Rules to take away.
    pub struct DeleteAclsRequest {
        /// The filters; each takes away every rule that it matches.
        filters: Vec<DeleteAclsFilter> [..];
    }

    /// Which rules to take away.
    pub struct DeleteAclsFilter {
        /// 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type_filter: i8 [..];
        /// The resource's name; null for any.
        resource_name_filter: Option<Str> [..];
        /// 1 any, 2 every rule that applies to this name, 3 for this name alone, 4 for names that begin so.
        pattern_type_filter: i8 [.., default(3)];
        /// The principal, as `User:name`; null for any.
        principal_filter: Option<Str> [..];
        /// The host; null for any.
        host_filter: Option<Str> [..];
        /// 1 any, 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 describe configs,
        /// 11 alter configs, 12 idempotent write, 13 create tokens, 14 describe tokens, 15 two-phase commit.
        operation: i8 [..];
        /// 1 any, 2 deny, 3 allow.
        permission_type: i8 [..];
    }

    /// What was taken away.
    pub struct DeleteAclsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each filter, in the request's order.
        filter_results: Vec<DeleteAclsFilterResult> [..];
    }

    /// What one filter took away.
    pub struct DeleteAclsFilterResult {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The rules that matched.
        matching_acls: Vec<DeleteAclsMatchingAcl> [..];
    }

    /// Whether one rule was taken away.
    pub struct DeleteAclsMatchingAcl {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 [..];
        /// The resource's name or the prefix; `*` for any.
        resource_name: Str [..];
        /// 3 for this name alone, 4 for names that begin so.
        pattern_type: i8 [.., default(3)];
        /// The principal, as `User:name`; `User:*` for any.
        principal: Str [..];
        /// The host; `*` for any.
        host: Str [..];
        /// What might be done or not; numbers as in the request.
        operation: i8 [..];
        /// 2 deny, 3 allow.
        permission_type: i8 [..];
    }
}
