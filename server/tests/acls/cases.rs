//! Every API with the rights that it needs. Of several rights those that are asked for first stand first.

use forebay_kafka::wire::messages::*;
use forebay_kafka::wire::{ApiKey, ImportOrder, Records, Request as WireRequest, Uuid};
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord, Producer};
use forebay_model::acl::{Operation, ResourceKind};
use forebay_model::transaction::{
    JoinTransaction, OpenProducer, TransactionReply, TransactionRequest, TransactionalId,
};
use forebay_model::{BatchSequence, ProducerEpoch, ProducerId, Reply, Request};

use crate::client::Client;
use crate::common::{Running, partition};
use crate::matrix::Lack::{Hides, Says};
use crate::matrix::{Case, Need};
use crate::shares::{self, SHARED, SHARING};

pub const TOPIC: &str = "orders.eu";
/// A topic that does not last.
const DOOMED: &str = "doomed.eu";
/// Stands for any topic: one there is no rule about but this.
pub const ANY_TOPIC: &str = "orders.any";
const GROUP: &str = "readers.eu";
/// A group whose partitions the broker assigns.
const ATTENDED: &str = "attended.eu";
const PRODUCER: &str = "copier.eu";
/// A transactional producer whose transaction stays open.
const OPEN: &str = "opened.eu";

const NO_TOPIC: &str = "TOPIC_AUTHORIZATION_FAILED";
const NO_GROUP: &str = "GROUP_AUTHORIZATION_FAILED";
const NO_CLUSTER: &str = "CLUSTER_AUTHORIZATION_FAILED";
const NO_PRODUCER: &str = "TRANSACTIONAL_ID_AUTHORIZATION_FAILED";

/// What anybody may ask.
pub const FREE: &[ApiKey] = &[
    ApiKey::ApiVersions,
    // The operations in its answer are another matter: see `parts`.
    ApiKey::DescribeCluster,
    ApiKey::SaslHandshake,
    ApiKey::SaslAuthenticate,
];

/// A node and somebody who asks it.
pub struct World<'a> {
    pub node: &'a Running,
    client: Client,
}

impl<'a> World<'a> {
    pub fn new(node: &'a Running) -> World<'a> {
        World::of(node, "alice")
    }

    pub fn of(node: &'a Running, user: &str) -> World<'a> {
        World { node, client: Client::new(&node.desk, 77, Some(user)) }
    }

    pub fn ask<Q: WireRequest>(&mut self, version: i16, request: Q) -> String
    where
        Q::Response: std::fmt::Debug,
    {
        format!("{:?}", self.client.ask(version, &request))
    }
}

/// Topics, a group with an offset, and a transaction.
pub fn prepare(node: &Running) {
    node.create(TOPIC, 2);
    let mut root = Client::new(&node.desk, 78, Some("root"));
    let committed = root.ask(8, &commit());
    assert!(format!("{committed:?}").contains("NONE(0)"), "{committed:?}");
    let id = TransactionalId(OPEN.into());
    let open = OpenProducer { id: id.clone(), timeout_ms: 600_000, present: None };
    let reply = node.ask(Request::Transaction(TransactionRequest::Open(open)));
    let Reply::Transaction(TransactionReply::Open(Ok((producer, epoch)))) = reply else {
        panic!("{reply:?}")
    };
    let partitions = vec![partition(TOPIC, 0)];
    let join = JoinTransaction { id, producer, epoch, partitions, groups: Vec::new() };
    let reply = node.ask(Request::Transaction(TransactionRequest::Join(join)));
    assert!(matches!(reply, Reply::Transaction(TransactionReply::Join(Ok(())))), "{reply:?}");
}

const fn topic(operation: Operation) -> Need {
    Need { kind: ResourceKind::Topic, name: TOPIC, operation, lack: Says(NO_TOPIC) }
}

const fn hidden_topic() -> Need {
    Need { lack: Hides(TOPIC), ..topic(Operation::Describe) }
}

const fn group(operation: Operation) -> Need {
    Need { kind: ResourceKind::Group, name: GROUP, operation, lack: Says(NO_GROUP) }
}

const fn shared(operation: Operation) -> Need {
    Need { name: SHARED, ..group(operation) }
}

const fn producer(operation: Operation) -> Need {
    Need { kind: ResourceKind::TransactionalId, name: PRODUCER, operation, lack: Says(NO_PRODUCER) }
}

const fn cluster(operation: Operation) -> Need {
    Need { kind: ResourceKind::Cluster, name: "kafka-cluster", operation, lack: Says(NO_CLUSTER) }
}

const fn case(
    api: ApiKey,
    what: &'static str,
    needs: &'static [Need],
    ask: fn(&mut World<'_>) -> String,
) -> Case {
    Case { api, what, needs, ask }
}

use Operation::{
    Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs, IdempotentWrite, Read,
    Write,
};

/// Every one.
pub const CASES: &[Case] = &[
    case(ApiKey::Produce, "by name", &[topic(Write)], |w| w.ask(12, produce(None))),
    case(ApiKey::Produce, "in a transaction", &[producer(Write), topic(Write)], |w| {
        w.ask(12, produce(Some(PRODUCER)))
    }),
    case(ApiKey::Produce, "an order of an import", &[topic(Write), topic(Alter)], |w| w.ask(12, order())),
    case(ApiKey::Fetch, "by name", &[topic(Read)], |w| w.ask(12, fetch())),
    case(ApiKey::ListOffsets, "one", &[topic(Describe)], |w| w.ask(7, list_offsets())),
    case(ApiKey::Metadata, "of one", &[topic(Describe)], |w| w.ask(12, metadata(Some(TOPIC)))),
    case(ApiKey::Metadata, "of all", &[hidden_topic()], |w| w.ask(12, metadata(None))),
    case(ApiKey::OffsetCommit, "one", &[group(Read), topic(Read)], |w| w.ask(8, commit())),
    case(ApiKey::OffsetFetch, "one", &[group(Describe), topic(Describe)], |w| {
        w.ask(8, offsets(Some(vec![0])))
    }),
    case(ApiKey::OffsetFetch, "all", &[group(Describe), hidden_topic()], |w| w.ask(8, offsets(None))),
    case(
        ApiKey::OffsetFetch,
        "before there were codes for groups",
        &[group(Describe), topic(Describe)],
        |w| {
            let topic =
                offset_fetch::OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![0] };
            w.ask(
                1,
                OffsetFetchRequest {
                    group_id: GROUP.into(),
                    topics: Some(vec![topic]),
                    ..Default::default()
                },
            )
        },
    ),
    case(ApiKey::FindCoordinator, "of a group", &[group(Describe)], |w| w.ask(6, find(0, GROUP))),
    case(ApiKey::FindCoordinator, "of a producer", &[producer(Describe)], |w| w.ask(6, find(1, PRODUCER))),
    case(ApiKey::FindCoordinator, "before there were lists", &[group(Describe)], |w| {
        w.ask(3, FindCoordinatorRequest { key: GROUP.into(), ..Default::default() })
    }),
    case(ApiKey::JoinGroup, "for the first time", &[group(Read)], |w| w.ask(9, join())),
    case(ApiKey::Heartbeat, "of a stranger", &[group(Read)], |w| {
        let group_id = GROUP.into();
        w.ask(4, HeartbeatRequest { group_id, member_id: "m".into(), ..Default::default() })
    }),
    case(ApiKey::LeaveGroup, "of a stranger", &[group(Read)], |w| {
        let member = leave_group::MemberIdentity { member_id: "m".into(), ..Default::default() };
        w.ask(5, LeaveGroupRequest { group_id: GROUP.into(), members: vec![member], ..Default::default() })
    }),
    case(ApiKey::SyncGroup, "of a stranger", &[group(Read)], |w| {
        let group_id = GROUP.into();
        let protocol = Some("consumer".into());
        w.ask(
            5,
            SyncGroupRequest {
                group_id,
                member_id: "m".into(),
                protocol_type: protocol.clone(),
                protocol_name: protocol,
                ..Default::default()
            },
        )
    }),
    case(ApiKey::DescribeGroups, "one", &[group(Describe)], |w| {
        let groups = vec![GROUP.into()];
        w.ask(6, DescribeGroupsRequest { groups, include_authorized_operations: true })
    }),
    case(ApiKey::ListGroups, "by group", &[Need { lack: Hides(GROUP), ..group(Describe) }], |w| {
        w.ask(5, ListGroupsRequest::default())
    }),
    case(ApiKey::ListGroups, "all of them", &[Need { lack: Hides(GROUP), ..cluster(Describe) }], |w| {
        w.ask(5, ListGroupsRequest::default())
    }),
    case(ApiKey::CreateTopics, "by name", &[topic(Create)], |w| w.ask(7, create())),
    case(ApiKey::CreateTopics, "any", &[Need { lack: Says(NO_TOPIC), ..cluster(Create) }], |w| {
        w.ask(7, create())
    }),
    case(ApiKey::DeleteTopics, "by name", &[Need { name: DOOMED, ..topic(Delete) }], delete_topic),
    case(ApiKey::DeleteTopics, "any", &[Need { lack: Says(NO_TOPIC), ..cluster(Delete) }], delete_topic),
    case(ApiKey::DeleteRecords, "of one", &[topic(Delete)], |w| {
        let partition = delete_records::DeleteRecordsPartition { partition_index: 1, offset: 0 };
        let topic = delete_records::DeleteRecordsTopic { name: TOPIC.into(), partitions: vec![partition] };
        w.ask(2, DeleteRecordsRequest { topics: vec![topic], timeout_ms: 5_000 })
    }),
    case(ApiKey::InitProducerId, "without a transactional id", &[cluster(IdempotentWrite)], |w| {
        w.ask(4, InitProducerIdRequest::default())
    }),
    case(
        ApiKey::InitProducerId,
        "who may write somewhere",
        &[Need { name: ANY_TOPIC, lack: Says(NO_CLUSTER), ..topic(Write) }],
        |w| w.ask(4, InitProducerIdRequest::default()),
    ),
    case(ApiKey::InitProducerId, "with a transactional id", &[producer(Write)], |w| {
        let transactional_id = Some(PRODUCER.into());
        w.ask(
            4,
            InitProducerIdRequest { transactional_id, transaction_timeout_ms: 60_000, ..Default::default() },
        )
    }),
    case(ApiKey::OffsetForLeaderEpoch, "of one", &[topic(Describe)], |w| w.ask(4, epoch_end())),
    case(
        ApiKey::OffsetForLeaderEpoch,
        "as a broker",
        &[Need { lack: Says(NO_TOPIC), ..cluster(ClusterAction) }],
        |w| w.ask(4, epoch_end()),
    ),
    case(ApiKey::AddPartitionsToTxn, "one", &[producer(Write), topic(Write)], |w| {
        let topic =
            add_partitions_to_txn::AddPartitionsToTxnTopic { name: TOPIC.into(), partitions: vec![0] };
        w.ask(
            3,
            AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: PRODUCER.into(),
                v3_and_below_producer_id: 99,
                v3_and_below_topics: vec![topic],
                ..Default::default()
            },
        )
    }),
    case(ApiKey::AddOffsetsToTxn, "of a group", &[producer(Write), group(Read)], |w| {
        let (transactional_id, group_id) = (PRODUCER.into(), GROUP.into());
        w.ask(3, AddOffsetsToTxnRequest { transactional_id, group_id, producer_id: 99, ..Default::default() })
    }),
    case(ApiKey::EndTxn, "of a stranger", &[producer(Write)], |w| {
        let transactional_id = PRODUCER.into();
        w.ask(3, EndTxnRequest { transactional_id, producer_id: 99, ..Default::default() })
    }),
    case(ApiKey::TxnOffsetCommit, "one", &[producer(Write), group(Read), topic(Read)], |w| {
        let partition = txn_offset_commit::TxnOffsetCommitRequestPartition::default();
        let topic = txn_offset_commit::TxnOffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![partition],
        };
        w.ask(
            3,
            TxnOffsetCommitRequest {
                transactional_id: PRODUCER.into(),
                group_id: GROUP.into(),
                producer_id: 99,
                topics: vec![topic],
                ..Default::default()
            },
        )
    }),
    case(ApiKey::DescribeAcls, "all", &[cluster(Describe)], |w| {
        w.ask(
            3,
            DescribeAclsRequest {
                resource_type_filter: 1,
                pattern_type_filter: 1,
                operation: 1,
                permission_type: 1,
                ..Default::default()
            },
        )
    }),
    case(ApiKey::CreateAcls, "one, and one that cannot be", &[cluster(Alter)], |w| {
        let creation = |resource_type, resource_name: &str| create_acls::AclCreation {
            resource_type,
            resource_name: resource_name.into(),
            resource_pattern_type: 3,
            principal: "User:nobody".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
        };
        w.ask(3, CreateAclsRequest { creations: vec![creation(2, "t"), creation(4, "no-such-cluster")] })
    }),
    case(ApiKey::DeleteAcls, "of nobody", &[cluster(Alter)], |w| {
        w.ask(
            3,
            DeleteAclsRequest {
                filters: vec![delete_acls::DeleteAclsFilter {
                    resource_type_filter: 1,
                    pattern_type_filter: 1,
                    principal_filter: Some("User:nobody".into()),
                    operation: 1,
                    permission_type: 1,
                    ..Default::default()
                }],
            },
        )
    }),
    case(ApiKey::DescribeConfigs, "of a topic", &[topic(DescribeConfigs)], |w| w.ask(4, configs(2, TOPIC))),
    case(ApiKey::DescribeConfigs, "of a broker", &[cluster(DescribeConfigs)], |w| w.ask(4, configs(4, "1"))),
    case(ApiKey::DescribeConfigs, "of a group", &[shared(DescribeConfigs)], |w| {
        w.ask(4, configs(32, SHARED))
    }),
    case(ApiKey::AlterConfigs, "of a group", &[shared(AlterConfigs)], |w| w.ask(2, alter(32, SHARED))),
    case(ApiKey::IncrementalAlterConfigs, "of a group, wrongly", &[shared(AlterConfigs)], |w| {
        w.ask(1, alter_some(32, SHARED))
    }),
    case(ApiKey::AlterConfigs, "of a topic", &[topic(AlterConfigs)], |w| w.ask(2, alter(2, TOPIC))),
    case(ApiKey::AlterConfigs, "of a broker", &[cluster(AlterConfigs)], |w| w.ask(2, alter(4, "1"))),
    case(ApiKey::IncrementalAlterConfigs, "of a topic", &[topic(AlterConfigs)], |w| {
        w.ask(1, alter_some(2, TOPIC))
    }),
    case(ApiKey::IncrementalAlterConfigs, "of a broker", &[cluster(AlterConfigs)], |w| {
        w.ask(1, alter_some(4, "1"))
    }),
    case(ApiKey::DescribeLogDirs, "all", &[cluster(Describe)], |w| {
        w.ask(4, DescribeLogDirsRequest { topics: None })
    }),
    case(
        ApiKey::DescribeLogDirs,
        "before there was a code",
        &[Need { lack: Hides(TOPIC), ..cluster(Describe) }],
        |w| w.ask(2, DescribeLogDirsRequest { topics: None }),
    ),
    case(ApiKey::CreatePartitions, "of one", &[topic(Alter)], |w| {
        let topic =
            create_partitions::CreatePartitionsTopic { name: TOPIC.into(), count: 3, assignments: None };
        w.ask(3, CreatePartitionsRequest { topics: vec![topic], timeout_ms: 5_000, validate_only: true })
    }),
    case(ApiKey::DeleteGroups, "none", &[Need { name: "nobody.eu", ..group(Delete) }], |w| {
        w.ask(2, DeleteGroupsRequest { groups_names: vec!["nobody.eu".into()] })
    }),
    case(ApiKey::ElectLeaders, "of one", &[cluster(Alter)], |w| {
        let topic = elect_leaders::TopicPartitions { topic: TOPIC.into(), partitions: vec![0] };
        w.ask(2, ElectLeadersRequest { topic_partitions: Some(vec![topic]), ..Default::default() })
    }),
    case(ApiKey::ElectLeaders, "before there was a code for the whole", &[cluster(Alter)], |w| {
        let topic = elect_leaders::TopicPartitions { topic: TOPIC.into(), partitions: vec![0] };
        w.ask(0, ElectLeadersRequest { topic_partitions: Some(vec![topic]), ..Default::default() })
    }),
    case(ApiKey::AlterPartitionReassignments, "of one", &[cluster(Alter)], |w| {
        let partition =
            alter_partition_reassignments::ReassignablePartition { partition_index: 0, replicas: None };
        let topic = alter_partition_reassignments::ReassignableTopic {
            name: TOPIC.into(),
            partitions: vec![partition],
        };
        w.ask(0, AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() })
    }),
    case(ApiKey::AlterReplicaLogDirs, "of one", &[cluster(Alter)], |w| {
        let topic =
            alter_replica_log_dirs::AlterReplicaLogDirTopic { name: TOPIC.into(), partitions: vec![0] };
        let dir = alter_replica_log_dirs::AlterReplicaLogDir { path: "/nowhere".into(), topics: vec![topic] };
        w.ask(2, AlterReplicaLogDirsRequest { dirs: vec![dir] })
    }),
    case(ApiKey::ListPartitionReassignments, "all", &[cluster(Describe)], |w| {
        w.ask(0, ListPartitionReassignmentsRequest::default())
    }),
    case(ApiKey::OffsetDelete, "one", &[group(Delete), topic(Read)], |w| {
        let partition = offset_delete::OffsetDeleteRequestPartition { partition_index: 1 };
        let topic =
            offset_delete::OffsetDeleteRequestTopic { name: TOPIC.into(), partitions: vec![partition] };
        w.ask(0, OffsetDeleteRequest { group_id: GROUP.into(), topics: vec![topic] })
    }),
    case(ApiKey::DescribeUserScramCredentials, "all", &[cluster(Describe)], |w| {
        w.ask(0, DescribeUserScramCredentialsRequest { users: None })
    }),
    case(ApiKey::AlterUserScramCredentials, "of nobody", &[cluster(Alter)], |w| {
        let deletion =
            alter_user_scram_credentials::ScramCredentialDeletion { name: "nobody".into(), mechanism: 1 };
        w.ask(0, AlterUserScramCredentialsRequest { deletions: vec![deletion], ..Default::default() })
    }),
    case(ApiKey::DescribeProducers, "of one", &[topic(Read)], |w| {
        let topic = describe_producers::TopicRequest { name: TOPIC.into(), partition_indexes: vec![0] };
        w.ask(0, DescribeProducersRequest { topics: vec![topic] })
    }),
    case(
        ApiKey::DescribeTransactions,
        "with a topic",
        &[Need { name: OPEN, ..producer(Describe) }, hidden_topic()],
        |w| w.ask(0, DescribeTransactionsRequest { transactional_ids: vec![OPEN.into()] }),
    ),
    case(
        ApiKey::ListTransactions,
        "all",
        &[Need { name: OPEN, lack: Hides(OPEN), ..producer(Describe) }],
        |w| w.ask(1, ListTransactionsRequest::default()),
    ),
    case(ApiKey::ListConfigResources, "all", &[cluster(DescribeConfigs)], |w| {
        w.ask(1, ListConfigResourcesRequest::default())
    }),
    case(ApiKey::ListConfigResources, "of clients", &[cluster(DescribeConfigs)], |w| {
        w.ask(0, ListConfigResourcesRequest::default())
    }),
    case(ApiKey::DescribeClientQuotas, "all", &[cluster(DescribeConfigs)], |w| {
        w.ask(1, DescribeClientQuotasRequest::default())
    }),
    case(ApiKey::AlterClientQuotas, "of nobody", &[cluster(AlterConfigs)], |w| {
        let nobody = alter_client_quotas::EntityData {
            entity_type: "user".into(),
            entity_name: Some("nobody".into()),
        };
        let op = alter_client_quotas::OpData {
            key: "consumer_byte_rate".into(),
            remove: true,
            ..Default::default()
        };
        let entry = alter_client_quotas::EntryData { entity: vec![nobody], ops: vec![op] };
        w.ask(1, AlterClientQuotasRequest { entries: vec![entry], validate_only: true })
    }),
    case(ApiKey::DescribeQuorum, "the one", &[cluster(Describe)], |w| {
        let partition = describe_quorum::RequestedPartition::default();
        let topic = describe_quorum::RequestedTopic {
            topic_name: "__cluster_metadata".into(),
            partitions: vec![partition],
        };
        w.ask(2, DescribeQuorumRequest { topics: vec![topic] })
    }),
    case(ApiKey::UpdateFeatures, "as it is", &[cluster(Alter)], |w| {
        let update = update_features::FeatureUpdateKey {
            feature: "transaction.version".into(),
            max_version_level: 2,
            ..Default::default()
        };
        w.ask(
            1,
            UpdateFeaturesRequest {
                feature_updates: vec![update],
                validate_only: true,
                ..Default::default()
            },
        )
    }),
    case(
        ApiKey::ConsumerGroupHeartbeat,
        "of topics by name",
        &[Need { name: ATTENDED, ..group(Read) }, topic(Describe)],
        |w| w.ask(1, attend()),
    ),
    case(
        ApiKey::ConsumerGroupHeartbeat,
        "of topics by a pattern",
        &[Need { name: ATTENDED, ..group(Read) }],
        |w| {
            let subscribed_topic_regex = Some("no-such-topic".into());
            w.ask(
                1,
                ConsumerGroupHeartbeatRequest {
                    subscribed_topic_names: None,
                    subscribed_topic_regex,
                    ..attend()
                },
            )
        },
    ),
    case(
        ApiKey::ConsumerGroupDescribe,
        "with a member's topic",
        &[Need { name: ATTENDED, ..group(Describe) }, topic(Describe)],
        |w| {
            let mut root = Client::new(&w.node.desk, 79, Some("root"));
            let joined = format!("{:?}", root.ask(1, &attend()));
            assert!(joined.contains("NONE(0)"), "{joined}");
            let group_ids = vec![ATTENDED.into()];
            w.ask(1, ConsumerGroupDescribeRequest { group_ids, include_authorized_operations: true })
        },
    ),
    case(
        ApiKey::ShareGroupHeartbeat,
        "of topics by name",
        &[Need { name: SHARING, ..group(Read) }, topic(Describe)],
        |w| w.ask(1, shares::attend()),
    ),
    case(
        ApiKey::ShareGroupDescribe,
        "with a member's topic",
        &[Need { name: SHARING, ..group(Describe) }, topic(Describe)],
        shares::describe,
    ),
    case(ApiKey::ShareFetch, "of one", &[shared(Read), topic(Read)], shares::fetch),
    case(ApiKey::ShareFetch, "of nothing", &[shared(Read)], shares::fetch_nothing),
    case(ApiKey::ShareAcknowledge, "of one", &[shared(Read), topic(Read)], shares::acknowledge),
    case(ApiKey::ShareAcknowledge, "of nothing", &[shared(Read)], shares::acknowledge_nothing),
    case(ApiKey::AlterShareGroupOffsets, "of one", &[shared(Read), topic(Read)], |w| {
        w.ask(0, shares::alter())
    }),
    case(ApiKey::DescribeShareGroupOffsets, "of one", &[shared(Describe), topic(Describe)], |w| {
        shares::offsets(w, Some(vec![0]))
    }),
    case(ApiKey::DescribeShareGroupOffsets, "of all", &[shared(Describe), hidden_topic()], |w| {
        shares::offsets(w, None)
    }),
    case(ApiKey::DeleteShareGroupOffsets, "of one", &[shared(Delete), topic(Read)], |w| {
        w.ask(0, shares::delete())
    }),
    case(ApiKey::DescribeTopicPartitions, "of one", &[topic(Describe)], |w| {
        let topics = vec![describe_topic_partitions::TopicRequest { name: TOPIC.into() }];
        w.ask(0, DescribeTopicPartitionsRequest { topics, ..Default::default() })
    }),
    case(ApiKey::DescribeTopicPartitions, "of all", &[hidden_topic()], |w| {
        w.ask(0, DescribeTopicPartitionsRequest::default())
    }),
];

/// Ends an import that never began, which changes nothing.
fn order() -> ProduceRequest {
    let mut request = produce(None);
    request.topic_data[0].partition_data[0].records = Some(ImportOrder::End { end: 0 }.to_records());
    request
}

fn produce(transactional_id: Option<&str>) -> ProduceRequest {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    let value = Some(bytes::Bytes::from_static(b"value"));
    builder.push(&NewRecord { value, ..Default::default() }).unwrap();
    if transactional_id.is_some() {
        let producer =
            Producer { id: ProducerId(99), epoch: ProducerEpoch(0), base_sequence: BatchSequence(0) };
        builder = builder.producer(producer).transactional();
    }
    let records = Some(Records::from(builder.build().unwrap()));
    ProduceRequest {
        transactional_id: transactional_id.map(Into::into),
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![produce::TopicProduceData {
            name: TOPIC.into(),
            topic_id: Uuid::ZERO,
            partition_data: vec![produce::PartitionProduceData { index: 1, records }],
        }],
    }
}

fn fetch() -> FetchRequest {
    let partition = fetch::FetchPartition { partition: 0, partition_max_bytes: 1_000, ..Default::default() };
    let topic = fetch::FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { topics: vec![topic], ..Default::default() }
}

fn list_offsets() -> ListOffsetsRequest {
    let partition = list_offsets::ListOffsetsPartition { timestamp: -1, ..Default::default() };
    let topic = list_offsets::ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
    ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }
}

fn metadata(name: Option<&str>) -> MetadataRequest {
    let topic = |name: &str| metadata::MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let topics = name.map(|name| vec![topic(name)]);
    MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() }
}

fn commit() -> OffsetCommitRequest {
    let partition = offset_commit::OffsetCommitRequestPartition::default();
    let topic = offset_commit::OffsetCommitRequestTopic {
        name: TOPIC.into(),
        partitions: vec![partition],
        ..Default::default()
    };
    OffsetCommitRequest { group_id: GROUP.into(), topics: vec![topic], ..Default::default() }
}

fn offsets(partitions: Option<Vec<i32>>) -> OffsetFetchRequest {
    let topic = |partition_indexes| offset_fetch::OffsetFetchRequestTopics {
        name: TOPIC.into(),
        partition_indexes,
        ..Default::default()
    };
    let topics = partitions.map(|partitions| vec![topic(partitions)]);
    let group =
        offset_fetch::OffsetFetchRequestGroup { group_id: GROUP.into(), topics, ..Default::default() };
    OffsetFetchRequest { groups: vec![group], ..Default::default() }
}

fn find(key_type: i8, key: &str) -> FindCoordinatorRequest {
    FindCoordinatorRequest { key_type, coordinator_keys: vec![key.into()], ..Default::default() }
}

/// Who comes without a member id is told one, and joins no group.
fn join() -> JoinGroupRequest {
    let protocol = join_group::JoinGroupRequestProtocol { name: "range".into(), ..Default::default() };
    JoinGroupRequest {
        group_id: GROUP.into(),
        session_timeout_ms: 30_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

/// A member joins, again and again the same.
fn attend() -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: ATTENDED.into(),
        member_id: "0123456789abcdefghijkl".into(),
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec![TOPIC.into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

/// A topic that is there: more would have to be deleted again.
fn create() -> CreateTopicsRequest {
    let topic = create_topics::CreatableTopic {
        name: TOPIC.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..Default::default() }
}

fn delete_topic(world: &mut World<'_>) -> String {
    let mut root = Client::new(&world.node.desk, 79, Some("root"));
    let topic = create_topics::CreatableTopic {
        name: DOOMED.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    root.ask(7, &CreateTopicsRequest { topics: vec![topic], ..Default::default() });
    let topic = delete_topics::DeleteTopicState { name: Some(DOOMED.into()), ..Default::default() };
    world.ask(6, DeleteTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() })
}

fn epoch_end() -> OffsetForLeaderEpochRequest {
    let partition = offset_for_leader_epoch::OffsetForLeaderPartition::default();
    let topic =
        offset_for_leader_epoch::OffsetForLeaderTopic { topic: TOPIC.into(), partitions: vec![partition] };
    OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() }
}

fn configs(resource_type: i8, name: &str) -> DescribeConfigsRequest {
    let resource_name = name.into();
    let resource =
        describe_configs::DescribeConfigsResource { resource_type, resource_name, configuration_keys: None };
    DescribeConfigsRequest { resources: vec![resource], ..Default::default() }
}

fn alter(resource_type: i8, name: &str) -> AlterConfigsRequest {
    let resource_name = name.into();
    let resource = alter_configs::AlterConfigsResource { resource_type, resource_name, ..Default::default() };
    AlterConfigsRequest { resources: vec![resource], validate_only: true }
}

fn alter_some(resource_type: i8, name: &str) -> IncrementalAlterConfigsRequest {
    let resource_name = name.into();
    let config = incremental_alter_configs::AlterableConfig {
        name: "retention.ms".into(),
        config_operation: 0,
        value: Some("60000".into()),
    };
    let resource = incremental_alter_configs::AlterConfigsResource {
        resource_type,
        resource_name,
        configs: vec![config],
    };
    IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: true }
}
