//! Random histories: losses, cuts, deaths, power cuts, changes of the membership.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_env::IoClass;
use forebay_replication::{Bootstrap, Change, Membership, PeerId, ShardClass};

use crate::CLASSES;
use crate::harness::{World, config, peer};

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = |seed: u64| {
        let mut world = chaos(seed, ShardClass::Sync, 60);
        world.wait_until_equal();
        (world.trace, world.confirmed.len(), world.chosen.len())
    };
    for seed in [100, 101, 102] {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(100), run(101));
}

#[test]
fn whatever_happens_confirmed_entries_stay_and_replicas_agree() {
    let seeds = std::env::var("FOREBAY_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let mut installs = 0;
    for seed in 0..seeds {
        for class in CLASSES {
            let mut world = chaos(1000 + seed, class, 150);
            world.commit_one();
            world.wait_until_equal();
            world.check_confirmed();
            installs += world.installs;
        }
    }
    assert!(installs >= seeds / 10, "too few installs to have tried anything: {installs}");
}

/// Losses, cuts, deaths and power cuts, and in the end everybody is back.
fn chaos(seed: u64, class: ShardClass, rounds: u64) -> World {
    let mut world = World::with_config(seed, 3, class, |config| config.follower_lag_bytes_max = 500);
    world.loss_percent = 5;
    for _ in 0..rounds {
        let id = 1 + world.rng.below(3);
        match world.rng.below(10) {
            0 => world.node(id).cut_off ^= true,
            1 => down(&mut world, id, class),
            2 | 3 => {
                for id in 1..=3 {
                    if world.nodes[&id].replica.is_none() {
                        world.start(id).unwrap();
                    }
                }
            }
            4 => {
                let held = world.rng.chance(50).then_some(IoClass::Flush);
                world.node(id).held = held;
            }
            5 => {
                if let Some(leader) = world.leader() {
                    let _ = world.replica(leader).transfer(peer(id));
                    world.poll(leader);
                }
            }
            _ => {
                if let Some(leader) = world.leader() {
                    let count = 1 + world.rng.below(30);
                    let _ = world.propose(leader, count);
                }
            }
        }
        for _ in 0..world.rng.below(60) {
            world.step();
        }
        let time = world.rng.below(120);
        world.pass(Duration::from_millis(time));
    }
    world.loss_percent = 0;
    for id in 1..=3 {
        world.node(id).cut_off = false;
        world.node(id).held = None;
        if world.nodes[&id].replica.is_none() {
            world.start(id).unwrap();
        }
    }
    for node in world.nodes.values() {
        assert!(node.fenced.is_none(), "seed {seed}: node {} is fenced: {:?}", node.id, node.fenced);
    }
    world
}

fn down(world: &mut World, id: u64, class: ShardClass) {
    // A power cut of an async replica is a story of its own.
    if class == ShardClass::Sync && world.rng.chance(50) {
        world.power_cut(id);
    } else {
        world.kill(id);
    }
}

#[test]
fn the_membership_turns_over_under_crashes_and_nothing_is_lost() {
    let seeds = std::env::var("FOREBAY_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let (mut installs, mut changes) = (0, 0);
    let first = std::env::var("FOREBAY_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(5000);
    for seed in first..first + seeds {
        let (world, changed) = turnover(seed);
        world.check_confirmed();
        installs += world.installs;
        changes += changed;
    }
    assert!(installs > seeds && changes > 3 * seeds, "{installs} installs, {changes} changes are too few");
}

/// Random changes of the membership between five machines, with crashes; whoever is removed comes back as another life on
/// a blank disk.
fn turnover(seed: u64) -> (World, u64) {
    let class = ShardClass::Sync;
    let mut world = World::new(seed, 3, class);
    world.loss_percent = 3;
    world.add(config(4, class, Bootstrap::Join));
    world.add(config(5, class, Bootstrap::Join));
    let mut changed = 0;
    let mut members: Option<Membership> = None;
    // An id is given out once.
    let mut removed: BTreeSet<PeerId> = BTreeSet::new();
    for _ in 0..250 {
        let id = 1 + world.rng.below(5);
        match world.rng.below(12) {
            0 if world.nodes.values().filter(|node| node.replica.is_none()).count() < 1 => {
                down(&mut world, id, class);
            }
            1 | 2 => restart_all(&mut world),
            3..6 => {
                if let Some(leader) = world.leader() {
                    let before = world.replica(leader).membership();
                    let peer = world.nodes[&id].config.peer;
                    let change = if before.voters.contains(&peer) {
                        Change::Remove(peer)
                    } else if before.learners.contains(&peer) {
                        Change::Promote(peer)
                    } else {
                        Change::AddLearner(peer)
                    };
                    if !removed.contains(&peer)
                        && (before.voters.len() > 2 || !matches!(change, Change::Remove(_)))
                    {
                        let _ = world.replica(leader).change_membership(change);
                        world.poll(leader);
                    }
                }
            }
            _ => {
                if let Some(leader) = world.leader() {
                    let count = 1 + world.rng.below(20);
                    let _ = world.propose(leader, count);
                }
            }
        }
        for _ in 0..world.rng.below(80) {
            world.step();
        }
        let time = world.rng.below(100);
        world.pass(Duration::from_millis(time));
        if let Some(leader) = world.leader() {
            let now = world.replica(leader).membership();
            if let Some(before) = members.replace(now.clone())
                && before != now
            {
                changed += 1;
                removed.extend(before.everybody().difference(&now.everybody()));
            }
            rejoin(&mut world, &removed);
        }
    }
    world.loss_percent = 0;
    restart_all(&mut world);
    world.commit_one();
    let leader = world.leader().unwrap();
    let everybody = world.replica(leader).membership().everybody();
    for id in 1..=5 {
        if !everybody.contains(&world.nodes[&id].config.peer) {
            world.kill(id);
        }
    }
    world.wait_until_equal();
    for node in world.nodes.values() {
        assert!(node.fenced.is_none(), "seed {seed}: node {} is fenced: {:?}", node.id, node.fenced);
    }
    (world, changed)
}

fn restart_all(world: &mut World) {
    let down: Vec<u64> =
        world.nodes.values().filter(|node| node.replica.is_none()).map(|node| node.id).collect();
    down.into_iter().for_each(|id| world.start(id).unwrap());
}

/// Whoever was removed gives its disk and its id away.
fn rejoin(world: &mut World, removed: &BTreeSet<PeerId>) {
    for id in 1..=5 {
        let peer = world.nodes[&id].config.peer;
        if removed.contains(&peer) {
            let mut next = config(id, ShardClass::Sync, Bootstrap::Join);
            next.peer = peer.next_incarnation().unwrap();
            world.add(next);
        }
    }
}
