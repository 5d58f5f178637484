//! Values of headers and arguments.

use bytes::Bytes;

use super::Argument;
use crate::Timestamp;

/// A value, without the width that it had on the wire: a number is the same number in one byte and in eight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeaderValue {
    /// A name without a value. In a binding it asks only that the header is there.
    Void,
    /// Yes or no.
    Bool(bool),
    /// A whole number, wide enough for every protocol's.
    Integer(i128),
    /// A number with a fraction; never equal to a whole one.
    Float(Float),
    /// `unscaled` divided by ten to the power of `scale`. Equal only if both are.
    Decimal {
        /// How many digits stand behind the point.
        scale: u8,
        /// The digits.
        unscaled: i64,
    },
    /// Text, or bytes that are none: routing does not tell them apart.
    Text(Bytes),
    /// A time.
    Time(Timestamp),
    /// Values in order.
    List(Vec<HeaderValue>),
    /// Values by name, in the order of the wire.
    Table(Vec<Argument>),
}

/// A floating point number that is compared by its bits, so that a set of bindings has one order everywhere: zero is not minus
/// zero, and what is no number equals itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Float(u64);

impl Float {
    /// The number as it is computed with.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Float {
    fn from(number: f64) -> Float {
        Float(number.to_bits())
    }
}

impl HeaderValue {
    /// Text.
    #[must_use]
    pub fn text(text: &str) -> HeaderValue {
        HeaderValue::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The value as text, if it is any.
    #[must_use]
    pub fn as_text(&self) -> Option<&[u8]> {
        match self {
            HeaderValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same value in memory of its own: what is kept must not hold on to the frame that it came in.
    pub(super) fn detached(&self) -> HeaderValue {
        match self {
            HeaderValue::Text(text) => HeaderValue::Text(Bytes::copy_from_slice(text)),
            HeaderValue::List(values) => HeaderValue::List(values.iter().map(Self::detached).collect()),
            HeaderValue::Table(values) => HeaderValue::Table(values.iter().map(Argument::detached).collect()),
            plain => plain.clone(),
        }
    }

    /// Bytes that it takes up in memory, about.
    pub(super) fn held_bytes(&self) -> usize {
        let inner = match self {
            HeaderValue::Text(text) => text.len(),
            HeaderValue::List(values) => values.iter().map(Self::held_bytes).sum(),
            HeaderValue::Table(values) => values.iter().map(Argument::held_bytes).sum(),
            _ => 0,
        };
        size_of::<HeaderValue>() + inner
    }

    /// Whether lists and tables lie in each other deeper than this.
    pub(super) fn is_deeper_than(&self, most: usize) -> bool {
        match self {
            HeaderValue::List(values) => most == 0 || values.iter().any(|v| v.is_deeper_than(most - 1)),
            HeaderValue::Table(values) => {
                most == 0 || values.iter().any(|argument| argument.value.is_deeper_than(most - 1))
            }
            _ => false,
        }
    }
}
