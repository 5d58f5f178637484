//! The record of one run: one case on one peer in one setting, as JSON.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::machine::Machine;

/// The version of the record's layout that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// One run of one case on one peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The layout, `SCHEMA`.
    pub schema: u32,
    /// When the call of the harness began that this run belongs to, in UTC. What has the same was interleaved, and only
    /// that gives ratios.
    pub run: String,
    /// When the run began, in UTC: `2026-11-21T17:20:00Z`.
    pub stamp: String,
    /// What it ran on.
    pub machine: Machine,
    /// The commit of the workspace, with `+` behind it where files differed from it.
    pub commit: String,
    /// The story's name.
    pub story: String,
    /// The case's name within its story.
    pub case: String,
    /// The peer's name.
    pub peer: String,
    /// The peer's version, as it says itself.
    pub peer_version: String,
    /// The setting's name: `as-it-comes`, `flushed` or another of the peer's.
    pub setting: String,
    /// Whether a confirm in this setting means that the record was flushed to the disk.
    pub flushed_before_confirm: bool,
    /// The client that drove the peer, with its version.
    pub client: String,
    /// The loader's command line; the harness's own words where it drove the peer itself.
    pub command: String,
    /// Which of the rounds this was, from 1.
    pub round: u32,
    /// How many rounds were asked for.
    pub rounds: u32,
    /// What was measured, in the order in which it was.
    pub measures: Vec<Measure>,
    /// From the start of the first process until the peer answered. Absent where the peer ran already for another case.
    pub start_ms: Option<f64>,
    /// What a reader of the figures should know of this run.
    pub notes: Vec<String>,
    /// Why nothing was measured: a peer that could not be had leaves one such record per story, with an empty case and
    /// no measures, so that the report can name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// One measured window: what the loader saw, and what the broker spent meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The window's name within the case, such as `cold`.
    pub measure: String,
    /// Records that were confirmed or received.
    #[serde(default)]
    pub records: u64,
    /// Bytes of their values, uncompressed.
    #[serde(default)]
    pub payload_bytes: u64,
    /// Records that failed.
    #[serde(default)]
    pub errors: u64,
    /// How long the window was.
    #[serde(default)]
    pub seconds: f64,
    /// The loader's CPU time in the window, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cpu_s: Option<f64>,
    /// Latencies, where any were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Latency>,
    /// CPU time of all the broker's processes in the window.
    #[serde(default)]
    pub broker_cpu_s: Option<f64>,
    /// Their resident memory at the window's end.
    #[serde(default)]
    pub broker_rss_mib: Option<f64>,
    /// The most resident memory they had since their start.
    #[serde(default)]
    pub broker_rss_peak_mib: Option<f64>,
    /// Bytes that they sent towards the disk in the window.
    #[serde(default)]
    pub written_bytes: Option<u64>,
    /// Flushes in the window, where they can be counted.
    #[serde(default)]
    pub flushes: Option<u64>,
    /// What the broker's data directory takes on the disk at the window's end.
    #[serde(default)]
    pub disk_used_bytes: Option<u64>,
    /// What else the loader told.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Latencies in microseconds. What the loader cannot tell is absent: no peer is shown with a zero it did not measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were taken.
    #[serde(default)]
    pub count: u64,
    /// Their mean.
    #[serde(default)]
    pub mean: Option<f64>,
    /// The median.
    #[serde(default)]
    pub p50: Option<f64>,
    /// The 90th percentile.
    #[serde(default)]
    pub p90: Option<f64>,
    /// The 99th percentile.
    #[serde(default)]
    pub p99: Option<f64>,
    /// The 99.9th percentile.
    #[serde(default)]
    pub p999: Option<f64>,
    /// The longest.
    #[serde(default)]
    pub max: Option<f64>,
}

impl Measure {
    /// Records per second.
    pub fn rate(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.records as f64 / self.seconds)
    }

    /// The broker's CPU seconds per million records.
    pub fn broker_cpu_s_per_million(&self) -> Option<f64> {
        let cpu_s = self.broker_cpu_s?;
        (self.records > 0).then(|| cpu_s * 1e6 / self.records as f64)
    }

    /// The loader's CPU seconds per million records.
    pub fn client_cpu_s_per_million(&self) -> Option<f64> {
        let cpu_s = self.client_cpu_s?;
        (self.records > 0).then(|| cpu_s * 1e6 / self.records as f64)
    }

    /// Bytes written per byte of payload.
    pub fn written_per_byte(&self) -> Option<f64> {
        let written = self.written_bytes?;
        (self.payload_bytes > 0).then(|| written as f64 / self.payload_bytes as f64)
    }
}

impl Record {
    /// The name of its file: unique, and in the order of time when sorted.
    pub fn file_name(&self) -> String {
        let stamp: String = self.stamp.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let client = self.client.split(' ').next().unwrap_or_default();
        let words = [&self.story, &self.case, &self.peer, &self.setting, client].map(slug).join("-");
        format!("{stamp}-{words}-{}.json", self.round)
    }

    /// Writes it into the folder, which is made if need be.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let path = dir.join(self.file_name());
        let text = serde_json::to_string_pretty(self).map_err(|why| Failure::new(why.to_string()))?;
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&path, text + "\n"))
            .map_err(|why| Failure::new(format!("{}: {why}", path.display())))?;
        Ok(path)
    }

    /// Reads one record. A file of another schema is an error that names it.
    pub fn read(path: &Path) -> Result<Record, Failure> {
        let wrong = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(path).map_err(|why| wrong(why.to_string()))?;
        let record: Record = serde_json::from_str(&text).map_err(|why| wrong(why.to_string()))?;
        if record.schema != SCHEMA {
            return Err(wrong(format!("has schema {}, this program reads {SCHEMA}", record.schema)));
        }
        Ok(record)
    }

    /// Reads all records of a folder in the order of their files' names, which is that of time. A folder that does not
    /// exist has none.
    pub fn read_all(dir: &Path) -> Result<Vec<Record>, Failure> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(Failure::new(format!("{}: {why}", dir.display()))),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Record::read(path)).collect()
    }
}

/// Words that may stand in a file's name: whatever else is between them becomes one underscore.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.trim_end_matches('_').to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Record {
        Record {
            schema: SCHEMA,
            run: "2026-11-21T17:20:00Z".into(),
            stamp: "2026-11-21T17:20:00Z".into(),
            machine: Machine::default(),
            commit: "0123abc".into(),
            story: "classic".into(),
            case: "64 connections".into(),
            peer: "kafka".into(),
            peer_version: "4.3.1".into(),
            setting: "as-it-comes".into(),
            flushed_before_confirm: false,
            client: "franz-go 1.19".into(),
            command: "load classic".into(),
            round: 1,
            rounds: 3,
            measures: vec![Measure {
                measure: "classic".into(),
                records: 1000,
                payload_bytes: 124_000,
                seconds: 0.5,
                broker_cpu_s: Some(0.02),
                written_bytes: Some(248_000),
                ..Measure::default()
            }],
            start_ms: Some(81.5),
            notes: vec![],
            skipped: None,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = example();
        record.measures[0].more.insert("worst_second_rate".into(), 17.into());
        let path = record.write(dir.path()).unwrap();
        assert_eq!(
            path.file_name().unwrap().to_str().unwrap(),
            "20261121T172000Z-classic-64_connections-kafka-as_it_comes-franz_go-1.json"
        );
        assert_eq!(Record::read_all(dir.path()).unwrap(), vec![record]);
    }

    #[test]
    fn a_record_of_another_schema_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = Record { schema: 2, ..example() }.write(dir.path()).unwrap();
        let why = Record::read(&path).unwrap_err().to_string();
        assert!(why.contains("schema 2") && why.contains(".json"), "{why}");
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_records() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read_all(&dir.path().join("none")).unwrap(), vec![]);
    }

    #[test]
    fn the_figures_per_record_need_records() {
        let measure = &example().measures[0];
        assert_eq!(measure.rate(), Some(2000.0));
        assert_eq!(measure.broker_cpu_s_per_million(), Some(20.0));
        assert_eq!(measure.written_per_byte(), Some(2.0));
        let nothing = Measure { broker_cpu_s: Some(1.0), ..Measure::default() };
        assert_eq!(nothing.rate(), None);
        assert_eq!(nothing.broker_cpu_s_per_million(), None);
    }
}
