//! Why exchanges are not declared, bound, deleted or published to.

use std::fmt;

use super::{ExchangeName, QueueName};

/// A refusal. All of these are the caller's to mend, none comes from a fault of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeRefusal {
    /// No exchange has this name.
    UnknownExchange(ExchangeName),
    /// No queue has this name.
    UnknownQueue(QueueName),
    /// There is no such kind.
    UnknownKind(String),
    /// The name is kept for the broker's own exchanges.
    ReservedName(ExchangeName),
    /// A queue has a name.
    EmptyQueueName,
    /// The default exchange is neither declared nor bound nor deleted.
    DefaultExchange,
    /// The broker's own exchanges are not deleted.
    Predeclared(ExchangeName),
    /// The exchange is there, and is another than was asked for.
    Inequivalent {
        /// What differs.
        argument: &'static str,
        /// As asked, in words.
        asked: String,
        /// As it is, in words.
        current: String,
    },
    /// Bindings lead from the exchange, and it was to be deleted only if none does.
    InUse(ExchangeName),
    /// Only other exchanges route to it.
    Internal(ExchangeName),
    /// An argument of a declaration makes no sense.
    InvalidArgument {
        /// Which.
        name: &'static str,
        /// Why.
        why: &'static str,
    },
    /// A binding makes no sense to an exchange of this kind.
    InvalidBinding(&'static str),
    /// A limit of [`limits`](crate::limits) is reached.
    LimitReached {
        /// Its name.
        limit: &'static str,
    },
}

impl fmt::Display for ExchangeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExchangeRefusal::UnknownExchange(name) => write!(f, "there is no exchange '{name}'"),
            ExchangeRefusal::UnknownQueue(name) => write!(f, "there is no queue '{name}'"),
            ExchangeRefusal::UnknownKind(kind) => write!(f, "there are no exchanges of type '{kind}'"),
            ExchangeRefusal::ReservedName(name) => write!(f, "the name '{name}' is the broker's own"),
            ExchangeRefusal::EmptyQueueName => f.write_str("a queue has a name"),
            ExchangeRefusal::DefaultExchange => f.write_str("the default exchange cannot be changed"),
            ExchangeRefusal::Predeclared(name) => write!(f, "the exchange '{name}' is the broker's own"),
            ExchangeRefusal::Inequivalent { argument, asked, current } => {
                write!(f, "the exchange differs in '{argument}': asked for '{asked}', it is '{current}'")
            }
            ExchangeRefusal::InUse(name) => write!(f, "bindings lead from the exchange '{name}'"),
            ExchangeRefusal::Internal(name) => {
                write!(f, "the exchange '{name}' is internal: only exchanges route to it")
            }
            ExchangeRefusal::InvalidArgument { name, why } => write!(f, "the argument '{name}': {why}"),
            ExchangeRefusal::InvalidBinding(why) => f.write_str(why),
            ExchangeRefusal::LimitReached { limit } => write!(f, "the limit {limit} is reached"),
        }
    }
}

impl std::error::Error for ExchangeRefusal {}
