//! Coming and going.

use forebay_model::Refusal;
use forebay_model::group::{GroupState, JoinGroup};

use super::super::{CoordinatorSettings, What};
use super::world::*;

#[test]
fn a_lone_consumer_joins_syncs_and_stays_by_heartbeats() {
    let mut world = World::new(at_once());
    let key = world.join(new_member("c"));
    let joined = world.joined(key).unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (1, joined.member.as_str()));
    assert!(joined.member.starts_with("c-0000abcd-"), "{}", joined.member);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, "range of me");
    assert_eq!(world.state(), GroupState::ExpectAssignment);
    let synced = world.lead(&joined);
    assert_eq!(world.synced(synced).unwrap().assignment, joined.member);
    assert_eq!(world.state(), GroupState::Stable);
    for _ in 0..20 {
        world.pass(9_000);
        assert_eq!(world.heartbeat(&joined), Ok(()));
    }
    world.pass(10_000);
    assert_eq!(world.heartbeat(&joined), Err(Refusal::UnknownMember));
    assert_eq!(world.state(), GroupState::Empty);
    assert_eq!(world.lost(), [joined.member]);
    assert_eq!(world.notes.last().unwrap().what, What::Empty);
    world.assert_nothing_left();
}

#[test]
fn heartbeats_write_nothing() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    world.holds = true;
    for member in &members {
        assert_eq!(world.heartbeat(member), Ok(()));
    }
    assert!(world.proposed.is_empty());
}

#[test]
fn the_first_generation_waits_for_members_that_start_together() {
    let mut world = World::new(CoordinatorSettings::default());
    let first = world.join(new_member("a"));
    world.pass(2_000);
    // The second prolongs the delay once; the third comes in the prolongation and prolongs it again.
    let second = world.join(new_member("b"));
    world.pass(2_000);
    assert!(world.is_waiting(first));
    let third = world.join(new_member("c"));
    world.pass(1_999);
    assert!(world.is_waiting(first));
    world.pass(3_001);
    let joined: Vec<_> = [first, second, third].map(|key| world.joined(key).unwrap()).into();
    assert!(joined.iter().all(|joined| joined.generation == 1));
    assert_eq!(joined[0].leader, joined[0].member);
    assert_eq!(joined[0].members.len(), 3);
    assert!(joined[1].members.is_empty() && joined[2].members.is_empty());
}

#[test]
fn members_that_keep_coming_cannot_delay_the_first_generation_past_the_rebalance_timeout() {
    let mut world = World::new(CoordinatorSettings::default());
    let first = world.join(JoinGroup { rebalance_timeout_ms: 10_000, ..new_member("a") });
    let mut waited = 0;
    while world.is_waiting(first) {
        world.pass(1_000);
        waited += 1;
        world.join(JoinGroup { rebalance_timeout_ms: 10_000, ..new_member("x") });
        assert!(waited <= 11, "the delay has no end");
    }
    assert!(waited >= 9, "after {waited} s");
}

#[test]
fn a_dynamic_member_first_gets_an_id_and_then_a_place() {
    let mut world = World::new(at_once());
    let first = JoinGroup { id_first: true, ..new_member("c") };
    let asked = world.join(first.clone());
    let Err(Refusal::MemberIdRequired { member }) = world.joined(asked) else { panic!("no id") };
    assert_eq!(world.state(), GroupState::Empty);
    let key = world.join(JoinGroup { member: member.clone(), ..first });
    assert_eq!(world.joined(key).unwrap().member, member);
}

#[test]
fn an_id_that_nobody_comes_back_with_expires() {
    let mut world = World::new(at_once());
    let asked = world.join(JoinGroup { id_first: true, ..new_member("c") });
    let Err(Refusal::MemberIdRequired { member }) = world.joined(asked) else { panic!("no id") };
    world.pass(10_000);
    world.assert_nothing_left();
    let late = world.join(JoinGroup { member, ..new_member("c") });
    assert_eq!(world.joined(late), Err(Refusal::UnknownMember));
    assert_eq!(world.state(), GroupState::Dead);
}

#[test]
fn a_rebalance_waits_for_an_id_on_its_way_but_not_for_ever() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    let asked = world.join(JoinGroup { id_first: true, ..new_member("c") });
    assert!(matches!(world.joined(asked), Err(Refusal::MemberIdRequired { .. })));
    let joins: Vec<u64> = members
        .iter()
        .map(|m| world.join(JoinGroup { session_timeout_ms: 60_000, ..rejoin(m, "c") }))
        .collect();
    assert!(joins.iter().all(|key| world.is_waiting(*key)));
    world.pass(10_000);
    assert!(joins.iter().all(|key| world.joined(*key).is_ok()));
}

#[test]
fn a_member_that_leaves_is_gone_at_once_and_the_others_share_anew() {
    let mut world = World::new(at_once());
    let members = world.stable(3);
    assert_eq!(world.leave(&members[2].member, None), Ok(()));
    assert_eq!(world.heartbeat(&members[2]), Err(Refusal::UnknownMember));
    assert_eq!(world.heartbeat(&members[0]), Err(Refusal::RebalanceInProgress));
    let joins: Vec<u64> = members[..2].iter().map(|m| world.join(rejoin(m, "c"))).collect();
    let settled = world.settle(&joins);
    assert_eq!(settled[0].generation, members[0].generation + 1);
    assert_eq!(settled[0].members.len(), 2);
    let rebalancing = What::Rebalancing { reason: "members left: closing".into() };
    assert!(world.notes.iter().any(|note| note.what == rebalancing));
}

#[test]
fn when_the_last_member_leaves_the_group_is_empty_in_the_log_too() {
    let mut world = World::new(at_once());
    let members = world.stable(1);
    assert_eq!(world.leave("nobody", None), Err(Refusal::UnknownMember));
    assert_eq!(world.leave(&members[0].member, None), Ok(()));
    assert_eq!(world.state(), GroupState::Empty);
    let replicated = world.machine.groups().get(&group()).unwrap();
    assert_eq!((replicated.generation, replicated.members.len()), (2, 0));
    assert_eq!(replicated.kind, "consumer");
    world.assert_nothing_left();
    assert_eq!(world.leave(&members[0].member, None), Err(Refusal::UnknownMember));
    // Generations go on where they were.
    let key = world.join(new_member("c"));
    assert_eq!(world.joined(key).unwrap().generation, 3);
}

#[test]
fn an_empty_group_that_somebody_only_looked_at_is_let_go_again() {
    let mut world = World::new(at_once());
    let members = world.stable(1);
    assert_eq!(world.leave(&members[0].member, None), Ok(()));
    let asked = world.join(JoinGroup { id_first: true, ..new_member("c") });
    assert!(matches!(world.joined(asked), Err(Refusal::MemberIdRequired { .. })));
    world.pass(10_000);
    world.assert_nothing_left();
}

#[test]
fn when_the_leader_leaves_one_who_was_there_before_leads() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    assert_eq!(world.leave(&members[0].member, None), Ok(()));
    // Both are new to the question, but only one was a member.
    let newcomer = world.join(new_member("a"));
    let follower = world.join(rejoin(&members[1], "c1"));
    assert_eq!(world.joined(newcomer).unwrap().leader, members[1].member);
    assert_eq!(world.joined(follower).unwrap().members.len(), 2);
}

#[test]
fn an_id_on_its_way_can_leave() {
    let mut world = World::new(at_once());
    let asked = world.join(JoinGroup { id_first: true, ..new_member("c") });
    let Err(Refusal::MemberIdRequired { member }) = world.joined(asked) else { panic!("no id") };
    assert_eq!(world.leave(&member, None), Ok(()));
    world.assert_nothing_left();
}

#[test]
fn a_group_has_a_limited_number_of_members() {
    let mut world = World::new(CoordinatorSettings { members_max: 2, ..at_once() });
    let members = world.stable(2);
    let third = world.join(new_member("d"));
    assert_eq!(world.joined(third), Err(Refusal::GroupFull));
    assert_eq!(world.state(), GroupState::Stable);
    // Ids are not given out without bound either.
    for n in 0..3 {
        let asked = world.join(JoinGroup { id_first: true, ..new_member("e") });
        let full = world.joined(asked) == Err(Refusal::GroupFull);
        assert!(full, "{n}");
    }
    // While members join again, places go to those who come first.
    assert_eq!(world.leave(&members[1].member, None), Ok(()));
    let newcomer = world.join(new_member("f"));
    let leader = world.join(rejoin(&members[0], "c0"));
    assert_eq!(world.joined(newcomer).unwrap().leader, world.joined(leader).unwrap().member);
}

#[test]
fn only_so_many_ids_are_on_their_way() {
    let mut world = World::new(CoordinatorSettings { members_max: 2, ..at_once() });
    let ask = |world: &mut World| {
        let key = world.join(JoinGroup { id_first: true, ..new_member("e") });
        world.joined(key).unwrap_err()
    };
    assert!(matches!(ask(&mut world), Refusal::MemberIdRequired { .. }));
    assert!(matches!(ask(&mut world), Refusal::MemberIdRequired { .. }));
    assert_eq!(ask(&mut world), Refusal::GroupFull);
}

#[test]
fn metadata_of_a_group_is_bounded() {
    let mut world = World::new(at_once());
    let half = vec![0u8; forebay_machine::limits::GROUP_BYTES_MAX / 2];
    let heavy = |client: &str| {
        let mut join = new_member(client);
        join.strategies[0].metadata = half.clone().into();
        join
    };
    let first = world.join(heavy("a"));
    assert!(world.joined(first).is_ok());
    let second = world.join(heavy("b"));
    assert_eq!(world.joined(second), Err(Refusal::GroupFull));
    let third = world.join(new_member("c"));
    assert!(world.is_waiting(third));
}

#[test]
fn what_is_wrong_with_a_join_is_said() {
    let mut world = World::new(at_once());
    let mut refused = |join: JoinGroup| {
        let key = world.join(join);
        world.joined(key).unwrap_err()
    };
    let nameless = JoinGroup { group: forebay_model::GroupId("".into()), ..new_member("c") };
    assert_eq!(refused(nameless), Refusal::InvalidGroupId);
    assert_eq!(
        refused(JoinGroup { session_timeout_ms: 5_999, ..new_member("c") }),
        Refusal::InvalidSessionTimeout
    );
    let long = JoinGroup { session_timeout_ms: 1_800_001, ..new_member("c") };
    assert_eq!(refused(long), Refusal::InvalidSessionTimeout);
    assert_eq!(refused(JoinGroup { member: "x".into(), ..new_member("c") }), Refusal::UnknownMember);
    assert_eq!(refused(JoinGroup { strategies: vec![], ..new_member("c") }), Refusal::InconsistentProtocol);
    assert_eq!(refused(JoinGroup { kind: String::new(), ..new_member("c") }), Refusal::InconsistentProtocol);
    world.assert_nothing_left();
    world.stable(1);
    let mut refused = |join: JoinGroup| {
        let key = world.join(join);
        world.joined(key).unwrap_err()
    };
    assert_eq!(
        refused(JoinGroup { kind: "connect".into(), ..new_member("d") }),
        Refusal::InconsistentProtocol
    );
    let stranger = JoinGroup { strategies: strategies(&["sticky"]), ..new_member("d") };
    assert_eq!(refused(stranger), Refusal::InconsistentProtocol);
    assert_eq!(refused(JoinGroup { member: "x".into(), ..new_member("c") }), Refusal::UnknownMember);
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn a_new_member_whose_client_is_gone_does_not_stay_for_ever() {
    let mut world = World::new(at_once());
    let members = world.stable(1);
    let leader = JoinGroup { rebalance_timeout_ms: 1_000_000, ..rejoin(&members[0], "c0") };
    let key = world.join(leader.clone());
    let leader_joined = world.joined(key).unwrap();
    world.lead(&leader_joined);
    let lost = world.join(JoinGroup { rebalance_timeout_ms: 1_000_000, ..new_member("d") });
    for _ in 0..34 {
        world.pass(9_000);
        let _ = world.heartbeat(&leader_joined);
    }
    assert_eq!(world.joined(lost), Err(Refusal::UnknownMember));
    assert_eq!(world.lost().len(), 1);
}
