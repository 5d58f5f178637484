//! Static members: a name that outlives the process.

use forebay_model::Refusal;
use forebay_model::group::{GroupState, JoinGroup, Joined, MemberProof};

use super::world::*;

/// A stable group of two static members, the leader first.
fn two(world: &mut World) -> (Joined, Joined) {
    let first = world.join(static_member("one"));
    let first = world.joined(first).unwrap();
    let second = world.join(static_member("two"));
    let again = world.join(JoinGroup { member: first.member.clone(), ..static_member("one") });
    let mut settled = world.settle(&[again, second]);
    (settled.remove(0), settled.remove(0))
}

fn as_static(joined: &Joined, instance: &str) -> MemberProof {
    MemberProof { instance: Some(instance.to_owned()), ..proof(joined) }
}

#[test]
fn a_static_member_restarts_without_a_rebalance() {
    let mut world = World::new(at_once());
    let (leader, follower) = two(&mut world);
    let key = world.join(JoinGroup { client: "renewed".into(), ..static_member("two") });
    let back = world.joined(key).unwrap();
    assert_eq!(back.generation, follower.generation);
    assert_ne!(back.member, follower.member);
    assert!(!back.skip_assignment && back.leader == leader.member);
    assert_eq!(world.state(), GroupState::Stable);
    // It gets the share it had.
    let synced = world.follow(&back);
    assert_eq!(world.synced(synced).unwrap().assignment, follower.member);
    assert_eq!(world.heartbeat(&leader), Ok(()));
    // Its former self is fenced.
    assert_eq!(world.prove(as_static(&follower, "two")), Err(Refusal::FencedInstance));
    assert_eq!(world.prove(proof(&follower)), Err(Refusal::UnknownMember));
    assert_eq!(world.prove(as_static(&back, "two")), Ok(()));
    // And the log knows.
    let saved = world.machine.groups().get(&group()).unwrap();
    let saved = saved.members.iter().find(|member| member.instance.as_deref() == Some("two")).unwrap();
    assert_eq!((saved.id.as_str(), saved.client.as_str()), (back.member.as_str(), "renewed"));
    assert_eq!(saved.assignment, follower.member);
}

#[test]
fn a_static_leader_that_restarts_skips_the_assignment_if_it_can() {
    let mut world = World::new(at_once());
    let (leader, _) = two(&mut world);
    let key = world.join(static_member("one"));
    let back = world.joined(key).unwrap();
    assert!(back.skip_assignment);
    assert_eq!((back.leader.as_str(), back.members.len()), (back.member.as_str(), 2));
    let synced = world.follow(&back);
    assert_eq!(world.synced(synced).unwrap().assignment, leader.member);
}

#[test]
fn a_static_leader_that_cannot_skip_takes_itself_for_a_follower() {
    let mut world = World::new(at_once());
    let (leader, _) = two(&mut world);
    let key = world.join(JoinGroup { may_skip_assignment: false, ..static_member("one") });
    let back = world.joined(key).unwrap();
    assert_eq!(back.leader, leader.member);
    assert!(!back.skip_assignment && back.members.is_empty());
}

#[test]
fn a_static_member_is_answered_only_when_its_new_id_is_in_the_log() {
    let mut world = World::new(at_once());
    let (_, follower) = two(&mut world);
    world.holds = true;
    let key = world.join(static_member("two"));
    assert!(world.is_waiting(key));
    world.fail_all(Refusal::Busy);
    assert_eq!(world.joined(key), Err(Refusal::Busy));
    // The old id is in force again.
    assert_eq!(world.prove(as_static(&follower, "two")), Ok(()));
    let key = world.join(static_member("two"));
    world.apply_all();
    assert!(world.joined(key).is_ok());
}

#[test]
fn a_static_member_that_restarts_while_others_join_takes_part() {
    let mut world = World::new(at_once());
    let (leader, _) = two(&mut world);
    world.holds = true;
    let back = world.join(static_member("two"));
    let newcomer = world.join(new_member("d"));
    world.apply_all();
    world.holds = false;
    // Its join waits for the next generation now.
    assert!(world.is_waiting(back));
    let again = world.join(JoinGroup { member: leader.member, ..static_member("one") });
    assert_eq!(world.settle(&[again, back, newcomer])[0].generation, leader.generation + 1);
}

#[test]
fn a_static_member_with_another_wish_brings_a_rebalance() {
    let mut world = World::new(at_once());
    let both = |instance: &str, names: &[&str]| JoinGroup {
        strategies: strategies(names),
        ..static_member(instance)
    };
    let key = world.join(both("one", &["a", "b"]));
    let joined = world.joined(key).unwrap();
    world.lead(&joined);
    assert_eq!(joined.strategy, "a");
    let back = world.join(both("one", &["b", "a"]));
    let back = world.joined(back).unwrap();
    assert_eq!((back.generation, back.strategy.as_str()), (2, "b"));
}

#[test]
fn a_static_member_that_restarts_before_the_assignment_brings_a_rebalance() {
    let mut world = World::new(at_once());
    let first = world.join(static_member("one"));
    let first = world.joined(first).unwrap();
    let second = world.join(static_member("two"));
    let again = world.join(JoinGroup { member: first.member, ..static_member("one") });
    let (leader, follower) = (world.joined(again).unwrap(), world.joined(second).unwrap());
    let waiting = world.follow(&follower);
    let back = world.join(static_member("two"));
    assert_eq!(world.synced(waiting), Err(Refusal::FencedInstance));
    assert_eq!(world.heartbeat(&leader), Err(Refusal::RebalanceInProgress));
    let again = world.join(JoinGroup { member: leader.member, ..static_member("one") });
    world.settle(&[again, back]);
}

#[test]
fn two_processes_with_one_name_fence_each_other() {
    let mut world = World::new(at_once());
    let (leader, _) = two(&mut world);
    let newcomer = world.join(new_member("d"));
    let first = world.join(static_member("two"));
    assert!(world.is_waiting(first));
    let second = world.join(static_member("two"));
    assert_eq!(world.joined(first), Err(Refusal::FencedInstance));
    let again = world.join(JoinGroup { member: leader.member, ..static_member("one") });
    world.settle(&[again, second, newcomer]);
}

#[test]
fn an_absent_static_member_keeps_its_place_until_its_session_ends() {
    let mut world = World::new(at_once());
    let patient = |instance: &str| JoinGroup {
        session_timeout_ms: 100_000,
        rebalance_timeout_ms: 20_000,
        ..static_member(instance)
    };
    let first = world.join(patient("one"));
    let first = world.joined(first).unwrap();
    let second = world.join(patient("two"));
    let again = world.join(JoinGroup { member: first.member, ..patient("one") });
    world.settle(&[again, second]);
    // The leader is down; a newcomer makes a new generation without waiting for more than the rebalance timeout.
    let follower = world.joined(second).unwrap();
    let newcomer = world.join(JoinGroup { session_timeout_ms: 100_000, ..patient("three") });
    let again = world.join(JoinGroup { member: follower.member.clone(), ..patient("two") });
    world.pass(20_000);
    let joined = world.joined(again).unwrap();
    let newcomer = world.joined(newcomer).unwrap();
    assert!(joined.leader == joined.member || newcomer.leader == newcomer.member);
    assert_eq!(world.describe().members.len(), 3);
}

#[test]
fn a_static_member_is_removed_by_its_name() {
    let mut world = World::new(at_once());
    let (leader, follower) = two(&mut world);
    assert_eq!(world.leave("", Some("nobody")), Err(Refusal::UnknownMember));
    assert_eq!(world.leave("", None), Err(Refusal::UnknownMember));
    assert_eq!(world.leave(&leader.member, Some("two")), Err(Refusal::FencedInstance));
    assert_eq!(world.leave("", Some("two")), Ok(()));
    assert_eq!(world.prove(as_static(&follower, "two")), Err(Refusal::UnknownMember));
    assert_eq!(world.heartbeat(&leader), Err(Refusal::RebalanceInProgress));
}

#[test]
fn an_id_to_come_back_with_is_not_for_static_members() {
    let mut world = World::new(at_once());
    let key = world.join(JoinGroup { id_first: true, ..static_member("one") });
    assert!(world.joined(key).is_ok());
    let asked = world.join(JoinGroup { id_first: true, ..new_member("c") });
    let Err(Refusal::MemberIdRequired { member }) = world.joined(asked) else { panic!("no id") };
    let key = world.join(JoinGroup { member, ..static_member("two") });
    assert_eq!(world.joined(key), Err(Refusal::UnknownMember));
}

#[test]
fn only_static_members_left_and_none_comes_then_the_group_ends_with_their_sessions() {
    let mut world = World::new(at_once());
    let patient =
        |i: &str| JoinGroup { session_timeout_ms: 100_000, rebalance_timeout_ms: 20_000, ..static_member(i) };
    let first = world.join(patient("one"));
    let first = world.joined(first).unwrap();
    world.lead(&first);
    // A newcomer starts a rebalance and goes away again.
    let newcomer = world.join(JoinGroup { rebalance_timeout_ms: 20_000, ..new_member("d") });
    let second = world.join(JoinGroup { id_first: true, ..new_member("e") });
    assert!(world.joined(second).is_err());
    assert!(world.is_waiting(newcomer));
    world.pass(20_000);
    // The newcomer alone makes a generation with the absent static member in it.
    let joined = world.joined(newcomer).unwrap();
    assert_eq!(joined.members.len(), 2);
    assert_eq!(world.leave(&joined.member, None), Ok(()));
    assert_eq!(world.state(), GroupState::ExpectJoins);
    world.pass(100_000);
    assert_eq!(world.state(), GroupState::Empty);
    world.assert_nothing_left();
}
