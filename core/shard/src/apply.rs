//! Applying what is committed: the machine's answers go to those who asked, its facts into the index.

use bytes::Bytes;
use forebay_commitlog::{Body, EntryKind};
use forebay_machine::{IndexEntry, Meta, Outcome, decode_commands};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::publish::Appended;
use forebay_model::{Refusal, SlotNumber};
use forebay_replication::{Checkpoint, Committed};

use crate::delivery::refuse_admin;
use crate::entry::{PartRef, SLOT_PAYLOAD, SLOT_RECLAIM, SLOT_TURN, TurnHeader};
use crate::hot::Hot;
use crate::pending::{Askers, Asking, Own};
use crate::shard::Shard;
use crate::work::{Answer, Proposed};

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn apply_all(&mut self, entries: Vec<Committed>) {
        for entry in entries {
            if self.fenced.is_some() {
                return;
            }
            let index = entry.index;
            match entry.kind {
                EntryKind::Normal => self.apply_turn(&entry),
                EntryKind::Seal => {
                    self.apply_seal(&entry);
                    continue;
                }
                EntryKind::Noop | EntryKind::ConfChange => {}
            }
            if self.fenced.is_none() {
                self.applied = index;
                self.replica.applied(index);
            }
        }
        self.publish_catalogue();
    }

    fn apply_turn(&mut self, entry: &Committed) {
        let turn = match decode_turn(&entry.body) {
            Ok(turn) => turn,
            Err(why) => return self.fence(format!("entry {}: {why}", entry.index)),
        };
        let (header, commands) = turn;
        let meta = Meta { index: entry.index, term: entry.term, time: header.time };
        let mut outcomes = Vec::with_capacity(commands.len());
        self.effects.clear();
        for command in commands {
            match self.machine.apply(meta, command, &mut self.effects) {
                Ok(outcome) => outcomes.push(outcome),
                Err(halt) => return self.fence(format!("entry {}: {halt}", entry.index)),
            }
        }
        self.metrics.applied.increment();
        if header.proposer == self.proposer {
            self.count_appended();
        }
        self.take_effects(&entry.body);
        for slot in entry.body.slots_of(SLOT_RECLAIM) {
            if let Err(why) = self.decided(entry.index, &slot.bytes) {
                return self.fence(format!("entry {}: {why}", entry.index));
            }
        }
        if header.proposer == self.proposer
            && let Some(askers) = self.pending.take(header.number)
        {
            self.pending_bytes = self.pending_bytes.saturating_sub(entry.body.bytes().len() as u64);
            self.answer_askers(entry, askers, outcomes);
        }
    }

    /// Counts what this process took in; a replay and another leader's turns were counted by who took them.
    fn count_appended(&self) {
        for entry in &self.effects.indexed {
            self.metrics.records_in.add(u64::from(entry.count));
            self.metrics.bytes_in.add(u64::from(entry.bytes));
        }
    }

    /// Carries out what applying meant for this replica.
    fn take_effects(&mut self, body: &Body) {
        let mut effects = std::mem::take(&mut self.effects);
        let hot = payload_bytes(&effects.indexed);
        let body_bytes = body.bytes().len();
        let mut slots = body.finder();
        self.hot.forget(&effects.compacted);
        for entry in effects.indexed.drain(..) {
            if let Some(slot) = slots.find(entry.slot).filter(|slot| slot.kind == SLOT_PAYLOAD) {
                let payload = unpinned(slot.bytes, hot, body_bytes);
                let hot = Hot { first_offset: entry.first_offset, count: entry.count, payload };
                self.hot.insert(entry.partition, hot);
            }
            self.compactor.written(&entry, self.machine.applied().time);
            self.index.push(entry);
        }
        if !effects.dropped.is_empty() || !effects.trimmed.is_empty() {
            self.reclaim.mark_dirty();
        }
        self.watch_queues(&effects.opened);
        for partition in effects.dropped.drain(..) {
            self.index.forget(partition);
            self.deliveries.forget(partition);
            self.grown.push(partition);
        }
        self.grown.append(&mut effects.appended);
        self.ends_carried_out(std::mem::take(&mut effects.ended));
        self.effects = effects;
    }

    fn answer_askers(&mut self, entry: &Committed, askers: Askers<T>, outcomes: Vec<Outcome>) {
        let mut outcomes = outcomes.into_iter();
        for (count, asking) in askers {
            let mut own = outcomes.by_ref().take(count);
            match asking {
                Asking::Shard(own_kind) => self.own_applied(own_kind, own),
                Asking::Append(ticket, _) => {
                    let outcome = own.next().expect("an append is one command");
                    self.answers.push((ticket, Answer::Published(published(outcome))));
                }
                Asking::Propose(ticket) => {
                    let catalogue_version = self.machine.catalog().version();
                    let proposed = Proposed { outcomes: own.collect(), catalogue_version };
                    self.answers.push((ticket, Answer::Outcomes(Ok(proposed))));
                }
                Asking::Group(key) => self.group_applied(key, own.collect()),
                Asking::Transaction(ticket, asked) => {
                    match own.last().expect("it was asked with a command at least") {
                        Outcome::TransactionEnding { id, instance } => {
                            self.wait_for_end(id, instance, ticket)
                        }
                        outcome => self.answers.push((ticket, asked.answer(outcome))),
                    }
                }
                Asking::Relay(source) => {
                    let outcome = own.last().expect("a relay is one command");
                    self.relay_applied(source, outcome);
                }
                Asking::Overdue(id) => {
                    let outcome = own.last().expect("an abort is one command");
                    self.overdue_applied(&id, &outcome);
                }
                Asking::Trim(trims) => {
                    let partitions = trims.partitions();
                    self.answers.push(trims.applied(own));
                    self.trims_end(&partitions);
                }
                Asking::Trimming(partitions) => {
                    self.warn_of_refusals("trim", own);
                    self.trims_end(&partitions);
                }
                Asking::Subscribing(asked) => {
                    let refusal = match own.last() {
                        Some(Outcome::Refused(refusal)) => Some(refusal),
                        _ => None,
                    };
                    self.subscribed(asked, refusal);
                }
                Asking::Settle(under_way) => self.settle_applied(*under_way, own),
                Asking::Sharing(ticket, answer) => {
                    let answer = match own.last() {
                        Some(Outcome::Refused(refusal)) => answer.refused(refusal),
                        _ => *answer,
                    };
                    self.answers.push((ticket, Answer::Sharing(answer)));
                }
                Asking::Subscriptions(ticket, keys) => self.subscriptions_changed(ticket, keys, own),
                Asking::Part(source, number, slot, bytes) => {
                    self.part_applied(source, number, PartRef { index: entry.index, slot, bytes });
                }
            }
        }
    }

    fn own_applied(&mut self, own: Own, outcomes: impl Iterator<Item = Outcome>) {
        let outcomes: Vec<Outcome> = outcomes.collect();
        if own == Own::Provision {
            self.provisioning = false;
            // What is refused is asked for again, but not at once.
            self.provision_again = !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_)));
        }
        self.warn_of_refusals(own, outcomes.into_iter());
    }

    fn warn_of_refusals(&self, what: impl std::fmt::Debug, outcomes: impl Iterator<Item = Outcome>) {
        for outcome in outcomes {
            if let Outcome::Refused(refusal) = outcome {
                tracing::warn!(shard = self.config.id.0, ?what, %refusal, "a command of the shard was refused");
            }
        }
    }

    pub(crate) fn refuse_askers(&mut self, askers: Askers<T>, refusal: &Refusal) {
        for (_, asking) in askers {
            self.refuse_asking(asking, refusal);
        }
    }

    pub(crate) fn refuse_asking(&mut self, asking: Asking<T>, refusal: &Refusal) {
        match asking {
            Asking::Shard(own) => match own {
                Own::Provision => self.provisioning = false,
                // It may have been the raise of the version, which somebody will need again.
                Own::Housekeeping => self.version_asked = 0,
                Own::Relays | Own::Unused => {}
            },
            Asking::Append(ticket, _) => self.answers.push((ticket, Answer::Published(Err(refusal.clone())))),
            Asking::Propose(ticket) => self.answers.push((ticket, Answer::Outcomes(Err(refusal.clone())))),
            Asking::Group(key) => self.group_refused(key, refusal),
            Asking::Transaction(ticket, asked) => {
                self.answers.push((ticket, asked.refused(refusal.clone())));
            }
            Asking::Overdue(id) => drop(self.aborting.remove(&id)),
            Asking::Relay(source) => self.relay_refused(source, refusal),
            Asking::Trim(trims) => {
                let partitions = trims.partitions();
                self.answers.push(trims.refuse(refusal));
                self.trims_end(&partitions);
            }
            Asking::Trimming(partitions) => self.trims_end(&partitions),
            Asking::Subscribing(asked) => self.subscribed(asked, Some(refusal.clone())),
            Asking::Settle(under_way) => self.settle_refused(*under_way, refusal),
            Asking::Sharing(ticket, answer) => {
                self.answers.push((ticket, Answer::Sharing(answer.refused(refusal.clone()))));
            }
            Asking::Subscriptions(ticket, _) => self.answers.push((ticket, refuse_admin(refusal))),
            // Its payload is refused as a whole when the shard gives up.
            Asking::Part(..) => {}
        }
    }

    /// Starts again from another replica's checkpoint.
    pub(crate) fn install(&mut self, checkpoint: &Checkpoint) {
        match crate::checkpoint::restore(self.config.id, checkpoint) {
            Ok((machine, segments)) => {
                self.machine = machine;
                self.reclaim.installed(segments);
                self.index.clear();
                self.hot.clear();
                // To the replica it counts as applied already.
                self.applied = checkpoint.index;
                self.publish_catalogue();
            }
            Err(error) => self.fence(format!("the checkpoint at {}: {error}", checkpoint.index)),
        }
    }
}

/// The header and the commands of a turn.
fn decode_turn(body: &Body) -> Result<(TurnHeader, Vec<forebay_machine::Command>), String> {
    let slot = body.slot(SlotNumber(0)).filter(|slot| slot.kind == SLOT_TURN);
    let slot = slot.ok_or("an entry without a turn")?;
    let (header, commands) = TurnHeader::decode(&slot.bytes).map_err(|malformed| malformed.0)?;
    let commands = decode_commands(&commands).map_err(|error| error.to_string())?;
    Ok((header, commands))
}

/// Bytes of the payloads that lie in the entry itself; the parts of a big one lie in others.
fn payload_bytes(indexed: &[IndexEntry]) -> usize {
    indexed.iter().map(|entry| entry.bytes as usize).filter(|bytes| *bytes <= PART_BYTES_MAX).sum()
}

/// A payload for the hot cache, which counts only its own bytes: where the payloads are the lesser part of their entry (beside
/// a part of a big one, refused ones, commands) they are copied, so that they do not keep the rest of it in memory.
fn unpinned(payload: Bytes, hot: usize, body_bytes: usize) -> Bytes {
    if hot < body_bytes / 2 { Bytes::copy_from_slice(&payload) } else { payload }
}

/// What an append's outcome means to its producer.
fn published(outcome: Outcome) -> Result<Appended, Refusal> {
    match outcome {
        Outcome::Appended(targets) => {
            let mut targets = targets.into_iter();
            let first = targets.next().expect("an append names a target");
            // One that did not take it is what there is to tell.
            let first = targets.fold(first, |told, target| told.and_then(|to| target.map(|_| to)));
            first.map(|to| Appended {
                base_offset: to.base_offset,
                start_offset: to.start_offset,
                append_time: to.append_time,
            })
        }
        Outcome::Refused(refusal) => Err(refusal),
        other => panic!("an append was applied, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_payload_beside_a_part_does_not_keep_the_part_in_memory() {
        let body = Bytes::from(vec![0; 1 << 20]);
        let small = unpinned(body.slice(..100), 100, body.len());
        let shared = unpinned(body.slice(..700_000), 700_000, body.len());
        assert_ne!(small.as_ptr(), body.as_ptr());
        assert_eq!(shared.as_ptr(), body.as_ptr());
    }

    #[test]
    fn a_big_payload_counts_where_its_parts_lie() {
        let entry = |bytes: usize| IndexEntry {
            partition: forebay_model::PartitionId(1),
            first_offset: forebay_model::Offset(0),
            count: 1,
            log_index: forebay_model::LogIndex(1),
            slot: SlotNumber(1),
            first_position: 0,
            bytes: bytes as u32,
            max_timestamp: forebay_model::Timestamp(-1),
            earliest_expiry: None,
            parts: Vec::new(),
        };
        assert_eq!(
            payload_bytes(&[entry(73), entry(PART_BYTES_MAX + 1), entry(PART_BYTES_MAX)]),
            73 + PART_BYTES_MAX
        );
    }
}
