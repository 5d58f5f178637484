//! Routing against a plain scan, and what is said of it one by one.

mod graphs;
mod hashing;
mod headers;
mod memory;
mod properties;
mod scan;
mod topics;

use std::collections::BTreeMap;

use forebay_machine::Exchanges;
use forebay_model::exchange::{
    Argument, Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, ExchangeRefusal,
    HeaderValue, QueueId, QueueName, RoutingKey,
};

use super::{NotRouted, Routed, Router, Scratch};

/// A namespace, and the router that follows it.
struct World {
    exchanges: Exchanges,
    router: Router,
    scratch: Scratch,
    queues: BTreeMap<QueueId, QueueName>,
    next: u64,
}

impl World {
    fn new() -> World {
        let exchanges = Exchanges::new();
        let router = Router::new(exchanges.all());
        World { exchanges, router, scratch: Scratch::default(), queues: BTreeMap::new(), next: 0 }
    }

    /// Changes the namespace; the router hears of it.
    fn change<R>(&mut self, f: impl FnOnce(&mut Exchanges) -> R) -> R {
        let before = self.exchanges.clone();
        let result = f(&mut self.exchanges);
        self.exchanges.changes_since(&before).iter().for_each(|change| self.router.apply(change));
        result
    }

    /// A queue, if it is not there yet.
    fn queue(&mut self, name: &str) {
        let name = queue(name);
        if self.queues.values().any(|there| *there == name) {
            return;
        }
        let id = QueueId(self.next);
        self.next += 1;
        self.queues.insert(id, name.clone());
        self.change(|exchanges| exchanges.add_queue(name, id));
    }

    fn remove_queue(&mut self, name: &str) {
        let name = queue(name);
        self.queues.retain(|_, there| *there != name);
        self.change(|exchanges| exchanges.remove_queue(&name));
    }

    fn declare(&mut self, name: &str, kind: ExchangeKind, arguments: &[Argument]) {
        let declaration = declaration(name, kind, arguments);
        self.change(|exchanges| exchanges.declare(declaration)).unwrap();
    }

    fn delete(&mut self, name: &str) {
        let name = exchange(name);
        self.change(|exchanges| exchanges.delete(&name, false)).unwrap();
    }

    fn try_bind(&mut self, binding: Binding) -> Result<(), ExchangeRefusal> {
        self.change(|exchanges| exchanges.bind(binding))
    }

    /// Binds a queue, which is made if it is not there.
    fn bind(&mut self, source: &str, queue: &str, key: &str) {
        self.bind_with(source, queue, key, &[]);
    }

    fn bind_with(&mut self, source: &str, queue: &str, key: &str, arguments: &[Argument]) {
        self.queue(queue);
        self.try_bind(to_queue(source, queue, key, arguments)).unwrap();
    }

    fn bind_exchange(&mut self, source: &str, destination: &str, key: &str) {
        self.try_bind(to_exchange(source, destination, key)).unwrap();
    }

    fn unbind(&mut self, binding: &Binding) {
        self.change(|exchanges| exchanges.unbind(binding)).unwrap();
    }

    fn publish(&mut self, exchange: &str, message: &Routed<'_>) -> Result<Vec<&str>, NotRouted> {
        self.router.publish(exchange, message, &mut self.scratch)?;
        Ok(self.scratch.queues().iter().map(|queue| self.queues[queue].as_str()).collect())
    }

    /// The queues that a key leads to.
    fn route(&mut self, exchange: &str, key: &str) -> Vec<&str> {
        self.publish(exchange, &Routed { keys: &[key.as_bytes()], ..Routed::default() }).unwrap()
    }
}

fn exchange(name: &str) -> ExchangeName {
    ExchangeName::parse(name).unwrap()
}

fn queue(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn declaration(name: &str, kind: ExchangeKind, arguments: &[Argument]) -> Declaration {
    Declaration {
        name: exchange(name),
        kind,
        durable: false,
        auto_delete: false,
        internal: false,
        arguments: Arguments::new(arguments).unwrap(),
    }
}

fn to_queue(source: &str, name: &str, key: &str, arguments: &[Argument]) -> Binding {
    let destination = Destination::Queue(queue(name));
    let key = RoutingKey::from(key.as_bytes());
    Binding { source: exchange(source), destination, key, arguments: Arguments::new(arguments).unwrap() }
}

fn to_exchange(source: &str, name: &str, key: &str) -> Binding {
    let destination = Destination::Exchange(exchange(name));
    let key = RoutingKey::from(key.as_bytes());
    Binding { source: exchange(source), destination, key, arguments: Arguments::default() }
}

fn text(name: &str, value: &str) -> Argument {
    Argument::new(name, HeaderValue::text(value))
}

fn number(name: &str, value: i128) -> Argument {
    Argument::new(name, HeaderValue::Integer(value))
}

fn void(name: &str) -> Argument {
    Argument::new(name, HeaderValue::Void)
}
