//! Cursors.

use forebay_model::group::{
    CommitOffset, CommitOffsets, FetchOffsets, GroupReply, GroupRequest, GroupState, JoinGroup,
};
use forebay_model::{LeaderEpoch, Offset, PartitionRef, Refusal, TopicName, TopicRef};

use super::world::*;

fn fetch(world: &mut World, partitions: Option<Vec<PartitionRef>>) -> Vec<Result<Option<u64>, Refusal>> {
    let key =
        world.ask(GroupRequest::FetchOffsets(FetchOffsets { group: group(), partitions, stable: false }));
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
