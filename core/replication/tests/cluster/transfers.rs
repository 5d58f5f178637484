//! Bringing up a replica that the log no longer reaches.

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_env::{Clock, Disk, IoClass, OpenMode};
use forebay_replication::{Bootstrap, Change, ShardClass};

use crate::CLASSES;
use crate::harness::{World, config, peer};

#[test]
fn a_follower_far_behind_is_served_from_the_disk() {
    let mut world = World::new(20, 3, ShardClass::Sync);
    for id in 1..=3 {
        world.replica(id).log_mut().set_tail_bytes_max(500);
    }
    let leader = world.wait_for_leader();
    let slow = (1..=3).find(|id| *id != leader).unwrap();
    world.node(slow).cut_off = true;
    for _ in 0..20 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    world.node(slow).cut_off = false;
    world.wait_until_equal();
    world.check_confirmed();
}

/// A group with a log that has given up its beginning, and a replica on a blank disk that was added as a learner.
fn with_a_newcomer(seed: u64, class: ShardClass) -> World {
    let mut world = World::new(seed, 3, class);
    let leader = world.wait_for_leader();
    for _ in 0..60 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    world.wait_until_equal();
    world.pass(Duration::from_millis(50));
    assert!(world.replica(leader).log().floor().index.0 > 100);
    world.add(config(4, class, Bootstrap::Join));
    world.change(Change::AddLearner(peer(4)));
    world
}

#[test]
fn a_blank_disk_joins_becomes_a_voter_and_leads() {
    for (class, seed) in CLASSES.into_iter().zip([22, 23]) {
        let mut world = with_a_newcomer(seed, class);
        world.wait_until_equal();
        assert_eq!(world.installs, 1);
        world.change(Change::Promote(peer(4)));
        let leader = world.leader().unwrap();
        world.replica(leader).transfer(peer(4)).unwrap();
        world.poll(leader);
        world.until("the newcomer leads", |world| world.leader() == Some(4));
        world.change(Change::Remove(peer(leader)));
        world.kill(leader);
        for _ in 0..20 {
            world.commit_one();
        }
        world.check_confirmed();
        // What it installed is what it restarts from.
        world.kill(4);
        world.start(4).unwrap();
        world.commit_one();
    }
}

/// The segments that arrived at the newcomer and are not part of its log yet.
fn arrived(world: &mut World) -> Vec<PathBuf> {
    let dir = Path::new("/node/shard-0003");
    let listed = world.node(4).disk.list(dir).unwrap().into_iter();
    listed.filter(|entry| entry.name.ends_with(".seg.part")).map(|entry| dir.join(entry.name)).collect()
}

#[test]
fn a_transfer_is_not_given_up_because_a_power_cut_tore_many_of_its_files() {
    let mut world = with_a_newcomer(24, ShardClass::Sync);
    while arrived(&mut world).len() < 6 {
        if !world.step() {
            world.pass(Duration::from_millis(20));
        }
    }
    world.kill(4);
    let disk = world.node(4).disk.clone();
    for name in arrived(&mut world) {
        disk.open(&name, OpenMode::Write).unwrap().write_at(&[&[0xff; 8]], 0).unwrap();
    }
    world.start(4).unwrap();
    let began = world.clock.monotonic();
    world.until("a newcomer with everything", |world| world.installs == 1);
    let took = world.clock.monotonic().since(began);
    assert!(took < Duration::from_millis(700), "{took:?}: it was begun anew");
}

#[test]
fn a_transfer_goes_on_where_it_stopped() {
    for seed in 0..10 {
        let mut world = with_a_newcomer(25 + seed, ShardClass::Sync);
        world.loss_percent = 10;
        for round in 0..6 {
            for _ in 0..40 * seed {
                world.step();
            }
            world.pass(Duration::from_millis(20));
            match round % 3 {
                0 => world.power_cut(4),
                1 => world.kill(4),
                _ => {
                    if let Some(leader) = world.leader() {
                        world.kill(leader);
                        world.until("another leader", |world| world.leader().is_some());
                        world.start(leader).unwrap();
                    }
                }
            }
            if world.nodes[&4].replica.is_none() {
                world.start(4).unwrap();
            }
        }
        world.loss_percent = 0;
        world.commit_one();
        world.wait_until_equal();
        world.check_confirmed();
        assert!(world.installs >= 1);
    }
}

#[test]
fn a_leader_that_missed_the_answer_to_an_install_hears_it_again() {
    for seed in 60..64 {
        let mut world = with_a_newcomer(seed, ShardClass::Sync);
        while world.installs == 0 {
            if !world.step() {
                world.pass(Duration::from_millis(20));
            }
        }
        world.node(4).cut_off = true;
        // Longer than the leader waits for an answer.
        for _ in 0..400 {
            world.settle();
            world.pass(Duration::from_millis(20));
        }
        world.node(4).cut_off = false;
        world.commit_one();
        world.wait_until_equal();
        world.check_confirmed();
    }
}

#[test]
fn a_newcomer_catches_up_with_a_group_that_goes_on_writing() {
    let tight = |config: &mut forebay_replication::ReplicaConfig| config.follower_lag_bytes_max = 2000;
    let mut world = World::with_config(70, 3, ShardClass::Sync, tight);
    let leader = world.wait_for_leader();
    for _ in 0..60 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    world.pass(Duration::from_millis(50));
    world.add(config(4, ShardClass::Sync, Bootstrap::Join));
    world.change(Change::AddLearner(peer(4)));
    while arrived(&mut world).is_empty() {
        if !world.step() {
            world.pass(Duration::from_millis(20));
        }
    }
    // Its disk is slow, and the group writes more meanwhile than a follower may lag.
    world.node(4).held = Some(IoClass::Background);
    for _ in 0..40 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    world.node(4).held = None;
    world.wait_until_equal();
    assert_eq!(world.installs, 1);
    // Nothing is held for it from here on.
    for _ in 0..60 {
        world.propose(leader, 10).unwrap();
        world.settle();
        world.pass(Duration::from_millis(20));
    }
    let replica = world.replica(leader);
    assert!(replica.last_index().0 - replica.log().floor().index.0 < 200);
    world.check_confirmed();
}

#[test]
fn a_leader_whose_files_rotted_lets_another_bring_the_newcomer_up() {
    for ending in [".seg", ".ckpt"] {
        let mut world = with_a_newcomer(72, ShardClass::Sync);
        let leader = world.leader().unwrap();
        // By then the checkpoint that knows of the newcomer is the current one.
        while arrived(&mut world).is_empty() {
            if !world.step() {
                world.pass(Duration::from_millis(20));
            }
        }
        let dir = Path::new("/node/shard-0003");
        let disk = world.node(leader).disk.clone();
        let mut files = disk.list(dir).unwrap();
        files.retain(|entry| entry.name.ends_with(ending));
        // The last segment is not sealed yet, and what is sent comes in order: its neighbour has not arrived.
        let rotten = &files[files.len() - if ending == ".seg" { 2 } else { 1 }];
        let file = disk.open(&dir.join(&rotten.name), OpenMode::Write).unwrap();
        file.write_at(&[&[0xff; 4]], rotten.len / 2).unwrap();
        world.until("a newcomer with everything", |world| world.installs == 1);
        assert_ne!(world.leader(), Some(leader), "{ending}");
        world.commit_one();
    }
}

#[test]
fn a_follower_below_the_floor_is_brought_up_by_a_checkpoint() {
    for (class, seed) in CLASSES.into_iter().zip([50, 51]) {
        let mut world = World::with_config(seed, 3, class, |config| config.follower_lag_bytes_max = 4000);
        let leader = world.wait_for_leader();
        world.commit_one();
        world.wait_until_equal();
        let slow = (1..=3).find(|id| *id != leader).unwrap();
        world.node(slow).cut_off = true;
        // What it has and the others do not is replaced.
        for _ in 0..40 {
            world.propose(leader, 10).unwrap();
            world.settle();
        }
        world.pass(Duration::from_millis(50));
        assert!(world.replica(leader).log().floor().index.0 > 100, "the budget is spent");
        world.node(slow).cut_off = false;
        world.wait_until_equal();
        assert_eq!(world.installs, 1);
        world.commit_one();
        world.wait_until_equal();
        world.check_confirmed();
    }
}
