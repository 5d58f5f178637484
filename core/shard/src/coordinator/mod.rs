//! The coordinator of a shard's groups: who is a member, who is alive, which generation is being formed.
//!
//! It lives on the leader only and is volatile. What must survive, a generation with its assignment and the committed offsets, goes
//! through the log as commands and is answered when applied; everything else is rebuilt by [`Coordinator::load`] from the replicated
//! [`Groups`] when a shard gets a new leader. Pure: time and randomness are arguments, answers and proposals are [`Action`]s.
//!
//! The rules are those of Kafka's classic group protocol; where they leave a choice, the comments say what was chosen.

mod assigned;
mod group;
mod join;
mod leave;
mod member;
mod offsets;
mod proposals;
mod rebalance;
mod settings;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod view;

use std::collections::BTreeMap;

use forebay_machine::limits::{GROUP_ID_BYTES_MAX, GROUPS_PER_SHARD_MAX, MEMBERS_PER_GROUP_MAX};
use forebay_machine::{Catalog, Command, Groups, Outcome};
use forebay_model::group::{GroupListing, GroupReply, GroupRequest, LeaveGroup};
use forebay_model::{GroupId, Refusal};

use self::assigned::AssignedGroup;
use self::group::Group;
use self::proposals::{Pending, Proposals};
pub use self::settings::CoordinatorSettings;
use self::timers::{TimerKey, Timers};

/// Names a request until it is answered; the caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyKey(pub u64);

/// Names a proposal until its outcome is known; the coordinator chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalKey(pub u64);

/// What the shard has to do for the coordinator.
#[derive(Clone, Debug)]
pub enum Action {
    /// Answer a request. Every request is answered once.
    Reply(ReplyKey, GroupReply),
    /// Put a command into the log; hand its outcome to [`Coordinator::applied`], or say [`Coordinator::failed`].
    Propose(Command, ProposalKey),
    /// Tell people what became of a group.
    Note(Note),
}

/// News of a group, for logs and counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The group.
    pub group: GroupId,
    /// The generation at that time.
    pub generation: i32,
    /// What happened.
    pub what: What,
}

/// What happened to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Its members are asked to join again.
    Rebalancing {
        /// Why, with the client's own reason if it gave one.
        reason: String,
    },
    /// Everyone has an assignment.
    Stable {
        /// How many members.
        members: usize,
    },
    /// The last member is gone.
    Empty,
    /// A member was put out.
    MemberLost {
        /// Who.
        member: String,
        /// Why.
        reason: &'static str,
    },
}

/// What the coordinator may look at.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The replicated groups as applied.
    pub groups: &'a Groups,
    /// The topics, as new as they are known here; `None` before any are. Their versions never fall.
    pub topics: Option<&'a Catalog>,
}

/// What a step of the coordinator works with.
struct Turn<'a> {
    /// Monotonic time in nanoseconds.
    now: u64,
    settings: &'a CoordinatorSettings,
    timers: &'a mut Timers,
    proposals: &'a mut Proposals,
    out: &'a mut Vec<Action>,
}

impl Turn<'_> {
    fn reply(&mut self, to: ReplyKey, reply: GroupReply) {
        self.out.push(Action::Reply(to, reply));
    }

    fn propose(&mut self, command: Command, pending: Pending) -> ProposalKey {
        let key = self.proposals.add(pending);
        self.out.push(Action::Propose(command, key));
        key
    }

    fn note(&mut self, group: &Group, what: What) {
        let note = Note { group: group.id.clone(), generation: group.generation, what };
        self.out.push(Action::Note(note));
    }

    fn in_ms(&self, ms: u32) -> u64 {
        self.now.saturating_add(u64::from(ms) * 1_000_000)
    }
}

/// The coordinator of all groups of one shard.
#[derive(Debug, Default)]
pub struct Coordinator {
    /// Groups with somebody in or at them. All others are read from the replicated state when somebody comes.
    active: BTreeMap<GroupId, Group>,
    /// The same of groups whose partitions the broker assigns.
    assigned: BTreeMap<GroupId, AssignedGroup>,
    desk: Desk,
}

/// What all groups share.
#[derive(Debug, Default)]
struct Desk {
    settings: CoordinatorSettings,
    timers: Timers,
    proposals: Proposals,
}

impl Desk {
    fn turn<'a>(&'a mut self, now: u64, out: &'a mut Vec<Action>) -> Turn<'a> {
        let Desk { settings, timers, proposals } = self;
        Turn { now, settings, timers, proposals, out }
    }
}

impl Coordinator {
    /// A coordinator that knows no group: [`Coordinator::load`] before the first request.
    pub fn new(settings: CoordinatorSettings) -> Coordinator {
        let members_max = settings.members_max.min(MEMBERS_PER_GROUP_MAX);
        let settings = CoordinatorSettings { members_max, ..settings };
        let desk = Desk { settings, ..Desk::default() };
        Coordinator { active: BTreeMap::new(), assigned: BTreeMap::new(), desk }
    }

    /// Takes up the groups of the replicated state, on becoming leader and before the first request. Every member gets a
    /// fresh session.
    pub fn load(&mut self, now: u64, groups: &Groups, out: &mut Vec<Action>) {
        self.unload(&Refusal::Loading, out);
        for (id, replicated) in groups.iter().filter(|(_, group)| !group.members.is_empty()) {
            if replicated.kind == assigned::KIND {
                let group = AssignedGroup::recovered(id.clone(), replicated);
                group.resume(&mut self.desk.turn(now, out));
                self.assigned.insert(id.clone(), group);
                self.settle(now, id, out);
                continue;
            }
            let mut group = Group::recovered(id.clone(), replicated);
            let mut turn = self.desk.turn(now, out);
            group.resume(&mut turn);
            self.active.insert(id.clone(), group);
        }
    }

    /// Gives up everything, on losing leadership: every waiting request is answered with `refusal`.
    pub fn unload(&mut self, refusal: &Refusal, out: &mut Vec<Action>) {
        for (_, mut group) in std::mem::take(&mut self.active) {
            group.refuse_waiting(refusal, out);
        }
        for (_, mut group) in std::mem::take(&mut self.assigned) {
            group.refuse_waiting(refusal, out);
        }
        for pending in self.desk.proposals.forget_all() {
            if let Some((to, reply)) = pending.refused(refusal) {
                out.push(Action::Reply(to, reply));
            }
        }
        self.desk.timers = Timers::default();
    }

    /// Serves one request. `random` is used up when a member is new, `from` is where the answer goes; it may come much later.
    pub fn handle(
        &mut self,
        now: u64,
        request: GroupRequest,
        from: ReplyKey,
        random: u128,
        known: Known<'_>,
        out: &mut Vec<Action>,
    ) {
        let groups = known.groups;
        let Some(request) = self.handle_assigned(now, request, (from, random), known, out) else { return };
        match request {
            // Those two are for the other kind of group alone.
            GroupRequest::Attend(_) | GroupRequest::DescribeAssigned(_) => {}
            GroupRequest::FetchOffsets(fetch) => {
                let reply = GroupReply::FetchOffsets(offsets::fetch(groups, fetch));
                out.push(Action::Reply(from, reply));
            }
            GroupRequest::Describe(id) => {
                let reply = GroupReply::Describe(Ok(self.describe(&id, groups)));
                out.push(Action::Reply(from, reply));
            }
            GroupRequest::Join(join) => {
                let id = join.group.clone();
                let group = match group_to_join(&mut self.active, &id, join.member.is_empty(), groups) {
                    Ok(group) => group,
                    Err(refusal) => {
                        out.push(Action::Reply(from, GroupReply::Join(Err(refusal))));
                        return;
                    }
                };
                let mut turn = self.desk.turn(now, out);
                group.join(join, from, random, &mut turn);
                self.let_go(&id);
            }
            GroupRequest::Sync(sync) => {
                let mut turn = self.desk.turn(now, out);
                match self.active.get_mut(&sync.proof.group) {
                    Some(group) => group.sync(sync, from, &mut turn),
                    None => turn.reply(from, GroupReply::Sync(Err(Refusal::UnknownMember))),
                }
            }
            GroupRequest::Heartbeat(proof) => {
                let mut turn = self.desk.turn(now, out);
                let result = match self.active.get_mut(&proof.group) {
                    Some(group) => group.heartbeat(&proof, &mut turn),
                    None => Err(Refusal::UnknownMember),
                };
                turn.reply(from, GroupReply::Heartbeat(result));
            }
            GroupRequest::Leave(leave) => self.leave(now, leave, from, out),
            GroupRequest::CommitOffsets(commit) => {
                let mut turn = self.desk.turn(now, out);
                let checked = match self.active.get_mut(&commit.group) {
                    Some(group) => group.check_commit(&commit, &mut turn),
                    None => offsets::check_commit_to_empty(&commit, groups),
                };
                offsets::commit(commit, checked, from, &mut turn);
            }
            GroupRequest::Delete(id) => self.delete(now, id, from, groups, out),
            GroupRequest::ForgetOffsets(forget) => {
                let refusals = match (self.active.get(&forget.group), groups.get(&forget.group)) {
                    (Some(group), _) => group.check_forget(&forget),
                    (None, Some(_)) => Ok(vec![None; forget.cursors.len()]),
                    (None, None) => Err(Refusal::UnknownGroup),
                };
                offsets::forget(forget, refusals, from, &mut self.desk.turn(now, out));
            }
        }
    }

    /// Goes on after a proposal was applied. `outcome` is what the machine said.
    pub fn applied(&mut self, now: u64, key: ProposalKey, outcome: Outcome, out: &mut Vec<Action>) {
        let Some(pending) = self.desk.proposals.take(key) else { return };
        if let Pending::Emptied { group, generation } = &pending
            && let Some(active) = self.active.get_mut(group)
        {
            // Even refused: then there was no room for the group, so the replicated state knows of no members either.
            active.saved_generation = active.saved_generation.max(*generation);
        }
        let result = match outcome {
            Outcome::Refused(refusal) => Err(refusal),
            outcome => Ok(outcome),
        };
        self.go_on(now, key, pending, result, out);
    }

    /// Goes on after a proposal was dropped before it got into the log, or when nobody knows what became of it.
    pub fn failed(&mut self, now: u64, key: ProposalKey, refusal: Refusal, out: &mut Vec<Action>) {
        let Some(pending) = self.desk.proposals.take(key) else { return };
        self.go_on(now, key, pending, Err(refusal), out);
    }

    fn go_on(
        &mut self,
        now: u64,
        key: ProposalKey,
        pending: Pending,
        result: Result<Outcome, Refusal>,
        out: &mut Vec<Action>,
    ) {
        let mut turn = self.desk.turn(now, out);
        let saved = result.as_ref().map(|_| ()).map_err(Refusal::clone);
        let id = match pending {
            Pending::Assignment { group, generation, assignments } => {
                if let Some(active) = self.active.get_mut(&group) {
                    active.assignment_saved(generation, assignments, saved, &mut turn);
                }
                group
            }
            Pending::Replacement { group, replacement } => {
                if let Some(active) = self.active.get_mut(&group) {
                    active.replacement_saved(replacement, saved, &mut turn);
                }
                group
            }
            Pending::Emptied { group, .. } => group,
            Pending::Assigned { group } => {
                if let Some(assigned) = self.assigned.get_mut(&group) {
                    assigned.was_saved(key, saved, &mut turn);
                }
                return self.settle(now, &group, out);
            }
            pending @ (Pending::Commit { .. } | Pending::Forget { .. } | Pending::Delete { .. }) => {
                let answer = match result {
                    Ok(outcome) => pending.carried_out(outcome),
                    Err(refusal) => pending.refused(&refusal),
                };
                if let Some((to, reply)) = answer {
                    turn.reply(to, reply);
                }
                return;
            }
        };
        self.let_go(&id);
    }

    /// When [`Coordinator::timeout`] has to be called next, in the same clock.
    pub fn next_deadline(&self) -> Option<u64> {
        self.desk.timers.next()
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: u64, out: &mut Vec<Action>) {
        while let Some(key) = self.desk.timers.pop_due(now) {
            let id = key.group().clone();
            let mut turn = self.desk.turn(now, out);
            if let Some(group) = self.active.get_mut(&id) {
                match &key {
                    TimerKey::Join(_) => group.join_time_is_up(&mut turn),
                    TimerKey::Sync(_) => group.sync_time_is_up(&mut turn),
                    TimerKey::Member(_, member) => group.session_is_over(member, &mut turn),
                    TimerKey::Session(..)
                    | TimerKey::Revocation(..)
                    | TimerKey::Rejoin(..)
                    | TimerKey::Save(_) => {}
                }
            }
            self.let_go(&id);
            self.assigned_timeout(now, &key, out);
        }
    }

    /// Whether somebody is in or at a group of this name.
    pub fn has(&self, id: &GroupId) -> bool {
        self.active.contains_key(id) || self.assigned.contains_key(id)
    }

    /// Every group of the shard.
    pub fn list(&self, groups: &Groups) -> Vec<GroupListing> {
        view::list(&self.active, &self.assigned, groups)
    }

    fn leave(&mut self, now: u64, leave: LeaveGroup, from: ReplyKey, out: &mut Vec<Action>) {
        let mut turn = self.desk.turn(now, out);
        let results = match self.active.get_mut(&leave.group) {
            Some(group) => group.leave(leave.members, &mut turn),
            None => leave.members.into_iter().map(|member| (member, Err(Refusal::UnknownMember))).collect(),
        };
        turn.reply(from, GroupReply::Leave(Ok(results)));
        self.let_go(&leave.group);
    }

    fn delete(&mut self, now: u64, id: GroupId, from: ReplyKey, groups: &Groups, out: &mut Vec<Action>) {
        let mut turn = self.desk.turn(now, out);
        let refusal = match (self.active.get(&id), groups.get(&id)) {
            (Some(group), _) if !group.is_empty() => Refusal::GroupNotEmpty,
            (_, Some(_)) => {
                turn.propose(Command::DeleteGroup { group: id }, Pending::Delete { reply: from });
                return;
            }
            // Ids were given out and nobody has joined with one yet: there is nothing to replicate.
            (Some(group), None) if group.saved_generation == group.generation => {
                for member in &group.expected {
                    turn.timers.cancel(&TimerKey::Member(id.clone(), member.clone()));
                }
                self.active.remove(&id);
                return turn.reply(from, GroupReply::Delete(Ok(())));
            }
            (_, None) => Refusal::UnknownGroup,
        };
        turn.reply(from, GroupReply::Delete(Err(refusal)));
    }

    /// Forgets a group that the replicated state says everything about.
    fn let_go(&mut self, id: &GroupId) {
        if self.active.get(id).is_some_and(Group::is_idle) {
            self.active.remove(id);
            self.desk.timers.cancel(&TimerKey::Join(id.clone()));
            self.desk.timers.cancel(&TimerKey::Sync(id.clone()));
        }
    }
}

/// The group that somebody wants to join: only somebody new makes one.
fn group_to_join<'a>(
    active: &'a mut BTreeMap<GroupId, Group>,
    id: &GroupId,
    is_new: bool,
    groups: &Groups,
) -> Result<&'a mut Group, Refusal> {
    if id.0.is_empty() || id.0.len() > GROUP_ID_BYTES_MAX {
        return Err(Refusal::InvalidGroupId);
    }
    if !active.contains_key(id) {
        let group = match groups.get(id) {
            Some(replicated) => Group::recovered(id.clone(), replicated),
            None if is_new => Group::new(id.clone()),
            None => return Err(Refusal::UnknownMember),
        };
        if active.len() >= GROUPS_PER_SHARD_MAX {
            return Err(Refusal::LimitReached { limit: "GROUPS_PER_SHARD_MAX" });
        }
        active.insert(id.clone(), group);
    }
    Ok(active.get_mut(id).expect("it was there or was just put there"))
}
