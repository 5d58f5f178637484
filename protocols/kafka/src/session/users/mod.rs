//! DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554).

pub(super) mod alter;
pub(super) mod describe;

use forebay_kit::model::Refusal;
use forebay_kit::model::user::PasswordHash;

use super::errors::{self, Area};
use crate::wire::ErrorCode;

/// The hash behind Kafka's number of a mechanism.
fn hash(mechanism: i8) -> Option<PasswordHash> {
    PasswordHash::ALL.into_iter().find(|hash| number(*hash) == mechanism)
}

/// Kafka's number for the mechanism of a hash.
fn number(hash: PasswordHash) -> i8 {
    match hash {
        PasswordHash::Sha256 => 1,
        PasswordHash::Sha512 => 2,
    }
}

fn code(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::DuplicateItem => ErrorCode::DuplicateResource,
        other => errors::code(other, Area::Catalogue),
    }
}
