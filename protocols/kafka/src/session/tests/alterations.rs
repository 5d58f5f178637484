//! IncrementalAlterConfigs, AlterConfigs.

use super::*;
use crate::wire::messages::alter_configs;
use crate::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use crate::wire::messages::{AlterConfigsRequest, IncrementalAlterConfigsRequest};
use crate::wire::{ErrorCode, Str};
use forebay_kit::model::admin::{AlterDefaults, AlterTopics, AlteredTopic};
use forebay_kit::model::{
    CleanupChange, CleanupPolicy, Compression, IntakeChange, PolicyChange, Refusal, SettingChange,
    SettingsChange,
};

/// Kafka's numbers of operations.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Operation<'a> = (&'a str, i8, Option<&'a str>);

fn some(kind: i8, name: &str, operations: &[Operation<'_>]) -> AlterConfigsResource {
    let config = |(name, config_operation, value): &Operation<'_>| AlterableConfig {
        name: (*name).into(),
        config_operation: *config_operation,
        value: value.map(Str::from),
    };
    AlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: operations.iter().map(config).collect(),
    }
}

fn request(resources: Vec<AlterConfigsResource>) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest { resources, validate_only: false }
}

/// The code and the text of the one resource, refused before the broker is asked.
fn refused(resource: AlterConfigsResource) -> (ErrorCode, String) {
    let response = Pair::new().answer(1, &request(vec![resource]));
    let response = &response.responses[0];
    (
        response.error_code,
        response.error_message.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default(),
    )
}

/// Grants everything; what was asked for.
fn granted(call: Request, seen: &mut Option<AlterTopics>) -> Reply {
    let Request::AlterTopics(alter) = call else { panic!("a change of settings") };
    let results = alter.topics.iter().map(|topic| AlteredTopic { name: topic.name.clone(), result: Ok(()) });
    let reply = Reply::AlterTopics(results.collect());
    *seen = Some(alter);
    reply
}

fn change_of(operations: &[Operation<'_>]) -> SettingsChange {
    let mut seen = None;
    let response =
        Pair::new().exchange(1, &request(vec![some(2, "t", operations)]), |call| granted(call, &mut seen));
    assert_eq!(response.responses[0].error_code, ErrorCode::None);
    seen.expect("asked").topics.remove(0).change
}

#[test]
fn single_settings_are_set_and_taken_back_and_the_others_stay() {
    let change = change_of(&[
        ("retention.ms", SET, Some("-1")),
        ("max.message.bytes", SET, Some("100")),
        ("retention.bytes", DELETE, None),
        ("cleanup.policy", APPEND, Some("compact")),
        ("min.compaction.lag.ms", DELETE, None),
        ("segment.bytes", SET, Some("52428800")),
        ("segment.ms", DELETE, None),
        ("compression.type", SET, Some("producer")),
        ("message.timestamp.after.max.ms", DELETE, None),
        // Not kept with a topic: nothing else was ever possible.
        ("min.insync.replicas", SET, Some("1")),
    ]);
    let expected = SettingsChange {
        retention_ms: SettingChange::Set(None),
        retention_bytes: SettingChange::Clear,
        message_bytes_max: SettingChange::Set(100),
        cleanup: CleanupChange {
            policy: PolicyChange::Add(CleanupPolicy::Compact),
            lag_ms_min: SettingChange::Clear,
            fresh_bytes: SettingChange::Set(52_428_800),
            fresh_ms: SettingChange::Clear,
            ..CleanupChange::default()
        },
        intake: IntakeChange {
            compression: SettingChange::Set(Compression::Producer),
            after_ms_max: SettingChange::Clear,
            ..IntakeChange::default()
        },
        ..SettingsChange::default()
    };
    assert_eq!(change, expected);
    let nothing = [
        ("min.insync.replicas", DELETE, None),
        ("segment.index.bytes", SET, Some("10485760")),
        ("message.format.version", DELETE, Some("ignored")),
        ("leader.replication.throttled.replicas", SET, Some("")),
        ("follower.replication.throttled.replicas", SUBTRACT, Some("*")),
    ];
    assert_eq!(change_of(&nothing), SettingsChange::default());
    for (operation, policy) in [
        (("cleanup.policy", SUBTRACT, Some("delete")), PolicyChange::Remove(CleanupPolicy::Delete)),
        (("cleanup.policy", SET, Some("compact")), PolicyChange::Set(CleanupPolicy::Compact)),
        (("cleanup.policy", SET, Some("")), PolicyChange::Set(CleanupPolicy::Never)),
        (("cleanup.policy", DELETE, None), PolicyChange::Clear),
    ] {
        assert_eq!(change_of(&[operation]).cleanup.policy, policy);
    }
}

#[test]
fn what_cannot_be_enforced_is_refused_by_name() {
    let cases: [(Operation<'_>, &str); 13] = [
        (("retention.ms", SET, Some("soon")), "retention.ms"),
        (("retention.ms", APPEND, Some("1")), "retention.ms is no list"),
        (("cleanup.policy", APPEND, Some("compress")), "cleanup.policy is a list"),
        (("min.cleanable.dirty.ratio", SET, Some("half")), "min.cleanable.dirty.ratio is a number"),
        (("max.compaction.lag.ms", SET, Some("0")), "max.compaction.lag.ms is a whole number"),
        (("segment.bytes", SET, Some("1048575")), "segment.bytes is a number of bytes"),
        (("segment.ms", SET, Some("0")), "segment.ms is a whole number"),
        (("segment.index.bytes", SET, Some("4096")), "segment.index.bytes=4096"),
        (("internal.segment.bytes", SET, Some("1048576")), "internal.segment.bytes"),
        (
            ("leader.replication.throttled.replicas", APPEND, Some("0:1")),
            "leader.replication.throttled.replicas=0:1",
        ),
        (("no.such.setting", SET, Some("1")), "no.such.setting"),
        (("no.such.setting", DELETE, None), "no.such.setting"),
        (("forebay.flush", SET, Some("never")), "forebay.flush"),
    ];
    for (operation, text) in cases {
        let (code, message) = refused(some(2, "t", &[("max.message.bytes", SET, Some("9")), operation]));
        assert_eq!(code, ErrorCode::InvalidConfig, "{operation:?}");
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn requests_that_make_no_sense_are_invalid() {
    let without_value = refused(some(2, "t", &[("retention.ms", SET, None)]));
    assert_eq!(
        (without_value.0, without_value.1.contains("retention.ms")),
        (ErrorCode::InvalidRequest, true)
    );
    assert_eq!(refused(some(2, "t", &[("retention.ms", 4, Some("1"))])).0, ErrorCode::InvalidRequest);
    let twice = [("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)];
    assert_eq!(refused(some(2, "t", &twice)).0, ErrorCode::InvalidRequest);
    let one = [("retention.ms", SET, Some("1"))];
    assert_eq!(refused(some(2, "", &one)).0, ErrorCode::InvalidRequest);
    assert_eq!(refused(some(2, "no/topic", &one)).0, ErrorCode::InvalidTopic);
    // Nodes, groups, loggers of nodes, metrics of clients, and what does not exist.
    assert_eq!(refused(some(4, "1", &[("log.retention.ms", SET, Some("1"))])).0, ErrorCode::InvalidRequest);
    assert_eq!(refused(some(32, "g", &one)).0, ErrorCode::InvalidConfig);
    assert_eq!(refused(some(32, "", &one)).0, ErrorCode::InvalidGroupId);
    for kind in [0, 8, 16, 99] {
        assert_eq!(refused(some(kind, "1", &one)).0, ErrorCode::InvalidRequest, "{kind}");
    }
}

#[test]
fn every_resource_has_its_own_answer() {
    let one = [("retention.ms", SET, Some("1"))];
    let resources = vec![
        some(2, "twice", &one),
        some(2, "gone", &one),
        some(4, "1", &one),
        some(2, "twice", &one),
        some(2, "t", &one),
    ];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: true };
    let response = Pair::new().exchange(0, &request, |call| {
        let Request::AlterTopics(alter) = call else { panic!("a change of settings") };
        assert!(alter.dry_run);
        let names: Vec<_> = alter.topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["gone", "t"]);
        let result = |topic: &str, result| AlteredTopic { name: name(topic), result };
        Reply::AlterTopics(vec![result("gone", Err(Refusal::UnknownTopic)), result("t", Ok(()))])
    });
    let codes: Vec<_> = response.responses.iter().map(|response| response.error_code).collect();
    let expected = [
        ErrorCode::InvalidRequest,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidRequest,
        ErrorCode::None,
    ];
    assert_eq!(codes, expected);
    let names: Vec<_> = response.responses.iter().map(|response| response.resource_name.as_str()).collect();
    assert_eq!(names, ["twice", "gone", "1", "twice", "t"]);
}

#[test]
fn all_settings_are_replaced_by_those_that_are_named() {
    let config = |name: &str, value: Option<&str>| alter_configs::AlterableConfig {
        name: name.into(),
        value: value.map(Str::from),
    };
    let resource = |name: &str, configs| alter_configs::AlterConfigsResource {
        resource_type: 2,
        resource_name: name.into(),
        configs,
    };
    let request = AlterConfigsRequest {
        resources: vec![
            resource("t", vec![config("retention.ms", Some("5")), config("preallocate", Some("false"))]),
            resource("null", vec![config("retention.ms", None)]),
            resource("wrong", vec![config("segment.jitter.ms", Some("1"))]),
        ],
        validate_only: false,
    };
    for version in 0..3 {
        let mut seen = None;
        let response = Pair::new().exchange(version, &request, |call| granted(call, &mut seen));
        let alter = seen.expect("asked");
        assert!(!alter.dry_run && alter.timeout_ms > 0);
        let expected = SettingsChange { retention_ms: SettingChange::Set(Some(5)), ..SettingsChange::CLEAR };
        assert_eq!(alter.topics[0].change, expected);
        let codes: Vec<_> = response.responses.iter().map(|response| response.error_code).collect();
        assert_eq!(codes, [ErrorCode::None, ErrorCode::InvalidRequest, ErrorCode::InvalidConfig]);
    }
}

/// What the broker is asked for by a change of what applies on all nodes.
fn change_of_nodes(operations: &[Operation<'_>]) -> SettingsChange {
    let mut seen = None;
    let response = Pair::new().exchange(1, &request(vec![some(4, "", operations)]), |call| {
        let Request::AlterDefaults(alter) = call else { panic!("a change of defaults") };
        seen = Some(alter);
        Reply::AlterDefaults(Ok(()))
    });
    assert_eq!(response.responses[0].error_code, ErrorCode::None);
    seen.expect("asked").change
}

#[test]
fn what_applies_to_topics_that_set_nothing_is_changed_by_the_names_that_it_has_on_nodes() {
    let change = change_of_nodes(&[
        ("log.retention.ms", SET, Some("5000")),
        ("message.max.bytes", DELETE, None),
        ("log.cleaner.min.compaction.lag.ms", SET, Some("7")),
        ("compression.type", SET, Some("zstd")),
        ("min.insync.replicas", SET, Some("1")),
    ]);
    let expected = SettingsChange {
        retention_ms: SettingChange::Set(Some(5000)),
        message_bytes_max: SettingChange::Clear,
        cleanup: CleanupChange { lag_ms_min: SettingChange::Set(7), ..CleanupChange::default() },
        intake: IntakeChange {
            compression: SettingChange::Set(Compression::Zstd),
            ..IntakeChange::default()
        },
        ..SettingsChange::default()
    };
    assert_eq!(change, expected);
}

#[test]
fn all_that_applies_on_all_nodes_is_replaced_at_once() {
    let config =
        alter_configs::AlterableConfig { name: "log.retention.bytes".into(), value: Some("9".into()) };
    let resource = alter_configs::AlterConfigsResource {
        resource_type: 4,
        resource_name: "".into(),
        configs: vec![config],
    };
    let mut seen: Option<AlterDefaults> = None;
    let all = AlterConfigsRequest { resources: vec![resource], validate_only: true };
    let response = Pair::new().exchange(2, &all, |call| {
        let Request::AlterDefaults(alter) = call else { panic!("a change of defaults") };
        seen = Some(alter);
        Reply::AlterDefaults(Err(Refusal::TimedOut))
    });
    assert_eq!(response.responses[0].error_code, ErrorCode::RequestTimedOut);
    let alter = seen.expect("asked");
    assert!(alter.dry_run);
    // What is each topic's own is not touched.
    let expected = SettingsChange {
        retention_bytes: SettingChange::Set(Some(9)),
        flush: SettingChange::Keep,
        cleanup: CleanupChange { policy: PolicyChange::Keep, ..CleanupChange::CLEAR },
        ..SettingsChange::CLEAR
    };
    assert_eq!(alter.change, expected);
}

#[test]
fn what_of_nodes_cannot_be_changed_is_refused_by_name() {
    let cases: [(&str, Operation<'_>, &str); 6] = [
        ("", ("log.retention.ms", SET, Some("soon")), "log.retention.ms: retention.ms is a whole number"),
        ("", ("log.cleanup.policy", SET, Some("compact")), "log.cleanup.policy cannot be changed"),
        ("", ("num.io.threads", SET, Some("9")), "num.io.threads cannot be changed"),
        ("", ("retention.ms", DELETE, None), "retention.ms cannot be changed"),
        ("", ("min.insync.replicas", SET, Some("2")), "min.insync.replicas=2"),
        ("1", ("log.retention.ms", SET, Some("9")), "settings of one node"),
    ];
    for (node, operation, text) in cases {
        let (code, message) = refused(some(4, node, &[operation]));
        assert_eq!(code, ErrorCode::InvalidRequest, "{operation:?}");
        assert!(message.contains(text), "{message}");
    }
}
