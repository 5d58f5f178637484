//! What stops a replica for good.

use std::time::Duration;

use forebay_model::NodeId;
use forebay_replication::{Bootstrap, Dropped, Fence, OpenError, PeerId, Role, ShardClass};
use raft::eraftpb::{Message, MessageType};

use crate::harness::{Fail, World, peer};

#[test]
fn a_failed_write_or_flush_fences_and_the_others_go_on() {
    for (seed, fail) in [Fail::Writes, Fail::Flushes].into_iter().enumerate() {
        let mut world = World::new(10 + seed as u64, 3, ShardClass::Sync);
        let leader = world.wait_for_leader();
        world.commit_one();
        world.node(leader).disk.fail(Some(fail));
        let _ = world.propose(leader, 1);
        world.until("the fence", |world| world.node(leader).fenced.is_some());
        assert!(matches!(world.node(leader).fenced, Some(Fence::Storage(_))));
        assert_eq!(world.propose(leader, 1), Err(Dropped::Fenced));
        world.until("the others elect", |world| world.leader().is_some_and(|id| id != leader));
        world.commit_one();
        world.kill(leader);
        world.node(leader).disk.fail(None);
        world.start(leader).unwrap();
        world.wait_until_equal();
        world.check_confirmed();
    }
}

#[test]
fn a_damaged_disk_fences_whatever_it_is_used_for() {
    // Writes fail at some moment of a life with checkpoints, elections and transfers; what is said afterwards counts.
    for seed in 0..60 {
        let mut world =
            World::with_config(seed, 3, ShardClass::Sync, |config| config.follower_lag_bytes_max = 500);
        let fail = [Fail::Writes, Fail::Flushes, Fail::Reads][seed as usize % 3];
        let broken = 1 + seed % 3;
        let slow = 1 + (seed + 1) % 3;
        for round in 0..30 {
            if round == 5 {
                world.node(slow).cut_off = true;
            }
            if round == 20 {
                world.node(slow).cut_off = false;
            }
            if round == seed / 2 {
                world.node(broken).disk.fail(Some(fail));
            }
            if let Some(leader) = world.leader() {
                let _ = world.propose(leader, 10);
            }
            for _ in 0..40 {
                world.step();
            }
            world.pass(Duration::from_millis(30));
        }
        world.node(slow).cut_off = false;
        let id = broken;
        world.power_cut(id);
        world.start(id).unwrap();
        world.commit_one();
        world.wait_until_equal();
        world.check_confirmed();
    }
}

#[test]
fn a_fence_ends_a_clean_stop_that_was_under_way() {
    let mut world = World::new(60, 1, ShardClass::Sync);
    world.settle();
    world.propose(1, 1).unwrap();
    world.node(1).disk.fail(Some(Fail::Flushes));
    world.replica(1).close();
    world.poll(1);
    world.settle();
    assert!(world.node(1).fenced.is_some());
    assert!(world.node(1).closed, "whoever waits for the end of the stop is told");
}

#[test]
fn a_leader_that_believes_in_acknowledgements_which_are_lost_fences_with_both_ends() {
    let mut world = World::new(12, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgHeartbeat);
    let Role::Leader { term, .. } = world.node(leader).role else { unreachable!() };
    message.term = term.0;
    message.commit = 1 << 40;
    world.send(leader, follower, message);
    let fenced = world.node(follower).fenced.clone();
    let Some(Fence::TailLost { acknowledged, last }) = fenced else { panic!("{fenced:?}") };
    assert!(acknowledged.0 == 1 << 40 && last < acknowledged);
    // The other two are a majority.
    for _ in 0..5 {
        world.commit_one();
    }
    world.kill(follower);
    world.start(follower).unwrap();
    world.wait_until_equal();
}

#[test]
fn a_leader_whose_shard_cannot_go_on_makes_room_for_another() {
    let mut world = World::new(13, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.propose(leader, 1).unwrap();
    world.replica(leader).fence(Fence::Shard("it cannot apply this".into()));
    world.poll(leader);
    assert!(matches!(world.node(leader).fenced, Some(Fence::Shard(_))));
    assert_eq!(world.propose(leader, 1), Err(Dropped::Fenced));
    world.until("the others elect", |world| world.leader().is_some_and(|id| id != leader));
    world.commit_one();
    world.check_confirmed();
}

#[test]
fn a_directory_of_another_replica_is_refused() {
    let mut world = World::new(21, 1, ShardClass::Sync);
    world.settle();
    world.kill(1);
    world.node(1).config.peer = PeerId::first(NodeId(2)).unwrap();
    world.node(1).config.bootstrap = Bootstrap::Join;
    assert!(matches!(world.start(1), Err(OpenError::OtherPeer { .. })));
    world.node(1).config.peer = peer(1);
    world.node(1).config.class = ShardClass::Async;
    assert!(matches!(world.start(1), Err(OpenError::OtherClass(ShardClass::Sync))));
}
