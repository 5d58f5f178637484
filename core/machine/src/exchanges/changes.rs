//! What differs between two states of a namespace, in steps that whoever routes can follow.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_model::exchange::{Binding, Destination, Exchange, ExchangeName, QueueId, QueueName};

use super::Exchanges;

/// A step from one state to another: whoever routes does the same. A binding is there only between the first and the last step of its
/// exchange and of its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingChange {
    /// A queue is there.
    QueueAdded(QueueName, QueueId),
    /// A queue has gone.
    QueueRemoved(QueueName),
    /// An exchange is there.
    ExchangeAdded(Arc<Exchange>),
    /// An exchange has gone.
    ExchangeRemoved(ExchangeName),
    /// A binding is there.
    Bound(Arc<Binding>),
    /// A binding has gone.
    Unbound(Arc<Binding>),
}

use RoutingChange::{Bound, ExchangeAdded, ExchangeRemoved, QueueAdded, QueueRemoved, Unbound};

/// What went, what came, and what is another under the same name.
#[derive(Default)]
struct Difference {
    gone: Vec<RoutingChange>,
    come: Vec<RoutingChange>,
    /// Everything that is bound to them is bound anew.
    other: Vec<Destination>,
}

impl Exchanges {
    /// Everything there is, as the changes that make it out of nothing: whoever routes begins with them.
    pub fn all(&self) -> impl Iterator<Item = RoutingChange> {
        let queues = self.queues().map(|(name, id)| QueueAdded(name.clone(), id));
        let exchanges = self.exchanges().cloned().map(ExchangeAdded);
        queues.chain(exchanges).chain(self.bindings().cloned().map(Bound))
    }

    /// The changes that lead here from `before`. What the two share since one was cloned from the other costs next to nothing.
    #[must_use]
    pub fn changes_since(&self, before: &Exchanges) -> Vec<RoutingChange> {
        let ends = self.ends_since(before);
        let mut unbound = BTreeSet::new();
        let mut bound = BTreeSet::new();
        self.from.differences(&before.from, |binding, then, _| match then {
            Some(()) => drop(unbound.insert(Arc::clone(binding))),
            None => drop(bound.insert(Arc::clone(binding))),
        });
        for end in &ends.other {
            unbound.extend(before.bindings_at(end).cloned());
            bound.extend(self.bindings_at(end).cloned());
        }
        let (unbound, bound) = (unbound.into_iter().map(Unbound), bound.into_iter().map(Bound));
        unbound.chain(ends.gone).chain(ends.come).chain(bound).collect()
    }

    /// What bindings lead between.
    fn ends_since(&self, before: &Exchanges) -> Difference {
        let mut found = Difference::default();
        self.exchanges.differences(&before.exchanges, |name, then, now| {
            found.gone.extend(then.map(|_| ExchangeRemoved(name.clone())));
            found.come.extend(now.cloned().map(ExchangeAdded));
            if then.is_some() && now.is_some() {
                found.other.push(Destination::Exchange(name.clone()));
            }
        });
        self.queues.differences(&before.queues, |name, then, now| {
            found.gone.extend(then.map(|_| QueueRemoved(name.clone())));
            found.come.extend(now.map(|id| QueueAdded(name.clone(), *id)));
            if then.is_some() && now.is_some() {
                found.other.push(Destination::Queue(name.clone()));
            }
        });
        found
    }

    /// The bindings that lead to it, or from it if it is an exchange.
    fn bindings_at(&self, end: &Destination) -> impl Iterator<Item = &Arc<Binding>> {
        let source = match end {
            Destination::Exchange(name) => Some(name.as_str()),
            Destination::Queue(_) => None,
        };
        self.bindings_to(end).chain(source.into_iter().flat_map(|source| self.bindings_from(source)))
    }
}
