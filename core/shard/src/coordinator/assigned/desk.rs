//! Which requests are for a group whose partitions the broker assigns, and what becomes of them.

use forebay_machine::limits::{GROUP_ID_BYTES_MAX, GROUPS_PER_SHARD_MAX};
use forebay_model::group::{
    AssignedView, AttendGroup, CommitOffsets, ForgetOffsets, GroupReply, GroupRequest, GroupState,
    LeaveGroup, LeavingMember, Presence,
};
use forebay_model::{GroupId, Refusal};

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
            GroupRequest::Join(join) if is_active => GroupReply::Join(Err(self.why_not_join(&join.group))),
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
        if let Err(refusal) = self.group_to_attend(&attend, known) {
            return refuse(from, refusal, out);
        }
        let mut turn = self.desk.turn(now, out);
        match self.assigned.get_mut(&id) {
            Some(group) => group.attend(attend, from, random, topics, &mut turn),
            None => turn.reply(from, GroupReply::Attend(Err(Refusal::UnknownMember))),
        }
        self.let_go_assigned(&id);
    }

    /// Sees to it that the group is there, if it can be: who joins makes it, out of nothing or of a group without members.
    fn group_to_attend(&mut self, attend: &AttendGroup, known: Known<'_>) -> Result<(), Refusal> {
        let id = &attend.group;
        if id.0.is_empty() || id.0.len() > GROUP_ID_BYTES_MAX {
            return Err(Refusal::InvalidGroupId);
        }
        if self.assigned.contains_key(id) {
            return Ok(());
        }
        let replicated = known.groups.get(id);
        if attend.presence != Presence::Joins {
            return Err(if self.is_assigned(id, known) {
                Refusal::UnknownMember
            } else {
                Refusal::UnknownGroup
            });
        }
        match self.active.get(id) {
            Some(group) if !group.is_empty() => return Err(Refusal::UnknownGroup),
            // Its end is on its way through the log.
            Some(group) if group.saved_generation != group.generation => return Err(Refusal::Loading),
            _ => {}
        }
        if self.active.len() + self.assigned.len() >= GROUPS_PER_SHARD_MAX {
            return Err(Refusal::LimitReached { limit: "GROUPS_PER_SHARD_MAX" });
        }
        if let Some(group) = self.active.remove(id) {
            for member in &group.expected {
                self.desk.timers.cancel(&group.timer_of(member));
            }
        }
        let epoch = replicated.map_or(0, |group| group.generation);
        self.assigned.insert(id.clone(), AssignedGroup::new(id.clone(), epoch));
        Ok(())
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

    /// A group without members may change its kind, when its end is saved.
    fn why_not_join(&self, id: &GroupId) -> Refusal {
        if self.has_members(id) { Refusal::InconsistentProtocol } else { Refusal::Loading }
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

    /// An operator puts static members out, by their names.
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
        self.let_go_assigned(&id);
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
                TimerKey::Save(_) => group.save(&mut turn),
                TimerKey::Join(_) | TimerKey::Sync(_) | TimerKey::Member(..) => {}
            }
        }
        self.let_go_assigned(&id);
    }

    /// Forgets a group that the replicated state says everything about.
    pub(in super::super) fn let_go_assigned(&mut self, id: &GroupId) {
        if self.assigned.get(id).is_some_and(AssignedGroup::is_idle) {
            self.assigned.remove(id);
            self.desk.timers.cancel(&TimerKey::Save(id.clone()));
        }
    }
}

impl AssignedGroup {
    fn put_out(&mut self, leaving: &LeavingMember, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let named = leaving.instance.as_ref().filter(|_| leaving.member.is_empty());
        let id = named.and_then(|instance| self.instances.get(instance)).cloned();
        let id = id.ok_or(Refusal::UnknownMember)?;
        self.remove(&id, turn);
        Ok(())
    }
}

fn refuse(from: ReplyKey, refusal: Refusal, out: &mut Vec<Action>) {
    out.push(Action::Reply(from, GroupReply::Attend(Err(refusal))));
}
