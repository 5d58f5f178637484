//! What a publish has found so far.

use forebay_model::exchange::QueueId;

use super::marks::Marks;
use super::targets::{ExchangeNumber, Target, Targets};

/// Queues, and exchanges that are still to be asked.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order in which they were found, until [`Found::finish`].
    pub(super) queues: Vec<QueueId>,
    exchanges: Vec<ExchangeNumber>,
    asked: Marks,
    /// How many targets were found, those that were known already too.
    pub(super) matched: usize,
}

impl Found {
    /// Begins a publish, among so many exchanges.
    pub(super) fn begin(&mut self, exchanges: usize) {
        self.queues.clear();
        self.exchanges.clear();
        self.asked.begin(exchanges);
        self.matched = 0;
    }

    /// Each exchange is asked once, however many ways lead to it.
    pub(super) fn exchange(&mut self, number: ExchangeNumber) {
        if self.asked.is_first(number.0) {
            self.exchanges.push(number);
        }
    }

    /// The next exchange to ask.
    pub(super) fn next_exchange(&mut self) -> Option<ExchangeNumber> {
        self.exchanges.pop()
    }

    pub(super) fn target(&mut self, target: Target) {
        self.matched += 1;
        match target {
            Target::Queue(queue) => self.queues.push(queue),
            Target::Exchange(exchange) => self.exchange(exchange),
        }
    }

    pub(super) fn targets(&mut self, targets: &Targets) {
        targets.for_each(|target| self.target(target));
    }

    /// Puts the queues in order, each once.
    pub(super) fn finish(&mut self) {
        self.queues.sort_unstable();
        self.queues.dedup();
    }
}
