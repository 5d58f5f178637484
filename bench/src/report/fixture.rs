//! Small records for tests.

use crate::machine::Machine;
use crate::record::{Latency, Measure, Record, SCHEMA};

/// One round of a case that measured nothing yet.
pub fn record(story: &str, case: &str, peer: &str, round: u32) -> Record {
    Record {
        schema: SCHEMA,
        run: "2026-11-21T17:00:00Z".into(),
        stamp: format!("2026-11-21T17:{round:02}:00Z"),
        machine: Machine {
            cpus: 2,
            cpu_model: "A processor <R>".into(),
            memory_mib: 24_000,
            kernel: "Linux 6.1".into(),
            filesystem: "ext4".into(),
        },
        commit: "0123abc".into(),
        story: story.into(),
        case: case.into(),
        peer: peer.into(),
        peer_version: "1.2".into(),
        setting: "as-it-comes".into(),
        flushed_before_confirm: peer == "forebay",
        client: "franz-go 1.19".into(),
        command: format!("load {story}"),
        round,
        rounds: 1,
        measures: Vec::new(),
        start_ms: None,
        notes: Vec::new(),
        skipped: None,
    }
}

/// A window of one second.
pub fn measure(name: &str, rate: f64, broker_cpu_s_per_million: f64) -> Measure {
    Measure {
        measure: name.into(),
        records: rate as u64,
        payload_bytes: rate as u64 * 124,
        seconds: 1.0,
        broker_cpu_s: Some(broker_cpu_s_per_million * rate / 1e6),
        ..Measure::default()
    }
}

/// The same with latencies, all in microseconds.
pub fn timed(mut measure: Measure, [p50, p99, p999]: [f64; 3]) -> Measure {
    let count = measure.records;
    let max = Some(p999 * 2.0);
    let (p50, p99, p999) = (Some(p50), Some(p99), Some(p999));
    measure.latency_us = Some(Latency { count, mean: p50, p50, p90: p50, p99, p999, max });
    measure
}

/// The rounds of one run, one rate each.
pub fn rounds(story: &str, case: &str, peer: &str, rates: &[f64]) -> Vec<Record> {
    let round = |(at, rate): (usize, &f64)| Record {
        rounds: rates.len() as u32,
        measures: vec![measure(story, *rate, 10.0)],
        ..record(story, case, peer, at as u32 + 1)
    };
    rates.iter().enumerate().map(round).collect()
}
