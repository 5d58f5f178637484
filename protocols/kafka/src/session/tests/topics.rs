//! CreateTopics, DeleteTopics, CreatePartitions, DescribeConfigs.

use super::*;
use crate::wire::messages::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use crate::wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use crate::wire::messages::delete_topics::DeleteTopicState;
use crate::wire::messages::describe_configs::DescribeConfigsResource;
use crate::wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DescribeConfigsRequest, DescribeConfigsResponse,
};
use crate::wire::{ErrorCode, Str, Uuid};
use forebay_kit::model::admin::{CreatedTopic, DeletedTopic, DescribedDefaults, DescribedTopic, GrownTopic};
use forebay_kit::model::{
    CleanupPolicy, CleanupSettings, Compression, Intake, IntakeSettings, LeaderEpoch, PartitionId,
    PartitionView, Ratio, Refusal, ShardId, TopicId, TopicSettings, TopicView, ZstdLevel,
};

fn new(topic: &str) -> CreatableTopic {
    CreatableTopic { name: topic.into(), num_partitions: -1, replication_factor: -1, ..Default::default() }
}

fn with(topic: &str, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    };
    CreatableTopic { configs: configs.iter().map(config).collect(), ..new(topic) }
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest { topics, timeout_ms: 3000, validate_only: false }
}

fn view(topic: &str, partitions: usize, settings: TopicSettings) -> TopicView {
    let partition = PartitionView {
        id: PartitionId(5),
        shard: ShardId(0),
        leader: Some(NodeId(1)),
        leader_epoch: LeaderEpoch(1),
        replicas: vec![NodeId(1)],
    };
    TopicView { name: name(topic), id: TopicId([8; 16]), settings, partitions: vec![partition; partitions] }
}

/// Creates with the broker granting everything; gives the settings that reached it.
fn created(
    version: i16,
    request: &CreateTopicsRequest,
) -> (Vec<Result<TopicSettings, Refusal>>, CreateTopicsResponse) {
    let mut pair = Pair::new();
    pair.ask(version, request);
    let mut settings = Vec::new();
    while let Some((token, call)) = pair.calls.pop_back() {
        let reply = match call {
            Request::DescribeDefaults => Reply::DescribeDefaults(
                Box::new(DescribedDefaults {
                    node: defaults(),
                    all: TopicSettings::default(),
                    creates: true,
                }),
                cluster(),
            ),
            Request::CreateTopics(create) => {
                settings.extend(create.topics.iter().map(|topic| topic.settings.clone()));
                let topic = |topic: forebay_kit::model::admin::NewTopic| CreatedTopic {
                    topic: topic.settings.map(|settings| view(&topic.name, 3, settings)),
                    name: topic.name,
                };
                Reply::CreateTopics(create.topics.into_iter().map(topic).collect())
            }
            other => panic!("not part of a creation: {other:?}"),
        };
        pair.reply(token, reply);
    }
    (settings, pair.response_to(1, version))
}

#[test]
fn a_topic_is_created_and_its_client_told_how() {
    let request = create(vec![with("t", &[("retention.ms", "-1"), ("forebay.flush", "async")])]);
    let (settings, response) = created(7, &request);
    let expected =
        TopicSettings { retention_ms: Some(None), flush: Some(FlushClass::Async), ..Default::default() };
    assert_eq!(settings, [Ok(expected)]);
    let result = &response.topics[0];
    assert_eq!((result.num_partitions, result.replication_factor, result.topic_id), (3, 1, Uuid([8; 16])));
    let configs = result.configs.as_ref().unwrap();
    let of = |name: &str| {
        let config = configs.iter().find(|config| config.name == *name).unwrap();
        (config.value.as_ref().unwrap().as_str().to_owned(), config.config_source)
    };
    assert_eq!(of("retention.ms"), ("-1".to_owned(), 1));
    assert_eq!(of("forebay.flush"), ("async".to_owned(), 1));
    assert_eq!(of("retention.bytes"), ("-1".to_owned(), 5));
    assert_eq!(of("max.message.bytes"), ("1048588".to_owned(), 5));
    let (_, response) = created(4, &request);
    assert_eq!(response.topics[0].configs, None, "before version 5 there is no room for it");
}

#[test]
fn what_can_be_set_is_set() {
    let request = create(vec![with(
        "t",
        &[
            ("retention.ms", "1000"),
            ("retention.bytes", "2000"),
            ("max.message.bytes", "3000"),
            ("message.timestamp.type", "LogAppendTime"),
            ("forebay.flush", "sync"),
            ("cleanup.policy", "delete, compact"),
            ("delete.retention.ms", "0"),
            ("min.compaction.lag.ms", "5"),
            ("max.compaction.lag.ms", "7"),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("segment.bytes", "1048576"),
            ("segment.ms", "1"),
            ("segment.jitter.ms", "0"),
            ("segment.index.bytes", "10485760"),
            ("index.interval.bytes", "4096"),
            ("file.delete.delay.ms", "60000"),
            ("local.retention.bytes", "-2"),
            ("local.retention.ms", "-2"),
            ("remote.log.copy.disable", "false"),
            ("remote.log.delete.on.disable", "false"),
            ("compression.type", "gzip"),
            ("compression.gzip.level", "-1"),
            ("compression.zstd.level", "-7"),
            ("compression.lz4.level", "9"),
            ("message.timestamp.before.max.ms", "9223372036854775807"),
            ("message.timestamp.after.max.ms", "0"),
            ("min.insync.replicas", "1"),
        ],
    )]);
    let expected = TopicSettings {
        retention_ms: Some(Some(1000)),
        retention_bytes: Some(Some(2000)),
        message_bytes_max: Some(3000),
        timestamp_type: Some(TimestampType::Append),
        flush: Some(FlushClass::Sync),
        cleanup: CleanupSettings {
            policy: Some(CleanupPolicy::CompactAndDelete),
            tombstone_ms: Some(0),
            lag_ms_min: Some(5),
            lag_ms_max: Some(7),
            dirty_ratio_min: Ratio::from_millionths(10_000),
            fresh_bytes: Some(1 << 20),
            fresh_ms: Some(1),
        },
        intake: IntakeSettings {
            before_ms_max: Some(Intake::ANY_MS),
            after_ms_max: Some(0),
            compression: Some(Compression::Gzip),
            gzip_level: Some(None),
            zstd_level: ZstdLevel::of(-7),
        },
    };
    assert_eq!(created(7, &request).0, [Ok(expected)]);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    for (key, value) in [
        ("cleanup.policy", "compress"),
        ("cleanup.policy", ","),
        ("cleanup.policy", "delete,"),
        ("delete.retention.ms", "-1"),
        ("max.compaction.lag.ms", "0"),
        ("min.compaction.lag.ms", "soon"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("compression.type", "brotli"),
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "1"),
        ("compression.zstd.level", "23"),
        ("message.timestamp.after.max.ms", "-1"),
        ("message.timestamp.before.max.ms", "soon"),
        ("min.insync.replicas", "2"),
        ("segment.bytes", "1000"),
        ("segment.bytes", "2147483648"),
        ("segment.ms", "0"),
        ("segment.jitter.ms", "1"),
        ("index.interval.bytes", "1"),
        ("file.delete.delay.ms", "0"),
        ("local.retention.ms", "1000"),
        ("message.format.version", "3.0-IV1"),
        ("flush.messages", "1"),
        ("retention.ms", "-2"),
        ("retention.ms", "soon"),
        ("max.message.bytes", "4294967296"),
        ("max.message.bytes", "134217729"),
        ("message.timestamp.type", "createtime"),
        ("forebay.flush", "never"),
        ("retention", "1"),
        ("no.such.key", "1"),
    ] {
        let (settings, response) = created(7, &create(vec![with("t", &[(key, value)])]));
        assert!(matches!(&settings[..], [Err(Refusal::InvalidSetting(_))]), "{key}={value}");
        let result = &response.topics[0];
        assert_eq!(result.error_code, ErrorCode::InvalidConfig, "{key}={value}");
        assert!(result.error_message.as_ref().unwrap().as_str().contains(key), "{key}={value}");
    }
    let mut topic = with("t", &[("retention.ms", "")]);
    topic.configs[0].value = None;
    assert_eq!(created(7, &create(vec![topic])).1.topics[0].error_code, ErrorCode::InvalidConfig);
}

#[test]
fn numbers_that_make_no_topic_are_refused_and_the_other_topics_created() {
    let assigned = |indexes: &[i32]| {
        let one = |index: &i32| CreatableReplicaAssignment { partition_index: *index, broker_ids: vec![1] };
        indexes.iter().map(one).collect::<Vec<_>>()
    };
    let request = create(vec![
        CreatableTopic { num_partitions: 0, ..new("a") },
        CreatableTopic { num_partitions: -2, ..new("b") },
        CreatableTopic { replication_factor: 0, ..new("c") },
        CreatableTopic { assignments: assigned(&[0, 2]), ..new("d") },
        CreatableTopic { assignments: assigned(&[0]), num_partitions: 1, ..new("e") },
        CreatableTopic { assignments: assigned(&[1, 0]), ..new("good") },
    ]);
    let (_, response) = created(7, &request);
    assert_eq!(response.topics[0].configs, Some(Vec::new()), "null would say that they are hidden");
    let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code).collect();
    let expected = [
        ErrorCode::InvalidPartitions,
        ErrorCode::InvalidPartitions,
        ErrorCode::InvalidReplicationFactor,
        ErrorCode::InvalidReplicaAssignment,
        ErrorCode::InvalidRequest,
        ErrorCode::None,
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_dry_run_is_passed_on_and_names_no_id() {
    let request = CreateTopicsRequest { validate_only: true, ..create(vec![new("t")]) };
    let (_, response) = created(7, &request);
    assert_eq!((response.topics[0].error_code, response.topics[0].topic_id), (ErrorCode::None, Uuid::ZERO));
}

#[test]
fn topics_are_deleted_by_name_or_by_id() {
    let states = vec![
        DeleteTopicState { name: Some("t".into()), topic_id: Uuid::ZERO },
        DeleteTopicState { name: None, topic_id: Uuid([8; 16]) },
        DeleteTopicState { name: Some("t".into()), topic_id: Uuid([8; 16]) },
        DeleteTopicState { name: None, topic_id: Uuid::ZERO },
        DeleteTopicState { name: Some("no/topic".into()), topic_id: Uuid::ZERO },
    ];
    let request = DeleteTopicsRequest { topics: states, timeout_ms: 10, ..Default::default() };
    let response = Pair::new().exchange(6, &request, |call| {
        let Request::DeleteTopics(delete) = call else { panic!("a deletion") };
        assert_eq!(delete.topics, [TopicRef::Name(name("t")), TopicRef::Id(TopicId([8; 16]))]);
        let [first, second] = delete.topics.try_into().unwrap();
        Reply::DeleteTopics(vec![
            DeletedTopic { asked: first, result: Err(Refusal::UnknownTopic) },
            DeletedTopic { asked: second, result: Ok((name("u"), TopicId([8; 16]))) },
        ])
    });
    let codes: Vec<_> = response.responses.iter().map(|topic| topic.error_code).collect();
    let expected = [
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::None,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidRequest,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(codes, expected);
    assert_eq!(response.responses[1].name.as_ref().unwrap(), "u");

    let old = DeleteTopicsRequest { topic_names: vec!["t".into()], timeout_ms: 10, ..Default::default() };
    let response = Pair::new().exchange(1, &old, |call| {
        let Request::DeleteTopics(delete) = call else { panic!("a deletion") };
        let asked = delete.topics[0].clone();
        Reply::DeleteTopics(vec![DeletedTopic { asked, result: Ok((name("t"), TopicId([8; 16]))) }])
    });
    assert_eq!(response.responses[0].error_code, ErrorCode::None);
}

#[test]
fn a_topic_named_twice_in_one_deletion_stays() {
    let named = |name: Option<&str>, id| DeleteTopicState { name: name.map(Into::into), topic_id: Uuid(id) };
    let nameless = [named(None, [8; 16]), named(None, [9; 16]), named(None, [8; 16])];
    let topics = [vec![named(Some("t"), [0; 16]); 2], nameless.to_vec()].concat();
    let request = DeleteTopicsRequest { topics, timeout_ms: 10, ..Default::default() };
    let response = Pair::new().exchange(6, &request, |call| {
        let Request::DeleteTopics(delete) = call else { panic!("a deletion") };
        assert_eq!(delete.topics, [TopicRef::Id(TopicId([9; 16]))]);
        let asked = delete.topics[0].clone();
        Reply::DeleteTopics(vec![DeletedTopic { asked, result: Ok((name("u"), TopicId([9; 16]))) }])
    });
    let codes: Vec<_> = response.responses.iter().map(|topic| topic.error_code).collect();
    let twice = ErrorCode::InvalidRequest;
    assert_eq!(codes, [twice, twice, twice, ErrorCode::None, twice]);
}

#[test]
fn who_deletes_by_name_what_just_went_is_told_so_by_name() {
    let request = DeleteTopicsRequest { topic_names: vec!["t".into()], timeout_ms: 10, ..Default::default() };
    let response = Pair::new().exchange(5, &request, |call| {
        let Request::DeleteTopics(delete) = call else { panic!("a deletion") };
        let asked = delete.topics[0].clone();
        Reply::DeleteTopics(vec![DeletedTopic { asked, result: Err(Refusal::UnknownTopicId) }])
    });
    assert_eq!(response.responses[0].error_code, ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn topics_grow() {
    let assign = |nodes: &[i32]| Some(vec![CreatePartitionsAssignment { broker_ids: nodes.to_vec() }]);
    let topic =
        |name: &str, count, assignments| CreatePartitionsTopic { name: name.into(), count, assignments };
    let request = CreatePartitionsRequest {
        topics: vec![
            topic("t", 6, None),
            topic("zero", 0, None),
            topic("none", 2, Some(Vec::new())),
            topic("strange", 2, assign(&[-4])),
            topic("u", 2, assign(&[1])),
        ],
        timeout_ms: 10,
        validate_only: true,
    };
    let response = Pair::new().exchange(3, &request, |call| {
        let Request::CreatePartitions(grow) = call else { panic!("a growth") };
        assert!(grow.dry_run);
        assert_eq!((grow.topics[0].total, grow.topics[1].assignment.clone()), (6, vec![vec![NodeId(1)]]));
        let result = |name: &str, result| GrownTopic { name: name.into(), result };
        Reply::CreatePartitions(vec![
            result("t", Ok(())),
            result("u", Err(Refusal::InvalidPartitionCount("fewer than now".into()))),
        ])
    });
    let codes: Vec<_> = response.results.iter().map(|result| result.error_code).collect();
    let expected = [
        ErrorCode::None,
        ErrorCode::InvalidPartitions,
        ErrorCode::InvalidReplicaAssignment,
        ErrorCode::InvalidReplicaAssignment,
        ErrorCode::InvalidPartitions,
    ];
    assert_eq!(codes, expected);
    assert_eq!(response.results[4].error_message.as_ref().unwrap(), "fewer than now");
}

#[test]
fn a_node_tells_what_holds_for_all_its_topics() {
    let keys = ["node.id", "delete.topic.enable", "default.replication.factor", "message.max.bytes"];
    let resource = DescribeConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configuration_keys: Some(keys.iter().map(|key| (*key).into()).collect()),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let response = described(&request);
    let told: Vec<_> = response.results[0]
        .configs
        .iter()
        .map(|config| {
            assert_eq!(config.read_only, config.name != "message.max.bytes");
            (config.name.as_str(), config.value.as_ref().map_or("", Str::as_str))
        })
        .collect();
    let expected = [
        ("default.replication.factor", "1"),
        ("delete.topic.enable", "true"),
        ("message.max.bytes", "1048588"),
        ("node.id", "1"),
    ];
    assert_eq!(told, expected);
}

/// Kafka's consoles and libraries look for it first, and know it by where it comes from.
#[test]
fn a_node_tells_where_its_listener_is_found() {
    let resource = DescribeConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configuration_keys: Some(vec!["advertised.listeners".into()]),
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() };
    let told = |is_encrypted| {
        let response = described_to(Pair::at_listener(is_encrypted), &request, TopicSettings::default());
        let [config] = &response.results[0].configs[..] else { panic!("the one key that was asked for") };
        let [own] = &config.synonyms[..] else { panic!("there is no default") };
        assert_eq!((own.source, own.value.as_ref()), (4, config.value.as_ref()));
        assert_eq!((config.config_source, config.config_type, config.read_only), (4, 7, true));
        config.value.as_ref().map(ToString::to_string)
    };
    assert_eq!(told(false).as_deref(), Some("PLAINTEXT://broker.example:9092"));
    assert_eq!(told(true).as_deref(), Some("SSL://broker.example:9092"));
}

fn described(request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    described_to(Pair::new(), request, TopicSettings::default())
}

/// The same by this connection, where this was set for all nodes.
fn described_to(
    mut pair: Pair,
    request: &DescribeConfigsRequest,
    all: TopicSettings,
) -> DescribeConfigsResponse {
    pair.ask(4, request);
    let settings = TopicSettings { retention_ms: Some(Some(5)), ..Default::default() };
    let found = DescribedTopic {
        asked: TopicRef::Name(name("t")),
        topic: Ok(view("t", 1, settings)),
        operations: Operations::ALL,
    };
    let missing = DescribedTopic {
        asked: TopicRef::Name(name("gone")),
        topic: Err(Refusal::UnknownTopic),
        operations: Operations::ALL,
    };
    let (topics, _) = pair.call();
    let (of_nodes, _) = pair.call();
    let defaults = DescribedDefaults { node: defaults(), all, creates: false };
    pair.reply(of_nodes, Reply::DescribeDefaults(Box::new(defaults), cluster()));
    pair.reply(topics, Reply::DescribeTopics(cluster(), vec![found, missing]));
    pair.response_to(1, 4)
}

#[test]
fn settings_are_described_with_where_they_come_from() {
    let resource = |resource_type, name: &str, keys: Option<&[&str]>| DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).into()).collect()),
    };
    let request = DescribeConfigsRequest {
        resources: vec![
            resource(2, "t", Some(&["retention.ms", "no.such.key"])),
            resource(2, "gone", None),
            resource(4, "1", Some(&["auto.create.topics.enable", "log.retention.ms", "num.partitions"])),
            resource(4, "7", None),
            resource(4, "", None),
            resource(8, "1", None),
            resource(2, "no/topic", None),
        ],
        include_synonyms: true,
        include_documentation: true,
    };
    let response = described(&request);
    let codes: Vec<_> = response.results.iter().map(|result| result.error_code).collect();
    let expected = [
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::None,
        ErrorCode::InvalidRequest,
        ErrorCode::None,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidTopic,
    ];
    assert_eq!(codes, expected);
    let [retention] = &response.results[0].configs[..] else { panic!("the one key that was asked for") };
    assert_eq!((retention.value.as_ref().unwrap().as_str(), retention.config_source), ("5", 1));
    assert_eq!((retention.config_type, retention.read_only), (5, false));
    let synonyms: Vec<_> =
        retention.synonyms.iter().map(|s| (s.value.as_ref().unwrap().as_str(), s.source)).collect();
    assert_eq!(synonyms, [("5", 1), ("604800000", 5)]);
    assert!(retention.documentation.as_ref().unwrap().as_str().contains("milliseconds"));
    let of_node: Vec<_> = response.results[2]
        .configs
        .iter()
        .map(|config| (config.name.as_str(), config.value.as_ref().unwrap().as_str()))
        .collect();
    let expected =
        [("auto.create.topics.enable", "false"), ("log.retention.ms", "604800000"), ("num.partitions", "3")];
    assert_eq!(of_node, expected);
}

#[test]
fn what_was_set_for_all_nodes_is_told_beside_what_it_is_weaker_and_stronger_than() {
    let resource = |resource_type, name: &str, keys: &[&str]| DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: Some(keys.iter().map(|key| (*key).into()).collect()),
    };
    let request = DescribeConfigsRequest {
        resources: vec![
            resource(2, "t", &["retention.ms", "max.message.bytes"]),
            resource(2, "gone", &[]),
            resource(4, "1", &["message.max.bytes"]),
            resource(4, "", &[]),
        ],
        include_synonyms: true,
        include_documentation: false,
    };
    let all =
        TopicSettings { retention_ms: Some(Some(6)), message_bytes_max: Some(7), ..TopicSettings::default() };
    let response = described_to(Pair::new(), &request, all);
    type Told = (String, String, i8, Vec<(String, i8)>);
    let told = |at: usize| -> Vec<Told> {
        let text = |text: &Option<Str>| text.as_ref().unwrap().as_str().to_owned();
        let told = response.results[at].configs.iter().map(|config| {
            let synonyms = config.synonyms.iter().map(|synonym| (text(&synonym.value), synonym.source));
            let name = config.name.as_str().to_owned();
            (name, text(&config.value), config.config_source, synonyms.collect())
        });
        told.collect()
    };
    let synonyms = |all: &[(&str, i8)]| all.iter().map(|(value, at)| ((*value).to_owned(), *at)).collect();
    let max = |name: &str| (name.to_owned(), "7".to_owned(), 3, synonyms(&[("7", 3), ("1048588", 5)]));
    let retention = |name: &str, value: &str, source, all: &[(&str, i8)]| {
        (name.to_owned(), value.to_owned(), source, synonyms(all))
    };
    let own = [("5", 1), ("6", 3), ("604800000", 5)];
    assert_eq!(told(0), [max("max.message.bytes"), retention("retention.ms", "5", 1, &own)]);
    assert_eq!(told(2), [max("message.max.bytes")]);
    let mut shared = told(3);
    shared.sort();
    assert_eq!(shared, [retention("log.retention.ms", "6", 3, &own[1..]), max("message.max.bytes")]);
}

#[test]
fn an_empty_list_of_keys_asks_for_all_settings() {
    let resource = |name: &str, keys| DescribeConfigsResource {
        resource_type: 2,
        resource_name: name.into(),
        configuration_keys: keys,
    };
    let all = |keys: Option<Vec<Str>>| {
        let resources = vec![resource("t", keys), resource("gone", None)];
        described(&DescribeConfigsRequest { resources, ..Default::default() }).results.remove(0).configs
    };
    assert_eq!(all(Some(Vec::new())), all(None));
    assert!(!all(None).is_empty());
}

#[test]
fn every_setting_that_is_shown_can_be_set_to_what_is_shown() {
    let request = DescribeConfigsRequest {
        resources: vec![
            DescribeConfigsResource { resource_type: 2, resource_name: "t".into(), configuration_keys: None },
            DescribeConfigsResource {
                resource_type: 2,
                resource_name: "gone".into(),
                configuration_keys: None,
            },
        ],
        ..Default::default()
    };
    let shown = described(&request).results.remove(0).configs;
    assert!(shown.len() >= 15);
    let configs: Vec<_> =
        shown.iter().map(|config| (config.name.as_str(), config.value.as_ref().unwrap().as_str())).collect();
    let (settings, _) = created(7, &create(vec![with("copy", &configs)]));
    let Ok(settings) = &settings[0] else { panic!("{settings:?}") };
    assert_eq!(settings.retention_ms, Some(Some(5)));
}
