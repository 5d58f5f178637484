//! DescribeUserScramCredentials, key 50: with which SCRAM mechanisms users may authenticate (KIP-554). It tells nothing that
//! is secret.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Users to describe.
    pub struct DescribeUserScramCredentialsRequest {
        /// The users; null or none for all.
        users: Option<Vec<UserName>> [..];
    }

    /// A user to describe.
    pub struct UserName {
        /// The user's name.
        name: Str [..];
    }

    /// Users described.
    pub struct DescribeUserScramCredentialsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// An answer for each user.
        results: Vec<DescribeUserScramCredentialsResult> [..];
    }

    /// A user.
    pub struct DescribeUserScramCredentialsResult {
        /// The user's name.
        user: Str [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The user's credentials, one for each mechanism.
        credential_infos: Vec<CredentialInfo> [..];
    }

    /// What may be known of a credential.
    pub struct CredentialInfo {
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [..];
        /// How often the password was hashed.
        iterations: i32 [..];
    }
}
