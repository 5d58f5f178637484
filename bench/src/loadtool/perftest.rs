//! PerfTest, the load tool of RabbitMQ's own project.

use std::path::Path;

use super::intervals::{Intervals, Reader, Report};
use super::{Senders, between, fresh_name, java};
use crate::record::Latency;
use crate::story::{Connections, Load};

const CLASS: &str = "com.rabbitmq.perf.PerfTest";

/// Which queue the records go to. Both are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// On one node's disk.
    Classic,
    /// A Raft log.
    Quorum,
}

/// PerfTest with one unconfirmed record per sender. `libs` are its jars, `dir` is where it may leave files, `address` is
/// the broker's host and port.
pub fn load(version: &str, libs: &Path, dir: &Path, address: &str, queue: Queue, senders: &Senders) -> Load {
    let mut command = java(libs, dir, CLASS);
    command.args(["--uri", &format!("amqp://{address}"), "--queue", &fresh_name(), "--auto-delete", "false"]);
    if queue == Queue::Quorum {
        command.arg("--quorum-queue");
    }
    let count = senders.count.to_string();
    match senders.connections {
        Connections::OneEach => command.args(["--producers", &count]),
        Connections::OneForAll => command.args(["--producers", "1", "--producer-channel-count", &count]),
    };
    command.args(["--consumers", "0", "--confirm", "1", "--flag", "persistent"]);
    // One second more than the reports need: at its end it would print a sum instead of the last one.
    let whole = (senders.warm_reports() + 1) * senders.seconds + 1;
    for (name, value) in [("size", senders.bytes), ("interval", senders.seconds), ("time", whole)] {
        command.arg(format!("--{name}")).arg(value.to_string());
    }
    Load {
        client: format!("PerfTest {version}"),
        before: vec![],
        command,
        dialect: Box::new(Intervals::new(Reports::default(), senders)),
        notes: vec![
            "PerfTest estimates its percentiles from a sample of about a thousand confirms of the window; it tells no mean, \
             no 90th or 99.9th percentile and no maximum"
                .to_string(),
            "all senders publish to one queue; the payload is not realistic, but nothing here compresses it".to_string(),
        ],
    }
}

/// Reads `id: ..., time 5.002 s, sent: ... msg/s, confirmed: ... msg/s, nacked: ... msg/s, min/.../99th confirm latency: ...`.
#[derive(Debug, Default)]
struct Reports {
    time_s: f64,
}

impl Reader for Reports {
    const TOOL: &'static str = "PerfTest";

    fn report(&mut self, line: &str) -> Result<Option<Report>, String> {
        let Some(time_s) = between(line, ", time ", " s,") else { return Ok(None) };
        let read = || -> Option<(f64, Report)> {
            let time_s: f64 = time_s.parse().ok()?;
            let rate_of = |name: &str| between(line, name, " msg/s")?.parse::<f64>().ok();
            let seconds = time_s - self.time_s;
            let latency = between(line, "min/median/75th/95th/99th confirm latency:", " µs")?;
            let latency: Vec<f64> = latency.split('/').map(str::parse).collect::<Result<_, _>>().ok()?;
            let [_, p50, p75, p95, p99] = latency[..] else { return None };
            let report = Report {
                seconds,
                rate: rate_of("confirmed:")?,
                errors: (rate_of("nacked:")? * seconds).round() as u64,
                latency: Latency { p50: Some(p50), p99: Some(p99), ..Latency::default() },
                more: [("p75_us".to_string(), p75.into()), ("p95_us".to_string(), p95.into())]
                    .into_iter()
                    .collect(),
            };
            Some((time_s, report))
        };
        let (time_s, report) = read().ok_or_else(|| format!("PerfTest said '{line}'"))?;
        self.time_s = time_s;
        Ok(Some(report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtool::tests::{SENDERS, words};
    use crate::story::Event;

    /// As PerfTest 2.22.1 printed it.
    const OUTPUT: &str = "\
id: test-171442-017, starting producer #63, channel #0
id: test-171442-017, time 5.002 s, sent: 8197 msg/s, confirmed: 8186 msg/s, nacked: 0 msg/s, min/median/75th/95th/99th confirm latency: 562/4931/7122/18829/33653 µs
id: test-171442-017, time 10.002 s, sent: 8161 msg/s, confirmed: 8167 msg/s, nacked: 0 msg/s, min/median/75th/95th/99th confirm latency: 407/6225/9377/15269/30241 µs
id: test-171442-017, time 15.000 s, sent: 9960 msg/s, confirmed: 9952 msg/s, nacked: 0 msg/s, min/median/75th/95th/99th confirm latency: 457/5201/7056/12765/22831 µs
test stopped (Reached time limit)
id: test-171442-017, sending rate avg: 8713 msg/s
id: test-171442-017, receiving rate avg: 0 msg/s
id: test-171442-017, confirm latency min/median/75th/95th/99th 380/5379/7801/14753/31045 µs
";

    fn load_of(senders: &Senders, queue: Queue) -> Load {
        load("2.22.1", Path::new("/libs"), Path::new("/d"), "127.0.0.1:5672", queue, senders)
    }

    #[test]
    fn the_third_report_of_a_short_run_is_its_window() {
        let mut load = load_of(&SENDERS, Queue::Classic);
        let events: Vec<_> = OUTPUT.lines().filter_map(|line| load.dialect.line(line).unwrap()).collect();
        let [Event::Begin(_), Event::End(measure)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((measure.records, measure.errors), (49_740, 0));
        assert!((measure.seconds - 4.998).abs() < 1e-6, "{}", measure.seconds);
        let latency = measure.latency_us.unwrap();
        assert_eq!((latency.p50, latency.p99), (Some(5201.0), Some(22_831.0)));
        assert_eq!((latency.mean, latency.p90, latency.p999, latency.max), (None, None, None, None));
        assert_eq!(measure.more["p95_us"], 12_765.0);
    }

    #[test]
    fn refused_records_are_counted() {
        let line = OUTPUT.lines().nth(1).unwrap().replace("nacked: 0", "nacked: 10.5");
        assert_eq!(Reports::default().report(&line).unwrap().unwrap().errors, 53);
    }

    #[test]
    fn a_report_in_another_form_is_shown() {
        let line = "id: x, time 5.002 s, sent: 8197 msg/s";
        assert!(Reports::default().report(line).unwrap_err().contains(line));
    }

    #[test]
    fn each_sender_has_one_unconfirmed_record_and_a_connection_or_a_channel() {
        let each = words(&load_of(&SENDERS, Queue::Quorum).command);
        assert!(
            each.contains("--quorum-queue --producers 64 --consumers 0 --confirm 1 --flag persistent"),
            "{each}"
        );
        assert!(each.ends_with("--size 124 --interval 5 --time 16"), "{each}");
        let all = load_of(&Senders { connections: Connections::OneForAll, ..SENDERS }, Queue::Classic);
        let all = words(&all.command);
        assert!(all.contains("--auto-delete false --producers 1 --producer-channel-count 64"), "{all}");
    }
}
