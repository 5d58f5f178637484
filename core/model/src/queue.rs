//! Queues, and what is asked of the exchanges and queues of a namespace.
//!
//! A queue is a topic of one partition that consumers share: what all of them have settled goes. Consumers take records of it with
//! [`Receive`](crate::subscription::Receive) under [`QUEUE_SUBSCRIPTION`], from the topic that [`QueueView::topic`] names.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::exchange::{Arguments, Binding, Declaration, Exchange, ExchangeName, ExchangeRefusal, QueueName};
use crate::fetch::Isolation;
use crate::limits::{NAMESPACE_NAME_BYTES_MAX, QUEUE_LEASE_MS, QUEUE_SPAN_MAX};
use crate::subscription::{DeliveryRules, StartAt};
use crate::{Attempts, Refusal, TopicId};

/// The subscription that the consumers of a queue share. No client can name it.
pub const QUEUE_SUBSCRIPTION: &str = "\u{1}queue";

/// The name of a namespace: 1 to [`NAMESPACE_NAME_BYTES_MAX`] bytes of any text. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName(Arc<str>);

impl NamespaceName {
    /// The one that is always there. Protocols without namespaces live in it.
    pub const DEFAULT: &str = "/";

    /// Checks `text` once, at the border; `None` if no namespace can have that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<NamespaceName> {
        let fits = (1..=NAMESPACE_NAME_BYTES_MAX).contains(&text.len());
        fits.then(|| NamespaceName(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one that is always there.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == NamespaceName::DEFAULT
    }
}

impl Default for NamespaceName {
    fn default() -> NamespaceName {
        NamespaceName(NamespaceName::DEFAULT.into())
    }
}

impl Borrow<str> for NamespaceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked for of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDeclaration {
    /// Its name.
    pub name: QueueName,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether only the connection that declares it may use it; it goes with that.
    pub exclusive: bool,
    /// Whether it goes with the last of its consumers.
    pub auto_delete: bool,
    /// What else was said, as it was said: who declares it again has to say the same.
    pub arguments: Arguments,
    /// What follows from that.
    pub settings: QueueSettings,
}

/// The rules of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// A message that was tried so often is given up; `None` for as often as it takes.
    pub attempts_max: Option<Attempts>,
    /// For how long a consumer may have a message without settling it, in milliseconds; `None` for the default.
    pub lease_ms: Option<u32>,
    /// When nobody has used it for so many milliseconds, it goes; `None` where it stays.
    pub expires_ms: Option<u64>,
    /// Whether one of its consumers gets all messages, until it is no more.
    pub single_active: bool,
}

/// What those who keep a queue's messages have to know of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueRules {
    /// See [`QueueDeclaration::auto_delete`].
    pub auto_delete: bool,
    /// See [`QueueSettings::single_active`].
    pub single_active: bool,
    /// See [`QueueSettings::expires_ms`].
    pub expires_ms: Option<u64>,
}

impl QueueDeclaration {
    /// A durable queue that everybody may use, of which nothing else was said.
    #[must_use]
    pub fn of(name: QueueName) -> QueueDeclaration {
        QueueDeclaration {
            name,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Arguments::default(),
            settings: QueueSettings::default(),
        }
    }

    /// What those who keep its messages have to know of it.
    #[must_use]
    pub fn rules(&self) -> QueueRules {
        QueueRules {
            auto_delete: self.auto_delete,
            single_active: self.settings.single_active,
            expires_ms: self.settings.expires_ms,
        }
    }
}

impl QueueSettings {
    /// What applies to its deliveries.
    #[must_use]
    pub fn rules(&self) -> DeliveryRules {
        DeliveryRules {
            lease_ms: self.lease_ms.unwrap_or(QUEUE_LEASE_MS),
            // More than are counted: it comes as often as it takes.
            attempts_max: self.attempts_max.unwrap_or(Attempts(u16::MAX)),
            span_max: QUEUE_SPAN_MAX,
            // What came before the first consumer waits for it.
            begin: StartAt::Earliest,
            isolation: Isolation::Committed,
        }
    }
}

/// Something of one namespace.
#[derive(Clone, Debug)]
pub struct RouteRequest {
    /// Which.
    pub namespace: NamespaceName,
    /// What.
    pub ask: RouteAsk,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// What is asked of the exchanges and queues of a namespace.
#[derive(Clone, Debug)]
pub enum RouteAsk {
    /// Whether there is such a namespace.
    FindNamespace,
    /// An exchange that has to be there.
    FindExchange(ExchangeName),
    /// Declares an exchange, or finds the same.
    DeclareExchange(Declaration),
    /// Deletes an exchange. That there is none is no error.
    DeleteExchange {
        /// Which.
        name: ExchangeName,
        /// Only if no binding leads from it.
        if_unused: bool,
    },
    /// Binds; what is bound stays so.
    Bind(Binding),
    /// Takes a binding away. That there is none is no error.
    Unbind(Binding),
    /// A queue that has to be there.
    FindQueue(QueueName),
    /// Declares a queue, or finds the same.
    DeclareQueue(QueueDeclaration),
    /// Deletes a queue with its messages. That there is none is no error.
    DeleteQueue {
        /// Which.
        name: QueueName,
        /// Only if nobody consumes from it.
        if_unused: bool,
        /// Only if nothing waits in it.
        if_empty: bool,
    },
    /// Drops what waits in a queue. What consumers have is theirs.
    PurgeQueue(QueueName),
    /// Deletes the queues that only this connection may use, in all namespaces.
    LeaveQueues,
}

/// The answer of a namespace.
pub type RouteReply = Result<RouteAnswer, RouteRefusal>;

/// What was done or found.
#[derive(Clone, Debug)]
pub enum RouteAnswer {
    /// It is as asked.
    Done,
    /// The exchange, to [`RouteAsk::FindExchange`]; `None` for the default exchange.
    Exchange(Option<Arc<Exchange>>),
    /// The queue, to [`RouteAsk::FindQueue`] and [`RouteAsk::DeclareQueue`].
    Queue(QueueView),
    /// So many messages went, to [`RouteAsk::DeleteQueue`] and [`RouteAsk::PurgeQueue`].
    Removed {
        /// So many.
        messages: u64,
    },
}

/// A queue as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// As it was declared.
    pub declaration: QueueDeclaration,
    /// Its topic, of one partition.
    pub topic: TopicId,
    /// Messages that nobody has.
    pub ready: u64,
    /// Its consumers.
    pub consumers: u32,
}

/// Why a namespace does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteRefusal {
    /// There is no such namespace.
    UnknownNamespace,
    /// Something about exchanges, bindings, or a queue's name.
    Exchange(ExchangeRefusal),
    /// The queue is there, and is another than was asked for.
    InequivalentQueue {
        /// What differs.
        argument: String,
        /// As asked, in words.
        asked: String,
        /// As it is, in words.
        current: String,
    },
    /// Only another connection may use the queue.
    LockedQueue(QueueName),
    /// Somebody consumes from the queue, and it was to be deleted only if nobody does.
    QueueInUse,
    /// Messages wait in the queue, and it was to be deleted only if none does.
    QueueNotEmpty,
    /// Anything else.
    Broker(Refusal),
}

impl fmt::Display for RouteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteRefusal::UnknownNamespace => f.write_str("there is no such namespace"),
            RouteRefusal::Exchange(refusal) => refusal.fmt(f),
            RouteRefusal::InequivalentQueue { argument, asked, current } => {
                write!(f, "the queue differs in '{argument}': asked for '{asked}', it is '{current}'")
            }
            RouteRefusal::LockedQueue(name) => {
                write!(f, "only another connection may use the queue '{name}'")
            }
            RouteRefusal::QueueInUse => f.write_str("somebody consumes from the queue"),
            RouteRefusal::QueueNotEmpty => f.write_str("messages wait in the queue"),
            RouteRefusal::Broker(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for RouteRefusal {}

impl From<ExchangeRefusal> for RouteRefusal {
    fn from(refusal: ExchangeRefusal) -> RouteRefusal {
        RouteRefusal::Exchange(refusal)
    }
}

impl From<Refusal> for RouteRefusal {
    fn from(refusal: Refusal) -> RouteRefusal {
        RouteRefusal::Broker(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_a_name_of_some_bytes() {
        let name = |bytes: usize| NamespaceName::parse(&"n".repeat(bytes));
        assert!(name(0).is_none() && name(NAMESPACE_NAME_BYTES_MAX + 1).is_none());
        assert!(name(NAMESPACE_NAME_BYTES_MAX).is_some_and(|name| !name.is_default()));
        assert!(NamespaceName::default().is_default());
    }
}
