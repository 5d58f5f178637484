//! Joining, leaving, and coming back as somebody else.

use std::time::Duration;

use forebay_replication::{
    Bootstrap, Change, ChangeRefused, OnTailLoss, OpenError, ReplicaConfig, Role, ShardClass,
};
use raft::eraftpb::{Message, MessageType};

use crate::harness::{World, config, peer};

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
    world.change(Change::AddLearner(next));
    world.wait_until_equal();
    world.change(Change::Promote(next));
    world.change(Change::Remove(old));
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
    world.change(Change::Remove(peer(other)));
    world.kill(other);
    // Two voters become one through a joint configuration.
    let second = (1..=3).find(|id| *id != leader && *id != other).unwrap();
    world.change(Change::Remove(peer(second)));
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
fn a_founded_group_without_a_seal_takes_newcomers_too() {
    let mut world = World::new(24, 1, ShardClass::Sync);
    world.settle();
    world.commit_one();
    world.add(config(2, ShardClass::Sync, Bootstrap::Join));
    world.change(Change::AddLearner(peer(2)));
    world.wait_until_equal();
    world.change(Change::Promote(peer(2)));
    world.commit_one();
    world.wait_until_equal();
    assert_eq!(world.replica(1).membership().voters, [peer(1), peer(2)].into());
}

#[test]
fn an_async_replica_that_was_told_to_rejoin_does_so_by_itself() {
    let mut world = World::with_config(25, 3, ShardClass::Async, |config| {
        config.on_tail_loss = OnTailLoss::Rejoin;
    });
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let lost = (1..=3).find(|id| *id != leader).unwrap();
    world.power_cut(lost);
    world.start(lost).unwrap();
    let next = peer(lost).next_incarnation().unwrap();
    assert_eq!(world.node(lost).recovered.as_ref().unwrap().rejoined, Some(peer(lost)));
    assert_eq!(world.replica(lost).peer(), next);
    world.change(Change::AddLearner(next));
    world.wait_until_equal();

    // It lives on as whom it became: a killed process loses nothing, and is told its first id again.
    world.kill(lost);
    world.start(lost).unwrap();
    assert_eq!(world.node(lost).recovered.as_ref().unwrap().rejoined, None);
    assert_eq!(world.replica(lost).peer(), next);
    world.wait_until_equal();
    world.change(Change::Promote(next));
    world.change(Change::Remove(peer(lost)));
    world.commit_one();
    world.wait_until_equal();
    world.check_confirmed();
}

#[test]
fn an_id_that_left_the_group_never_comes_back() {
    let mut world = World::new(26, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    let gone = (1..=3).find(|id| *id != leader).unwrap();
    world.change(Change::Remove(peer(gone)));
    world.kill(gone);
    let again = |world: &mut World| {
        let leader = world.wait_for_leader();
        world.replica(leader).change_membership(Change::AddLearner(peer(gone)))
    };
    assert_eq!(again(&mut world), Err(ChangeRefused::Spent));

    // Behind a checkpoint that no longer has the entry, and after a restart.
    for _ in 0..60 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    world.wait_until_equal();
    assert!(world.replica(leader).log().floor().index.0 > 100);
    world.kill(leader);
    world.start(leader).unwrap();
    assert_eq!(again(&mut world), Err(ChangeRefused::Spent));

    // And to a leader that was made of another's checkpoint.
    world.add(config(4, ShardClass::Sync, Bootstrap::Join));
    world.change(Change::AddLearner(peer(4)));
    world.wait_until_equal();
    assert_eq!(world.installs, 1);
    world.change(Change::Promote(peer(4)));
    let leader = world.leader().unwrap();
    world.replica(leader).transfer(peer(4)).unwrap();
    world.poll(leader);
    world.until("the newcomer leads", |world| world.leader() == Some(4));
    world.pass(Duration::from_millis(50));
    assert_eq!(again(&mut world), Err(ChangeRefused::Spent));
    let next = peer(gone).next_incarnation().unwrap();
    world.until("the leader's own entry is known", |world| {
        world.replica(4).change_membership(Change::AddLearner(next)) == Ok(())
    });
}

#[test]
fn a_change_waits_until_most_voters_know_for_good_that_the_last_one_is_committed() {
    let mut world = World::new(28, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.wait_until_equal();
    let learners = |world: &mut World| world.replica(leader).membership().learners;
    let ask = |world: &mut World, id| world.replica(leader).change_membership(Change::AddLearner(peer(id)));
    world.until("the leader's own entry is known", |world| ask(world, 4) == Ok(()));
    world.poll(leader);
    world.until("the change is applied", |world| learners(world).contains(&peer(4)));
    // The others have it in their logs, and nobody has told them that it is committed.
    assert_eq!(ask(&mut world, 5), Err(ChangeRefused::Busy));
    world.until("it is known", |world| ask(world, 5) == Ok(()));
}

/// Three voters with equal logs, whose leader is dead: the first of the other two knows that the last change of the membership
/// is committed, the second does not.
fn one_knows_of_the_change() -> (World, u64, u64) {
    let one_segment = |config: &mut ReplicaConfig| {
        (config.segment_bytes_first, config.segment_bytes_max) = (100_000, 100_000);
    };
    let mut world = World::with_config(29, 3, ShardClass::Sync, one_segment);
    let leader = world.wait_for_leader();
    world.wait_until_equal();
    let mut others = (1..=3).filter(|id| *id != leader);
    let (knows, lags) = (others.next().unwrap(), others.next().unwrap());
    world.until("the leader's own entry is known", |world| {
        world.replica(leader).change_membership(Change::AddLearner(peer(4))) == Ok(())
    });
    world.poll(leader);
    while world.replica(lags).last_index() < world.replica(leader).last_index() {
        assert!(world.step());
    }
    world.node(lags).cut_off = true;
    world.until("the change is known", |world| learns(world, knows));
    world.kill(leader);
    world.node(lags).cut_off = false;
    world.settle();
    assert!(!learns(&mut world, lags));
    (world, knows, lags)
}

fn learns(world: &mut World, id: u64) -> bool {
    world.replica(id).membership().learners.contains(&peer(4))
}

#[test]
fn a_candidate_that_does_not_know_a_change_gets_no_vote_and_hears_of_it() {
    let (mut world, knows, lags) = one_knows_of_the_change();
    let (commit, last) = (world.replica(knows).committed_index(), world.replica(lags).last_index());
    assert_eq!(commit, last);
    let term = world.replica(knows).log().last_term().0;
    for kind in [MessageType::MsgRequestPreVote, MessageType::MsgRequestVote] {
        let mut ask = Message { term: term + 1, index: last.0, log_term: term, ..Message::default() };
        ask.set_msg_type(kind);
        // As after a leader that hands over: no lease stands in its way.
        ask.context = b"CampaignTransfer".as_slice().into();
        for (told, granted) in [(commit.0 - 1, false), (commit.0, true)] {
            let request = Message { commit: told, commit_term: term, ..ask.clone() };
            world.send(lags, knows, request);
            if kind == MessageType::MsgRequestVote && granted {
                // A vote leaves when it is on the medium.
                world.run_jobs(knows);
            }
            let [answer] = &world.on_the_way(knows, lags)[..] else { panic!("one answer to {kind:?}") };
            assert_eq!(answer.reject, !granted, "{kind:?} told {told}");
            assert_eq!(answer.commit, if granted { 0 } else { commit.0 });
            world.lose_what_is_on_the_way();
        }
    }
}

#[test]
fn a_candidate_takes_over_the_commit_that_it_is_told_and_then_campaigns_among_the_right_voters() {
    let (mut world, _, lags) = one_knows_of_the_change();
    // Only its own clock runs. The other heard the leader a moment ago: the library would not even answer.
    for _ in 0..100 {
        world.pass_on(lags, Duration::from_millis(20));
        world.settle();
    }
    assert!(learns(&mut world, lags));
    world.commit_one();
    world.check_confirmed();
}

#[test]
fn a_commit_far_ahead_ends_a_candidacy_and_is_taken_over() {
    let (mut world, knows, lags) = one_knows_of_the_change();
    world.power_cut(knows);
    world.power_cut(lags);
    world.start(knows).unwrap();
    world.start(lags).unwrap();
    let leader = world.wait_for_leader();
    world.propose(leader, 60).unwrap();
    world.wait_until_equal();
    let last = world.replica(lags).last_index();
    for id in [knows, lags] {
        // What was known of the commit is lost: it was saved when the leader began.
        world.kill(id);
        world.start(id).unwrap();
    }
    let far = |world: &mut World| last.0 - world.replica(lags).committed_index().0;
    assert!(far(&mut world) > 40);
    world.node(knows).cut_off = true;
    while !matches!(world.node(lags).role, Role::Candidate) {
        world.pass_on(lags, Duration::from_millis(20));
        world.settle();
    }
    let term = world.replica(lags).log().last_term().0;
    let mut refusal = Message { term, commit: last.0, commit_term: term, reject: true, ..Message::default() };
    refusal.set_msg_type(MessageType::MsgRequestPreVoteResponse);
    world.send(knows, lags, refusal);
    assert_eq!(far(&mut world), 0);
    assert_eq!(world.node(lags).role, Role::Follower { leader: None });
    world.node(knows).cut_off = false;
    world.commit_one();
    world.check_confirmed();
}

#[test]
fn a_leader_that_hands_over_is_followed_although_the_last_commit_came_with_its_word() {
    let mut world = World::new(31, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    world.commit_one();
    world.wait_until_equal();
    let mut others = (1..=3).filter(|id| *id != leader);
    let (heir, other) = (others.next().unwrap(), others.next().unwrap());
    world.node(other).cut_off = true;
    world.propose(leader, 3).unwrap();
    world.replica(leader).transfer(peer(heir)).unwrap();
    world.poll(leader);
    // Its answer commits, and lets the leader tell it to take over.
    let told = |world: &World| {
        world.on_the_way(leader, heir).iter().any(|m| m.get_msg_type() == MessageType::MsgTimeoutNow)
    };
    while !told(&world) {
        assert!(world.step(), "the leader never says it");
    }
    let messages = world.on_the_way(leader, heir);
    world.lose_what_is_on_the_way();
    let before = world.replica(heir).committed_index();
    world.send_together(leader, heir, messages);
    assert!(world.replica(heir).committed_index() > before, "both came with one turn");
    world.node(other).cut_off = false;
    world.settle();
    assert_eq!(world.leader(), Some(heir));
    world.check_confirmed();
}

#[test]
fn whoever_was_brought_up_by_a_checkpoint_says_for_good_what_it_covers() {
    let mut world = World::with_config(30, 3, ShardClass::Sync, |config| config.follower_lag_bytes_max = 500);
    let leader = world.wait_for_leader();
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    world.node(behind).cut_off = true;
    for _ in 0..60 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    let covered = world.replica(leader).log().floor().index;
    world.node(behind).cut_off = false;
    world.wait_until_equal();
    assert_eq!(world.installs, 1);
    let mut said = 0;
    for _ in 0..100 {
        world.pass(Duration::from_millis(20));
        while world.step() {
            said = world.on_the_way(behind, leader).iter().map(|message| message.commit).fold(said, u64::max);
        }
    }
    assert!(said >= covered.0, "{said} instead of {covered}");
}

#[test]
fn a_blank_disk_under_an_id_that_voted_elects_nobody() {
    let mut world = World::new(27, 3, ShardClass::Sync);
    let leader = world.wait_for_leader();
    let mut others = (1..=3).filter(|id| *id != leader);
    let (wiped, stale) = (others.next().unwrap(), others.next().unwrap());
    world.wait_until_equal();
    world.node(stale).cut_off = true;
    world.commit_one();
    // Two of three have the entry; one of them loses its disk, and nobody raises its incarnation.
    world.kill(wiped);
    world.node(wiped).disk = Default::default();
    world.node(wiped).config.bootstrap = Bootstrap::Join;
    world.kill(leader);
    world.start(wiped).unwrap();
    world.node(stale).cut_off = false;
    for _ in 0..500 {
        world.pass(Duration::from_millis(20));
        world.settle();
        assert_eq!(world.leader(), None, "it was elected by who forgot the entry");
    }
    world.start(leader).unwrap();
    world.wait_for_leader();
    world.check_confirmed();
}

#[test]
fn a_learner_that_has_nothing_yet_is_not_promoted() {
    let mut world = World::new(28, 1, ShardClass::Sync);
    let leader = world.wait_for_leader();
    // It is not even there, and the next checkpoint knows it.
    world.change(Change::AddLearner(peer(2)));
    let before = world.checkpoints;
    while world.checkpoints < before + 2 {
        world.propose(leader, 10).unwrap();
        world.settle();
    }
    assert_eq!(
        world.replica(leader).change_membership(Change::Promote(peer(2))),
        Err(ChangeRefused::LearnerBehind)
    );
    world.add(config(2, ShardClass::Sync, Bootstrap::Join));
    world.wait_until_equal();
    world.change(Change::Promote(peer(2)));
    world.commit_one();
}
