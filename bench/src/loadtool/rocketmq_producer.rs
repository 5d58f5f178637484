//! The benchmark producer that RocketMQ brings among its examples.

use std::path::Path;

use super::intervals::{Intervals, Reader, Report};
use super::{Senders, fresh_name, java};
use crate::record::Latency;
use crate::story::{Connections, Load};

const CLASS: &str = "org.apache.rocketmq.example.benchmark.Producer";

/// The producer with as many threads as there are senders. `libs` are RocketMQ's jars, `dir` is where it may leave files,
/// `name_server` is a host and port. It does not end by itself.
pub fn load(version: &str, libs: &Path, dir: &Path, name_server: &str, senders: &Senders) -> Load {
    let mut command = java(libs, dir, CLASS);
    command.args(["-n", name_server, "-t", &fresh_name()]);
    let interval_ms = senders.seconds * 1000;
    for (name, value) in [("-w", senders.count), ("-s", senders.bytes), ("-ri", interval_ms)] {
        command.arg(name).arg(value.to_string());
    }
    let mut notes = vec![
        "the producer tells a mean latency taken in whole milliseconds and no percentile; its maximum includes the warm-up and \
         is left out"
            .to_string(),
        "the producer's rate covers the last nine tenths of the window; records are that rate times the window".to_string(),
    ];
    if senders.connections == Connections::OneEach && senders.count > 1 {
        notes.push(
            "the producer's threads share one connection, so the broker reads several requests at once: a row of as many \
             senders, not of as many connections"
                .to_string(),
        );
    }
    let reports = Reports { seconds: f64::from(senders.seconds), failed: 0 };
    Load {
        client: format!("RocketMQ-Producer {version}"),
        before: vec![],
        command,
        dialect: Box::new(Intervals::new(reports, senders)),
        notes,
    }
}

/// Reads `Current Time: ... | Send TPS: ... | Max RT(ms): ... | Average RT(ms): ... | Send Failed: ... | Response Failed: ...`.
#[derive(Debug)]
struct Reports {
    seconds: f64,
    failed: u64,
}

impl Reader for Reports {
    const TOOL: &'static str = "RocketMQ's producer";

    fn report(&mut self, line: &str) -> Result<Option<Report>, String> {
        if !line.starts_with("Current Time: ") {
            return Ok(None);
        }
        let value_of = |name: &str| {
            let value = line.split('|').find_map(|part| part.trim().strip_prefix(name));
            value.and_then(|value| value.trim().parse::<f64>().ok())
        };
        let read = || {
            let failed = value_of("Send Failed:")? as u64 + value_of("Response Failed:")? as u64;
            Some((value_of("Send TPS:")?, value_of("Average RT(ms):")?, failed))
        };
        let (rate, mean_ms, failed) = read().ok_or_else(|| format!("RocketMQ's producer said '{line}'"))?;
        let errors = failed.saturating_sub(self.failed);
        self.failed = failed;
        let latency = Latency { mean: Some(mean_ms * 1000.0), ..Latency::default() };
        Ok(Some(Report { seconds: self.seconds, rate, errors, latency, ..Report::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtool::tests::{SENDERS, words};
    use crate::story::Event;

    /// As the producer of RocketMQ 5.5.0 printed it, but for the failures.
    const OUTPUT: &str = "\
17:16:14,113 |-INFO in org.apache.rocketmq.logging.ch.qos.logback.classic.LoggerContext[default] - This is logback-classic version 1.3.5-rocketmq
topic: bench, threadCount: 64, messageSize: 124, keyEnable: false, propertySize: 0, tagCount: 0, traceEnable: false, aclEnable: false, messageQuantity: 0, delayEnable: false, delayLevel: 1, asyncEnable: false
compressEnable: false, reportInterval: 5000
Current Time: 2026-11-21 17:20:54,684 | Send TPS: 7833 | Max RT(ms): 1685 | Average RT(ms):   8.224 | Send Failed: 0 | Response Failed: 0
Current Time: 2026-11-21 17:21:00,684 | Send TPS: 16178 | Max RT(ms): 1685 | Average RT(ms):   3.959 | Send Failed: 2 | Response Failed: 1
Current Time: 2026-11-21 17:21:06,684 | Send TPS: 19753 | Max RT(ms): 1685 | Average RT(ms):   3.240 | Send Failed: 3 | Response Failed: 5
";

    fn load_of(senders: &Senders) -> Load {
        load("5.5.0", Path::new("/libs"), Path::new("/d"), "127.0.0.1:9876", senders)
    }

    #[test]
    fn the_window_has_its_own_rate_mean_and_failures() {
        let mut load = load_of(&SENDERS);
        let events: Vec<_> = OUTPUT.lines().filter_map(|line| load.dialect.line(line).unwrap()).collect();
        let [Event::Begin(_), Event::End(measure)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((measure.records, measure.errors, measure.seconds), (98_765, 5, 5.0));
        let latency = measure.latency_us.unwrap();
        assert_eq!((latency.mean, latency.count), (Some(3240.0), 98_765));
        assert_eq!((latency.p50, latency.p99, latency.max), (None, None, None));
    }

    #[test]
    fn a_report_in_another_form_is_shown() {
        let line = "Current Time: 2026-11-21 17:20:54,684 | Send TPS: many";
        assert!(Reports { seconds: 1.0, failed: 0 }.report(line).unwrap_err().contains(line));
    }

    #[test]
    fn threads_that_share_a_connection_are_named() {
        let load = load_of(&SENDERS);
        assert!(words(&load.command).ends_with("-w 64 -s 124 -ri 5000"), "{}", words(&load.command));
        let shared = |load: &Load| load.notes.iter().any(|note| note.contains("share one connection"));
        assert!(shared(&load));
        assert!(!shared(&load_of(&Senders { connections: Connections::OneForAll, ..SENDERS })));
    }
}
