//! Settings of topics on a node at work: changes reach the shards, do not undo each other, and hold after a restart.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::path::Path;
use std::time::Duration;

use forebay_model::admin::{AlterDefaults, AlterTopics, TopicChange};
use forebay_model::fetch::{FindOffset, FindOffsets, Isolation, OffsetTarget};
use forebay_model::partition::{
    DescribePartitions, PartitionSelection, PartitionState, TrimPartition, TrimPartitions, TrimTo, Trimmed,
};
use forebay_model::{
    FlushClass, Offset, Refusal, Reply, Request, SettingChange, SettingsChange, TopicName, TopicSettings,
};
use forebay_server::node::NodeConfig;

use common::{Running, config, partition, wait_for};

fn open(config: &NodeConfig) -> Running {
    Running::open(&forebay_env::real::env(), config, |_| ()).0
}

fn change(topic: &str, change: SettingsChange) -> TopicChange {
    TopicChange { name: TopicName::parse(topic).unwrap(), change }
}

fn request(topics: Vec<TopicChange>, dry_run: bool) -> Request {
    Request::AlterTopics(AlterTopics { topics, dry_run, timeout_ms: 10_000 })
}

fn results(reply: Reply) -> Vec<Result<(), Refusal>> {
    let Reply::AlterTopics(altered) = reply else { panic!("{reply:?}") };
    altered.into_iter().map(|topic| topic.result).collect()
}

fn alter(node: &Running, topic: &str, settings: SettingsChange) -> Result<(), Refusal> {
    results(node.ask(request(vec![change(topic, settings)], false))).remove(0)
}

/// What is set on a topic.
fn settings(node: &Running, topic: &str) -> TopicSettings {
    let catalogue = node.desk.catalogue();
    catalogue.topic(&TopicName::parse(topic).unwrap()).expect("it exists").settings.clone()
}

fn max_bytes(bytes: u32) -> SettingsChange {
    SettingsChange { message_bytes_max: SettingChange::Set(bytes), ..SettingsChange::default() }
}

/// A fresh directory.
fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_change_applies_when_it_is_answered_and_after_a_restart() {
    let dir = dir();
    let node = open(&config(dir.path()));
    node.create("t", 3);
    node.publish("t", 2, 10).unwrap();
    assert_eq!(alter(&node, "t", max_bytes(100)), Ok(()));
    // In the shards' own state, not only in the front desk's copy.
    assert_eq!(node.publish("t", 2, 10), Err(Refusal::TooLarge { limit: 100 }));
    assert!(node.publish("t", 1, 1).is_ok());
    node.close();
    let node = open(&config(dir.path()));
    let again = wait_for("a leader", || match node.publish("t", 2, 10) {
        Err(Refusal::TooLarge { limit }) => Some(limit),
        _ => None,
    });
    assert_eq!(again, 100);
    assert_eq!(alter(&node, "t", SettingsChange::CLEAR), Ok(()));
    assert_eq!(settings(&node, "t"), TopicSettings::default());
    assert!(node.publish("t", 2, 10).is_ok());
    node.close();
}

#[test]
fn changes_that_come_at_once_do_not_undo_each_other() {
    let dir = dir();
    let node = open(&config(dir.path()));
    node.create("t", 1);
    for round in 1..20u64 {
        let retention = SettingsChange {
            retention_ms: SettingChange::Set(Some(round * 1_000_000)),
            ..SettingsChange::default()
        };
        let bytes = SettingsChange {
            retention_bytes: SettingChange::Set(Some(round * 1_000_000_000)),
            ..SettingsChange::default()
        };
        let node = &node;
        std::thread::scope(|scope| {
            let changes = [retention, bytes, max_bytes(round as u32 * 1000)];
            let threads = changes.map(|change| scope.spawn(move || alter(node, "t", change)));
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), Ok(())));
        });
        let expected = TopicSettings {
            retention_ms: Some(Some(round * 1_000_000)),
            retention_bytes: Some(Some(round * 1_000_000_000)),
            message_bytes_max: Some(round as u32 * 1000),
            ..TopicSettings::default()
        };
        assert_eq!(settings(node, "t"), expected);
    }
    node.close();
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let dir = dir();
    let node = open(&config(dir.path()));
    node.create("t", 1);
    let flush = |class| SettingsChange { flush: SettingChange::Set(class), ..max_bytes(7) };
    let topics = vec![
        change("gone", max_bytes(5)),
        change("t", flush(FlushClass::Async)),
        change("twice", max_bytes(5)),
        change("twice", max_bytes(6)),
    ];
    let results_of = results(node.ask(request(topics, false)));
    assert_eq!(results_of[0], Err(Refusal::UnknownTopic));
    assert!(matches!(&results_of[1], Err(Refusal::InvalidSetting(text)) if text.contains("forebay.flush")));
    assert_eq!(results_of[2..], [Err(Refusal::DuplicateItem), Err(Refusal::DuplicateItem)]);
    assert_eq!(settings(&node, "t"), TopicSettings::default());
    // Only checked: as it would be, and nothing happens.
    let dry = results(node.ask(request(vec![change("t", max_bytes(5)), change("gone", max_bytes(5))], true)));
    assert_eq!(dry, [Ok(()), Err(Refusal::UnknownTopic)]);
    assert_eq!(settings(&node, "t"), TopicSettings::default());
    // The class that it has may be said.
    assert_eq!(alter(&node, "t", flush(FlushClass::Sync)), Ok(()));
    assert_eq!(settings(&node, "t").flush, Some(FlushClass::Sync));
    node.close();
}

/// Where the records of a partition begin.
fn start(node: &Running, topic: &str) -> u64 {
    let target = OffsetTarget::Earliest;
    let item = FindOffset { partition: partition(topic, 0), target, leader_epoch: None };
    let find = FindOffsets { items: vec![item], isolation: Isolation::Uncommitted };
    let Reply::FindOffsets(found) = node.ask(Request::FindOffsets(find)) else { panic!("found") };
    found[0].clone().unwrap().unwrap().offset.0
}

#[test]
fn a_lower_bound_takes_effect_on_what_is_stored() {
    let dir = dir();
    let config = NodeConfig { retention_interval: Duration::from_millis(100), ..config(dir.path()) };
    let node = open(&config);
    node.create("t", 1);
    for _ in 0..20 {
        node.publish("t", 0, 10).unwrap();
    }
    assert_eq!(start(&node, "t"), 0);
    let bytes = SettingsChange { retention_bytes: SettingChange::Set(Some(1)), ..SettingsChange::default() };
    assert_eq!(alter(&node, "t", bytes), Ok(()));
    wait_for("the old records to go", || (start(&node, "t") == 190).then_some(()));
    node.close();
}

fn trim(node: &Running, items: Vec<(&str, u32, TrimTo)>, timeout_ms: u32) -> Vec<Trimmed> {
    let item = |(topic, number, to)| TrimPartition { partition: partition(topic, number), to };
    let items = items.into_iter().map(item).collect();
    let reply = node.ask(Request::TrimPartitions(TrimPartitions { items, timeout_ms }));
    let Reply::TrimPartitions(trimmed) = reply else { panic!("{reply:?}") };
    trimmed
}

fn described(node: &Running, partitions: PartitionSelection) -> Vec<(u32, Result<PartitionState, Refusal>)> {
    let describe = DescribePartitions { partitions, producers: true };
    let reply = node.ask(Request::DescribePartitions(describe));
    let Reply::DescribePartitions(described, storage) = reply else { panic!("{reply:?}") };
    assert!(Path::new(&storage.directory).is_absolute());
    described.into_iter().map(|described| (described.partition.number, described.state)).collect()
}

#[test]
fn partitions_of_several_shards_are_trimmed_and_described_by_one_request() {
    let dir = dir();
    // Two shards share the partitions.
    let node = open(&NodeConfig { shards_sync: 2, shards_async: 0, ..config(dir.path()) });
    node.create("t", 4);
    for number in 0..4 {
        node.publish("t", number, 10).unwrap();
        node.publish("t", number, 10).unwrap();
    }
    let items = vec![
        ("t", 3, TrimTo::End),
        ("t", 0, TrimTo::Offset(Offset(10))),
        ("gone", 0, TrimTo::End),
        ("t", 4, TrimTo::End),
        ("t", 1, TrimTo::Offset(Offset(21))),
        ("t", 2, TrimTo::Offset(Offset(5))),
    ];
    let trimmed = trim(&node, items, 10_000);
    let expected = [
        Ok(Offset(20)),
        Ok(Offset(10)),
        Err(Refusal::UnknownTopic),
        Err(Refusal::UnknownPartition),
        Err(Refusal::OffsetOutOfRange { start: Offset(0), end: Offset(20) }),
        Ok(Offset(5)),
    ];
    assert_eq!(trimmed, expected);
    let states = described(&node, PartitionSelection::All);
    let places = |of: &[(u32, Result<PartitionState, Refusal>)]| -> Vec<_> {
        of.iter()
            .map(|(number, state)| (*number, state.as_ref().map(|s| (s.start.0, s.end.0)).ok()))
            .collect()
    };
    let expected = [(0, Some((10, 20))), (1, Some((0, 20))), (2, Some((5, 20))), (3, Some((20, 20)))];
    assert_eq!(places(&states), expected);
    let bytes: Vec<_> = states.iter().map(|(_, state)| state.as_ref().unwrap().bytes).collect();
    assert!(bytes[1] > 0 && bytes == [bytes[1] / 2, bytes[1], bytes[1], 0], "{bytes:?}");
    let these = vec![partition("t", 2), partition("gone", 0), partition("t", 9)];
    let states = described(&node, PartitionSelection::These(these));
    assert_eq!(places(&states), [(2, Some((5, 20))), (0, None), (9, None)]);
    assert_eq!(trim(&node, Vec::new(), 0), []);
    node.close();
}

/// Changes what applies to topics that set nothing.
fn alter_defaults(node: &Running, change: SettingsChange, dry_run: bool) -> Result<(), Refusal> {
    let alter = AlterDefaults { change, dry_run, timeout_ms: 10_000 };
    let Reply::AlterDefaults(altered) = node.ask(Request::AlterDefaults(alter)) else { panic!() };
    altered
}

#[test]
fn what_applies_to_topics_that_set_nothing_changes_while_they_are_there() {
    let dir = dir();
    let node = open(&config(dir.path()));
    node.create("plain", 3);
    node.create("own", 1);
    assert_eq!(alter(&node, "own", max_bytes(10_000)), Ok(()));
    assert_eq!(alter_defaults(&node, max_bytes(100), true), Ok(()));
    assert!(node.publish("plain", 2, 10).is_ok(), "it was only checked");
    assert_eq!(alter_defaults(&node, max_bytes(100), false), Ok(()));
    assert_eq!(node.publish("plain", 2, 10), Err(Refusal::TooLarge { limit: 100 }));
    assert!(node.publish("own", 0, 10).is_ok(), "its own setting is stronger");
    // The shards have it too: they decide on retention.
    let retention = SettingsChange { retention_ms: SettingChange::Set(Some(5)), ..SettingsChange::default() };
    assert_eq!(alter_defaults(&node, retention, false), Ok(()));
    node.create("later", 1);
    assert_eq!(node.publish("later", 0, 10), Err(Refusal::TooLarge { limit: 100 }));
    node.close();
    let node = open(&config(dir.path()));
    let again = wait_for("a leader", || match node.publish("plain", 1, 10) {
        Err(Refusal::TooLarge { limit }) => Some(limit),
        _ => None,
    });
    assert_eq!(again, 100);
    // A topic that takes its own setting back has the default of all nodes, and without that the node's.
    assert_eq!(alter(&node, "own", SettingsChange::CLEAR), Ok(()));
    assert_eq!(node.publish("own", 0, 10), Err(Refusal::TooLarge { limit: 100 }));
    let clear = SettingsChange { message_bytes_max: SettingChange::Clear, ..SettingsChange::default() };
    assert_eq!(alter_defaults(&node, clear, false), Ok(()));
    assert!(node.publish("own", 0, 10).is_ok());
    node.close();
}

#[test]
fn a_lower_default_takes_effect_on_what_is_stored() {
    let dir = dir();
    let config = NodeConfig { retention_interval: Duration::from_millis(100), ..config(dir.path()) };
    let node = open(&config);
    node.create("t", 1);
    for _ in 0..10 {
        node.publish("t", 0, 10).unwrap();
    }
    assert_eq!(start(&node, "t"), 0);
    let bytes = SettingsChange { retention_bytes: SettingChange::Set(Some(1)), ..SettingsChange::default() };
    assert_eq!(alter_defaults(&node, bytes, false), Ok(()));
    wait_for("retention", || (start(&node, "t") > 0).then_some(()));
    node.close();
}

#[test]
fn defaults_that_make_no_sense_or_are_each_topics_own_are_refused() {
    let dir = dir();
    let node = open(&config(dir.path()));
    node.create("t", 1);
    let refused = |change: SettingsChange| match alter_defaults(&node, change, false) {
        Err(Refusal::InvalidSetting(text)) => text,
        other => panic!("{other:?}"),
    };
    let flush = SettingsChange { flush: SettingChange::Set(FlushClass::Async), ..max_bytes(7) };
    assert!(refused(flush).contains("each topic's own"));
    let mut lags = SettingsChange::default();
    lags.cleanup.lag_ms_min = SettingChange::Set(10);
    lags.cleanup.lag_ms_max = SettingChange::Set(9);
    assert!(refused(lags).contains("10 ms at least and 9 ms at most"));
    assert!(node.publish("t", 0, 10).is_ok());
    node.close();
}
