//! A group with somebody in or at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_machine::SaveGeneration;
use forebay_model::group::{GroupReply, GroupState, JoinedMember, MemberProof};
use forebay_model::{GroupId, Refusal};

use super::member::Member;
use super::timers::TimerKey;
use super::{Action, Turn};

/// A group as its coordinator sees it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    /// What kind of group it is; empty when nobody ever joined.
    pub(super) kind: String,
    pub(super) generation: i32,
    /// The last generation that is in the replicated state; 0 is in it without being written.
    pub(super) saved_generation: i32,
    /// The strategy in force; empty without a generation.
    pub(super) strategy: String,
    /// The member that assigns. Some exactly when there are members.
    pub(super) leader: Option<Arc<str>>,
    pub(super) phase: Phase,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    /// Static names and who has them.
    pub(super) instances: BTreeMap<String, Arc<str>>,
    /// Ids given out to come back with.
    pub(super) expected: BTreeSet<Arc<str>>,
    /// Members of the generation that did not ask for their assignment yet.
    pub(super) unsynced: BTreeSet<Arc<str>>,
}

/// Where a group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No members.
    Empty,
    /// Waiting for members to join, before the next generation.
    Joining {
        /// The first generation after being empty waits for its time in any case.
        initial: Option<InitialDelay>,
    },
    /// Waiting for the leader's assignment, until it is applied.
    Assigning {
        /// Whether the assignment is on its way through the log.
        is_saving: bool,
    },
    /// Everyone has an assignment.
    Stable,
}

/// See [`CoordinatorSettings::initial_rebalance_delay_ms`](super::CoordinatorSettings::initial_rebalance_delay_ms).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// The delay that runs now.
    pub(super) delay_ms: u32,
    /// What is left of the rebalance timeout behind it.
    pub(super) remaining_ms: u32,
    /// Whether a member came during this delay.
    pub(super) has_grown: bool,
}

impl Group {
    pub(super) fn new(id: GroupId) -> Group {
        Group {
            id,
            kind: String::new(),
            generation: 0,
            saved_generation: 0,
            strategy: String::new(),
            leader: None,
            phase: Phase::Empty,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            expected: BTreeSet::new(),
            unsynced: BTreeSet::new(),
        }
    }

    /// The group as its last saved generation left it.
    pub(super) fn recovered(id: GroupId, replicated: &forebay_machine::Group) -> Group {
        let mut group = Group::new(id);
        // A group without members may have been of the other kind: its next members decide.
        if replicated.kind != super::assigned::KIND {
            group.kind.clone_from(&replicated.kind);
        }
        group.generation = replicated.generation;
        group.saved_generation = replicated.generation;
        group.strategy = replicated.strategy.clone();
        for member in &replicated.members {
            let member = Member::recovered(member, &replicated.strategy);
            if let Some(instance) = &member.instance {
                group.instances.insert(instance.clone(), Arc::clone(&member.id));
            }
            group.members.insert(Arc::clone(&member.id), member);
        }
        if !group.members.is_empty() {
            group.phase = Phase::Stable;
            let leader = group.members.get_key_value(replicated.leader.as_str()).map(|(id, _)| id);
            group.leader = leader.or(group.members.keys().next()).cloned();
        }
        group
    }

    /// Gives every member of a recovered group a session, and shrinks a group that is too large.
    pub(super) fn resume(&mut self, turn: &mut Turn<'_>) {
        for member in self.members.values() {
            turn.timers.set(self.timer_of(&member.id), turn.in_ms(member.session_timeout_ms));
        }
        if self.members.len() > turn.settings.members_max {
            self.prepare_rebalance("the group has more members than it may have", turn);
        }
    }

    /// No members, though ids may have been given out.
    pub(super) fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// Whether the replicated state says everything about it.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && self.expected.is_empty() && self.saved_generation == self.generation
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining { .. })
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub(super) fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Joining { .. } => GroupState::ExpectJoins,
            Phase::Assigning { .. } => GroupState::ExpectAssignment,
            Phase::Stable => GroupState::Stable,
        }
    }

    pub(super) fn timer_of(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Member(self.id.clone(), Arc::clone(member))
    }

    /// The longest any member wants to be waited for.
    pub(super) fn rebalance_timeout_ms(&self) -> u32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    pub(super) fn bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum()
    }

    /// A static name decides who its member is: another id is fenced, a name nobody has is unknown.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), Refusal> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(Refusal::UnknownMember),
                Some(known) if **known != *member => return Err(Refusal::FencedInstance),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(Refusal::UnknownMember) }
    }

    pub(super) fn check_proof(&self, proof: &MemberProof) -> Result<(), Refusal> {
        self.check_member(&proof.member, proof.instance.as_deref())?;
        if proof.generation == self.generation { Ok(()) } else { Err(Refusal::IllegalGeneration) }
    }

    /// A sign of life starts the member's session anew.
    pub(super) fn touch(&self, member: &str, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get(member) {
            turn.timers.set(self.timer_of(&member.id), turn.in_ms(member.session_timeout_ms));
        }
    }

    pub(super) fn heartbeat(&mut self, proof: &MemberProof, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        self.check_proof(proof)?;
        self.touch(&proof.member, turn);
        if self.is_joining() { Err(Refusal::RebalanceInProgress) } else { Ok(()) }
    }

    pub(super) fn add(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), Arc::clone(&member.id));
        }
        self.expected.remove(&member.id);
        self.leader.get_or_insert_with(|| Arc::clone(&member.id));
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// Puts a member out; whatever it waits for ends with `UnknownMember`, so that a client that is still there joins anew.
    pub(super) fn remove(&mut self, id: &str, turn: &mut Turn<'_>) {
        self.unsynced.remove(id);
        let Some(member) = self.members.remove(id) else { return };
        turn.timers.cancel(&self.timer_of(&member.id));
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        refuse(member.joining, member.syncing, &Refusal::UnknownMember, turn.out);
    }

    /// The broker assigns from now on: whoever waits has to come again.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>) {
        self.refuse_waiting(&Refusal::RebalanceInProgress, turn.out);
        for id in self.members.keys().chain(&self.expected) {
            turn.timers.cancel(&self.timer_of(id));
        }
        turn.timers.cancel(&TimerKey::Join(self.id.clone()));
        turn.timers.cancel(&TimerKey::Sync(self.id.clone()));
    }

    /// Answers everyone who waits.
    pub(super) fn refuse_waiting(&mut self, refusal: &Refusal, out: &mut Vec<Action>) {
        for member in self.members.values_mut() {
            refuse(member.joining.take(), member.syncing.take(), refusal, out);
        }
    }

    /// The members as their leader sees them.
    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        let view = |member: &Member| JoinedMember {
            member: member.id.to_string(),
            instance: member.instance.clone(),
            metadata: member.metadata(&self.strategy),
        };
        self.members.values().map(view).collect()
    }

    /// The generation as it is to be replicated, without its members.
    pub(super) fn generation_to_save(&self) -> SaveGeneration {
        SaveGeneration {
            group: self.id.clone(),
            generation: self.generation,
            kind: self.kind.clone(),
            strategy: self.strategy.clone(),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            members: Vec::new(),
        }
    }
}

/// Ends what a member waits for.
pub(super) fn refuse(
    joining: Option<super::ReplyKey>,
    syncing: Option<super::ReplyKey>,
    refusal: &Refusal,
    out: &mut Vec<Action>,
) {
    if let Some(to) = joining {
        out.push(Action::Reply(to, GroupReply::Join(Err(refusal.clone()))));
    }
    if let Some(to) = syncing {
        out.push(Action::Reply(to, GroupReply::Sync(Err(refusal.clone()))));
    }
}
