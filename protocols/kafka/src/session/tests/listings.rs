//! Metadata, DescribeCluster, DescribeTopicPartitions, ListOffsets, OffsetForLeaderEpoch.

use super::*;
use crate::wire::messages::describe_topic_partitions::{Cursor as PageCursor, TopicRequest};
use crate::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::metadata::MetadataRequestTopic;
use crate::wire::messages::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use crate::wire::messages::{
    DescribeClusterRequest, DescribeTopicPartitionsRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest,
};
use crate::wire::{ErrorCode, Uuid};
use forebay_kit::model::admin::{DescribeTopics, DescribedTopic, TopicSelection};
use forebay_kit::model::fetch::{EpochEnd, Isolation, OffsetAt, OffsetTarget};
use forebay_kit::model::{
    LeaderEpoch, PartitionId, PartitionView, Refusal, ShardId, Timestamp, TopicId, TopicSettings, TopicView,
};

fn describe_of(request: Request) -> DescribeTopics {
    match request {
        Request::DescribeTopics(describe) => describe,
        other => panic!("not a description: {other:?}"),
    }
}

fn view(topic: &str, leaders: &[Option<u64>]) -> TopicView {
    let partition = |leader: &Option<u64>| PartitionView {
        id: PartitionId(5),
        shard: ShardId(0),
        leader: leader.map(NodeId),
        leader_epoch: LeaderEpoch(6),
        replicas: vec![NodeId(1)],
    };
    TopicView {
        name: name(topic),
        id: TopicId([4; 16]),
        settings: TopicSettings::default(),
        partitions: leaders.iter().map(partition).collect(),
    }
}

fn found(topic: &str, leaders: &[Option<u64>]) -> DescribedTopic {
    DescribedTopic {
        asked: TopicRef::Name(name(topic)),
        topic: Ok(view(topic, leaders)),
        operations: Operations::ALL,
    }
}

fn missing(topic: &str, refusal: Refusal) -> DescribedTopic {
    DescribedTopic { asked: TopicRef::Name(name(topic)), topic: Err(refusal), operations: Operations::ALL }
}

fn of_topics(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
    MetadataRequest { topics: Some(names.iter().map(topic).collect()), ..Default::default() }
}

#[test]
fn metadata_names_the_nodes_the_topics_and_their_leaders() {
    let mut pair = Pair::new();
    let response = pair.exchange(12, &of_topics(&["a", "bad/name", "a", "gone"]), |call| {
        let describe = describe_of(call);
        assert!(describe.create);
        let asked = vec![TopicRef::Name(name("a")), TopicRef::Name(name("gone"))];
        assert_eq!(describe.topics, TopicSelection::These(asked), "each once, and only what can exist");
        let topics = vec![found("a", &[Some(1), None, Some(9)]), missing("gone", Refusal::UnknownTopic)];
        Reply::DescribeTopics(cluster(), topics)
    });
    assert_eq!((response.cluster_id.unwrap().as_str(), response.controller_id), ("the-cluster", 1));
    assert_eq!((response.brokers[0].node_id, response.brokers[0].port), (1, 9092));
    let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [ErrorCode::InvalidTopic, ErrorCode::None, ErrorCode::UnknownTopicOrPartition]);
    let topic = &response.topics[1];
    assert_eq!((topic.topic_id, topic.topic_authorized_operations), (Uuid([4; 16]), i32::MIN));
    let led: Vec<_> =
        topic.partitions.iter().map(|p| (p.partition_index, p.leader_id, p.error_code)).collect();
    let unled = ErrorCode::LeaderNotAvailable;
    assert_eq!(led, [(0, 1, ErrorCode::None), (1, -1, unled), (2, -1, unled)], "node 9 cannot be reached");
    assert_eq!(topic.partitions[0].leader_epoch, 6);
    assert_eq!((&topic.partitions[0].replica_nodes, &topic.partitions[0].isr_nodes), (&vec![1], &vec![1]));
}

#[test]
fn metadata_of_all_topics_is_asked_for_in_two_ways_and_of_none_in_one() {
    let selection = |version, topics| {
        let request = MetadataRequest { topics, ..Default::default() };
        let mut selection = None;
        Pair::new().exchange(version, &request, |call| {
            selection = Some(describe_of(call).topics);
            Reply::DescribeTopics(cluster(), Vec::new())
        });
        selection.unwrap()
    };
    assert_eq!(selection(0, Some(Vec::new())), TopicSelection::All);
    assert_eq!(selection(1, None), TopicSelection::All);
    assert_eq!(selection(1, Some(Vec::new())), TopicSelection::These(Vec::new()));
}

#[test]
fn metadata_asks_for_creation_only_if_its_client_allows_it() {
    let request = MetadataRequest { allow_auto_topic_creation: false, ..of_topics(&["new"]) };
    Pair::new().exchange(4, &request, |call| {
        assert!(!describe_of(call).create);
        Reply::DescribeTopics(cluster(), vec![missing("new", Refusal::UnknownTopic)])
    });
}

#[test]
fn metadata_by_id_needs_the_version_that_can_answer_it() {
    let by_id = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id: Uuid([4; 16]), name: None }]),
        ..Default::default()
    };
    let asked = TopicRef::Id(TopicId([4; 16]));
    let response = Pair::new().exchange(12, &by_id, |call| {
        assert_eq!(describe_of(call).topics, TopicSelection::These(vec![asked.clone()]));
        Reply::DescribeTopics(
            cluster(),
            vec![DescribedTopic { asked, topic: Err(Refusal::UnknownTopicId), operations: Operations::ALL }],
        )
    });
    let topic = &response.topics[0];
    assert_eq!((topic.error_code, topic.topic_id), (ErrorCode::UnknownTopicId, Uuid([4; 16])));
    assert_eq!(topic.name, None);
    let response = Pair::new().exchange(10, &by_id, |_| Reply::DescribeTopics(cluster(), Vec::new()));
    assert_eq!(response.topics[0].error_code, ErrorCode::InvalidRequest);
}

#[test]
fn operations_are_listed_for_those_who_ask() {
    let request = MetadataRequest {
        include_cluster_authorized_operations: true,
        include_topic_authorized_operations: true,
        ..of_topics(&["a"])
    };
    let response =
        Pair::new().exchange(8, &request, |_| Reply::DescribeTopics(cluster(), vec![found("a", &[Some(1)])]));
    assert_eq!(response.topics[0].topic_authorized_operations, 0b1101_1111_1000);
    assert_eq!(response.cluster_authorized_operations, 0b1_1111_1010_0000);
}

#[test]
fn a_cluster_is_described_without_topics() {
    let response = Pair::new().exchange(2, &DescribeClusterRequest::default(), |call| {
        assert_eq!(describe_of(call).topics, TopicSelection::These(Vec::new()));
        Reply::DescribeTopics(cluster(), Vec::new())
    });
    assert_eq!((response.cluster_id.as_str(), response.controller_id), ("the-cluster", 1));
    assert_eq!(response.brokers[0].host, "broker.example");
    assert_eq!(response.cluster_authorized_operations, i32::MIN);
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
    assert_eq!(Pair::new().answer(1, &controllers).error_code, ErrorCode::MismatchedEndpointType);
}

#[test]
fn topics_are_described_page_by_page() {
    let described =
        || vec![found("b", &[Some(1); 3]), missing("c", Refusal::UnknownTopic), found("a", &[Some(1); 2])];
    let mut cursor = None;
    let mut pages = Vec::new();
    loop {
        let topic = |name: &str| TopicRequest { name: name.into() };
        let request = DescribeTopicPartitionsRequest {
            topics: ["b", "c", "a", "b"].map(topic).to_vec(),
            response_partition_limit: 2,
            cursor: cursor.clone(),
        };
        let response = Pair::new().exchange(0, &request, |call| {
            let TopicSelection::These(asked) = describe_of(call).topics else { panic!("named topics") };
            let all = described();
            Reply::DescribeTopics(cluster(), all.into_iter().filter(|d| asked.contains(&d.asked)).collect())
        });
        for topic in &response.topics {
            let numbers: Vec<_> =
                topic.partitions.iter().map(|partition| partition.partition_index).collect();
            pages.push((topic.name.clone().unwrap().as_str().to_owned(), numbers, topic.error_code));
        }
        cursor = response.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected = [
        ("a", vec![0, 1], ErrorCode::None),
        ("b", vec![0, 1], ErrorCode::None),
        ("b", vec![2], ErrorCode::None),
        ("c", vec![], ErrorCode::UnknownTopicOrPartition),
    ];
    assert_eq!(pages, expected.map(|(name, numbers, code)| (name.to_owned(), numbers, code)));

    let strange = DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest { name: "a".into() }],
        cursor: Some(PageCursor { topic_name: "a".into(), partition_index: -1 }),
        ..Default::default()
    };
    assert_eq!(Pair::new().answer(0, &strange).topics[0].error_code, ErrorCode::InvalidRequest);
}

fn list(timestamps: &[i64]) -> ListOffsetsRequest {
    let partition = |(number, timestamp): (usize, &i64)| ListOffsetsPartition {
        partition_index: number as i32,
        timestamp: *timestamp,
        ..Default::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".into(),
            partitions: timestamps.iter().enumerate().map(partition).collect(),
        }],
        ..Default::default()
    }
}

#[test]
fn offsets_are_found_by_time_and_by_name() {
    let request = ListOffsetsRequest { isolation_level: 1, ..list(&[77, -1, -2, -3, -4, -5, -6, -7]) };
    let response = Pair::new().exchange(11, &request, |call| {
        let Request::FindOffsets(find) = call else { panic!("a look-up") };
        assert_eq!(find.isolation, Isolation::Committed);
        let targets: Vec<_> = find.items.iter().map(|item| item.target).collect();
        let expected = [
            OffsetTarget::AtOrAfter(Timestamp(77)),
            OffsetTarget::Latest,
            OffsetTarget::Earliest,
            OffsetTarget::MaxTimestamp,
            OffsetTarget::Earliest,
            // Nothing is tiered, but the partition has to be there.
            OffsetTarget::Earliest,
            OffsetTarget::Earliest,
        ];
        assert_eq!(targets, expected);
        let at = |offset, timestamp: Option<i64>| {
            let timestamp = timestamp.map(Timestamp);
            Ok(Some(OffsetAt { offset: Offset(offset), timestamp, leader_epoch: Some(LeaderEpoch(3)) }))
        };
        let refused = Err(Refusal::FencedLeaderEpoch);
        let gone = Err(Refusal::UnknownPartition);
        Reply::FindOffsets(vec![
            at(5, Some(80)),
            at(9, None),
            at(0, None),
            Ok(None),
            refused,
            at(0, None),
            gone,
        ])
    });
    let partitions = &response.topics[0].partitions;
    let answers: Vec<_> = partitions.iter().map(|p| (p.offset, p.timestamp, p.error_code)).collect();
    let expected = [
        (5, 80, ErrorCode::None),
        (9, -1, ErrorCode::None),
        (0, -1, ErrorCode::None),
        (-1, -1, ErrorCode::None),
        (-1, -1, ErrorCode::FencedLeaderEpoch),
        (-1, -1, ErrorCode::None),
        (-1, -1, ErrorCode::UnknownTopicOrPartition),
        (-1, -1, ErrorCode::UnsupportedVersion),
    ];
    assert_eq!(answers, expected);
    assert_eq!((partitions[0].leader_epoch, partitions[5].leader_epoch), (3, -1));
}

#[test]
fn a_partition_that_is_named_twice_is_refused_once_and_the_others_are_looked_up() {
    let mut request = list(&[77, -1, -2]);
    request.topics[0].partitions[2].partition_index = 0;
    request.topics.push(request.topics[0].clone());
    request.topics[1].partitions.remove(1);
    let response = Pair::new().exchange(11, &request, |call| {
        let Request::FindOffsets(find) = call else { panic!("a look-up") };
        assert_eq!(find.items.iter().map(|item| item.target).collect::<Vec<_>>(), [OffsetTarget::Latest]);
        Reply::FindOffsets(vec![Ok(Some(OffsetAt {
            offset: Offset(9),
            timestamp: None,
            leader_epoch: None,
        }))])
    });
    let answers = response.topics.iter().flat_map(|topic| &topic.partitions);
    let answers: Vec<_> = answers.map(|p| (p.partition_index, p.offset, p.error_code)).collect();
    assert_eq!(answers, [(0, -1, ErrorCode::InvalidRequest), (1, 9, ErrorCode::None)]);
}

#[test]
fn named_offsets_need_the_versions_that_brought_them() {
    for (timestamp, since) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
        let response = Pair::new().answer(since - 1, &list(&[timestamp]));
        assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::UnsupportedVersion, "{timestamp}");
    }
}

#[test]
fn the_end_of_an_epoch_is_found() {
    let partition = |number, leader_epoch| OffsetForLeaderPartition {
        partition: number,
        current_leader_epoch: 8,
        leader_epoch,
    };
    let request = OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: "t".into(),
            partitions: vec![partition(0, 5), partition(1, -1), partition(2, 6)],
        }],
    };
    let response = Pair::new().exchange(4, &request, |call| {
        let Request::FindEpochEnds(find) = call else { panic!("a look-up") };
        assert_eq!(find.items.len(), 2, "there is no epoch -1");
        assert_eq!(find.items[0].current_epoch, Some(LeaderEpoch(8)));
        let end = EpochEnd { epoch: LeaderEpoch(4), end: Offset(50) };
        Reply::FindEpochEnds(vec![Ok(Some(end)), Err(Refusal::UnknownLeaderEpoch)])
    });
    let ends: Vec<_> = response.topics[0]
        .partitions
        .iter()
        .map(|p| (p.partition, p.leader_epoch, p.end_offset, p.error_code))
        .collect();
    let expected = [
        (0, 4, 50, ErrorCode::None),
        (1, -1, -1, ErrorCode::None),
        (2, -1, -1, ErrorCode::UnknownLeaderEpoch),
    ];
    assert_eq!(ends, expected);
}
