//! Apache RocketMQ: a name server and one broker, each in a JVM.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Broker, Job, Peer, Setting, fetch, pom, port};
use crate::failure::Failure;
use crate::loadtool::{Senders, rocketmq_producer};
use crate::place::Place;
use crate::story::{Load, Work};

/// Apache RocketMQ.
pub struct RocketMq;

const NAME: &str = "rocketmq";
const NAME_SERVER: &str = "namesrv";
const BROKER: &str = "broker";
const START_LIMIT: Duration = Duration::from_secs(300);
/// Both processes print this once they serve; the broker's follows its registration with the name server.
const READY: &str = "boot success";

/// The heap of the name server. A cluster of one broker needs none to speak of.
const NAME_SERVER_HEAP: &[&str] = &["-Xms256m", "-Xmx256m"];

/// The heap of the broker and the options of its `runbroker.sh`, which would give it 8 GiB and touch all of it at once; the
/// machine has to hold the load tool too, and its resident memory should be what it uses.
const BROKER_JVM: &[&str] = &[
    "-Xms2g",
    "-Xmx2g",
    "-XX:+UseG1GC",
    "-XX:G1HeapRegionSize=16m",
    "-XX:G1ReservePercent=25",
    "-XX:InitiatingHeapOccupancyPercent=30",
    "-XX:SoftRefLRUPolicyMSPerMB=0",
    "-XX:-OmitStackTraceInFastThrow",
];

/// What it reaches into of the platform, as its scripts allow it to.
const OPENED: &[&str] = &["java.base/sun.nio.ch", "java.base/java.nio", "java.base/jdk.internal.ref"];

const SETTINGS: &[Setting] = &[
    Setting { name: "as-it-comes", flushed_before_confirm: false, about: "flushDiskType=ASYNC_FLUSH" },
    Setting { name: "flushed", flushed_before_confirm: true, about: "flushDiskType=SYNC_FLUSH" },
];

impl Peer for RocketMq {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        let pom = place.settings_of(NAME).join("pom.xml");
        pom::jars(&place.peer(NAME), &pom)?;
        version(place).ok_or_else(|| Failure::new(format!("{} names no rocketmq.version", pom.display())))
    }

    fn prepare(&self, place: &Place, job: &Job) -> Result<Broker, Failure> {
        fs::create_dir_all(job.dir.join("conf"))?;
        for (file, text) in settings(place, job)? {
            fs::write(job.dir.join(file), text)?;
        }
        // Clients are told the name server, and hear from it where the broker is.
        Ok(Broker::new(NAME, &job.dir, format!("rocketmq://127.0.0.1:{}", job.port)))
    }

    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure> {
        for (name, heap, class) in [
            (NAME_SERVER, NAME_SERVER_HEAP, "org.apache.rocketmq.namesrv.NamesrvStartup"),
            (BROKER, BROKER_JVM, "org.apache.rocketmq.broker.BrokerStartup"),
        ] {
            let log = job.dir.join(format!("{name}.log"));
            let earlier = times_ready(&log);
            let mut command = java(place, &job.dir, heap, class);
            command.arg("-c").arg(job.dir.join(format!("{name}.conf")));
            broker.spawn(name, &mut command)?;
            broker.wait_until(START_LIMIT, "ready", || times_ready(&log) > earlier)?;
        }
        Ok(())
    }

    fn does(&self, work: &Work) -> bool {
        Senders::of(work).is_some()
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        let Some(senders) = Senders::of(work) else { return vec![] };
        let Some(version) = version(place) else { return vec![] };
        let libs = place.peer(NAME).join("libs");
        vec![rocketmq_producer::load(&version, &libs, broker.dir(), broker.host_and_port(), &senders)]
    }
}

/// The files of this start and what they hold. `job.port` is the name server's.
fn settings(place: &Place, job: &Job) -> Result<Vec<(String, String)>, Failure> {
    let values = [
        ("NAMESRV_PORT", job.port.to_string()),
        ("PORT", broker_port().to_string()),
        ("HA_PORT", port::free().to_string()),
        ("DATA", job.dir.join("store").display().to_string()),
        ("FLUSH", if job.setting.flushed_before_confirm { "SYNC_FLUSH" } else { "ASYNC_FLUSH" }.to_string()),
    ];
    let filled = |name: &str| {
        let file = format!("{name}.conf");
        let text = fs::read_to_string(place.settings_of(NAME).join(&file))?;
        Ok((file, fetch::fill_in(&text, &values)?))
    };
    [NAME_SERVER, BROKER].into_iter().map(filled).collect()
}

/// A free port with another one two below it: the broker listens at both.
fn broker_port() -> u16 {
    loop {
        let port = port::free();
        if TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port - 2))).is_ok() {
            return port;
        }
    }
}

fn times_ready(log: &Path) -> usize {
    let said = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&said).matches(READY).count()
}

fn java(place: &Place, dir: &Path, heap: &[&str], class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(heap);
    for package in OPENED {
        command.args(["--add-opens", &format!("{package}=ALL-UNNAMED")]);
    }
    // Its logs go under the user's home, and its own home must have a folder of settings, which may be empty.
    command.arg(format!("-Duser.home={}", dir.display())).env("ROCKETMQ_HOME", dir);
    command.arg("-cp").arg(place.peer(NAME).join("libs/*")).arg(class).current_dir(dir);
    command
}

fn version(place: &Place) -> Option<String> {
    let pom = fs::read_to_string(place.settings_of(NAME).join("pom.xml")).ok()?;
    pom::value(&pom, "rocketmq.version").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker_conf(setting: Setting) -> String {
        let job = Job { setting, dir: "/d".into(), port: 9876, options: vec![] };
        let files = settings(&Place::of_this_build(), &job).unwrap();
        assert!(files.iter().any(|(name, text)| name == "namesrv.conf" && text.contains("listenPort=9876")));
        files.into_iter().find(|(name, _)| name == "broker.conf").unwrap().1
    }

    #[test]
    fn the_two_settings_differ_in_when_they_flush() {
        let plain = broker_conf(SETTINGS[0]);
        assert!(
            plain.contains("flushDiskType=ASYNC_FLUSH")
                && plain.contains("storePathCommitLog=/d/store/commitlog")
        );
        assert!(broker_conf(SETTINGS[1]).contains("flushDiskType=SYNC_FLUSH"));
    }

    #[test]
    fn the_version_is_the_poms() {
        assert_eq!(version(&Place::of_this_build()).as_deref(), Some("5.5.0"));
    }

    #[test]
    fn each_start_is_told_apart_in_a_log_that_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("broker.log");
        assert_eq!(times_ready(&log), 0);
        let line = "The broker[broker-a, 127.0.0.1:41911] boot success. serializeType=JSON and name server is 127.0.0.1:49876\n";
        fs::write(&log, line.repeat(2)).unwrap();
        assert_eq!(times_ready(&log), 2);
    }
}
