//! Applying transactions. All that one spans lies on its coordinator's shard, so that it ends in one command: its marks, its
//! cursors and the decision are there together or not at all.

use forebay_model::transaction::{Decision, Joining};
use forebay_model::{PartitionId, Refusal, Timestamp};

use crate::command::{EndTransaction, HoldOffsets, JoinTransaction, OpenProducer};
use crate::transactions::{Ending, Instance, Participant};
use crate::unstable::AbortedRange;
use crate::{
    DeadSlot, Effects, IndexEntry, MACHINE_VERSION_TRANSACTIONS, Machine, Meta, Outcome, ProducerStamp,
};

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
        let JoinTransaction { id, instance, partitions, groups } = join;
        if partitions.iter().any(|partition| !self.partitions.contains_key(partition)) {
            return Err(Refusal::UnknownPartition);
        }
        let partitions = partitions.into_iter().map(Participant::Partition);
        let participants = partitions.chain(groups.into_iter().map(Participant::Group));
        self.transactions.join(&id, instance, participants, meta.time)?;
        Ok(Outcome::Done)
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
                let participant = Participant::Partition(partition);
                let instance = (stamp.id, stamp.epoch);
                if open.is_none() {
                    self.unstable.check_room()?;
                }
                self.transactions.admit(instance, participant, joining, meta.time)
            }
        }
    }

    pub(super) fn hold_offsets(&mut self, meta: &Meta, hold: HoldOffsets) -> Result<Outcome, Refusal> {
        self.has_transactions()?;
        let HoldOffsets { instance, joining, save } = hold;
        let group = Participant::Group(save.group.clone());
        self.transactions.admit(instance, group, joining, meta.time)?;
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
            let (slot, bytes) = (end.mark, end.mark_bytes);
            effects.dead.push(DeadSlot { log_index: meta.index, slot, bytes, parts: Vec::new() });
        }
        ended.map(|instance| Outcome::TransactionEnded { instance })
    }

    fn end_if_due(
        &mut self,
        meta: &Meta,
        end: &EndTransaction,
        effects: &mut Effects,
    ) -> Result<Instance, Refusal> {
        self.has_transactions()?;
        let spanned = match self.transactions.ending(&end.id, end.instance, end.decision, end.next)? {
            Ending::Before(instance) => return Ok(instance),
            Ending::Due(spanned) => spanned,
        };
        let instance = self.transactions.end(&end.id, end.decision, end.next, meta.time)?;
        for partition in &spanned.partitions {
            self.mark(meta, *partition, end, effects);
        }
        for group in &spanned.groups {
            self.groups.settle(end.instance.0, group, end.decision, meta.time);
        }
        Ok(instance)
    }

    /// Ends what a transaction has open in a partition with the mark that its readers look for. Where nothing was written there is
    /// nothing to end.
    fn mark(&mut self, meta: &Meta, id: PartitionId, end: &EndTransaction, effects: &mut Effects) {
        let producer = end.instance.0;
        let Some(first) = self.unstable.close(id, producer) else { return };
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let last = partition.end;
        partition.append(1, end.mark_bytes, Timestamp(-1), meta.term);
        partition.first_open = self.unstable.first_open(id);
        if end.decision == Decision::Abort {
            let stable = partition.first_open.unwrap_or(partition.end);
            self.unstable.abort(id, AbortedRange { producer, first, last, stable });
        }
        effects.appended.push(id);
        effects.indexed.push(IndexEntry {
            partition: id,
            first_offset: last,
            count: 1,
            log_index: meta.index,
            slot: end.mark,
            first_position: 0,
            bytes: end.mark_bytes,
            // No record that anybody looks for by its time.
            max_timestamp: Timestamp(-1),
            earliest_expiry: None,
            parts: Vec::new(),
        });
    }
}
