//! However answers and heartbeats are lost, members die and leaders change: no partition ever has two owners, epochs never fall, and
//! in the end everything is assigned.

use std::collections::BTreeMap;

use forebay_model::group::{AttendGroup, Attended, GroupReply, GroupRequest, GroupState, Presence};
use forebay_model::{Refusal, TopicId};

use super::super::CoordinatorSettings;
use super::attending::*;
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

/// What a client is doing.
enum Doing {
    /// It will be heard of.
    Working,
    /// It waits for an answer, for so many steps yet.
    Waiting(u64, u64),
    /// Its process is not running, and it knows that whatever it had is lost.
    Down,
}

struct Client {
    attendant: Attendant,
    doing: Doing,
    /// How many processes it has been.
    lives: u32,
    /// The monotonic time at which it was heard of last, as the coordinator takes it.
    heard: u64,
}

impl Client {
    fn new(number: usize) -> Client {
        let topics: &[&str] = if number == 3 { &["t"] } else { &["s", "t"] };
        let id = format!("m{number}-0");
        let mut attendant = match number {
            4 => Attendant::named(&id, "static", topics),
            _ => Attendant::new(&id, topics),
        };
        if number == 2 {
            attendant.pattern = Some("extra.*".into());
        }
        attendant.strategy = (number == 1).then(|| "range".to_owned());
        Client { attendant, doing: Doing::Working, lives: 0, heard: 0 }
    }

    /// Another process, with another id.
    fn start(&mut self, number: usize) {
        self.lives += 1;
        self.attendant.id = format!("m{number}-{}", self.lives);
        self.lose_all();
        self.doing = Doing::Working;
    }

    fn lose_all(&mut self) {
        self.attendant.epoch = 0;
        self.attendant.owned.clear();
    }

    fn step(&mut self, world: &mut World, dice: &mut Dice, loss: u64) {
        match self.doing {
            Doing::Down => {}
            Doing::Waiting(key, patience) => {
                if !world.is_waiting(key) {
                    self.doing = Doing::Working;
                    if !dice.happens(loss) {
                        self.take(world.attended(key));
                    }
                } else if patience == 0 {
                    self.doing = Doing::Working;
                } else {
                    self.doing = Doing::Waiting(key, patience - 1);
                }
            }
            Doing::Working => {
                // The client's own library gives up what it has when it was not heard of for a session.
                if self.attendant.epoch != 0 && world.now - self.heard > 45_000_000_000 {
                    self.lose_all();
                }
                self.heard = world.now;
                // Who is heard of has time to give back: otherwise being put out for that would have to be told from two owners.
                let full = AttendGroup { rebalance_timeout_ms: Some(3_600_000), ..self.attendant.full() };
                let key = world.ask(GroupRequest::Attend(Box::new(full)));
                self.doing = Doing::Waiting(key, 6);
            }
        }
    }

    fn take(&mut self, result: Result<Attended, Refusal>) {
        match result {
            Ok(attended) => {
                assert!(attended.epoch >= self.attendant.epoch, "an epoch fell");
                self.attendant.hear(&attended);
            }
            Err(Refusal::FencedMember | Refusal::UnknownMember | Refusal::UnknownGroup) => self.lose_all(),
            // A static member whose earlier life is still known, and everything that passes.
            Err(
                Refusal::UnreleasedInstance
                | Refusal::FencedInstance
                | Refusal::Loading
                | Refusal::Busy
                | Refusal::NotLeader { .. },
            ) => {}
            Err(other) => panic!("a client cannot go on after {other:?}"),
        }
    }
}

/// Nobody has what another has. A client whose session may be over is not counted: it is fenced by time.
fn assert_single_owners(world: &World, clients: &[Client], seed: u64) {
    let mut owners: BTreeMap<(TopicId, u32), &str> = BTreeMap::new();
    for client in clients {
        let is_alive = world.now - client.heard < 45_000_000_000;
        if matches!(client.doing, Doing::Down) || !is_alive {
            continue;
        }
        for place in &client.attendant.owned {
            let other = owners.insert(*place, &client.attendant.id);
            assert_eq!(other, None, "seed {seed}: {place:?} is also {}'s", client.attendant.id);
        }
    }
}

fn play(seed: u64) {
    let mut dice = Dice(seed);
    let settings = CoordinatorSettings::default();
    let mut world = World::new(settings);
    world.create("s", 5);
    let t = world.create("t", 3);
    let mut clients: Vec<Client> = (0..5).map(Client::new).collect();
    let mut epoch = 0;
    for round in 0..400 {
        disturb(&mut world, &mut clients, &mut dice, settings);
        match (round, dice.roll(3)) {
            (100, 0) => world.grow(t, 8),
            (150, 0) => {
                world.create("extra-1", 4);
            }
            (200, 0) => world.drop_topic(t),
            _ => {}
        }
        let who = dice.roll(5) as usize;
        clients[who].step(&mut world, &mut dice, 10);
        assert_single_owners(&world, &clients, seed);
        if let Ok(view) = world.assigned() {
            assert!(view.epoch >= epoch, "seed {seed}: the group's epoch fell");
        }
        // What is in the log is what a later leader begins with.
        let saved = world.machine.groups().get(&group()).map_or(0, |saved| saved.generation);
        assert!(saved >= epoch, "seed {seed}");
        epoch = saved;
        world.pass(dice.roll(2_000));
    }
    settle(&mut world, &mut clients, &mut dice);
    assert_all_assigned(&mut world, &clients, seed);
}

/// Things that go wrong.
fn disturb(world: &mut World, clients: &mut [Client], dice: &mut Dice, settings: CoordinatorSettings) {
    let who = dice.roll(5) as usize;
    match dice.roll(60) {
        0 => clients[who].doing = Doing::Down,
        1 | 2 if matches!(clients[who].doing, Doing::Down) => clients[who].start(who),
        3 | 4 => {
            let is_static = clients[who].attendant.instance.is_some();
            let presence = if is_static && dice.happens(70) { Presence::Pauses } else { Presence::Leaves };
            // It has given up all when it says so.
            clients[who].lose_all();
            clients[who].doing = Doing::Down;
            world.ask(GroupRequest::Attend(Box::new(clients[who].attendant.with_presence(presence))));
        }
        5 => world.change_leader_keeping(dice.roll(3) as usize, settings),
        6..=10 => world.holds = !world.holds,
        11..=17 => world.apply_all(),
        18 => world.fail_all(Refusal::Busy),
        _ => {}
    }
}

fn settle(world: &mut World, clients: &mut [Client], dice: &mut Dice) {
    world.holds = false;
    world.apply_all();
    for (number, client) in clients.iter_mut().enumerate() {
        if matches!(client.doing, Doing::Down) {
            client.start(number);
        }
    }
    // Long enough for the sessions of those who are gone and for the time to give back.
    for _ in 0..150 {
        for client in &mut *clients {
            client.step(world, dice, 0);
        }
        world.pass(1_000);
    }
}

fn assert_all_assigned(world: &mut World, clients: &[Client], seed: u64) {
    let view = world.assigned().unwrap();
    assert_eq!(view.state, GroupState::Stable, "seed {seed}: {view:?}");
    assert_eq!(view.members.len(), clients.len(), "seed {seed}");
    let topics = ["s", "t", "extra-1"].map(|name| forebay_model::TopicName::parse(name).unwrap());
    let topics = topics.iter().filter_map(|name| world.machine.catalog().topic(name));
    let there_are: usize = topics.map(|topic| topic.partitions.len()).sum();
    let owned: usize = clients.iter().map(|client| client.attendant.owned.len()).sum();
    assert_eq!(owned, there_are, "seed {seed}");
    for client in clients {
        assert_eq!(client.attendant.epoch, view.epoch, "seed {seed}");
    }
    assert_single_owners(world, clients, seed);
    assert_eq!(world.unanswered(), 0, "seed {seed}");
}

#[test]
fn no_partition_ever_has_two_owners_and_in_the_end_all_are_assigned() {
    for seed in 0..300 {
        play(seed);
    }
}

#[test]
fn a_request_is_answered_once_whatever_becomes_of_its_group() {
    let mut world = World::new(CoordinatorSettings::default());
    world.create("t", 2);
    world.holds = true;
    let a = Attendant::new("a", &["t"]);
    let key = world.ask(GroupRequest::Attend(Box::new(a.full())));
    world.change_leader(CoordinatorSettings::default());
    assert_eq!(world.attended(key), Err(Refusal::NotLeader { leader: None }));
    assert!(matches!(world.answer(key), Some(GroupReply::Attend(_))));
    assert_eq!(world.unanswered(), 0);
}
