//! Logging in: a client says who it is, and proves it, in one step or in several.

use std::sync::Arc;

use crate::user::PasswordHash;
use crate::{Principal, Secret};

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// The name and the password as they are (RFC 4616).
    Plain,
    /// A proof that the client knows the password, which never crosses the wire (RFC 5802, RFC 7677).
    Scram(PasswordHash),
}

impl Mechanism {
    /// Every one, the strongest last.
    pub const ALL: [Mechanism; 3] =
        [Mechanism::Plain, Mechanism::Scram(PasswordHash::Sha256), Mechanism::Scram(PasswordHash::Sha512)];

    /// Its name in the registry of SASL mechanisms.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(hash) => hash.mechanism_name(),
        }
    }

    /// The mechanism of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// One step of a login. A connection has one login at a time, and its steps come one after the other.
#[derive(Clone, Debug)]
pub struct Login {
    /// How.
    pub mechanism: Mechanism,
    /// Whether a new exchange begins with it; what was left of an earlier one is forgotten.
    pub first: bool,
    /// What the mechanism has the client say: at most [`LOGIN_BYTES_MAX`](crate::limits::LOGIN_BYTES_MAX).
    pub bytes: Secret,
}

/// How a login goes on.
#[derive(Clone, Debug)]
pub enum LoginStep {
    /// The client has to answer this.
    Continue(Secret),
    /// The connection belongs to this principal from now on. A second login on a connection cannot change whose it is.
    Done {
        /// What the mechanism has us say last.
        bytes: Secret,
        /// Who it is.
        principal: Arc<Principal>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_is_found_by_its_name() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::named(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::named("plain"), None);
        assert_eq!(Mechanism::named("GSSAPI"), None);
    }
}
