//! What of a request goes on where the rest is refused, and what is said of rights.

use forebay_kafka::wire::messages::*;
use forebay_kafka::wire::{Records, Uuid};
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord};
use forebay_model::acl::{Acl, Operation, Pattern, Permission, ResourceKind};

use crate::client::Client;
use crate::common::{Running, config};
use crate::{allow, controlled, node};

fn client(node: &Running) -> Client {
    Client::new(&node.desk, 7, Some("alice"))
}

fn named(name: &str) -> metadata::MetadataRequestTopic {
    metadata::MetadataRequestTopic { name: Some(name.into()), ..Default::default() }
}

fn metadata_of(client: &mut Client, names: &[&str], create: bool) -> MetadataResponse {
    let topics = Some(names.iter().map(|name| named(name)).collect());
    let request = MetadataRequest {
        topics,
        allow_auto_topic_creation: create,
        include_topic_authorized_operations: true,
        ..Default::default()
    };
    client.ask(12, &request)
}

/// The code of each topic, by its name.
pub fn metadata_codes(client: &mut Client, names: &[&str]) -> Vec<String> {
    let response = metadata_of(client, names, false);
    let mut topics: Vec<_> = response.topics.iter().collect();
    topics.sort_by_key(|topic| topic.name.as_ref().map(|name| name.as_str().to_owned()));
    topics.iter().map(|topic| topic.error_code.name().to_owned()).collect()
}

fn batch() -> Option<Records> {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    builder
        .push(&NewRecord { value: Some(bytes::Bytes::from_static(b"value")), ..Default::default() })
        .unwrap();
    Some(Records::from(builder.build().unwrap()))
}

#[test]
fn what_may_be_written_is_written_beside_what_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    ["a", "b", "c"].iter().for_each(|name| node.create(name, 1));
    node.set_rules(vec![
        allow(ResourceKind::Topic, "b", Operation::Write),
        allow(ResourceKind::Topic, "b", Operation::Read),
    ]);
    let mut alice = client(&node);
    let data = |name: &str| produce::TopicProduceData {
        name: name.into(),
        partition_data: vec![produce::PartitionProduceData { index: 0, records: batch() }],
        ..Default::default()
    };
    let topic_data = ["a", "b", "c", "b2"].map(data).into();
    let request = ProduceRequest { acks: -1, timeout_ms: 5_000, topic_data, ..Default::default() };
    let response = alice.ask(12, &request);
    let said: Vec<_> = response
        .responses
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partition_responses[0].error_code.name()))
        .collect();
    let no = "TOPIC_AUTHORIZATION_FAILED";
    assert_eq!(
        said,
        [("a", no), ("b", "NONE"), ("c", no), ("b2", no)],
        "a topic that is not there is no other"
    );
    assert_eq!(response.responses[1].partition_responses[0].base_offset, 0);

    let partition = || fetch::FetchPartition { partition_max_bytes: 1_000, ..Default::default() };
    let topic = |name: &str| fetch::FetchTopic {
        topic: name.into(),
        partitions: vec![partition()],
        ..Default::default()
    };
    let fetched = alice.ask(12, &FetchRequest { topics: ["a", "b"].map(topic).into(), ..Default::default() });
    let said: Vec<_> = fetched.responses.iter().map(|topic| topic.partitions[0].error_code.name()).collect();
    assert_eq!(said, [no, "NONE"]);
    assert!(fetched.responses[1].partitions[0].records.as_ref().is_some_and(|records| !records.is_empty()));
    node.close();
}

#[test]
fn topics_are_also_named_by_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut root = Client::new(&node.desk, 8, Some("root"));
    let id = metadata_of(&mut root, &["a"], false).topics[0].topic_id;
    let mut alice = client(&node);
    let fetch_by = |topic_id| FetchRequest {
        topics: vec![fetch::FetchTopic {
            topic_id,
            partitions: vec![fetch::FetchPartition { partition_max_bytes: 1_000, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let code = |response: FetchResponse| response.responses[0].partitions[0].error_code.name();
    assert_eq!(code(alice.ask(13, &fetch_by(id))), "TOPIC_AUTHORIZATION_FAILED");
    assert_eq!(code(alice.ask(13, &fetch_by(Uuid([9; 16])))), "UNKNOWN_TOPIC_ID");
    let by_id = metadata::MetadataRequestTopic { topic_id: id, name: None };
    let told = alice.ask(12, &MetadataRequest { topics: Some(vec![by_id]), ..Default::default() });
    assert_eq!(
        (told.topics[0].error_code.name(), &told.topics[0].name),
        ("TOPIC_AUTHORIZATION_FAILED", &None)
    );
    node.set_rules(vec![allow(ResourceKind::Topic, "a", Operation::Read)]);
    assert_eq!(code(alice.ask(13, &fetch_by(id))), "NONE");
    node.close();
}

#[test]
fn to_ask_for_a_topic_that_is_missing_is_to_create_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut alice = client(&node);
    let code = |client: &mut Client| metadata_of(client, &["new"], true).topics[0].error_code.name();
    assert_eq!(code(&mut alice), "TOPIC_AUTHORIZATION_FAILED");
    node.set_rules(vec![allow(ResourceKind::Topic, "new", Operation::Describe)]);
    assert_eq!(code(&mut alice), "TOPIC_AUTHORIZATION_FAILED", "to see it does not suffice");
    node.set_rules(vec![allow(ResourceKind::Topic, "new", Operation::Create)]);
    assert_eq!(code(&mut alice), "TOPIC_AUTHORIZATION_FAILED", "nor does to create it");
    assert_eq!(
        metadata_codes(&mut Client::new(&node.desk, 8, Some("root")), &["new"]),
        ["UNKNOWN_TOPIC_OR_PARTITION"]
    );
    node.set_rules(vec![
        allow(ResourceKind::Topic, "new", Operation::Describe),
        allow(ResourceKind::Cluster, "kafka-cluster", Operation::Create),
    ]);
    assert_eq!(code(&mut alice), "NONE");
    node.close();
}

#[test]
fn some_rights_imply_others() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut alice = client(&node);
    let no = "TOPIC_AUTHORIZATION_FAILED";
    for (operation, code) in [
        (Operation::Read, "NONE"),
        (Operation::Write, "NONE"),
        (Operation::Delete, "NONE"),
        (Operation::Alter, "NONE"),
        (Operation::Create, no),
        (Operation::AlterConfigs, no),
        (Operation::DescribeConfigs, no),
    ] {
        node.set_rules(vec![allow(ResourceKind::Topic, "a", operation)]);
        assert_eq!(metadata_codes(&mut alice, &["a"]), [code], "{operation}");
    }
    let denied =
        |operation| Acl { permission: Permission::Deny, ..allow(ResourceKind::Topic, "a", operation) };
    let described = allow(ResourceKind::Topic, "a", Operation::Describe);
    node.set_rules(vec![described.clone(), denied(Operation::Read)]);
    assert_eq!(metadata_codes(&mut alice, &["a"]), ["NONE"], "what is denied implies nothing");
    node.set_rules(vec![
        described,
        allow(ResourceKind::Topic, "a", Operation::Read),
        denied(Operation::Describe),
    ]);
    assert_eq!(metadata_codes(&mut alice, &["a"]), [no]);
    node.close();
}

/// A field of bits, by Kafka's numbers.
fn bits(numbers: &[i32]) -> i32 {
    numbers.iter().fold(0, |bits, number| bits | 1 << number)
}

#[test]
fn what_somebody_may_do_is_told_to_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut alice = client(&node);
    node.set_rules(vec![
        allow(ResourceKind::Topic, "a", Operation::Read),
        allow(ResourceKind::Topic, "a", Operation::AlterConfigs),
        allow(ResourceKind::Group, "g", Operation::Delete),
        allow(ResourceKind::Cluster, "kafka-cluster", Operation::Create),
    ]);
    assert_eq!(
        metadata_of(&mut alice, &["a"], false).topics[0].topic_authorized_operations,
        bits(&[3, 8, 10, 11])
    );
    let groups = DescribeGroupsRequest { groups: vec!["g".into()], include_authorized_operations: true };
    assert_eq!(alice.ask(6, &groups).groups[0].authorized_operations, bits(&[6, 8]));
    let cluster =
        DescribeClusterRequest { include_cluster_authorized_operations: true, ..Default::default() };
    assert_eq!(
        alice.ask(1, &cluster).cluster_authorized_operations,
        0,
        "who may not see it is told of nothing"
    );
    node.add_rules(vec![allow(ResourceKind::Cluster, "kafka-cluster", Operation::Alter)]);
    assert_eq!(alice.ask(1, &cluster).cluster_authorized_operations, bits(&[5, 7, 8]));
    assert_eq!(alice.ask(1, &cluster).brokers.len(), 1);
    node.close();
}

#[test]
fn who_creates_a_topic_need_not_see_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut alice = client(&node);
    let create = |name: &str| {
        let topic = create_topics::CreatableTopic {
            name: name.into(),
            num_partitions: 2,
            replication_factor: 1,
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], ..Default::default() }
    };
    node.set_rules(vec![Acl {
        pattern: Pattern::Prefixed,
        ..allow(ResourceKind::Topic, "n", Operation::Create)
    }]);
    let made = alice.ask(7, &create("n1"));
    let told = &made.topics[0];
    assert_eq!((told.error_code.name(), told.num_partitions), ("NONE", -1));
    assert_eq!(told.topic_config_error_code.name(), "TOPIC_AUTHORIZATION_FAILED");
    node.add_rules(vec![allow(ResourceKind::Topic, "n2", Operation::DescribeConfigs)]);
    let made = alice.ask(7, &create("n2"));
    assert_eq!((made.topics[0].num_partitions, made.topics[0].topic_config_error_code.name()), (2, "NONE"));
    node.close();
}

#[test]
fn a_connection_is_held_to_the_rules_of_the_moment() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut alice = client(&node);
    let read = allow(ResourceKind::Topic, "a", Operation::Read);
    for _ in 0..3 {
        node.set_rules(vec![read.clone()]);
        assert_eq!(metadata_codes(&mut alice, &["a"]), ["NONE"]);
        node.set_rules(Vec::new());
        assert_eq!(metadata_codes(&mut alice, &["a"]), ["TOPIC_AUTHORIZATION_FAILED"]);
    }
    node.close();
}

#[test]
fn what_no_rule_is_about_may_be_free() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let (node, ()) = Running::open(&env, &controlled(dir.path(), true), |_| ());
    node.create("a", 1);
    node.create("b", 1);
    let mut alice = client(&node);
    assert_eq!(metadata_codes(&mut alice, &["a", "b"]), ["NONE", "NONE"]);
    let bob = Acl { principal: "User:bob".into(), ..allow(ResourceKind::Topic, "b", Operation::Read) };
    node.set_rules(vec![bob]);
    assert_eq!(metadata_codes(&mut alice, &["a", "b"]), ["NONE", "TOPIC_AUTHORIZATION_FAILED"]);
    let told = metadata_of(&mut alice, &["a"], false);
    assert_eq!(told.topics[0].topic_authorized_operations, bits(&[3, 4, 5, 6, 7, 8, 10, 11]));
    node.close();
}

#[test]
fn without_access_control_there_are_no_rules() {
    let dir = tempfile::tempdir().unwrap();
    let (node, ()) = Running::open(&forebay_env::real::env(), &config(dir.path()), |_| ());
    node.create("a", 1);
    let mut alice = client(&node);
    assert_eq!(metadata_codes(&mut alice, &["a"]), ["NONE"]);
    let all = DescribeAclsRequest {
        resource_type_filter: 1,
        pattern_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    assert_eq!(alice.ask(3, &all).error_code.name(), "SECURITY_DISABLED");
    let filters = vec![delete_acls::DeleteAclsFilter::default()];
    let deleted = alice.ask(3, &DeleteAclsRequest { filters });
    assert_eq!(deleted.filter_results[0].error_code.name(), "SECURITY_DISABLED");
    let creations = vec![create_acls::AclCreation::default(); 2];
    let created = alice.ask(3, &CreateAclsRequest { creations });
    let codes: Vec<_> = created.results.iter().map(|result| result.error_code.name()).collect();
    assert_eq!(codes, ["SECURITY_DISABLED"; 2]);
    node.close();
}

#[test]
fn rules_are_added_shown_and_removed_in_kafkas_words() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    node.create("a", 1);
    let mut root = Client::new(&node.desk, 8, Some("root"));
    let creation = |resource_type, name: &str, pattern, operation| create_acls::AclCreation {
        resource_type,
        resource_name: name.into(),
        resource_pattern_type: pattern,
        principal: "User:alice".into(),
        host: "*".into(),
        operation,
        permission_type: 3,
    };
    let creations = vec![
        creation(2, "a", 3, 3),
        creation(2, "a", 4, 4),
        creation(2, "*", 3, 8),
        creation(4, "kafka-cluster", 3, 5),
        creation(4, "*", 3, 5),
        creation(2, "", 3, 3),
        creation(2, "a", 3, 3),
    ];
    let created = root.ask(3, &CreateAclsRequest { creations });
    let codes: Vec<_> = created.results.iter().map(|result| result.error_code.name()).collect();
    let no = "INVALID_REQUEST";
    assert_eq!(codes, ["NONE", "NONE", "NONE", "NONE", no, no, "NONE"], "one that is there already is well");
    let filter = |resource_type, name: Option<&str>, pattern| DescribeAclsRequest {
        resource_type_filter: resource_type,
        resource_name_filter: name.map(Into::into),
        pattern_type_filter: pattern,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    let mut shown = |filter| {
        let response: DescribeAclsResponse = root.ask(3, &filter);
        let shown = response.resources.iter();
        let shown: Vec<_> =
            shown.map(|r| format!("{} {} {}", r.resource_name, r.pattern_type, r.acls.len())).collect();
        shown.join(", ")
    };
    assert_eq!(shown(filter(1, None, 1)), "* 3 1, a 3 1, a 4 1, kafka-cluster 3 1");
    assert_eq!(shown(filter(2, Some("a"), 1)), "a 3 1, a 4 1");
    assert_eq!(shown(filter(2, Some("ab"), 2)), "* 3 1, a 4 1");
    assert_eq!(shown(filter(2, Some("ab"), 3)), "");
    let gone = delete_acls::DeleteAclsFilter {
        resource_type_filter: 2,
        resource_name_filter: Some("ab".into()),
        pattern_type_filter: 2,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    let deleted = root.ask(3, &DeleteAclsRequest { filters: vec![gone] });
    assert_eq!(deleted.filter_results[0].matching_acls.len(), 2);
    assert_eq!(node.rules().len(), 2);
    node.close();
}
