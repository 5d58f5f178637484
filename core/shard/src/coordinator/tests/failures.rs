//! Leaders that change, logs that refuse.

use forebay_model::Refusal;
use forebay_model::group::{AssignedBy, GroupListing, GroupState, JoinGroup};

use super::super::CoordinatorSettings;
use super::world::*;

#[test]
fn a_new_leader_takes_up_the_group_with_fresh_sessions() {
    let mut world = World::new(at_once());
    let members = world.stable(3);
    world.pass(9_999);
    world.change_leader(at_once());
    world.pass(9_999);
    for member in &members {
        assert_eq!(world.heartbeat(member), Ok(()));
    }
    assert_eq!(world.state(), GroupState::Stable);
    assert_eq!(world.describe().members[0].assignment, world.describe().members[0].member);
    // The leader is the same: its rejoin brings a rebalance, a follower's does not.
    let follower = world.join(rejoin(&members[1], "c1"));
    assert_eq!(world.joined(follower).unwrap().generation, members[1].generation);
    let leader = world.join(rejoin(&members[0], "c0"));
    assert!(world.is_waiting(leader));
}

#[test]
fn members_that_do_not_follow_to_the_new_leader_are_lost_there() {
    let mut world = World::new(at_once());
    let members = world.stable(2);
    world.change_leader(at_once());
    world.pass(5_000);
    assert_eq!(world.heartbeat(&members[1]), Ok(()));
    world.pass(5_000);
    assert_eq!(world.lost(), [members[0].member.as_str()]);
    assert_eq!(world.heartbeat(&members[1]), Err(Refusal::RebalanceInProgress));
    let again = world.join(rejoin(&members[1], "c1"));
    assert_eq!(world.joined(again).unwrap().leader, members[1].member);
}

#[test]
fn a_generation_that_was_not_saved_is_forgotten_with_its_leader() {
    let mut world = World::new(at_once());
    let first = world.stable(1).remove(0);
    let second = world.join(new_member("d"));
    let again = world.join(rejoin(&first, "c0"));
    let (leader, follower) = (world.joined(again).unwrap(), world.joined(second).unwrap());
    world.holds = true;
    let waiting = world.follow(&follower);
    let leading = world.lead(&leader);
    world.change_leader(at_once());
    assert_eq!(world.synced(waiting), Err(Refusal::NotLeader { leader: None }));
    assert_eq!(world.synced(leading), Err(Refusal::NotLeader { leader: None }));
    assert_eq!(world.unanswered(), 0);
    world.holds = false;
    assert_eq!(world.heartbeat(&leader), Err(Refusal::IllegalGeneration));
    assert_eq!(world.heartbeat(&follower), Err(Refusal::UnknownMember));
    let second = world.join(new_member("d"));
    let again = world.join(rejoin(&first, "c0"));
    assert_eq!(world.settle(&[again, second])[0].generation, 2);
}

#[test]
fn losing_leadership_answers_everyone_who_waits() {
    let mut world = World::new(CoordinatorSettings::default());
    let join = world.join(new_member("a"));
    world.holds = true;
    let commit = world.commit(-1, "", 1);
    assert!(world.is_waiting(join));
    world.change_leader(at_once());
    assert_eq!(world.joined(join), Err(Refusal::NotLeader { leader: None }));
    // The group had members joining, so the commit was refused at once.
    assert_eq!(world.committed(commit), Err(Refusal::UnknownMember));
    let commit = world.commit(-1, "", 1);
    world.change_leader(at_once());
    assert_eq!(world.committed(commit), Err(Refusal::NotLeader { leader: None }));
    world.assert_nothing_left();
}

#[test]
fn an_outcome_that_comes_after_leadership_was_lost_finds_nobody() {
    let mut world = World::new(at_once());
    let key = world.join(new_member("a"));
    let leader = world.joined(key).unwrap();
    world.holds = true;
    world.lead(&leader);
    let (_, proposal) = world.proposed.front().cloned().unwrap();
    let mut out = Vec::new();
    world.coordinator.unload(&Refusal::Loading, &mut out);
    assert_eq!(out.len(), 1);
    out.clear();
    world.coordinator.applied(world.now, proposal, forebay_machine::Outcome::Done, &mut out);
    assert!(out.is_empty());
}

#[test]
fn an_assignment_that_cannot_be_saved_brings_a_rebalance_and_says_why() {
    let mut world = World::new(at_once());
    let key = world.join(new_member("a"));
    let leader = world.joined(key).unwrap();
    world.holds = true;
    let leading = world.lead(&leader);
    world.fail_all(Refusal::Busy);
    assert_eq!(world.synced(leading), Err(Refusal::Busy));
    assert_eq!(world.state(), GroupState::ExpectJoins);
    world.holds = false;
    let again = world.join(rejoin(&leader, "a"));
    world.settle(&[again]);
}

#[test]
fn an_assignment_above_the_limit_is_refused_by_the_log() {
    let mut world = World::new(at_once());
    let key = world.join(new_member("a"));
    let leader = world.joined(key).unwrap();
    let mut request = sync(&leader, &[]);
    request.assignments =
        vec![(leader.member.clone(), vec![0; forebay_machine::limits::GROUP_BYTES_MAX].into())];
    let key = world.ask(forebay_model::group::GroupRequest::Sync(request));
    assert_eq!(world.synced(key), Err(Refusal::GroupFull));
    assert!(world.machine.groups().get(&group()).is_none());
}

#[test]
fn an_emptiness_that_got_lost_is_found_out_by_the_next_leader() {
    let mut world = World::new(at_once());
    let member = world.stable(1).remove(0);
    world.holds = true;
    assert_eq!(world.leave(&member.member, None), Ok(()));
    world.fail_all(Refusal::Unknown);
    world.holds = false;
    // This leader knows.
    assert_eq!(world.state(), GroupState::Empty);
    // The next one does not, until the session ends.
    world.change_leader(at_once());
    assert_eq!(world.state(), GroupState::Stable);
    world.pass(10_000);
    assert_eq!(world.state(), GroupState::Empty);
    world.assert_nothing_left();
}

#[test]
fn a_group_above_a_lowered_limit_shrinks() {
    let mut world = World::new(at_once());
    let members = world.stable(3);
    world.change_leader(CoordinatorSettings { members_max: 2, ..at_once() });
    assert_eq!(world.state(), GroupState::ExpectJoins);
    let joins: Vec<u64> = members.iter().map(|m| world.join(rejoin(m, "c"))).collect();
    assert_eq!(world.joined(joins[2]), Err(Refusal::GroupFull));
    world.settle(&joins[..2]);
    assert_eq!(world.describe().members.len(), 2);
}

#[test]
fn every_group_is_listed_and_shown_as_it_stands() {
    let mut world = World::new(at_once());
    world.stable(1);
    let other = |name: &str| forebay_model::GroupId(name.into());
    let joining = world.join(JoinGroup { group: other("b"), ..new_member("c") });
    assert!(world.joined(joining).is_ok());
    let mut idle = commit(-1, "", 4);
    idle.group = other("a");
    world.ask(forebay_model::group::GroupRequest::CommitOffsets(idle));
    let listing = |name: &str, state, kind: &str| GroupListing {
        group: other(name),
        state,
        kind: kind.into(),
        assigned_by: AssignedBy::Leader,
    };
    let expected = [
        listing("a", GroupState::Empty, ""),
        listing("b", GroupState::ExpectAssignment, "consumer"),
        listing("readers", GroupState::Stable, "consumer"),
    ];
    assert_eq!(world.coordinator.list(world.machine.groups()), expected);
    let view = world.describe();
    assert_eq!((view.kind.as_str(), view.strategy.as_str()), ("consumer", "range"));
    let member = &view.members[0];
    assert_eq!((member.client.as_str(), member.host.as_str()), ("c0", "/127.0.0.1"));
    assert_eq!(member.metadata, "range of me");
    assert_eq!(member.assignment, member.member);
}
