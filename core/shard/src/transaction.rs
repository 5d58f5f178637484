//! The shard's side of transactions: what is asked of a transactional producer becomes commands; ends carry the mark that readers
//! of the partitions look for; those whose time is up are aborted.

use std::time::Duration;

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_machine::{
    Command, EndTransaction, Instance, MACHINE_VERSION_RELAYS, MACHINE_VERSION_TRANSACTIONS, Next,
    OpenProducer, Outcome, Partition, TransactionState, TransactionalProducer,
};
use forebay_model::transaction::{
    Decision, TransactionListing, TransactionPhase, TransactionView, TransactionalId,
};
use forebay_model::{LogTime, PartitionRef, ProducerEpoch, Refusal, SlotNumber, Timestamp, TopicRef};
use forebay_record::batch::transaction_mark;

use crate::entry::SLOT_PAYLOAD;
use crate::pending::Asking;
use crate::shard::Shard;
use crate::work::{Answer, TransactionAnswer, TransactionWork};

/// Transactions aborted in one turn because their time is up.
const OVERDUE_PER_TURN_MAX: usize = 64;
/// Where there is no room to hand an end over to other shards it is tried again after so long.
const ABORT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What of a transaction an asker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Who may write now.
    Instance,
    /// Whether it was joined.
    Joined,
    /// What it is.
    View,
}

impl Asked {
    fn of(work: &TransactionWork) -> Asked {
        match work {
            TransactionWork::Open(_) | TransactionWork::End { .. } => Asked::Instance,
            TransactionWork::Join(_) | TransactionWork::Admit(_) => Asked::Joined,
            TransactionWork::Describe(_) => Asked::View,
        }
    }

    /// The answer that refuses.
    pub(crate) fn refused(self, refusal: Refusal) -> Answer {
        Answer::Transaction(match self {
            Asked::Instance => TransactionAnswer::Instance(Err(refusal)),
            Asked::Joined => TransactionAnswer::Joined(Err(refusal)),
            Asked::View => TransactionAnswer::Described(Err(refusal)),
        })
    }

    /// The answer once it is applied.
    pub(crate) fn answer(self, outcome: Outcome) -> Answer {
        match outcome {
            Outcome::ProducerOpened { instance } | Outcome::TransactionEnded { instance } => {
                Answer::Transaction(TransactionAnswer::Instance(Ok(instance)))
            }
            Outcome::Done => Answer::Transaction(TransactionAnswer::Joined(Ok(None))),
            Outcome::Joined { begun } => Answer::Transaction(TransactionAnswer::Joined(Ok(Some(begun)))),
            Outcome::Refused(refusal) => self.refused(refusal),
            other => panic!("something of a transaction was asked for, not {other:?}"),
        }
    }
}

/// The answer that refuses `work`.
pub(crate) fn refuse(work: &TransactionWork, refusal: &Refusal) -> Answer {
    Asked::of(work).refused(refusal.clone())
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn transaction(&mut self, now: Monotonic, ticket: T, work: TransactionWork) {
        if let TransactionWork::Describe(id) = &work {
            let view = TransactionAnswer::Described(self.describe_transaction(id));
            return self.answers.push((ticket, Answer::Transaction(view)));
        }
        match &work {
            TransactionWork::Admit(_) => self.raise_version_to(MACHINE_VERSION_RELAYS),
            TransactionWork::Join(join) if !join.elsewhere.is_empty() => {
                self.raise_version_to(MACHINE_VERSION_RELAYS);
            }
            _ => self.want_transactions(),
        }
        let asking = Asking::Transaction(ticket, Asked::of(&work));
        match work {
            TransactionWork::Open(open) => self.open_producer(now, open, asking),
            TransactionWork::Join(join) => self.draft.push(&Command::JoinTransaction(join), asking),
            TransactionWork::Admit(admit) => self.draft.push(&Command::AdmitGuest(admit), asking),
            TransactionWork::End { id, instance, decision, next } => {
                let mark = self.transaction_mark(now, instance, decision, next);
                let bytes = mark.len();
                let end = |slot| vec![end_command(id, instance, decision, next, slot, bytes)];
                self.draft.push_with_slot(SLOT_PAYLOAD, mark, end, asking);
            }
            TransactionWork::Describe(_) => unreachable!("answered above"),
        }
    }

    fn describe_transaction(&self, id: &TransactionalId) -> Result<TransactionView, Refusal> {
        let known = self.machine.transactions().get(id).ok_or(Refusal::UnknownTransaction)?;
        let open = match &known.state {
            TransactionState::Open(open) => Some(open),
            TransactionState::Empty | TransactionState::Ending { .. } | TransactionState::Ended(_) => None,
        };
        let partitions = open.into_iter().flat_map(|open| &open.here.partitions);
        let elsewhere = open.into_iter().flat_map(|open| open.elsewhere.spans.values());
        let partition = |partition: &Partition| PartitionRef {
            topic: TopicRef::Id(partition.topic),
            number: partition.number,
        };
        Ok(TransactionView {
            id: id.clone(),
            producer: known.now.0,
            epoch: known.now.1,
            timeout_ms: known.timeout_ms,
            phase: phase(&known.state),
            since: open.map(|open| Timestamp(open.since.0)),
            partitions: partitions.filter_map(|id| self.machine.partition(*id)).map(partition).collect(),
            elsewhere: elsewhere.flat_map(|span| &span.partitions).copied().collect(),
        })
    }

    pub(crate) fn list_transactions(&mut self, now: Monotonic, ticket: T) {
        let LogTime(time) = self.log_time(now);
        let listing = |(id, known): (&TransactionalId, &TransactionalProducer)| TransactionListing {
            id: id.clone(),
            producer: known.now.0,
            phase: phase(&known.state),
            open_ms: match &known.state {
                TransactionState::Open(open) => {
                    Some(time.saturating_sub(open.since.0).max(0).cast_unsigned())
                }
                TransactionState::Empty | TransactionState::Ending { .. } | TransactionState::Ended(_) => {
                    None
                }
            },
        };
        let listed = self.machine.transactions().iter().map(listing).collect();
        self.answers.push((ticket, Answer::Transactions(Ok(listed))));
    }

    /// A transaction that is open ends first, in the same entry, so that nothing comes between: whoever opens a producer
    /// anew takes it from the one before.
    fn open_producer(&mut self, now: Monotonic, open: OpenProducer, asking: Asking<T>) {
        let known = self.machine.transactions().get(&open.id);
        let known = known.filter(|known| matches!(known.state, TransactionState::Open(_)));
        // Somebody who was fenced already hears so, and harms nobody.
        let Some(instance) = known.map(|k| k.now).filter(|now| open.present.is_none_or(|p| p == *now)) else {
            return self.draft.push(&Command::OpenProducer(open), asking);
        };
        // Where it spans other shards the opening has to come again when these have aborted it, if it ever does: whoever had the
        // producer is fenced by the abort. Only a client that says that it is the same one keeps its name until then.
        let next = if open.present.is_some() { Next::Same } else { Next::Fenced };
        let mark = self.transaction_mark(now, instance, Decision::Abort, next);
        let bytes = mark.len();
        let both = |slot| {
            let id = open.id.clone();
            let end = end_command(id, instance, Decision::Abort, next, slot, bytes);
            vec![end, Command::OpenProducer(open)]
        };
        self.draft.push_with_slot(SLOT_PAYLOAD, mark, both, asking);
    }

    /// Aborts transactions whose time is up; their producers are fenced.
    pub(crate) fn abort_overdue(&mut self, now: Monotonic) {
        if self.machine.transactions().next_deadline().is_none() || !self.leads() || self.stalled.is_some() {
            return;
        }
        if now < self.aborts_wait_until {
            return;
        }
        // Also while a step of the clock is not believed: log time goes on all the same, and what is open holds readers up.
        let time = self.log_time(now);
        let overdue = self.machine.transactions().overdue(time).filter(|id| !self.aborting.contains(*id));
        let overdue: Vec<TransactionalId> = overdue.take(OVERDUE_PER_TURN_MAX).cloned().collect();
        for id in overdue {
            let Some(producer) = self.machine.transactions().get(&id) else { continue };
            let (instance, decision, next) = (producer.now, Decision::Abort, Next::Fenced);
            tracing::info!(
                shard = self.config.id.0,
                id = id.0.as_ref(),
                "a transaction is aborted: its time is up"
            );
            let mark = self.transaction_mark(now, instance, decision, next);
            let bytes = mark.len();
            let end = |slot| vec![end_command(id.clone(), instance, decision, next, slot, bytes)];
            self.draft.push_with_slot(SLOT_PAYLOAD, mark, end, Asking::Overdue(id.clone()));
            self.aborting.insert(id);
        }
    }

    /// The end of a transaction whose time is up was applied, or refused.
    pub(crate) fn overdue_applied(&mut self, id: &TransactionalId, outcome: &Outcome) {
        self.aborting.remove(id);
        if matches!(outcome, Outcome::Refused(Refusal::Busy)) {
            self.aborts_wait_until = self.env.clock.monotonic() + ABORT_AGAIN_AFTER;
        }
    }

    /// Has the log say that it holds transactions from here on, before the first: a binary that knows none stops there.
    pub(crate) fn want_transactions(&mut self) {
        self.raise_version_to(MACHINE_VERSION_TRANSACTIONS);
    }

    fn transaction_mark(
        &mut self,
        now: Monotonic,
        (producer, epoch): Instance,
        decision: Decision,
        next: Next,
    ) -> Bytes {
        let raised = match next {
            Next::Same => epoch.0,
            Next::Raised { .. } | Next::Fenced => epoch.0.saturating_add(1),
        };
        let LogTime(time) = self.log_time(now);
        transaction_mark(producer, ProducerEpoch(raised), decision, Timestamp(time))
    }
}

fn phase(state: &TransactionState) -> TransactionPhase {
    match state {
        TransactionState::Empty => TransactionPhase::Empty,
        TransactionState::Open(_) => TransactionPhase::Open,
        TransactionState::Ending { decision, .. } => TransactionPhase::Ending(*decision),
        TransactionState::Ended(Decision::Commit) => TransactionPhase::Committed,
        TransactionState::Ended(Decision::Abort) => TransactionPhase::Aborted,
    }
}

fn end_command(
    id: TransactionalId,
    instance: Instance,
    decision: Decision,
    next: Next,
    mark: SlotNumber,
    mark_bytes: usize,
) -> Command {
    let mark_bytes = u32::try_from(mark_bytes).expect("a mark is small");
    Command::EndTransaction(EndTransaction { id, instance, decision, next, mark, mark_bytes })
}
