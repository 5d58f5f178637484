//! A coordinator with a machine behind it, and clients' requests in front.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use forebay_machine::{Command, Effects, Machine, Meta, Outcome, decode_commands, encode_commands};
use forebay_model::group::*;
use forebay_model::{
    GroupId, LogIndex, LogTime, Offset, PartitionRef, Refusal, ShardId, Term, TopicId, TopicRef,
};

use super::super::{Action, Coordinator, CoordinatorSettings, Known, Note, ProposalKey, ReplyKey, What};

/// One millisecond of monotonic time.
const MS: u64 = 1_000_000;

/// Everything around the coordinator.
pub(super) struct World {
    pub(super) coordinator: Coordinator,
    pub(super) machine: Machine,
    /// Monotonic nanoseconds.
    pub(super) now: u64,
    /// Commands on their way through the log.
    pub(super) proposed: VecDeque<(Command, ProposalKey)>,
    /// Whether commands stay on their way until [`World::apply_all`].
    pub(super) holds: bool,
    pub(super) notes: Vec<Note>,
    replies: BTreeMap<u64, Option<GroupReply>>,
    index: u64,
}

pub(super) fn group() -> GroupId {
    GroupId("readers".into())
}

/// Settings without the initial delay: stories that are not about it need not wait.
pub(super) fn at_once() -> CoordinatorSettings {
    CoordinatorSettings { initial_rebalance_delay_ms: 0, ..CoordinatorSettings::default() }
}

impl World {
    pub(super) fn new(settings: CoordinatorSettings) -> World {
        World {
            coordinator: Coordinator::new(settings),
            machine: Machine::new(ShardId(0)),
            now: 1_000_000 * MS,
            proposed: VecDeque::new(),
            holds: false,
            notes: Vec::new(),
            replies: BTreeMap::new(),
            index: 0,
        }
    }

    /// Asks; the answer may come later under the number returned.
    pub(super) fn ask(&mut self, request: GroupRequest) -> u64 {
        let key = self.replies.len() as u64;
        self.replies.insert(key, None);
        let random = u128::from(key) | 0xabcd << 96;
        let mut out = Vec::new();
        let known = Known { groups: self.machine.groups(), topics: Some(self.machine.catalog()) };
        self.coordinator.handle(self.now, request, ReplyKey(key), random, known, &mut out);
        self.act(out);
        key
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply(ReplyKey(key), reply) => {
                    let place = self.replies.get_mut(&key).expect("only requests are answered");
                    assert!(place.is_none(), "request {key} was answered twice");
                    *place = Some(reply);
                }
                Action::Propose(command, key) => self.proposed.push_back((command, key)),
                Action::Note(note) => self.notes.push(note),
            }
        }
        if !self.holds {
            self.apply_all();
        }
    }

    /// Everything that was proposed goes through the log.
    pub(super) fn apply_all(&mut self) {
        while let Some((command, key)) = self.proposed.pop_front() {
            let outcome = self.apply(command);
            let mut out = Vec::new();
            self.coordinator.applied(self.now, key, outcome, &mut out);
            self.act(out);
        }
    }

    pub(super) fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let time = LogTime((self.now / MS) as i64);
        let meta = Meta { index: LogIndex(self.index), term: Term(1), time };
        let command = decode_commands(&encode_commands(&[command])).unwrap().remove(0);
        self.machine.apply(meta, command, &mut Effects::default()).unwrap()
    }

    /// Everything that was proposed is lost.
    pub(super) fn fail_all(&mut self, refusal: Refusal) {
        while let Some((_, key)) = self.proposed.pop_front() {
            let mut out = Vec::new();
            self.coordinator.failed(self.now, key, refusal.clone(), &mut out);
            self.act(out);
        }
    }

    /// Lets time pass, stopping at every deadline.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now + ms * MS;
        while let Some(deadline) = self.coordinator.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            let mut out = Vec::new();
            self.coordinator.timeout(self.now, &mut out);
            self.act(out);
        }
        self.now = until;
    }

    /// Another node becomes leader: only the replicated state is left.
    pub(super) fn change_leader(&mut self, settings: CoordinatorSettings) {
        self.change_leader_keeping(0, settings);
    }

    /// Another node becomes leader; of the commands on their way it has so many.
    pub(super) fn change_leader_keeping(&mut self, commands: usize, settings: CoordinatorSettings) {
        let mut out = Vec::new();
        self.coordinator.unload(&Refusal::NotLeader { leader: None }, &mut out);
        for (command, _) in std::mem::take(&mut self.proposed).into_iter().take(commands) {
            self.apply(command);
        }
        self.act(out);
        self.coordinator = Coordinator::new(settings);
        let mut out = Vec::new();
        self.coordinator.load(self.now, self.machine.groups(), &mut out);
        self.act(out);
    }

    /// The answer so far.
    pub(super) fn answer(&self, key: u64) -> Option<&GroupReply> {
        self.replies[&key].as_ref()
    }

    pub(super) fn unanswered(&self) -> usize {
        self.replies.values().filter(|reply| reply.is_none()).count()
    }

    pub(super) fn is_waiting(&self, key: u64) -> bool {
        self.replies[&key].is_none()
    }

    pub(super) fn joined(&self, key: u64) -> Result<Joined, Refusal> {
        match self.answer(key) {
            Some(GroupReply::Join(result)) => result.clone(),
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    pub(super) fn synced(&self, key: u64) -> Result<Synced, Refusal> {
        match self.answer(key) {
            Some(GroupReply::Sync(result)) => result.clone(),
            other => panic!("no answer to a sync: {other:?}"),
        }
    }

    pub(super) fn join(&mut self, join: JoinGroup) -> u64 {
        self.ask(GroupRequest::Join(join))
    }

    /// Asks for the assignment as a follower.
    pub(super) fn follow(&mut self, joined: &Joined) -> u64 {
        self.ask(GroupRequest::Sync(sync(joined, &[])))
    }

    /// Hands out the assignment as the leader: everyone gets its own id.
    pub(super) fn lead(&mut self, joined: &Joined) -> u64 {
        let ids: Vec<&str> = joined.members.iter().map(|member| member.member.as_str()).collect();
        self.ask(GroupRequest::Sync(sync(joined, &ids)))
    }

    pub(super) fn heartbeat(&mut self, joined: &Joined) -> Result<(), Refusal> {
        self.prove(proof(joined))
    }

    pub(super) fn prove(&mut self, proof: MemberProof) -> Result<(), Refusal> {
        let key = self.ask(GroupRequest::Heartbeat(proof));
        match self.answer(key) {
            Some(GroupReply::Heartbeat(result)) => result.clone(),
            other => panic!("no answer to a heartbeat: {other:?}"),
        }
    }

    pub(super) fn leave(&mut self, member: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let instance = instance.map(str::to_owned);
        let leaving = LeavingMember { member: member.to_owned(), instance, reason: Some("closing".into()) };
        let key = self.ask(GroupRequest::Leave(LeaveGroup { group: group(), members: vec![leaving] }));
        match self.answer(key) {
            Some(GroupReply::Leave(Ok(results))) => results[0].1.clone(),
            other => panic!("no answer to a leave: {other:?}"),
        }
    }

    pub(super) fn commit(&mut self, generation: i32, member: &str, offset: u64) -> u64 {
        self.ask(GroupRequest::CommitOffsets(commit(generation, member, offset)))
    }

    pub(super) fn committed(&self, key: u64) -> Result<(), Refusal> {
        match self.answer(key) {
            Some(GroupReply::CommitOffsets(results)) => results[0].1.clone(),
            other => panic!("no answer to a commit: {other:?}"),
        }
    }

    pub(super) fn describe(&mut self) -> GroupView {
        let key = self.ask(GroupRequest::Describe(group()));
        match self.answer(key) {
            Some(GroupReply::Describe(Ok(view))) => view.clone(),
            other => panic!("no answer to a describe: {other:?}"),
        }
    }

    pub(super) fn state(&mut self) -> GroupState {
        self.describe().state
    }

    pub(super) fn delete(&mut self) -> Result<(), Refusal> {
        let key = self.ask(GroupRequest::Delete(group()));
        match self.answer(key) {
            Some(GroupReply::Delete(result)) => result.clone(),
            other => panic!("no answer to a delete: {other:?}"),
        }
    }

    /// Joins that many new members into a stable group and returns them, the leader first.
    pub(super) fn stable(&mut self, members: usize) -> Vec<Joined> {
        let first: Vec<u64> = (0..members).map(|n| self.join(new_member(&format!("c{n}")))).collect();
        // With no initial delay the first member gets a generation of its own; it joins again.
        if let Some(GroupReply::Join(Ok(joined))) = self.answer(first[0]).cloned()
            && members > 1
        {
            let again = self.join(rejoin(&joined, "c0"));
            let mut keys = first;
            keys[0] = again;
            return self.settle(&keys);
        }
        self.settle(&first)
    }

    /// Everyone syncs.
    pub(super) fn settle(&mut self, joins: &[u64]) -> Vec<Joined> {
        let joined: Vec<Joined> = joins.iter().map(|key| self.joined(*key).unwrap()).collect();
        let (leaders, followers): (Vec<Joined>, Vec<Joined>) =
            joined.into_iter().partition(|joined| joined.leader == joined.member);
        let waiting: Vec<u64> = followers.iter().map(|follower| self.follow(follower)).collect();
        let leader = self.lead(&leaders[0]);
        let all: Vec<Joined> = leaders.into_iter().chain(followers).collect();
        for (joined, key) in all.iter().zip(std::iter::once(leader).chain(waiting)) {
            assert_eq!(self.synced(key).unwrap().assignment, joined.member);
        }
        all
    }

    pub(super) fn lost(&self) -> Vec<&str> {
        let lost = self.notes.iter().filter_map(|note| match &note.what {
            What::MemberLost { member, .. } => Some(member.as_str()),
            _ => None,
        });
        lost.collect()
    }

    /// Nothing is left of groups without members.
    pub(super) fn assert_nothing_left(&self) {
        assert!(self.coordinator.active.is_empty(), "{:?}", self.coordinator.active);
        assert!(self.coordinator.assigned.is_empty(), "{:?}", self.coordinator.assigned);
        assert_eq!(self.coordinator.desk.timers.len(), 0);
        assert_eq!(self.coordinator.next_deadline(), None);
        assert_eq!(self.unanswered(), 0);
    }
}

pub(super) fn strategies(names: &[&str]) -> Vec<Strategy> {
    let strategy =
        |name: &&str| Strategy { name: (*name).to_owned(), metadata: Bytes::from(format!("{name} of me")) };
    names.iter().map(strategy).collect()
}

pub(super) fn new_member(client: &str) -> JoinGroup {
    JoinGroup {
        group: group(),
        member: String::new(),
        instance: None,
        client: client.to_owned(),
        host: "/127.0.0.1".into(),
        kind: "consumer".into(),
        strategies: strategies(&["range"]),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        id_first: false,
        reason: None,
        may_skip_assignment: true,
        dialect: None,
    }
}

pub(super) fn rejoin(joined: &Joined, client: &str) -> JoinGroup {
    JoinGroup { member: joined.member.clone(), ..new_member(client) }
}

pub(super) fn static_member(instance: &str) -> JoinGroup {
    JoinGroup { instance: Some(instance.to_owned()), ..new_member("client") }
}

pub(super) fn proof(joined: &Joined) -> MemberProof {
    MemberProof {
        group: group(),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
    }
}

pub(super) fn sync(joined: &Joined, ids: &[&str]) -> SyncGroup {
    let share = |id: &&str| ((*id).to_owned(), Bytes::copy_from_slice(id.as_bytes()));
    SyncGroup {
        proof: proof(joined),
        kind: Some(joined.kind.clone()),
        strategy: Some(joined.strategy.clone()),
        assignments: ids.iter().map(share).collect(),
        dialect: None,
    }
}

pub(super) fn partition(number: u32) -> PartitionRef {
    PartitionRef { topic: TopicRef::Id(TopicId([7; 16])), number }
}

pub(super) fn commit(generation: i32, member: &str, offset: u64) -> CommitOffsets {
    let offset = CommitOffset {
        partition: partition(0),
        offset: Offset(offset),
        leader_epoch: None,
        metadata: String::new(),
    };
    CommitOffsets {
        group: group(),
        generation,
        member: member.to_owned(),
        instance: None,
        transaction: None,
        offsets: vec![offset],
    }
}
