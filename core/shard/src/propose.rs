//! From drafts to the replica: turns with their numbers, the one that it could not take yet, and the ends of segments.

use bytes::Bytes;
use forebay_commitlog::limits::ENTRY_BODY_BYTES_MAX;
use forebay_env::Monotonic;
use forebay_model::Refusal;
use forebay_model::limits::SEGMENT_INDEX_ENTRIES_MAX;
use forebay_replication::{Dropped, EntryKind};

use crate::draft::Draft;
use crate::shard::Shard;

/// A turn ready to be proposed.
pub(crate) struct Turn<T> {
    number: u64,
    body: Bytes,
    pub(crate) draft: Draft<T>,
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Proposes the drafts in order, until the replica takes no more.
    pub(crate) fn propose(&mut self, now: Monotonic) {
        loop {
            let next = self.stalled.take().or_else(|| self.next_draft(now));
            let Some(turn) = next else { return };
            self.propose_turn(turn);
            if self.stalled.is_some() {
                return;
            }
        }
    }

    /// The next draft that an entry can hold, as a turn.
    fn next_draft(&mut self, now: Monotonic) -> Option<Turn<T>> {
        while let Some(draft) = self.draft.pop() {
            self.turn_number += 1;
            self.spoke_at = now;
            if let Some(turn) = self.finish(now, self.turn_number, draft) {
                return Some(turn);
            }
        }
        None
    }

    /// Makes a draft into a turn of this number, or refuses it because no entry can hold it.
    fn finish(&mut self, now: Monotonic, number: u64, draft: Draft<T>) -> Option<Turn<T>> {
        let time = self.log_time(now);
        match draft.body(time, self.proposer, number) {
            Ok(body) => Some(Turn { number, body, draft }),
            Err(error) => {
                tracing::error!(shard = self.config.id.0, %error, "a turn fits no entry and is refused");
                let limit = ENTRY_BODY_BYTES_MAX as u64;
                self.refuse_askers(draft.into_askers(), &Refusal::TooLarge { limit });
                None
            }
        }
    }

    fn propose_turn(&mut self, turn: Turn<T>) {
        let entry = (EntryKind::Normal, turn.body.clone());
        match self.replica.propose(vec![entry]) {
            Ok(_) => {
                self.pending_bytes += turn.body.len() as u64;
                let first_part = turn.draft.first_part();
                self.pending.insert(turn.number, turn.draft.into_askers(), first_part);
            }
            Err(Dropped::Full | Dropped::NotReady) => self.stalled = Some(turn),
            Err(Dropped::NotLeader(_) | Dropped::Fenced) => {
                let refusal = self.not_leading();
                self.refuse_askers(turn.draft.into_askers(), &refusal);
            }
        }
    }

    /// Takes the publishes that have waited too long out of the turn that the replica could not take.
    pub(crate) fn expire_stalled(&mut self, now: Monotonic) -> Vec<T> {
        let Some(turn) = &mut self.stalled else { return Vec::new() };
        let expired = turn.draft.expire(now);
        if !expired.is_empty()
            && let Some(Turn { number, draft, .. }) = self.stalled.take()
            && !draft.is_empty()
        {
            self.stalled = self.finish(now, number, draft);
        }
        expired
    }

    /// Whether the segment is twice as long as it should be, because the checkpoints of those before it are not written. Then
    /// payloads wait for them: the index of a segment is in memory, and what it holds would be replayed.
    pub(crate) fn is_seal_overdue(&self) -> bool {
        self.index.active_len() >= 2 * SEGMENT_INDEX_ENTRIES_MAX || self.replica.is_seal_overdue()
    }

    /// Ends the segment when it is long enough. The log must hold everything proposed before, so that it knows.
    pub(crate) fn seal_if_due(&mut self, now: Monotonic) {
        let long = self.index.active_len() >= SEGMENT_INDEX_ENTRIES_MAX;
        let due = self.replica.wants_seal() || ((self.seal_wanted || long) && self.replica.may_seal());
        if self.leads() && due && !self.sealing {
            // A refused seal is proposed again next turn.
            let seal = (EntryKind::Seal, Bytes::new());
            self.sealing = self.replica.propose(vec![seal]).is_ok();
            self.seal_wanted &= !self.sealing;
            self.pump(now);
        }
    }
}
