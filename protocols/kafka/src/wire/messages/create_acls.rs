//! CreateAcls, key 30: add access rules. Version 1 knows prefixes (KIP-290), version 3 users as resources (KIP-373).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Rules to add.
    pub struct CreateAclsRequest {
        /// The rules.
        creations: Vec<AclCreation> [..];
    }

    /// A rule to add.
    pub struct AclCreation {
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8 [..];
        /// The resource's name or the prefix; `*` for any.
        resource_name: Str [..];
        /// 3 for this name alone, 4 for names that begin so.
        resource_pattern_type: i8 [.., default(3)];
        /// The principal, as `User:name`; `User:*` for any.
        principal: Str [..];
        /// The host; `*` for any.
        host: Str [..];
        /// 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 describe configs, 11 alter
        /// configs, 12 idempotent write, 13 create tokens, 14 describe tokens, 15 two-phase commit.
        operation: i8 [..];
        /// 2 deny, 3 allow.
        permission_type: i8 [..];
    }

    /// What was added.
    pub struct CreateAclsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each rule, in the request's order.
        results: Vec<AclCreationResult> [..];
    }

    /// Whether one rule was added.
    pub struct AclCreationResult {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}
