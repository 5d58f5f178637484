//! What was said beside a declaration or a binding.

use std::sync::Arc;

use bytes::Bytes;

use super::{ExchangeRefusal, HeaderValue};
use crate::limits::{ARGUMENT_DEPTH_MAX, ARGUMENTS_BYTES_MAX};

/// A name and its value; also a header of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Argument {
    /// The name.
    pub name: Bytes,
    /// The value.
    pub value: HeaderValue,
}

impl Argument {
    /// An argument with a name of text.
    #[must_use]
    pub fn new(name: &str, value: HeaderValue) -> Argument {
        Argument { name: Bytes::copy_from_slice(name.as_bytes()), value }
    }

    pub(super) fn detached(&self) -> Argument {
        Argument { name: Bytes::copy_from_slice(&self.name), value: self.value.detached() }
    }

    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Bytes>() + self.name.len() + self.value.held_bytes()
    }
}

/// Arguments by rising name, so that equal ones are equal whatever order they came in. A name may stand there twice; then the first
/// that came is the one that is looked at, except where all are. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arguments(Arc<[Argument]>);

impl Arguments {
    /// Arguments as they came; they are copied.
    pub fn new(came: &[Argument]) -> Result<Arguments, ExchangeRefusal> {
        if came.iter().any(|argument| argument.value.is_deeper_than(ARGUMENT_DEPTH_MAX)) {
            return Err(ExchangeRefusal::LimitReached { limit: "ARGUMENT_DEPTH_MAX" });
        }
        if came.iter().map(Argument::held_bytes).sum::<usize>() > ARGUMENTS_BYTES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "ARGUMENTS_BYTES_MAX" });
        }
        let mut arguments: Vec<_> = came.iter().map(Argument::detached).collect();
        arguments.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Arguments(arguments.into()))
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        let at = self.0.partition_point(|argument| argument.name < name);
        self.0.get(at).filter(|argument| argument.name == name).map(|argument| &argument.value)
    }

    /// All of them, by rising name.
    pub fn iter(&self) -> impl Iterator<Item = &Argument> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that they take up in memory, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.0.iter().map(Argument::held_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: i128) -> HeaderValue {
        HeaderValue::Integer(n)
    }

    #[test]
    fn their_order_does_not_matter_but_the_first_of_a_name_counts() {
        let [a, b] = [Argument::new("a", number(1)), Argument::new("b", number(2))];
        let sorted = Arguments::new(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(Arguments::new(&[b, a.clone()]).unwrap(), sorted);
        assert_eq!(sorted.get("b"), Some(&number(2)));
        assert_eq!(sorted.get("c"), None);
        let twice = Arguments::new(&[a, Argument::new("a", number(0))]).unwrap();
        assert_eq!(twice.get("a"), Some(&number(1)));
        assert_eq!(twice.len(), 2);
    }

    #[test]
    fn what_is_too_deep_or_too_large_is_refused() {
        let mut nested = number(1);
        for depth in 0..=ARGUMENT_DEPTH_MAX {
            assert!(Arguments::new(&[Argument::new("a", nested.clone())]).is_ok(), "{depth}");
            nested = HeaderValue::List(vec![nested]);
        }
        let refused = |value| Arguments::new(&[Argument::new("a", value)]).unwrap_err();
        assert_eq!(refused(nested), ExchangeRefusal::LimitReached { limit: "ARGUMENT_DEPTH_MAX" });
        let large = HeaderValue::Text(Bytes::from(vec![b'x'; ARGUMENTS_BYTES_MAX]));
        assert_eq!(refused(large), ExchangeRefusal::LimitReached { limit: "ARGUMENTS_BYTES_MAX" });
    }
}
