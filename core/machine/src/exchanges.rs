//! The exchanges, queues and bindings of one namespace: which there are, and what goes when something goes.

mod changes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use forebay_model::exchange::{
    Binding, Declaration, Destination, Exchange, ExchangeName, ExchangeRefusal, PREDECLARED, QueueId,
    QueueName,
};
use forebay_model::limits::{BINDINGS_BYTES_MAX, BINDINGS_MAX, EXCHANGES_MAX};

use crate::shared_map::SharedMap;

pub use self::changes::RoutingChange;

/// What became of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// There is one more exchange.
    New,
    /// It was there before.
    Present,
}

/// Exchanges, queues and bindings by name. Pure: the same calls in the same order give the same state. A clone is a snapshot and costs
/// some reference counts.
#[derive(Clone, Debug)]
pub struct Exchanges {
    exchanges: SharedMap<ExchangeName, Arc<Exchange>>,
    queues: SharedMap<QueueName, QueueId>,
    /// By where they lead from.
    from: SharedMap<Arc<Binding>, ()>,
    /// The same bindings by where they lead.
    to: SharedMap<(Destination, Arc<Binding>), ()>,
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
        let mut exchanges = SharedMap::default();
        for predeclared in &PREDECLARED {
            let exchange = Exchange::from(predeclared);
            exchanges.insert(exchange.name().clone(), Arc::new(exchange));
        }
        Exchanges {
            exchanges,
            queues: SharedMap::default(),
            from: SharedMap::default(),
            to: SharedMap::default(),
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
        self.exchanges.iter().map(|(_, exchange)| exchange)
    }

    /// A queue by name.
    #[must_use]
    pub fn queue(&self, name: &QueueName) -> Option<QueueId> {
        self.queues.get(name).copied()
    }

    /// All queues by rising name.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, QueueId)> {
        self.queues.iter().map(|(name, id)| (name, *id))
    }

    /// The bindings that lead from an exchange, sorted.
    pub fn bindings_from(&self, source: &str) -> impl Iterator<Item = &Arc<Binding>> {
        let all =
            self.from.iter_from(move |binding| binding.source.as_str() < source).map(|(binding, ())| binding);
        all.take_while(move |binding| binding.source.as_str() == source)
    }

    /// The bindings that lead to a destination, sorted.
    pub fn bindings_to(&self, destination: &Destination) -> impl Iterator<Item = &Arc<Binding>> {
        let all = self.to.iter_from(move |(end, _)| end < destination).map(|(key, ())| key);
        all.take_while(move |(end, _)| end == destination).map(|(_, binding)| binding)
    }

    /// All bindings, by where they lead from.
    pub fn bindings(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.from.iter().map(|(binding, ())| binding)
    }

    /// How many bindings there are.
    #[must_use]
    pub fn bindings_len(&self) -> usize {
        self.from.len()
    }

    /// Whether nothing was changed since one was cloned from the other.
    #[must_use]
    pub fn is_shared_with(&self, other: &Exchanges) -> bool {
        self.exchanges.is_shared_with(&other.exchanges)
            && self.queues.is_shared_with(&other.queues)
            && self.from.is_shared_with(&other.from)
    }

    /// Declares an exchange, or finds that it is there already.
    pub fn declare(&mut self, declaration: Declaration) -> Result<Declared, ExchangeRefusal> {
        if let Some(present) = self.exchanges.get(&declaration.name) {
            return present.check_same(&declaration).map(|()| Declared::Present);
        }
        let exchange = Arc::new(Exchange::declared(declaration)?);
        if self.exchanges.len() >= EXCHANGES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "EXCHANGES_MAX" });
        }
        self.exchanges.insert(exchange.name().clone(), Arc::clone(&exchange));
        Ok(Declared::New)
    }

    /// Deletes an exchange with its bindings, and what goes with these. One that is not there is no error: it is gone as asked.
    pub fn delete(&mut self, name: &ExchangeName, if_unused: bool) -> Result<(), ExchangeRefusal> {
        if name.is_default() {
            return Err(ExchangeRefusal::DefaultExchange);
        }
        let Some(exchange) = self.exchanges.get(name) else { return Ok(()) };
        if exchange.is_predeclared() {
            return Err(ExchangeRefusal::Predeclared(name.clone()));
        }
        if if_unused && self.has_bindings(name) {
            return Err(ExchangeRefusal::InUse(name.clone()));
        }
        self.fall(name.clone());
        Ok(())
    }

    /// A queue is there from now on, under an id of its own.
    pub fn add_queue(&mut self, name: QueueName, id: QueueId) {
        let before = self.queues.insert(name.clone(), id);
        assert!(before.is_none(), "a queue is added once");
    }

    /// A queue goes with the bindings that lead to it, and what goes with these.
    pub fn remove_queue(&mut self, name: &QueueName) {
        if self.queues.get(name).is_none() {
            return;
        }
        let left = self.remove_bindings_to(&Destination::Queue(name.clone()));
        self.queues.remove(name);
        self.fall_if_left(left);
    }

    /// Binds, whoever is asked twice once.
    pub fn bind(&mut self, binding: Binding) -> Result<(), ExchangeRefusal> {
        self.check_ends(&binding)?;
        let source = self.exchanges.get(&binding.source);
        let source = source.ok_or_else(|| ExchangeRefusal::UnknownExchange(binding.source.clone()))?;
        binding.check(&source.rule)?;
        if self.from.get(&binding).is_some() {
            return Ok(());
        }
        if self.from.len() >= BINDINGS_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "BINDINGS_MAX" });
        }
        if self.bindings_bytes + binding.held_bytes() > BINDINGS_BYTES_MAX {
            return Err(ExchangeRefusal::LimitReached { limit: "BINDINGS_BYTES_MAX" });
        }
        let binding = Arc::new(binding);
        self.bindings_bytes += binding.held_bytes();
        self.to.insert((binding.destination.clone(), Arc::clone(&binding)), ());
        self.from.insert(binding, ());
        Ok(())
    }

    /// Takes a binding away, and what goes with it. What is not bound is no error: it is gone as asked.
    pub fn unbind(&mut self, binding: &Binding) -> Result<(), ExchangeRefusal> {
        let leads_to_default =
            matches!(&binding.destination, Destination::Exchange(name) if name.is_default());
        if binding.source.is_default() || leads_to_default {
            return Err(ExchangeRefusal::DefaultExchange);
        }
        if self.from.get(binding).is_none() {
            return Ok(());
        }
        let left = self.remove(&Arc::new(binding.clone()));
        self.fall_if_left(left.into_iter().collect());
        Ok(())
    }

    /// Refuses a binding from or to what nobody binds, or to what is not there.
    fn check_ends(&self, binding: &Binding) -> Result<(), ExchangeRefusal> {
        match &binding.destination {
            _ if binding.source.is_default() => Err(ExchangeRefusal::DefaultExchange),
            Destination::Exchange(name) if name.is_default() => Err(ExchangeRefusal::DefaultExchange),
            Destination::Exchange(name) if self.exchanges.get(name).is_none() => {
                Err(ExchangeRefusal::UnknownExchange(name.clone()))
            }
            Destination::Queue(name) if self.queues.get(name).is_none() => {
                Err(ExchangeRefusal::UnknownQueue(name.clone()))
            }
            Destination::Exchange(_) | Destination::Queue(_) => Ok(()),
        }
    }

    /// Removes a binding; returns its exchange if that was the last that led from it.
    fn remove(&mut self, binding: &Arc<Binding>) -> Option<ExchangeName> {
        let led = self
            .from
            .remove(binding)
            .and(self.to.remove(&(binding.destination.clone(), Arc::clone(binding))));
        led.expect("a binding is in both maps");
        self.bindings_bytes -= binding.held_bytes();
        (!self.has_bindings(&binding.source)).then(|| binding.source.clone())
    }

    /// Whether a binding leads from an exchange.
    fn has_bindings(&self, source: &ExchangeName) -> bool {
        self.bindings_from(source.as_str()).next().is_some()
    }

    /// Removes all that leads to a destination; returns the exchanges from which nothing leads any more.
    fn remove_bindings_to(&mut self, destination: &Destination) -> Vec<ExchangeName> {
        let bindings: Vec<_> = self.bindings_to(destination).cloned().collect();
        bindings.iter().filter_map(|binding| self.remove(binding)).collect()
    }

    /// An exchange goes with all of its bindings, and so do those that are to go with their last binding. One after the other, not one
    /// within the other: chains may be as long as there are exchanges.
    fn fall(&mut self, name: ExchangeName) {
        let leading: Vec<_> = self.bindings_from(name.as_str()).cloned().collect();
        for binding in leading {
            self.remove(&binding);
        }
        let left = self.remove_bindings_to(&Destination::Exchange(name.clone()));
        self.exchanges.remove(&name);
        self.fall_if_left(left);
    }

    fn fall_if_left(&mut self, mut left: Vec<ExchangeName>) {
        while let Some(name) = left.pop() {
            // It may have gone meanwhile.
            let falls = self.exchanges.get(&name).is_some_and(|exchange| exchange.declaration.auto_delete);
            if !falls {
                continue;
            }
            left.extend(self.remove_bindings_to(&Destination::Exchange(name.clone())));
            self.exchanges.remove(&name);
        }
    }
}
