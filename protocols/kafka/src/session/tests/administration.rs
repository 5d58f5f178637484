//! DeleteRecords, OffsetDelete, DescribeProducers, DescribeLogDirs, ElectLeaders, reassignments, ListConfigResources.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::consumer_protocol::Subscription;
use crate::wire::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use crate::wire::messages::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use crate::wire::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::wire::messages::describe_log_dirs::DescribableLogDirTopic;
use crate::wire::messages::describe_producers::TopicRequest;
use crate::wire::messages::elect_leaders::TopicPartitions;
use crate::wire::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::wire::messages::{
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, DeleteRecordsRequest,
    DescribeLogDirsRequest, DescribeProducersRequest, ElectLeadersRequest, ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest, OffsetDeleteRequest,
};
use forebay_kit::model::admin::{DescribedTopic, TopicSelection};
use forebay_kit::model::group::{GroupReply, GroupRequest};
use forebay_kit::model::partition::{
    DescribedPartition, PartitionSelection, PartitionState, ProducerView, StorageView, TrimTo,
};
use forebay_kit::model::subscription::{SubscriptionReply, SubscriptionRequest, SubscriptionSettings};
use forebay_kit::model::{
    BatchSequence, GroupId, LeaderEpoch, PartitionId, PartitionView, ProducerEpoch, ProducerId, Refusal,
    ShardId, Timestamp, TopicId, TopicSettings, TopicView,
};

#[test]
fn records_before_an_offset_are_deleted_partition_by_partition() {
    let partition = |partition_index, offset| DeleteRecordsPartition { partition_index, offset };
    let topic = |name: &str, partitions| DeleteRecordsTopic { name: name.into(), partitions };
    let request = DeleteRecordsRequest {
        topics: vec![
            topic("t", vec![partition(0, 7), partition(1, -1), partition(2, -2), partition(-1, 0)]),
            topic("no/topic", vec![partition(0, 0)]),
            topic("u", vec![partition(5, 9), partition(6, 9), partition(7, 9)]),
        ],
        timeout_ms: 1234,
    };
    for version in 0..3 {
        let response = Pair::new().exchange(version, &request, |call| {
            let Request::TrimPartitions(trim) = call else { panic!("a trim") };
            assert_eq!(trim.timeout_ms, 1234);
            let asked: Vec<_> = trim.items.iter().map(|item| (item.partition.clone(), item.to)).collect();
            let nine = TrimTo::Offset(Offset(9));
            let expected = [
                (place("t", 0), TrimTo::Offset(Offset(7))),
                (place("t", 1), TrimTo::End),
                (place("u", 5), nine),
                (place("u", 6), nine),
                (place("u", 7), nine),
            ];
            assert_eq!(asked, expected);
            let outside = Refusal::OffsetOutOfRange { start: Offset(0), end: Offset(3) };
            Reply::TrimPartitions(vec![
                Ok(Offset(8)),
                Ok(Offset(100)),
                Err(outside),
                Err(Refusal::UnknownPartition),
                Err(Refusal::TimedOut),
            ])
        });
        let told: Vec<_> = response
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| (partition.partition_index, partition.low_watermark, partition.error_code))
            .collect();
        let expected = [
            (0, 8, ErrorCode::None),
            (1, 100, ErrorCode::None),
            (2, -1, ErrorCode::OffsetOutOfRange),
            (-1, -1, ErrorCode::UnknownTopicOrPartition),
            (0, -1, ErrorCode::UnknownTopicOrPartition),
            (5, -1, ErrorCode::OffsetOutOfRange),
            (6, -1, ErrorCode::UnknownTopicOrPartition),
            (7, -1, ErrorCode::RequestTimedOut),
        ];
        assert_eq!(told, expected, "version {version}");
    }
}

fn forget(group: &str, topics: &[(&str, &[i32])]) -> OffsetDeleteRequest {
    let partition = |index: &i32| OffsetDeleteRequestPartition { partition_index: *index };
    let topic = |(name, partitions): &(&str, &[i32])| OffsetDeleteRequestTopic {
        name: (*name).into(),
        partitions: partitions.iter().map(partition).collect(),
    };
    OffsetDeleteRequest { group_id: group.into(), topics: topics.iter().map(topic).collect() }
}

#[test]
fn offsets_of_a_group_are_forgotten_but_for_topics_that_its_consumers_read() {
    let request = forget("g", &[("t", &[0, -1]), ("no/topic", &[0]), ("u", &[3, 4])]);
    let response = Pair::new().exchange(0, &request, |call| {
        let Request::Group(GroupRequest::ForgetOffsets(forget)) = call else { panic!("offsets to forget") };
        assert_eq!((&*forget.group.0, forget.kind), ("g", "consumer"));
        let asked: Vec<_> =
            forget.cursors.iter().map(|cursor| (cursor.topic.as_str(), cursor.partition.clone())).collect();
        assert_eq!(asked, [("t", place("t", 0)), ("u", place("u", 3)), ("u", place("u", 4))]);
        // How the broker learns what members read.
        let subscription = Subscription { topics: vec!["t".into(), "x".into()], ..Default::default() };
        let metadata = subscription.to_bytes(3).unwrap();
        assert_eq!((forget.topics_of)(&metadata), Some(vec!["t".to_owned(), "x".to_owned()]));
        assert_eq!((forget.topics_of)(&Bytes::from_static(b"\0")), None);
        let forgotten = vec![Err(Refusal::TopicIsRead), Ok(()), Err(Refusal::UnknownPartition)];
        Reply::Group(GroupReply::ForgetOffsets(Ok(forgotten)))
    });
    let told: Vec<_> = response
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|partition| (partition.partition_index, partition.error_code))
        .collect();
    let expected = [
        (0, ErrorCode::GroupSubscribedToTopic),
        (-1, ErrorCode::UnknownTopicOrPartition),
        (0, ErrorCode::UnknownTopicOrPartition),
        (3, ErrorCode::None),
        (4, ErrorCode::UnknownTopicOrPartition),
    ];
    assert_eq!((response.error_code, told), (ErrorCode::None, expected.to_vec()));
}

#[test]
fn a_group_that_forgets_nothing_says_why() {
    let request = forget("g", &[("t", &[0])]);
    let cases = [
        (Refusal::UnknownGroup, ErrorCode::GroupIdNotFound),
        (Refusal::GroupNotEmpty, ErrorCode::NonEmptyGroup),
        (Refusal::Loading, ErrorCode::CoordinatorLoadInProgress),
    ];
    for (refusal, code) in cases {
        let response = Pair::new()
            .exchange(0, &request, |_| Reply::Group(GroupReply::ForgetOffsets(Err(refusal.clone()))));
        assert_eq!((response.error_code, response.topics.len()), (code, 0));
    }
    assert_eq!(Pair::new().answer(0, &forget("", &[("t", &[0])])).error_code, ErrorCode::InvalidGroupId);
}

fn state(bytes: u64, producers: Vec<ProducerView>) -> PartitionState {
    PartitionState { start: Offset(1), end: Offset(2), bytes, producers }
}

fn storage() -> StorageView {
    StorageView { directory: "/var/lib/forebay".into(), total_bytes: Some(1000), free_bytes: Some(400) }
}

#[test]
fn producers_are_told_with_what_is_known_of_them() {
    let request = DescribeProducersRequest {
        topics: vec![TopicRequest { name: "t".into(), partition_indexes: vec![0, -3, 1] }],
    };
    let response = Pair::new().exchange(0, &request, |call| {
        let Request::DescribePartitions(describe) = call else { panic!("a description") };
        assert!(describe.producers);
        assert_eq!(describe.partitions, PartitionSelection::These(vec![place("t", 0), place("t", 1)]));
        let producer = ProducerView {
            id: ProducerId(9),
            epoch: ProducerEpoch(2),
            last_sequence: BatchSequence(41),
            seen_at: Timestamp(777),
            open_from: None,
        };
        let open = ProducerView { id: ProducerId(10), open_from: Some(Offset(40)), ..producer };
        let found = |number, state| DescribedPartition { partition: place("t", number), state };
        let described =
            vec![found(0, Ok(state(5, vec![producer, open]))), found(1, Err(Refusal::UnknownPartition))];
        Reply::DescribePartitions(described, storage())
    });
    let partitions = &response.topics[0].partitions;
    let codes: Vec<_> = partitions.iter().map(|partition| partition.error_code).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes, [ErrorCode::None, unknown, unknown]);
    let [producer, open] = &partitions[0].active_producers[..] else { panic!("two") };
    assert_eq!((open.producer_id, open.current_txn_start_offset), (10, 40));
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (9, 2, 41));
    assert_eq!(producer.last_timestamp, 777);
    assert_eq!((producer.coordinator_epoch, producer.current_txn_start_offset), (-1, -1));
}

#[test]
fn the_log_is_in_one_directory_with_the_bytes_of_each_partition() {
    for version in 1..6 {
        let response = Pair::new().exchange(version, &DescribeLogDirsRequest { topics: None }, |call| {
            let Request::DescribePartitions(describe) = call else { panic!("a description") };
            assert!(!describe.producers && describe.partitions == PartitionSelection::All);
            let found =
                |topic: &str, number, state| DescribedPartition { partition: place(topic, number), state };
            let described = vec![
                found("a", 0, Ok(state(10, Vec::new()))),
                found("a", 1, Err(Refusal::Loading)),
                found("a", 2, Ok(state(12, Vec::new()))),
                found("b", 0, Ok(state(u64::MAX, Vec::new()))),
            ];
            Reply::DescribePartitions(described, storage())
        });
        let [directory] = &response.results[..] else { panic!("one directory") };
        assert_eq!((directory.error_code, directory.log_dir.as_str()), (ErrorCode::None, "/var/lib/forebay"));
        let volume = if version >= 4 { (1000, 400) } else { (-1, -1) };
        assert_eq!((directory.total_bytes, directory.usable_bytes), volume);
        let sizes: Vec<_> = directory
            .topics
            .iter()
            .flat_map(|topic| {
                topic.partitions.iter().map(|p| (topic.name.as_str(), p.partition_index, p.partition_size))
            })
            .collect();
        assert_eq!(sizes, [("a", 0, 10), ("a", 2, 12), ("b", 0, i64::MAX)]);
        let all = directory.topics.iter().flat_map(|topic| &topic.partitions);
        assert!(all.clone().all(|partition| partition.offset_lag == 0 && !partition.is_future_key));
    }
    let topic = |topic: &str, partitions: &[i32]| DescribableLogDirTopic {
        topic: topic.into(),
        partitions: partitions.to_vec(),
    };
    let request =
        DescribeLogDirsRequest { topics: Some(vec![topic("a", &[0, -1]), topic("no/topic", &[0])]) };
    let response = Pair::new().exchange(4, &request, |call| {
        let Request::DescribePartitions(describe) = call else { panic!("a description") };
        assert_eq!(describe.partitions, PartitionSelection::These(vec![place("a", 0)]));
        let described =
            vec![DescribedPartition { partition: place("a", 0), state: Err(Refusal::UnknownTopic) }];
        Reply::DescribePartitions(described, StorageView::default())
    });
    assert!(response.results[0].topics.is_empty());
    assert_eq!((response.results[0].total_bytes, response.results[0].usable_bytes), (-1, -1));
}

#[test]
fn partitions_are_where_they_are_and_go_nowhere_else() {
    let topic = |topic: &str, partitions: &[i32]| AlterReplicaLogDirTopic {
        name: topic.into(),
        partitions: partitions.to_vec(),
    };
    let dir = |path: &str, topics| AlterReplicaLogDir { path: path.into(), topics };
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![
            dir("/data", vec![topic("a", &[0, 7, -1]), topic("no/topic", &[0])]),
            dir("/elsewhere", vec![topic("a", &[1])]),
        ],
    };
    for version in 1..=2 {
        let response = Pair::new().exchange(version, &request, |call| {
            let Request::DescribePartitions(describe) = call else { panic!("a description") };
            let places = vec![place("a", 0), place("a", 7), place("a", 1)];
            assert_eq!(describe.partitions, PartitionSelection::These(places));
            // Somebody else leads the first.
            let described = [(0, Refusal::Busy), (7, Refusal::UnknownPartition), (1, Refusal::Busy)]
                .map(|(number, why)| DescribedPartition { partition: place("a", number), state: Err(why) });
            let storage = StorageView { directory: "/data".into(), ..StorageView::default() };
            Reply::DescribePartitions(described.into(), storage)
        });
        let said: Vec<_> = response
            .results
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_name.as_str(), p.error_code)))
            .collect();
        let expected = [
            ("a", ErrorCode::None),
            ("a", ErrorCode::UnknownTopicOrPartition),
            ("a", ErrorCode::UnknownTopicOrPartition),
            ("no/topic", ErrorCode::UnknownTopicOrPartition),
            ("a", ErrorCode::LogDirNotFound),
        ];
        assert_eq!(said, expected);
    }
}

/// A topic whose partitions have these leaders.
fn led(topic: &str, leaders: &[Option<u64>]) -> DescribedTopic {
    let partition = |leader: &Option<u64>| PartitionView {
        id: PartitionId(5),
        shard: ShardId(0),
        leader: leader.map(NodeId),
        leader_epoch: LeaderEpoch(1),
        replicas: vec![NodeId(1), NodeId(2)],
    };
    let view = TopicView {
        name: name(topic),
        id: TopicId([8; 16]),
        settings: TopicSettings::default(),
        partitions: leaders.iter().map(partition).collect(),
    };
    DescribedTopic { asked: TopicRef::Name(name(topic)), topic: Ok(view), operations: Operations::ALL }
}

fn unknown(topic: &str) -> DescribedTopic {
    DescribedTopic {
        asked: TopicRef::Name(name(topic)),
        topic: Err(Refusal::UnknownTopic),
        operations: Operations::ALL,
    }
}

#[test]
fn no_leader_has_to_be_elected_where_there_is_one() {
    let topic = |topic: &str, partitions: &[i32]| TopicPartitions {
        topic: topic.into(),
        partitions: partitions.to_vec(),
    };
    let topics = vec![topic("t", &[0, 1, 2]), topic("gone", &[0]), topic("no/topic", &[0])];
    let without = [ErrorCode::PreferredLeaderNotAvailable, ErrorCode::EligibleLeadersNotAvailable];
    for (version, election_type) in [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1)] {
        let topic_partitions = Some(topics.clone());
        let request = ElectLeadersRequest { election_type, topic_partitions, ..Default::default() };
        let response = Pair::new().exchange(version, &request, |call| {
            let Request::DescribeTopics(describe) = call else { panic!("a description") };
            let asked = vec![TopicRef::Name(name("t")), TopicRef::Name(name("gone"))];
            assert_eq!(describe.topics, TopicSelection::These(asked));
            Reply::DescribeTopics(cluster(), vec![led("t", &[Some(1), None]), unknown("gone")])
        });
        let told: Vec<_> = response
            .replica_election_results
            .iter()
            .flat_map(|topic| {
                topic.partition_result.iter().map(|p| (topic.topic.as_str(), p.partition_id, p.error_code))
            })
            .collect();
        let missing = ErrorCode::UnknownTopicOrPartition;
        let expected = [
            ("t", 0, ErrorCode::ElectionNotNeeded),
            ("t", 1, without[election_type as usize]),
            ("t", 2, missing),
            ("gone", 0, missing),
            ("no/topic", 0, missing),
        ];
        assert_eq!(told, expected);
    }
    // Of all topics only those are told that need an election.
    let all = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
    let response = Pair::new().exchange(2, &all, |call| {
        let Request::DescribeTopics(describe) = call else { panic!("a description") };
        assert_eq!(describe.topics, TopicSelection::All);
        Reply::DescribeTopics(cluster(), vec![led("a", &[Some(1)]), led("b", &[Some(1), None])])
    });
    let [b] = &response.replica_election_results[..] else { panic!("one topic") };
    let [partition] = &b.partition_result[..] else { panic!("one partition") };
    assert_eq!((b.topic.as_str(), partition.partition_id), ("b", 1));
    let strange = ElectLeadersRequest { election_type: 2, ..Default::default() };
    assert_eq!(Pair::new().answer(2, &strange).error_code, ErrorCode::InvalidRequest);
}

#[test]
fn partitions_stay_where_they_are() {
    let partition = |partition_index, replicas: Option<&[i32]>| ReassignablePartition {
        partition_index,
        replicas: replicas.map(<[i32]>::to_vec),
    };
    let partitions = vec![
        partition(0, Some(&[1, 2])),
        partition(0, Some(&[2, 1])),
        partition(0, Some(&[1])),
        partition(0, Some(&[1, 2, 3])),
        partition(0, Some(&[1, 1, 2])),
        partition(0, Some(&[])),
        partition(0, None),
        partition(1, Some(&[1, 2])),
    ];
    let gone = vec![partition(0, None)];
    let topic = |name: &str, partitions| ReassignableTopic { name: name.into(), partitions };
    for version in 0..2 {
        let topics = vec![topic("t", partitions.clone()), topic("gone", gone.clone())];
        let request = AlterPartitionReassignmentsRequest {
            topics,
            allow_replication_factor_change: version == 0,
            ..Default::default()
        };
        let response = Pair::new().exchange(version, &request, |call| {
            assert!(matches!(call, Request::DescribeTopics(_)));
            Reply::DescribeTopics(cluster(), vec![led("t", &[Some(1)]), unknown("gone")])
        });
        let codes: Vec<_> =
            response.responses.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_code).collect();
        let invalid = ErrorCode::InvalidReplicaAssignment;
        let missing = ErrorCode::UnknownTopicOrPartition;
        let none = ErrorCode::None;
        let nothing = ErrorCode::NoReassignmentInProgress;
        assert_eq!(codes, [none, none, invalid, invalid, invalid, invalid, nothing, missing, missing]);
        assert_eq!(response.allow_replication_factor_change, version == 0);
        assert_eq!(response.error_code, ErrorCode::None);
    }
    let response = Pair::new().answer(0, &ListPartitionReassignmentsRequest::default());
    assert_eq!((response.error_code, response.topics.len()), (ErrorCode::None, 0));
}

/// The resources of these kinds, as kind and name.
fn listed(kinds: &[i8], wants_topics: bool) -> Vec<(i8, String)> {
    let request = ListConfigResourcesRequest { resource_types: kinds.to_vec() };
    let mut pair = Pair::new();
    pair.ask(1, &request);
    let (token, call) = pair.call();
    let Request::DescribeTopics(describe) = call else { panic!("a description") };
    assert_eq!(describe.topics == TopicSelection::All, wants_topics);
    let topics = if wants_topics { vec![led("t", &[Some(1)])] } else { Vec::new() };
    pair.reply(token, Reply::DescribeTopics(cluster(), topics));
    if kinds.is_empty() || kinds.contains(&32) {
        let (token, call) = pair.call();
        assert!(matches!(call, Request::Subscription(SubscriptionRequest::Settings(None))));
        let settings = vec![(GroupId("g".into()), SubscriptionSettings::default())];
        pair.reply(token, Reply::Subscription(SubscriptionReply::Settings(settings)));
    }
    let response: crate::wire::messages::ListConfigResourcesResponse = pair.response_to(1, 1);
    assert_eq!(response.error_code, ErrorCode::None);
    let resource = |resource: &crate::wire::messages::list_config_resources::ConfigResource| {
        (resource.resource_type, resource.resource_name.as_str().to_owned())
    };
    response.config_resources.iter().map(resource).collect()
}

#[test]
fn topics_nodes_and_groups_are_what_has_settings() {
    let (topic, node, group) = ((2, "t".to_owned()), (4, "1".to_owned()), (32, "g".to_owned()));
    assert_eq!(listed(&[], true), [topic.clone(), node.clone(), group.clone()]);
    assert_eq!(listed(&[2], true), [topic]);
    assert_eq!(listed(&[4], false), [node]);
    assert_eq!(listed(&[8, 16], false), []);
    assert_eq!(listed(&[32], false), [group]);
    let strange = ListConfigResourcesRequest { resource_types: vec![2, 3] };
    assert_eq!(Pair::new().answer(1, &strange).error_code, ErrorCode::UnsupportedVersion);
    // In its first version it asks for metrics of clients alone.
    let response = Pair::new().answer(0, &ListConfigResourcesRequest::default());
    assert_eq!((response.error_code, response.config_resources.len()), (ErrorCode::None, 0));
}
