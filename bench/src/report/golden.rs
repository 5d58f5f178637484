//! Golden records: a small run of three peers, drawn to the last byte. `BLESS=1 cargo test -p forebay-bench golden` writes
//! the files anew; read their difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use super::Report;
use super::fixture::{measure, record, rounds, timed};
use super::results::Results;
use crate::record::{Measure, Record};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Synchronous sends at two loads over two rounds, many topics in one round, and a peer that could not be had.
fn records() -> Vec<Record> {
    let mut records = Vec::new();
    for (case, ours, kafka, nats) in
        [("64 connections", 45_000.0, 36_100.0, 60_800.0), ("200 connections", 90_000.0, 37_200.0, 61_000.0)]
    {
        for round in 1..=2 {
            let drift = 1.0 + 0.02 * f64::from(round);
            let run = |peer, rate: f64, cpu, latencies, rss| {
                let window = Measure {
                    broker_rss_mib: Some(rss),
                    broker_rss_peak_mib: Some(rss * 1.1),
                    client_cpu_s: Some(1.0),
                    written_bytes: Some(5_000_000),
                    ..timed(measure("classic", rate * drift, cpu), latencies)
                };
                Record { rounds: 2, measures: vec![window], ..record("classic", case, peer, round) }
            };
            records.push(run("forebay", ours, 11.0, [1200.0, 2900.0, 6100.0], 31.0));
            records.push(run("kafka", kafka, 26.0, [1400.0, 5900.0, 15_000.0], 1220.0));
            records.push(run("nats", nats, 16.8, [900.0, 2000.0, 9000.0], 42.0));
        }
    }
    let mut light = rounds("classic", "64 connections", "forebay", &[120_000.0]);
    light.extend(rounds("classic", "64 connections", "kafka", &[50_000.0]));
    light.iter_mut().for_each(|record| record.client = "forebay bench 0.1.0".into());
    records.extend(light);
    let mut topics = record("topics", "1000 topics", "forebay", 1);
    topics.measures = vec![measure("cold", 30_000.0, 40.0), measure("warm", 90_000.0, 9.0)];
    topics.notes.push("every topic was made before the clock | began".into());
    topics.measures[1].more.insert("worst_second_rate".into(), 70_000.into());
    records.push(topics);
    let mut skipped = record("classic", "", "rabbitmq", 1);
    skipped.skipped = Some("needs root".into());
    records.push(skipped);
    records
}

fn drawn() -> Report {
    Report::draw(&Results::newest(&records()), Some("Two wake-ups per batch.\n"))
}

#[test]
fn golden_records_give_the_page_and_the_charts_byte_for_byte() {
    let report = drawn();
    let mut files = report.charts.clone();
    files.insert("benchmarks.md".into(), report.page);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(golden()).unwrap();
        files.iter().for_each(|(name, text)| fs::write(golden().join(name), text).unwrap());
    }
    for (name, text) in &files {
        let wanted = fs::read_to_string(golden().join(name)).unwrap_or_default();
        assert!(
            *text == wanted,
            "{name} is drawn differently; look at it and bless it (see the head of this file)"
        );
    }
    let kept = fs::read_dir(golden()).unwrap().count();
    assert_eq!(kept, files.len(), "a golden file that nothing draws any more");
}

#[test]
fn the_order_of_the_records_does_not_matter() {
    let mut backwards = records();
    backwards.reverse();
    let report = Report::draw(&Results::newest(&backwards), Some("Two wake-ups per batch.\n"));
    assert!(report.page == drawn().page, "the page differs");
    assert!(report.charts == drawn().charts, "a chart differs");
}

#[test]
fn a_report_removes_its_old_charts_and_leaves_other_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let charts = dir.path().join("benchmarks");
    fs::create_dir_all(&charts).unwrap();
    for name in ["gone-rate.svg", "flame.svg", "notes.md"] {
        fs::write(charts.join(name), "").unwrap();
    }
    drawn().save(dir.path()).unwrap();
    let left = |name: &str| charts.join(name).exists();
    assert!(!left("gone-rate.svg") && left("flame.svg") && left("notes.md") && left("classic-rate.svg"));
}

#[test]
fn notes_lose_their_title_and_nothing_else() {
    assert_eq!(super::without_title("# Notes\n\n- one\n# two\n"), "- one\n# two\n");
    assert_eq!(super::without_title("- one\n"), "- one\n");
    assert_eq!(super::without_title(""), "");
}
