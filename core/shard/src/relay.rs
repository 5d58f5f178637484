//! The shard's side of relays: what the state has for other shards is passed to them until they say that it is in theirs; what
//! others pass goes into the log, once and in order, whatever is passed twice.
//!
//! ```text
//!   source leads:  state's items --> Passed::Items      (again after a while without an answer)
//!   target leads:  Relay commands --> applied --> Passed::Done
//!   source leads:  Relayed command --> the state forgets them, whoever waited for the end is answered
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_env::fault::{Fault, planted};
use forebay_machine::{
    Command, EndOfStay, Instance, MACHINE_VERSION_RELAYS, Outcome, Relay, RelayedEnd, TransactionState,
};
use forebay_model::limits::MIB;
use forebay_model::transaction::TransactionalId;
use forebay_model::{LogTime, ProducerEpoch, Refusal, ShardId, Timestamp, TopicId};
use forebay_record::batch::transaction_mark;

use crate::entry::SLOT_PAYLOAD;
use crate::pending::{Asking, Own};
use crate::shard::Shard;
use crate::work::{Answer, TransactionAnswer};

/// Items passed to one shard at a time.
pub const RELAYS_PASSED_MAX: usize = 64;
/// Their bytes, as [`RelayedEnd::weight`] counts them; one item may be more.
pub const RELAYS_PASSED_BYTES_MAX: usize = MIB;
/// Who may wait for the end of one transaction: a client asks again when it has lost its connection, and one shard may not come
/// back for long.
pub const ENDS_AWAITED_MAX: usize = 16;
/// What was passed is passed again when nothing was heard for so long: its target may have had another leader. While it lies in the
/// target's mailbox it is not, so that nothing piles up where a thread hangs.
const PASS_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What one shard passes to another.
#[derive(Clone, Debug)]
pub enum Passed {
    /// To be carried out there, by rising number.
    Items {
        /// Who passes it.
        source: ShardId,
        /// At most [`RELAYS_PASSED_MAX`] of [`RELAYS_PASSED_BYTES_MAX`].
        items: Arc<Vec<(u64, RelayedEnd)>>,
    },
    /// It is carried out, and durable.
    Done {
        /// Where.
        target: ShardId,
        /// Everything up to this number.
        up_to: u64,
    },
    /// To shard 0: queues that stayed for somebody who is no more.
    EndStays(EndOfStay),
    /// To shard 0: nobody uses a queue any more that is to go then.
    Unused {
        /// The queue's topic.
        topic: TopicId,
    },
}

/// What a leader remembers of relays.
pub(crate) struct RelayDesk<T> {
    /// By target: what was passed to it last.
    passed: BTreeMap<ShardId, Pass>,
    /// By source: the last item that was proposed here.
    proposed: BTreeMap<ShardId, u64>,
    /// Who waits until other shards have carried out the end of a transaction, the first one in front, and what each is told then.
    ending: BTreeMap<TransactionalId, VecDeque<(T, Instance)>>,
}

/// What was passed to a shard.
struct Pass {
    /// Up to this number.
    up_to: u64,
    /// When, or when it was found in the target's mailbox last.
    at: Monotonic,
    /// It, as long as the target has not taken it out of its mailbox.
    items: Weak<Vec<(u64, RelayedEnd)>>,
}

impl Pass {
    /// Whether an answer may still come that covers the item of this number.
    fn is_under_way(&mut self, first: u64, now: Monotonic) -> bool {
        if first > self.up_to {
            return false;
        }
        if now.since(self.at) >= PASS_AGAIN_AFTER && self.items.strong_count() > 0 {
            self.at = now;
        }
        now.since(self.at) < PASS_AGAIN_AFTER
    }
}

impl<T> RelayDesk<T> {
    pub(crate) fn new() -> RelayDesk<T> {
        RelayDesk { passed: BTreeMap::new(), proposed: BTreeMap::new(), ending: BTreeMap::new() }
    }

    /// When something is passed again.
    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.passed.values().map(|pass| pass.at + PASS_AGAIN_AFTER).min()
    }

    /// Forgets everything, when leadership begins or ends; returns who waited.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.passed.clear();
        self.proposed.clear();
        std::mem::take(&mut self.ending).into_values().flatten().map(|(ticket, _)| ticket).collect()
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Passes what waits for other shards and is not under way to them.
    pub(crate) fn pass_relays(&mut self, now: Monotonic) {
        if !self.leads() {
            return;
        }
        let relays = self.machine.relays();
        if relays.is_empty() {
            return self.relays.passed.clear();
        }
        let source = self.config.id;
        for (target, first) in relays.waiting() {
            if self.relays.passed.get_mut(&target).is_some_and(|pass| pass.is_under_way(first, now)) {
                continue;
            }
            let items = Arc::new(at_once(relays.waiting_for(target, first)));
            let up_to = items.last().map_or(first, |(last, _)| *last);
            self.relays.passed.insert(target, Pass { up_to, at: now, items: Arc::downgrade(&items) });
            (self.hooks.pass)(target, Passed::Items { source, items });
        }
        self.relays.passed.retain(|target, _| relays.waiting().any(|(waiting, _)| waiting == *target));
    }

    /// Takes what another shard passed. A replica that does not lead lets it go: it is passed again to whoever leads then.
    pub(crate) fn passed(&mut self, now: Monotonic, passed: Passed) {
        if !self.leads() {
            return;
        }
        match passed {
            Passed::Items { source, items } => self.take_relays(now, source, Arc::unwrap_or_clone(items)),
            Passed::Unused { topic } => self.delete_unused(topic),
            Passed::EndStays(end) => self.end_stays(end),
            Passed::Done { target, up_to } => {
                let first = self.machine.relays().waiting().find(|(waiting, _)| *waiting == target);
                if first.is_some_and(|(_, first)| first <= up_to) {
                    self.draft.push(&Command::Relayed { target, up_to }, Asking::Shard(Own::Relays));
                }
            }
        }
    }

    fn take_relays(&mut self, now: Monotonic, source: ShardId, items: Vec<(u64, RelayedEnd)>) {
        let taken = self.machine.relays().taken_from(source);
        if items.last().is_some_and(|(last, _)| *last <= taken) {
            return (self.hooks.pass)(source, Passed::Done { target: self.config.id, up_to: taken });
        }
        self.raise_version_to(MACHINE_VERSION_RELAYS);
        for (number, item) in items {
            let last = self.relays.proposed.get(&source).copied().unwrap_or(taken).max(taken);
            if number == last + 1 {
                self.relays.proposed.insert(source, number);
                self.propose_relay(now, source, number, item);
                if planted(Fault::RelayDoneEarly) {
                    (self.hooks.pass)(source, Passed::Done { target: self.config.id, up_to: number });
                }
            }
        }
    }

    fn propose_relay(&mut self, now: Monotonic, source: ShardId, number: u64, item: RelayedEnd) {
        let (producer, epoch) = item.instance;
        // As on the producer's own shard: the mark has the next epoch where there is one.
        let raised = if item.next == item.instance { epoch.0 } else { epoch.0.saturating_add(1) };
        let LogTime(time) = self.log_time(now);
        let mark = transaction_mark(producer, ProducerEpoch(raised), item.decision, Timestamp(time));
        let mark_bytes = u32::try_from(mark.len()).expect("a mark is small");
        let weight = item.weight();
        let command = |mark| vec![Command::Relay(Relay { source, number, item, mark, mark_bytes })];
        self.draft.push_weighty_with_slot(SLOT_PAYLOAD, mark, weight, command, Asking::Relay(source));
    }

    /// One of another shard's items was applied, or refused.
    pub(crate) fn relay_applied(&mut self, source: ShardId, outcome: Outcome) {
        match outcome {
            Outcome::Relayed { up_to } => {
                (self.hooks.pass)(source, Passed::Done { target: self.config.id, up_to });
            }
            Outcome::Refused(refusal) => self.relay_refused(source, &refusal),
            other => panic!("a relay was applied, not {other:?}"),
        }
    }

    /// Nothing came of it here: it is passed again.
    pub(crate) fn relay_refused(&mut self, source: ShardId, refusal: &Refusal) {
        tracing::warn!(shard = self.config.id.0, source = source.0, %refusal, "a relay was not taken");
        self.relays.proposed.remove(&source);
    }

    /// Somebody waits until the end of a transaction is carried out everywhere, and goes on as this instance then: the same entry may
    /// have made another one of somebody else's.
    pub(crate) fn wait_for_end(&mut self, id: TransactionalId, instance: Instance, ticket: T) {
        let known = self.machine.transactions().get(&id);
        let ends = known.is_some_and(|known| matches!(known.state, TransactionState::Ending { .. }));
        if !ends || planted(Fault::EndAnsweredEarly) {
            // The rest of the same entry was the last that it waited for.
            return self.answer_end(ticket, Ok(instance));
        }
        let waiting = self.relays.ending.entry(id).or_default();
        waiting.push_back((ticket, instance));
        if waiting.len() > ENDS_AWAITED_MAX
            && let Some((ticket, _)) = waiting.pop_front()
        {
            self.answer_end(ticket, Err(Refusal::ConcurrentTransaction));
        }
    }

    /// The ends of these transactions are carried out everywhere.
    pub(crate) fn ends_carried_out(&mut self, ended: Vec<TransactionalId>) {
        for id in ended {
            for (ticket, instance) in self.relays.ending.remove(&id).unwrap_or_default() {
                self.answer_end(ticket, Ok(instance));
            }
        }
    }

    fn answer_end(&mut self, ticket: T, answer: Result<Instance, Refusal>) {
        self.answers.push((ticket, Answer::Transaction(TransactionAnswer::Instance(answer))));
    }
}

/// As much of what waits as is passed at once.
fn at_once<'a>(waiting: impl Iterator<Item = (u64, &'a RelayedEnd)>) -> Vec<(u64, RelayedEnd)> {
    let mut bytes = 0;
    let fits = waiting.take(RELAYS_PASSED_MAX).take_while(|(_, item)| {
        let is_first = bytes == 0;
        bytes += item.weight();
        is_first || bytes <= RELAYS_PASSED_BYTES_MAX
    });
    fits.map(|(number, item)| (number, item.clone())).collect()
}
