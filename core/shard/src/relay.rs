//! The shard's side of relays: what the state has for other shards is passed to them until they say that it is in theirs; what
//! others pass goes into the log, once and in order, whatever is passed twice.
//!
//! ```text
//!   source leads:  state's items --> Passed::Items      (again after a while without an answer)
//!   target leads:  Relay commands --> applied --> Passed::Done
//!   source leads:  Relayed command --> the state forgets them, whoever waited for the end is answered
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_machine::{Command, MACHINE_VERSION_RELAYS, Outcome, Relay, RelayedEnd, TransactionState};
use forebay_model::transaction::TransactionalId;
use forebay_model::{LogTime, ProducerEpoch, Refusal, ShardId, Timestamp};
use forebay_record::batch::transaction_mark;

use crate::entry::SLOT_PAYLOAD;
use crate::pending::{Asking, Own};
use crate::shard::Shard;
use crate::work::{Answer, TransactionAnswer};

/// Items passed to one shard at a time.
pub const RELAYS_PASSED_MAX: usize = 64;
/// What was passed is passed again when nothing was heard for so long: its target may have had another leader.
const PASS_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What one shard passes to another.
#[derive(Clone, Debug)]
pub enum Passed {
    /// To be carried out there, by rising number.
    Items {
        /// Who passes it.
        source: ShardId,
        /// At most [`RELAYS_PASSED_MAX`].
        items: Vec<(u64, RelayedEnd)>,
    },
    /// It is carried out, and durable.
    Done {
        /// Where.
        target: ShardId,
        /// Everything up to this number.
        up_to: u64,
    },
}

/// What a leader remembers of relays.
pub(crate) struct RelayDesk<T> {
    /// By target: what was passed to it last, up to which number, and when.
    passed: BTreeMap<ShardId, (u64, Monotonic)>,
    /// By source: the last item that was proposed here.
    proposed: BTreeMap<ShardId, u64>,
    /// Who waits until other shards have carried out the end of a transaction.
    ending: BTreeMap<TransactionalId, Vec<T>>,
}

impl<T> RelayDesk<T> {
    pub(crate) fn new() -> RelayDesk<T> {
        RelayDesk { passed: BTreeMap::new(), proposed: BTreeMap::new(), ending: BTreeMap::new() }
    }

    /// When something is passed again.
    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.passed.values().map(|(_, at)| *at + PASS_AGAIN_AFTER).min()
    }

    /// Forgets everything, when leadership begins or ends; returns who waited.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.passed.clear();
        self.proposed.clear();
        std::mem::take(&mut self.ending).into_values().flatten().collect()
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
            let under_way =
                |(up_to, at): &(u64, Monotonic)| first <= *up_to && now.since(*at) < PASS_AGAIN_AFTER;
            if self.relays.passed.get(&target).is_some_and(under_way) {
                continue;
            }
            let items = relays.waiting_for(target, first).take(RELAYS_PASSED_MAX);
            let items: Vec<_> = items.map(|(number, item)| (number, item.clone())).collect();
            let up_to = items.last().map_or(first, |(last, _)| *last);
            self.relays.passed.insert(target, (up_to, now));
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
            Passed::Items { source, items } => self.take_relays(now, source, items),
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

    /// Somebody waits until the end of a transaction is carried out everywhere.
    pub(crate) fn wait_for_end(&mut self, id: TransactionalId, ticket: T) {
        let known = self.machine.transactions().get(&id);
        let ends = known.is_some_and(|known| matches!(known.state, TransactionState::Ending { .. }));
        self.relays.ending.entry(id.clone()).or_default().push(ticket);
        if !ends {
            // The rest of the same entry was the last that it waited for.
            self.ends_carried_out(vec![id]);
        }
    }

    /// The ends of these transactions are carried out everywhere.
    pub(crate) fn ends_carried_out(&mut self, ended: Vec<TransactionalId>) {
        for id in ended {
            let instance = self.machine.transactions().get(&id).map(|known| known.now);
            let answer = instance.ok_or(Refusal::UnknownTransaction);
            for ticket in self.relays.ending.remove(&id).unwrap_or_default() {
                let answer = TransactionAnswer::Instance(answer.clone());
                self.answers.push((ticket, Answer::Transaction(answer)));
            }
        }
    }
}
