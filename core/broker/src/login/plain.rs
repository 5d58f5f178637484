//! PLAIN (RFC 4616), and the passwords that were found right before.

use std::collections::BTreeMap;

use forebay_machine::{Credential, CredentialKey};
use forebay_model::user::PasswordHash;
use forebay_model::{Refusal, Secret};

use super::hash::{equal, hmac, keys, salted};

/// Credentials whose password is remembered as right; above it all are forgotten, and found right again.
const VERIFIED_MAX: usize = 10_000;

/// A name and a password.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) name: String,
    pub(crate) password: Secret,
}

impl Plain {
    /// Reads the only message.
    ///
    /// # Errors
    /// What is wrong with it; nothing of the password is told.
    pub(crate) fn read(message: &[u8]) -> Result<Plain, Refusal> {
        let mut parts = message.split(|byte| *byte == 0);
        let (Some(authzid), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("it has not three parts"));
        };
        let text = std::str::from_utf8(name).map_err(|_| malformed("the name is not UTF-8"))?;
        if text.is_empty() || password.is_empty() {
            return Err(malformed("the name or the password is empty"));
        }
        if !authzid.is_empty() && authzid != name {
            return Err(malformed("it asks to act for somebody else"));
        }
        Ok(Plain { name: text.to_owned(), password: password.to_vec().into() })
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::InvalidRequest(format!("the message of PLAIN cannot be read: {why}"))
}

/// Whether this is the password behind a credential. Milliseconds of work.
pub(crate) fn is_right(hash: PasswordHash, credential: &Credential, password: &Secret) -> bool {
    let salted = Secret::from(salted(hash, password.expose(), &credential.salt, credential.iterations));
    equal(&keys(hash, salted.expose()).stored, &credential.stored_key)
}

/// A password under a key that only this process knows: what is remembered of it.
pub(crate) fn tag(secret: &[u8], password: &Secret) -> Vec<u8> {
    hmac(PasswordHash::Sha256, secret, &[b"password", password.expose()])
}

/// Passwords that were found right, each for the very credential that it was found right for.
#[derive(Default)]
pub(crate) struct Verified {
    tags: BTreeMap<CredentialKey, (Vec<u8>, Vec<u8>)>,
}

impl Verified {
    pub(crate) fn has(&self, key: &CredentialKey, credential: &Credential, tag: &[u8]) -> bool {
        let kept = self.tags.get(key);
        kept.is_some_and(|(stored_key, kept)| {
            let same = equal(kept, tag);
            stored_key.as_slice() == &credential.stored_key[..] && same
        })
    }

    pub(crate) fn remember(&mut self, key: CredentialKey, credential: &Credential, tag: Vec<u8>) {
        if self.tags.len() >= VERIFIED_MAX {
            self.tags.clear();
        }
        self.tags.insert(key, (credential.stored_key.to_vec(), tag));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_three_parts() {
        let read = |message: &[u8]| Plain::read(message).map(|plain| plain.name).map_err(|r| r.to_string());
        assert_eq!(read(b"\0alice\0secret"), Ok("alice".into()));
        assert_eq!(read(b"alice\0alice\0secret"), Ok("alice".into()));
        for (message, part) in [
            (&b"alice"[..], "three parts"),
            (b"\0alice", "three parts"),
            (b"\0alice\0a\0b", "three parts"),
            (b"\0\0secret", "empty"),
            (b"\0alice\0", "empty"),
            (b"bob\0alice\0secret", "somebody else"),
            (b"\0\xff\0secret", "UTF-8"),
        ] {
            assert!(read(message).is_err_and(|why| why.contains(part) && !why.contains("secret")), "{part}");
        }
        assert_eq!(format!("{:?}", Plain::read(b"\0alice\0secret").unwrap().password), "(secret)");
    }

    #[test]
    fn a_password_is_right_for_one_version_of_a_credential() {
        let hash = PasswordHash::Sha256;
        let credential = |password: &[u8]| {
            let keys = keys(hash, &salted(hash, password, b"salt", 4096));
            let (stored_key, server_key) = (keys.stored.into(), keys.server.into());
            Credential { salt: b"salt".to_vec().into(), iterations: 4096, stored_key, server_key }
        };
        let (before, after) = (credential(b"before"), credential(b"after"));
        let password = Secret::from(b"before".to_vec());
        assert!(is_right(hash, &before, &password) && !is_right(hash, &after, &password));
        let key = CredentialKey { user: "alice".into(), hash };
        let mut verified = Verified::default();
        let tag = tag(b"key", &password);
        assert!(!verified.has(&key, &before, &tag));
        verified.remember(key.clone(), &before, tag.clone());
        assert!(verified.has(&key, &before, &tag));
        assert!(!verified.has(&key, &after, &tag), "the password was changed");
        assert!(!verified.has(&key, &before, &super::tag(b"key", &Secret::from(b"other".to_vec()))));
    }
}
