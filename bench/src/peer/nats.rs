//! NATS with JetStream: one Go binary, streams in files.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::{Broker, Job, Peer, Setting, clients, fetch, probe};
use crate::failure::Failure;
use crate::place::Place;
use crate::story::{Load, Work};

/// NATS JetStream.
pub struct Nats;

const NAME: &str = "nats";
const VERSION: &str = "2.15.2";
const START_LIMIT: Duration = Duration::from_secs(60);

const SETTINGS: &[Setting] = &[
    Setting {
        name: "as-it-comes",
        flushed_before_confirm: false,
        about: "file storage, flushed every two minutes",
    },
    Setting { name: "flushed", flushed_before_confirm: true, about: "sync_interval: always" },
];

impl Peer for Nats {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        fetch::once(&place.peer(NAME), VERSION, &["go"], |dir| {
            let mut install = Command::new("go");
            install.env("GOBIN", dir.join("bin")).env("GOFLAGS", "-trimpath").current_dir(dir);
            install.arg("install").arg(format!("github.com/nats-io/nats-server/v2@v{VERSION}"));
            vec![install]
        })?;
        Ok(VERSION.to_string())
    }

    fn prepare(&self, place: &Place, job: &Job) -> Result<Broker, Failure> {
        fs::write(job.dir.join("nats.conf"), settings(place, job)?)?;
        Ok(Broker::new(NAME, &job.dir, format!("nats://127.0.0.1:{}", job.port)))
    }

    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure> {
        let mut command = Command::new(place.peer(NAME).join("bin/nats-server"));
        command.arg("-c").arg(job.dir.join("nats.conf")).current_dir(&job.dir);
        broker.spawn(NAME, &mut command)?;
        let address = SocketAddr::from(([127, 0, 0, 1], job.port));
        broker.wait_until(START_LIMIT, "ready", || probe::nats_answers(address))
    }

    fn does(&self, work: &Work) -> bool {
        clients::nats_does(work)
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        clients::for_nats(place, broker, work)
    }
}

fn settings(place: &Place, job: &Job) -> Result<String, Failure> {
    let text = fs::read_to_string(place.settings_of(NAME).join("nats.conf"))?;
    let sync = if job.setting.flushed_before_confirm { "  sync_interval: always\n" } else { "" };
    let data = job.dir.join("data").display().to_string();
    fetch::fill_in(&text, &[("PORT", job.port.to_string()), ("DATA", data), ("SYNC", sync.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flushed_setting_syncs_always() {
        let place = Place::of_this_build();
        let of = |setting| {
            settings(&place, &Job { setting, dir: "/d".into(), port: 4222, options: vec![] }).unwrap()
        };
        assert!(!of(SETTINGS[0]).contains("sync_interval"));
        let flushed = of(SETTINGS[1]);
        assert!(flushed.contains("  sync_interval: always\n}") && flushed.contains("store_dir: \"/d/data\""));
    }
}
