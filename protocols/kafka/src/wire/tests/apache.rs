//! Versions that the oracle does not have, against bytes that the client library of Apache Kafka 4.3.1 wrote. Every field has a
//! value of its own, so that two that changed places would show.

use std::fmt::Debug;

use bytes::Bytes;

use super::sample::{Sample, Shape, Source};
use crate::wire::cursor::Cursor;
use crate::wire::field::Wire;
use crate::wire::messages::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, ShareAcknowledgeRequest,
    ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse, StreamsGroupDescribeRequest,
    StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
    describe_share_group_offsets, offset_commit, offset_fetch, share_acknowledge, share_fetch,
    streams_group_describe, streams_group_heartbeat,
};
use crate::wire::writer::Writer;
use crate::wire::{ApiKey, ErrorCode, Str, Uuid};

/// A message as `api_version` writes it.
fn written(message: &impl Wire, api: ApiKey, api_version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, api.version(api_version).expect("in range")).expect("it fits its version");
    writer.finish().into_bytes()
}

fn agree<M: Wire + PartialEq + Debug>(api: ApiKey, api_version: i16, message: &M, apaches: &'static [u8]) {
    assert_eq!(written(message, api, api_version), apaches);
    let apaches = Bytes::from_static(apaches);
    let mut cursor = Cursor::new(&apaches);
    let read = M::decode(&mut cursor, api.version(api_version).expect("in range"));
    assert_eq!(read.as_ref(), Ok(message));
    assert_eq!(cursor.finish(), Ok(()));
}

#[test]
fn share_fetch_2() {
    let request = ShareFetchRequest {
        group_id: Some("g".into()),
        member_id: Some("m".into()),
        share_session_epoch: 3,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1_048_576,
        max_records: 500,
        batch_size: 100,
        share_acquire_mode: 1,
        is_renew_ack: true,
        topics: vec![share_fetch::FetchTopic {
            topic_id: Uuid([1; 16]),
            partitions: vec![share_fetch::FetchPartition {
                partition_index: 2,
                acknowledgement_batches: vec![share_fetch::AcknowledgementBatch {
                    first_offset: 7,
                    last_offset: 9,
                    acknowledge_types: vec![1, 2, 4],
                }],
            }],
        }],
        forgotten_topics_data: vec![share_fetch::ForgottenTopic {
            topic_id: Uuid([2; 16]),
            partitions: vec![4, 5],
        }],
    };
    let apaches = b"\x02g\x02m\0\0\0\x03\0\0\x01\xf4\0\0\0\x01\0\x10\0\0\0\0\x01\xf4\0\0\0d\x01\x01\x02\x01\
          \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02\0\0\0\x02\x02\0\0\0\0\0\0\
          \0\x07\0\0\0\0\0\0\0\x09\x04\x01\x02\x04\0\0\0\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\
          \x02\x02\x02\x02\x02\x02\x03\0\0\0\x04\0\0\0\x05\0\0";
    agree(ApiKey::ShareFetch, 2, &request, apaches);
}

#[test]
fn share_acknowledge_2() {
    let request = ShareAcknowledgeRequest {
        group_id: Some("g".into()),
        member_id: Some("m".into()),
        share_session_epoch: 4,
        is_renew_ack: true,
        topics: vec![share_acknowledge::AcknowledgeTopic {
            topic_id: Uuid([1; 16]),
            partitions: vec![share_acknowledge::AcknowledgePartition {
                partition_index: 2,
                acknowledgement_batches: vec![share_acknowledge::AcknowledgementBatch {
                    first_offset: 7,
                    last_offset: 9,
                    acknowledge_types: vec![4],
                }],
            }],
        }],
    };
    let apaches = b"\x02g\x02m\0\0\0\x04\x01\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
          \x01\x02\0\0\0\x02\x02\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09\x02\x04\0\0\0\0";
    agree(ApiKey::ShareAcknowledge, 2, &request, apaches);

    let response = ShareAcknowledgeResponse {
        throttle_time_ms: 1,
        acquisition_lock_timeout_ms: 30_000,
        responses: vec![share_acknowledge::ShareAcknowledgeTopicResponse {
            topic_id: Uuid([1; 16]),
            partitions: vec![share_acknowledge::PartitionData {
                partition_index: 2,
                error_code: ErrorCode::NotLeaderOrFollower,
                error_message: Some("moved".into()),
                current_leader: share_acknowledge::LeaderIdAndEpoch { leader_id: 5, leader_epoch: 6 },
            }],
        }],
        node_endpoints: vec![share_acknowledge::NodeEndpoint {
            node_id: 5,
            host: "h".into(),
            port: 9092,
            rack: None,
        }],
        ..Default::default()
    };
    let apaches =
        b"\0\0\0\x01\0\0\0\0\0u0\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
          \x02\0\0\0\x02\0\x06\x06moved\0\0\0\x05\0\0\0\x06\0\0\0\x02\0\0\0\x05\x02h\0\0#\x84\0\0\0";
    agree(ApiKey::ShareAcknowledge, 2, &response, apaches);
}

#[test]
fn describe_share_group_offsets_1() {
    use describe_share_group_offsets as module;
    let response = DescribeShareGroupOffsetsResponse {
        throttle_time_ms: 1,
        groups: vec![module::DescribeShareGroupOffsetsResponseGroup {
            group_id: "g".into(),
            topics: vec![module::DescribeShareGroupOffsetsResponseTopic {
                topic_name: "t".into(),
                topic_id: Uuid([1; 16]),
                partitions: vec![module::DescribeShareGroupOffsetsResponsePartition {
                    partition_index: 2,
                    start_offset: 70,
                    leader_epoch: 6,
                    lag: 11,
                    error_code: ErrorCode::UnknownTopicOrPartition,
                    error_message: Some("gone".into()),
                }],
            }],
            error_code: ErrorCode::GroupIdNotFound,
            error_message: None,
        }],
    };
    let apaches = b"\0\0\0\x01\x02\x02g\x02\x02t\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
          \x01\x02\0\0\0\x02\0\0\0\0\0\0\0F\0\0\0\x06\0\0\0\0\0\0\0\x0b\0\x03\x05gone\0\0\0E\0\0\0";
    agree(ApiKey::DescribeShareGroupOffsets, 1, &response, apaches);
}

#[test]
fn heartbeats_of_kafka_streams() {
    use streams_group_heartbeat::{
        CopartitionGroup, Endpoint, EndpointToPartitions, KeyValue, Status, Subtopology, TaskIds, TaskOffset,
        TopicInfo, TopicPartition, Topology,
    };
    let tags = || vec![KeyValue { key: "k".into(), value: "v".into() }];
    let topics = || {
        vec![TopicInfo { name: "log".into(), partitions: 6, replication_factor: 3, topic_configs: tags() }]
    };
    let tasks = |part: &str, partition| {
        Some(vec![TaskIds { subtopology_id: part.into(), partitions: vec![partition] }])
    };
    let offsets = |part: &str, partition, offset| {
        Some(vec![TaskOffset { subtopology_id: part.into(), partition, offset }])
    };
    let endpoint = || Endpoint { host: "h".into(), port: u16::MAX };

    let joins = StreamsGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: 1,
        endpoint_information_epoch: 2,
        instance_id: Some("i".into()),
        rack_id: Some("r".into()),
        rebalance_timeout_ms: 300_000,
        topology: Some(Topology {
            epoch: 5,
            subtopologies: vec![Subtopology {
                subtopology_id: "0".into(),
                source_topics: vec!["in".into()],
                source_topic_regex: vec!["in-.*".into()],
                state_changelog_topics: topics(),
                repartition_sink_topics: vec!["sink".into()],
                repartition_source_topics: topics(),
                copartition_groups: vec![CopartitionGroup {
                    source_topics: vec![1],
                    source_topic_regex: vec![2],
                    repartition_source_topics: vec![3, 4],
                }],
            }],
        }),
        active_tasks: tasks("a", 1),
        standby_tasks: tasks("s", 2),
        warmup_tasks: tasks("w", 3),
        process_id: Some("p".into()),
        user_endpoint: Some(endpoint()),
        client_tags: Some(tags()),
        task_offsets: offsets("o", 4, 5),
        task_end_offsets: offsets("e", 6, 7),
        shutdown_application: true,
    };
    let apaches = b"\x02g\x02m\0\0\0\x01\0\0\0\x02\x02i\x02r\0\x04\x93\xe0\x01\0\0\0\x05\x02\x020\x02\x03in\
          \x02\x06in-.*\x02\x04log\0\0\0\x06\0\x03\x02\x02k\x02v\0\0\x02\x05sink\x02\x04log\0\0\0\
          \x06\0\x03\x02\x02k\x02v\0\0\x02\x02\0\x01\x02\0\x02\x03\0\x03\0\x04\0\0\0\x02\x02a\x02\0\
          \0\0\x01\0\x02\x02s\x02\0\0\0\x02\0\x02\x02w\x02\0\0\0\x03\0\x02p\x01\x02h\xff\xff\0\x02\
          \x02k\x02v\0\x02\x02o\0\0\0\x04\0\0\0\0\0\0\0\x05\0\x02\x02e\0\0\0\x06\0\0\0\0\0\0\0\x07\0\
          \x01\0";
    agree(ApiKey::StreamsGroupHeartbeat, 0, &joins, apaches);

    let unchanged = StreamsGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: 1,
        ..Default::default()
    };
    let apaches = b"\x02g\x02m\0\0\0\x01\0\0\0\0\0\0\xff\xff\xff\xff\xff\0\0\0\0\xff\0\0\0\0\0";
    agree(ApiKey::StreamsGroupHeartbeat, 0, &unchanged, apaches);

    let told = StreamsGroupHeartbeatResponse {
        throttle_time_ms: 1,
        error_code: ErrorCode::FencedMemberEpoch,
        error_message: Some("fenced".into()),
        member_id: "m".into(),
        member_epoch: 2,
        heartbeat_interval_ms: 5_000,
        acceptable_recovery_lag: 10_000,
        task_offset_interval_ms: 60_000,
        status: Some(vec![Status { status_code: 1, status_detail: "in is missing".into() }]),
        active_tasks: tasks("a", 1),
        standby_tasks: tasks("s", 2),
        warmup_tasks: tasks("w", 3),
        endpoint_information_epoch: 7,
        partitions_by_user_endpoint: Some(vec![EndpointToPartitions {
            user_endpoint: endpoint(),
            active_partitions: vec![TopicPartition { topic: "x".into(), partitions: vec![8] }],
            standby_partitions: vec![TopicPartition { topic: "y".into(), partitions: vec![9] }],
        }]),
    };
    let apaches = b"\0\0\0\x01\0n\x07fenced\x02m\0\0\0\x02\0\0\x13\x88\0\0'\x10\0\0\xea`\x02\x01\x0ein\x20is\
          \x20missing\0\x02\x02a\x02\0\0\0\x01\0\x02\x02s\x02\0\0\0\x02\0\x02\x02w\x02\0\0\0\x03\0\0\
          \0\0\x07\x02\x02h\xff\xff\0\x02\x02x\x02\0\0\0\x08\0\x02\x02y\x02\0\0\0\x09\0\0\0";
    agree(ApiKey::StreamsGroupHeartbeat, 0, &told, apaches);

    let unchanged =
        StreamsGroupHeartbeatResponse { member_id: "m".into(), member_epoch: 2, ..Default::default() };
    let apaches = b"\0\0\0\0\0\0\0\x02m\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    agree(ApiKey::StreamsGroupHeartbeat, 0, &unchanged, apaches);
}

#[test]
fn descriptions_of_kafka_streams_groups() {
    use streams_group_describe::{
        Assignment, DescribedGroup, Endpoint, KeyValue, Member, Subtopology, TaskIds, TaskOffset, TopicInfo,
        Topology,
    };
    let request = StreamsGroupDescribeRequest {
        group_ids: vec!["g".into(), "h".into()],
        include_authorized_operations: true,
    };
    let apaches = b"\x03\x02g\x02h\x01\0";
    agree(ApiKey::StreamsGroupDescribe, 0, &request, apaches);

    let text = |text: &str| Str::from(text);
    let tags = || vec![KeyValue { key: text("k"), value: text("v") }];
    let topics =
        || vec![TopicInfo { name: text("log"), partitions: 6, replication_factor: 3, topic_configs: tags() }];
    let tasks =
        |part: &str, partition| vec![TaskIds { subtopology_id: text(part), partitions: vec![partition] }];
    let offsets =
        |part: &str, partition, offset| vec![TaskOffset { subtopology_id: text(part), partition, offset }];
    let member = Member {
        member_id: text("m"),
        member_epoch: 1,
        instance_id: Some(text("i")),
        rack_id: None,
        client_id: text("c"),
        client_host: text("/1"),
        topology_epoch: 5,
        process_id: text("p"),
        user_endpoint: Some(Endpoint { host: text("h"), port: u16::MAX }),
        client_tags: tags(),
        task_offsets: offsets("o", 4, 5),
        task_end_offsets: offsets("e", 6, 7),
        assignment: Assignment {
            active_tasks: tasks("a", 1),
            standby_tasks: tasks("s", 2),
            warmup_tasks: tasks("w", 3),
        },
        target_assignment: Assignment { active_tasks: tasks("t", 8), ..Default::default() },
        is_classic: true,
    };
    let described = DescribedGroup {
        group_id: text("g"),
        group_state: text("Stable"),
        group_epoch: 3,
        assignment_epoch: 4,
        topology: Some(Topology {
            epoch: 5,
            subtopologies: Some(vec![Subtopology {
                subtopology_id: text("0"),
                source_topics: vec![text("in")],
                repartition_sink_topics: vec![text("sink")],
                state_changelog_topics: topics(),
                repartition_source_topics: topics(),
            }]),
        }),
        members: vec![member],
        authorized_operations: 256,
        ..Default::default()
    };
    let failed = DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound,
        error_message: Some(text("gone")),
        group_id: text("h"),
        ..Default::default()
    };
    let response = StreamsGroupDescribeResponse { throttle_time_ms: 1, groups: vec![described, failed] };
    let apaches = b"\0\0\0\x01\x03\0\0\0\x02g\x07Stable\0\0\0\x03\0\0\0\x04\x01\0\0\0\x05\x02\x020\x02\x03in\
          \x02\x05sink\x02\x04log\0\0\0\x06\0\x03\x02\x02k\x02v\0\0\x02\x04log\0\0\0\x06\0\x03\x02\
          \x02k\x02v\0\0\0\0\x02\x02m\0\0\0\x01\x02i\0\x02c\x03/1\0\0\0\x05\x02p\x01\x02h\xff\xff\0\
          \x02\x02k\x02v\0\x02\x02o\0\0\0\x04\0\0\0\0\0\0\0\x05\0\x02\x02e\0\0\0\x06\0\0\0\0\0\0\0\
          \x07\0\x02\x02a\x02\0\0\0\x01\0\x02\x02s\x02\0\0\0\x02\0\x02\x02w\x02\0\0\0\x03\0\0\x02\
          \x02t\x02\0\0\0\x08\0\x01\x01\0\x01\0\0\0\x01\0\0\0E\x05gone\x02h\x01\0\0\0\0\0\0\0\0\xff\
          \x01\x80\0\0\0\0\0";
    agree(ApiKey::StreamsGroupDescribe, 0, &response, apaches);
}

#[test]
fn offset_commit_10() {
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: 3,
        member_id: "m".into(),
        group_instance_id: Some("i".into()),
        topics: vec![offset_commit::OffsetCommitRequestTopic {
            topic_id: Uuid([1; 16]),
            partitions: vec![offset_commit::OffsetCommitRequestPartition {
                partition_index: 2,
                committed_offset: 7,
                committed_leader_epoch: 4,
                committed_metadata: Some("x".into()),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let apaches =
        b"\x02g\0\0\0\x03\x02m\x02i\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
          \x01\x02\0\0\0\x02\0\0\0\0\0\0\0\x07\0\0\0\x04\x02x\0\0\0";
    agree(ApiKey::OffsetCommit, 10, &request, apaches);
    let response = OffsetCommitResponse {
        throttle_time_ms: 5,
        topics: vec![offset_commit::OffsetCommitResponseTopic {
            topic_id: Uuid([1; 16]),
            partitions: vec![offset_commit::OffsetCommitResponsePartition {
                partition_index: 2,
                error_code: ErrorCode::UnknownTopicId,
            }],
            ..Default::default()
        }],
    };
    let apaches = b"\0\0\0\x05\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02\0\0\0\
          \x02\0d\0\0\0";
    agree(ApiKey::OffsetCommit, 10, &response, apaches);
}

#[test]
fn offset_fetch_10() {
    let request = OffsetFetchRequest {
        groups: vec![offset_fetch::OffsetFetchRequestGroup {
            group_id: "g".into(),
            member_id: Some("m".into()),
            member_epoch: 3,
            topics: Some(vec![offset_fetch::OffsetFetchRequestTopics {
                topic_id: Uuid([1; 16]),
                partition_indexes: vec![2],
                ..Default::default()
            }]),
        }],
        require_stable: true,
        ..Default::default()
    };
    let apaches = b"\x02\x02g\x02m\0\0\0\x03\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
          \x01\x02\0\0\0\x02\0\0\x01\0";
    agree(ApiKey::OffsetFetch, 10, &request, apaches);
    let response = OffsetFetchResponse {
        throttle_time_ms: 5,
        groups: vec![offset_fetch::OffsetFetchResponseGroup {
            group_id: "g".into(),
            topics: vec![offset_fetch::OffsetFetchResponseTopics {
                topic_id: Uuid([1; 16]),
                partitions: vec![offset_fetch::OffsetFetchResponsePartitions {
                    partition_index: 2,
                    committed_offset: 7,
                    committed_leader_epoch: 4,
                    metadata: Some("x".into()),
                    error_code: ErrorCode::UnstableOffsetCommit,
                }],
                ..Default::default()
            }],
            error_code: ErrorCode::NotCoordinator,
        }],
        ..Default::default()
    };
    let apaches = b"\0\0\0\x05\x02\x02g\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
          \x02\0\0\0\x02\0\0\0\0\0\0\0\x07\0\0\0\x04\x02x\0X\0\0\0\x10\0\0";
    agree(ApiKey::OffsetFetch, 10, &response, apaches);
}

#[test]
fn what_did_not_change_with_a_version_is_written_alike() {
    for seed in 0..50 {
        let source = &mut Source::new(seed, Shape::Mixed);
        let api = ApiKey::ShareFetch;
        let response = ShareFetchResponse::sample(source, api.version(1).expect("in range"));
        assert_eq!(written(&response, api, 1), written(&response, api, 2));
        let api = ApiKey::DescribeShareGroupOffsets;
        let request = DescribeShareGroupOffsetsRequest::sample(source, api.version(0).expect("in range"));
        assert_eq!(written(&request, api, 0), written(&request, api, 1));
    }
}
