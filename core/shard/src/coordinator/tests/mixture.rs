//! Members of both protocols come, go, die and replace each other while answers are lost and leaders change: no partition ever has two
//! owners, and in the end everything is assigned, whichever kind of group it is by then.

use std::collections::BTreeMap;

use forebay_model::group::{AttendGroup, GroupReply, GroupRequest, Presence};
use forebay_model::{Refusal, TopicId};

use super::attending::*;
use super::reading::*;
use super::world::*;

/// A seeded source of decisions.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// Longer than any rebalance: who is put out of one would have to be told from a second owner.
const PATIENCE_MS: u32 = 3_600_000;
const SESSION_MS: u32 = 45_000;

/// What a process speaks.
enum Speaks {
    Native(Attendant),
    Classic(Reader, Next),
}

/// What a classic member does next.
#[derive(Clone, Copy)]
enum Next {
    Join,
    Sync,
    Beat,
}

struct Client {
    number: u64,
    lives: u32,
    is_down: bool,
    waits: Option<(u64, u64)>,
    heard: u64,
    speaks: Speaks,
}

impl Client {
    fn new(number: u64, dice: &mut Dice) -> Client {
        let speaks = Speaks::Classic(Reader::new("x", &[]), Next::Join);
        let mut client = Client { number, lives: 0, is_down: false, waits: None, heard: 0, speaks };
        client.start(0, dice);
        client
    }

    /// Another process, of either protocol.
    fn start(&mut self, native_percent: u64, dice: &mut Dice) {
        self.lives += 1;
        (self.is_down, self.waits) = (false, None);
        let id = format!("m{}-{}", self.number, self.lives);
        let topics: &[&str] = if self.number == 3 { &["t"] } else { &["s", "t"] };
        self.speaks = if dice.happens(native_percent) {
            Speaks::Native(Attendant::new(&id, topics))
        } else {
            let reader = if self.number.is_multiple_of(2) {
                Reader::new(&id, topics)
            } else {
                Reader::careful(&id, topics)
            };
            let (session_timeout_ms, rebalance_timeout_ms) = (SESSION_MS, PATIENCE_MS);
            Speaks::Classic(Reader { session_timeout_ms, rebalance_timeout_ms, ..reader }, Next::Join)
        };
    }

    fn owned(&self) -> &forebay_model::group::PartitionSet {
        match &self.speaks {
            Speaks::Native(attendant) => &attendant.owned,
            Speaks::Classic(reader, _) => &reader.owned,
        }
    }

    fn step(&mut self, world: &mut World, dice: &mut Dice, loss: u64) {
        if self.is_down {
            return;
        }
        if let Some((key, patience)) = self.waits {
            if !world.is_waiting(key) {
                self.waits = None;
                if dice.happens(loss) { self.missed() } else { self.hear(world, key) }
            } else {
                self.waits = Some((key, patience.saturating_sub(1))).filter(|_| patience > 0);
                if self.waits.is_none() {
                    self.missed();
                }
            }
            return;
        }
        // The client's own library gives up what it has when it was not heard of for a session.
        if world.now - self.heard > u64::from(SESSION_MS) * 1_000_000 {
            self.lose_all();
        }
        let key = match &mut self.speaks {
            Speaks::Native(attendant) => {
                let rebalance_timeout_ms = Some(PATIENCE_MS);
                let full = AttendGroup { rebalance_timeout_ms, ..attendant.full() };
                world.ask(GroupRequest::Attend(Box::new(full)))
            }
            Speaks::Classic(reader, Next::Join) => reader.join(world),
            Speaks::Classic(reader, Next::Sync) => {
                world.ask(GroupRequest::Sync(reader.sync_request(Vec::new())))
            }
            Speaks::Classic(reader, Next::Beat) => world.ask(GroupRequest::Heartbeat(reader.proof())),
        };
        self.heard = world.now;
        self.waits = Some((key, 40));
    }

    /// An answer did not come: a classic member joins again.
    fn missed(&mut self) {
        if let Speaks::Classic(_, next @ Next::Sync) = &mut self.speaks {
            *next = Next::Join;
        }
    }

    fn lose_all(&mut self) {
        match &mut self.speaks {
            Speaks::Native(attendant) => {
                attendant.epoch = 0;
                attendant.owned.clear();
            }
            Speaks::Classic(reader, next) => {
                reader.generation = -1;
                reader.owned.clear();
                *next = Next::Join;
            }
        }
    }

    fn hear(&mut self, world: &mut World, key: u64) {
        let answer = world.answer(key).cloned();
        match (&mut self.speaks, answer) {
            (Speaks::Native(attendant), Some(GroupReply::Attend(Ok(attended)))) => attendant.hear(&attended),
            (Speaks::Classic(reader, next), Some(GroupReply::Join(Ok(joined)))) => {
                reader.has_joined(&joined);
                *next = Next::Sync;
                if joined.leader == joined.member {
                    // A leader hands out at once; it hears its own share as all others do.
                    let assignments = dealt(world, &joined);
                    let key = world.ask(GroupRequest::Sync(reader.sync_request(assignments)));
                    self.waits = Some((key, 40));
                }
            }
            (Speaks::Classic(reader, next), Some(GroupReply::Sync(Ok(synced)))) => {
                let before = reader.owned.clone();
                reader.has_synced(world, &synced);
                // What is taken away is given back, and that is said.
                *next = if before.is_subset(&reader.owned) { Next::Beat } else { Next::Join };
            }
            (Speaks::Classic(..), Some(GroupReply::Heartbeat(Ok(())))) => {}
            (Speaks::Classic(reader, next), Some(other)) => match refusal(other) {
                Refusal::RebalanceInProgress => *next = Next::Join,
                Refusal::UnknownMember => {
                    reader.member.clear();
                    self.lose_all();
                }
                Refusal::IllegalGeneration => self.lose_all(),
                Refusal::Loading | Refusal::Busy | Refusal::NotLeader { .. } => self.missed(),
                other => panic!("a classic client cannot go on after {other:?}"),
            },
            (Speaks::Native(_), Some(other)) => match refusal(other) {
                Refusal::FencedMember | Refusal::UnknownMember | Refusal::UnknownGroup => self.lose_all(),
                Refusal::Loading | Refusal::Busy | Refusal::NotLeader { .. } => {}
                other => panic!("a client cannot go on after {other:?}"),
            },
            (_, None) => {}
        }
    }

    /// Says good-bye, having given up everything.
    fn leave(&mut self, world: &mut World) {
        self.lose_all();
        self.is_down = true;
        match &self.speaks {
            Speaks::Native(attendant) => {
                world.ask(GroupRequest::Attend(Box::new(attendant.with_presence(Presence::Leaves))));
            }
            Speaks::Classic(reader, _) => {
                let _ = world.leave(&reader.member, None);
            }
        }
    }
}

fn refusal(reply: GroupReply) -> Refusal {
    match reply {
        GroupReply::Join(Err(refusal))
        | GroupReply::Sync(Err(refusal))
        | GroupReply::Heartbeat(Err(refusal))
        | GroupReply::Attend(Err(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

/// Nobody has what another has. A client whose session may be over is not counted: it is fenced by time.
fn assert_single_owners(world: &World, clients: &[Client], seed: u64) {
    let mut owners: BTreeMap<(TopicId, u32), u64> = BTreeMap::new();
    let session = u64::from(SESSION_MS) * 1_000_000;
    for client in clients.iter().filter(|client| !client.is_down && world.now - client.heard < session) {
        for place in client.owned() {
            let other = owners.insert(*place, client.number);
            assert_eq!(other, None, "seed {seed}: {place:?} is also {}'s", client.number);
        }
    }
}

fn play(seed: u64) -> (bool, bool) {
    let mut dice = Dice(seed);
    let mut world = World::new(at_once());
    world.create("s", 5);
    let t = world.create("t", 3);
    let mut clients: Vec<Client> = (0..5).map(|number| Client::new(number, &mut dice)).collect();
    let (mut was_mixed, mut went_back) = (false, false);
    for round in 0..600 {
        // First the new protocol comes, then it goes.
        let native_percent = if round < 300 { 80 } else { 10 };
        disturb(&mut world, &mut clients, &mut dice, native_percent);
        if round == 100 && seed.is_multiple_of(3) {
            world.grow(t, 8);
        }
        let who = dice.roll(5) as usize;
        clients[who].step(&mut world, &mut dice, 8);
        assert_single_owners(&world, &clients, seed);
        match world.assigned() {
            Ok(view) => was_mixed |= view.members.iter().any(|member| member.is_classic),
            Err(_) => went_back |= was_mixed,
        }
        world.pass(dice.roll(1_500));
    }
    settle(&mut world, &mut clients, &mut dice, seed);
    (was_mixed, went_back)
}

/// Things that go wrong, and members that are replaced.
fn disturb(world: &mut World, clients: &mut [Client], dice: &mut Dice, native_percent: u64) {
    let who = dice.roll(5) as usize;
    match dice.roll(60) {
        0 => clients[who].is_down = true,
        1..=4 if clients[who].is_down => clients[who].start(native_percent, dice),
        5 | 6 => clients[who].leave(world),
        7 => world.change_leader_keeping(dice.roll(3) as usize, at_once()),
        8..=10 => world.holds = !world.holds,
        11..=18 => world.apply_all(),
        19 => world.fail_all(Refusal::Busy),
        _ => {}
    }
}

fn settle(world: &mut World, clients: &mut [Client], dice: &mut Dice, seed: u64) {
    world.holds = false;
    world.apply_all();
    for client in clients.iter_mut().filter(|client| client.is_down) {
        client.start(30, dice);
    }
    // Long enough for the sessions of those who are gone.
    for _ in 0..250 {
        for who in 0..clients.len() {
            clients[who].step(world, dice, 0);
            assert_single_owners(world, clients, seed);
        }
        world.pass(1_000);
    }
    let there_are: usize = world.machine.catalog().topics().map(|topic| topic.partitions.len()).sum();
    let owned: usize = clients.iter().map(|client| client.owned().len()).sum();
    assert_eq!(owned, there_are, "seed {seed}");
}

#[test]
fn no_partition_ever_has_two_owners_while_groups_migrate() {
    let (mut mixed, mut back) = (0, 0);
    for seed in 0..300 {
        let (was_mixed, went_back) = play(seed);
        mixed += u32::from(was_mixed);
        back += u32::from(went_back);
    }
    assert!(mixed > 200 && back > 50, "{mixed} groups were mixed, {back} became classic again");
}
