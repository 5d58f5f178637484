//! Applying transactions. What one spans on its producer's shard ends in one command: marks, cursors and the decision are there
//! together or not at all. What it spans on others ends there by what is handed over to them (`relays`).

use std::collections::BTreeSet;

use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{PartitionId, ProducerId, Refusal, ShardId, SlotNumber, Timestamp};

use crate::command::{AdmitGuest, EndTransaction, HoldOffsets, JoinTransaction, OpenProducer, Relay};
use crate::machine::UNDER_IMPORT;
use crate::relays::{RelayedEnd, Turn};
use crate::transactions::{Ending, Instance};
use crate::unstable::AbortedRange;
use crate::{
    DeadSlot, Effects, IndexEntry, MACHINE_VERSION_RELAYS, MACHINE_VERSION_TRANSACTIONS, Machine, Meta,
    OpenTransaction, Outcome, Participant, Partition, ProducerStamp, Span, TransactionState,
};

/// The mark that an end puts into partitions.
struct Mark {
    producer: ProducerId,
    decision: Decision,
    slot: SlotNumber,
    bytes: u32,
}

impl Machine {
    pub(super) fn open_producer(&mut self, meta: &Meta, open: OpenProducer) -> Result<Outcome, Refusal> {
        self.has_transactions()?;
        let instance = self.transactions.open(open, meta.time)?;
        Ok(Outcome::ProducerOpened { instance })
    }

    pub(super) fn join_transaction(
        &mut self,
        meta: &Meta,
        join: JoinTransaction,
    ) -> Result<Outcome, Refusal> {
        self.has_transactions()?;
        let JoinTransaction { id, instance, partitions, groups, elsewhere } = join;
        if partitions.iter().any(|partition| !self.partitions.contains_key(partition)) {
            return Err(Refusal::UnknownPartition);
        }
        self.none_under_import(&partitions)?;
        if !elsewhere.is_empty() {
            self.has_relays()?;
        }
        if elsewhere.iter().any(|(shard, span)| *shard == self.shard || span.is_empty()) {
            return Err(Refusal::InvalidRequest("what lies elsewhere is something, and not here".into()));
        }
        let here =
            Span { partitions: partitions.into_iter().collect(), groups: groups.into_iter().collect() };
        let begun = self.transactions.join(&id, instance, here, elsewhere, meta)?;
        Ok(begun.map_or(Outcome::Done, |begun| Outcome::Joined { begun }))
    }

    /// A partition under import joins no transaction of this log.
    fn none_under_import<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a PartitionId>,
    ) -> Result<(), Refusal> {
        let under_import = |id| self.partitions.get(id).is_some_and(Partition::is_under_import);
        if partitions.into_iter().any(under_import) {
            return Err(Refusal::Forbidden(UNDER_IMPORT));
        }
        Ok(())
    }

    fn has_relays(&self) -> Result<(), Refusal> {
        if self.version < MACHINE_VERSION_RELAYS {
            return Err(Refusal::Unsupported("in the machine version in force transactions span one shard"));
        }
        Ok(())
    }

    fn has_transactions(&self) -> Result<(), Refusal> {
        if self.version < MACHINE_VERSION_TRANSACTIONS {
            return Err(Refusal::Unsupported("the machine version in force has no transactions"));
        }
        Ok(())
    }

    /// Whether a batch may be appended as what it says that it is.
    pub(super) fn admit_append(
        &mut self,
        meta: &Meta,
        partition: PartitionId,
        stamp: Option<&ProducerStamp>,
        transaction: Option<Joining>,
    ) -> Result<(), Refusal> {
        if transaction.is_some() {
            self.has_transactions()?;
        }
        let open = stamp.and_then(|stamp| self.unstable.open_of(partition, stamp.id));
        match (stamp, transaction) {
            // What is written outside a transaction cannot lie within it.
            (_, None) if open.is_some() => Err(Refusal::InvalidTransactionState),
            (_, None) => Ok(()),
            (None, Some(_)) => {
                Err(Refusal::InvalidPayload("a transactional batch without a producer".into()))
            }
            (Some(stamp), Some(joining)) => {
                if open.is_none() {
                    self.unstable.check_room()?;
                }
                self.admit(meta, (stamp.id, stamp.epoch), Participant::Partition(partition), joining)
            }
        }
    }

    /// Whether this instance may write to `participant` now: as a producer of this shard, or as one of another that was admitted.
    fn admit(
        &mut self,
        meta: &Meta,
        instance: Instance,
        participant: Participant,
        joining: Joining,
    ) -> Result<(), Refusal> {
        let is_own = self.transactions.id_of(instance.0).is_some();
        if !is_own && self.guests.get(instance.0).is_some() {
            return self.guests.check(instance, &participant);
        }
        self.transactions.admit(instance, participant, joining, meta)
    }

    pub(super) fn hold_offsets(&mut self, meta: &Meta, hold: HoldOffsets) -> Result<Outcome, Refusal> {
        self.has_transactions()?;
        let HoldOffsets { instance, joining, save } = hold;
        let group = Participant::Group(save.group.clone());
        self.admit(meta, instance, group, joining)?;
        Ok(Outcome::OffsetsCommitted(self.groups.hold(instance.0, save, meta.time)))
    }

    pub(super) fn end_transaction(
        &mut self,
        meta: &Meta,
        end: &EndTransaction,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let indexed_before = effects.indexed.len();
        let ended = self.end_if_due(meta, end, effects);
        if effects.indexed.len() == indexed_before {
            effects.dead.push(unused_mark(meta, end.mark, end.mark_bytes));
        }
        ended
    }

    fn end_if_due(
        &mut self,
        meta: &Meta,
        end: &EndTransaction,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        self.has_transactions()?;
        let spanned = match self.transactions.ending(&end.id, end.instance, end.decision, end.next)? {
            Ending::Before(instance) => return Ok(self.ended(&end.id, instance)),
            Ending::Due(spanned) => spanned,
        };
        let OpenTransaction { here, elsewhere, .. } = spanned;
        let item = |span: Span, next: Instance| RelayedEnd {
            id: end.id.clone(),
            instance: end.instance,
            next,
            begun: elsewhere.begun,
            decision: end.decision,
            span,
        };
        let weights = elsewhere.spans.values().map(|span| item(span.clone(), end.instance).bytes());
        self.relays.check_room(elsewhere.spans.len(), weights.sum())?;
        let left: BTreeSet<ShardId> = elsewhere.spans.keys().copied().collect();
        let instance = self.transactions.end(&end.id, end.decision, end.next, left, meta.time)?;
        for (shard, span) in &elsewhere.spans {
            self.relays.push(*shard, item(span.clone(), instance));
            effects.handed_over = true;
        }
        let mark =
            Mark { producer: end.instance.0, decision: end.decision, slot: end.mark, bytes: end.mark_bytes };
        self.settle(meta, &here, &mark, effects);
        Ok(self.ended(&end.id, instance))
    }

    /// What an end is answered.
    fn ended(&self, id: &TransactionalId, instance: Instance) -> Outcome {
        let known = self.transactions.get(id);
        match known.is_some_and(|known| matches!(known.state, TransactionState::Ending { .. })) {
            true => Outcome::TransactionEnding { id: id.clone(), instance },
            false => Outcome::TransactionEnded { instance },
        }
    }

    pub(super) fn admit_guest(&mut self, meta: &Meta, admit: AdmitGuest) -> Result<Outcome, Refusal> {
        self.has_relays()?;
        let AdmitGuest { instance, begun, span } = admit;
        if span.partitions.iter().any(|partition| !self.partitions.contains_key(partition)) {
            return Err(Refusal::UnknownPartition);
        }
        self.none_under_import(&span.partitions)?;
        if self.transactions.id_of(instance.0).is_some() {
            return Err(Refusal::InvalidRequest("its producer is kept here".into()));
        }
        self.guests.admit(instance, begun, span, meta.time)?;
        Ok(Outcome::Done)
    }

    pub(super) fn relay(
        &mut self,
        meta: &Meta,
        relay: &Relay,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let indexed_before = effects.indexed.len();
        let relayed = self.relay_if_due(meta, relay, effects);
        if effects.indexed.len() == indexed_before {
            effects.dead.push(unused_mark(meta, relay.mark, relay.mark_bytes));
        }
        relayed
    }

    fn relay_if_due(
        &mut self,
        meta: &Meta,
        relay: &Relay,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        self.has_relays()?;
        let Relay { source, number, item, mark, mark_bytes } = relay;
        if self.relays.turn_of(*source, *number)? == Turn::Due {
            self.relays.take(*source, *number);
            self.guests.end(item, meta.time);
            let mark =
                Mark { producer: item.instance.0, decision: item.decision, slot: *mark, bytes: *mark_bytes };
            self.settle(meta, &item.span, &mark, effects);
        }
        Ok(Outcome::Relayed { up_to: self.relays.taken_from(*source) })
    }

    pub(super) fn relayed(
        &mut self,
        meta: &Meta,
        target: ShardId,
        up_to: u64,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        for done in self.relays.done(target, up_to)? {
            if self.transactions.carried_out(&done.id, target, meta.time) {
                effects.ended.push(done.id);
            }
        }
        Ok(Outcome::Done)
    }

    /// Carries an end out on what a transaction spans here.
    fn settle(&mut self, meta: &Meta, span: &Span, mark: &Mark, effects: &mut Effects) {
        for partition in &span.partitions {
            self.mark(meta, *partition, mark, effects);
        }
        for group in &span.groups {
            self.groups.settle(mark.producer, group, mark.decision, meta.time);
        }
    }

    /// Ends what a transaction has open in a partition with the mark that its readers look for. Where nothing was written there is
    /// nothing to end.
    fn mark(&mut self, meta: &Meta, id: PartitionId, mark: &Mark, effects: &mut Effects) {
        let Mark { producer, decision, slot, bytes } = *mark;
        // What is open under an import belongs to producers of its source, whose ids may be the same.
        if self.partitions.get(&id).is_some_and(Partition::is_under_import) {
            return;
        }
        let Some(first) = self.unstable.close(id, producer) else { return };
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let last = partition.end;
        partition.append(1, bytes, Timestamp(-1), meta.term);
        partition.first_open = self.unstable.first_open(id);
        if decision == Decision::Abort {
            let stable = partition.first_open.unwrap_or(partition.end);
            self.unstable.abort(id, AbortedRange { producer, first, last, stable });
        }
        effects.appended.push(id);
        effects.indexed.push(IndexEntry {
            partition: id,
            first_offset: last,
            count: 1,
            log_index: meta.index,
            slot,
            first_position: 0,
            bytes,
            // No record that anybody looks for by its time.
            max_timestamp: Timestamp(-1),
            earliest_expiry: None,
            parts: Vec::new(),
        });
    }
}

/// A mark that no partition took.
fn unused_mark(meta: &Meta, slot: SlotNumber, bytes: u32) -> DeadSlot {
    DeadSlot { log_index: meta.index, slot, bytes, parts: Vec::new() }
}
