//! The shard's side of groups: requests go to the coordinator, its proposals into the log, its answers to the askers.

use std::collections::BTreeMap;

use forebay_env::Monotonic;
use forebay_machine::Outcome;
use forebay_model::Refusal;
use forebay_model::group::GroupRequest;

use crate::coordinator::{
    Action, Coordinator, CoordinatorSettings, Known, Note, ProposalKey, ReplyKey, What,
};
use crate::pending::Asking;
use crate::shard::Shard;
use crate::work::Answer;

/// The coordinator and those who wait for it.
pub(crate) struct GroupDesk<T> {
    pub(crate) coordinator: Coordinator,
    waiting: BTreeMap<ReplyKey, T>,
    next: u64,
}

impl<T> GroupDesk<T> {
    pub(crate) fn new(settings: CoordinatorSettings) -> GroupDesk<T> {
        GroupDesk { coordinator: Coordinator::new(settings), waiting: BTreeMap::new(), next: 0 }
    }

    fn wait(&mut self, ticket: T) -> ReplyKey {
        self.next += 1;
        let key = ReplyKey(self.next);
        self.waiting.insert(key, ticket);
        key
    }

    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.coordinator.next_deadline().map(Monotonic)
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn group_request(&mut self, now: Monotonic, ticket: T, request: GroupRequest) {
        if let Some(reply) = self.answer_for_sharers(&request) {
            return self.answers.push((ticket, Answer::Group(reply)));
        }
        let key = self.groups.wait(ticket);
        let random = u128::from(self.env.random.next_u64()) << 64 | u128::from(self.env.random.next_u64());
        let mut actions = Vec::new();
        // What is wished for is newer than what has come true.
        let topics = self.wish.as_deref().or(self.reconciled.as_deref());
        let known = Known { groups: self.machine.groups(), topics };
        self.groups.coordinator.handle(now.0, request, key, random, known, &mut actions);
        self.carry_out(actions);
    }

    pub(crate) fn group_applied(&mut self, key: ProposalKey, outcomes: Vec<Outcome>) {
        let now = self.env.clock.monotonic();
        let outcome = outcomes.into_iter().next().expect("a proposal of the coordinator is one command");
        let mut actions = Vec::new();
        self.groups.coordinator.applied(now.0, key, outcome, &mut actions);
        self.carry_out(actions);
    }

    pub(crate) fn group_refused(&mut self, key: ProposalKey, refusal: &Refusal) {
        let now = self.env.clock.monotonic();
        let mut actions = Vec::new();
        self.groups.coordinator.failed(now.0, key, refusal.clone(), &mut actions);
        self.carry_out(actions);
    }

    /// Does what is due in groups. Only a leader has any.
    pub(crate) fn group_timeouts(&mut self, now: Monotonic) {
        if self.groups.next_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let mut actions = Vec::new();
        self.groups.coordinator.timeout(now.0, &mut actions);
        self.carry_out(actions);
    }

    /// Takes up the groups of the state, as the new leader.
    pub(crate) fn load_groups(&mut self, now: Monotonic) {
        let mut actions = Vec::new();
        self.groups.coordinator.load(now.0, self.machine.groups(), &mut actions);
        self.carry_out(actions);
    }

    /// Gives up all groups.
    pub(crate) fn unload_groups(&mut self, refusal: &Refusal) {
        let mut actions = Vec::new();
        self.groups.coordinator.unload(refusal, &mut actions);
        self.carry_out(actions);
    }

    pub(crate) fn list_groups(&mut self, ticket: T) {
        let mut listed = self.groups.coordinator.list(self.machine.groups());
        self.sharers.list(&mut listed);
        self.answers.push((ticket, Answer::Groups(Ok(listed))));
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply(key, reply) => {
                    if let Some(ticket) = self.groups.waiting.remove(&key) {
                        self.answers.push((ticket, Answer::Group(reply)));
                    }
                }
                Action::Propose(command, key) => self.draft.push(&command, Asking::Group(key)),
                Action::Note(note) => say(self.config.id.0, &note),
            }
        }
    }
}

fn say(shard: u32, note: &Note) {
    let (group, generation) = (note.group.0.as_ref(), note.generation);
    match &note.what {
        What::Rebalancing { reason } => {
            tracing::info!(shard, group, generation, reason, "the group rebalances")
        }
        What::Stable { members } => tracing::info!(shard, group, generation, members, "the group is stable"),
        What::Empty => tracing::info!(shard, group, generation, "the group is empty"),
        What::MemberLost { member, reason } => {
            tracing::info!(shard, group, generation, member, reason, "a member is out of the group");
        }
    }
}
