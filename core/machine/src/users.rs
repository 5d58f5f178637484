//! Users' credentials: a part of the catalogue, so that every node can tell who logs in. What is kept of a password suffices to
//! check a proof and to give one back (RFC 5802), not to log in with it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use forebay_model::limits::{
    CREDENTIAL_ITERATIONS_MAX, CREDENTIAL_ITERATIONS_MIN, CREDENTIAL_SALT_BYTES_MAX, CREDENTIALS_MAX,
};
use forebay_model::user::PasswordHash;
use forebay_model::{Principal, Refusal};

use crate::codec::{DecodeError, Reader, Writer};
use crate::shared_map::SharedMap;

/// Which credential: of whom, and made with which hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialKey {
    /// The user's name.
    pub user: Arc<str>,
    /// The hash.
    pub hash: PasswordHash,
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What was hashed with it, 1 to [`CREDENTIAL_SALT_BYTES_MAX`] bytes.
    pub salt: Bytes,
    /// How often, [`CREDENTIAL_ITERATIONS_MIN`] to [`CREDENTIAL_ITERATIONS_MAX`] times.
    pub iterations: u32,
    /// `StoredKey`: who knows the password can show what this is the hash of.
    pub stored_key: Bytes,
    /// `ServerKey`: what we show in return.
    pub server_key: Bytes,
}

/// The iterations only.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// See [`Command::SetCredential`](crate::Command::SetCredential).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCredential {
    /// Which.
    pub key: CredentialKey,
    /// What it is from now on.
    pub credential: Credential,
}

/// All credentials; a clone is a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Users {
    credentials: SharedMap<CredentialKey, Arc<Credential>>,
}

impl Users {
    /// One credential.
    pub fn credential(&self, key: &CredentialKey) -> Option<&Arc<Credential>> {
        self.credentials.get(key)
    }

    /// All of them, by rising name.
    pub fn credentials(&self) -> impl Iterator<Item = (&CredentialKey, &Arc<Credential>)> {
        self.credentials.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Says whether anything is another now.
    pub(crate) fn set(&mut self, set: SetCredential) -> Result<bool, Refusal> {
        let SetCredential { key, credential } = set;
        check(&key, &credential)?;
        let present = self.credentials.get(&key);
        if present.is_some_and(|present| **present == credential) {
            return Ok(false);
        }
        if present.is_none() && self.credentials.len() >= CREDENTIALS_MAX {
            return Err(Refusal::LimitReached { limit: "CREDENTIALS_MAX" });
        }
        self.credentials.insert(key, Arc::new(credential));
        Ok(true)
    }

    pub(crate) fn remove(&mut self, key: &CredentialKey) -> Result<(), Refusal> {
        self.credentials.remove(key).map(drop).ok_or(Refusal::UnknownCredential)
    }

    /// By rising key, so that equal states give equal bytes.
    pub(crate) fn encode(&self, out: &mut Writer) {
        out.len(self.credentials.len());
        for (key, credential) in self.credentials.iter() {
            encode_key(key, out);
            encode_credential(credential, out);
        }
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Users, DecodeError> {
        let listed =
            input.list("credentials", |input| Ok((decode_key(input)?, decode_credential(input)?)))?;
        let sound = listed.is_sorted_by(|(a, _), (b, _)| a < b)
            && listed.len() <= CREDENTIALS_MAX
            && listed.iter().all(|(key, credential)| check(key, credential).is_ok());
        if !sound {
            return Err(DecodeError::Invalid("the credentials"));
        }
        let mut users = Users::default();
        for (key, credential) in listed {
            users.credentials.insert(key, Arc::new(credential));
        }
        Ok(users)
    }
}

fn check(key: &CredentialKey, credential: &Credential) -> Result<(), Refusal> {
    let no = |why: String| Err(Refusal::InvalidCredential(why));
    match Principal::user(&key.user) {
        Ok(nobody) if nobody.is_anonymous() => {
            return no(format!("{} is who has not logged in", nobody.name()));
        }
        Ok(_) => {}
        Err(why) => return no(why.to_string()),
    }
    if !(CREDENTIAL_ITERATIONS_MIN..=CREDENTIAL_ITERATIONS_MAX).contains(&credential.iterations) {
        return no(format!(
            "a password is hashed {CREDENTIAL_ITERATIONS_MIN} to {CREDENTIAL_ITERATIONS_MAX} times, not {}",
            credential.iterations
        ));
    }
    if !(1..=CREDENTIAL_SALT_BYTES_MAX).contains(&credential.salt.len()) {
        return no(format!("a salt has 1 to {CREDENTIAL_SALT_BYTES_MAX} bytes"));
    }
    let bytes = key.hash.bytes();
    if credential.stored_key.len() != bytes || credential.server_key.len() != bytes {
        return no(format!("a key of {} has {bytes} bytes", key.hash.mechanism_name()));
    }
    Ok(())
}

/// Shared with the commands.
pub(crate) fn encode_key(key: &CredentialKey, out: &mut Writer) {
    out.text(&key.user);
    out.u8(match key.hash {
        PasswordHash::Sha256 => 1,
        PasswordHash::Sha512 => 2,
    });
}

/// Shared with the commands.
pub(crate) fn decode_key(input: &mut Reader<'_>) -> Result<CredentialKey, DecodeError> {
    let user = input.text("a user's name")?.into();
    let hash = match input.u8("a credential's hash")? {
        1 => PasswordHash::Sha256,
        2 => PasswordHash::Sha512,
        _ => return Err(DecodeError::Invalid("a credential's hash")),
    };
    Ok(CredentialKey { user, hash })
}

/// Shared with the commands.
pub(crate) fn encode_credential(credential: &Credential, out: &mut Writer) {
    out.bytes(&credential.salt);
    out.uint(credential.iterations);
    out.bytes(&credential.stored_key);
    out.bytes(&credential.server_key);
}

/// Shared with the commands.
pub(crate) fn decode_credential(input: &mut Reader<'_>) -> Result<Credential, DecodeError> {
    Ok(Credential {
        salt: input.bytes("a salt")?,
        iterations: input.narrow("iterations")?,
        stored_key: input.bytes("a stored key")?,
        server_key: input.bytes("a server key")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> CredentialKey {
        CredentialKey { user: user.into(), hash: PasswordHash::Sha256 }
    }

    fn credential() -> Credential {
        Credential {
            salt: Bytes::from_static(b"salt"),
            iterations: CREDENTIAL_ITERATIONS_MIN,
            stored_key: vec![1; 32].into(),
            server_key: vec![2; 32].into(),
        }
    }

    fn refusal(key: CredentialKey, credential: Credential) -> String {
        let refused = Users::default().set(SetCredential { key, credential });
        refused.expect_err("it is refused").to_string()
    }

    #[test]
    fn a_credential_that_could_not_be_used_is_refused() {
        let with = |change: fn(&mut Credential)| {
            let mut credential = credential();
            change(&mut credential);
            refusal(key("alice"), credential)
        };
        assert!(with(|c| c.iterations = 4_095).contains("4096 to 16384 times"));
        assert!(with(|c| c.iterations = 16_385).contains("not 16385"));
        assert!(with(|c| c.salt = Bytes::new()).contains("salt"));
        assert!(with(|c| c.salt = vec![0; 257].into()).contains("salt"));
        assert!(with(|c| c.stored_key = vec![1; 64].into()).contains("32 bytes"));
        assert!(refusal(key(""), credential()).contains("at least one"));
        assert!(refusal(key("ANONYMOUS"), credential()).contains("has not logged in"));
    }

    #[test]
    fn a_credential_is_not_shown() {
        let set = SetCredential { key: key("alice"), credential: credential() };
        let shown = format!("{set:?}");
        assert!(shown.contains("alice") && shown.contains("4096") && !shown.contains("1, 1"), "{shown}");
    }

    #[test]
    fn what_is_set_twice_is_set_once() {
        let mut users = Users::default();
        let set = || SetCredential { key: key("alice"), credential: credential() };
        assert_eq!((users.set(set()), users.set(set()), users.len()), (Ok(true), Ok(false), 1));
        assert_eq!(users.remove(&key("bob")), Err(Refusal::UnknownCredential));
        assert_eq!((users.remove(&key("alice")), users.is_empty()), (Ok(()), true));
    }
}
