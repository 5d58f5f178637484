//! AlterUserScramCredentials, key 51: set and delete users' SCRAM credentials (KIP-554). Passwords are salted and hashed
//! before they are sent; what is sent still suffices to pose as the user.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::secret::Secret;
use crate::wire::text::Str;

wire_struct! {
    /// Credentials to delete and to set.
    pub struct AlterUserScramCredentialsRequest {
        /// What to delete.
        deletions: Vec<ScramCredentialDeletion> [..];
        /// What to set, whether it was there or not.
        upsertions: Vec<ScramCredentialUpsertion> [..];
    }

    /// A credential to delete.
    pub struct ScramCredentialDeletion {
        /// The user's name.
        name: Str [..];
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [..];
    }

    /// A credential to set.
    pub struct ScramCredentialUpsertion {
        /// The user's name.
        name: Str [..];
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 [..];
        /// How often the password was hashed.
        iterations: i32 [..];
        /// What was hashed with the password.
        salt: Secret [..];
        /// The hash.
        salted_password: Secret [..];
    }

    /// What was changed.
    pub struct AlterUserScramCredentialsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each user.
        results: Vec<AlterUserScramCredentialsResult> [..];
    }

    /// Whether one user's credentials were changed.
    pub struct AlterUserScramCredentialsResult {
        /// The user's name.
        user: Str [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}
