//! Several replicas in one thread: a seed decides what happens next, and the same seed does the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use forebay_commitlog::{Body, SlotKind};
use forebay_env::{Clock, Env, IoClass};
use forebay_model::{LogIndex, NodeId, ShardId, Term};
use forebay_replication::{
    Bootstrap, CheckpointRequest, Committed, Completion, Dropped, EntryKind, Envelope, Fence, Membership,
    OpenError, Output, PeerId, PeerMessage, ReadToken, Recovered, Replica, ReplicaConfig, Role, ShardClass,
    wire,
};
use raft::eraftpb::Message;

use super::disk::MemDisk;
use super::parts::{Jobs, Now, Seeded, Wires};
use super::state::State;

pub const SHARD: ShardId = ShardId(3);

type Mailbox = Arc<Mutex<Vec<Completion>>>;

/// One machine.
pub struct Node {
    pub id: u64,
    pub disk: MemDisk,
    pub config: ReplicaConfig,
    pub replica: Option<Replica>,
    pub recovered: Option<Recovered>,
    jobs: Jobs,
    mailbox: Mailbox,
    /// Its state machine: a digest of everything applied.
    pub state: State,
    pub role: Role,
    pub membership: Option<Membership>,
    pub fenced: Option<Fence>,
    pub closed: bool,
    pub reads_ready: Vec<ReadToken>,
    pub cut_off: bool,
    /// Jobs of this class wait.
    pub held: Option<IoClass>,
}

pub struct World {
    pub nodes: BTreeMap<u64, Node>,
    pub rng: Arc<Seeded>,
    pub clock: Arc<Now>,
    pub wires: Arc<Wires>,
    pub loss_percent: u64,
    /// What any replica ever saw committed, by index.
    pub chosen: BTreeMap<u64, (u64, EntryKind, Vec<u8>)>,
    /// The state that everybody must have at an index.
    pub states: BTreeMap<u64, u64>,
    pub checkpoints: u64,
    pub installs: u64,
    /// Payloads that a leader saw committed in the term in which it proposed them.
    pub confirmed: BTreeSet<u64>,
    proposed: BTreeMap<(u64, u64), u64>,
    pub next_payload: u64,
    /// A digest of everything that happened.
    pub trace: u64,
}

pub fn peer(node: u64) -> PeerId {
    PeerId::first(NodeId(node)).unwrap()
}

/// Small segments: a story sees many of them.
pub fn config(id: u64, class: ShardClass, bootstrap: Bootstrap) -> ReplicaConfig {
    let mut config = ReplicaConfig::new(SHARD, peer(id), class, bootstrap);
    config.segment_bytes_first = 2000;
    config.segment_bytes_max = 8000;
    config
}

pub fn body(payload: u64) -> Bytes {
    Body::opaque(SlotKind(1), &payload.to_le_bytes()).unwrap()
}

impl World {
    /// `founders` replicas that found a group.
    pub fn new(seed: u64, founders: u64, class: ShardClass) -> World {
        World::with_config(seed, founders, class, |_| ())
    }

    /// `founders` replicas that found a group, each told something else than usual.
    pub fn with_config(
        seed: u64,
        founders: u64,
        class: ShardClass,
        tell: impl Fn(&mut ReplicaConfig),
    ) -> World {
        let mut world = World {
            nodes: BTreeMap::new(),
            rng: Arc::new(Seeded::new(seed)),
            clock: Arc::default(),
            wires: Arc::default(),
            loss_percent: 0,
            chosen: BTreeMap::new(),
            states: BTreeMap::new(),
            checkpoints: 0,
            installs: 0,
            confirmed: BTreeSet::new(),
            proposed: BTreeMap::new(),
            next_payload: 1,
            trace: 0,
        };
        let voters: BTreeSet<PeerId> = (1..=founders).map(peer).collect();
        for id in 1..=founders {
            let mut config = config(id, class, Bootstrap::Found(voters.clone()));
            tell(&mut config);
            world.add(config);
        }
        world
    }

    /// Starts a replica on a blank disk.
    pub fn add(&mut self, config: ReplicaConfig) {
        let id = config.peer.node().0;
        let node = Node {
            id,
            disk: MemDisk::default(),
            config,
            replica: None,
            recovered: None,
            jobs: Jobs::default(),
            mailbox: Mailbox::default(),
            state: State::default(),
            role: Role::Follower { leader: None },
            membership: None,
            fenced: None,
            closed: false,
            reads_ready: Vec::new(),
            cut_off: false,
            held: None,
        };
        self.nodes.insert(id, node);
        self.start(id).unwrap();
    }

    pub fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    pub fn replica(&mut self, id: u64) -> &mut Replica {
        self.node(id).replica.as_mut().unwrap()
    }

    fn env(&self, node: &Node) -> Env {
        Env {
            clock: self.clock.clone(),
            disk: Arc::new(node.disk.clone()),
            network: self.wires.clone(),
            random: self.rng.clone(),
            spawn: Arc::new(node.jobs.clone()),
        }
    }

    /// Opens the replica of a node that is down.
    pub fn start(&mut self, id: u64) -> Result<(), OpenError> {
        let node = self.nodes.get_mut(&id).unwrap();
        node.jobs = Jobs::default();
        node.mailbox = Mailbox::default();
        let node = &self.nodes[&id];
        let env = self.env(node);
        let mailbox = node.mailbox.clone();
        let post = Arc::new(move |done| mailbox.lock().unwrap().push(done));
        let (replica, recovered) = Replica::open(&env, dir(), node.config.clone(), post)?;
        let node = self.nodes.get_mut(&id).unwrap();
        // The state machine begins at the checkpoint and must be told everything behind it again.
        node.state = recovered.checkpoint.as_ref().map(State::restore).unwrap_or_default();
        node.replica = Some(replica);
        node.recovered = Some(recovered);
        node.role = Role::Follower { leader: None };
        node.fenced = None;
        node.closed = false;
        self.poll(id);
        Ok(())
    }

    /// The process dies; the page cache stays.
    pub fn kill(&mut self, id: u64) {
        let node = self.node(id);
        node.replica = None;
        node.jobs = Jobs::default();
        self.note(&[1, id]);
    }

    /// The machine loses power.
    pub fn power_cut(&mut self, id: u64) {
        self.kill(id);
        self.node(id).disk.power_cut();
    }

    /// Takes everything that a replica has to tell.
    pub fn poll(&mut self, id: u64) {
        loop {
            let Some(replica) = &mut self.nodes.get_mut(&id).unwrap().replica else { return };
            let Some(output) = replica.poll() else {
                if !replica.wants_seal() {
                    return;
                }
                replica.propose(vec![(EntryKind::Seal, Bytes::new())]).unwrap();
                continue;
            };
            match output {
                Output::Committed(entries) => self.apply(id, entries),
                Output::Role(role) => self.node(id).role = role,
                Output::Membership(membership) => self.node(id).membership = Some(membership),
                Output::Fenced(fence) => self.node(id).fenced = Some(fence),
                Output::Closed => self.node(id).closed = true,
                Output::ReadReady(token) => self.node(id).reads_ready.push(token),
                Output::Install(checkpoint) => {
                    self.installs += 1;
                    self.node(id).state = State::restore(&checkpoint);
                    self.check_state(id);
                }
                Output::Checkpointed(_) => self.checkpoints += 1,
            }
        }
    }

    fn apply(&mut self, id: u64, entries: Vec<Committed>) {
        let mut last = LogIndex(0);
        for entry in entries {
            let index = entry.index.0;
            let bytes = entry.body.bytes().to_vec();
            self.note(&[2, id, index, entry.term.0]);
            let chosen = (entry.term.0, entry.kind, bytes.clone());
            let known = self.chosen.entry(index).or_insert_with(|| chosen.clone());
            assert_eq!(*known, chosen, "node {id} committed another entry {index}");
            let expected = self.nodes[&id].state.index + 1;
            assert_eq!(index, expected, "node {id} was handed entries with a gap");
            if let Some(payload) = self.proposed.get(&(entry.term.0, index)).copied()
                && matches!(self.nodes[&id].role, Role::Leader { term, .. } if term == entry.term)
            {
                self.confirmed.insert(payload);
            }
            self.node(id).state.apply(index, entry.term.0, &bytes);
            self.check_state(id);
            last = entry.index;
            if entry.kind == EntryKind::Seal {
                self.checkpoint(id, last);
            }
        }
        self.replica(id).applied(last);
    }

    fn checkpoint(&mut self, id: u64, index: LogIndex) {
        let sections = self.node(id).state.sections();
        self.replica(id).applied(index);
        self.replica(id).checkpoint(CheckpointRequest {
            index,
            machine_version: 1,
            sections,
            entries: Box::new(std::iter::empty()),
        });
    }

    fn check_state(&mut self, id: u64) {
        let State { index, digest } = self.nodes[&id].state;
        assert_eq!(
            *self.states.entry(index).or_insert(digest),
            digest,
            "node {id} has another state at {index}"
        );
    }

    /// Proposes `count` payloads on a node.
    pub fn propose(&mut self, id: u64, count: u64) -> Result<Term, Dropped> {
        let payloads: Vec<u64> = (self.next_payload..self.next_payload + count).collect();
        let entries = payloads.iter().map(|payload| (EntryKind::Normal, body(*payload))).collect();
        let replica = self.replica(id);
        let term = replica.propose(entries)?;
        let last = replica.last_index().0;
        self.next_payload += count;
        for (index, payload) in (last + 1 - count..=last).zip(payloads) {
            self.proposed.insert((term.0, index), payload);
        }
        self.poll(id);
        Ok(term)
    }

    /// Hands a replica a message of the library, as if another had sent it.
    pub fn send(&mut self, from: u64, to: u64, message: Message) {
        let envelope = Envelope { from: peer(from), to: peer(to), message: PeerMessage::Raft(message) };
        let now = self.clock.monotonic();
        self.replica(to).step(now, wire::encode(&envelope).into());
        self.poll(to);
    }

    /// The same for several, which the replica takes before it does anything else.
    pub fn send_together(&mut self, from: u64, to: u64, messages: Vec<Message>) {
        let now = self.clock.monotonic();
        for message in messages {
            let envelope = Envelope { from: peer(from), to: peer(to), message: PeerMessage::Raft(message) };
            self.replica(to).step(now, wire::encode(&envelope).into());
        }
        self.poll(to);
    }

    /// What is on its way from one replica to another of the library's messages.
    pub fn on_the_way(&self, from: u64, to: u64) -> Vec<Message> {
        let wires = self.wires.0.lock().unwrap();
        let decoded = wires.iter().map(|(_, frame)| wire::decode(&Bytes::from(frame.clone())).unwrap());
        let between = decoded.filter(|envelope| (envelope.from, envelope.to) == (peer(from), peer(to)));
        between
            .filter_map(|envelope| match envelope.message {
                PeerMessage::Raft(message) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// Nobody gets what is on its way now.
    pub fn lose_what_is_on_the_way(&self) {
        self.wires.0.lock().unwrap().clear();
    }

    /// Does all that one machine's disk has to do.
    pub fn run_jobs(&mut self, id: u64) {
        while self.run_job(id) || self.complete(id) {}
    }

    /// Lets time pass on one machine alone.
    pub fn pass_on(&mut self, id: u64, time: Duration) {
        self.clock.0.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        let now = self.clock.monotonic();
        self.replica(id).tick(now);
        self.poll(id);
    }

    /// Lets time pass everywhere.
    pub fn pass(&mut self, time: Duration) {
        self.clock.0.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        let now = self.clock.monotonic();
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        for id in ids {
            if let Some(replica) = &mut self.node(id).replica {
                replica.tick(now);
            }
            self.poll(id);
        }
    }

    /// Delivers one frame, the oldest or any.
    fn deliver(&mut self) -> bool {
        let mut wires = self.wires.0.lock().unwrap();
        if wires.is_empty() {
            return false;
        }
        let at = if self.rng.chance(80) { 0 } else { self.rng.below(wires.len() as u64) as usize };
        let (to, frame) = wires.remove(at).unwrap();
        drop(wires);
        let lost = self.rng.chance(self.loss_percent) || self.nodes.get(&to).is_none_or(|node| node.cut_off);
        let now = self.clock.monotonic();
        let from = u64::from_le_bytes(frame[4..12].try_into().unwrap()) >> 16;
        if lost || self.nodes.get(&from).is_none_or(|node| node.cut_off) {
            return true;
        }
        self.note(&[3, to, frame.len() as u64]);
        if let Some(replica) = &mut self.node(to).replica {
            replica.step(now, Bytes::from(frame));
            self.poll(to);
        }
        true
    }

    /// Runs one job of one node, any, and leaves its result in the mailbox.
    fn run_job(&mut self, id: u64) -> bool {
        let held = self.nodes[&id].held;
        let jobs = self.nodes[&id].jobs.clone();
        let mut queue = jobs.0.lock().unwrap();
        let free: Vec<usize> = (0..queue.len()).filter(|at| Some(queue[*at].0) != held).collect();
        if free.is_empty() {
            return false;
        }
        let (_, job) = queue.remove(free[self.rng.below(free.len() as u64) as usize]);
        drop(queue);
        job();
        true
    }

    /// Hands one completion over, any.
    fn complete(&mut self, id: u64) -> bool {
        let mailbox = self.nodes[&id].mailbox.clone();
        let mut posted = mailbox.lock().unwrap();
        if posted.is_empty() {
            return false;
        }
        let at = self.rng.below(posted.len() as u64) as usize;
        let done = posted.remove(at);
        drop(posted);
        let now = self.clock.monotonic();
        if let Some(replica) = &mut self.node(id).replica {
            replica.complete(now, done);
        }
        self.poll(id);
        true
    }

    /// Does one thing that is due: a frame, a job, a completion. Answers whether there was one.
    pub fn step(&mut self) -> bool {
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        let start = self.rng.below(3 * ids.len() as u64 + 1);
        for turn in 0..3 * ids.len() as u64 + 1 {
            let choice = (start + turn) % (3 * ids.len() as u64 + 1);
            let did = match choice.checked_sub(1) {
                None => self.deliver(),
                Some(choice) => {
                    let id = ids[(choice / 3) as usize];
                    match choice % 3 {
                        0 => self.run_job(id),
                        1 => self.complete(id),
                        _ => self.deliver(),
                    }
                }
            };
            if did {
                return true;
            }
        }
        false
    }

    /// Works off everything that is due, without letting time pass.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn note(&mut self, words: &[u64]) {
        for word in words {
            self.trace = (self.trace.rotate_left(7) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}

pub fn dir() -> PathBuf {
    PathBuf::from("/node/shard-0003")
}
