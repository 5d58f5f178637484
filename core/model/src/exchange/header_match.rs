//! What a binding to a headers exchange asks of a message.

use bytes::Bytes;

use super::{Arguments, ExchangeRefusal, HeaderValue};

/// The argument that says how many of the others have to match.
const MATCH: &str = "x-match";
/// Headers that begin so are not looked at unless that is asked for.
const EXTENSION: &[u8] = b"x-";

/// How many criteria have to be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantifier {
    /// All of them; if there is none, every message matches.
    All,
    /// One at least; if there is none, no message matches.
    Any,
}

/// What is asked of one header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Criterion {
    /// Its name.
    pub name: Bytes,
    /// Its value; `None` asks only that it is there.
    pub value: Option<HeaderValue>,
}

/// What a binding asks, by rising name; nothing stands there twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderMatch {
    /// How many criteria have to be met.
    pub quantifier: Quantifier,
    /// The criteria.
    pub criteria: Vec<Criterion>,
}

impl HeaderMatch {
    /// Reads the arguments of a binding. What is left out here, because it begins with `x-`, is never looked at in a message either.
    pub fn of(arguments: &Arguments) -> Result<HeaderMatch, ExchangeRefusal> {
        let (quantifier, with_extensions) = match arguments.get(MATCH) {
            None => (Quantifier::All, false),
            Some(value) => match value.as_text() {
                Some(b"all") => (Quantifier::All, false),
                Some(b"any") => (Quantifier::Any, false),
                Some(b"all-with-x") => (Quantifier::All, true),
                Some(b"any-with-x") => (Quantifier::Any, true),
                Some(_) => return invalid("x-match is none of all, any, all-with-x and any-with-x"),
                None => return invalid("x-match is no text"),
            },
        };
        let is_left_out = |name: &[u8]| {
            if with_extensions { name == MATCH.as_bytes() } else { name.starts_with(EXTENSION) }
        };
        let asked = arguments.iter().filter(|argument| !is_left_out(&argument.name));
        let mut criteria: Vec<_> = asked
            .map(|argument| Criterion {
                name: argument.name.clone(),
                value: Some(argument.value.clone()).filter(|value| *value != HeaderValue::Void),
            })
            .collect();
        criteria.sort();
        criteria.dedup();
        Ok(HeaderMatch { quantifier, criteria })
    }
}

fn invalid(why: &'static str) -> Result<HeaderMatch, ExchangeRefusal> {
    Err(ExchangeRefusal::InvalidBinding(why))
}
