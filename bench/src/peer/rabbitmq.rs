//! RabbitMQ, from Debian: the release after the machine's own where a tree of it can be made, else what is installed.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Broker, Job, Peer, Setting, fetch, pom, port};
use crate::failure::Failure;
use crate::loadtool::{Senders, perftest};
use crate::place::Place;
use crate::story::{Load, Work};

/// RabbitMQ.
pub struct RabbitMq;

const NAME: &str = "rabbitmq";
/// The Debian release whose RabbitMQ is asked for; it has 4.0.5.
const RELEASE: &str = "trixie";
const PACKAGE: &str = "rabbitmq-server";
/// Where Debian puts its programs, in a tree or on the machine.
const SERVER: &str = "usr/lib/rabbitmq/bin/rabbitmq-server";
/// Where Debian writes down what is installed.
const STATUS: &str = "var/lib/dpkg/status";
const NODE: &str = "forebay-bench@localhost";
/// Where the tree's RabbitMQ sees its home.
const HOME_IN_TREE: &str = "/mnt";
/// The file in the folder of a start with the kind of queue that its clients ask for: any node serves both kinds.
const QUEUE_FILE: &str = "queue-type";
const QUORUM: &str = "quorum";
const START_LIMIT: Duration = Duration::from_secs(300);

const SETTINGS: &[Setting] = &[
    Setting {
        name: "as-it-comes",
        flushed_before_confirm: false,
        about: "a classic durable queue, records marked persistent",
    },
    Setting { name: "flushed", flushed_before_confirm: true, about: "a quorum queue" },
];

impl Peer for RabbitMq {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn fetch(&self, place: &Place) -> Result<String, Failure> {
        fetch_load_tool(place)?;
        let home = Home::find_or_make(place)?;
        let status = fs::read_to_string(home.root().join(STATUS))?;
        version_in(&status)
            .ok_or_else(|| Failure::new(format!("{PACKAGE} is there, but Debian does not know it")))
    }

    fn prepare(&self, place: &Place, job: &Job) -> Result<Broker, Failure> {
        let conf = fs::read_to_string(place.settings_of(NAME).join("rabbitmq.conf"))?;
        let conf = fetch::fill_in(&conf, &[("PORT", job.port.to_string())])?;
        fs::write(job.dir.join("rabbitmq.conf"), conf)?;
        fs::write(
            job.dir.join(QUEUE_FILE),
            if job.setting.flushed_before_confirm { QUORUM } else { "classic" },
        )?;
        Ok(Broker::new(NAME, &job.dir, format!("amqp://127.0.0.1:{}", job.port)))
    }

    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure> {
        let home = Home::find_or_make(place)?;
        let ports = Ports { names: port::free(), distribution: port::free() };
        broker.spawn(NAME, &mut home.server(place, &job.dir, &ports))?;
        if matches!(home, Home::Installed) {
            // The name daemon leaves the group that the broker is ended with; in a tree it ends with its pid namespace.
            broker.undo_by(move || end_name_daemon(ports.names));
        }
        let address = SocketAddr::from(([127, 0, 0, 1], job.port));
        broker.wait_until(START_LIMIT, "ready", || amqp_answers(address))
    }

    fn does(&self, work: &Work) -> bool {
        Senders::of(work).is_some()
    }

    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load> {
        let Some(senders) = Senders::of(work) else { return vec![] };
        let Some(version) = load_tool_version(place) else { return vec![] };
        let asked_for = fs::read_to_string(broker.dir().join(QUEUE_FILE)).unwrap_or_default();
        let queue = if asked_for == QUORUM { perftest::Queue::Quorum } else { perftest::Queue::Classic };
        let libs = load_tool(place).join("libs");
        vec![perftest::load(&version, &libs, broker.dir(), broker.host_and_port(), queue, &senders)]
    }
}

/// Where RabbitMQ is run from.
enum Home {
    /// A Debian tree that this harness made, entered with chroot.
    Tree(PathBuf),
    /// The machine itself.
    Installed,
}

/// The ports that only the node itself uses.
struct Ports {
    /// The name daemon of Erlang's.
    names: u16,
    /// Erlang's distribution.
    distribution: u16,
}

impl Home {
    /// What there is, made if need be and possible; a skip with both reasons otherwise.
    fn find_or_make(place: &Place) -> Result<Home, Failure> {
        let tree = place.peer(NAME).join("server");
        match make_tree(&tree) {
            Ok(()) => Ok(Home::Tree(tree.join("tree"))),
            Err(Failure::Skipped(_)) if Path::new("/").join(SERVER).is_file() => Ok(Home::Installed),
            Err(Failure::Skipped(why)) => {
                Err(Failure::Skipped(format!("{why}; and {PACKAGE} is not installed")))
            }
            Err(other) => Err(other),
        }
    }

    fn root(&self) -> &Path {
        match self {
            Home::Tree(root) => root,
            Home::Installed => Path::new("/"),
        }
    }

    fn server(&self, place: &Place, dir: &Path, ports: &Ports) -> Command {
        match self {
            Home::Tree(root) => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--pid", "--fork", "--kill-child", "sh"]);
                command.arg(place.settings_of(NAME).join("in-tree.sh")).arg(root).arg(dir);
                command.args(environment(HOME_IN_TREE, ports).map(|(name, value)| format!("{name}={value}")));
                command
            }
            Home::Installed => {
                let mut command = Command::new(Path::new("/").join(SERVER));
                command.envs(environment(&dir.display().to_string(), ports)).current_dir(dir);
                command
            }
        }
    }
}

fn environment(home: &str, ports: &Ports) -> [(&'static str, String); 11] {
    [
        ("HOME", home.to_string()),
        ("RABBITMQ_NODENAME", NODE.to_string()),
        ("RABBITMQ_CONFIG_FILE", format!("{home}/rabbitmq.conf")),
        ("RABBITMQ_MNESIA_BASE", format!("{home}/data")),
        ("RABBITMQ_LOG_BASE", format!("{home}/log")),
        ("RABBITMQ_LOGS", "-".to_string()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{home}/enabled_plugins")),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_string()),
        ("ERL_EPMD_PORT", ports.names.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_string()),
    ]
}

/// Has Debian's own tool make a tree with RabbitMQ in it, once. Only root can.
fn make_tree(dir: &Path) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::Skipped("only root can make a Debian tree".into()));
    }
    fetch::once(dir, &format!("{RELEASE} {PACKAGE}"), &["unshare", "chroot"], |dir| {
        let mut steps = vec![];
        if fetch::installed("debootstrap").is_none() {
            let mut install = Command::new("apt-get");
            install.args(["install", "-y", "--no-install-recommends", "debootstrap"]);
            install.env("DEBIAN_FRONTEND", "noninteractive");
            steps.push(install);
        }
        // What it mounts in the tree must not stay when it is killed half-way: emptying the folder would go through it.
        let mut make = Command::new("unshare");
        make.args(["--mount", "debootstrap", "--variant=minbase", &format!("--include={PACKAGE}"), RELEASE])
            .arg(dir.join("tree"));
        steps.push(make);
        steps
    })
}

fn end_name_daemon(port: u16) {
    let mut ask = Command::new("epmd");
    ask.args(["-port", &port.to_string(), "-kill"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // One that is not there is what this is for.
    let _ = ask.status();
}

fn load_tool(place: &Place) -> PathBuf {
    place.peer(NAME).join("perf-test")
}

fn fetch_load_tool(place: &Place) -> Result<(), Failure> {
    let pom = place.settings_of(NAME).join("pom.xml");
    pom::jars(&load_tool(place), &pom).map(|_| ())
}

fn load_tool_version(place: &Place) -> Option<String> {
    let pom = fs::read_to_string(place.settings_of(NAME).join("pom.xml")).ok()?;
    pom::value(&pom, "perf-test.version").map(str::to_owned)
}

/// The version of RabbitMQ in Debian's list of what is installed.
fn version_in(status: &str) -> Option<String> {
    let name = format!("Package: {PACKAGE}");
    let about = status.split("\n\n").find(|about| about.lines().any(|line| line == name))?;
    about.lines().find_map(|line| line.strip_prefix("Version: ")).map(String::from)
}

/// Whether an AMQP 0.9.1 broker there begins to talk when it is greeted.
fn amqp_answers(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(1);
    let ask = || -> Option<u8> {
        let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).ok()?;
        Some(first[0])
    };
    // A frame that carries a method; a broker of another version would send the greeting it wants.
    ask() == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_version_is_debians() {
        let status = "Package: erlang-base\nVersion: 1:27.3\n\nPackage: rabbitmq-server\nStatus: install ok installed\n\
                      Depends: x (>= 1)\nVersion: 4.0.5-6+deb13u2\n\nPackage: zlib\nVersion: 1\n";
        assert_eq!(version_in(status).as_deref(), Some("4.0.5-6+deb13u2"));
        assert_eq!(version_in("Package: zlib\nVersion: 1\n"), None);
    }

    #[test]
    fn the_load_tools_version_is_the_poms() {
        assert_eq!(load_tool_version(&Place::of_this_build()).as_deref(), Some("2.22.1"));
    }

    #[test]
    fn a_tree_is_run_in_namespaces_of_its_own_and_knows_its_home() {
        let ports = Ports { names: 1, distribution: 2 };
        let command = Home::Tree("/t".into()).server(&Place::at("/w"), Path::new("/d"), &ports);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words[..5], ["--mount", "--pid", "--fork", "--kill-child", "sh"]);
        assert_eq!(words[5..8], ["/w/bench/peers/rabbitmq/in-tree.sh", "/t", "/d"]);
        assert!(words.contains(&"RABBITMQ_MNESIA_BASE=/mnt/data".into()), "{words:?}");
    }

    #[test]
    fn what_is_installed_keeps_all_it_writes_in_its_folder() {
        let ports = Ports { names: 1, distribution: 2 };
        let command = Home::Installed.server(&Place::at("/w"), Path::new("/d"), &ports);
        assert_eq!(command.get_program(), "/usr/lib/rabbitmq/bin/rabbitmq-server");
        let home = command.get_envs().find(|(name, _)| *name == "HOME");
        assert_eq!(home, Some(("HOME".as_ref(), Some("/d".as_ref()))));
    }

    #[test]
    fn rabbitmq_is_ready_when_it_answers_a_greeting_with_a_method() {
        let answers = |answer: &'static [u8]| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 8]).unwrap();
                stream.write_all(answer).unwrap();
            });
            amqp_answers(address)
        };
        assert!(answers(b"\x01\x00\x00\x00\x00\x01"));
        assert!(!answers(b"AMQP\x00\x00\x09\x01"));
    }
}
