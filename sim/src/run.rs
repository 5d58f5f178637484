//! One run: a cluster and its clients from a seed, from founding to the last comparison.

use forebay_env::fault;
use forebay_model::ShardId;

use crate::checkers::{Broken, Deadlines, segments_agree, settled_of};
use crate::clients::{
    Client, Committer, CommitterKind, Creator, Desk, Participant, Producer, ProducerKind, Reader, ReaderKind,
    Sharer, SharerKind, StateKeeper, Temporary, Transactor, Watcher,
};
use crate::cluster::{Cluster, Event, Heard};
use crate::counters::Counters;
use crate::history::Place;
use crate::plan::{Bug, Plan, Seed};
use crate::random::Rng;
use crate::world::clock::{MS, SECOND};

/// After the clients have stopped, everything open is finished within this.
const DRAIN_NS_MAX: u64 = 30 * SECOND;

/// Replicas that applied the same have the same files within this.
const SETTLE_NS_MAX: u64 = 5 * SECOND;

/// Members of the group whose partitions are watched.
const PARTICIPANTS: usize = 4;

/// The subscription that sharers share.
const SHARED: &str = "shared";

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: Seed,
    /// The promise that was broken, if one was.
    pub broken: Option<Broken>,
    /// What it met.
    pub counters: Counters,
    /// The number of everything that happened.
    pub trace: u64,
    /// How long it was, in nanoseconds of virtual time.
    pub took: u64,
}

/// Runs a plan to its end, or to the first broken promise.
pub fn run(plan: Plan, prints: bool) -> Report {
    crate::panics::remember();
    let seed = plan.seed();
    let planted = fault::plant(plan.bug.and_then(Bug::point));
    assert!(planted, "whoever plants a bug has asked whether this build can");
    let mut simulation = Simulation::new(plan, prints);
    let broken = simulation.run_through().err();
    fault::plant(None);
    let mut counters = std::mem::take(&mut simulation.cluster.counters);
    simulation.count(&mut counters);
    let cluster = &simulation.cluster;
    Report { seed, broken, counters, trace: cluster.trace.hash(), took: cluster.now() }
}

struct Simulation {
    cluster: Cluster,
    clients: Vec<(Box<dyn Client>, Rng)>,
    rng: Rng,
    /// What sharers read, if there are any.
    shared: Option<Place>,
}

impl Simulation {
    fn new(plan: Plan, prints: bool) -> Simulation {
        let rng = Rng::stream(plan.seed, "clients");
        Simulation { cluster: Cluster::new(plan, prints), clients: Vec::new(), rng, shared: None }
    }

    fn run_through(&mut self) -> Result<(), Broken> {
        let creator = Creator::new(&mut self.rng, &self.cluster.plan);
        self.add(|_| Box::new(creator));
        let founding = Deadlines { all_done: self.cluster.plan.heal_at + DRAIN_NS_MAX };
        self.until_nobody_waits(founding)?;
        self.add_workers();
        let (ns_min, operations_min) = (self.cluster.plan.run_ns_min, self.cluster.plan.operations_min);
        let enough = |cluster: &Cluster| {
            cluster.now() >= ns_min && cluster.counters.of("client operations") >= operations_min
        };
        let deadline = Deadlines { all_done: 10 * ns_min };
        while !enough(&self.cluster) {
            self.step()?;
            deadline.check(self.cluster.now(), "enough operations of clients")?;
        }
        self.finish()
    }

    /// Winds down, waits for everything open, reads everything, compares the replicas.
    fn finish(&mut self) -> Result<(), Broken> {
        for me in 0..self.clients.len() {
            self.at_desk(me, |client, desk| client.wind_down(desk));
        }
        let deadline = Deadlines { all_done: self.cluster.now() + DRAIN_NS_MAX };
        self.until_nobody_waits(deadline)?;
        for place in self.cluster.history.places() {
            self.add(|desk| Box::new(Reader::new(ReaderKind::Sweeps, place, 1, desk)));
        }
        self.until_nobody_waits(deadline)?;
        if let Some(place) = self.shared {
            self.add(|desk| Box::new(Sharer::new(SharerKind::Drains, SHARED, place, desk)));
            self.until_nobody_waits(deadline)?;
        }
        while !self.cluster.replicas_are_equal()? {
            self.wait_a_little()?;
            deadline.check(self.cluster.now(), "replicas that applied the same")?;
        }
        if let Some(place) = self.shared {
            let facts = self.cluster.history.known.get(&place);
            let settled = settled_of(&self.cluster.machines, SHARED, place);
            facts.map_or(Ok(()), |facts| self.cluster.shared.none_lost(SHARED, place, &settled, facts))?;
        }
        // What was proposed last may still be on its way to some.
        let agree = |cluster: &Cluster| {
            let mut shards = (0..cluster.plan.shards() as u32).map(ShardId);
            shards.try_for_each(|shard| segments_agree(cluster.members(), shard).map(|_| ()))
        };
        let settled = self.cluster.now() + SETTLE_NS_MAX;
        while agree(&self.cluster).is_err() && self.cluster.now() < settled {
            self.wait_a_little()?;
        }
        for shard in 0..self.cluster.plan.shards() as u32 {
            let compared = segments_agree(self.cluster.members(), ShardId(shard))?;
            self.cluster.counters.add("equal segments compared", compared.equal);
            self.cluster.counters.add("equal rewritten segments compared", compared.rewritten);
            self.cluster.counters.add("equal lists of segments compared", compared.lists);
        }
        Ok(())
    }

    fn add_workers(&mut self) {
        let places = self.cluster.history.places();
        for (number, place) in (1u16..).zip(&places) {
            let pace_ms = self.rng.pick(&[200, 400, 800]);
            self.add(|desk| Box::new(Producer::new(number, ProducerKind::Idempotent, *place, pace_ms, desk)));
            let kind = if number % 2 == 0 { ReaderKind::Jumps } else { ReaderKind::Follows };
            self.add(|desk| Box::new(Reader::new(kind, *place, 200, desk)));
        }
        for number in 100u16..102 {
            let place = self.rng.pick(&places);
            self.add(|desk| Box::new(Producer::new(number, ProducerKind::Plain, place, 150, desk)));
        }
        for (group, kind) in [("outside", CommitterKind::Outside), ("members", CommitterKind::Member)] {
            let place = self.rng.pick(&places);
            self.add(|desk| Box::new(Committer::new(kind, group, place, desk)));
        }
        self.add(|desk| Box::new(Temporary::new(desk)));
        if self.cluster.plan.has_transactions() {
            self.add(|desk| Box::new(Transactor::new(desk)));
        }
        if self.cluster.plan.has_compaction() {
            self.add(|desk| Box::new(StateKeeper::new(desk)));
        }
        if self.cluster.plan.has_participants() {
            for _ in 0..PARTICIPANTS {
                self.add(|desk| Box::new(Participant::new(desk)));
            }
        }
        if self.cluster.plan.has_shares() {
            let place = self.rng.pick(&places);
            self.shared = Some(place);
            for kind in [SharerKind::Able, SharerKind::Clumsy] {
                self.add(|desk| Box::new(Sharer::new(kind, SHARED, place, desk)));
            }
        }
        if self.cluster.plan.has_transactions() {
            self.add(|desk| Box::new(Watcher::new(desk)));
        }
    }

    fn add(&mut self, make: impl FnOnce(&mut Desk<'_>) -> Box<dyn Client>) {
        let me = self.clients.len();
        let mut rng = self.rng.fork(me as u64);
        let mut desk = Desk { cluster: &mut self.cluster, me, rng: &mut rng };
        let mut client = make(&mut desk);
        client.begin(&mut desk);
        self.clients.push((client, rng));
    }

    fn at_desk<T>(&mut self, me: usize, act: impl FnOnce(&mut dyn Client, &mut Desk<'_>) -> T) -> T {
        let (client, rng) = &mut self.clients[me];
        act(client.as_mut(), &mut Desk { cluster: &mut self.cluster, me, rng })
    }

    fn step(&mut self) -> Result<(), Broken> {
        match self.cluster.step()? {
            Heard::Reply(me, token, reply) => {
                self.at_desk(me, |client, desk| client.answered(desk, token, reply.map(|reply| *reply)))
            }
            Heard::Timer(me, timer) => self.at_desk(me, |client, desk| client.rang(desk, timer)),
        }
    }

    /// Goes on for a while, also when no client waits for anything.
    fn wait_a_little(&mut self) -> Result<(), Broken> {
        // The creator has made everything and does nothing when it wakes.
        self.cluster.put(20 * MS, Event::Timer { client: 0, timer: 0 });
        self.step()
    }

    fn until_nobody_waits(&mut self, deadline: Deadlines) -> Result<(), Broken> {
        while let Some(what) = self.clients.iter().find_map(|(client, _)| client.waits_for()) {
            deadline.check(self.cluster.now(), &what)?;
            self.step()?;
        }
        Ok(())
    }

    fn count(&self, counters: &mut Counters) {
        counters.add("states compared", self.cluster.replicas.compared);
        let files = self.cluster.replicas.files;
        counters.add("segments unlinked", files.unlinked);
        counters.add("segments rewritten", files.rewritten);
        counters.add("segment rewritten while it was held", files.rewritten_held);
        counters.add("checkpoints installed", files.installs);
        for machine in &self.cluster.machines {
            let disk = machine.disk.counts();
            for ((op, error), n) in disk.faults {
                let name = if error == crate::world::disk::ENOSPC { "ENOSPC" } else { "EIO" };
                counters.add(&format!("{name} at {op:?}"), n);
            }
            counters.add("unflushed changes lost", disk.lost);
            counters.add("unflushed changes torn", disk.torn);
            counters.add("unflushed names lost", disk.names_lost);
            counters.add("entries truncated after a conflict", disk.truncations);
        }
    }
}
