//! Users and their credentials: what is kept of a password so that its owner can be recognised.

use bytes::Bytes;

use crate::{Refusal, Secret};

/// The hash that a credential is made with; a user may have one credential for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PasswordHash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl PasswordHash {
    /// Both.
    pub const ALL: [PasswordHash; 2] = [PasswordHash::Sha256, PasswordHash::Sha512];

    /// Bytes of its values.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            PasswordHash::Sha256 => 32,
            PasswordHash::Sha512 => 64,
        }
    }

    /// The SASL mechanism that uses it.
    #[must_use]
    pub const fn mechanism_name(self) -> &'static str {
        match self {
            PasswordHash::Sha256 => "SCRAM-SHA-256",
            PasswordHash::Sha512 => "SCRAM-SHA-512",
        }
    }
}

/// Which users to describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSelection {
    /// Every one that has a credential.
    All,
    /// These, at most [`USERS_DESCRIBED_MAX`](crate::limits::USERS_DESCRIBED_MAX).
    These(Vec<String>),
}

/// Asks with what users may log in. Nothing that is secret is told.
#[derive(Clone, Debug)]
pub struct DescribeUsers {
    /// Which.
    pub users: UserSelection,
}

/// The answer for one user.
#[derive(Clone, Debug)]
pub struct DescribedUser {
    /// As asked.
    pub name: String,
    /// The credentials, one at least.
    pub credentials: Result<Vec<CredentialView>, Refusal>,
}

/// What may be known of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialView {
    /// The hash it is made with.
    pub hash: PasswordHash,
    /// How often the password was hashed.
    pub iterations: u32,
}

/// Sets and removes credentials; each by itself.
#[derive(Clone, Debug)]
pub struct AlterUsers {
    /// What, for at most [`USERS_PER_REQUEST_MAX`](crate::limits::USERS_PER_REQUEST_MAX) users; those above it are refused, and so is one
    /// that is named twice.
    pub changes: Vec<UserChange>,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// A change of one user.
#[derive(Clone, Debug)]
pub struct UserChange {
    /// The user's name, not yet checked.
    pub name: String,
    /// Which of its credentials.
    pub hash: PasswordHash,
    /// What becomes of it.
    pub change: CredentialChange,
}

/// What becomes of a credential.
#[derive(Clone, Debug)]
pub enum CredentialChange {
    /// It goes.
    Remove,
    /// It is this from now on.
    Set {
        /// How often the password was hashed, from
        /// [`CREDENTIAL_ITERATIONS_MIN`](crate::limits::CREDENTIAL_ITERATIONS_MIN) to
        /// [`CREDENTIAL_ITERATIONS_MAX`](crate::limits::CREDENTIAL_ITERATIONS_MAX).
        iterations: u32,
        /// What was hashed with it.
        salt: Bytes,
        /// The hash: `SaltedPassword` of RFC 5802. It is not kept; what is kept cannot be used to log in.
        salted_password: Secret,
    },
}

/// The fate of one change.
#[derive(Clone, Debug)]
pub struct AlteredUser {
    /// As asked.
    pub name: String,
    /// Done or refused.
    pub result: Result<(), Refusal>,
}
