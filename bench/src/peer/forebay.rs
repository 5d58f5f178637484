//! Forebay itself, as the release binary of this workspace.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::{Broker, Job, Peer, Setting, clients, port, probe};
use crate::failure::Failure;
use crate::place::Place;
use crate::story::{Load, Work};

/// Forebay.
pub struct Forebay;

/// Its name: it takes part in every run, whatever peers are asked for.
pub const NAME: &str = "forebay";
const START_LIMIT: Duration = Duration::from_secs(120);

const SETTINGS: &[Setting] = &[
    Setting {
        name: "flushed",
        flushed_before_confirm: true,
        about: "as it comes: confirmed after fdatasync",
    },
    Setting {
        name: "async",
        flushed_before_confirm: false,
        about: "topic.flush=async: confirmed after write",
    },
];

impl Peer for Forebay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        let binary = place.forebay();
        let out = Command::new(&binary).arg("--version").output().map_err(|why| {
            Failure::Skipped(format!("{}: {why}; cargo xtask bench builds it", binary.display()))
        })?;
        let said = String::from_utf8_lossy(&out.stdout);
        Ok(said.split_whitespace().last().unwrap_or_default().to_string())
    }

    fn prepare(&self, _place: &Place, job: &Job) -> Result<Broker, Failure> {
        Ok(Broker::new(NAME, &job.dir, format!("kafka://127.0.0.1:{}", job.port)))
    }

    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure> {
        let console = SocketAddr::from(([127, 0, 0, 1], port::free()));
        let mut command = Command::new(place.forebay());
        command.arg("serve").arg("--data-dir").arg(job.dir.join("data"));
        command.arg("--listen").arg(format!("kafka=127.0.0.1:{}", job.port));
        command.arg("--listen").arg(format!("http={console}"));
        // As the other brokers' settings have it: a group's first member does not wait for others.
        command.args(["--group-initial-rebalance-delay", "0ms"]);
        if !job.setting.flushed_before_confirm {
            command.args(["--topic-flush", "async"]);
        }
        command.args(&job.options).current_dir(&job.dir);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOREBAY_"))
        {
            command.env_remove(name);
        }
        broker.spawn(NAME, &mut command)?;
        let address = SocketAddr::from(([127, 0, 0, 1], job.port));
        broker.wait_until(START_LIMIT, "ready", || probe::kafka_answers(address))?;
        broker.count_flushes_by(move || flushes_in(&probe::http_get(console, "/metrics")?));
        Ok(())
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        clients::for_kafka(place, broker, work)
    }
}

/// The flushes of all shards, from the histograms' counts.
fn flushes_in(metrics: &str) -> Option<u64> {
    let counts = metrics.lines().filter(|line| line.starts_with("forebay_flush_seconds_count"));
    let mut sum = None;
    for line in counts {
        let count: u64 = line.rsplit_once(' ')?.1.parse().ok()?;
        sum = Some(sum.unwrap_or(0) + count);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flushes_of_all_shards_add_up() {
        let metrics = "# TYPE forebay_flush_seconds histogram\nforebay_flush_seconds_sum{shard=\"0\"} 0.5\n\
                       forebay_flush_seconds_count{shard=\"0\"} 3\nforebay_flush_seconds_count{shard=\"1\"} 40\n";
        assert_eq!(flushes_in(metrics), Some(43));
        assert_eq!(flushes_in("forebay_other 3\n"), None);
    }
}
