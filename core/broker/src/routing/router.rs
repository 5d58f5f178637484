//! Exchanges and their indexes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use forebay_machine::RoutingChange;
use forebay_model::exchange::{
    Binding, Destination, Exchange, ExchangeName, HeaderMatch, QueueId, QueueName, Rule, Weight,
};
use forebay_model::limits::ROUTING_KEYS_PER_MESSAGE_MAX;

use super::direct::DirectIndex;
use super::hashed::HashIndex;
use super::headers::HeadersIndex;
use super::message::Routed;
use super::scratch::Scratch;
use super::targets::{ExchangeNumber, Target, Targets};
use super::topic::TopicIndex;

/// Why a message was not routed at all. That no queue was found is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRouted {
    /// There is no such exchange.
    UnknownExchange,
    /// Only other exchanges route to this one.
    Internal,
    /// The message has more than [`ROUTING_KEYS_PER_MESSAGE_MAX`] keys.
    TooManyKeys,
}

impl fmt::Display for NotRouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotRouted::UnknownExchange => "there is no exchange of that name",
            NotRouted::Internal => "the exchange is internal: only exchanges route to it",
            NotRouted::TooManyKeys => "the limit ROUTING_KEYS_PER_MESSAGE_MAX is reached",
        })
    }
}

impl std::error::Error for NotRouted {}

/// The exchanges of one namespace, as they are routed by.
#[derive(Debug, Default)]
pub struct Router {
    queues: HashMap<QueueName, QueueId>,
    numbers: HashMap<ExchangeName, ExchangeNumber>,
    exchanges: Vec<Option<Source>>,
    free: Vec<ExchangeNumber>,
}

/// An exchange and what is bound to it.
#[derive(Debug)]
struct Source {
    exchange: Arc<Exchange>,
    index: Index,
}

#[derive(Debug)]
enum Index {
    Direct(DirectIndex),
    Fanout(Targets),
    Topic(TopicIndex),
    Headers(Box<HeadersIndex>),
    Hash(HashIndex),
}

impl Router {
    /// A router of what there is already.
    pub fn new(changes: impl IntoIterator<Item = RoutingChange>) -> Router {
        let mut router = Router::default();
        changes.into_iter().for_each(|change| router.apply(&change));
        router
    }

    /// Follows a change. All changes of one namespace come, in their order.
    pub fn apply(&mut self, change: &RoutingChange) {
        match change {
            RoutingChange::QueueAdded(name, id) => drop(self.queues.insert(name.clone(), *id)),
            RoutingChange::QueueRemoved(name) => drop(self.queues.remove(name)),
            RoutingChange::ExchangeAdded(exchange) => self.add_exchange(exchange),
            RoutingChange::ExchangeRemoved(name) => self.remove_exchange(name),
            RoutingChange::Bound(binding) => {
                let target = self.target(&binding.destination);
                self.source_mut(&binding.source).index.add(binding, target);
            }
            RoutingChange::Unbound(binding) => {
                let target = self.target(&binding.destination);
                self.source_mut(&binding.source).index.remove(binding, target);
            }
        }
    }

    /// An exchange by name. The default exchange is none of them.
    #[must_use]
    pub fn exchange(&self, name: &str) -> Option<&Arc<Exchange>> {
        self.numbers.get(name).map(|number| &self.source(*number).exchange)
    }

    /// Routes what a client publishes; the queues stand in `scratch`. There may be none: then nothing matched.
    pub fn publish(
        &self,
        exchange: &str,
        message: &Routed<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), NotRouted> {
        scratch.found.begin(self.exchanges.len());
        let first = self.first(exchange)?;
        if first.is_some_and(|first| self.source(first).exchange.declaration.internal) {
            return Err(NotRouted::Internal);
        }
        self.route(first, message, scratch)
    }

    /// Routes what the broker itself sends on, to internal exchanges too.
    pub fn forward(
        &self,
        exchange: &str,
        message: &Routed<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), NotRouted> {
        scratch.found.begin(self.exchanges.len());
        let first = self.first(exchange)?;
        self.route(first, message, scratch)
    }

    /// The exchange of this name; `None` is the default exchange.
    fn first(&self, exchange: &str) -> Result<Option<ExchangeNumber>, NotRouted> {
        if exchange.is_empty() {
            return Ok(None);
        }
        self.numbers.get(exchange).copied().map(Some).ok_or(NotRouted::UnknownExchange)
    }

    fn route(
        &self,
        first: Option<ExchangeNumber>,
        message: &Routed<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), NotRouted> {
        if message.keys.len() > ROUTING_KEYS_PER_MESSAGE_MAX {
            return Err(NotRouted::TooManyKeys);
        }
        scratch.order(message.keys);
        match first {
            None => self.find_by_name(message, scratch),
            Some(first) => scratch.found.exchange(first),
        }
        while let Some(next) = scratch.found.next_exchange() {
            self.ask(self.source(next), message, scratch);
        }
        scratch.found.finish();
        Ok(())
    }

    /// Every queue is bound to the default exchange by its name.
    fn find_by_name(&self, message: &Routed<'_>, scratch: &mut Scratch) {
        for place in &scratch.keys {
            if let Some(queue) = self.queues.get(message.keys[*place as usize]) {
                scratch.found.target(Target::Queue(*queue));
            }
        }
    }

    /// Asks one exchange, and its alternate if no binding of it matches: not if what its bindings lead to leads nowhere.
    fn ask(&self, source: &Source, message: &Routed<'_>, scratch: &mut Scratch) {
        let before = scratch.found.matched;
        source.index.find(message, scratch);
        if scratch.found.matched == before
            && let Some(alternate) = &source.exchange.alternate
            && let Some(number) = self.numbers.get(alternate)
        {
            scratch.found.exchange(*number);
        }
    }

    fn add_exchange(&mut self, exchange: &Arc<Exchange>) {
        let source = Some(Source { exchange: Arc::clone(exchange), index: Index::new(&exchange.rule) });
        let number = match self.free.pop() {
            Some(number) => {
                self.exchanges[number.0 as usize] = source;
                number
            }
            None => {
                self.exchanges.push(source);
                let place = u32::try_from(self.exchanges.len() - 1).expect("exchanges are limited");
                ExchangeNumber(place)
            }
        };
        self.numbers.insert(exchange.name().clone(), number);
    }

    fn remove_exchange(&mut self, name: &ExchangeName) {
        let number = self.numbers.remove(name).expect("an exchange that goes was there");
        self.exchanges[number.0 as usize] = None;
        self.free.push(number);
    }

    fn target(&self, destination: &Destination) -> Target {
        match destination {
            Destination::Queue(name) => {
                Target::Queue(*self.queues.get(name).expect("a binding leads to a queue that is there"))
            }
            Destination::Exchange(name) => Target::Exchange(self.number(name)),
        }
    }

    fn number(&self, name: &ExchangeName) -> ExchangeNumber {
        *self.numbers.get(name).expect("a binding has exchanges that are there")
    }

    fn source(&self, number: ExchangeNumber) -> &Source {
        self.exchanges[number.0 as usize].as_ref().expect("the number of an exchange that is there")
    }

    fn source_mut(&mut self, name: &ExchangeName) -> &mut Source {
        let number = self.number(name);
        self.exchanges[number.0 as usize].as_mut().expect("the number of an exchange that is there")
    }
}

impl Index {
    fn new(rule: &Rule) -> Index {
        match rule {
            Rule::Direct => Index::Direct(DirectIndex::default()),
            Rule::Fanout => Index::Fanout(Targets::default()),
            Rule::Topic => Index::Topic(TopicIndex::default()),
            Rule::Headers => Index::Headers(Box::default()),
            Rule::ConsistentHash(on) => Index::Hash(HashIndex::new(on.clone())),
        }
    }

    fn add(&mut self, binding: &Binding, target: Target) {
        match self {
            Index::Direct(index) => index.add(&binding.key, target),
            Index::Fanout(targets) => targets.add(target),
            Index::Topic(index) => index.add(binding.key.as_bytes(), target),
            Index::Headers(index) => index.add(&header_match(binding), target),
            Index::Hash(index) => index.add(&binding.destination, target, weight(binding)),
        }
    }

    fn remove(&mut self, binding: &Binding, target: Target) {
        match self {
            Index::Direct(index) => index.remove(&binding.key, target),
            Index::Fanout(targets) => targets.remove(target),
            Index::Topic(index) => index.remove(binding.key.as_bytes(), target),
            Index::Headers(index) => index.remove(&header_match(binding), target),
            Index::Hash(index) => index.remove(&binding.destination, weight(binding)),
        }
    }

    fn find(&self, message: &Routed<'_>, scratch: &mut Scratch) {
        let Scratch { found, walk, asked, keys } = scratch;
        match self {
            Index::Direct(index) => {
                keys.iter().for_each(|place| index.find(message.keys[*place as usize], found));
            }
            Index::Fanout(targets) => found.targets(targets),
            Index::Topic(index) => {
                index.begin(walk);
                keys.iter().for_each(|place| index.find(message.keys[*place as usize], walk, found));
            }
            Index::Headers(index) => index.find(message.headers, asked, found),
            Index::Hash(index) => index.find(message, found),
        }
    }
}

fn header_match(binding: &Binding) -> HeaderMatch {
    HeaderMatch::of(&binding.arguments).expect("bindings were checked when they were made")
}

fn weight(binding: &Binding) -> u32 {
    Weight::of(&binding.key).expect("bindings were checked when they were made").get()
}

#[cfg(test)]
impl Router {
    /// How much an exchange's index keeps; 0 where nothing is bound. Of an exchange that is gone it keeps nothing.
    pub(super) fn entries(&self, exchange: &str) -> usize {
        match self.numbers.get(exchange).map(|number| &self.source(*number).index) {
            None => 0,
            Some(Index::Direct(index)) => index.len(),
            Some(Index::Fanout(targets)) => usize::from(!targets.is_empty()),
            Some(Index::Topic(index)) => index.len(),
            Some(Index::Headers(index)) => index.len(),
            Some(Index::Hash(index)) => usize::from(!index.is_empty()),
        }
    }
}
