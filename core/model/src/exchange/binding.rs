//! Bindings.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::{Arguments, ExchangeName, ExchangeRefusal, HeaderMatch, QueueName, Rule, Weight};
use crate::limits::BINDING_KEY_BYTES_MAX;

/// What a publish is routed by, and what a binding compares it with: bytes, usually text of words with dots between them. Cheap to
/// clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutingKey(Arc<[u8]>);

impl RoutingKey {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for RoutingKey {
    fn from(bytes: &[u8]) -> RoutingKey {
        RoutingKey(bytes.into())
    }
}

impl Borrow<[u8]> for RoutingKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To a queue.
    Queue(QueueName),
    /// To another exchange, which routes on.
    Exchange(ExchangeName),
}

/// A rule from an exchange to a destination. All of it is its identity: what is bound twice is bound once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// From where.
    pub source: ExchangeName,
    /// Whereto.
    pub destination: Destination,
    /// What the routing key is compared with, if the exchange compares it.
    pub key: RoutingKey,
    /// What else was said; a headers exchange compares it with the headers.
    pub arguments: Arguments,
}

impl Binding {
    /// Refuses what an exchange that routes by `rule` could make no sense of.
    pub fn check(&self, rule: &Rule) -> Result<(), ExchangeRefusal> {
        if self.key.as_bytes().len() > BINDING_KEY_BYTES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "BINDING_KEY_BYTES_MAX" });
        }
        match rule {
            Rule::Direct | Rule::Fanout | Rule::Topic => Ok(()),
            Rule::Headers => HeaderMatch::of(&self.arguments).map(drop),
            Rule::ConsistentHash(_) => Weight::of(&self.key).map(drop),
        }
    }

    /// Bytes that it takes up in memory together with what routes by it, about: a topic exchange has a node for every word, a headers
    /// exchange places for every argument.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        const FIXED: usize = 512;
        const WORD: usize = 128;
        let words = 1 + self.key.as_bytes().iter().filter(|byte| **byte == b'.').count();
        FIXED + 2 * self.key.as_bytes().len() + WORD * words + 3 * self.arguments.held_bytes()
    }
}
