//! Cursors.

use bytes::Bytes;
use forebay_model::group::{
    CommitOffset, CommitOffsets, FetchOffsets, ForgetOffset, ForgetOffsets, GroupReply, GroupRequest,
    GroupState, JoinGroup, Strategy,
};
use forebay_model::{LeaderEpoch, Offset, PartitionRef, Refusal, TopicName, TopicRef};

use super::super::CoordinatorSettings;
use super::world::*;

fn fetch(world: &mut World, partitions: Option<Vec<PartitionRef>>) -> Vec<Result<Option<u64>, Refusal>> {
    let key = world.ask(GroupRequest::FetchOffsets(FetchOffsets {
        group: group(),
        partitions,
        stable: false,
        member: None,
    }));
    match world.answer(key) {
        Some(GroupReply::FetchOffsets(Ok(fetched))) => {
            let number =
                |f: &forebay_model::group::FetchedOffset| f.cursor.clone().map(|c| c.map(|c| c.offset.0));
            fetched.iter().map(number).collect()
        }
        other => panic!("no answer to a fetch of offsets: {other:?}"),
    }
}

#[test]
fn a_member_commits_and_is_answered_when_it_is_applied() {
    let mut world = World::new(at_once());
    let member = world.stable(1).remove(0);
    world.holds = true;
    let key = world.commit(member.generation, &member.member, 42);
    assert!(world.is_waiting(key));
    assert_eq!(fetch(&mut world, Some(vec![partition(0)])), [Ok(None)]);
    world.apply_all();
    assert_eq!(world.committed(key), Ok(()));
    assert_eq!(fetch(&mut world, Some(vec![partition(0), partition(1)])), [Ok(Some(42)), Ok(None)]);
    assert_eq!(fetch(&mut world, None), [Ok(Some(42))]);
}

#[test]
fn a_commit_that_got_lost_is_answered_with_the_reason() {
    let mut world = World::new(at_once());
    let member = world.stable(1).remove(0);
    world.holds = true;
    let key = world.commit(member.generation, &member.member, 42);
    world.fail_all(Refusal::Unknown);
    assert_eq!(world.committed(key), Err(Refusal::Unknown));
}

#[test]
fn who_may_commit() {
    let mut world = World::new(at_once());
    let committed = |world: &mut World, generation, member: &str| {
        let key = world.commit(generation, member, 1);
        world.committed(key)
    };
    // A group that does not exist: anybody without a generation.
    assert_eq!(committed(&mut world, 3, "x"), Err(Refusal::IllegalGeneration));
    assert_eq!(world.state(), GroupState::Dead);
    assert_eq!(committed(&mut world, -1, ""), Ok(()));
    assert_eq!(world.state(), GroupState::Empty);
    assert_eq!(committed(&mut world, 3, "x"), Err(Refusal::UnknownMember));
    // Somebody has an id but no place: still empty.
    let asked = world.join(forebay_model::group::JoinGroup { id_first: true, ..new_member("c") });
    assert!(world.joined(asked).is_err());
    assert_eq!(committed(&mut world, -1, ""), Ok(()));
    // Members: only they, and of this generation.
    let key = world.join(new_member("c"));
    assert!(world.is_waiting(key), "it waits for the one with the id");
    world.pass(10_000);
    let joined = world.joined(key).unwrap();
    let member = joined.member.clone();
    assert_eq!(committed(&mut world, joined.generation, &member), Err(Refusal::RebalanceInProgress));
    world.lead(&joined);
    assert_eq!(committed(&mut world, joined.generation, &member), Ok(()));
    assert_eq!(committed(&mut world, joined.generation + 1, &member), Err(Refusal::IllegalGeneration));
    assert_eq!(committed(&mut world, -1, &member), Err(Refusal::IllegalGeneration));
    assert_eq!(committed(&mut world, joined.generation, "x"), Err(Refusal::UnknownMember));
    assert_eq!(committed(&mut world, -1, ""), Err(Refusal::UnknownMember));
    // A member that is asked to join again may still commit what it did.
    let waiting = world.join(new_member("d"));
    assert!(world.is_waiting(waiting));
    assert_eq!(committed(&mut world, joined.generation, &member), Ok(()));
}

#[test]
fn a_static_member_commits_under_its_name() {
    let mut world = World::new(at_once());
    let key = world.join(static_member("one"));
    let joined = world.joined(key).unwrap();
    world.lead(&joined);
    let mut as_static = |instance: &str, member: &str| {
        let mut request = commit(joined.generation, member, 5);
        request.instance = Some(instance.to_owned());
        let key = world.ask(GroupRequest::CommitOffsets(request));
        world.committed(key)
    };
    assert_eq!(as_static("one", &joined.member), Ok(()));
    assert_eq!(as_static("one", "former"), Err(Refusal::FencedInstance));
    assert_eq!(as_static("two", &joined.member), Err(Refusal::UnknownMember));
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut world = World::new(at_once());
    let member = world.stable(1).remove(0);
    for offset in 0..5 {
        world.pass(9_000);
        let key = world.commit(member.generation, &member.member, offset);
        assert_eq!(world.committed(key), Ok(()));
    }
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn each_offset_of_a_commit_is_answered_for_itself_in_order() {
    let mut world = World::new(at_once());
    let offset = |partition, metadata: String| CommitOffset {
        partition,
        offset: Offset(9),
        leader_epoch: Some(LeaderEpoch(2)),
        metadata,
    };
    let by_name = PartitionRef { topic: TopicRef::Name(TopicName::parse("gone").unwrap()), number: 0 };
    let offsets = vec![
        offset(partition(0), String::new()),
        offset(by_name.clone(), String::new()),
        offset(partition(1), "m".repeat(4_097)),
        offset(partition(2), "note".into()),
    ];
    let request = CommitOffsets { offsets, ..commit(-1, "", 0) };
    let key = world.ask(GroupRequest::CommitOffsets(request));
    let Some(GroupReply::CommitOffsets(results)) = world.answer(key) else { panic!("no answer") };
    let results: Vec<_> = results.iter().map(|(_, result)| result.clone()).collect();
    assert_eq!(results, [Ok(()), Err(Refusal::UnknownTopic), Err(Refusal::OffsetMetadataTooLarge), Ok(())]);
    let fetched = fetch(&mut world, Some(vec![partition(2), by_name, partition(1)]));
    assert_eq!(fetched, [Ok(Some(9)), Err(Refusal::UnknownTopic), Ok(None)]);
    let nothing = CommitOffsets { offsets: vec![], ..commit(-1, "", 0) };
    let key = world.ask(GroupRequest::CommitOffsets(nothing));
    assert!(matches!(world.answer(key), Some(GroupReply::CommitOffsets(results)) if results.is_empty()));
}

#[test]
fn only_an_empty_group_is_deleted_and_its_cursors_with_it() {
    let mut world = World::new(at_once());
    assert_eq!(world.delete(), Err(Refusal::UnknownGroup));
    let member = world.stable(1).remove(0);
    let key = world.commit(member.generation, &member.member, 42);
    assert_eq!(world.committed(key), Ok(()));
    assert_eq!(world.delete(), Err(Refusal::GroupNotEmpty));
    assert_eq!(world.leave(&member.member, None), Ok(()));
    assert_eq!(world.delete(), Ok(()));
    assert_eq!(fetch(&mut world, None), []);
    assert_eq!(world.state(), GroupState::Dead);
    world.assert_nothing_left();
}

#[test]
fn a_group_that_only_gave_out_an_id_is_deleted() {
    let mut world = World::new(at_once());
    let key = world.join(JoinGroup { id_first: true, ..new_member("c0") });
    assert!(matches!(world.joined(key), Err(Refusal::MemberIdRequired { .. })));
    assert_eq!(world.delete(), Ok(()));
    assert_eq!(world.state(), GroupState::Dead);
    assert_eq!(world.delete(), Err(Refusal::UnknownGroup));
    world.assert_nothing_left();
}

/// Members' metadata here is the name of the one topic they read, but for `?`, which says nothing.
fn topics_of(metadata: &Bytes) -> Option<Vec<String>> {
    let text = String::from_utf8(metadata.to_vec()).unwrap();
    (text != "?").then(|| vec![text])
}

/// Takes cursors away: of each the topic's name and the partition's number.
fn forget(world: &mut World, cursors: &[(&str, u32)]) -> Result<Vec<Result<(), Refusal>>, Refusal> {
    let cursor = |(topic, number): &(&str, u32)| ForgetOffset {
        topic: (*topic).into(),
        partition: partition(*number),
    };
    let cursors = cursors.iter().map(cursor).collect();
    let forget = ForgetOffsets { group: group(), cursors, kind: "consumer", topics_of };
    let key = world.ask(GroupRequest::ForgetOffsets(forget));
    match world.answer(key) {
        Some(GroupReply::ForgetOffsets(result)) => result.clone(),
        other => panic!("no answer to forgetting offsets: {other:?}"),
    }
}

/// A member that reads this topic.
fn reader(topic: &str) -> JoinGroup {
    let metadata = Bytes::copy_from_slice(topic.as_bytes());
    let strategies = vec![Strategy { name: "range".into(), metadata }];
    JoinGroup { strategies, ..new_member("c") }
}

#[test]
fn cursors_of_an_empty_group_are_taken_away_one_by_one() {
    let mut world = World::new(at_once());
    assert_eq!(forget(&mut world, &[("orders", 0)]), Err(Refusal::UnknownGroup));
    let key = world.commit(-1, "", 42);
    assert_eq!(world.committed(key), Ok(()));
    let by_name = ForgetOffset {
        topic: "gone".into(),
        partition: PartitionRef { topic: TopicRef::Name(TopicName::parse("gone").unwrap()), number: 0 },
    };
    let cursors = vec![
        by_name,
        ForgetOffset { topic: "orders".into(), partition: partition(3) },
        ForgetOffset { topic: "orders".into(), partition: partition(0) },
    ];
    world.holds = true;
    let request = ForgetOffsets { group: group(), cursors, kind: "consumer", topics_of };
    let key = world.ask(GroupRequest::ForgetOffsets(request.clone()));
    assert!(world.is_waiting(key), "it goes through the log");
    assert_eq!(fetch(&mut world, Some(vec![partition(0)])), [Ok(Some(42))]);
    world.apply_all();
    let Some(GroupReply::ForgetOffsets(Ok(answers))) = world.answer(key) else { panic!("no answer") };
    // One that was never there is gone as well.
    assert_eq!(*answers, [Err(Refusal::UnknownTopic), Ok(()), Ok(())]);
    assert_eq!(fetch(&mut world, None), []);
    // It had nothing but its cursor.
    assert_eq!(world.state(), GroupState::Dead);
    let key = world.commit(-1, "", 42);
    world.apply_all();
    assert_eq!(world.committed(key), Ok(()));
    let key = world.ask(GroupRequest::ForgetOffsets(request));
    world.fail_all(Refusal::Unknown);
    assert!(matches!(world.answer(key), Some(GroupReply::ForgetOffsets(Err(Refusal::Unknown)))));
}

#[test]
fn cursors_of_what_members_read_stay() {
    let mut world = World::new(at_once());
    let key = world.join(reader("orders"));
    let joined = world.joined(key).unwrap();
    world.lead(&joined);
    let key = world.commit(joined.generation, &joined.member, 42);
    assert_eq!(world.committed(key), Ok(()));
    let answers = forget(&mut world, &[("orders", 0), ("payments", 1)]);
    assert_eq!(answers, Ok(vec![Err(Refusal::TopicIsRead), Ok(())]));
    assert_eq!(fetch(&mut world, None), [Ok(Some(42))]);
    // Another leader knows it too.
    world.change_leader(at_once());
    assert_eq!(forget(&mut world, &[("orders", 0)]), Ok(vec![Err(Refusal::TopicIsRead)]));
    assert_eq!(forget(&mut world, &[("payments", 0)]), Ok(vec![Ok(())]));
    assert_eq!(fetch(&mut world, None), []);
    // Nobody is left who reads it.
    assert_eq!(world.leave(&joined.member, None), Ok(()));
    assert_eq!(forget(&mut world, &[("orders", 0)]), Ok(vec![Ok(())]));
}

#[test]
fn where_nobody_can_tell_what_members_read_all_cursors_stay() {
    let mut world = World::new(at_once());
    let key = world.join(reader("?"));
    let joined = world.joined(key).unwrap();
    world.lead(&joined);
    assert_eq!(forget(&mut world, &[("orders", 0)]), Ok(vec![Err(Refusal::TopicIsRead)]));
    assert_eq!(world.leave(&joined.member, None), Ok(()));
    // Nobody has agreed on anything yet.
    let mut world = World::new(CoordinatorSettings::default());
    let key = world.join(reader("payments"));
    assert!(world.is_waiting(key));
    assert_eq!(forget(&mut world, &[("orders", 0)]), Ok(vec![Err(Refusal::TopicIsRead)]));
    // Another kind of group says nothing that could be understood.
    let mut world = World::new(at_once());
    let key = world.join(JoinGroup { kind: "connect".into(), ..new_member("c") });
    let joined = world.joined(key).unwrap();
    world.lead(&joined);
    assert_eq!(forget(&mut world, &[("orders", 0)]), Err(Refusal::GroupNotEmpty));
    assert_eq!(world.leave(&joined.member, None), Ok(()));
    assert_eq!(forget(&mut world, &[("orders", 0)]), Ok(vec![Ok(())]));
}
