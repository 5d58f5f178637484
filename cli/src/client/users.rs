//! Users and their credentials: told, set, removed.

use forebay_kafka::model::Secret;
use forebay_kafka::model::user::PasswordHash;
use forebay_kafka::wire::messages::alter_user_scram_credentials::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use forebay_kafka::wire::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use forebay_kafka::wire::{ErrorCode, Str};

use super::admin::not_controller;
use super::cluster::{Cluster, To};
use super::error::ClientError;

/// A credential as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialListing {
    /// Whose.
    pub user: String,
    /// Made with which hash; `None` for one that we do not know.
    pub hash: Option<PasswordHash>,
    /// How often the password was hashed.
    pub iterations: i32,
}

/// Kafka's number for the mechanism of a hash.
fn number(hash: PasswordHash) -> i8 {
    match hash {
        PasswordHash::Sha256 => 1,
        PasswordHash::Sha512 => 2,
    }
}

/// Every credential.
///
/// # Errors
/// The broker's.
pub fn list(cluster: &mut Cluster) -> Result<Vec<CredentialListing>, ClientError> {
    let request = DescribeUserScramCredentialsRequest::default();
    cluster.persist("listing users", |cluster, deadline| {
        let response = cluster.call(To::Anyone, &request, deadline)?;
        let message = response.error_message.as_ref().map(Str::as_str);
        ClientError::check("listing users", response.error_code, message)?;
        let mut found = Vec::new();
        for user in &response.results {
            let hash = |mechanism| PasswordHash::ALL.into_iter().find(|hash| number(*hash) == mechanism);
            found.extend(user.credential_infos.iter().map(|info| CredentialListing {
                user: user.user.to_string(),
                hash: hash(info.mechanism),
                iterations: info.iterations,
            }));
        }
        Ok(found)
    })
}

/// Sets a credential of a user, whether there was one or not.
///
/// # Errors
/// The broker's.
pub fn set(
    cluster: &mut Cluster,
    user: &str,
    hash: PasswordHash,
    iterations: i32,
    salt: Vec<u8>,
    salted_password: Secret,
) -> Result<(), ClientError> {
    let upsertion = ScramCredentialUpsertion {
        name: Str::from(user),
        mechanism: number(hash),
        iterations,
        salt: bytes::Bytes::from(salt).into(),
        salted_password: salted_password.into_bytes().into(),
    };
    alter(cluster, AlterUserScramCredentialsRequest { upsertions: vec![upsertion], ..Default::default() })
}

/// Removes a credential of a user.
///
/// # Errors
/// The broker's.
pub fn remove(cluster: &mut Cluster, user: &str, hash: PasswordHash) -> Result<(), ClientError> {
    let deletion = ScramCredentialDeletion { name: Str::from(user), mechanism: number(hash) };
    alter(cluster, AlterUserScramCredentialsRequest { deletions: vec![deletion], ..Default::default() })
}

fn alter(cluster: &mut Cluster, request: AlterUserScramCredentialsRequest) -> Result<(), ClientError> {
    let results = cluster.persist("changing users", |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        not_controller(response.results.iter().map(|result| result.error_code))?;
        Ok(response.results)
    })?;
    for result in results {
        let message = result.error_message.as_ref().map(Str::as_str);
        ClientError::check(format!("changing user {}", result.user), result.error_code, message)?;
    }
    Ok(())
}

/// Whether a refusal says that there is no such credential.
pub fn is_missing(why: &ClientError) -> bool {
    why.code() == Some(ErrorCode::ResourceNotFound)
}
