//! What goes on at which pace.

use std::time::Duration;

use forebay_model::fetch::Isolation;
use forebay_model::group::{CommitOffset, CommitOffsets, GroupReply, GroupRequest};
use forebay_model::{GroupId, Offset, PartitionRef, TopicId, TopicRef};
use forebay_shard::{Answer, FindOffsetWork, GuardState, Read, Work};

use crate::world::{World, batch, settings};

#[test]
fn reads_and_commits_go_on_while_payloads_wait_for_room_on_the_disk() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.guard.set(GuardState::Slow, 1, 1, None);
    // Larger than what the pace allows for seconds to come.
    world.publish(1, 1, batch(&[7; 30 << 20]));
    world.settle();
    let waiting = world.publish(2, 1, batch(b"waits"));
    let commit = world.ticket();
    let offset = CommitOffset {
        partition: PartitionRef { topic: TopicRef::Id(TopicId([1; 16])), number: 1 },
        offset: Offset(1),
        leader_epoch: None,
        metadata: "some bytes".into(),
    };
    let request = CommitOffsets {
        group: GroupId("group".into()),
        member: String::new(),
        instance: None,
        generation: -1,
        transaction: None,
        offsets: vec![offset],
    };
    world.post(3, 100, Work::Group(commit, GroupRequest::CommitOffsets(request)));
    let find = world.ticket();
    let item = FindOffsetWork {
        partition: forebay_model::PartitionId(1),
        target: forebay_model::fetch::OffsetTarget::Latest,
        leader_epoch: None,
    };
    world.read(Read::FindOffsets(find, vec![item], Isolation::Uncommitted));
    world.pass(Duration::from_millis(1));
    let Some(Answer::Group(GroupReply::CommitOffsets(committed))) = world.answer(commit) else {
        panic!("the commit waits for the disk");
    };
    assert!(committed[0].1.is_ok());
    assert!(world.answer(find).is_some());
    assert!(world.published(waiting).is_none());
}
