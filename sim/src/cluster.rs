//! Three machines, their network, and the calls of clients, moved on event by event in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use forebay_broker::{ClientInfo, ConnectionId, FrontDesk};
use forebay_env::{Clock, IoClass, Job};
use forebay_model::{NodeId, Reply, Request, ShardId};
use forebay_replication::wire;
use forebay_shard::{Done, NextTurn};

use crate::checkers::{
    Broken, Cursors, Ends, NEWEST_FILES, Owners, Replicas, Shared, check_fences, confirmed_somewhere,
    is_on_a_majority,
};
use crate::counters::Counters;
use crate::history::{BatchId, History};
use crate::members::{Move, Operator, Strict};
use crate::nemesis::Nemesis;
use crate::plan::Plan;
use crate::random::Rng;
use crate::trace::Trace;
use crate::world::clock::{MS, VirtualTime, virtual_of};
use crate::world::disk::Crash;
use crate::world::machine::{Driven, Machine, Process, Start, drift};
use crate::world::network::SimNetwork;
use crate::world::queue::Queue;
use crate::world::wires::Said;

/// Nodes that found a cluster.
pub const NODES: usize = 3;
/// Machines, with the one that may take the place of another.
pub const MACHINES: usize = NODES + 1;
/// A microsecond in nanoseconds.
const US: u64 = 1_000;

/// Something that happens.
pub enum Event {
    /// A shard's turn.
    Turn {
        /// The node's place in the list of machines.
        node: usize,
        /// Of this process.
        life: u64,
        /// The shard's place in its list.
        shard: usize,
    },
    /// A job ends; all it does happens in this moment.
    Job {
        /// Where.
        node: usize,
        /// Of this process.
        life: u64,
        /// On which threads.
        class: IoClass,
        /// Changes of the disk before it was queued.
        queued: u64,
        /// It.
        job: Job,
    },
    /// A frame arrives.
    Frame {
        /// Where.
        node: usize,
        /// For which shard.
        shard: u32,
        /// It.
        frame: Bytes,
    },
    /// A request arrives.
    Request {
        /// Where.
        node: usize,
        /// For this process.
        life: u64,
        /// By which connection.
        connection: ConnectionId,
        /// The caller's number for it.
        token: u64,
        /// It.
        request: Box<Request>,
    },
    /// The end of a connection arrives.
    HangUp {
        /// Where.
        node: usize,
        /// At this process.
        life: u64,
        /// Of which connection.
        connection: ConnectionId,
    },
    /// A reply arrives, or the news that there will be none.
    Reply {
        /// At which client.
        client: usize,
        /// To which call.
        token: u64,
        /// It.
        reply: Option<Box<Reply>>,
    },
    /// A client's timer.
    Timer {
        /// Whose.
        client: usize,
        /// Which.
        timer: u64,
    },
    /// Something goes wrong, or is mended.
    Nemesis(crate::nemesis::Deed),
    /// A machine's process is started.
    Start(usize),
    /// The operator looks at the cluster.
    Operate,
}

/// What a client hears.
pub enum Heard {
    /// An answer to a call; `None`: the connection broke, or nobody was there.
    Reply(usize, u64, Option<Box<Reply>>),
    /// A timer that it set.
    Timer(usize, u64),
}

/// The cluster and the calls under way.
pub struct Cluster {
    /// What this run is made of.
    pub plan: Plan,
    /// Time.
    pub time: VirtualTime,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The links between them.
    pub network: SimNetwork,
    /// What clients know together.
    pub history: History,
    /// What committers of groups know together.
    pub cursors: Cursors,
    /// What sharers know together.
    pub shared: Shared,
    /// Which member of a group has which partition.
    pub owners: Owners,
    /// What is known of the transactor's transactions.
    pub ends: Ends,
    /// States seen.
    pub replicas: Replicas,
    /// What was met.
    pub counters: Counters,
    /// What happened.
    pub trace: Trace,
    pub(crate) nemesis: Nemesis,
    pub(crate) operator: Operator,
    queue: Queue<Event>,
    rng: Rng,
    lives: Rng,
    nodes: BTreeSet<NodeId>,
    calls: BTreeMap<u64, Call>,
    next_token: u64,
    next_connection: u64,
    /// By client, its process, and node.
    connections: BTreeMap<(usize, u32, usize), ConnectionId>,
    /// The last arrival on each connection, so that nothing overtakes: to the node, and back.
    arrivals: BTreeMap<ConnectionId, (u64, u64)>,
    leaders: BTreeMap<usize, BTreeMap<usize, bool>>,
}

struct Call {
    client: usize,
    node: usize,
    connection: ConnectionId,
}

impl Cluster {
    /// The machines of the nodes that found it, about to be started.
    pub fn new(plan: Plan, prints: bool) -> Cluster {
        let time = VirtualTime::default();
        let mut rng = Rng::stream(plan.seed, "machines");
        let nodes = plan.nodes.count();
        let count = if plan.moves.contains(&Move::Spare) { MACHINES } else { nodes };
        let ids: Vec<NodeId> = (1..=count as u64).map(NodeId).collect();
        let machine = |id: &NodeId| {
            let drift = if plan.clocks { drift(&mut rng) } else { 0 };
            Machine::new(*id, rng.fork(id.0), &time, plan.disk_bytes, drift, plan.follower_lag_bytes_max)
        };
        let mut machines: Vec<_> = ids.iter().map(machine).collect();
        // A spare machine is brought in later.
        machines.iter_mut().skip(nodes).for_each(|machine| machine.retired = true);
        if let Some(lie) = plan.lie {
            machines.iter().for_each(|machine| machine.disk.lie(lie));
        }
        let mut cluster = Cluster {
            network: SimNetwork::new(Rng::stream(plan.seed, "network")),
            nemesis: Nemesis::new(&plan),
            operator: Operator::new(&plan),
            rng: Rng::stream(plan.seed, "scheduler"),
            lives: Rng::stream(plan.seed, "lives"),
            plan,
            time,
            machines,
            history: History::default(),
            cursors: Cursors::default(),
            shared: Shared::default(),
            owners: Owners::default(),
            ends: Ends::default(),
            replicas: Replicas::default(),
            counters: Counters::default(),
            trace: Trace::new(prints),
            queue: Queue::new(),
            nodes: ids.into_iter().take(nodes).collect(),
            calls: BTreeMap::new(),
            next_token: 1,
            next_connection: 1,
            connections: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            leaders: BTreeMap::new(),
        };
        for node in 0..nodes {
            cluster.put(node as u64 * MS, Event::Start(node));
        }
        cluster.nemesis_next();
        cluster.operator_begins();
        cluster
    }

    /// Now, in nanoseconds since the begin.
    pub fn now(&self) -> u64 {
        self.time.now()
    }

    /// Lets something happen after a while.
    pub fn put(&mut self, after: u64, event: Event) {
        self.queue.put(self.now() + after, event);
    }

    /// Goes on until a client hears something.
    pub fn step(&mut self) -> Result<Heard, Broken> {
        loop {
            let (at, event) = self.queue.take().expect("ticks go on for ever");
            self.time.advance(at);
            match event {
                Event::Turn { node, life, shard } => self.turn(node, life, shard)?,
                Event::Job { node, life, class, queued, job } => self.job(node, life, class, queued, job)?,
                Event::Frame { node, shard, frame } => self.frame(node, shard, frame)?,
                Event::Request { node, life, connection, token, request } => {
                    self.request(node, life, connection, token, *request)?;
                }
                Event::HangUp { node, life, connection } => self.hung_up(node, life, connection)?,
                Event::Reply { client, token, reply } => {
                    self.trace.note(&[at, 1, client as u64, token, u64::from(reply.is_some())]);
                    return Ok(Heard::Reply(client, token, reply));
                }
                Event::Timer { client, timer } => return Ok(Heard::Timer(client, timer)),
                Event::Nemesis(deed) => self.nemesis_does(deed)?,
                Event::Start(node) => self.start(node)?,
                Event::Operate => self.operate()?,
            }
        }
    }

    /// A client calls a node. The answer is heard as [`Heard::Reply`] with the token.
    pub fn call(&mut self, client: usize, node: usize, request: Request) -> u64 {
        self.call_from(client, 0, node, 0, request)
    }

    /// A client's process number so and so calls a node, and its packets are held up for so many nanoseconds.
    pub fn call_from(
        &mut self,
        client: usize,
        process: u32,
        node: usize,
        held_up: u64,
        request: Request,
    ) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.counters.hit("client operations");
        let latency = held_up + self.rng.between(50 * US, MS);
        let life = self.machines[node].life;
        if self.machines[node].process.is_none() {
            self.put(latency, Event::Reply { client, token, reply: None });
            return token;
        }
        let connection = self.connect(client, process, node);
        let arrival = self.arrive(connection, latency, |times| &mut times.0);
        self.calls.insert(token, Call { client, node, connection });
        let request = Box::new(request);
        self.queue.put(arrival, Event::Request { node, life, connection, token, request });
        token
    }

    /// A client closes its connection to a node, as one does that has waited too long: its calls there are lost.
    pub fn hang_up(&mut self, client: usize, process: u32, node: usize) {
        let Some(connection) = self.connections.remove(&(client, process, node)) else { return };
        let arrival = self.arrive(connection, MS, |times| &mut times.0);
        let life = self.machines[node].life;
        self.queue.put(arrival, Event::HangUp { node, life, connection });
        self.lose_calls(|call| call.connection == connection);
    }

    /// Whoever waits for an answer to one of these calls hears that there is none.
    fn lose_calls(&mut self, which: impl Fn(&Call) -> bool) {
        let lost: Vec<u64> =
            self.calls.iter().filter(|(_, call)| which(call)).map(|(token, _)| *token).collect();
        for token in lost {
            let Some(call) = self.calls.remove(&token) else { continue };
            let after = self.rng.between(MS, 30 * MS);
            self.put(after, Event::Reply { client: call.client, token, reply: None });
        }
    }

    fn hung_up(&mut self, node: usize, life: u64, connection: ConnectionId) -> Result<(), Broken> {
        if self.machines[node].life == life {
            self.run(node, |process| {
                if process.connections.remove(&connection).is_some() {
                    process.broker.close(connection);
                }
            })?;
        }
        Ok(())
    }

    fn connect(&mut self, client: usize, process: u32, node: usize) -> ConnectionId {
        let next = &mut self.next_connection;
        *self.connections.entry((client, process, node)).or_insert_with(|| {
            *next += 1;
            ConnectionId(*next)
        })
    }

    /// The moment of an arrival that nothing overtakes.
    fn arrive(
        &mut self,
        connection: ConnectionId,
        latency: u64,
        direction: impl Fn(&mut (u64, u64)) -> &mut u64,
    ) -> u64 {
        let times = self.arrivals.entry(connection).or_default();
        let last = direction(times);
        *last = (self.time.now() + latency).max(*last + 1);
        *last
    }

    /// Lets code of a node run; a panic is a broken promise. Then takes what the node said.
    pub(crate) fn run<T>(
        &mut self,
        node: usize,
        code: impl FnOnce(&mut Process) -> T,
    ) -> Result<Option<T>, Broken> {
        let Some(process) = &mut self.machines[node].process else { return Ok(None) };
        let result = catch_unwind(AssertUnwindSafe(|| code(process)));
        let result = result.map_err(|_| self.panicked(node))?;
        self.listen(node)?;
        Ok(Some(result))
    }

    fn panicked(&self, node: usize) -> Broken {
        let id = self.machines[node].id;
        let what = format!("node {id}: {}", crate::panics::last());
        Broken { promise: "no assertion fails", what }
    }

    fn turn(&mut self, node: usize, life: u64, shard: usize) -> Result<(), Broken> {
        let now = self.now();
        let machine = &mut self.machines[node];
        let paused_until = machine.paused_until;
        let Some(process) = machine.alive(life) else { return Ok(()) };
        if process.shards[shard].next != Some(now) {
            return Ok(());
        }
        process.shards[shard].next = None;
        if paused_until > now {
            self.want_turn(node, shard, paused_until);
            return Ok(());
        }
        self.trace.note(&[now, 2, node as u64, shard as u64]);
        let turned = self.run(node, |process| {
            let next = process.shards[shard].opened.shard.turn();
            process.broker.tick(process.clock.monotonic());
            next
        })?;
        let (Some(next), Some(process)) = (turned, &self.machines[node].process) else { return Ok(()) };
        let clock = Arc::clone(&process.clock);
        match next {
            NextTurn::Now => self.want_turn(node, shard, now + 20 * US),
            NextTurn::At(at) => self.want_turn(node, shard, virtual_of(&clock, at).max(now + US)),
            NextTurn::Never => {}
        }
        self.look(node, shard)
    }

    /// Looks at a shard after its turn.
    fn look(&mut self, node: usize, shard: usize) -> Result<(), Broken> {
        let machine = &self.machines[node];
        let Some(process) = &machine.process else { return Ok(()) };
        let driven = &process.shards[shard];
        if driven.opened.metrics.fenced.value() != 0 {
            check_fences(machine)?;
        }
        let status = driven.opened.board.status();
        let leads = self.leaders.entry(node).or_default().insert(shard, status.leads).unwrap_or_default();
        if status.leads != leads {
            let now = self.time.now();
            self.trace.note(&[now, 3, node as u64, shard as u64, status.term.0]);
            if status.leads {
                self.counters.hit("elections won");
            }
            self.trace.say(now, || {
                let what = if status.leads { "leads" } else { "leads no more" };
                format!("node {} shard {shard} {what}, term {}", node + 1, status.term)
            });
        }
        let (id, installs) = (driven.opened.id, driven.opened.metrics.installs.value());
        self.replicas.look(machine.id, driven)?;
        self.count_installs(node, id, installs);
        Ok(())
    }

    fn count_installs(&mut self, node: usize, shard: ShardId, installs: u64) {
        let machine = &mut self.machines[node];
        let counted = machine.installs.insert(shard, installs).unwrap_or_default();
        for _ in counted..installs {
            let blank = machine.blank.remove(&shard);
            self.counters.hit(if blank { "install on a blank disk" } else { "follower behind the floor" });
        }
    }

    fn want_turn(&mut self, node: usize, shard: usize, at: u64) {
        let machine = &mut self.machines[node];
        let life = machine.life;
        let Some(process) = &mut machine.process else { return };
        let driven: &mut Driven = &mut process.shards[shard];
        if driven.next.is_none_or(|next| at < next) {
            driven.next = Some(at);
            self.queue.put(at, Event::Turn { node, life, shard });
        }
    }

    fn job(&mut self, node: usize, life: u64, class: IoClass, queued: u64, job: Job) -> Result<(), Broken> {
        let now = self.now();
        let machine = &mut self.machines[node];
        let paused_until = machine.paused_until;
        if machine.alive(life).is_none() {
            return Ok(());
        }
        if paused_until > now {
            self.queue.put(paused_until, Event::Job { node, life, class, queued, job });
            return Ok(());
        }
        self.trace.note(&[now, 4, node as u64, class as u64]);
        let disk = machine.disk.clone();
        if class == IoClass::Flush {
            disk.begin_flush_job(queued);
        }
        let ran = self.run(node, |_| job());
        disk.end_job();
        ran?;
        if class == IoClass::Background {
            self.next_background(node);
        }
        Ok(())
    }

    fn next_background(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let life = machine.life;
        let Some(process) = &mut machine.process else { return };
        process.background_busy = false;
        if let Some((queued, job)) = process.background.pop_front() {
            process.background_busy = true;
            let after = self.rng.between(MS / 2, 20 * MS);
            self.put(after, Event::Job { node, life, class: IoClass::Background, queued, job });
        }
    }

    fn frame(&mut self, node: usize, shard: u32, frame: Bytes) -> Result<(), Broken> {
        let now = self.now();
        if self.machines[node].paused_until > now {
            let later = self.machines[node].paused_until;
            self.queue.put(later, Event::Frame { node, shard, frame });
            return Ok(());
        }
        self.trace.note(&[now, 5, node as u64, u64::from(shard)]);
        self.trace.note_bytes(&frame);
        self.run(node, |process| {
            if let Some(driven) = process.shards.get(shard as usize) {
                driven.opened.mailbox.post_completion(Done::Peer(frame));
            }
        })?;
        Ok(())
    }

    fn request(
        &mut self,
        node: usize,
        life: u64,
        connection: ConnectionId,
        token: u64,
        request: Request,
    ) -> Result<(), Broken> {
        let now = self.now();
        let machine = &self.machines[node];
        if machine.life != life {
            return Ok(());
        }
        if machine.paused_until > now {
            let (later, request) = (machine.paused_until, Box::new(request));
            self.queue.put(later, Event::Request { node, life, connection, token, request });
            return Ok(());
        }
        self.run(node, |process| {
            let address = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            let client = ClientInfo { protocol: "sim", peer: address(1), local: address(9092) };
            if process.connections.insert(connection, 0).is_none() {
                process.broker.open(connection, Arc::new(process.wires.clone()), client);
            }
            process.broker.call(connection, token, request);
        })?;
        Ok(())
    }

    /// Takes what a node said, and ends it if it crashed meanwhile.
    fn listen(&mut self, node: usize) -> Result<(), Broken> {
        let Some(process) = &self.machines[node].process else { return Ok(()) };
        let (wires, life) = (process.wires.clone(), self.machines[node].life);
        for said in wires.take() {
            match said {
                Said::Wake(shard) => {
                    let after = if self.rng.chance(5) { 2 * MS } else { self.rng.between(US, 40 * US) };
                    self.want_turn(node, shard.0 as usize, self.now() + after);
                }
                Said::Job(class, queued, job) => self.queue_job(node, life, class, queued, job),
                Said::Frame { to, shard, frame } => self.carry(node, to, shard, frame.into()),
                Said::Replies(replies) => {
                    for delivered in replies {
                        self.reply(delivered.connection, delivered.token, delivered.reply)?;
                    }
                }
            }
        }
        if self.machines[node].disk.is_cut() {
            let crash = self.nemesis.crash();
            self.counters.hit("crash in the middle of a change");
            self.crash(node, crash);
        }
        Ok(())
    }

    fn queue_job(&mut self, node: usize, life: u64, class: IoClass, queued: u64, job: Job) {
        let after = match class {
            IoClass::Flush if self.rng.chance(self.plan.slow_flush_permille) => {
                self.rng.between(MS, 300 * MS)
            }
            IoClass::Flush => self.rng.between(200 * US, 3 * MS),
            IoClass::Read => self.rng.between(50 * US, 4 * MS),
            IoClass::Background => {
                let Some(process) = &mut self.machines[node].process else { return };
                process.background.push_back((queued, job));
                if !process.background_busy {
                    self.next_background(node);
                }
                return;
            }
        };
        self.put(after, Event::Job { node, life, class, queued, job });
    }

    fn carry(&mut self, from: usize, to: u64, shard: u32, frame: Bytes) {
        let Some(node) = self.machines.iter().position(|machine| machine.id.0 == to) else { return };
        let delays = self.network.carry(from as u64, node as u64);
        if delays.is_empty() {
            self.counters.hit("frames lost");
        }
        for delay in delays {
            self.put(delay, Event::Frame { node, shard, frame: frame.clone() });
        }
        if self.plan.voter_lost_permille > 0 && wire::decode(&frame).is_ok_and(|e| e.message.grants_vote()) {
            self.nemesis_sees_vote(from, node);
        }
    }

    fn reply(&mut self, connection: ConnectionId, token: u64, reply: Reply) -> Result<(), Broken> {
        let Some(call) = self.calls.remove(&token) else {
            if self.arrivals.contains_key(&connection) && self.connections.values().all(|c| *c != connection)
            {
                return Ok(());
            }
            let what = format!("request {token} was answered twice: {reply:?}");
            return Err(Broken { promise: "a request is answered once", what });
        };
        let latency = self.rng.between(50 * US, MS);
        let arrival = self.arrive(connection, latency, |times| &mut times.1);
        let reply = Some(Box::new(reply));
        self.queue.put(arrival, Event::Reply { client: call.client, token, reply });
        Ok(())
    }

    /// Ends the process on a machine.
    pub fn crash(&mut self, node: usize, crash: Crash) {
        let now = self.now();
        let crash = self.allowed(crash);
        let machine = &mut self.machines[node];
        let Some(process) = machine.process.take() else { return };
        self.trace.note(&[now, 6, node as u64, crash as u64]);
        self.trace.say(now, || format!("node {} crashes: {crash:?}", node + 1));
        self.counters.hit(if crash == Crash::Power { "power cuts" } else { "kills" });
        let leads = process.shards.iter().any(|shard| shard.opened.board.status().leads);
        if leads && crash == Crash::Power && machine.disk.has_unflushed(".seg") {
            self.counters.hit("leader crash with an unflushed tail");
        }
        machine.disk.crash(crash);
        drop(process);
        machine.paused_until = 0;
        self.replicas.forget(machine.id);
        self.leaders.remove(&node);
        self.connections.retain(|(_, _, of), _| *of != node);
        self.lose_calls(|call| call.node == node);
        let after = self.nemesis.downtime();
        self.put(after, Event::Start(node));
    }

    fn start(&mut self, node: usize) -> Result<(), Broken> {
        if self.machines[node].process.is_some() || self.machines[node].retired {
            return Ok(());
        }
        let now = self.now();
        if self.machines[node].away_until > now {
            let after = self.machines[node].away_until - now;
            self.put(after, Event::Start(node));
            return Ok(());
        }
        let fuse = self.nemesis.fuse_while_opening(now);
        let rng = self.lives.fork(now);
        let machine = &mut self.machines[node];
        let (time, nodes, sizes) = (&self.time, &self.nodes, self.plan.sizes);
        let start = Start { time, nodes, sizes, rng, fuse };
        let started = catch_unwind(AssertUnwindSafe(|| machine.start(start)));
        let started = started.map_err(|_| self.panicked(node))?;
        let machine = &mut self.machines[node];
        self.trace.note(&[now, 7, node as u64, machine.life, u64::from(started.is_ok())]);
        if machine.disk.is_cut() {
            machine.process = None;
            let crash = self.nemesis.crash();
            let crash = self.allowed(crash);
            self.machines[node].disk.crash(crash);
            self.counters.hit("crash during recovery");
            self.trace.say(now, || format!("node {} crashes while it opens: {crash:?}", node + 1));
            let after = self.nemesis.downtime();
            self.put(after, Event::Start(node));
            return Ok(());
        }
        match started {
            Ok(()) => self.started(node),
            Err(error) => self.not_started(node, error.to_string()),
        }
    }

    fn started(&mut self, node: usize) -> Result<(), Broken> {
        let now = self.now();
        let machine = &mut self.machines[node];
        if machine.excuse != Some(crate::nemesis::FLIPPED) && machine.disk.is_sound(self.plan.disk_bytes) {
            machine.excuse = None;
        }
        self.counters.hit("starts");
        let replayed = machine.process.as_ref().map_or(0, |process| process.replayed);
        let shards = machine.process.iter().flat_map(|process| &process.shards);
        let cut: u64 = shards.clone().map(|shard| shard.opened.recovered.cut_bytes).sum();
        let rejoined =
            shards.clone().filter(|shard| shard.opened.recovered.rejoined.is_some()).count() as u64;
        let count = shards.count();
        self.counters.add("pieces of the journal written again", replayed);
        self.counters.add("async replica rejoined after a power cut", rejoined);
        if cut > 0 {
            self.counters.hit("torn tail cut");
        }
        self.trace.say(now, || format!("node {} starts; {cut} bytes cut", node + 1));
        for shard in 0..count {
            self.want_turn(node, shard, now + US);
        }
        self.listen(node)
    }

    fn not_started(&mut self, node: usize, error: String) -> Result<(), Broken> {
        let now = self.now();
        let machine = &mut self.machines[node];
        self.trace.say(now, || format!("node {} does not open: {error}", node + 1));
        if machine.excuse.is_none() {
            let what = format!("node {} does not open: {error}", machine.id);
            return Err(Broken { promise: "a fence has a cause", what });
        }
        self.counters.hit("opens that failed after a fault");
        // The fault was met and is gone: another failure has no excuse.
        let crash = self.nemesis.crash();
        let crash = self.allowed(crash);
        let machine = &mut self.machines[node];
        machine.disk.crash(crash);
        machine.disk.set_total(self.plan.disk_bytes);
        if machine.excuse != Some(crate::nemesis::FLIPPED) && machine.disk.is_sound(self.plan.disk_bytes) {
            machine.excuse = None;
        }
        let after = self.nemesis.downtime();
        self.put(after, Event::Start(node));
        Ok(())
    }

    /// Now and then, looks whether a batch that was just confirmed would survive a power cut.
    pub fn look_at_media(&mut self, batch: BatchId) -> Result<(), Broken> {
        // A retried one always: it may be answered without its original.
        let sent = self.history.sent(batch);
        let (retried, place) = (sent.attempts > 1, sent.place);
        if retried && self.history.keeps_everything(place) {
            return self.look_for(batch, usize::MAX);
        }
        if self.rng.chance(60) { self.look_for(batch, NEWEST_FILES) } else { Ok(()) }
    }

    /// A producer was told that a batch was stored long ago: wherever that is, it survives a power cut.
    pub fn confirmed_without_offset(&mut self, batch: BatchId) -> Result<(), Broken> {
        confirmed_somewhere(&mut self.history, batch);
        let sent = self.history.sent(batch);
        let (place, age_ms) = (sent.place, self.time.wall_ms() - sent.made_ms);
        if !self.history.keeps(place, age_ms) {
            return Ok(());
        }
        self.look_for(batch, usize::MAX)
    }

    fn look_for(&mut self, batch: BatchId, files_max: usize) -> Result<(), Broken> {
        let place = self.history.sent(batch).place;
        let topic = self.history.topics.get(&place.topic);
        let Some(shard) = topic.and_then(|topic| topic.shards.get(place.number as usize)) else {
            return Ok(());
        };
        // A confirm of an async shard says nothing of the media, and while replicas are replaced, who counts changes.
        let shard = *shard;
        if shard.0 >= self.plan.sizes.shards_sync || !self.members_are_right(Strict::No) {
            return Ok(());
        }
        self.counters.hit("media looked at after a confirm");
        is_on_a_majority(self.members(), shard, batch, files_max)
    }

    /// The machines that belong to the cluster: not a spare one before it is brought in, nor one that is taken away.
    pub fn members(&self) -> impl Iterator<Item = &Machine> + Clone {
        self.machines
            .iter()
            .enumerate()
            .filter(|(node, _)| self.operator.wants(*node))
            .map(|(_, machine)| machine)
    }

    /// Whether every shard of every node that can run has applied the same; compares their states then.
    pub fn replicas_are_equal(&mut self) -> Result<bool, Broken> {
        if !self.members_are_right(Strict::No) {
            return Ok(false);
        }
        let mut first: BTreeMap<usize, u64> = BTreeMap::new();
        for machine in self.members() {
            let Some(process) = &machine.process else {
                if machine.excuse.is_some() {
                    continue;
                }
                return Ok(false);
            };
            for (shard, driven) in process.shards.iter().enumerate() {
                if driven.opened.metrics.fenced.value() != 0 {
                    continue;
                }
                let index = driven.opened.shard.machine().applied().index.0;
                if *first.entry(shard).or_insert(index) != index {
                    return Ok(false);
                }
            }
        }
        for machine in &self.machines {
            for driven in machine.process.iter().flat_map(|process| &process.shards) {
                if driven.opened.metrics.fenced.value() == 0 {
                    self.replicas.compare(machine.id, driven)?;
                }
            }
        }
        Ok(true)
    }
}
