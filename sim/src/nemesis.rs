//! What goes wrong when: draws the next deed, does it, and mends everything in the end.

use std::sync::atomic::Ordering::Relaxed;

use crate::checkers::Broken;
use crate::cluster::{Cluster, Event};
use crate::plan::{Bug, Kind, Plan};
use crate::random::Rng;
use crate::world::clock::{MS, SECOND};
use crate::world::disk::{Crash, EIO, ENOSPC, Fault, Op};

/// Nothing goes wrong before: the cluster is being founded.
pub const CALM_UNTIL: u64 = 3 * SECOND;
/// The excuse of a machine with a flipped bit; it lasts.
pub const FLIPPED: &str = "a bit flipped on its disk";

const MINUTE_MS: i64 = 60_000;
const YEAR_MS: i64 = 365 * 24 * 60 * MINUTE_MS;

/// Something that is done to the cluster.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Something goes wrong.
    Do(Kind),
    /// The first of these nodes, which has just voted for the second, loses power, and nobody hears of the second.
    LoseVoter(usize, usize),
    /// Links are mended.
    Mend,
    /// The weather gets better.
    Clear,
    /// A disk gets its size back.
    Enlarge(usize),
    /// Fenced nodes are restarted.
    Repair,
    /// Everything is mended for good.
    Heal,
}

/// Draws deeds.
pub struct Nemesis {
    rng: Rng,
    kinds: Vec<Kind>,
    pace_ms: u64,
    heal_at: u64,
    bug: Option<Bug>,
    flipped: bool,
    healed: bool,
}

impl Nemesis {
    /// The one of a plan.
    pub fn new(plan: &Plan) -> Nemesis {
        Nemesis {
            rng: Rng::stream(plan.seed, "nemesis"),
            kinds: plan.kinds.clone(),
            pace_ms: plan.pace_ms,
            heal_at: plan.heal_at,
            bug: plan.bug,
            flipped: false,
            healed: false,
        }
    }

    /// How a process ends that is not ended on purpose.
    pub fn crash(&mut self) -> Crash {
        let power = self.kinds.iter().any(|kind| matches!(kind, Kind::Power | Kind::PowerAll));
        if power && self.rng.chance(600) { Crash::Power } else { Crash::Kill }
    }

    /// How long a machine is down.
    pub fn downtime(&mut self) -> u64 {
        if self.healed {
            return self.rng.between(50 * MS, 500 * MS);
        }
        if self.rng.chance(100) {
            self.rng.between(SECOND, 10 * SECOND)
        } else {
            self.rng.between(20 * MS, SECOND)
        }
    }

    /// After how many changes of its disk a node that opens crashes, if it does.
    pub fn fuse_while_opening(&mut self, now: u64) -> Option<u64> {
        let wanted = self.kinds.contains(&Kind::WhileOpening) && (CALM_UNTIL..self.heal_at).contains(&now);
        (wanted && self.rng.chance(500)).then(|| self.rng.below(25))
    }
}

impl Cluster {
    /// Plans the next deed.
    pub(crate) fn nemesis_next(&mut self) {
        let now = self.now();
        if now == 0 {
            self.put(self.nemesis.heal_at, Event::Nemesis(Deed::Heal));
            self.put(CALM_UNTIL, Event::Nemesis(Deed::Repair));
        }
        let after =
            CALM_UNTIL.saturating_sub(now) + self.nemesis.rng.between(1, 2 * self.nemesis.pace_ms) * MS;
        if self.nemesis.kinds.is_empty() || now + after >= self.nemesis.heal_at {
            return;
        }
        let kinds = self.nemesis.kinds.clone();
        let kind = self.nemesis.rng.pick(&kinds);
        self.put(after, Event::Nemesis(Deed::Do(kind)));
    }

    pub(crate) fn nemesis_does(&mut self, deed: Deed) -> Result<(), Broken> {
        let now = self.now();
        self.trace.say(now, || format!("nemesis: {deed:?}"));
        match deed {
            Deed::Do(kind) => {
                self.go_wrong(kind);
                self.nemesis_next();
            }
            Deed::LoseVoter(voter, elected) => self.lose_voter(voter, elected),
            Deed::Mend => self.network.mend(),
            Deed::Clear => self.network.weather = Default::default(),
            Deed::Enlarge(node) => self.machines[node].disk.set_total(self.plan.disk_bytes),
            Deed::Repair => {
                self.repair();
                self.put(500 * MS, Event::Nemesis(Deed::Repair));
            }
            Deed::Heal => self.heal(),
        }
        Ok(())
    }

    /// A vote leaves: sometimes its sender is lost in that moment, the only one of most voters that another candidate
    /// may ask.
    pub(crate) fn nemesis_sees_vote(&mut self, voter: usize, elected: usize) {
        let may = (CALM_UNTIL..self.nemesis.heal_at).contains(&self.now());
        if may && self.nemesis.rng.chance(self.plan.voter_lost_permille) {
            self.put(0, Event::Nemesis(Deed::LoseVoter(voter, elected)));
        }
    }

    fn lose_voter(&mut self, voter: usize, elected: usize) {
        if self.machines[voter].process.is_none() || self.allowed(Crash::Power) != Crash::Power {
            return;
        }
        self.counters.hit("voters that lost power as their vote left");
        self.lose_power(voter);
        for other in (0..self.machines.len()).filter(|other| *other != elected) {
            self.network.part(elected as u64, other as u64);
            self.network.part(other as u64, elected as u64);
        }
        let while_ms = self.nemesis.rng.between(50, 4_000);
        self.put(while_ms * MS, Event::Nemesis(Deed::Mend));
    }

    fn go_wrong(&mut self, kind: Kind) {
        let node = self.nemesis.rng.index(self.machines.len());
        let while_ms = self.nemesis.rng.between(50, 4_000);
        match kind {
            Kind::Kill => self.crash(node, Crash::Kill),
            Kind::Power => self.lose_power(node),
            Kind::PowerAll => {
                self.counters.hit("power cuts of all");
                for node in 0..self.machines.len() {
                    self.crash(node, Crash::Power);
                }
            }
            // What happens while opening is decided at the start that follows.
            Kind::WhileOpening => self.lose_power(node),
            Kind::MidChange => {
                let after = self.nemesis.rng.below(40);
                self.machines[node].disk.burn_fuse(after);
            }
            Kind::Parted => self.part(node, while_ms),
            Kind::Weather => {
                self.network.weather = self.plan.weather;
                self.put(while_ms * MS, Event::Nemesis(Deed::Clear));
            }
            Kind::Pause => {
                self.counters.hit("pauses");
                self.machines[node].paused_until = self.now() + while_ms * MS;
            }
            Kind::ClockStep => self.step_clock(node),
            Kind::DiskError => self.fail_disk(node),
            Kind::DiskFull => self.fill_disk(node, while_ms),
            Kind::Flip => self.flip(node),
        }
    }

    fn lose_power(&mut self, node: usize) {
        self.crash(node, Crash::Power);
        if self.nemesis.bug == Some(Bug::PeerIdReused) {
            self.machines[node].disk.wipe();
        }
    }

    fn part(&mut self, node: usize, while_ms: u64) {
        self.counters.hit("partitions");
        let style = self.nemesis.rng.below(3);
        for other in (0..self.machines.len()).filter(|other| *other != node) {
            if style != 1 {
                self.network.part(node as u64, other as u64);
            }
            if style != 2 {
                self.network.part(other as u64, node as u64);
            }
        }
        self.put(while_ms * MS, Event::Nemesis(Deed::Mend));
    }

    fn step_clock(&mut self, node: usize) {
        self.counters.hit("clock steps");
        let rng = &mut self.nemesis.rng;
        // Small steps are believed, so they stay small in sum; what lies between those and five minutes would be
        // believed too and is no fault to test retention with.
        let size = rng.pick(&[0, 300, 10 * MINUTE_MS, 24 * 60 * MINUTE_MS, YEAR_MS]);
        let step = if rng.chance(500) { size } else { -size };
        self.machines[node].wall_offset_ms.store(step, Relaxed);
    }

    fn fail_disk(&mut self, node: usize) {
        let rng = &mut self.nemesis.rng;
        let op = rng.pick(&Op::ALL);
        let error = if op == Op::Read || rng.chance(500) { EIO } else { ENOSPC };
        // What is seldom called fails at once, or it never would.
        let skip_max = match op {
            Op::SetLen => 1,
            Op::Create | Op::Rename | Op::Remove | Op::SyncDir => 5,
            Op::Write | Op::SyncData | Op::Read => 30,
        };
        let fault = Fault { op, skip: rng.below(skip_max), error, stays: rng.chance(300) };
        let machine = &mut self.machines[node];
        machine.disk.put_fault(fault);
        machine.excuse.get_or_insert("its disk fails");
        let now = self.now();
        self.trace.say(now, || format!("node {}: {fault:?}", node + 1));
    }

    fn fill_disk(&mut self, node: usize, while_ms: u64) {
        let room = self.nemesis.rng.below(20_000);
        let machine = &mut self.machines[node];
        machine.disk.set_total(machine.disk.used() + room);
        machine.excuse.get_or_insert("its disk is full");
        self.counters.hit("full disks");
        self.put(while_ms * MS, Event::Nemesis(Deed::Enlarge(node)));
    }

    fn flip(&mut self, node: usize) {
        // One machine only: what two others hold intact is never lost.
        if self.nemesis.flipped {
            return;
        }
        let suffix = self.nemesis.rng.pick(&[".seg", ".idx", ".ckpt", "manifest", ".run"]);
        if let Some((name, at)) = self.machines[node].disk.flip_bit(suffix) {
            self.nemesis.flipped = true;
            self.machines[node].excuse = Some(FLIPPED);
            self.counters.hit("bits flipped");
            let now = self.now();
            self.trace.say(now, || format!("node {}: a bit of {name} flips at {at}", node + 1));
        }
    }

    /// Restarts nodes with a fenced shard, as an operator does.
    fn repair(&mut self) {
        for node in 0..self.machines.len() {
            if self.machines[node].fenced().is_none() {
                continue;
            }
            self.counters.hit("fenced nodes restarted");
            let crash = self.nemesis.crash();
            if self.nemesis.healed || self.nemesis.rng.chance(700) {
                self.machines[node].disk.set_total(self.plan.disk_bytes);
            }
            self.crash(node, crash);
        }
    }

    fn heal(&mut self) {
        self.nemesis.healed = true;
        self.nemesis.kinds.clear();
        self.network.mend();
        self.network.weather = Default::default();
        for node in 0..self.machines.len() {
            let machine = &mut self.machines[node];
            machine.disk.heal();
            machine.disk.set_total(self.plan.disk_bytes);
            machine.wall_offset_ms.store(0, Relaxed);
            machine.paused_until = 0;
        }
    }
}
