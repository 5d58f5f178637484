//! What share groups ask, for the matrix: groups that share, and requests about them.

use forebay_kafka::wire::Uuid;
use forebay_kafka::wire::messages::*;

use crate::cases::{TOPIC, World};
use crate::client::Client;

/// A share group without members.
pub const SHARED: &str = "shared.eu";
/// A share group with one.
pub const SHARING: &str = "meeting.eu";

/// A member joins, again and again the same.
pub fn attend() -> ShareGroupHeartbeatRequest {
    ShareGroupHeartbeatRequest {
        group_id: SHARING.into(),
        member_id: "0123456789abcdefghijkl".into(),
        subscribed_topic_names: Some(vec![TOPIC.into()]),
        ..Default::default()
    }
}

/// A group with a member that somebody else put there.
pub fn describe(world: &mut World<'_>) -> String {
    let joined = format!("{:?}", root(world).ask(1, &attend()));
    assert!(joined.contains("NONE(0)"), "{joined}");
    let group_ids = vec![SHARING.into()];
    world.ask(1, ShareGroupDescribeRequest { group_ids, include_authorized_operations: true })
}

fn root(world: &World<'_>) -> Client {
    Client::new(&world.node.desk, 79, Some("root"))
}

fn topic_id(world: &World<'_>) -> Uuid {
    let topic = metadata::MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    root(world).ask(12, &request).topics[0].topic_id
}

fn fetch_of(topics: Vec<share_fetch::FetchTopic>) -> ShareFetchRequest {
    ShareFetchRequest {
        group_id: Some(SHARED.into()),
        member_id: Some("m".into()),
        max_bytes: 1_000,
        max_records: 1,
        topics,
        ..Default::default()
    }
}

/// A session begins with one partition.
pub fn fetch(world: &mut World<'_>) -> String {
    let partition = share_fetch::FetchPartition { partition_index: 0, ..Default::default() };
    let topic = share_fetch::FetchTopic { topic_id: topic_id(world), partitions: vec![partition] };
    world.ask(1, fetch_of(vec![topic]))
}

/// A session begins with nothing.
pub fn fetch_nothing(world: &mut World<'_>) -> String {
    world.ask(1, fetch_of(Vec::new()))
}

/// Of a record that nobody has.
pub fn acknowledge(world: &mut World<'_>) -> String {
    fetch_nothing(world);
    let batch = share_acknowledge::AcknowledgementBatch {
        first_offset: 0,
        last_offset: 0,
        acknowledge_types: vec![1],
    };
    let partition =
        share_acknowledge::AcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![batch] };
    let topic =
        share_acknowledge::AcknowledgeTopic { topic_id: topic_id(world), partitions: vec![partition] };
    world.ask(1, acknowledge_of(vec![topic]))
}

/// Of nothing.
pub fn acknowledge_nothing(world: &mut World<'_>) -> String {
    fetch_nothing(world);
    world.ask(1, acknowledge_of(Vec::new()))
}

fn acknowledge_of(topics: Vec<share_acknowledge::AcknowledgeTopic>) -> ShareAcknowledgeRequest {
    ShareAcknowledgeRequest {
        group_id: Some(SHARED.into()),
        member_id: Some("m".into()),
        share_session_epoch: 1,
        topics,
        ..Default::default()
    }
}

/// The group is told where to begin.
pub fn alter() -> AlterShareGroupOffsetsRequest {
    let partition = alter_share_group_offsets::AlterShareGroupOffsetsRequestPartition {
        partition_index: 0,
        start_offset: 0,
    };
    let topic = alter_share_group_offsets::AlterShareGroupOffsetsRequestTopic {
        topic_name: TOPIC.into(),
        partitions: vec![partition],
    };
    AlterShareGroupOffsetsRequest { group_id: SHARED.into(), topics: vec![topic] }
}

/// Where it is, in one partition or in all that it reads; somebody else told it where to begin.
pub fn offsets(world: &mut World<'_>, partitions: Option<Vec<i32>>) -> String {
    let altered = format!("{:?}", root(world).ask(0, &alter()));
    assert!(altered.contains("NONE(0)"), "{altered}");
    let topic = |partitions| describe_share_group_offsets::DescribeShareGroupOffsetsRequestTopic {
        topic_name: TOPIC.into(),
        partitions,
    };
    let group = describe_share_group_offsets::DescribeShareGroupOffsetsRequestGroup {
        group_id: SHARED.into(),
        topics: partitions.map(|partitions| vec![topic(partitions)]),
    };
    world.ask(0, DescribeShareGroupOffsetsRequest { groups: vec![group] })
}

/// One topic is forgotten.
pub fn delete() -> DeleteShareGroupOffsetsRequest {
    let topic = delete_share_group_offsets::DeleteShareGroupOffsetsRequestTopic { topic_name: TOPIC.into() };
    DeleteShareGroupOffsetsRequest { group_id: SHARED.into(), topics: vec![topic] }
}
