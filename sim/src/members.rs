//! The operator of the cluster: replaces machines that lost their disks, brings in a new machine for an old one, and sees to
//! it that the members of every shard are the replicas that there are.
//!
//! It works as a person with a console would: looks at what every replica says of its group, asks the leader for the next
//! step, and looks again. It knows what Raft promises and takes no second machine away before the first is replaced.
//!
//! ```text
//!   known: which replica each machine has now       wanted: which machines belong to the cluster
//!                    \--> the voters that should be <--/
//!   a leader's members --> one step towards them: add, promote, hand over, remove
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_replication::{Change, PeerId};
use forebay_server::replicas::{Origin, ReplicaSettings};
use forebay_shard::{MembersOrder, MembersReply, MembersRequest, MembersView, Read};

use crate::checkers::Check;
use crate::cluster::{Cluster, Event, NODES};
use crate::plan::Plan;
use crate::random::Rng;
use crate::world::clock::{MS, SECOND};
use crate::world::disk::Crash;

/// How often the operator looks.
const LOOK_EVERY: u64 = 100 * MS;
/// The machine that may take another's place.
const SPARE: usize = NODES;

/// Something that the operator, or fate, does to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A machine loses its disk and comes back with a blank one.
    Wipe,
    /// A machine is away for long.
    Absence,
    /// The spare machine takes the place of another.
    Spare,
}

/// Which comes first when a replica is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The new one gets its vote before the old one is removed.
    Add,
    /// The old one is removed before the new one is added.
    Remove,
}

/// The operator.
pub struct Operator {
    rng: Rng,
    moves: VecDeque<Move>,
    next_move_at: u64,
    order: Order,
    /// Machines that belong to the cluster.
    wanted: BTreeSet<usize>,
    /// The machine that is being taken away, and when, once its replicas are removed.
    leaving: Option<(usize, Option<u64>)>,
    /// The replica that each machine has of each shard, as last heard.
    known: BTreeMap<(usize, usize), PeerId>,
    /// What each replica said last, in which life of its machine.
    views: BTreeMap<(usize, usize), (u64, MembersView)>,
    asked: Vec<Asked>,
    /// Members met, for the counters.
    met: BTreeMap<(usize, PeerId), Met>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Learner,
    Voter,
    Removed,
}

struct Asked {
    node: usize,
    life: u64,
    shard: usize,
    reply: Arc<Mutex<Option<MembersReply>>>,
}

impl Operator {
    /// The operator of a plan.
    pub fn new(plan: &Plan) -> Operator {
        let mut rng = Rng::stream(plan.seed, "operator");
        Operator {
            moves: plan.moves.iter().copied().collect(),
            next_move_at: rng.between(4 * SECOND, 12 * SECOND),
            order: if rng.chance(700) { Order::Add } else { Order::Remove },
            rng,
            wanted: (0..plan.nodes.count()).collect(),
            leaving: None,
            known: BTreeMap::new(),
            views: BTreeMap::new(),
            asked: Vec::new(),
            met: BTreeMap::new(),
        }
    }

    /// Whether a machine belongs to the cluster.
    pub fn wants(&self, node: usize) -> bool {
        self.wanted.contains(&node)
    }

    /// The voters that a shard should have.
    fn desired(&self, shard: usize) -> BTreeSet<PeerId> {
        self.wanted.iter().filter_map(|node| self.known.get(&(*node, shard)).copied()).collect()
    }

    /// The next step from what a leader says towards what should be.
    fn next_step(&self, shard: usize, view: &MembersView) -> Option<MembersRequest> {
        let (members, desired) = (&view.members, self.desired(shard));
        if members.is_joint() || desired.len() < self.wanted.len() {
            return None;
        }
        let stale = members.voters.iter().find(|peer| !desired.contains(peer));
        let remove = stale.and_then(|peer| {
            if *peer != view.replica {
                return Some(MembersRequest::Change(Change::Remove(*peer)));
            }
            let heirs = desired.iter().filter(|heir| members.voters.contains(heir));
            heirs.copied().next().map(MembersRequest::HandOver)
        });
        let forgotten = members.learners.iter().find(|peer| !desired.contains(peer));
        let forget = forgotten.map(|peer| MembersRequest::Change(Change::Remove(*peer)));
        let everybody = members.everybody();
        let missing = desired.iter().find(|peer| !everybody.contains(peer));
        let add = missing.map(|peer| MembersRequest::Change(Change::AddLearner(*peer)));
        let learner = desired.iter().find(|peer| members.learners.contains(peer));
        let promote = learner.map(|peer| MembersRequest::Change(Change::Promote(*peer)));
        match self.order {
            Order::Add => forget.or(add).or(promote).or(remove),
            Order::Remove => forget.or(remove).or(add).or(promote),
        }
    }
}

impl Cluster {
    /// Begins to look, where the plan needs an operator.
    pub(crate) fn operator_begins(&mut self) {
        if self.plan.needs_operator() {
            self.put(LOOK_EVERY, Event::Operate);
        }
    }

    /// One look of the operator, and what follows from it.
    pub(crate) fn operate(&mut self) -> Check {
        self.put(LOOK_EVERY, Event::Operate);
        self.hear_members();
        self.move_on()?;
        for shard in 0..self.plan.shards() {
            if let Some((leader, view)) = self.leader_view(shard) {
                self.meet(shard, &view);
                if let Some(step) = self.operator.next_step(shard, &view) {
                    let now = self.now();
                    self.trace.say(now, || format!("operator: shard {shard} {step:?}"));
                    self.ask_members(leader, shard, step)?;
                }
            }
        }
        for node in 0..self.machines.len() {
            for shard in 0..self.plan.shards() {
                self.ask_members(node, shard, MembersRequest::Describe)?;
            }
        }
        Ok(())
    }

    fn ask_members(&mut self, node: usize, shard: usize, request: MembersRequest) -> Check {
        if self.machines[node].process.is_none() {
            return Ok(());
        }
        let reply: Arc<Mutex<Option<MembersReply>>> = Arc::default();
        let told = Arc::clone(&reply);
        let life = self.machines[node].life;
        self.operator.asked.push(Asked { node, life, shard, reply });
        self.run(node, |process| {
            let tell = move |reply| *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
            // A full mailbox says nothing; the next look asks again.
            let _ = process.shards[shard]
                .opened
                .mailbox
                .post_read(Read::Members(MembersOrder::new(request, tell)));
        })?;
        Ok(())
    }

    /// Takes the answers that came.
    fn hear_members(&mut self) {
        let asked = std::mem::take(&mut self.operator.asked);
        for asked in asked {
            if self.machines[asked.node].life != asked.life || self.machines[asked.node].process.is_none() {
                continue;
            }
            let reply = asked.reply.lock().unwrap_or_else(PoisonError::into_inner).take();
            match reply {
                None => self.operator.asked.push(asked),
                Some(Err(refused)) => {
                    self.counters.hit(&format!("membership changes refused: {refused:?}"));
                }
                Some(Ok(view)) => {
                    let at = (asked.node, asked.shard);
                    self.operator.known.insert(at, view.replica);
                    self.operator.views.insert(at, (asked.life, view));
                }
            }
        }
    }

    /// The machine that leads a shard, as the machines say, and what it said of its members.
    fn leader_view(&self, shard: usize) -> Option<(usize, MembersView)> {
        let leads = |(node, machine): (usize, &crate::world::machine::Machine)| {
            let status = machine.process.as_ref()?.shards.get(shard)?.opened.board.status();
            status.leads.then_some((status.term, node))
        };
        let (_, node) = self.machines.iter().enumerate().filter_map(leads).max()?;
        let view = self.view(node, shard)?;
        view.leads.then(|| (node, view.clone()))
    }

    /// What the running process of a machine said last.
    fn view(&self, node: usize, shard: usize) -> Option<&MembersView> {
        let machine = &self.machines[node];
        let (life, view) = self.operator.views.get(&(node, shard))?;
        (*life == machine.life && machine.process.is_some()).then_some(view)
    }

    /// Whether every shard has exactly the voters that it should have. `strict` demands that all of them run and say so.
    pub(crate) fn members_are_right(&self, strict: Strict) -> bool {
        if !self.plan.needs_operator() {
            return true;
        }
        let speaks = |node: &usize| {
            let machine = &self.machines[*node];
            let excused = machine.retired || strict == Strict::No && machine.excuse.is_some();
            excused || (0..self.plan.shards()).all(|shard| self.view(*node, shard).is_some())
        };
        let right = |shard| {
            let desired = self.operator.desired(shard);
            desired.len() == self.operator.wanted.len()
                && self.leader_view(shard).is_some_and(|(_, view)| {
                    let members = view.members;
                    view.settled
                        && members.voters == desired
                        && members.learners.is_empty()
                        && !members.is_joint()
                })
        };
        self.operator.wanted.iter().all(speaks) && (0..self.plan.shards()).all(right)
    }

    /// How a machine may crash: where a power cut costs a replica its place, only one machine may be in that state.
    pub(crate) fn allowed(&self, crash: Crash) -> Crash {
        let costs = crash == Crash::Power && self.plan.sizes.shards_async > 0;
        if costs && !self.members_are_right(Strict::Yes) { Crash::Kill } else { crash }
    }

    /// Counts what a leader's members show for the first time.
    fn meet(&mut self, shard: usize, view: &MembersView) {
        let met = &mut self.operator.met;
        for peer in &view.members.learners {
            if let Entry::Vacant(new) = met.entry((shard, *peer)) {
                new.insert(Met::Learner);
                self.counters.hit("learner added");
            }
        }
        for peer in &view.members.voters {
            match met.get(&(shard, *peer)) {
                Some(Met::Voter | Met::Removed) => continue,
                Some(Met::Learner) => self.counters.hit("learner promoted"),
                None => {}
            }
            met.insert((shard, *peer), Met::Voter);
        }
        let everybody = view.members.everybody();
        for ((of, peer), met) in met.iter_mut() {
            if *of == shard && *met == Met::Voter && !everybody.contains(peer) {
                *met = Met::Removed;
                self.counters.hit("old voter removed");
            }
        }
    }

    /// Lets the next move begin when the one before is over.
    fn move_on(&mut self) -> Check {
        let now = self.now();
        if !self.members_are_right(Strict::Yes) {
            return Ok(());
        }
        if let Some((node, at)) = self.operator.leaving {
            match at {
                // A removed voter that nobody told runs on for a while.
                None => {
                    let at = now + self.operator.rng.below(3 * SECOND);
                    self.operator.leaving = Some((node, Some(at)));
                }
                Some(at) if now >= at => {
                    self.operator.leaving = None;
                    self.machines[node].retired = true;
                    self.crash(node, Crash::Kill);
                }
                Some(_) => {}
            }
            return Ok(());
        }
        if now < self.operator.next_move_at || now >= self.plan.heal_at {
            return Ok(());
        }
        if let Some(next) = self.operator.moves.pop_front() {
            self.operator.next_move_at = now + self.operator.rng.between(SECOND, 8 * SECOND);
            self.make_move(next);
        }
        Ok(())
    }

    fn make_move(&mut self, what: Move) {
        let wanted: Vec<usize> = self.operator.wanted.iter().copied().collect();
        let node = self.operator.rng.pick(&wanted);
        let now = self.now();
        self.trace.say(now, || format!("operator: {what:?} of node {}", node + 1));
        match what {
            Move::Wipe => {
                self.counters.hit("disks lost");
                self.crash(node, Crash::Kill);
                let of_node = self.operator.known.iter().filter(|((of, _), _)| *of == node);
                let highest = of_node.map(|(_, peer)| peer.incarnation()).max().unwrap_or(1);
                self.machines[node].replace_disk(self.plan.shards(), highest + 1);
                // What it acknowledged before is gone: until its next incarnation is known, nobody counts media.
                self.operator.known.retain(|(of, _), _| *of != node);
            }
            Move::Absence => {
                self.counters.hit("long absences");
                self.crash(node, Crash::Kill);
                self.machines[node].away_until = now + self.operator.rng.between(6 * SECOND, 20 * SECOND);
            }
            Move::Spare => {
                self.counters.hit("machines replaced");
                self.operator.wanted.remove(&node);
                self.operator.wanted.insert(SPARE);
                self.operator.leaving = Some((node, None));
                self.machines[SPARE].replace_disk(self.plan.shards(), 1);
                self.machines[SPARE].retired = false;
                self.put(MS, Event::Start(SPARE));
            }
        }
    }
}

/// Whether machines that are down with an excuse count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strict {
    Yes,
    No,
}

/// What a machine with a blank disk is told: to wait until it is added.
pub(crate) fn newcomer(settings: ReplicaSettings, incarnation: u16) -> ReplicaSettings {
    ReplicaSettings { origin: Origin::Joins, incarnation, ..settings }
}

#[cfg(test)]
mod tests {
    use forebay_model::NodeId;
    use forebay_replication::Membership;

    use super::*;

    fn peer(node: u64, incarnation: u16) -> PeerId {
        PeerId::new(NodeId(node), incarnation).expect("a small number")
    }

    /// An operator who knows that node 3 came back as its second life.
    fn operator(order: Order) -> Operator {
        let mut operator = Operator::new(&Plan::of(1, None));
        operator.order = order;
        operator.known = [((0, 0), peer(1, 1)), ((1, 0), peer(2, 1)), ((2, 0), peer(3, 2))].into();
        operator
    }

    fn led_by(leader: PeerId, voters: &[PeerId], learners: &[PeerId]) -> MembersView {
        let members = Membership {
            voters: voters.iter().copied().collect(),
            learners: learners.iter().copied().collect(),
            ..Membership::default()
        };
        MembersView { replica: leader, leads: true, members, settled: true, progress: Vec::new() }
    }

    #[test]
    fn a_replica_is_replaced_step_by_step_in_either_order() {
        let [one, two, old, new] = [peer(1, 1), peer(2, 1), peer(3, 1), peer(3, 2)];
        let change = |change| Some(MembersRequest::Change(change));
        let adds = operator(Order::Add);
        let next = |voters: &[_], learners: &[_]| adds.next_step(0, &led_by(one, voters, learners));
        assert_eq!(next(&[one, two, old], &[]), change(Change::AddLearner(new)));
        assert_eq!(next(&[one, two, old], &[new]), change(Change::Promote(new)));
        assert_eq!(next(&[one, two, old, new], &[]), change(Change::Remove(old)));
        assert_eq!(next(&[one, two, new], &[]), None);

        let removes = operator(Order::Remove);
        let next = |voters: &[_], learners: &[_]| removes.next_step(0, &led_by(one, voters, learners));
        assert_eq!(next(&[one, two, old], &[]), change(Change::Remove(old)));
        assert_eq!(next(&[one, two], &[]), change(Change::AddLearner(new)));
        assert_eq!(next(&[one, two], &[new]), change(Change::Promote(new)));
    }

    #[test]
    fn a_leader_that_has_to_go_hands_over_first() {
        let [one, two, new, spare] = [peer(1, 1), peer(2, 1), peer(3, 2), peer(4, 1)];
        let mut operator = operator(Order::Add);
        operator.wanted = [1, 2, SPARE].into();
        let view = led_by(one, &[one, two, new], &[]);
        assert_eq!(operator.next_step(0, &view), None, "it was not heard yet who the spare machine has");
        operator.known.insert((SPARE, 0), spare);
        let view = led_by(one, &[one, two, new, spare], &[]);
        assert_eq!(operator.next_step(0, &view), Some(MembersRequest::HandOver(two)));
    }
}
