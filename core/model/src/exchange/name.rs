//! Names of exchanges and queues.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::ExchangeRefusal;
use crate::limits::{EXCHANGE_NAME_BYTES_MAX, QUEUE_NAME_BYTES_MAX};

/// The name of an exchange within its namespace: any text of at most [`EXCHANGE_NAME_BYTES_MAX`] bytes. The empty one is the default
/// exchange, to which every queue is bound by its own name. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeName(Arc<str>);

impl ExchangeName {
    /// Checks `text` once, at the border.
    pub fn parse(text: &str) -> Result<ExchangeName, ExchangeRefusal> {
        if text.len() > EXCHANGE_NAME_BYTES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "EXCHANGE_NAME_BYTES_MAX" });
        }
        Ok(ExchangeName(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names the default exchange.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }
}

/// The name of a queue within its namespace: any text of 1 to [`QUEUE_NAME_BYTES_MAX`] bytes. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Checks `text` once, at the border.
    pub fn parse(text: &str) -> Result<QueueName, ExchangeRefusal> {
        match text.len() {
            0 => Err(ExchangeRefusal::EmptyQueueName),
            1..=QUEUE_NAME_BYTES_MAX => Ok(QueueName(text.into())),
            _ => Err(ExchangeRefusal::LimitReached { limit: "QUEUE_NAME_BYTES_MAX" }),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A queue, by a number that is never given to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

impl Borrow<str> for ExchangeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Routing keys are bytes, and the default exchange looks a queue up by one.
impl Borrow<[u8]> for QueueName {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// As bytes are hashed: text is hashed otherwise, and a queue would not be found by a routing key.
impl Hash for QueueName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl fmt::Display for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
