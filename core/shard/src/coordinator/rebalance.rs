//! From one generation to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_machine::Command;
use forebay_model::Refusal;
use forebay_model::group::{GroupReply, Joined};

use super::group::{Group, InitialDelay, Phase, refuse};
use super::proposals::Pending;
use super::timers::TimerKey;
use super::{Turn, What};

impl Group {
    /// After members came, went or changed: asks everyone to join again, or goes on if that was being done and all are there.
    pub(super) fn rebalance(&mut self, reason: &str, turn: &mut Turn<'_>) {
        if self.is_joining() {
            self.complete_join_if_all_came(turn);
        } else {
            self.prepare_rebalance(reason, turn);
        }
    }

    /// Begins to wait for everyone's join.
    pub(super) fn prepare_rebalance(&mut self, reason: &str, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Assigning { .. }) {
            self.give_up_assigning(&Refusal::RebalanceInProgress, turn);
        }
        self.unsynced.clear();
        turn.timers.cancel(&TimerKey::Sync(self.id.clone()));
        turn.note(self, What::Rebalancing { reason: reason.to_owned() });
        let delay_ms = turn.settings.initial_rebalance_delay_ms;
        if self.is_empty() && delay_ms > 0 {
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms);
            let delay = InitialDelay { delay_ms, remaining_ms, has_grown: false };
            self.phase = Phase::Joining { initial: Some(delay) };
            turn.timers.set(TimerKey::Join(self.id.clone()), turn.in_ms(delay_ms));
            return;
        }
        self.phase = Phase::Joining { initial: None };
        if self.have_all_come() {
            self.complete_join(turn);
        } else {
            self.await_joins(turn);
        }
    }

    /// The members who wait for an assignment have to join again. What they had before is kept: they may still have it.
    fn give_up_assigning(&mut self, refusal: &Refusal, turn: &mut Turn<'_>) {
        for member in self.members.values_mut() {
            let Some(syncing) = member.syncing.take() else { continue };
            refuse(None, Some(syncing), refusal, turn.out);
            let key = TimerKey::Member(self.id.clone(), Arc::clone(&member.id));
            turn.timers.set(key, turn.in_ms(member.session_timeout_ms));
        }
    }

    fn await_joins(&mut self, turn: &mut Turn<'_>) {
        turn.timers.set(TimerKey::Join(self.id.clone()), turn.in_ms(self.rebalance_timeout_ms()));
    }

    /// Every member waits for the next generation, and nobody is on the way with a fresh id.
    fn have_all_come(&self) -> bool {
        self.expected.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    pub(super) fn complete_join_if_all_came(&mut self, turn: &mut Turn<'_>) {
        if self.phase == (Phase::Joining { initial: None }) && self.have_all_come() {
            self.complete_join(turn);
        }
    }

    /// The time for joining is up.
    pub(super) fn join_time_is_up(&mut self, turn: &mut Turn<'_>) {
        let Phase::Joining { initial } = &mut self.phase else { return };
        if let Some(delay) = initial
            && delay.has_grown
            && delay.remaining_ms > 0
        {
            let delay_ms = turn.settings.initial_rebalance_delay_ms.min(delay.remaining_ms);
            let remaining_ms = delay.remaining_ms.saturating_sub(delay.delay_ms);
            *delay = InitialDelay { delay_ms, remaining_ms, has_grown: false };
            turn.timers.set(TimerKey::Join(self.id.clone()), turn.in_ms(delay_ms));
            return;
        }
        self.complete_join(turn);
    }

    /// Makes the next generation of those who came. A static member who did not come stays, until its session ends.
    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        turn.timers.cancel(&TimerKey::Join(self.id.clone()));
        let absent = self.members.values().filter(|m| m.joining.is_none() && m.instance.is_none());
        let absent: Vec<Arc<str>> = absent.map(|member| Arc::clone(&member.id)).collect();
        for member in absent {
            self.remove(&member, turn);
            self.note_lost(&member, "it did not join again in time", turn);
        }
        if !self.members.is_empty() && !self.elect_among_joined() {
            // Only static members are left, and none of them came: wait on, their sessions will end.
            self.phase = Phase::Joining { initial: None };
            self.await_joins(turn);
            return;
        }
        self.generation = self.generation.saturating_add(1);
        self.unsynced.clear();
        if self.members.is_empty() { self.become_empty(turn) } else { self.begin_assigning(turn) }
    }

    /// Keeps the leader if it came, else takes the first who did; false when nobody came.
    fn elect_among_joined(&mut self) -> bool {
        let has_come = |id: &Arc<str>| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if self.leader.as_ref().is_some_and(has_come) {
            return true;
        }
        match self.members.values().find(|member| member.joining.is_some()) {
            Some(member) => {
                self.leader = Some(Arc::clone(&member.id));
                true
            }
            None => false,
        }
    }

    fn become_empty(&mut self, turn: &mut Turn<'_>) {
        self.strategy = String::new();
        self.phase = Phase::Empty;
        turn.note(self, What::Empty);
        let pending = Pending::Emptied { group: self.id.clone(), generation: self.generation };
        turn.propose(Command::SaveGeneration(self.generation_to_save()), pending);
    }

    fn begin_assigning(&mut self, turn: &mut Turn<'_>) {
        self.strategy = self.elect_strategy();
        self.phase = Phase::Assigning { is_saving: false };
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in &ids {
            let joined = self.joined(id, self.is_leader(id));
            let Some(member) = self.members.get_mut(id) else { continue };
            member.is_new = false;
            if let Some(to) = member.joining.take() {
                turn.reply(to, GroupReply::Join(Ok(joined)));
            }
            self.touch(id, turn);
        }
        self.unsynced.extend(ids);
        turn.timers.set(TimerKey::Sync(self.id.clone()), turn.in_ms(self.rebalance_timeout_ms()));
    }

    /// The answer to a join: the generation as it is.
    pub(super) fn joined(&self, member: &str, is_to_assign: bool) -> Joined {
        Joined {
            generation: self.generation,
            kind: self.kind.clone(),
            strategy: self.strategy.clone(),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            member: member.to_owned(),
            skip_assignment: false,
            members: if is_to_assign { self.joined_members() } else { Vec::new() },
        }
    }

    /// Among the strategies that all support, each member votes for the one it wants most. Of equals, the first by name.
    pub(super) fn elect_strategy(&self) -> String {
        let common = |name: &str| self.members.values().all(|member| member.supports(name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(choice) = member.strategies.iter().find(|strategy| common(&strategy.name)) {
                *votes.entry(&choice.name).or_default() += 1;
            }
        }
        let most = votes.into_iter().rev().max_by_key(|(_, count)| *count);
        most.map_or(String::new(), |(name, _)| name.to_owned())
    }

    /// The time for asking for the assignment is up: whoever did not ask is out.
    pub(super) fn sync_time_is_up(&mut self, turn: &mut Turn<'_>) {
        if self.is_joining() || self.is_empty() || self.unsynced.is_empty() {
            return;
        }
        for member in std::mem::take(&mut self.unsynced) {
            self.remove(&member, turn);
            self.note_lost(&member, "it did not ask for its assignment in time", turn);
        }
        self.prepare_rebalance("members did not ask for their assignment in time", turn);
    }

    /// No sign of life in time, from a member or from somebody with a fresh id.
    pub(super) fn session_is_over(&mut self, id: &Arc<str>, turn: &mut Turn<'_>) {
        if self.expected.remove(id) {
            self.complete_join_if_all_came(turn);
            return;
        }
        match self.members.get(id) {
            // It waits for us; its next session begins with the answer.
            Some(member) if member.is_excused() => return,
            Some(_) => {}
            None => return,
        }
        self.remove(id, turn);
        self.note_lost(id, "its session is over", turn);
        self.rebalance("a member's session is over", turn);
    }

    fn note_lost(&self, member: &Arc<str>, reason: &'static str, turn: &mut Turn<'_>) {
        turn.note(self, What::MemberLost { member: member.to_string(), reason });
    }

    /// The assignment could not be saved: those who wait for it learn why, and everyone joins again.
    pub(super) fn assignment_failed(&mut self, refusal: &Refusal, turn: &mut Turn<'_>) {
        self.give_up_assigning(refusal, turn);
        self.prepare_rebalance("the assignment could not be saved", turn);
    }
}
