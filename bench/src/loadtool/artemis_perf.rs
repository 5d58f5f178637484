//! `artemis perf producer`, the load tool in Artemis' command line.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::{Senders, WARM_S, WINDOW, fresh_name};
use crate::record::{Latency, Measure};
use crate::story::{Connections, Dialect, Event, Load};

/// Without this, the client calls a send complete as soon as it is written to the socket.
const CONFIRMATIONS: &str = "confirmationWindowSize=1048576";

/// The producers of the instance at `instance`, with one incomplete send each. `address` is the broker's host and port.
pub fn load(version: &str, instance: &Path, address: &str, login: &str, senders: &Senders) -> Load {
    let mut command = Command::new(instance.join("bin/artemis"));
    command.current_dir(instance).args([
        "perf",
        "producer",
        "--persistent",
        "--user",
        login,
        "--password",
        login,
    ]);
    command.args(["--url", &format!("tcp://{address}?{CONFIRMATIONS}")]);
    // What it prints for people ends the JSON lines, each of which would else be complete with the next one only.
    command.args(["--json", "/dev/stdout"]);
    if senders.connections == Connections::OneForAll {
        command.arg("--shared-connections");
    }
    let whole = WARM_S + senders.seconds;
    let numbers = [
        ("producers", senders.count),
        ("threads", 1),
        ("max-pending", 1),
        ("message-size", senders.bytes),
        ("warmup", WARM_S),
        ("duration", whole),
    ];
    for (name, value) in numbers {
        command.arg(format!("--{name}")).arg(value.to_string());
    }
    command.arg(format!("queue://{}", fresh_name()));
    Load {
        client: format!("artemis-perf {version}"),
        before: vec![],
        command,
        dialect: Box::new(Samples::new(senders)),
        notes: vec![
            "all producers send to one queue, and one thread of the tool drives them all".to_string(),
        ],
    }
}

/// One line of its JSON. A sample covers the time since the one before it.
#[derive(Deserialize)]
#[serde(tag = "sampleType", rename_all = "lowercase")]
enum Sample {
    Interval {
        warmup: bool,
        #[serde(rename = "time")]
        time_ms: u64,
        #[serde(rename = "sendTime")]
        send: Percentiles,
    },
    Summary {
        #[serde(rename = "time")]
        time_ms: u64,
        result: String,
        #[serde(rename = "totalSendTime")]
        send: Percentiles,
    },
}

/// Times from a send to its confirm, in microseconds.
#[derive(Deserialize)]
struct Percentiles {
    /// A number in a string.
    mean: String,
    #[serde(rename = "50")]
    p50: f64,
    #[serde(rename = "90")]
    p90: f64,
    #[serde(rename = "99")]
    p99: f64,
    #[serde(rename = "99.9")]
    p999: f64,
    max: f64,
    count: u64,
}

/// Finds the window between the last sample of the warm-up and the sum, which counts all sends since that sample.
#[derive(Debug)]
struct Samples {
    bytes: u32,
    samples: u32,
    begun_ms: Option<u64>,
    /// Confirms between the beginning of our window and that of the tool's: where the two differ by a sample.
    ours_more: i64,
    done: bool,
}

impl Samples {
    fn new(senders: &Senders) -> Samples {
        Samples { bytes: senders.bytes, samples: 0, begun_ms: None, ours_more: 0, done: false }
    }

    fn interval(&mut self, warmup: bool, time_ms: u64, count: u64) -> Option<Event> {
        self.samples += 1;
        let count = i64::try_from(count).expect("confirms of a second");
        if self.begun_ms.is_some() {
            self.ours_more += if warmup { count } else { 0 };
            return None;
        }
        // Samples are a second apart, and the one in which the warm-up ends counts as measured: the last one before it is
        // where the window begins. Where the machine stalled, that one was missed.
        if warmup && self.samples + 1 < WARM_S {
            return None;
        }
        self.ours_more -= if warmup { 0 } else { count };
        self.begun_ms = Some(time_ms);
        Some(Event::Begin(WINDOW.to_string()))
    }

    fn summary(&mut self, time_ms: u64, send: &Percentiles) -> Result<Event, String> {
        let begun_ms = self.begun_ms.ok_or("artemis perf ended before its window began")?;
        let count = i64::try_from(send.count).map_err(|why| why.to_string())?;
        let records = u64::try_from(count + self.ours_more).map_err(|why| why.to_string())?;
        let mean: f64 = send.mean.parse().map_err(|why| format!("mean {}: {why}", send.mean))?;
        let latency = Latency {
            count: send.count,
            mean: Some(mean),
            p50: Some(send.p50),
            p90: Some(send.p90),
            p99: Some(send.p99),
            p999: Some(send.p999),
            max: Some(send.max),
        };
        self.done = true;
        Ok(Event::End(Box::new(Measure {
            measure: WINDOW.to_string(),
            records,
            payload_bytes: records * u64::from(self.bytes),
            seconds: time_ms.saturating_sub(begun_ms) as f64 / 1000.0,
            latency_us: Some(latency),
            ..Measure::default()
        })))
    }
}

impl Dialect for Samples {
    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        if self.done || !line.starts_with("{\"sampleType\"") {
            return Ok(None);
        }
        let sample =
            serde_json::from_str(line).map_err(|why| format!("artemis perf said '{line}': {why}"))?;
        match sample {
            Sample::Interval { warmup, time_ms, send } => Ok(self.interval(warmup, time_ms, send.count)),
            Sample::Summary { result, .. } if result != "success" => {
                Err(format!("artemis perf ended with '{result}'"))
            }
            Sample::Summary { time_ms, send, .. } => self.summary(time_ms, &send).map(Some),
        }
    }

    fn end(&mut self) -> Result<Option<Event>, String> {
        if self.done { Ok(None) } else { Err("artemis perf ended without a sum".to_string()) }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtool::tests::{SENDERS, words};

    const NO_SAMPLE: &str = "\
Connection brokerURL = tcp://127.0.0.1:46161?confirmationWindowSize=1048576
[
--- warmup false
--- sent:          4188 msg/sec
,
]";

    /// As `artemis perf producer` of 2.44.0 printed it, but for when.
    fn sample(warmup: bool, second: u64, count: u64) -> String {
        format!(
            r#"{{"sampleType":"interval","warmup":{warmup},"time":{},"sent":4188,"delayed":4188,"completed":4188,"sendTime":{{"mean":"13990.60","50":11135,"90":28799,"99":61951,"99.9":62207,"99.99":62463,"max":62463,"count":{count}}}}}"#,
            1_795_281_800_000 + second * 1000
        )
    }

    fn sum(second: u64, result: &str) -> String {
        format!(
            r#"{{"sampleType":"summary","time":{},"result":"{result}","totalSent":22845,"totalBlocked":22842,"totalCompleted":22845,"totalSendTime":{{"mean":"18164.51","50":12223,"90":31743,"99":163839,"99.9":479231,"99.99":479231,"max":479231,"count":20196}}}}"#,
            1_795_281_800_000 + second * 1000
        )
    }

    /// The window when samples say `warmup` up to this second, and the second at which it began.
    fn window(last_warm: u64) -> (u64, Measure) {
        let mut samples = Samples::new(&SENDERS);
        let mut begun = 0;
        for second in 1..15 {
            match samples.line(&sample(second <= last_warm, second, 3000)).unwrap() {
                Some(Event::Begin(name)) => begun = if name == WINDOW { second } else { 0 },
                other => assert_eq!(other, None),
            }
        }
        let Some(Event::End(measure)) = samples.line(&sum(15, "success")).unwrap() else {
            panic!("a measure")
        };
        assert!(samples.is_done());
        (begun, *measure)
    }

    #[test]
    fn the_window_begins_with_the_last_sample_of_the_warm_up() {
        let (begun, measure) = window(9);
        assert_eq!((begun, measure.records, measure.seconds), (9, 20_196, 6.0));
        assert_eq!(measure.payload_bytes, 20_196 * 124);
        let latency = measure.latency_us.unwrap();
        assert_eq!((latency.count, latency.mean), (20_196, Some(18_164.51)));
        assert_eq!(
            (latency.p50, latency.p99, latency.p999),
            (Some(12_223.0), Some(163_839.0), Some(479_231.0))
        );
    }

    #[test]
    fn a_window_that_begins_beside_the_tools_counts_its_own_records() {
        let (begun, measure) = window(10);
        assert_eq!((begun, measure.records, measure.seconds), (9, 23_196, 6.0));
        let (begun, measure) = window(6);
        assert_eq!((begun, measure.records, measure.seconds), (7, 17_196, 8.0));
    }

    #[test]
    fn what_it_prints_for_people_is_passed_over() {
        let mut samples = Samples::new(&SENDERS);
        assert!(NO_SAMPLE.lines().all(|line| samples.line(line) == Ok(None)));
        assert!(samples.end().unwrap_err().contains("without a sum"));
    }

    #[test]
    fn a_failed_run_is_an_error() {
        let mut samples = Samples::new(&SENDERS);
        assert!(samples.line(&sum(1, "fail")).unwrap_err().contains("fail"));
        assert!(samples.line("{\"sampleType\":\"other\"}").unwrap_err().contains("other"));
    }

    #[test]
    fn sends_are_complete_when_the_broker_confirms_them() {
        let load = load("2.44.0", Path::new("/i"), "127.0.0.1:61616", "me", &SENDERS);
        let words = words(&load.command);
        assert!(words.contains("tcp://127.0.0.1:61616?confirmationWindowSize=1048576"), "{words}");
        assert!(
            words.contains("--persistent") && words.contains("--producers 64 --threads 1 --max-pending 1"),
            "{words}"
        );
        assert!(!words.contains("--shared-connections"), "{words}");
    }
}
