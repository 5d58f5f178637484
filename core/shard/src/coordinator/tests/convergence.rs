//! However messages are lost and members come and go: in the end all agree.

use forebay_model::Refusal;
use forebay_model::group::{GroupState, JoinGroup, Joined};

use super::super::CoordinatorSettings;
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
    /// It has to join.
    Apart,
    /// It waits for the answer to its join.
    Joining(u64),
    /// It has to ask for its assignment.
    Joined(Joined),
    /// It waits for the answer to its sync.
    Syncing(Joined, u64),
    /// It works.
    Working(Joined),
    /// Its process is not running.
    Down,
}

/// A client that follows the protocol and may lose any answer.
struct Client {
    name: String,
    instance: Option<String>,
    member: String,
    id_first: bool,
    doing: Doing,
    /// When it gives up waiting, in monotonic nanoseconds.
    patience: u64,
    assignment: Option<bytes::Bytes>,
}

impl Client {
    fn new(number: usize) -> Client {
        Client {
            name: format!("c{number}"),
            instance: (number == 4).then(|| "static".to_owned()),
            member: String::new(),
            id_first: number.is_multiple_of(2),
            doing: Doing::Apart,
            patience: 0,
            assignment: None,
        }
    }

    fn join_request(&self) -> JoinGroup {
        JoinGroup {
            member: self.member.clone(),
            instance: self.instance.clone(),
            id_first: self.id_first,
            rebalance_timeout_ms: 20_000,
            ..new_member(&self.name)
        }
    }

    fn forget(&mut self) {
        self.member.clear();
        self.doing = Doing::Apart;
        self.assignment = None;
    }

    fn again(&mut self) {
        self.doing = Doing::Apart;
    }

    /// Goes one step on; every answer is lost with the given chance in a hundred.
    fn step(&mut self, world: &mut World, dice: &mut Dice, loss: u64) {
        let is_lost = dice.happens(loss);
        match std::mem::replace(&mut self.doing, Doing::Apart) {
            Doing::Down => self.doing = Doing::Down,
            Doing::Apart => {
                let key = world.join(self.join_request());
                self.patience = world.now + 60_000_000_000;
                self.doing = if is_lost { Doing::Apart } else { Doing::Joining(key) };
            }
            Doing::Joining(key) if world.is_waiting(key) => {
                self.doing = if world.now > self.patience { Doing::Apart } else { Doing::Joining(key) };
            }
            Doing::Joining(key) => self.take_join(world.joined(key)),
            Doing::Joined(joined) => {
                let key =
                    if joined.leader == joined.member { world.lead(&joined) } else { world.follow(&joined) };
                self.patience = world.now + 60_000_000_000;
                self.doing = if is_lost { Doing::Joined(joined) } else { Doing::Syncing(joined, key) };
            }
            Doing::Syncing(joined, key) if world.is_waiting(key) => {
                self.doing = if world.now > self.patience {
                    Doing::Joined(joined)
                } else {
                    Doing::Syncing(joined, key)
                };
            }
            Doing::Syncing(joined, key) => match world.synced(key) {
                Ok(synced) => {
                    self.assignment = Some(synced.assignment);
                    self.doing = Doing::Working(joined);
                }
                Err(refusal) => self.take_refusal(refusal),
            },
            Doing::Working(joined) => {
                let result = world.heartbeat(&joined);
                self.doing = Doing::Working(joined);
                match result {
                    Err(refusal) if !is_lost => self.take_refusal(refusal),
                    _ => {}
                }
            }
        }
    }

    fn take_join(&mut self, result: Result<Joined, Refusal>) {
        match result {
            Ok(joined) => {
                self.member = joined.member.clone();
                self.doing = Doing::Joined(joined);
            }
            Err(Refusal::MemberIdRequired { member }) => self.member = member,
            Err(refusal) => self.take_refusal(refusal),
        }
    }

    fn take_refusal(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::UnknownMember | Refusal::IllegalGeneration | Refusal::FencedInstance => self.forget(),
            Refusal::RebalanceInProgress | Refusal::NotLeader { .. } | Refusal::Busy => self.again(),
            other => panic!("a client cannot go on after {other:?}"),
        }
    }
}

/// Plays one seed: a wild time, then a calm one, at whose end everyone must agree.
fn play(seed: u64) {
    let mut dice = Dice(seed);
    let delay = dice.roll(2) as u32 * 3_000;
    let settings =
        CoordinatorSettings { initial_rebalance_delay_ms: delay, ..CoordinatorSettings::default() };
    let mut world = World::new(settings);
    let mut clients: Vec<Client> = (0..5).map(Client::new).collect();
    for _ in 0..400 {
        disturb(&mut world, &mut clients, &mut dice, settings);
        let who = dice.roll(5) as usize;
        clients[who].step(&mut world, &mut dice, 10);
        world.pass(dice.roll(2_500));
    }
    world.holds = false;
    world.apply_all();
    for client in &mut clients {
        if matches!(client.doing, Doing::Down) {
            client.forget();
        }
    }
    // Long enough for lost members' sessions, for the rebalance timeout and for clients' patience.
    for _ in 0..200 {
        for client in &mut clients {
            client.step(&mut world, &mut dice, 0);
        }
        world.pass(1_000);
    }
    assert_agreement(&mut world, &clients, seed);
}

/// Things that go wrong.
fn disturb(world: &mut World, clients: &mut [Client], dice: &mut Dice, settings: CoordinatorSettings) {
    let who = dice.roll(5) as usize;
    match dice.roll(60) {
        0 => clients[who].doing = Doing::Down,
        1 | 2 if matches!(clients[who].doing, Doing::Down) => clients[who].forget(),
        3 => {
            let (member, instance) = (clients[who].member.clone(), clients[who].instance.clone());
            if !member.is_empty() {
                let _ = world.leave(&member, instance.as_deref());
                clients[who].forget();
            }
        }
        4 => world.change_leader_keeping(dice.roll(3) as usize, settings),
        5..=9 => world.holds = !world.holds,
        10..=15 => world.apply_all(),
        16 => world.fail_all(Refusal::Busy),
        _ => {}
    }
}

fn assert_agreement(world: &mut World, clients: &[Client], seed: u64) {
    assert_eq!(world.state(), GroupState::Stable, "seed {seed}");
    let view = world.describe();
    let mut generations = Vec::new();
    for client in clients {
        let Doing::Working(joined) = &client.doing else {
            panic!("seed {seed}: {} does not work", client.name)
        };
        generations.push(joined.generation);
        let member = view.members.iter().find(|member| member.member == joined.member);
        let member = member.unwrap_or_else(|| panic!("seed {seed}: {} is no member", client.name));
        assert_eq!(client.assignment.as_ref(), Some(&member.assignment), "seed {seed}");
    }
    assert_eq!(view.members.len(), clients.len(), "seed {seed}");
    generations.dedup();
    assert_eq!(generations.len(), 1, "seed {seed}");
    let saved = world.machine.groups().get(&group()).unwrap();
    assert_eq!((saved.generation, saved.members.len()), (generations[0], clients.len()), "seed {seed}");
    // Not one request is left without an answer, however often clients stopped listening.
    assert_eq!(world.unanswered(), 0, "seed {seed}");
}

#[test]
fn five_members_with_losses_always_end_in_one_stable_generation() {
    for seed in 0..300 {
        play(seed);
    }
}

#[test]
fn when_all_go_nothing_is_left() {
    let mut world = World::new(CoordinatorSettings::default());
    let mut dice = Dice(7);
    let mut clients: Vec<Client> = (0..5).map(Client::new).collect();
    for _ in 0..300 {
        let who = dice.roll(5) as usize;
        clients[who].step(&mut world, &mut dice, 20);
        world.pass(dice.roll(2_000));
    }
    // New members' joins, ids on their way, sessions: all of it ends by itself.
    world.pass(700_000);
    world.assert_nothing_left();
    assert!(world.machine.groups().get(&group()).unwrap().members.is_empty());
}
