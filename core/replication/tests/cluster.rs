//! Stories of several replicas in one thread.
//!
//! | what must hold | where it is tried |
//! |---|---|
//! | an acknowledgement or vote leaves only after the flush of its own and all earlier numbers | `nothing_is_confirmed_before...`, `no_vote_counts...`, `persist::tests` |
//! | what counts as persisted at open is on the medium | `what_a_restart_takes_for_persisted...` |
//! | no election before the replay is over; a commit ahead of the log is refused | `single.rs` |
//! | a failed write or flush, or a panic of the library, fences for good | `a_failed_write...`, `a_damaged_disk...`, `a_broken_invariant...` |
//! | an async replica that may have lost its tail never speaks under its id again | `an_async_replica...`; one voter accepts it: `a_single_voter...` |
//! | back-pressure instead of errors when too much is uncommitted | `proposals_wait...` |
//! | learner first; leadership moves before a removal; two voters become one jointly; a membership survives a restart | `a_learner_becomes...`, `the_membership_turns_over...` |
//! | a founded log begins behind an index, so newcomers get the membership by checkpoint | `a_founded_group...`, `a_blank_disk_joins...` |
//! | a follower is read for from the disk, once, without stopping the shard | `a_follower_far_behind...` |
//! | a checkpoint is current only when the log below it is durable | `a_checkpoint_waits...` |
//! | Raft always hears how a snapshot ended | `a_transfer_goes_on_where_it_stopped` |
//! | the same inputs give the same outputs | `the_same_seed...` |

mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_commitlog::{Body, SlotKind};
use forebay_env::IoClass;
use forebay_model::NodeId;
use forebay_replication::{
    Bootstrap, Change, ChangeRefused, Dropped, EntryKind, Fence, Membership, OpenError, PeerId, Role,
    ShardClass,
};
use harness::{Fail, World, config, peer};

const CLASSES: [ShardClass; 2] = [ShardClass::Sync, ShardClass::Async];

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
fn a_broken_invariant_of_the_library_fences() {
    use forebay_replication::{Envelope, PeerMessage, wire};
    use raft::eraftpb::{Message, MessageType};
    let mut world = World::new(12, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    // A leader that believes in acknowledgements which this follower lost.
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgHeartbeat);
    let Role::Leader { term, .. } = world.node(leader).role else { unreachable!() };
    message.term = term.0;
    message.commit = 1 << 40;
    let envelope = Envelope { from: peer(leader), to: peer(follower), message: PeerMessage::Raft(message) };
    let now = forebay_env::Monotonic(0);
    world.replica(follower).step(now, wire::encode(&envelope).into());
    world.poll(follower);
    assert!(matches!(world.node(follower).fenced, Some(Fence::Raft(_))), "{:?}", world.node(follower).fenced);
    // The other two are a majority.
    for _ in 0..5 {
        world.commit_one();
    }
    world.kill(follower);
    world.start(follower).unwrap();
    world.wait_until_equal();
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

#[test]
fn an_async_replica_that_may_have_lost_its_tail_does_not_come_back_under_its_id() {
    let mut world = World::new(18, 3, ShardClass::Async);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let lost = (1..=3).find(|id| *id != leader).unwrap();
    world.power_cut(lost);
    let Err(OpenError::TailLost { peer: old, .. }) = world.start(lost) else { panic!("it must refuse") };
    assert_eq!(old, peer(lost));

    // It rejoins as the next incarnation: learner, voter, and the old id goes.
    let next = old.next_incarnation().unwrap();
    world.node(lost).config.peer = next;
    world.node(lost).config.bootstrap = Bootstrap::Join;
    world.start(lost).unwrap();
    change(&mut world, Change::AddLearner(next));
    world.wait_until_equal();
    change(&mut world, Change::Promote(next));
    change(&mut world, Change::Remove(old));
    world.commit_one();
    world.wait_until_equal();
    world.check_confirmed();
    let members = world.node(lost).membership.clone().unwrap();
    assert!(members.voters.contains(&next) && !members.voters.contains(&old));

    // A clean stop loses nothing, so the id stays.
    world.replica(lost).close();
    world.poll(lost);
    world.until("the clean stop", |world| world.node(lost).closed);
    world.power_cut(lost);
    world.start(lost).unwrap();
    world.commit_one();
    world.wait_until_equal();
}

/// Makes a change on whoever leads and waits until it holds there.
fn change(world: &mut World, change: Change) {
    let mut asked = false;
    world.until("a membership change", |world| {
        let Some(leader) = world.leader() else { return false };
        let members = world.replica(leader).membership();
        let done = match change {
            Change::AddLearner(peer) => members.learners.contains(&peer) || members.voters.contains(&peer),
            Change::Promote(peer) => members.voters.contains(&peer),
            Change::Remove(peer) => !members.everybody().contains(&peer),
        };
        if !done && !asked {
            asked = world.replica(leader).change_membership(change).is_ok();
            world.poll(leader);
        }
        done && !members.is_joint()
    });
}

#[test]
fn a_learner_becomes_a_voter_and_an_old_voter_is_removed() {
    let mut world = World::new(19, 3, ShardClass::Sync);
    world.wait_for_leader();
    world.commit_one();
    world.add(config(4, ShardClass::Sync, Bootstrap::Join));
    let leader = world.leader().unwrap();
    assert_eq!(
        world.replica(leader).change_membership(Change::Promote(peer(4))),
        Err(ChangeRefused::Senseless)
    );
    assert_eq!(
        world.replica(leader).change_membership(Change::Remove(peer(leader))),
        Err(ChangeRefused::WouldRemoveLeader)
    );
    assert_eq!(
        world.replica(leader).change_membership(Change::Remove(peer(9))),
        Err(ChangeRefused::Senseless)
    );
    let other = (1..=3).find(|id| *id != leader).unwrap();
    change(&mut world, Change::Remove(peer(other)));
    world.kill(other);
    // Two voters become one through a joint configuration.
    let second = (1..=3).find(|id| *id != leader && *id != other).unwrap();
    change(&mut world, Change::Remove(peer(second)));
    world.kill(second);
    let leader = world.leader().unwrap();
    world.commit_one();
    assert_eq!(world.replica(leader).membership().voters, [peer(leader)].into());
    world.check_confirmed();
    // After a power cut the sole voter still knows that it is one.
    world.power_cut(leader);
    world.start(leader).unwrap();
    world.settle();
    assert_eq!(world.leader(), Some(leader));
    world.commit_one();
}

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
    change(&mut world, Change::AddLearner(peer(4)));
    world
}

#[test]
fn a_blank_disk_joins_becomes_a_voter_and_leads() {
    for (class, seed) in CLASSES.into_iter().zip([22, 23]) {
        let mut world = with_a_newcomer(seed, class);
        world.wait_until_equal();
        assert_eq!(world.installs, 1);
        change(&mut world, Change::Promote(peer(4)));
        let leader = world.leader().unwrap();
        world.replica(leader).transfer(peer(4)).unwrap();
        world.poll(leader);
        world.until("the newcomer leads", |world| world.leader() == Some(4));
        change(&mut world, Change::Remove(peer(leader)));
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

#[test]
fn a_founded_group_without_a_seal_takes_newcomers_too() {
    let mut world = World::new(24, 1, ShardClass::Sync);
    world.settle();
    world.commit_one();
    world.add(config(2, ShardClass::Sync, Bootstrap::Join));
    change(&mut world, Change::AddLearner(peer(2)));
    world.wait_until_equal();
    change(&mut world, Change::Promote(peer(2)));
    world.commit_one();
    world.wait_until_equal();
    assert_eq!(world.replica(1).membership().voters, [peer(1), peer(2)].into());
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
