//! What waits for the disk before it may be said.
//!
//! Raft numbers what it wants persisted. An acknowledgement or a vote leaves only when its own number *and all before it*
//! are persisted, even when its own had nothing to write: it may speak for what an earlier number wrote.

use std::collections::VecDeque;

use raft::eraftpb::Message;

/// Whether a number has to be flushed before it counts as persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It wrote nothing, or the shard's class confirms from the page cache.
    Nothing,
    /// Its entries, or a changed term or vote.
    Flush,
}

struct Held {
    number: u64,
    needs: Needs,
    messages: Vec<Message>,
}

/// Raft's numbers in order, each with the messages it holds back.
#[derive(Default)]
pub(crate) struct Persist {
    held: VecDeque<Held>,
    newest: u64,
    flushed: u64,
    in_flight: Option<u64>,
}

impl Persist {
    pub(crate) fn push(&mut self, number: u64, needs: Needs, messages: Vec<Message>) {
        debug_assert!(number > self.newest, "Raft numbers ascend");
        self.newest = number;
        self.held.push_back(Held { number, needs, messages });
    }

    /// Whether something waits for a flush that was not begun.
    pub(crate) fn wants_flush(&self) -> bool {
        let begun = self.in_flight.unwrap_or(self.flushed);
        self.held.iter().rev().take_while(|held| held.number > begun).any(|held| held.needs == Needs::Flush)
    }

    /// A flush begins that covers every number so far.
    pub(crate) fn begin(&mut self) {
        debug_assert!(self.in_flight.is_none(), "one flush at a time");
        self.in_flight = Some(self.newest);
    }

    pub(crate) fn is_flushing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// A planted bug: the flush that has just begun counts as ended.
    pub(crate) fn count_early(&mut self) {
        self.flushed = self.newest;
    }

    /// The flush under way succeeded.
    pub(crate) fn flushed(&mut self) {
        if let Some(number) = self.in_flight.take() {
            self.flushed = self.flushed.max(number);
        }
    }

    /// The next number that is persisted, and what may be said now.
    pub(crate) fn release(&mut self) -> Option<(u64, Vec<Message>)> {
        let front = self.held.front()?;
        if front.needs == Needs::Flush && front.number > self.flushed {
            return None;
        }
        self.held.pop_front().map(|held| (held.number, held.messages))
    }

    /// Whether every number is persisted.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released(persist: &mut Persist) -> Vec<u64> {
        std::iter::from_fn(|| persist.release()).map(|(number, _)| number).collect()
    }

    #[test]
    fn nothing_overtakes_a_number_that_waits_for_its_flush() {
        let mut persist = Persist::default();
        persist.push(1, Needs::Nothing, Vec::new());
        persist.push(2, Needs::Flush, Vec::new());
        persist.push(3, Needs::Nothing, Vec::new());
        assert_eq!(released(&mut persist), [1]);
        assert!(persist.wants_flush());
        persist.begin();
        assert!(!persist.wants_flush());
        persist.push(4, Needs::Nothing, Vec::new());
        persist.push(5, Needs::Flush, Vec::new());
        assert!(persist.wants_flush(), "number 5 came behind the flush under way");
        assert_eq!(released(&mut persist), []);
        persist.flushed();
        assert_eq!(released(&mut persist), [2, 3, 4]);
        persist.begin();
        persist.flushed();
        assert_eq!(released(&mut persist), [5]);
        assert!(persist.is_idle());
    }
}
