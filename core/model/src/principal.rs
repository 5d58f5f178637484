//! Who is behind a connection.

use std::fmt;

use crate::limits::PRINCIPAL_NAME_BYTES_MAX;

/// Whoever asks for something. Shown as `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    kind: PrincipalKind,
    name: Box<str>,
}

/// What kind of asker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A user, or a program that runs as one.
    User,
}

/// Why a text is not the name of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalNameError {
    /// It is empty.
    Empty,
    /// It has more than [`PRINCIPAL_NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It has a control character: a name stands in one line of a log.
    ControlCharacter,
}

/// The name of who did not say who they are.
const ANONYMOUS: &str = "ANONYMOUS";

impl PrincipalKind {
    /// Its word: `User`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            PrincipalKind::User => "User",
        }
    }
}

impl Principal {
    /// Who did not say who they are: `User:ANONYMOUS`.
    #[must_use]
    pub fn anonymous() -> Principal {
        Principal { kind: PrincipalKind::User, name: ANONYMOUS.into() }
    }

    /// A user of this name.
    ///
    /// # Errors
    /// What the name cannot be.
    pub fn user(name: &str) -> Result<Principal, PrincipalNameError> {
        check_name(name)?;
        Ok(Principal { kind: PrincipalKind::User, name: name.into() })
    }

    /// What kind of asker it is.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// Its name, without its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody has said who this is.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        &*self.name == ANONYMOUS
    }
}

fn check_name(name: &str) -> Result<(), PrincipalNameError> {
    match name {
        "" => Err(PrincipalNameError::Empty),
        long if long.len() > PRINCIPAL_NAME_BYTES_MAX => Err(PrincipalNameError::TooLong),
        odd if odd.chars().any(char::is_control) => Err(PrincipalNameError::ControlCharacter),
        _ => Ok(()),
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.word(), self.name)
    }
}

impl fmt::Display for PrincipalNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrincipalNameError::Empty => f.write_str("a name has at least one character"),
            PrincipalNameError::TooLong => {
                write!(f, "a name has at most {PRINCIPAL_NAME_BYTES_MAX} bytes")
            }
            PrincipalNameError::ControlCharacter => f.write_str("a name has no control characters"),
        }
    }
}

impl std::error::Error for PrincipalNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_shown_with_its_kind() {
        assert_eq!(Principal::anonymous().to_string(), "User:ANONYMOUS");
        assert_eq!(Principal::user("alice").map(|alice| alice.to_string()), Ok("User:alice".into()));
        let dn = "CN=broker,OU=it,O=Example";
        assert_eq!(Principal::user(dn).map(|user| user.name().to_owned()), Ok(dn.into()));
    }

    #[test]
    fn names_are_bounded() {
        assert_eq!(Principal::user(""), Err(PrincipalNameError::Empty));
        assert_eq!(Principal::user("a\nb"), Err(PrincipalNameError::ControlCharacter));
        assert!(Principal::user(&"x".repeat(PRINCIPAL_NAME_BYTES_MAX)).is_ok());
        let long = "x".repeat(PRINCIPAL_NAME_BYTES_MAX + 1);
        assert_eq!(Principal::user(&long), Err(PrincipalNameError::TooLong));
    }
}
