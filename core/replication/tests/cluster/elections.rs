//! Who leads, and who may answer.

use std::time::Duration;

use forebay_model::NodeId;
use forebay_replication::{ChangeRefused, Dropped, Role, ShardClass};

use crate::CLASSES;
use crate::harness::{World, peer};

#[test]
fn three_replicas_elect_a_leader_and_agree() {
    for (class, seed) in CLASSES.into_iter().zip([1, 2]) {
        let mut world = World::new(seed, 3, class);
        let leader = world.wait_for_leader();
        for _ in 0..20 {
            world.propose(leader, 5).unwrap();
        }
        world.wait_until_equal();
        assert_eq!(world.confirmed.len(), 100);
        world.check_confirmed();
    }
}

#[test]
fn a_follower_says_who_leads_and_takes_no_proposal() {
    let mut world = World::new(3, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    assert_eq!(world.propose(follower, 1), Err(Dropped::NotLeader(Some(NodeId(leader)))));
    assert_eq!(world.node(follower).role, Role::Follower { leader: Some(NodeId(leader)) });
}

#[test]
fn a_leader_that_is_cut_off_confirms_nothing_and_its_tail_is_replaced() {
    let mut world = World::new(4, 3, ShardClass::Sync);
    let old = world.wait_for_leader();
    world.commit_one();
    world.node(old).cut_off = true;
    let confirmed = world.confirmed.len();
    world.propose(old, 5).unwrap();
    world.settle();
    assert_eq!(world.confirmed.len(), confirmed, "nobody else has it");
    world.until("another leader", |world| world.leader().is_some_and(|id| id != old));
    for _ in 0..5 {
        world.commit_one();
    }
    world.until("the old one steps down", |world| !matches!(world.replica(old).role(), Role::Leader { .. }));
    world.node(old).cut_off = false;
    world.wait_until_equal();
    world.check_confirmed();
    assert_eq!(world.confirmed.len(), confirmed + 5, "the tail of the old leader is gone");
}

#[test]
fn leadership_is_handed_over_on_request() {
    let mut world = World::new(13, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let next = (1..=3).find(|id| *id != leader).unwrap();
    world.replica(leader).transfer(peer(next)).unwrap();
    world.poll(leader);
    world.until("the other one leads", |world| world.leader() == Some(next));
    world.commit_one();
    assert_eq!(world.replica(next).transfer(peer(9)), Err(ChangeRefused::Senseless));
}

#[test]
fn a_read_barrier_is_answered_by_every_replica_and_across_a_change_of_leader() {
    let mut world = World::new(14, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    for id in 1..=3 {
        let token = world.replica(id).read_index();
        world.poll(id);
        world.until("the barrier", |world| world.node(id).reads_ready.last() == Some(&token));
        let last = *world.chosen.last_key_value().unwrap().0;
        assert!(world.node(id).state.index >= last - 1, "everything confirmed before is applied");
    }
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    world.kill(leader);
    let token = world.replica(follower).read_index();
    world.poll(follower);
    world.until("the barrier with the next leader", |world| {
        world.node(follower).reads_ready.last() == Some(&token)
    });
}

#[test]
fn an_old_leader_answers_no_read() {
    let mut world = World::new(15, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.node(leader).cut_off = true;
    let token = world.replica(leader).read_index();
    world.poll(leader);
    for _ in 0..40 {
        world.settle();
        world.pass(Duration::from_millis(50));
    }
    assert!(!world.node(leader).reads_ready.contains(&token));
}

#[test]
fn a_leader_that_stands_back_hands_over_and_leads_again_when_nobody_else_can() {
    let mut world = World::new(41, 3, ShardClass::Sync);
    let damaged = world.wait_for_leader();
    world.commit_one();
    world.replica(damaged).stand_back();
    world.poll(damaged);
    world.until("another leader", |world| world.leader().is_some_and(|leader| leader != damaged));
    world.commit_one();
    world.wait_until_equal();

    // Of the two that are left, both stand back: one of them leads all the same.
    let next = world.leader().unwrap();
    let last = (1..=3).find(|id| *id != damaged && *id != next).unwrap();
    world.replica(last).stand_back();
    world.kill(next);
    world.until("a leader among those that stand back", |world| {
        world.leader().is_some_and(|leader| leader != next)
    });
    world.commit_one();
    world.check_confirmed();
}
