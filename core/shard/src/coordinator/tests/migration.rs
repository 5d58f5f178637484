//! Classic groups become groups whose partitions the broker assigns while members are in them, and back.

use bytes::Bytes;
use forebay_machine::Command;
use forebay_model::Refusal;
use forebay_model::group::*;

use super::attending::*;
use super::reading::*;
use super::world::*;

/// A classic group of these in which everybody has its share.
fn classic(world: &mut World, readers: &mut [&mut Reader]) {
    // With no initial delay whoever comes first has a generation of its own.
    let first = readers[0].join(world);
    let is_first = !world.is_waiting(first);
    if is_first {
        readers[0].has_joined(&world.joined(first).unwrap());
    }
    let others = readers.len() - 1;
    let mut keys: Vec<u64> = readers.iter_mut().rev().take(others).map(|reader| reader.join(world)).collect();
    keys.push(if is_first { readers[0].join(world) } else { first });
    for (reader, key) in readers.iter_mut().rev().zip(keys) {
        reader.has_joined(&world.joined(key).unwrap());
        let joined = world.joined(key).unwrap();
        let assignments = if joined.leader == joined.member { dealt(world, &joined) } else { Vec::new() };
        let key = world.ask(GroupRequest::Sync(reader.sync_request(assignments)));
        if !world.is_waiting(key) {
            reader.has_synced(world, &world.synced(key).unwrap());
        }
    }
    for reader in readers {
        let key = world.ask(GroupRequest::Sync(reader.sync_request(Vec::new())));
        reader.has_synced(world, &world.synced(key).unwrap());
    }
}

fn states(world: &mut World) -> (GroupState, Vec<bool>) {
    let view = world.assigned().unwrap();
    (view.state, view.members.iter().map(|member| member.is_classic).collect())
}

#[test]
fn a_member_of_the_new_protocol_takes_a_classic_group_along_and_the_last_one_to_leave_gives_it_back() {
    let mut world = World::new(at_once());
    world.create("t", 4);
    let (mut a, mut b) = (Reader::new("a", &["t"]), Reader::new("b", &["t"]));
    classic(&mut world, &mut [&mut a, &mut b]);
    assert_eq!((a.owned.len(), b.owned.len()), (2, 2));
    let before = a.generation;
    let mut c = Attendant::new("z", &["t"]);
    assert!(c.beat(&mut world).unwrap().epoch > before);
    assert_eq!(c.has(), 0, "nothing is free yet");
    assert_eq!(states(&mut world), (GroupState::Reconciling, vec![true, true, false]));
    let listed = world.coordinator.list(world.machine.groups());
    assert_eq!((listed.len(), listed[0].assigned_by), (1, AssignedBy::Broker));
    let key = world.ask(GroupRequest::Describe(group()));
    assert!(matches!(world.answer(key), Some(GroupReply::Describe(Err(Refusal::UnknownGroup)))));
    // What was committed by the old generation is still the member's to commit.
    let mut cursor = commit(before, &a.member, 7);
    let (topic, number) = *a.owned.first().unwrap();
    cursor.offsets[0].partition =
        forebay_model::PartitionRef { topic: forebay_model::TopicRef::Id(topic), number };
    let key = world.ask(GroupRequest::CommitOffsets(cursor));
    assert_eq!(world.committed(key), Ok(()));
    assert_eq!(world.prove(a.proof()), Err(Refusal::RebalanceInProgress));
    for _ in 0..4 {
        a.beat(&mut world).unwrap();
        b.beat(&mut world).unwrap();
        c.beat(&mut world).unwrap();
    }
    assert_eq!(states(&mut world).0, GroupState::Stable);
    assert_eq!(a.owned.len() + b.owned.len() + c.has(), 4);
    assert_eq!(a.owned.union(&b.owned).count() + c.has(), 4);
    // Back again.
    c.go(&mut world, Presence::Leaves).unwrap();
    assert_eq!(world.describe().state, GroupState::ExpectJoins);
    assert_eq!(world.prove(a.proof()), Err(Refusal::RebalanceInProgress));
    classic(&mut world, &mut [&mut a, &mut b]);
    assert_eq!((a.owned.len(), b.owned.len()), (2, 2));
    assert_eq!((world.state(), world.describe().kind.as_str()), (GroupState::Stable, "consumer"));
    for reader in [&a, &b] {
        world.leave(&reader.member, None).unwrap();
    }
    world.assert_nothing_left();
}

#[test]
fn a_careful_member_goes_on_with_what_it_keeps_and_the_new_one_gets_what_it_gave_back() {
    let mut world = World::new(at_once());
    world.create("t", 4);
    let mut a = Reader::careful("a", &["t"]);
    classic(&mut world, &mut [&mut a]);
    let mut c = Attendant::new("z", &["t"]);
    c.beat(&mut world).unwrap();
    let before = a.generation;
    a.beat(&mut world).unwrap();
    assert_eq!((a.generation, a.owned.len()), (before, 2), "it is to give back first");
    c.beat(&mut world).unwrap();
    assert_eq!(c.has(), 0, "A has not said that it gave back");
    a.beat(&mut world).unwrap();
    c.beat(&mut world).unwrap();
    assert!(a.generation > before);
    assert_eq!((a.owned.len(), c.has()), (2, 2));
    assert!(a.owned.is_disjoint(&c.owned));
    assert_eq!(world.prove(a.proof()), Ok(()));
}

#[test]
fn a_group_that_the_broker_cannot_assign_for_stays_as_it_is() {
    let mut world = World::new(at_once());
    world.create("t", 2);
    let mut c = Attendant::new("z", &["t"]);
    // Metadata of another kind of group, and metadata and shares that nobody understands.
    let connect = JoinGroup { kind: "connect".into(), ..Reader::new("a", &["t"]).join_request(&world) };
    for join in [connect, new_member("a")] {
        let key = world.join(join);
        let joined = world.joined(key).unwrap();
        world.lead(&joined);
        assert_eq!(c.beat(&mut world), Err(Refusal::UnknownGroup));
        assert_eq!(world.heartbeat(&joined), Ok(()), "nothing happened to the group");
        world.leave(&joined.member, None).unwrap();
    }
    let mut a = Reader::new("a", &["t"]);
    let key = a.join(&mut world);
    a.has_joined(&world.joined(key).unwrap());
    let share = vec![(a.member.clone(), Bytes::from_static(b"of its own"))];
    world.ask(GroupRequest::Sync(a.sync_request(share)));
    assert_eq!(c.beat(&mut world), Err(Refusal::UnknownGroup));
    // And somebody who could not join in any case changes nothing either.
    classic(&mut world, &mut [&mut a]);
    c.pattern = Some("(".into());
    assert!(matches!(c.beat(&mut world), Err(Refusal::InvalidPattern(_))));
    assert_eq!(world.prove(a.proof()), Ok(()));
    c.pattern = None;
    c.beat(&mut world).unwrap();
    // Who comes later has to be understood as well, and to have a strategy that all others have.
    for join in [
        new_member("d"),
        JoinGroup { kind: "connect".into(), ..Reader::new("d", &["t"]).join_request(&world) },
        JoinGroup { strategies: strategies(&["sticky"]), ..Reader::new("d", &["t"]).join_request(&world) },
    ] {
        let key = world.join(join);
        assert_eq!(world.joined(key), Err(Refusal::InconsistentProtocol));
    }
}

#[test]
fn what_members_claim_of_partitions_that_there_are_not_is_nobodys() {
    let mut world = World::new(at_once());
    world.create("t", 2);
    let mut a = Reader::new("a", &["t"]);
    let key = a.join(&mut world);
    a.has_joined(&world.joined(key).unwrap());
    let share = vec![(a.member.clone(), Bytes::from_static(b"t:0,2,4000000000 gone:1"))];
    world.ask(GroupRequest::Sync(a.sync_request(share)));
    Attendant::new("z", &["t"]).beat(&mut world).unwrap();
    let view = world.assigned().unwrap();
    let of_a = view.members.iter().find(|member| member.is_classic).unwrap();
    let held: Vec<_> = of_a.held.iter().map(|named| (named.name.as_str(), &named.numbers[..])).collect();
    assert_eq!(held, [("t", &[0][..])]);
}

#[test]
fn a_group_whose_members_say_more_than_they_may_to_the_broker_stays_as_it_is() {
    let mut world = World::new(at_once());
    world.create("t", 2);
    let topics: Vec<String> = (0..=10_000).map(|number| format!("t{number}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut a = Reader::new("a", &topics);
    classic(&mut world, &mut [&mut a]);
    assert_eq!(Attendant::new("z", &["t"]).beat(&mut world), Err(Refusal::UnknownGroup));
    assert_eq!(world.prove(a.proof()), Ok(()), "it would be refused with its next join");
}

#[test]
fn classic_members_come_to_a_group_of_the_new_protocol_and_are_its_last() {
    let mut world = World::new(at_once());
    world.create("t", 3);
    let mut c = Attendant::new("z", &["t"]);
    c.beat(&mut world).unwrap();
    let mut a = Reader::new("a", &["t"]);
    // A new dynamic member is given an id first, as everywhere.
    let key = {
        let join = JoinGroup { id_first: true, ..a.join_request(&world) };
        world.join(join)
    };
    let Err(Refusal::MemberIdRequired { member }) = world.joined(key) else { panic!("no id") };
    a.member = member;
    a.come(&mut world).unwrap();
    assert_eq!(a.owned.len(), 0);
    for _ in 0..3 {
        c.beat(&mut world).unwrap();
        a.beat(&mut world).unwrap();
    }
    assert_eq!(a.owned.len() + c.has(), 3);
    assert!(!a.owned.is_empty() && c.has() > 0);
    let stale = MemberProof { generation: a.generation - 1, ..a.proof() };
    assert_eq!(world.prove(stale), Err(Refusal::IllegalGeneration));
    assert_eq!(world.prove(MemberProof { member: "z".into(), ..a.proof() }), Err(Refusal::UnknownMember));
    let key = world.commit(a.generation + 1, &a.member, 3);
    assert_eq!(world.committed(key), Err(Refusal::IllegalGeneration));
    assert_eq!(world.leave("z", None), Err(Refusal::UnknownMember), "it does not speak this protocol");
    // The new one dies: its session ends, and the group is classic again.
    for _ in 0..20 {
        world.pass(3_000);
        if world.prove(a.proof()) == Err(Refusal::RebalanceInProgress) {
            classic(&mut world, &mut [&mut a]);
        }
    }
    assert_eq!(a.owned.len(), 3);
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn static_members_change_their_protocol_and_keep_what_they_have() {
    let mut world = World::new(at_once());
    world.create("t", 4);
    let mut a = Reader { instance: Some("one".into()), ..Reader::new("a", &["t"]) };
    let mut b = Reader { instance: Some("two".into()), ..Reader::new("b", &["t"]) };
    classic(&mut world, &mut [&mut a, &mut b]);
    let mut c = Attendant::named("z", "one", &["t"]);
    c.beat(&mut world).unwrap();
    assert_eq!(c.has(), 2, "it takes its own place");
    assert_eq!(world.prove(a.proof()), Err(Refusal::FencedInstance));
    b.beat(&mut world).unwrap();
    assert_eq!(b.owned.len(), 2);
    // And back: the last of the new protocol is replaced by a classic one.
    let mut a = Reader { member: String::new(), ..a };
    let key = a.join(&mut world);
    assert_eq!(c.beat(&mut world), Err(Refusal::UnknownGroup));
    assert!(world.is_waiting(key), "it has come, and waits for the other");
    let other = b.join(&mut world);
    for (reader, key) in [(&mut a, key), (&mut b, other)] {
        let joined = world.joined(key).unwrap();
        reader.has_joined(&joined);
    }
    assert_eq!(world.state(), GroupState::ExpectAssignment);
}

#[test]
fn classic_members_are_put_out_when_they_are_silent_or_do_not_follow() {
    let mut world = World::new(at_once());
    world.create("t", 4);
    let mut c = Attendant::new("z", &["t"]);
    c.beat(&mut world).unwrap();
    let mut silent = Reader::new("silent", &["t"]);
    silent.come(&mut world).unwrap();
    let mut idle = Reader { rebalance_timeout_ms: 12_000, ..Reader::new("idle", &["t"]) };
    idle.come(&mut world).unwrap();
    let (mut told, mut is_lost) = (0, false);
    for _ in 0..8 {
        world.pass(2_000);
        c.beat(&mut world).unwrap();
        match world.prove(idle.proof()) {
            Ok(()) => {}
            Err(Refusal::RebalanceInProgress) => told += 1,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::UnknownMember);
                is_lost = true;
            }
        }
    }
    assert!(told > 1 && is_lost);
    assert_eq!(world.lost().len(), 2, "{:?}", world.lost());
    c.beat(&mut world).unwrap();
    assert_eq!(c.has(), 4);
    let listed = world.assigned().unwrap();
    assert_eq!(listed.members.len(), 1);
}

#[test]
fn what_classic_members_were_told_survives_the_leader() {
    let mut world = World::new(at_once());
    world.create("t", 4);
    let (mut a, mut b) = (Reader::careful("a", &["t"]), Reader::careful("b", &["t"]));
    classic(&mut world, &mut [&mut a, &mut b]);
    let mut c = Attendant::new("z", &["t"]);
    for _ in 0..4 {
        c.beat(&mut world).unwrap();
        a.beat(&mut world).unwrap();
        b.beat(&mut world).unwrap();
    }
    let owned = a.owned.clone();
    world.change_leader(at_once());
    assert_eq!(world.prove(a.proof()), Ok(()));
    assert_eq!(a.owned, owned);
    c.beat(&mut world).unwrap();
    assert_eq!(states(&mut world), (GroupState::Stable, vec![true, true, false]));
    // A session of its own length.
    world.pass(11_000);
    assert_eq!(world.prove(a.proof()), Err(Refusal::UnknownMember));
}

#[test]
fn a_leader_that_finds_only_classic_members_lets_them_join_again() {
    let mut world = World::new(at_once());
    world.create("t", 2);
    let mut a = Reader::new("a", &["t"]);
    classic(&mut world, &mut [&mut a]);
    let mut c = Attendant::new("z", &["t"]);
    c.beat(&mut world).unwrap();
    a.beat(&mut world).unwrap();
    world.holds = true;
    c.go(&mut world, Presence::Leaves).ok();
    assert!(matches!(world.proposed.back(), Some((Command::SaveGeneration(_), _))));
    world.change_leader_keeping(9, at_once());
    world.holds = false;
    assert_eq!(world.prove(a.proof()), Err(Refusal::RebalanceInProgress));
    classic(&mut world, &mut [&mut a]);
    assert_eq!((a.owned.len(), world.describe().kind.as_str()), (2, "consumer"));
}

#[test]
fn a_classic_member_that_is_heard_first_after_a_recovery_takes_no_pattern_for_its_own() {
    let mut world = World::new(at_once());
    world.create("t", 2);
    let mut c = Attendant::new("z", &[]);
    c.pattern = Some("t".into());
    c.beat(&mut world).unwrap();
    let mut a = Reader::new("a", &["t"]);
    for _ in 0..3 {
        a.beat(&mut world).or_else(|_| a.come(&mut world)).unwrap();
        c.beat(&mut world).unwrap();
    }
    assert_eq!((a.owned.len(), c.has()), (1, 1));
    world.change_leader(at_once());
    let mut b = Reader::new("b", &["t"]);
    b.come(&mut world).unwrap();
    assert_eq!(world.prove(a.proof()), Ok(()), "nobody can say yet what is to be dealt");
    assert_eq!(world.prove(b.proof()), Ok(()));
    let told = world.attend(c.full()).unwrap();
    assert_eq!(told.assignment.map(|share| share.len()), Some(1), "C keeps what it reads");
    assert_eq!(world.prove(b.proof()), Err(Refusal::RebalanceInProgress));
}
