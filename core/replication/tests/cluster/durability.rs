//! What is on the medium before anything is said, and what comes back.

use std::time::Duration;

use forebay_commitlog::{Body, SlotKind};
use forebay_env::IoClass;
use forebay_replication::{Dropped, EntryKind, Role, ShardClass};

use crate::CLASSES;
use crate::harness::World;

#[test]
fn a_follower_that_lost_power_comes_back_and_catches_up() {
    let mut world = World::new(5, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    world.propose(leader, 3).unwrap();
    world.power_cut(follower);
    for _ in 0..50 {
        world.commit_one();
    }
    world.start(follower).unwrap();
    world.wait_until_equal();
    world.check_confirmed();
}

#[test]
fn all_lose_power_at_once_and_every_confirm_survives() {
    for seed in 0..20 {
        let mut world = World::new(600 + seed, 3, ShardClass::Sync);
        for _ in 0..3 {
            let leader = world.wait_for_leader();
            for _ in 0..10 {
                let _ = world.propose(leader, 3);
                for _ in 0..seed {
                    world.step();
                }
            }
            (1..=3).for_each(|id| world.power_cut(id));
            (1..=3).for_each(|id| world.start(id).unwrap());
        }
        world.commit_one();
        world.wait_until_equal();
        world.check_confirmed();
    }
}

#[test]
fn nothing_is_confirmed_before_a_majority_has_flushed() {
    let mut world = World::new(7, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let followers: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    for id in &followers {
        world.node(*id).held = Some(IoClass::Flush);
    }
    let confirmed = world.confirmed.len();
    world.propose(leader, 4).unwrap();
    // Not so long that the leader misses the others: their answers to heartbeats wait for the flush too.
    for _ in 0..5 {
        world.settle();
        world.pass(Duration::from_millis(20));
    }
    assert_eq!(world.confirmed.len(), confirmed, "only the leader has flushed");
    world.node(followers[0]).held = None;
    world.until("a majority flushed", |world| world.confirmed.len() == confirmed + 4);
}

#[test]
fn an_async_shard_confirms_without_waiting_for_a_flush() {
    let mut world = World::new(8, 3, ShardClass::Async);
    let leader = world.wait_for_leader();
    (1..=3).for_each(|id| world.node(id).held = Some(IoClass::Flush));
    let confirmed = world.confirmed.len();
    world.propose(leader, 4).unwrap();
    world.until("confirms", |world| world.confirmed.len() == confirmed + 4);
}

#[test]
fn no_vote_counts_before_it_is_flushed() {
    for class in CLASSES {
        let mut world = World::new(9, 3, class);
        (1..=3).for_each(|id| world.node(id).held = Some(IoClass::Flush));
        for _ in 0..100 {
            world.settle();
            world.pass(Duration::from_millis(50));
        }
        let leads = |world: &World| world.nodes.values().any(|node| matches!(node.role, Role::Leader { .. }));
        assert!(!leads(&world), "a vote left before its flush");
        (1..=3).for_each(|id| world.node(id).held = None);
        world.wait_for_leader();
    }
}

#[test]
fn what_a_restart_takes_for_persisted_is_on_the_medium() {
    let mut world = World::new(61, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    // Written everywhere, flushed nowhere: only the page caches have it, and they outlive the processes.
    (1..=3).for_each(|id| world.node(id).held = Some(IoClass::Flush));
    world.propose(leader, 3).unwrap();
    world.settle();
    (1..=3).for_each(|id| world.kill(id));
    (1..=3).for_each(|id| world.node(id).held = None);
    (1..=3).for_each(|id| world.start(id).unwrap());
    // It counts as persisted from the moment of the open, so a power cut at that moment may not take it.
    let lasts: Vec<_> = (1..=3).map(|id| world.replica(id).last_index()).collect();
    (1..=3).for_each(|id| world.power_cut(id));
    (1..=3).for_each(|id| world.start(id).unwrap());
    assert_eq!(lasts, (1..=3).map(|id| world.replica(id).last_index()).collect::<Vec<_>>());
}

#[test]
fn a_checkpoint_waits_for_the_log_below_it() {
    let mut world = World::new(62, 1, ShardClass::Async);
    world.settle();
    world.node(1).held = Some(IoClass::Flush);
    while world.replica(1).log().last_index().0 < 200 {
        world.propose(1, 10).unwrap();
        world.settle();
    }
    assert_eq!(world.checkpoints, 0, "the log is applied, but not on the medium");
    world.node(1).held = None;
    world.settle();
    assert!(world.checkpoints > 0);
    let current = world.replica(1).log().keeper().manifest().checkpoint.unwrap().index;
    assert!(current <= world.replica(1).log().durable_index());
}

#[test]
fn proposals_wait_when_too_much_is_uncommitted() {
    let mut world = World::new(63, 1, ShardClass::Sync);
    world.settle();
    world.node(1).held = Some(IoClass::Flush);
    let large = Body::opaque(SlotKind(1), &vec![0; 1 << 20]).unwrap();
    let mut taken = 0;
    while world.replica(1).propose(vec![(EntryKind::Normal, large.clone())]) == Ok(forebay_model::Term(6)) {
        world.poll(1);
        taken += 1;
        assert!(taken <= 64, "there is a limit");
    }
    assert_eq!(world.replica(1).propose(vec![(EntryKind::Normal, large.clone())]), Err(Dropped::Full));
    assert!(taken >= 60, "{taken} MiB");
    world.node(1).held = None;
    world.settle();
    assert!(world.replica(1).propose(vec![(EntryKind::Normal, large)]).is_ok());
}

#[test]
fn checkpoints_bound_the_replay_and_raise_the_floor() {
    let mut world = World::new(16, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    for _ in 0..40 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    world.wait_until_equal();
    world.pass(Duration::from_millis(50));
    assert!(world.checkpoints >= 9, "{} checkpoints", world.checkpoints);
    assert!(world.replica(leader).log().floor().index.0 > 100, "everybody has it");
    for id in 1..=3 {
        world.power_cut(id);
        world.start(id).unwrap();
        let recovered = world.node(id).recovered.as_ref().unwrap();
        assert!(recovered.checkpoint.as_ref().unwrap().index.0 > 100);
    }
    world.commit_one();
    world.wait_until_equal();
    world.check_confirmed();
}

#[test]
fn a_single_voter_leads_at_once_and_after_every_power_cut() {
    for class in CLASSES {
        let mut world = World::new(17, 1, class);
        world.settle();
        assert_eq!(world.leader(), Some(1), "no time has passed");
        for _ in 0..30 {
            world.propose(1, 5).unwrap();
            world.settle();
        }
        let confirmed = world.confirmed.len();
        assert_eq!(confirmed, 150);
        world.power_cut(1);
        if class == ShardClass::Async {
            // What the page cache had is gone; the world's memory of it with it.
            world.chosen.clear();
            world.states.clear();
        }
        world.start(1).unwrap();
        world.settle();
        assert_eq!(world.leader(), Some(1));
        let lost = world.node(1).recovered.as_ref().unwrap().tail_lost;
        assert_eq!(lost.is_some(), class == ShardClass::Async, "an async loss is accepted and said");
        if class == ShardClass::Sync {
            world.check_confirmed();
        }
    }
}
