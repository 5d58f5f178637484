//! Groups whose partitions the broker assigns, step by step.

use forebay_machine::Command;
use forebay_model::group::*;
use forebay_model::subscription::{AttendanceChange, SubscriptionChange};
use forebay_model::{Refusal, SettingChange};

use super::super::CoordinatorSettings;
use super::attending::*;
use super::world::*;

fn world() -> World {
    World::new(CoordinatorSettings::default())
}

#[test]
fn who_comes_first_has_all_and_gives_back_before_the_next_one_gets() {
    let mut world = world();
    let topic = world.create("t", 4);
    let (mut a, mut b) = (Attendant::new("a", &["t"]), Attendant::new("b", &["t"]));
    let joined = a.beat(&mut world).unwrap();
    assert_eq!((joined.epoch, joined.heartbeat_interval_ms, a.has()), (1, 5_000, 4));
    let joined = b.beat(&mut world).unwrap();
    assert_eq!((joined.epoch, b.has()), (2, 0), "nothing is free yet");
    assert_eq!(world.assigned().unwrap().state, GroupState::Reconciling);
    // A keeps its epoch until it has given back.
    let told = world.attend(a.full()).unwrap();
    assert_eq!((told.epoch, told.assignment.as_ref().map(|share| share.len())), (1, Some(2)));
    assert_eq!(b.beat(&mut world).unwrap().epoch, 2);
    assert_eq!(b.has(), 0, "A has not said that it gave back");
    a.hear(&told);
    assert_eq!(a.beat(&mut world).unwrap().epoch, 2);
    b.beat(&mut world).unwrap();
    assert_eq!((a.has(), b.has()), (2, 2));
    assert_eq!(a.owned.union(&b.owned).count(), 4);
    assert!(a.owned.iter().chain(&b.owned).all(|(id, _)| *id == topic));
    let view = world.assigned().unwrap();
    assert_eq!(
        (view.state, view.epoch, view.assigned_epoch, view.strategy),
        (GroupState::Stable, 2, 2, "uniform")
    );
    assert_eq!(view.members[0].held[0].name, "t");
    // Silence between: nothing is told that is known.
    let quiet = AttendGroup { presence: Presence::Stays(2), ..a.with_presence(Presence::Joins) };
    assert_eq!(world.attend(quiet).unwrap().assignment, None);
}

#[test]
fn nobody_is_told_what_is_not_saved() {
    let mut world = world();
    world.create("t", 2);
    let a = Attendant::new("a", &["t"]);
    world.holds = true;
    let key = world.ask(GroupRequest::Attend(Box::new(a.full())));
    assert!(world.is_waiting(key));
    world.fail_all(Refusal::Busy);
    assert_eq!(world.attended(key), Err(Refusal::Busy));
    // The same again, and this time it gets into the log.
    let key = world.ask(GroupRequest::Attend(Box::new(a.full())));
    assert!(world.is_waiting(key));
    world.apply_all();
    assert_eq!(world.attended(key).unwrap().epoch, 1);
    assert_eq!(world.unanswered(), 0);
}

#[test]
fn a_save_that_failed_is_tried_again_by_itself() {
    let mut world = world();
    world.create("t", 2);
    let mut a = Attendant::new("a", &["t"]);
    a.beat(&mut world).unwrap();
    world.holds = true;
    let key = world.ask(GroupRequest::Attend(Box::new(a.with_presence(Presence::Leaves))));
    world.fail_all(Refusal::Busy);
    assert_eq!(world.attended(key), Err(Refusal::Busy));
    world.holds = false;
    world.pass(1_000);
    assert!(world.machine.groups().get(&group()).unwrap().members.is_empty());
    world.assert_nothing_left();
}

#[test]
fn members_leave_are_lost_and_what_they_had_goes_to_the_others() {
    let mut world = world();
    world.create("t", 6);
    let mut members = ["a", "b", "c"].map(|id| Attendant::new(id, &["t"]));
    let [a, b, c] = &mut members;
    world.beat_all(&mut [a, b, c]);
    assert_eq!([a.has(), b.has(), c.has()], [2, 2, 2]);
    assert_eq!(c.go(&mut world, Presence::Leaves).unwrap().epoch, 0);
    assert_eq!(c.go(&mut world, Presence::Leaves), Err(Refusal::UnknownMember));
    assert_eq!(world.assigned().unwrap().state, GroupState::Assigning);
    world.beat_all(&mut [a, b]);
    assert_eq!([a.has(), b.has()], [3, 3]);
    // B says nothing any more.
    for _ in 0..10 {
        world.pass(5_000);
        a.beat(&mut world).unwrap();
    }
    assert_eq!((a.has(), world.lost()), (6, vec!["b"]));
    assert_eq!(b.beat(&mut world), Err(Refusal::UnknownMember));
    a.go(&mut world, Presence::Leaves).unwrap();
    world.assert_nothing_left();
    assert_eq!(world.assigned().unwrap().state, GroupState::Empty);
    assert_eq!(world.delete(), Ok(()));
    assert_eq!(world.assigned(), Err(Refusal::UnknownGroup));
}

#[test]
fn who_does_not_give_back_in_time_is_put_out() {
    let mut world = world();
    world.create("t", 2);
    let (mut a, mut b) = (Attendant::new("a", &["t"]), Attendant::new("b", &["t"]));
    a.beat(&mut world).unwrap();
    b.beat(&mut world).unwrap();
    let has_all = a.owned.clone();
    // The time counts from being asked, however often it is heard of meanwhile.
    for round in 0..13 {
        let stubborn = AttendGroup { owned: Some(has_all.clone()), ..a.full() };
        let _ = world.attend(stubborn);
        b.beat(&mut world).unwrap();
        assert_eq!((b.has(), world.lost().len()), if round < 12 { (0, 0) } else { (2, 1) });
        world.pass(5_000);
    }
    assert_eq!(world.lost(), ["a"]);
    b.beat(&mut world).unwrap();
    assert_eq!(b.has(), 2);
}

#[test]
fn epochs_that_were_not_told_are_fenced_and_lost_answers_are_not() {
    let mut world = world();
    world.create("t", 4);
    let mut a = Attendant::new("a", &["t"]);
    a.beat(&mut world).unwrap();
    let ahead = Attendant { epoch: 2, ..a.clone() };
    assert_eq!(world.attend(ahead.full()), Err(Refusal::FencedMember));
    let mut b = Attendant::new("b", &["t"]);
    b.beat(&mut world).unwrap();
    a.beat(&mut world).unwrap();
    // The answer with epoch 2 is lost.
    let lost = world.attend(a.full()).unwrap();
    assert_eq!((a.epoch, lost.epoch), (1, 2));
    assert_eq!(world.attend(a.full()).unwrap().epoch, 2, "it has nothing that is not its own");
    let greedy = AttendGroup { owned: Some(b.owned.clone()), ..a.full() };
    b.beat(&mut world).unwrap();
    let taken = AttendGroup { owned: Some(b.owned.clone()), ..greedy.clone() };
    assert_eq!(world.attend(taken), Err(Refusal::FencedMember));
    assert_eq!(world.attend(AttendGroup { owned: None, ..greedy }), Err(Refusal::FencedMember));
    // Whoever begins again with nothing is let in, and has its share back.
    a.epoch = 0;
    a.owned.clear();
    assert_eq!(a.beat(&mut world).unwrap().epoch, 2);
    assert_eq!(a.has(), 2);
    let stranger = Attendant { epoch: 2, ..Attendant::new("x", &["t"]) };
    assert_eq!(world.attend(stranger.full()), Err(Refusal::UnknownMember));
}

#[test]
fn a_static_member_that_pauses_finds_its_place_again() {
    let mut world = world();
    world.create("t", 4);
    let mut a = Attendant::named("a1", "a", &["t"]);
    let mut b = Attendant::named("b1", "b", &["t"]);
    world.beat_all(&mut [&mut a, &mut b]);
    let had = a.owned.clone();
    let mut next = Attendant::named("a2", "a", &["t"]);
    assert_eq!(next.beat(&mut world), Err(Refusal::UnreleasedInstance));
    a.go(&mut world, Presence::Pauses).unwrap();
    assert_eq!(world.attend(a.full()), Err(Refusal::FencedMember), "it said that it went");
    b.beat(&mut world).unwrap();
    assert_eq!(world.assigned().unwrap().members[0].epoch, None);
    assert_eq!(next.beat(&mut world).unwrap().epoch, b.epoch, "nobody else has to know");
    assert_eq!((next.owned.clone(), b.has()), (had, 2));
    assert_eq!(world.attend(a.full()), Err(Refusal::FencedInstance));
    assert_eq!(a.go(&mut world, Presence::Leaves), Err(Refusal::FencedInstance));
    let unknown = Attendant { epoch: 3, ..Attendant::named("z", "z", &["t"]) };
    assert_eq!(world.attend(unknown.full()), Err(Refusal::UnknownMember));
    // One that does not come back in time loses its place.
    next.go(&mut world, Presence::Pauses).unwrap();
    for _ in 0..10 {
        world.pass(5_000);
        b.beat(&mut world).unwrap();
    }
    assert_eq!((b.has(), world.lost()), (4, vec!["a2"]));
    // An operator puts out by name.
    let leaving = LeavingMember { member: String::new(), instance: Some("b".into()), reason: None };
    let leave = LeaveGroup { group: group(), members: vec![leaving] };
    let key = world.ask(GroupRequest::Leave(leave));
    assert!(matches!(world.answer(key), Some(GroupReply::Leave(Ok(left))) if left[0].1 == Ok(())));
    world.assert_nothing_left();
}

#[test]
fn topics_come_grow_and_go_and_patterns_follow() {
    let mut world = world();
    let first = world.create("logs-a", 2);
    let mut a = Attendant { pattern: Some("logs-[a-z]+".into()), ..Attendant::new("a", &[]) };
    assert_eq!(a.beat(&mut world).unwrap().epoch, 1);
    assert_eq!(a.has(), 2);
    world.create("logs-1", 3);
    world.create("my-logs-a", 3);
    assert_eq!(a.beat(&mut world).unwrap().epoch, 1, "names match as a whole");
    let second = world.create("logs-b", 3);
    assert_eq!(a.beat(&mut world).unwrap().epoch, 2);
    assert_eq!(a.has(), 5);
    world.grow(first, 4);
    assert_eq!(a.beat(&mut world).unwrap().epoch, 3);
    assert_eq!(a.has(), 7);
    world.drop_topic(second);
    a.beat(&mut world).unwrap();
    assert_eq!((a.beat(&mut world).unwrap().epoch, a.has()), (4, 4));
    for bad in ["logs-(", &"a".repeat(5_000), "x{1000}{1000}{1000}"] {
        let wrong = Attendant { pattern: Some(bad.into()), ..Attendant::new("b", &[]) };
        assert!(matches!(world.attend(wrong.full()), Err(Refusal::InvalidPattern(_))), "{bad:.20}");
    }
    // A pattern is taken back by an empty one.
    a.pattern = Some(String::new());
    a.beat(&mut world).unwrap();
    a.beat(&mut world).unwrap();
    assert_eq!(a.has(), 0);
}

#[test]
fn most_wishes_decide_by_which_strategy() {
    let mut world = world();
    world.create("s", 2);
    world.create("t", 2);
    let wish = |id: &str, strategy: Option<&str>| Attendant {
        strategy: strategy.map(str::to_owned),
        ..Attendant::new(id, &["s", "t"])
    };
    let (mut a, mut b) = (wish("a", Some("range")), wish("b", None));
    world.beat_all(&mut [&mut a, &mut b]);
    assert_eq!(world.assigned().unwrap().strategy, "range");
    let numbers = |member: &Attendant| member.owned.iter().map(|(_, number)| *number).collect::<Vec<_>>();
    assert_eq!((numbers(&a), numbers(&b)), (vec![0, 0], vec![1, 1]));
    b.strategy = Some("uniform".into());
    world.beat_all(&mut [&mut a, &mut b]);
    assert_eq!(world.assigned().unwrap().strategy, "uniform", "the first of those with equally many");
    let unknown = wish("c", Some("sticky"));
    assert!(matches!(world.attend(unknown.full()), Err(Refusal::UnsupportedStrategy(_))));
}

#[test]
fn a_group_has_only_so_many_members() {
    let mut world = World::new(CoordinatorSettings { members_max: 1, ..CoordinatorSettings::default() });
    world.create("t", 2);
    let mut a = Attendant::new("a", &["t"]);
    a.beat(&mut world).unwrap();
    assert_eq!(Attendant::new("b", &["t"]).beat(&mut world), Err(Refusal::GroupFull));
    a.beat(&mut world).unwrap();
}

#[test]
fn a_group_without_members_changes_its_kind_and_another_does_not() {
    let mut world = World::new(at_once());
    world.create("t", 2);
    let mut a = Attendant::new("a", &["t"]);
    assert_eq!(world.attend(Attendant { epoch: 1, ..a.clone() }.full()), Err(Refusal::UnknownGroup));
    let joined = world.stable(1).remove(0);
    assert_eq!(a.beat(&mut world), Err(Refusal::UnknownGroup));
    assert_eq!(world.assigned(), Err(Refusal::UnknownGroup));
    world.leave(&joined.member, None).unwrap();
    let attended = a.beat(&mut world).unwrap();
    assert!(attended.epoch > joined.generation, "epochs go on where generations ended");
    let key = world.join(new_member("c"));
    assert_eq!(world.joined(key), Err(Refusal::InconsistentProtocol));
    let key = world.ask(GroupRequest::Describe(group()));
    assert!(matches!(world.answer(key), Some(GroupReply::Describe(Err(Refusal::UnknownGroup)))));
    assert_eq!(world.delete(), Err(Refusal::GroupNotEmpty));
    let listed = world.coordinator.list(world.machine.groups());
    assert_eq!(
        (listed.len(), listed[0].assigned_by, listed[0].state),
        (1, AssignedBy::Broker, GroupState::Stable)
    );
    a.go(&mut world, Presence::Leaves).unwrap();
    let listed = world.coordinator.list(world.machine.groups());
    assert_eq!((listed[0].assigned_by, listed[0].state), (AssignedBy::Broker, GroupState::Empty));
    let again = world.stable(1).remove(0);
    assert!(again.generation > attended.epoch);
    assert_eq!(world.describe().kind, "consumer");
    assert_eq!(
        world.prove(MemberProof { generation: attended.epoch, ..proof(&again) }),
        Err(Refusal::IllegalGeneration)
    );
}

#[test]
fn what_is_set_on_a_group_holds_from_the_next_heartbeat_on_and_for_the_next_leader() {
    let mut world = world();
    world.create("t", 2);
    let mut a = Attendant::new("a", &["t"]);
    assert_eq!(a.beat(&mut world).unwrap().heartbeat_interval_ms, 5_000);
    world.apply(Command::SetMachineVersion { version: 3 });
    let attendance = AttendanceChange {
        heartbeat_interval_ms: SettingChange::Set(9_000),
        session_timeout_ms: SettingChange::Set(60_000),
    };
    let change = SubscriptionChange { attendance, ..SubscriptionChange::default() };
    world.apply(Command::AlterSubscription { name: group(), change });
    assert_eq!(a.beat(&mut world).unwrap().heartbeat_interval_ms, 9_000);
    world.pass(59_000);
    assert_eq!(world.lost().len(), 0);
    let mut b = Attendant::new("b", &["t"]);
    b.beat(&mut world).unwrap();
    a.beat(&mut world).unwrap();
    world.change_leader(CoordinatorSettings::default());
    world.pass(59_000);
    assert_eq!(world.lost().len(), 0);
    world.pass(2_000);
    assert_eq!(world.lost(), ["a", "b"]);
}

#[test]
fn cursors_are_set_by_members_of_the_present_epoch() {
    let mut world = world();
    let topic = world.create("t", 4);
    let (mut a, mut b) = (Attendant::new("a", &["t"]), Attendant::new("b", &["t"]));
    a.beat(&mut world).unwrap();
    let place = |number| forebay_model::PartitionRef { topic: forebay_model::TopicRef::Id(topic), number };
    let set = |world: &mut World, member: &str, epoch: i32, number: u32| {
        let mut commit = commit(epoch, member, 5);
        commit.offsets[0].partition = place(number);
        let key = world.ask(GroupRequest::CommitOffsets(commit));
        world.committed(key)
    };
    assert_eq!(set(&mut world, "a", 1, 0), Ok(()));
    assert_eq!(set(&mut world, "a", 2, 0), Err(Refusal::StaleMember));
    assert_eq!(set(&mut world, "x", 1, 0), Err(Refusal::UnknownMember));
    assert_eq!(set(&mut world, "", -1, 0), Err(Refusal::UnknownMember), "not while there are members");
    world.beat_all(&mut [&mut a, &mut b]);
    assert_eq!((a.epoch, b.epoch), (2, 2));
    // What A has kept since epoch 1 it may still set as of epoch 1; what it has given back it may not.
    let kept = a.owned.first().unwrap().1;
    let given = b.owned.first().unwrap().1;
    assert_eq!(set(&mut world, "a", 1, kept), Ok(()));
    assert_eq!(set(&mut world, "a", 1, given), Err(Refusal::StaleMember));
    assert_eq!(set(&mut world, "b", 1, given), Err(Refusal::StaleMember), "B has it since epoch 2");
    let fetch = |member: Option<(&str, i32)>| FetchOffsets {
        group: group(),
        partitions: None,
        stable: false,
        member: member.map(|(member, epoch)| (member.to_owned(), epoch)),
    };
    for (member, refusal) in [
        (None, None),
        (Some(("a", 2)), None),
        (Some(("a", 1)), Some(Refusal::StaleMember)),
        (Some(("x", 2)), Some(Refusal::UnknownMember)),
    ] {
        let key = world.ask(GroupRequest::FetchOffsets(fetch(member)));
        let Some(GroupReply::FetchOffsets(fetched)) = world.answer(key) else { panic!("no answer") };
        assert_eq!(fetched.as_ref().err(), refusal.as_ref());
    }
    let forget = ForgetOffsets {
        group: group(),
        cursors: ["t", "other"].map(|t| ForgetOffset { topic: t.into(), partition: place(0) }).to_vec(),
        kind: "consumer",
        topics_of: |_| None,
    };
    let key = world.ask(GroupRequest::ForgetOffsets(forget));
    let Some(GroupReply::ForgetOffsets(Ok(forgotten))) = world.answer(key) else { panic!("no answer") };
    assert_eq!(forgotten, &[Err(Refusal::TopicIsRead), Ok(())]);
    // When all are gone, anybody may.
    a.go(&mut world, Presence::Leaves).unwrap();
    b.go(&mut world, Presence::Leaves).unwrap();
    assert_eq!(set(&mut world, "", -1, 0), Ok(()));
    assert_eq!(set(&mut world, "a", 2, 0), Err(Refusal::UnknownMember));
}

#[test]
fn another_leader_knows_what_everybody_was_told() {
    let mut world = world();
    world.create("t", 4);
    let (mut a, mut b) = (Attendant::new("a", &["t"]), Attendant::named("b1", "b", &["t"]));
    a.beat(&mut world).unwrap();
    b.beat(&mut world).unwrap();
    let told = a.beat(&mut world).unwrap();
    assert_eq!((told.epoch, a.has()), (1, 2));
    let before = world.assigned().unwrap();
    world.change_leader(CoordinatorSettings::default());
    let mut after = world.assigned().unwrap();
    after.state = before.state;
    assert_eq!(after, before);
    // A has not said yet that it gave back: B gets nothing.
    b.beat(&mut world).unwrap();
    assert_eq!(b.has(), 0);
    assert_eq!(world.attend(Attendant { epoch: 9, ..a.clone() }.full()), Err(Refusal::FencedMember));
    world.beat_all(&mut [&mut a, &mut b]);
    assert_eq!((a.has(), b.has(), a.epoch), (2, 2, 2));
    // Those who are not heard of by the new leader go.
    world.change_leader(CoordinatorSettings::default());
    for _ in 0..10 {
        world.pass(5_000);
        b.beat(&mut world).unwrap();
    }
    assert_eq!((b.has(), world.lost()), (4, vec!["a"]));
}
