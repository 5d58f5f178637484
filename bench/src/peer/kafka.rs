//! Apache Kafka: broker and controller in one JVM, with the heap and the collector that its own scripts give it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Broker, Job, Peer, Setting, clients, fetch, pom, port, probe};
use crate::failure::Failure;
use crate::place::Place;
use crate::story::{Load, Work};

/// Apache Kafka.
pub struct Kafka;

const NAME: &str = "kafka";
/// A broker that does not answer by then is not going to.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Any id does for a cluster of one node that lives for minutes.
const CLUSTER_ID: &str = "Zm9yZWJheS1iZW5jaC0wMQ";

/// The options of its `kafka-run-class` and `kafka-server-start`, which are what an installation runs with.
const JVM: &[&str] = &[
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

const SETTINGS: &[Setting] = &[
    Setting {
        name: "as-it-comes",
        flushed_before_confirm: false,
        about: "acks=all; records are in the page cache when confirmed",
    },
    Setting { name: "flushed", flushed_before_confirm: true, about: "log.flush.interval.messages=1" },
];

impl Peer for Kafka {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn is_compiled_as_it_runs(&self) -> bool {
        true
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        let pom = place.settings_of(NAME).join("pom.xml");
        let text = pom::jars(&place.peer(NAME), &pom)?;
        let version = pom::value(&text, "kafka.version").map(str::to_owned);
        version.ok_or_else(|| Failure::new(format!("{} names no kafka.version", pom.display())))
    }

    fn prepare(&self, place: &Place, job: &Job) -> Result<Broker, Failure> {
        let properties = properties(place, job)?;
        let file = job.dir.join("server.properties");
        fs::write(&file, properties)?;
        let mut format = java(place, &job.dir, "kafka.tools.StorageTool");
        format.args(["format", "--standalone", "-t", CLUSTER_ID, "-c"]).arg(&file);
        fetch::run(&mut format, &job.dir.join("format.log")).map_err(Failure::of_what_is_there)?;
        Ok(Broker::new(NAME, &job.dir, format!("kafka://127.0.0.1:{}", job.port)))
    }

    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure> {
        let mut command = java(place, &job.dir, "kafka.Kafka");
        command.arg(job.dir.join("server.properties"));
        broker.spawn(NAME, &mut command)?;
        let address = SocketAddr::from(([127, 0, 0, 1], job.port));
        broker.wait_until(START_LIMIT, "ready", || probe::kafka_answers(address))
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        clients::for_kafka(place, broker, work)
    }
}

fn properties(place: &Place, job: &Job) -> Result<String, Failure> {
    let settings = place.settings_of(NAME);
    let mut text = fs::read_to_string(settings.join("server.properties"))?;
    if job.setting.flushed_before_confirm {
        text += &fs::read_to_string(settings.join("flushed.properties"))?;
    }
    let values = [
        ("PORT", job.port.to_string()),
        ("CONTROLLER_PORT", port::free().to_string()),
        ("DATA", job.dir.join("data").display().to_string()),
    ];
    fetch::fill_in(&text, &values)
}

fn java(place: &Place, dir: &Path, class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(JVM).arg("-cp").arg(place.peer(NAME).join("libs/*")).arg(class).current_dir(dir);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flushed_setting_flushes_each_message_and_nothing_is_left_to_fill_in() {
        let place = Place::of_this_build();
        let job = |setting| Job { setting, dir: "/d".into(), port: 4711, options: vec![] };
        let plain = properties(&place, &job(SETTINGS[0])).unwrap();
        assert!(
            plain.contains("PLAINTEXT://127.0.0.1:4711") && plain.contains("log.dirs=/d/data"),
            "{plain}"
        );
        assert!(!plain.contains("log.flush.interval.messages"));
        let flushed = properties(&place, &job(SETTINGS[1])).unwrap();
        assert!(flushed.lines().any(|line| line == "log.flush.interval.messages=1"));
    }

    #[test]
    fn the_version_is_the_poms() {
        let pom = fs::read_to_string(Place::of_this_build().settings_of(NAME).join("pom.xml")).unwrap();
        assert_eq!(pom::value(&pom, "kafka.version"), Some("4.3.1"));
    }
}
