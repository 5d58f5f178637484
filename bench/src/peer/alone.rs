//! What the log story compares: our log without a broker, and fio. Neither is a broker; the loader is all there is.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Broker, Job, Peer, Setting, fetch};
use crate::failure::Failure;
use crate::place::Place;
use crate::record::{Latency, Measure};
use crate::story::{Dialect, Event, JsonLines, Load, Work};

/// Our log alone, as core/commitlog's example drives it.
pub struct CommitLog;

/// The flexible I/O tester, a Debian package.
pub struct Fio;

/// The name of `CommitLog`.
pub const COMMITLOG: &str = "commitlog";
/// The name of `Fio`.
pub const FIO: &str = "fio";

const FLUSHED: Setting =
    Setting { name: "flushed", flushed_before_confirm: true, about: "fdatasync after each write" };

impl Peer for CommitLog {
    fn name(&self) -> &'static str {
        COMMITLOG
    }

    fn settings(&self) -> &'static [Setting] {
        &[FLUSHED]
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        let program = place.append_example();
        if program.is_file() {
            return Ok(env!("CARGO_PKG_VERSION").to_string());
        }
        Err(Failure::Skipped(format!("{} is not there; cargo xtask bench builds it", program.display())))
    }

    fn prepare(&self, _place: &Place, job: &Job) -> Result<Broker, Failure> {
        Ok(Broker::new(COMMITLOG, &job.dir, String::new()))
    }

    fn run(&self, _place: &Place, _job: &Job, _broker: &mut Broker) -> Result<(), Failure> {
        Ok(())
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        let Work::Appends { bytes, seconds } = work else { return vec![] };
        let mut command = Command::new(place.append_example());
        command.arg(broker.dir().join("log")).args([bytes.to_string(), seconds.to_string()]);
        let client = format!("{COMMITLOG} {}", env!("CARGO_PKG_VERSION"));
        let dialect = Box::new(Complete(JsonLines));
        vec![Load { client, before: vec![], command, dialect, notes: vec![] }]
    }
}

impl Peer for Fio {
    fn name(&self) -> &'static str {
        FIO
    }

    fn settings(&self) -> &'static [Setting] {
        &[FLUSHED]
    }

    fn fetch(&self, _place: &Place) -> Result<String, Failure> {
        fetch::need(&["fio"])?;
        let out = Command::new("fio").arg("--version").output()?;
        Ok(String::from_utf8_lossy(&out.stdout).trim().trim_start_matches("fio-").to_string())
    }

    fn prepare(&self, _place: &Place, job: &Job) -> Result<Broker, Failure> {
        fs::create_dir_all(job.dir.join("log"))?;
        Ok(Broker::new(FIO, &job.dir, String::new()))
    }

    fn run(&self, _place: &Place, _job: &Job, _broker: &mut Broker) -> Result<(), Failure> {
        Ok(())
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        let Work::Appends { bytes, seconds } = work else { return vec![] };
        let mut command = Command::new("fio");
        command
            .arg("--output-format=json")
            .arg(format!("--directory={}", broker.dir().join("log").display()));
        command.env("BYTES", bytes.to_string()).env("SECONDS", seconds.to_string());
        command.arg(place.settings_of(FIO).join("append.fio"));
        let dialect = Box::new(FioReport { text: String::new(), bytes: u64::from(*bytes) });
        vec![Load { client: FIO.into(), before: vec![], command, dialect, notes: vec![] }]
    }
}

/// JSON lines of a loader whose command is complete.
struct Complete(JsonLines);

impl Dialect for Complete {
    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        self.0.line(line)
    }
}

/// fio says nothing until it ends, then all in one JSON object.
struct FioReport {
    text: String,
    bytes: u64,
}

impl Dialect for FioReport {
    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        self.text += line;
        self.text.push('\n');
        Ok(None)
    }

    fn end(&mut self) -> Result<Option<Event>, String> {
        // Warnings may stand before the object.
        let object = self.text.find('{').map_or("", |at| &self.text[at..]);
        let report: Value = serde_json::from_str(object).map_err(|why| format!("fio's report: {why}"))?;
        let measure = measure_of(&report, self.bytes).ok_or("fio's report has no writes")?;
        Ok(Some(Event::End(Box::new(measure))))
    }
}

fn measure_of(report: &Value, bytes: u64) -> Option<Measure> {
    let job = report.get("jobs")?.get(0)?;
    let write = job.get("write")?;
    let number = |value: &Value, key: &str| value.get(key)?.as_f64();
    let seconds = number(write, "runtime")? / 1000.0;
    let cpu_percent = number(job, "usr_cpu")? + number(job, "sys_cpu")?;
    let records = write.get("total_ios")?.as_u64()?;
    Some(Measure {
        measure: "append".into(),
        records,
        payload_bytes: records * bytes,
        seconds,
        client_cpu_s: Some(cpu_percent / 100.0 * seconds),
        latency_us: latency_of(job),
        flushes: job.get("sync").and_then(|sync| sync.get("lat_ns")?.get("N")?.as_u64()),
        ..Measure::default()
    })
}

/// fio counts the write and the flush behind it apart; their means add up, their percentiles do not.
fn latency_of(job: &Value) -> Option<Latency> {
    let mean = |part: &str, of: &str| job.get(part)?.get(of)?.get("mean")?.as_f64();
    let mean_ns = mean("write", "clat_ns")? + mean("sync", "lat_ns")?;
    let count = job.get("write")?.get("total_ios")?.as_u64()?;
    Some(Latency { count, mean: Some(mean_ns / 1000.0), ..Latency::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fio_is_read_at_its_end() {
        let mut fio = FioReport { text: String::new(), bytes: 65_536 };
        let report = r#"fio: a warning
{"jobs":[{"usr_cpu":2.5,"sys_cpu":7.5,"write":{"runtime":4000,"total_ios":1000,"clat_ns":{"mean":20000.0}},
"sync":{"total_ios":0,"lat_ns":{"N":999,"mean":180000.0}}}]}"#;
        for line in report.lines() {
            assert_eq!(fio.line(line), Ok(None));
        }
        let Ok(Some(Event::End(measure))) = fio.end() else { panic!("a measure") };
        assert_eq!((measure.rate(), measure.payload_bytes), (Some(250.0), 65_536_000));
        assert_eq!((measure.client_cpu_s, measure.flushes), (Some(0.4), Some(999)));
        assert_eq!(measure.latency_us.unwrap().mean, Some(200.0));
    }

    #[test]
    fn a_report_that_is_none_is_an_error() {
        let mut fio = FioReport { text: "no such directory".into(), bytes: 1 };
        assert!(fio.end().unwrap_err().contains("fio's report"));
    }
}
