//! The exchanges, queues and bindings of one namespace: which there are, and what goes when something goes.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_model::exchange::{
    Binding, Declaration, Destination, Exchange, ExchangeName, ExchangeRefusal, PREDECLARED, QueueId,
    QueueName,
};
use forebay_model::limits::{BINDINGS_BYTES_MAX, BINDINGS_MAX, EXCHANGES_MAX};

/// What a change of [`Exchanges`] did, step by step: whoever routes does the same. A binding is there only between the first and
/// the last step of its exchange and of its destination.
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

/// What became of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// There is one more exchange.
    New,
    /// It was there before.
    Present,
}

type Bindings = BTreeSet<Arc<Binding>>;

/// Exchanges, queues and bindings by name. Pure: the same calls in the same order give the same state and the same changes.
#[derive(Clone, Debug)]
pub struct Exchanges {
    exchanges: BTreeMap<ExchangeName, Arc<Exchange>>,
    queues: BTreeMap<QueueName, QueueId>,
    /// No set is empty.
    from: BTreeMap<ExchangeName, Bindings>,
    /// The same bindings once more; no set is empty.
    to: BTreeMap<Destination, Bindings>,
    bindings: usize,
    bindings_bytes: usize,
}

impl Default for Exchanges {
    fn default() -> Exchanges {
        Exchanges::new()
    }
}

impl Exchanges {
    /// A namespace with the exchanges that every one has.
    #[must_use]
    pub fn new() -> Exchanges {
        let exchanges = PREDECLARED.iter().map(|predeclared| {
            let exchange = Exchange::from(predeclared);
            (exchange.name().clone(), Arc::new(exchange))
        });
        Exchanges {
            exchanges: exchanges.collect(),
            queues: BTreeMap::new(),
            from: BTreeMap::new(),
            to: BTreeMap::new(),
            bindings: 0,
            bindings_bytes: 0,
        }
    }

    /// An exchange by name. The default exchange is none of them.
    #[must_use]
    pub fn exchange(&self, name: &str) -> Option<&Arc<Exchange>> {
        self.exchanges.get(name)
    }

    /// All exchanges by rising name.
    pub fn exchanges(&self) -> impl Iterator<Item = &Arc<Exchange>> {
        self.exchanges.values()
    }

    /// The bindings that lead from an exchange, sorted.
    pub fn bindings_from(&self, source: &str) -> impl Iterator<Item = &Arc<Binding>> {
        self.from.get(source).into_iter().flatten()
    }

    /// The bindings that lead to a destination, sorted.
    pub fn bindings_to(&self, destination: &Destination) -> impl Iterator<Item = &Arc<Binding>> {
        self.to.get(destination).into_iter().flatten()
    }

    /// How many bindings there are.
    #[must_use]
    pub fn bindings_len(&self) -> usize {
        self.bindings
    }

    /// Everything there is, as the changes that make it out of nothing: whoever routes begins with them.
    pub fn all(&self) -> impl Iterator<Item = RoutingChange> {
        let queues = self.queues.iter().map(|(name, id)| RoutingChange::QueueAdded(name.clone(), *id));
        let exchanges = self.exchanges.values().cloned().map(RoutingChange::ExchangeAdded);
        let bindings = self.from.values().flatten().cloned().map(RoutingChange::Bound);
        queues.chain(exchanges).chain(bindings)
    }

    /// Declares an exchange, or finds that it is there already.
    pub fn declare(
        &mut self,
        declaration: Declaration,
        changes: &mut Vec<RoutingChange>,
    ) -> Result<Declared, ExchangeRefusal> {
        if let Some(present) = self.exchanges.get(&declaration.name) {
            return present.check_same(&declaration).map(|()| Declared::Present);
        }
        let exchange = Arc::new(Exchange::declared(declaration)?);
        if self.exchanges.len() >= EXCHANGES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "EXCHANGES_MAX" });
        }
        self.exchanges.insert(exchange.name().clone(), Arc::clone(&exchange));
        changes.push(RoutingChange::ExchangeAdded(exchange));
        Ok(Declared::New)
    }

    /// Deletes an exchange with its bindings, and what goes with these. One that is not there is no error: it is gone as asked.
    pub fn delete(
        &mut self,
        name: &ExchangeName,
        if_unused: bool,
        changes: &mut Vec<RoutingChange>,
    ) -> Result<(), ExchangeRefusal> {
        if name.is_default() {
            return Err(ExchangeRefusal::DefaultExchange);
        }
        let Some(exchange) = self.exchanges.get(name) else { return Ok(()) };
        if exchange.is_predeclared() {
            return Err(ExchangeRefusal::Predeclared(name.clone()));
        }
        if if_unused && self.from.contains_key(name) {
            return Err(ExchangeRefusal::InUse(name.clone()));
        }
        self.fall(name.clone(), changes);
        Ok(())
    }

    /// A queue is there from now on, under an id of its own.
    pub fn add_queue(&mut self, name: QueueName, id: QueueId, changes: &mut Vec<RoutingChange>) {
        let before = self.queues.insert(name.clone(), id);
        assert!(before.is_none(), "a queue is added once");
        changes.push(RoutingChange::QueueAdded(name, id));
    }

    /// A queue goes with the bindings that lead to it, and what goes with these.
    pub fn remove_queue(&mut self, name: &QueueName, changes: &mut Vec<RoutingChange>) {
        if !self.queues.contains_key(name) {
            return;
        }
        let left = self.remove_bindings_to(&Destination::Queue(name.clone()), changes);
        self.queues.remove(name);
        changes.push(RoutingChange::QueueRemoved(name.clone()));
        self.fall_if_left(left, changes);
    }

    /// Binds, whoever is asked twice once.
    pub fn bind(
        &mut self,
        binding: Binding,
        changes: &mut Vec<RoutingChange>,
    ) -> Result<(), ExchangeRefusal> {
        self.check_ends(&binding)?;
        let source = self.exchanges.get(&binding.source);
        let source = source.ok_or_else(|| ExchangeRefusal::UnknownExchange(binding.source.clone()))?;
        binding.check(&source.rule)?;
        if self.from.get(&binding.source).is_some_and(|bindings| bindings.contains(&binding)) {
            return Ok(());
        }
        if self.bindings >= BINDINGS_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "BINDINGS_MAX" });
        }
        if self.bindings_bytes + binding.held_bytes() > BINDINGS_BYTES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "BINDINGS_BYTES_MAX" });
        }
        let binding = Arc::new(binding);
        self.bindings += 1;
        self.bindings_bytes += binding.held_bytes();
        self.from.entry(binding.source.clone()).or_default().insert(Arc::clone(&binding));
        self.to.entry(binding.destination.clone()).or_default().insert(Arc::clone(&binding));
        changes.push(RoutingChange::Bound(binding));
        Ok(())
    }

    /// Takes a binding away, and what goes with it. What is not bound is no error: it is gone as asked.
    pub fn unbind(
        &mut self,
        binding: &Binding,
        changes: &mut Vec<RoutingChange>,
    ) -> Result<(), ExchangeRefusal> {
        let leads_to_default =
            matches!(&binding.destination, Destination::Exchange(name) if name.is_default());
        if binding.source.is_default() || leads_to_default {
            return Err(ExchangeRefusal::DefaultExchange);
        }
        let Some(found) = self.from.get(&binding.source).and_then(|bindings| bindings.get(binding)) else {
            return Ok(());
        };
        let found = Arc::clone(found);
        let left = self.remove(&found, changes);
        self.fall_if_left(left.into_iter().collect(), changes);
        Ok(())
    }

    /// Refuses a binding from or to what nobody binds, or to what is not there.
    fn check_ends(&self, binding: &Binding) -> Result<(), ExchangeRefusal> {
        match &binding.destination {
            _ if binding.source.is_default() => Err(ExchangeRefusal::DefaultExchange),
            Destination::Exchange(name) if name.is_default() => Err(ExchangeRefusal::DefaultExchange),
            Destination::Exchange(name) if !self.exchanges.contains_key(name) => {
                Err(ExchangeRefusal::UnknownExchange(name.clone()))
            }
            Destination::Queue(name) if !self.queues.contains_key(name) => {
                Err(ExchangeRefusal::UnknownQueue(name.clone()))
            }
            Destination::Exchange(_) | Destination::Queue(_) => Ok(()),
        }
    }

    /// Removes a binding; returns its exchange if that was the last that led from it.
    fn remove(&mut self, binding: &Arc<Binding>, changes: &mut Vec<RoutingChange>) -> Option<ExchangeName> {
        take_from(&mut self.to, &binding.destination, binding);
        let is_last = take_from(&mut self.from, &binding.source, binding);
        self.bindings -= 1;
        self.bindings_bytes -= binding.held_bytes();
        changes.push(RoutingChange::Unbound(Arc::clone(binding)));
        is_last.then(|| binding.source.clone())
    }

    /// Removes all that leads to a destination; returns the exchanges from which nothing leads any more.
    fn remove_bindings_to(
        &mut self,
        destination: &Destination,
        changes: &mut Vec<RoutingChange>,
    ) -> Vec<ExchangeName> {
        let bindings: Vec<_> = self.bindings_to(destination).cloned().collect();
        bindings.iter().filter_map(|binding| self.remove(binding, changes)).collect()
    }

    /// An exchange goes with all of its bindings, and so do those that are to go with their last binding. One after the other, not one
    /// within the other: chains may be as long as there are exchanges.
    fn fall(&mut self, name: ExchangeName, changes: &mut Vec<RoutingChange>) {
        let leading: Vec<_> = self.bindings_from(name.as_str()).cloned().collect();
        for binding in leading {
            self.remove(&binding, changes);
        }
        let left = self.remove_bindings_to(&Destination::Exchange(name.clone()), changes);
        self.exchanges.remove(&name);
        changes.push(RoutingChange::ExchangeRemoved(name));
        self.fall_if_left(left, changes);
    }

    fn fall_if_left(&mut self, mut left: Vec<ExchangeName>, changes: &mut Vec<RoutingChange>) {
        while let Some(name) = left.pop() {
            // It may have gone meanwhile.
            let falls = self.exchanges.get(&name).is_some_and(|exchange| exchange.declaration.auto_delete);
            if !falls {
                continue;
            }
            left.extend(self.remove_bindings_to(&Destination::Exchange(name.clone()), changes));
            self.exchanges.remove(&name);
            changes.push(RoutingChange::ExchangeRemoved(name));
        }
    }
}

/// Takes a binding out of one of the two maps; whether it was the last of its key.
fn take_from<K: Ord>(map: &mut BTreeMap<K, Bindings>, key: &K, binding: &Arc<Binding>) -> bool {
    let bindings = map.get_mut(key).expect("a binding is in both maps");
    let was_there = bindings.remove(binding);
    assert!(was_there, "a binding is in both maps");
    let is_empty = bindings.is_empty();
    if is_empty {
        map.remove(key);
    }
    is_empty
}
