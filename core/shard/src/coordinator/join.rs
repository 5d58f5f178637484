//! Joining.

use std::sync::Arc;

use forebay_machine::Command;
use forebay_machine::limits::GROUP_BYTES_MAX;
use forebay_model::Refusal;
use forebay_model::group::{GroupReply, JoinGroup, Strategy};

use super::group::{Group, Phase, refuse};
use super::member::Member;
use super::proposals::Pending;
use super::{ReplyKey, Turn};

/// A static member that came back under a new id while the group goes on.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) old_id: Arc<str>,
    pub(super) new_id: Arc<str>,
    generation: i32,
    /// What it said before, if the new id cannot be saved.
    old_strategies: Vec<Strategy>,
    old_session_timeout_ms: u32,
    old_rebalance_timeout_ms: u32,
    /// The leader's id before.
    old_leader: Option<Arc<str>>,
    may_skip_assignment: bool,
    reply: ReplyKey,
}

impl Group {
    pub(super) fn join(&mut self, join: JoinGroup, from: ReplyKey, random: u128, turn: &mut Turn<'_>) {
        if let Err(refusal) = self.check_join(&join, turn) {
            turn.reply(from, GroupReply::Join(Err(refusal)));
        } else if !join.member.is_empty() {
            self.join_again(join, from, turn);
        } else if join.instance.is_some() {
            self.join_static(join, from, random, turn);
        } else {
            self.join_new(join, from, random, turn);
        }
    }

    fn check_join(&mut self, join: &JoinGroup, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let sessions = turn.settings.session_timeout_ms_min..=turn.settings.session_timeout_ms_max;
        if !sessions.contains(&join.session_timeout_ms) {
            return Err(Refusal::InvalidSessionTimeout);
        }
        if !self.has_place(join, turn) {
            // A member too many does not stay in the way of those who have a place.
            self.expected.remove(join.member.as_str());
            self.remove(&join.member, turn);
            self.complete_join_if_all_came(turn);
            return Err(Refusal::GroupFull);
        }
        if self.supports(join) { Ok(()) } else { Err(Refusal::InconsistentProtocol) }
    }

    /// While members join, places go to those who came first, so that a group that is too large shrinks.
    fn has_place(&self, join: &JoinGroup, turn: &Turn<'_>) -> bool {
        let max = turn.settings.members_max;
        let known = self.members.get(join.member.as_str());
        match self.phase {
            Phase::Empty => true,
            Phase::Joining { .. } => {
                let came = self.members.values().filter(|member| member.joining.is_some()).count();
                known.is_some_and(|member| member.joining.is_some()) || came < max
            }
            Phase::Assigning { .. } | Phase::Stable => known.is_some() || self.members.len() < max,
        }
    }

    /// Same kind of group, and at least one strategy that all members have.
    fn supports(&self, join: &JoinGroup) -> bool {
        if self.is_empty() {
            return !join.kind.is_empty() && !join.strategies.is_empty();
        }
        let common = |name: &str| self.members.values().all(|member| member.supports(name));
        self.kind == join.kind && join.strategies.iter().any(|strategy| common(&strategy.name))
    }

    fn join_new(&mut self, join: JoinGroup, from: ReplyKey, random: u128, turn: &mut Turn<'_>) {
        let id = new_id(&join.client, random);
        if !join.id_first {
            self.add_then_rebalance(id, join, from, turn);
            return;
        }
        if self.expected.len() >= turn.settings.members_max {
            turn.reply(from, GroupReply::Join(Err(Refusal::GroupFull)));
            return;
        }
        turn.timers.set(self.timer_of(&id), turn.in_ms(join.session_timeout_ms));
        self.expected.insert(Arc::clone(&id));
        let refusal = Refusal::MemberIdRequired { member: id.to_string() };
        turn.reply(from, GroupReply::Join(Err(refusal)));
    }

    fn add_then_rebalance(&mut self, id: Arc<str>, join: JoinGroup, from: ReplyKey, turn: &mut Turn<'_>) {
        let (kind, reason) = (join.kind.clone(), reason("a new member joined", &join));
        let member = Member::new(id, join, from);
        if self.bytes() + member.bytes() > GROUP_BYTES_MAX {
            turn.reply(from, GroupReply::Join(Err(Refusal::GroupFull)));
            return;
        }
        // It has no session yet: only when it learns its id can it send heartbeats.
        let deadline = turn.in_ms(turn.settings.new_member_join_timeout_ms);
        turn.timers.set(self.timer_of(&member.id), deadline);
        if self.members.is_empty() {
            self.kind = kind;
        }
        self.add(member);
        if let Phase::Joining { initial: Some(delay) } = &mut self.phase {
            delay.has_grown = true;
        }
        self.rebalance(&reason, turn);
    }

    fn join_again(&mut self, join: JoinGroup, from: ReplyKey, turn: &mut Turn<'_>) {
        if let Some(id) = self.expected.get(join.member.as_str()).cloned() {
            if join.instance.is_some() {
                // Ids to come back with are for dynamic members only.
                turn.reply(from, GroupReply::Join(Err(Refusal::UnknownMember)));
                return;
            }
            self.add_then_rebalance(id, join, from, turn);
            return;
        }
        if let Err(refusal) = self.check_member(&join.member, join.instance.as_deref()) {
            turn.reply(from, GroupReply::Join(Err(refusal)));
            return;
        }
        let member = &self.members[join.member.as_str()];
        let is_leader = self.is_leader(&join.member);
        let has_changed = member.strategies != join.strategies;
        match self.phase {
            // It missed our answer: the same one again.
            Phase::Assigning { .. } if !has_changed => {
                self.answer_present(&join.member, is_leader, from, turn)
            }
            Phase::Stable if !has_changed && !is_leader => {
                self.answer_present(&join.member, false, from, turn)
            }
            // A leader that joins again wants to assign anew, for reasons that its metadata need not show.
            _ => self.update_then_rebalance(join, from, turn),
        }
    }

    fn answer_present(&mut self, id: &str, is_to_assign: bool, from: ReplyKey, turn: &mut Turn<'_>) {
        let joined = self.joined(id, is_to_assign);
        turn.reply(from, GroupReply::Join(Ok(joined)));
    }

    fn update_then_rebalance(&mut self, join: JoinGroup, from: ReplyKey, turn: &mut Turn<'_>) {
        let reason = reason("a member joined again", &join);
        let id = join.member.clone();
        if !self.has_room_for(&id, &join.strategies) {
            turn.reply(from, GroupReply::Join(Err(Refusal::GroupFull)));
            return;
        }
        if let Some(member) = self.members.get_mut(id.as_str()) {
            member.update(join);
            // The client has given up its earlier join.
            let earlier = member.joining.replace(from);
            refuse(earlier, None, &Refusal::RebalanceInProgress, turn.out);
        }
        self.rebalance(&reason, turn);
    }

    /// Whether the group stays within its bytes when a member's metadata changes.
    fn has_room_for(&self, id: &str, strategies: &[Strategy]) -> bool {
        let size = |strategies: &[Strategy]| -> usize {
            strategies.iter().map(|s| 64 + s.name.len() + s.metadata.len()).sum()
        };
        let before = self.members.get(id).map_or(0, |member| size(&member.strategies));
        self.bytes() - before + size(strategies) <= GROUP_BYTES_MAX
    }

    fn join_static(&mut self, join: JoinGroup, from: ReplyKey, random: u128, turn: &mut Turn<'_>) {
        let instance = join.instance.clone().unwrap_or_default();
        let new_id = new_id(&instance, random);
        match self.instances.get(&instance).cloned() {
            None => self.add_then_rebalance(new_id, join, from, turn),
            Some(old_id) => self.replace_static(&old_id, new_id, join, from, turn),
        }
    }

    /// The static member restarted: it takes over its place under a new id, and the old id is fenced.
    fn replace_static(
        &mut self,
        old_id: &Arc<str>,
        new_id: Arc<str>,
        join: JoinGroup,
        from: ReplyKey,
        turn: &mut Turn<'_>,
    ) {
        if !self.has_room_for(old_id, &join.strategies) {
            turn.reply(from, GroupReply::Join(Err(Refusal::GroupFull)));
            return;
        }
        let old_leader = self.leader.clone();
        let reason = reason("a static member came back", &join);
        self.rename(old_id, &new_id, turn);
        let Some(member) = self.members.get_mut(&new_id) else { return };
        let replacement = Replacement {
            old_id: Arc::clone(old_id),
            new_id,
            generation: self.generation,
            old_strategies: member.strategies.clone(),
            old_session_timeout_ms: member.session_timeout_ms,
            old_rebalance_timeout_ms: member.rebalance_timeout_ms,
            old_leader,
            may_skip_assignment: join.may_skip_assignment,
            reply: from,
        };
        member.client.clone_from(&join.client);
        member.host.clone_from(&join.host);
        member.update(join);
        member.joining = Some(from);
        self.touch(&replacement.new_id, turn);
        // As long as the same strategy would be chosen, nobody else has to know.
        if self.phase == Phase::Stable && self.elect_strategy() == self.strategy {
            self.save_replacement(replacement, turn);
        } else {
            self.rebalance(&reason, turn);
        }
    }

    /// Gives a member another id; whatever waits under the old one is fenced.
    fn rename(&mut self, old_id: &Arc<str>, new_id: &Arc<str>, turn: &mut Turn<'_>) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        turn.timers.cancel(&self.timer_of(old_id));
        refuse(member.joining.take(), member.syncing.take(), &Refusal::FencedInstance, turn.out);
        member.id = Arc::clone(new_id);
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), Arc::clone(new_id));
        }
        if self.is_leader(old_id) {
            self.leader = Some(Arc::clone(new_id));
        }
        if self.unsynced.remove(old_id) {
            self.unsynced.insert(Arc::clone(new_id));
        }
        self.members.insert(Arc::clone(new_id), member);
    }

    fn save_replacement(&mut self, replacement: Replacement, turn: &mut Turn<'_>) {
        let mut save = self.generation_to_save();
        let replicated = |member: &Member| member.replicated(&self.strategy, member.assignment.clone());
        save.members = self.members.values().map(replicated).collect();
        let pending = Pending::Replacement { group: self.id.clone(), replacement };
        turn.propose(Command::SaveGeneration(save), pending);
    }

    /// The static member's new id is in the log, or could not get there.
    pub(super) fn replacement_saved(
        &mut self,
        replacement: Replacement,
        saved: Result<(), Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let waits = |member: &Member| member.joining == Some(replacement.reply);
        let still_waits = self.members.get(&replacement.new_id).is_some_and(waits);
        if !still_waits || self.phase != Phase::Stable || self.generation != replacement.generation {
            // The group went on without it: it joins the next generation, or was answered already.
            return;
        }
        match saved {
            Ok(()) => self.answer_replacement(&replacement, turn),
            Err(refusal) => self.undo_replacement(&replacement, &refusal, turn),
        }
    }

    fn answer_replacement(&mut self, replacement: &Replacement, turn: &mut Turn<'_>) {
        let id = &replacement.new_id;
        let is_leader = self.is_leader(id);
        let mut joined = self.joined(id, is_leader && replacement.may_skip_assignment);
        if replacement.may_skip_assignment {
            joined.skip_assignment = is_leader;
        } else {
            // A leader that cannot skip the assignment is told that the old id leads, and so takes itself for a follower.
            joined.leader = replacement.old_leader.as_deref().unwrap_or_default().to_owned();
        }
        if let Some(member) = self.members.get_mut(id) {
            member.joining = None;
        }
        turn.reply(replacement.reply, GroupReply::Join(Ok(joined)));
        self.touch(id, turn);
    }

    fn undo_replacement(&mut self, replacement: &Replacement, refusal: &Refusal, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get_mut(&replacement.new_id) {
            member.strategies = replacement.old_strategies.clone();
            member.session_timeout_ms = replacement.old_session_timeout_ms;
            member.rebalance_timeout_ms = replacement.old_rebalance_timeout_ms;
            member.joining = None;
        }
        self.rename(&replacement.new_id, &replacement.old_id, turn);
        self.touch(&replacement.old_id, turn);
        turn.reply(replacement.reply, GroupReply::Join(Err(refusal.clone())));
    }
}

/// A member's id: the client's or the static name, so that people see who it is, and a random part.
pub(super) fn new_id(name: &str, random: u128) -> Arc<str> {
    let r = random;
    format!(
        "{name}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        r >> 96,
        r >> 80 & 0xffff,
        r >> 64 & 0xffff,
        r >> 48 & 0xffff,
        r & 0xffff_ffff_ffff
    )
    .into()
}

fn reason(what: &str, join: &JoinGroup) -> String {
    match &join.reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    }
}
