//! Apache ActiveMQ Artemis: one JVM, made and run by its own command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Broker, Job, Peer, Setting, fetch, pom};
use crate::failure::Failure;
use crate::loadtool::{Senders, artemis_perf};
use crate::place::Place;
use crate::story::{Load, Work};

/// Apache ActiveMQ Artemis.
pub struct Artemis;

const NAME: &str = "artemis";
const VERSION: &str = "2.44.0";
const UNPACK: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack";
/// The Debian package of the library with which its journal writes past the page cache, and the library's name.
const AIO_PACKAGE: &str = "libaio1";
const AIO_LIBRARY: &str = "libaio.so.1";
/// Name and password of the one user there is.
const LOGIN: &str = "bench";
/// The folder of the instance in that of a start.
const INSTANCE: &str = "instance";
const START_LIMIT: Duration = Duration::from_secs(300);
/// What it logs once it serves.
const READY: &str = "AMQ221007";

const SETTINGS: &[Setting] = &[Setting {
    name: "flushed",
    flushed_before_confirm: true,
    about: "as it comes: journal-datasync=true, flushed in groups",
}];

impl Peer for Artemis {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        fetch::once(&server(place), VERSION, &["java", "mvn"], |dir| {
            let mut maven = Command::new("mvn");
            maven.args(["-B", "-q", UNPACK]).current_dir(dir);
            maven.arg(format!("-Dartifact=org.apache.activemq:apache-artemis:{VERSION}:tar.gz:bin"));
            maven.arg(format!("-DoutputDirectory={}", dir.display()));
            vec![maven]
        })?;
        match fetch_aio(place) {
            // Its journal does without it, and the record says which kind it was.
            Ok(()) | Err(Failure::Skipped(_)) => Ok(VERSION.to_string()),
            Err(other) => Err(other),
        }
    }

    fn prepare(&self, place: &Place, job: &Job) -> Result<Broker, Failure> {
        let options = fs::read_to_string(place.settings_of(NAME).join("create.options"))?;
        let mut create = Command::new(server(place).join(format!("apache-artemis-{VERSION}/bin/artemis")));
        create.arg("create").args(words(&options)).args(["--user", LOGIN, "--password", LOGIN]);
        create.args(["--default-port", &job.port.to_string()]).arg(job.dir.join(INSTANCE));
        with_aio(place, &mut create);
        fetch::run(&mut create, &job.dir.join("create.log")).map_err(Failure::of_what_is_there)?;
        Ok(Broker::new(NAME, &job.dir, format!("artemis://127.0.0.1:{}", job.port)))
    }

    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure> {
        let mut command = Command::new(job.dir.join(INSTANCE).join("bin/artemis"));
        command.arg("run").current_dir(&job.dir);
        with_aio(place, &mut command);
        let log = job.dir.join(format!("{NAME}.log"));
        let earlier = times_ready(&log);
        broker.spawn(NAME, &mut command)?;
        broker.wait_until(START_LIMIT, "ready", || times_ready(&log) > earlier)
    }

    fn does(&self, work: &Work) -> bool {
        Senders::of(work).is_some()
    }

    fn loads(&self, _place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        let Some(senders) = Senders::of(work) else { return vec![] };
        let instance = broker.dir().join(INSTANCE);
        let mut load = artemis_perf::load(VERSION, &instance, broker.host_and_port(), LOGIN, &senders);
        let settings = fs::read_to_string(instance.join("etc/broker.xml")).unwrap_or_default();
        load.notes.extend(journal_in(&settings));
        vec![load]
    }
}

fn server(place: &Place) -> PathBuf {
    place.peer(NAME).join("server")
}

/// The folder with the library, where the machine has none.
fn aio(place: &Place) -> PathBuf {
    place.peer(NAME).join("aio")
}

/// Unpacks the library from its package beside the broker, without installing it.
fn fetch_aio(place: &Place) -> Result<(), Failure> {
    let script = format!("apt-get download {AIO_PACKAGE} && dpkg -x {AIO_PACKAGE}_*.deb .");
    fetch::once(&aio(place), &script, &["apt-get", "dpkg"], |dir| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(dir);
        vec![shell]
    })
}

/// Lets a command find the library.
fn with_aio(place: &Place, command: &mut Command) {
    if let Some(dir) = folder_of(AIO_LIBRARY, &aio(place)) {
        command.env("LD_LIBRARY_PATH", dir);
    }
}

/// The folder below this one in which there is a file of this name.
fn folder_of(name: &str, dir: &Path) -> Option<PathBuf> {
    if dir.join(name).exists() {
        return Some(dir.to_path_buf());
    }
    let entries = fs::read_dir(dir).ok()?;
    entries.flatten().filter(|entry| entry.path().is_dir()).find_map(|entry| folder_of(name, &entry.path()))
}

/// The words of a file that has one on a line and lines that begin with #.
fn words(options: &str) -> Vec<&str> {
    options.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// What kind of journal the instance was made with, in words.
fn journal_in(settings: &str) -> Option<String> {
    let (kind, flushed) = (pom::value(settings, "journal-type")?, pom::value(settings, "journal-datasync")?);
    let timeout_ns = pom::value(settings, "journal-buffer-timeout")?;
    Some(format!(
        "its journal is {kind} with journal-datasync={flushed} and journal-buffer-timeout={timeout_ns} ns, which `artemis create` \
         measured for this disk"
    ))
}

fn times_ready(log: &Path) -> usize {
    let said = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&said).matches(READY).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_the_journal() {
        let settings = "<journal-type>ASYNCIO</journal-type>\n<journal-datasync>true</journal-datasync>\n\
                        <journal-buffer-timeout>8000</journal-buffer-timeout>";
        let note = journal_in(settings).unwrap();
        assert!(
            note.contains("ASYNCIO") && note.contains("datasync=true") && note.contains("=8000 ns"),
            "{note}"
        );
        assert_eq!(journal_in("<journal-type>NIO</journal-type>"), None);
    }

    #[test]
    fn an_instance_listens_on_loopback_and_keeps_its_journal() {
        let place = Place::of_this_build();
        let options = fs::read_to_string(place.settings_of(NAME).join("create.options")).unwrap();
        let words = words(&options);
        assert!(words.contains(&"--host=127.0.0.1") && words.contains(&"--java-memory=2G"), "{words:?}");
        assert!(words.iter().all(|word| word.starts_with("--")), "{words:?}");
        assert!(!words.iter().any(|word| ["--no-fsync", "--disable-persistence"].contains(word)));
    }

    #[test]
    fn the_library_is_found_wherever_its_package_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("usr/lib/some-machine");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(folder_of(AIO_LIBRARY, dir.path()), None);
        fs::write(deep.join(AIO_LIBRARY), "").unwrap();
        assert_eq!(folder_of(AIO_LIBRARY, dir.path()), Some(deep));
    }
}
