//! What an operator gets over HTTP from a node at work.

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_console::{Config, Console};
use forebay_env::Env;
use forebay_gateway::{ByteBudget, Gateway};
use forebay_model::fetch::{Fetch, FetchItem, Isolation};
use forebay_model::group::{CommitOffset, CommitOffsets, GroupReply, GroupRequest};
use forebay_model::{GroupId, Offset, Refusal, Reply, Request};
use forebay_server::config::LogFormat;
use forebay_server::operator::{NodeFacts, NodeOperator};
use forebay_server::registry::PROTOCOLS;

use common::{PATIENCE, Running, partition, wait_for};

/// A node, and a console that watches it.
struct Watched {
    node: Running,
    operator: Arc<NodeOperator>,
    _console: Console,
    address: SocketAddr,
}

impl Watched {
    fn open(env: &Env, dir: &Path) -> Watched {
        let facts = NodeFacts {
            memory_limit_bytes: 64 << 20,
            hot_bytes_max: 4 << 20,
            tail_bytes_max: 4 << 20,
            block_bytes_max: 1 << 20,
            summary_bytes_max: 1 << 20,
            session_bytes_max: 1 << 20,
            gateway_bytes_max: 32 << 20,
            recovery_took: Duration::from_millis(7),
            log_levels: "info".parse().unwrap(),
        };
        let clock = Arc::clone(&env.clock);
        let (node, operator) =
            Running::open(env, &common::config(dir), |node| Arc::new(NodeOperator::new(node, clock, facts)));
        let budget = Arc::new(ByteBudget::new(32 << 20));
        let protocols = PROTOCOLS.iter().map(|(_, p)| (*p, vec![(Ipv4Addr::LOCALHOST, 0).into()])).collect();
        let desk = Arc::new(node.desk.clone());
        let clock = Arc::clone(&env.clock);
        let gateway = Gateway::start(Default::default(), protocols, desk, clock, budget.clone()).unwrap();
        operator.watch_gateway(Arc::new(gateway), budget);
        let console =
            Console::start(Config::default(), vec![(Ipv4Addr::LOCALHOST, 0).into()], operator.clone())
                .unwrap();
        let address = console.addresses()[0];
        Watched { node, operator, _console: console, address }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}");
        write!(socket, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.into())
    }

    fn metrics(&self) -> Metrics {
        let (status, text) = self.ask("GET", "/metrics", "");
        assert_eq!(status, 200);
        Metrics(text)
    }

    fn wait_until_led(&self) {
        wait_for("leaders", || (self.ask("GET", "/readyz", "").0 == 200).then_some(()));
    }
}

/// A text for Prometheus.
struct Metrics(String);

impl Metrics {
    /// The value of one series.
    fn get(&self, series: &str) -> Option<f64> {
        let lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        lines.filter(|(name, _)| *name == series).map(|(_, value)| value.parse().unwrap()).next()
    }

    fn at(&self, series: &str) -> f64 {
        self.get(series).unwrap_or_else(|| panic!("{series} is not in\n{}", self.0))
    }

    /// Names with their kinds.
    fn families(&self) -> BTreeMap<String, String> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(|line| line.split_once(' ').unwrap()).map(|(n, k)| (n.into(), k.into())).collect()
    }
}

#[test]
fn what_goes_in_and_out_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let watched = Watched::open(&forebay_env::real::env(), dir.path());
    watched.node.create("seen", 1);
    let before = watched.metrics();
    for records in [1, 2, 4] {
        watched.node.publish("seen", 0, records).unwrap();
    }
    assert_eq!(watched.node.publish("seen", 9, 1), Err(Refusal::UnknownPartition));
    let item = FetchItem {
        partition: partition("seen", 0),
        offset: Offset(1),
        bytes_max: 1 << 20,
        leader_epoch: None,
    };
    let fetch = Fetch {
        items: vec![item],
        bytes_min: 1,
        bytes_max: 1 << 20,
        wait_ms_max: 0,
        isolation: Isolation::Uncommitted,
    };
    let Reply::Fetch(fetched) = watched.node.ask(Request::Fetch(fetch)) else { panic!() };
    let bytes_out = fetched[0].as_ref().unwrap().bytes();

    let after = watched.metrics();
    let moved = |series: &str| after.at(series) - before.get(series).unwrap_or(0.0);
    assert_eq!(moved("forebay_payloads_in_total"), 3.0);
    assert_eq!(moved("forebay_records_in_total{shard=\"0\"}"), 7.0);
    assert!(moved("forebay_record_bytes_in_total{shard=\"0\"}") > 70.0);
    assert_eq!(moved("forebay_payload_bytes_in_total"), moved("forebay_record_bytes_in_total{shard=\"0\"}"));
    assert_eq!(moved("forebay_record_bytes_out_total"), bytes_out as f64);
    // The batches of two and of four; the one of one lies before the offset.
    assert_eq!(moved("forebay_records_out_total{shard=\"0\"}"), 6.0);
    assert_eq!(moved("forebay_confirm_seconds_count"), 3.0);
    assert!(moved("forebay_confirm_seconds_sum") > 0.0);
    assert!(moved("forebay_flush_seconds_count{shard=\"0\"}") >= 3.0);
    assert_eq!(moved("forebay_refusals_total{reason=\"unknown_partition\"}"), 1.0);
    assert!(moved("forebay_memory_used_bytes{share=\"hot_cache\"}") > 70.0);
    for share in ["tail_cache", "block_cache", "summaries", "sessions", "clients"] {
        let used = after.at(&format!("forebay_memory_used_bytes{{share=\"{share}\"}}"));
        assert!(
            used <= after.at(&format!("forebay_memory_share_limit_bytes{{share=\"{share}\"}}")),
            "{share}"
        );
    }
    assert_eq!(after.at("forebay_shard_apply_lag_entries{shard=\"0\"}"), 0.0);
    assert_eq!(after.at("forebay_shard_turns_pending_bytes{shard=\"0\"}"), 0.0);
    assert_eq!(after.at("forebay_shard_leads{shard=\"0\"}"), 1.0);
    assert_eq!(after.at("forebay_recovery_seconds"), 0.007);
    watched.node.close();
}

#[test]
fn what_is_replayed_after_a_restart_was_counted_before() {
    let dir = tempfile::tempdir().unwrap();
    let env = forebay_env::real::env();
    let watched = Watched::open(&env, dir.path());
    watched.node.create("seen", 1);
    watched.node.publish("seen", 0, 5).unwrap();
    watched.node.close();
    let watched = Watched::open(&env, dir.path());
    watched.wait_until_led();
    let metrics = watched.metrics();
    assert_eq!(metrics.at("forebay_records_in_total{shard=\"0\"}"), 0.0);
    assert!(metrics.at("forebay_recovery_entries{shard=\"0\"}") > 0.0);
    watched.node.close();
}

#[test]
fn topics_and_lag_are_shown_while_somebody_looks() {
    let dir = tempfile::tempdir().unwrap();
    let watched = Watched::open(&forebay_env::real::env(), dir.path());
    let node = &watched.node;
    node.create("seen", 2);
    node.publish("seen", 0, 5).unwrap();
    node.publish("seen", 1, 2).unwrap();
    let offsets = [(0, 1), (1, 2)].map(|(number, offset)| CommitOffset {
        partition: partition("seen", number),
        offset: Offset(offset),
        leader_epoch: None,
        metadata: String::new(),
    });
    let commit = CommitOffsets {
        group: GroupId("readers".into()),
        generation: -1,
        member: String::new(),
        instance: None,
        transaction: None,
        offsets: offsets.into(),
    };
    let reply = node.ask(Request::Group(GroupRequest::CommitOffsets(commit)));
    let Reply::Group(GroupReply::CommitOffsets(committed)) = reply else { panic!() };
    assert!(committed.iter().all(|(_, result)| result.is_ok()), "{committed:?}");
    assert!(node.desk.shards().iter().all(|shard| shard.board.summary().is_none()), "nobody looked");

    let lag = "forebay_group_lag_records{group=\"readers\",topic=\"seen\"}";
    let metrics = wait_for("the lag", || Some(watched.metrics()).filter(|m| m.get(lag).is_some()));
    assert_eq!(metrics.at(lag), 4.0);
    assert!(metrics.at("forebay_group_lag_seconds{group=\"readers\",topic=\"seen\"}") >= 0.0);
    assert_eq!(metrics.at("forebay_group_members{group=\"readers\"}"), 0.0);
    assert_eq!(metrics.at("forebay_topic_partitions{topic=\"seen\"}"), 2.0);
    assert_eq!(metrics.at("forebay_topic_records{topic=\"seen\"}"), 7.0);
    assert!(metrics.at("forebay_topic_bytes{topic=\"seen\"}") > 70.0);
    assert_eq!(metrics.at("forebay_topic_records_appended_total{topic=\"seen\"}"), 7.0);
    assert_eq!(metrics.at("forebay_partition_end_offset{topic=\"seen\",partition=\"0\"}"), 5.0);
    assert_eq!(metrics.at("forebay_partition_end_offset{topic=\"seen\",partition=\"1\"}"), 2.0);
    assert_eq!(metrics.at("forebay_shard_summary_complete{shard=\"0\"}"), 1.0);
    watched.node.close();
}

#[test]
fn a_node_with_a_fenced_shard_is_not_ready_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let watched = Watched::open(&common::failing_world(&broken), dir.path());
    watched.node.create("seen", 1);
    watched.wait_until_led();
    broken.store(true, Ordering::Release);
    // It was proposed when the medium failed: nobody knows.
    assert_eq!(watched.node.publish("seen", 0, 1), Err(Refusal::Unknown));
    let (status, body) = watched.ask("GET", "/readyz", "");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"fenced\"") && body.contains("the medium is gone"), "{body}");
    assert_eq!(watched.ask("GET", "/healthz", "").0, 200);
    let metrics = watched.metrics();
    assert_eq!(metrics.at("forebay_shard_fenced{shard=\"0\"}"), 1.0);
    assert_eq!(metrics.at("forebay_shard_led{shard=\"0\"}"), 0.0);
    assert_eq!(metrics.at("forebay_refusals_total{reason=\"unknown\"}"), 1.0);
    watched.node.close();
}

#[test]
fn a_node_that_drains_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let watched = Watched::open(&forebay_env::real::env(), dir.path());
    watched.wait_until_led();
    watched.operator.begin_drain();
    let (status, body) = watched.ask("GET", "/readyz", "");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"draining\""), "{body}");
    watched.node.close();
}

#[test]
fn log_levels_change_while_the_node_runs() {
    forebay_server::logging::start(&"off".parse().unwrap(), LogFormat::Text);
    let dir = tempfile::tempdir().unwrap();
    let watched = Watched::open(&forebay_env::real::env(), dir.path());
    let debugs = || tracing::enabled!(target: "forebay_tested", tracing::Level::DEBUG);
    assert_eq!(watched.ask("GET", "/log", ""), (200, "info\n".into()));
    assert!(!debugs());
    let changed = watched.ask("PUT", "/log", "off,forebay_tested=debug");
    assert_eq!(changed, (200, "off,forebay_tested=debug\n".into()));
    assert!(debugs());
    let (status, why) = watched.ask("PUT", "/log", "off,forebay_tested=loud");
    assert_eq!(status, 400);
    assert!(why.contains("loud") && why.contains("trace"), "{why}");
    assert_eq!(watched.ask("GET", "/log", ""), (200, "off,forebay_tested=debug\n".into()));
    assert!(debugs());
    assert_eq!(watched.ask("PUT", "/log", "off").0, 200);
    assert!(!debugs());
    watched.node.close();
}

/// The manual's rows: `| `name` | kind | ...`.
fn documented() -> BTreeMap<String, String> {
    let manual = include_str!("../../docs/operations/metrics.md");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `forebay_"));
    rows.map(|row| {
        let (name, rest) = row.split_once('|').expect("a row has columns");
        let name = name.trim().trim_end_matches('`').split(['{', '`']).next().unwrap();
        (format!("forebay_{name}"), rest.split('|').next().unwrap().trim().to_owned())
    })
    .collect()
}

#[test]
fn the_manual_lists_every_metric_with_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let watched = Watched::open(&forebay_env::real::env(), dir.path());
    let (emitted, documented) = (watched.metrics().families(), documented());
    for (name, kind) in &emitted {
        assert_eq!(documented.get(name), Some(kind), "{name} as emitted, against docs/operations/metrics.md");
    }
    for name in documented.keys() {
        assert!(emitted.contains_key(name), "docs/operations/metrics.md has {name}, which is not emitted");
    }
    watched.node.close();
}
