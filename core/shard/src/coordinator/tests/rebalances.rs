//! From generation to generation.

use forebay_model::Refusal;
use forebay_model::group::{GroupState, JoinGroup};

use super::super::What;
use super::world::*;

#[test]
fn a_second_member_makes_the_first_join_again() {
    let mut world = World::new(at_once());
    let first = world.stable(1).remove(0);
    let second = world.join(new_member("d"));
    assert!(world.is_waiting(second));
    assert_eq!(world.state(), GroupState::ExpectJoins);
    assert_eq!(world.heartbeat(&first), Err(Refusal::RebalanceInProgress));
    let again = world.join(rejoin(&first, "c0"));
    let settled = world.settle(&[again, second]);
    assert_eq!(settled[0].generation, 2);
    assert_eq!(settled[0].member, first.member);
    assert_eq!(world.heartbeat(&first), Err(Refusal::IllegalGeneration));
    for member in &settled {
        assert_eq!(world.heartbeat(member), Ok(()));
    }
}

#[test]
fn nobody_gets_an_assignment_before_it_is_in_the_log() {
    let mut world = World::new(at_once());
    let first = world.stable(1).remove(0);
    let second = world.join(new_member("d"));
    let again = world.join(rejoin(&first, "c0"));
    let (leader, follower) = (world.joined(again).unwrap(), world.joined(second).unwrap());
    world.holds = true;
    let waiting = world.follow(&follower);
    let leading = world.lead(&leader);
    assert!(world.is_waiting(leading) && world.is_waiting(waiting));
    assert_eq!(world.state(), GroupState::ExpectAssignment);
    assert_eq!(world.proposed.len(), 1);
    // A retry of the leader's sync is not written twice.
    let retried = world.lead(&leader);
    assert_eq!(world.proposed.len(), 1);
    assert_eq!(world.synced(leading), Err(Refusal::RebalanceInProgress));
    world.apply_all();
    assert_eq!(world.synced(retried).unwrap().assignment, leader.member);
    assert_eq!(world.synced(waiting).unwrap().assignment, follower.member);
    assert_eq!(world.machine.groups().get(&group()).unwrap().members.len(), 2);
    // Who asks later is answered at once.
    let late = world.follow(&follower);
    assert_eq!(world.synced(late).unwrap().assignment, follower.member);
    assert!(world.proposed.is_empty());
}

#[test]
fn a_member_that_comes_while_the_assignment_is_on_its_way_starts_the_next_generation() {
    let mut world = World::new(at_once());
    let key = world.join(new_member("a"));
    let leader = world.joined(key).unwrap();
    world.holds = true;
    let leading = world.lead(&leader);
    let second = world.join(new_member("b"));
    assert_eq!(world.synced(leading), Err(Refusal::RebalanceInProgress));
    world.apply_all();
    assert_eq!(world.state(), GroupState::ExpectJoins);
    world.holds = false;
    let again = world.join(rejoin(&leader, "a"));
    assert_eq!(world.settle(&[again, second])[0].generation, 2);
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_out_and_another_leads() {
    let mut world = World::new(at_once());
    let members = world.stable(3);
    let leader = members[0].clone();
    assert_eq!(world.leave(&members[2].member, None), Ok(()));
    // The leader shows signs of life, but does not join again.
    let follower = world.join(rejoin(&members[1], "c1"));
    for _ in 0..7 {
        assert!(world.is_waiting(follower));
        assert_eq!(world.heartbeat(&leader), Err(Refusal::RebalanceInProgress));
        world.pass(9_000);
    }
    let joined = world.joined(follower).unwrap();
    assert_eq!(joined.leader, joined.member);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(world.lost(), [leader.member.as_str()]);
    assert_eq!(world.heartbeat(&leader), Err(Refusal::UnknownMember));
}

#[test]
fn the_longest_rebalance_timeout_of_all_members_counts() {
    let mut world = World::new(at_once());
    let slow = JoinGroup { rebalance_timeout_ms: 100_000, session_timeout_ms: 200_000, ..new_member("slow") };
    let key = world.join(slow);
    let slow = world.joined(key).unwrap();
    world.lead(&slow);
    let quick = world.join(JoinGroup { rebalance_timeout_ms: 1_000, ..new_member("quick") });
    world.pass(99_999);
    assert!(world.is_waiting(quick));
    world.pass(1);
    assert_eq!(world.joined(quick).unwrap().members.len(), 1);
}

#[test]
fn a_member_that_never_asks_for_its_assignment_is_out() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    let joins: Vec<u64> = members.iter().map(|m| world.join(rejoin(m, "c"))).collect();
    let leader = world.joined(joins[0]).unwrap();
    let silent = world.joined(joins[1]).unwrap();
    let synced = world.lead(&leader);
    assert!(world.synced(synced).is_ok());
    // Both live, but one never asks.
    for _ in 0..6 {
        world.pass(9_000);
        assert_eq!(world.heartbeat(&leader), Ok(()));
        assert_eq!(world.heartbeat(&silent), Ok(()));
    }
    world.pass(6_000);
    assert_eq!(world.heartbeat(&silent), Err(Refusal::UnknownMember));
    assert_eq!(world.heartbeat(&leader), Err(Refusal::RebalanceInProgress));
    assert_eq!(world.lost(), [silent.member.as_str()]);
}

#[test]
fn a_leader_that_never_assigns_is_out() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    let joins: Vec<u64> = members.iter().map(|m| world.join(rejoin(m, "c"))).collect();
    let follower = world.joined(joins[1]).unwrap();
    let waiting = world.follow(&follower);
    world.pass(10_000);
    assert_eq!(world.synced(waiting), Err(Refusal::RebalanceInProgress));
    let again = world.join(rejoin(&follower, "c1"));
    let joined = world.joined(again).unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), (joined.member.as_str(), 1));
}

#[test]
fn waiting_for_the_others_needs_no_heartbeats() {
    let mut world = World::new(at_once());
    let members = world.stable(3);
    assert_eq!(world.leave(&members[2].member, None), Ok(()));
    let follower = world.join(rejoin(&members[1], "c1"));
    for _ in 0..5 {
        world.pass(9_000);
        let _ = world.heartbeat(&members[0]);
    }
    assert!(world.lost().is_empty());
    let leader = world.join(rejoin(&members[0], "c0"));
    world.settle(&[leader, follower]);
}

#[test]
fn the_strategy_that_most_want_among_those_all_have_is_chosen() {
    let mut world = World::new(super::super::CoordinatorSettings::default());
    let with = |names: &[&str]| JoinGroup { strategies: strategies(names), ..new_member("c") };
    let joins = [with(&["a", "b", "c"]), with(&["x", "c", "b"]), with(&["c", "y", "b"])];
    let keys = joins.map(|join| world.join(join));
    world.pass(60_000);
    let joined = world.joined(keys[0]).unwrap();
    assert_eq!(joined.strategy, "c");
    assert!(joined.members.iter().all(|member| member.metadata == "c of me"));
}

#[test]
fn a_tie_goes_to_the_first_by_name() {
    let mut world = World::new(super::super::CoordinatorSettings::default());
    let with = |names: &[&str]| JoinGroup { strategies: strategies(names), ..new_member("c") };
    let keys = [with(&["b", "a"]), with(&["a", "b"])].map(|join| world.join(join));
    world.pass(60_000);
    assert_eq!(world.joined(keys[0]).unwrap().strategy, "a");
}

#[test]
fn a_member_that_missed_the_answer_gets_it_again_without_a_rebalance() {
    let mut world = World::new(at_once());
    let first = world.stable(1).remove(0);
    let second = world.join(new_member("d"));
    let again = world.join(rejoin(&first, "c0"));
    let (leader, follower) = (world.joined(again).unwrap(), world.joined(second).unwrap());
    // While the assignment is awaited, leader and follower alike.
    let repeated = world.join(rejoin(&leader, "c0"));
    assert_eq!(world.joined(repeated).unwrap(), leader);
    let repeated = world.join(rejoin(&follower, "d"));
    assert_eq!(world.joined(repeated).unwrap(), follower);
    world.follow(&follower);
    world.lead(&leader);
    // When stable, a follower.
    let repeated = world.join(rejoin(&follower, "d"));
    assert_eq!(world.joined(repeated).unwrap(), follower);
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn a_leader_that_joins_again_assigns_anew() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    let reason = Some("new partitions".to_owned());
    let leader = world.join(JoinGroup { reason, ..rejoin(&members[0], "c0") });
    assert!(world.is_waiting(leader));
    let rebalancing = What::Rebalancing { reason: "a member joined again: new partitions".into() };
    assert!(world.notes.iter().any(|note| note.what == rebalancing));
    let follower = world.join(rejoin(&members[1], "c1"));
    assert_eq!(world.settle(&[leader, follower])[0].generation, members[0].generation + 1);
}

#[test]
fn a_cooperative_member_gives_up_partitions_in_one_generation_and_takes_others_in_the_next() {
    let mut world = World::new(at_once());
    let owning = |member: &forebay_model::group::Joined, owned: &str| {
        let mut join = rejoin(member, "c");
        join.strategies[0].metadata = owned.to_owned().into();
        join
    };
    let first = world.stable(1).remove(0);
    let newcomer = world.join(new_member("d"));
    let leader = world.join(owning(&first, "owns p0 p1"));
    let settled = world.settle(&[leader, newcomer]);
    // The leader has revoked p1 and says so: its changed metadata alone brings the follow-up rebalance.
    let leader = world.join(owning(&settled[0], "owns p0"));
    assert_eq!(world.heartbeat(&settled[1]), Err(Refusal::RebalanceInProgress));
    let follower = world.join(owning(&settled[1], "owns nothing"));
    let settled = world.settle(&[leader, follower]);
    assert_eq!(settled[0].generation, 3);
    let shown: Vec<_> = settled[0].members.iter().map(|member| member.metadata.clone()).collect();
    assert!(shown.iter().any(|m| *m == "owns p0") && shown.iter().any(|m| *m == "owns nothing"));
    // A follower with changed metadata brings one too.
    let follower = world.join(owning(&settled[1], "owns p1"));
    assert!(world.is_waiting(follower));
    assert_eq!(world.state(), GroupState::ExpectJoins);
}

#[test]
fn what_is_wrong_with_a_sync_is_said() {
    let mut world = World::new(at_once());
    let member = world.stable(1).remove(0);
    let mut refused = |change: &dyn Fn(&mut forebay_model::group::SyncGroup)| {
        let mut request = sync(&member, &[]);
        change(&mut request);
        let key = world.ask(forebay_model::group::GroupRequest::Sync(request));
        world.synced(key).unwrap_err()
    };
    assert_eq!(refused(&|r| r.proof.member = "x".into()), Refusal::UnknownMember);
    assert_eq!(refused(&|r| r.proof.group = forebay_model::GroupId("x".into())), Refusal::UnknownMember);
    assert_eq!(refused(&|r| r.proof.generation = 7), Refusal::IllegalGeneration);
    assert_eq!(refused(&|r| r.kind = Some("connect".into())), Refusal::InconsistentProtocol);
    assert_eq!(refused(&|r| r.strategy = Some("sticky".into())), Refusal::InconsistentProtocol);
    assert_eq!(refused(&|r| r.proof.instance = Some("i".into())), Refusal::UnknownMember);
    let waiting = world.join(new_member("d"));
    assert!(world.is_waiting(waiting));
    let key = world.follow(&member);
    assert_eq!(world.synced(key), Err(Refusal::RebalanceInProgress));
}

#[test]
fn shares_of_strangers_are_dropped_and_forgotten_members_get_an_empty_one() {
    let mut world = World::new(at_once());
    let first = world.stable(1).remove(0);
    let second = world.join(new_member("d"));
    let again = world.join(rejoin(&first, "c0"));
    let (leader, follower) = (world.joined(again).unwrap(), world.joined(second).unwrap());
    let waiting = world.follow(&follower);
    world.ask(forebay_model::group::GroupRequest::Sync(sync(&leader, &["stranger", &leader.member])));
    assert_eq!(world.synced(waiting).unwrap().assignment, "");
    let saved = &world.machine.groups().get(&group()).unwrap().members;
    assert_eq!(saved.len(), 2);
}
