//! Which requests are for a group whose partitions the broker assigns, and what becomes of them.

use std::collections::BTreeMap;

use forebay_machine::limits::{GROUP_ID_BYTES_MAX, GROUPS_PER_SHARD_MAX};
use forebay_machine::{Catalog, Groups};
use forebay_model::group::{
    AssignedView, AttendGroup, CommitOffsets, ForgetOffsets, GroupReply, GroupRequest, GroupState, JoinGroup,
    LeaveGroup, Presence, SyncGroup,
};
use forebay_model::{GroupId, Refusal};

use super::super::group::Group;
use super::super::timers::TimerKey;
use super::super::{Action, Coordinator, Known, ReplyKey, Turn, offsets};
use super::strategy::Strategy;
use super::{AssignedGroup, KIND};

impl Coordinator {
    /// Serves a request if it is for such a group; gives it back if it is not. `answer` is where the answer goes, and what may be used
    /// up when a member is new.
    pub(in super::super) fn handle_assigned(
        &mut self,
        now: u64,
        request: GroupRequest,
        answer: (ReplyKey, u128),
        known: Known<'_>,
        out: &mut Vec<Action>,
    ) -> Option<GroupRequest> {
        let (from, random) = answer;
        let is_active = self.assigned.contains_key(request.group());
        let is_assigned = self.is_assigned(request.group(), known);
        let reply = match request {
            GroupRequest::Attend(attend) => {
                self.attend(now, *attend, (from, random), known, out);
                return None;
            }
            GroupRequest::DescribeAssigned(id) => {
                GroupReply::DescribeAssigned(self.describe_assigned(&id, known))
            }
            // Whoever looks for a group of the other kind finds none.
            GroupRequest::Describe(_) if is_assigned => GroupReply::Describe(Err(Refusal::UnknownGroup)),
            GroupRequest::Join(join) if join.kind == KIND => {
                GroupReply::Join(Err(Refusal::InconsistentProtocol))
            }
            GroupRequest::Join(join) if is_active => {
                self.join_assigned(now, join, (from, random), known, out);
                return None;
            }
            GroupRequest::Sync(sync) if is_active => {
                self.sync_assigned(now, &sync, from, known, out);
                return None;
            }
            GroupRequest::Heartbeat(proof) if is_active => {
                let mut turn = self.desk.turn(now, out);
                let group = self.assigned.get_mut(&proof.group);
                let unknown = Err(Refusal::UnknownMember);
                GroupReply::Heartbeat(group.map_or(unknown, |group| group.heartbeat(&proof, &mut turn)))
            }
            GroupRequest::FetchOffsets(fetch) => {
                match self.check_fetch(&fetch.group, fetch.member.as_ref(), known) {
                    Ok(()) => return Some(GroupRequest::FetchOffsets(fetch)),
                    Err(refusal) => GroupReply::FetchOffsets(Err(refusal)),
                }
            }
            GroupRequest::Leave(leave) if is_active => self.put_out(now, leave, out),
            GroupRequest::CommitOffsets(commit) if is_active => {
                self.commit(now, commit, from, out);
                return None;
            }
            GroupRequest::Delete(id) if self.has_members(&id) => {
                debug_assert!(is_active, "a group with members is active");
                GroupReply::Delete(Err(Refusal::GroupNotEmpty))
            }
            GroupRequest::ForgetOffsets(forget) if self.has_members(&forget.group) => {
                self.forget(now, forget, from, known, out);
                return None;
            }
            request => return Some(request),
        };
        out.push(Action::Reply(from, reply));
        None
    }

    /// A group without members is of the kind that it was last, until somebody joins.
    fn is_assigned(&self, id: &GroupId, known: Known<'_>) -> bool {
        let was = || known.groups.get(id).is_some_and(|group| group.kind == KIND);
        self.assigned.contains_key(id) || (!self.active.contains_key(id) && was())
    }

    fn has_members(&self, id: &GroupId) -> bool {
        self.assigned.get(id).is_some_and(|group| !group.is_empty())
    }

    fn attend(
        &mut self,
        now: u64,
        attend: AttendGroup,
        answer: (ReplyKey, u128),
        known: Known<'_>,
        out: &mut Vec<Action>,
    ) {
        let (from, random) = answer;
        let id = attend.group.clone();
        let Some(topics) = known.topics else { return refuse(from, Refusal::Loading, out) };
        let mut turn = self.desk.turn(now, out);
        let result =
            group_to_attend(&mut self.active, &mut self.assigned, &attend, (known.groups, topics), &mut turn);
        match result {
            Ok(group) => group.attend(attend, from, random, topics, &mut turn),
            Err(refusal) => turn.reply(from, GroupReply::Attend(Err(refusal))),
        }
        self.settle(now, &id, out);
    }

    /// Somebody comes by the classic protocol.
    fn join_assigned(
        &mut self,
        now: u64,
        join: JoinGroup,
        answer: (ReplyKey, u128),
        known: Known<'_>,
        out: &mut Vec<Action>,
    ) {
        let (from, random) = answer;
        let id = join.group.clone();
        let mut turn = self.desk.turn(now, out);
        match (self.assigned.get_mut(&id), known.topics) {
            (Some(group), Some(topics)) if !group.is_empty() => {
                group.join(join, from, random, topics, &mut turn);
            }
            // A group without members may change its kind, when its end is saved.
            _ => turn.reply(from, GroupReply::Join(Err(Refusal::Loading))),
        }
        self.settle(now, &id, out);
    }

    fn sync_assigned(
        &mut self,
        now: u64,
        sync: &SyncGroup,
        from: ReplyKey,
        known: Known<'_>,
        out: &mut Vec<Action>,
    ) {
        let mut turn = self.desk.turn(now, out);
        match (self.assigned.get_mut(&sync.proof.group), known.topics) {
            (Some(group), Some(topics)) => group.sync(sync, from, topics, &mut turn),
            _ => turn.reply(from, GroupReply::Sync(Err(Refusal::Loading))),
        }
    }

    fn describe_assigned(&self, id: &GroupId, known: Known<'_>) -> Result<AssignedView, Refusal> {
        if let Some(group) = self.assigned.get(id) {
            return Ok(group.view(known.topics));
        }
        let replicated = known.groups.get(id).filter(|_| self.is_assigned(id, known));
        let replicated = replicated.ok_or(Refusal::UnknownGroup)?;
        Ok(AssignedView {
            group: id.clone(),
            state: GroupState::Empty,
            epoch: replicated.generation,
            assigned_epoch: replicated.generation,
            strategy: Strategy::Uniform.name(),
            members: Vec::new(),
        })
    }

    fn check_fetch(
        &self,
        id: &GroupId,
        member: Option<&(String, i32)>,
        known: Known<'_>,
    ) -> Result<(), Refusal> {
        let Some((member, epoch)) = member else { return Ok(()) };
        match self.assigned.get(id) {
            Some(group) => group.check_fetch(member, *epoch),
            None if self.is_assigned(id, known) => Err(Refusal::UnknownMember),
            None => Ok(()),
        }
    }

    fn commit(&mut self, now: u64, commit: CommitOffsets, from: ReplyKey, out: &mut Vec<Action>) {
        let mut turn = self.desk.turn(now, out);
        let Some(group) = self.assigned.get(&commit.group) else { return };
        let refused: Vec<Result<(), Refusal>> =
            commit.offsets.iter().map(|offset| group.check_commit(&commit, offset)).collect();
        offsets::commit_checked(commit, refused, from, &mut turn);
    }

    fn forget(
        &mut self,
        now: u64,
        forget: ForgetOffsets,
        from: ReplyKey,
        known: Known<'_>,
        out: &mut Vec<Action>,
    ) {
        let refusals = match (self.assigned.get(&forget.group), known.topics) {
            (Some(group), Some(topics)) => Ok(group.check_forget(&forget, topics)),
            _ => Err(Refusal::Loading),
        };
        offsets::forget(forget, refusals, from, &mut self.desk.turn(now, out));
    }

    /// Members of the classic protocol leave; an operator puts static members out, by their names.
    fn put_out(&mut self, now: u64, leave: LeaveGroup, out: &mut Vec<Action>) -> GroupReply {
        let LeaveGroup { group: id, members } = leave;
        let mut turn = self.desk.turn(now, out);
        let mut results = Vec::with_capacity(members.len());
        if let Some(group) = self.assigned.get_mut(&id) {
            for member in members {
                let result = group.put_out(&member, &mut turn);
                results.push((member, result));
            }
            group.save(&mut turn);
        }
        self.settle(now, &id, out);
        GroupReply::Leave(Ok(results))
    }

    pub(in super::super) fn assigned_timeout(&mut self, now: u64, key: &TimerKey, out: &mut Vec<Action>) {
        let id = key.group().clone();
        let mut turn = self.desk.turn(now, out);
        if let Some(group) = self.assigned.get_mut(&id) {
            match key {
                TimerKey::Session(_, member) => group.lose(member, "its session is over", &mut turn),
                TimerKey::Revocation(_, member) => {
                    group.lose(member, "it did not give back in time", &mut turn);
                }
                TimerKey::Rejoin(_, member) => {
                    group.lose(member, "it did not join again, or ask for its share, in time", &mut turn);
                }
                TimerKey::Save(_) => group.save(&mut turn),
                TimerKey::Join(_) | TimerKey::Sync(_) | TimerKey::Member(..) => {}
            }
        }
        self.settle(now, &id, out);
    }

    /// Makes a group a classic one again that only members of the classic protocol are left in, and forgets one that the
    /// replicated state says everything about.
    pub(in super::super) fn settle(&mut self, now: u64, id: &GroupId, out: &mut Vec<Action>) {
        if self.assigned.get(id).is_some_and(AssignedGroup::is_classic)
            && let Some(group) = self.assigned.remove(id)
        {
            let group = group.into_classic(&mut self.desk.turn(now, out));
            self.active.insert(id.clone(), group);
        }
        if self.assigned.get(id).is_some_and(AssignedGroup::is_idle) {
            self.assigned.remove(id);
            self.desk.timers.cancel(&TimerKey::Save(id.clone()));
        }
    }
}

/// The group that somebody is in, or comes to: who joins makes it, out of nothing, of a group without members, or of a classic one
/// that the broker can assign for.
fn group_to_attend<'a>(
    active: &mut BTreeMap<GroupId, Group>,
    assigned: &'a mut BTreeMap<GroupId, AssignedGroup>,
    attend: &AttendGroup,
    known: (&Groups, &Catalog),
    turn: &mut Turn<'_>,
) -> Result<&'a mut AssignedGroup, Refusal> {
    let (id, (groups, topics)) = (&attend.group, known);
    if id.0.is_empty() || id.0.len() > GROUP_ID_BYTES_MAX {
        return Err(Refusal::InvalidGroupId);
    }
    if !assigned.contains_key(id) {
        let replicated = groups.get(id);
        if attend.presence != Presence::Joins {
            let was_assigned = !active.contains_key(id) && replicated.is_some_and(|group| group.kind == KIND);
            return Err(if was_assigned { Refusal::UnknownMember } else { Refusal::UnknownGroup });
        }
        let group = match active.get(id) {
            Some(group) if !group.is_empty() => {
                let group = AssignedGroup::of_classic(group, attend.dialect, topics);
                let group = group.ok_or(Refusal::UnknownGroup)?;
                group.check_newcomer(attend, topics, turn.settings.members_max)?;
                group
            }
            // Its end is on its way through the log.
            Some(group) if group.saved_generation != group.generation => return Err(Refusal::Loading),
            _ => AssignedGroup::new(id.clone(), replicated.map_or(0, |group| group.generation)),
        };
        if active.len() + assigned.len() >= GROUPS_PER_SHARD_MAX && !active.contains_key(id) {
            return Err(Refusal::LimitReached { limit: "GROUPS_PER_SHARD_MAX" });
        }
        if let Some(mut classic) = active.remove(id) {
            classic.end(turn);
        }
        group.resume(turn);
        assigned.insert(id.clone(), group);
    }
    assigned.get_mut(id).ok_or(Refusal::UnknownMember)
}

fn refuse(from: ReplyKey, refusal: Refusal, out: &mut Vec<Action>) {
    out.push(Action::Reply(from, GroupReply::Attend(Err(refusal))));
}
