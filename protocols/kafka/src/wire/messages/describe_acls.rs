//! DescribeAcls, key 29: access rules that match a filter. Version 1 knows prefixes (KIP-290), version 3 users as resources
//! (KIP-373).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Which rules to describe.
    pub struct DescribeAclsRequest {
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

    /// Rules described.
    pub struct DescribeAclsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The resources that rules are about.
        resources: Vec<DescribeAclsResource> [..];
    }

    /// A resource, or all with a prefix, and the rules about it.
    pub struct DescribeAclsResource {
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 [..];
        /// The resource's name or the prefix; `*` for any.
        resource_name: Str [..];
        /// 3 for this name alone, 4 for names that begin so.
        pattern_type: i8 [.., default(3)];
        /// The rules.
        acls: Vec<AclDescription> [..];
    }

    /// A rule.
    pub struct AclDescription {
        /// The principal, as `User:name`; `User:*` for any.
        principal: Str [..];
        /// The host; `*` for any.
        host: Str [..];
        /// What may be done or not; numbers as in the request.
        operation: i8 [..];
        /// 2 deny, 3 allow.
        permission_type: i8 [..];
    }
}
