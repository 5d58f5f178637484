//! Handing out the assignment.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_machine::Command;
use forebay_model::Refusal;
use forebay_model::group::{GroupReply, SyncGroup, Synced};

use super::group::{Group, Phase, refuse};
use super::member::Member;
use super::proposals::Pending;
use super::timers::TimerKey;
use super::{ReplyKey, Turn, What};

impl Group {
    pub(super) fn sync(&mut self, sync: SyncGroup, from: ReplyKey, turn: &mut Turn<'_>) {
        if let Err(refusal) = self.check_sync(&sync) {
            turn.reply(from, GroupReply::Sync(Err(refusal)));
            return;
        }
        let id = sync.proof.member.as_str();
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            turn.timers.cancel(&TimerKey::Sync(self.id.clone()));
        }
        match self.phase {
            Phase::Assigning { is_saving } => {
                if let Some(member) = self.members.get_mut(id) {
                    // The client has given up its earlier sync.
                    let earlier = member.syncing.replace(from);
                    refuse(None, earlier, &Refusal::RebalanceInProgress, turn.out);
                }
                if self.is_leader(id) && !is_saving {
                    self.save_assignment(sync.assignments, turn);
                }
            }
            Phase::Stable => {
                let assignment = self.members.get(id).map_or(Bytes::new(), |m| m.assignment.clone());
                let synced = self.synced(assignment);
                turn.reply(from, GroupReply::Sync(Ok(synced)));
            }
            Phase::Empty | Phase::Joining { .. } => {
                turn.reply(from, GroupReply::Sync(Err(Refusal::RebalanceInProgress)));
            }
        }
    }

    fn check_sync(&self, sync: &SyncGroup) -> Result<(), Refusal> {
        self.check_proof(&sync.proof)?;
        let differs = |said: &Option<String>, is: &str| said.as_ref().is_some_and(|said| said != is);
        if differs(&sync.kind, &self.kind) || differs(&sync.strategy, &self.strategy) {
            return Err(Refusal::InconsistentProtocol);
        }
        if self.is_joining() { Err(Refusal::RebalanceInProgress) } else { Ok(()) }
    }

    /// Nobody gets an assignment before it is in the log: a new leader must know what was handed out. Members that the leader
    /// left out get an empty one; shares of strangers are dropped.
    fn save_assignment(&mut self, shares: Vec<(String, Bytes)>, turn: &mut Turn<'_>) {
        let mut assignments: BTreeMap<Arc<str>, Bytes> = BTreeMap::new();
        for (member, share) in shares {
            if let Some((id, _)) = self.members.get_key_value(member.as_str()) {
                assignments.insert(Arc::clone(id), Bytes::copy_from_slice(&share));
            }
        }
        let mut save = self.generation_to_save();
        let replicated = |member: &Member| {
            let share = assignments.get(&member.id).cloned().unwrap_or_default();
            member.replicated(&self.strategy, share)
        };
        save.members = self.members.values().map(replicated).collect();
        self.phase = Phase::Assigning { is_saving: true };
        let (group, generation) = (self.id.clone(), self.generation);
        turn.propose(Command::SaveGeneration(save), Pending::Assignment { group, generation, assignments });
    }

    /// The assignment is in the log, or could not get there. If the group went on meanwhile, nobody waits for it any more.
    pub(super) fn assignment_saved(
        &mut self,
        generation: i32,
        mut assignments: BTreeMap<Arc<str>, Bytes>,
        saved: Result<(), Refusal>,
        turn: &mut Turn<'_>,
    ) {
        if saved.is_ok() {
            self.saved_generation = self.saved_generation.max(generation);
        }
        if !matches!(self.phase, Phase::Assigning { .. }) || self.generation != generation {
            return;
        }
        if let Err(refusal) = saved {
            self.assignment_failed(&refusal, turn);
            return;
        }
        self.phase = Phase::Stable;
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let assignment = assignments.remove(&id).unwrap_or_default();
            let synced = self.synced(assignment.clone());
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.assignment = assignment;
            if let Some(to) = member.syncing.take() {
                turn.reply(to, GroupReply::Sync(Ok(synced)));
                self.touch(&id, turn);
            }
        }
        turn.note(self, What::Stable { members: self.members.len() });
    }

    fn synced(&self, assignment: Bytes) -> Synced {
        Synced { kind: self.kind.clone(), strategy: self.strategy.clone(), assignment }
    }
}
