//! The broker under test as a process: start, wait until it answers, kill, start again on the same folder.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::case::{Failure, Outcome};
use crate::port;
use crate::wire;

/// A broker that does not answer in this time has failed to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Apache Kafka on a machine that is busy with the rest of the tests.
const KAFKA_START_LIMIT: Duration = Duration::from_secs(240);
/// A broker that has not drained in this time after SIGINT has failed to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Which broker the tests run against.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Forebay's binary.
    Forebay {
        /// Its path.
        binary: PathBuf,
    },
    /// Apache Kafka from its jars: a test that fails there is a wrong test.
    Kafka {
        /// The class path with Kafka's jars.
        class_path: String,
    },
    /// A broker that someone else runs.
    External {
        /// Where it listens.
        at: SocketAddr,
    },
}

/// One broker, running or killed.
pub struct Broker {
    kind: Kind,
    address: SocketAddr,
    /// Data, configuration and log; removed with the broker.
    dir: tempfile::TempDir,
    extra: Vec<String>,
    /// Further lines of Kafka's properties; of two for one setting the last counts.
    properties: Vec<String>,
    /// A program and its arguments that runs the broker, such as a tracer.
    wrapper: Vec<String>,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker on an empty folder and waits until it answers.
    pub fn start(kind: &Kind) -> Result<Broker, Failure> {
        Broker::start_with(kind, &[], &[])
    }

    /// As `start`, with further arguments for Forebay and a program that runs it.
    pub fn start_with(kind: &Kind, extra: &[&str], wrapper: &[&str]) -> Result<Broker, Failure> {
        Broker::stopped(kind, extra, wrapper)?.first_started()
    }

    /// As `start`, with further arguments for Forebay and further lines for Kafka's properties.
    pub fn start_as(kind: &Kind, forebay: &[&str], kafka: &[&str]) -> Result<Broker, Failure> {
        let mut broker = Broker::stopped(kind, forebay, &[])?;
        broker.properties = kafka.iter().map(ToString::to_string).collect();
        broker.first_started()
    }

    fn first_started(mut self) -> Result<Broker, Failure> {
        if let Kind::Kafka { class_path } = self.kind.clone() {
            self.format_kafka(&class_path)?;
        }
        self.start_again()?;
        Ok(self)
    }

    /// As `start_with`, but it is left to the caller what stands in its folder, and when it starts.
    pub fn stopped(kind: &Kind, extra: &[&str], wrapper: &[&str]) -> Result<Broker, Failure> {
        let address = match kind {
            Kind::External { at } => *at,
            _ => SocketAddr::from(([127, 0, 0, 1], port::free())),
        };
        let dir = tempfile::Builder::new().prefix("forebay-tests-").tempdir()?;
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Ok(Broker {
            kind: kind.clone(),
            address,
            dir,
            extra: owned(extra),
            properties: Vec::new(),
            wrapper: owned(wrapper),
            child: None,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder that holds the broker's data.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The process id of the running broker (of its wrapper, where one runs it).
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether this broker can be killed by the tests.
    pub fn is_ours(&self) -> bool {
        !matches!(self.kind, Kind::External { .. })
    }

    /// Ends the process at once, as a crash would.
    pub fn kill9(&mut self) -> Outcome {
        self.refuse_foreign()?;
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts the broker on the folder and the port it had, and says how long it took until it answered.
    pub fn start_again(&mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        if self.is_ours() {
            self.spawn()?;
        }
        self.wait_until_it_answers(start)?;
        Ok(start.elapsed())
    }

    /// Starts the broker and kills it this much later, wherever it has got to by then.
    pub fn start_and_kill_after(&mut self, delay: Duration) -> Outcome {
        self.refuse_foreign()?;
        self.spawn()?;
        std::thread::sleep(delay);
        self.kill9()
    }

    fn spawn(&mut self) -> Outcome {
        let mut command = self.command();
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let program = command.get_program().to_string_lossy().into_owned();
        self.child = Some(command.spawn().map_err(|why| Failure::new(format!("{program}: {why}")))?);
        Ok(())
    }

    /// Kill -9 and start again, as the drivers ask for by `@kill9`.
    pub fn crash_and_recover(&mut self) -> Result<Duration, Failure> {
        self.kill9()?;
        self.start_again()
    }

    /// Sends a signal and does not wait for what it leads to.
    pub fn signal(&self, kind: Signal) -> Outcome {
        self.refuse_foreign()?;
        let child = self.child.as_ref().ok_or_else(|| Failure::new("the broker is not running"))?;
        signal(child, kind)
    }

    /// Sends SIGINT and waits for the end.
    pub fn interrupt(&mut self) -> Result<ExitStatus, Failure> {
        self.refuse_foreign()?;
        let mut child = self.child.take().ok_or_else(|| Failure::new("the broker is not running"))?;
        signal(&child, Signal::INT)?;
        wait_for_exit(&mut child, STOP_LIMIT)
    }

    fn refuse_foreign(&self) -> Outcome {
        if self.is_ours() {
            return Ok(());
        }
        Err(Failure::Skipped(format!("the broker at {} is not ours to kill", self.address)))
    }

    fn wait_until_it_answers(&mut self, start: Instant) -> Outcome {
        let limit = if matches!(self.kind, Kind::Kafka { .. }) { KAFKA_START_LIMIT } else { START_LIMIT };
        while !wire::answers(self.address) {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                return Err(Failure::new(format!(
                    "the broker ended at its start: {status}\n{}",
                    self.log_tail()
                )));
            }
            if start.elapsed() > limit {
                let tail = self.log_tail();
                return Err(Failure::new(format!(
                    "no broker answers at {} after {} s\n{tail}",
                    self.address,
                    limit.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("broker.log")
    }

    /// All that the broker has said.
    pub fn log(&self) -> String {
        std::fs::read(self.log_path()).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// The last lines that the broker said.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn command(&self) -> Command {
        let mut words: Vec<String> = self.wrapper.clone();
        match &self.kind {
            Kind::Forebay { binary } => {
                words.push(binary.display().to_string());
                words.push("serve".into());
                words.push("--data-dir".into());
                words.push(self.data_dir().display().to_string());
                words.push("--listen".into());
                words.push(format!("kafka={}", self.address));
                // Members that join one by one shall not wait for each other in every case.
                words.extend(["--group-initial-rebalance-delay".into(), "100ms".into()]);
                // The stories' records are years old: retention may drop them in the middle of one.
                words.extend(["--topic-retention".into(), "unlimited".into()]);
                // What waits for compaction waits for this.
                words.extend(["--topic-check-interval".into(), "5s".into()]);
                words.extend(self.extra.iter().cloned());
            }
            Kind::Kafka { class_path } => {
                words.extend(java(class_path, "kafka.Kafka"));
                words.push(self.kafka_properties().display().to_string());
            }
            Kind::External { .. } => {}
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.dir.path());
        without_our_variables(&mut command);
        command
    }

    fn kafka_properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }

    /// Kafka wants its folder formatted before its first start.
    fn format_kafka(&self, class_path: &str) -> Outcome {
        let own = kafka_properties(self.address, port::free(), &self.data_dir());
        std::fs::write(self.kafka_properties(), own + &self.properties.join("\n"))?;
        let words = java(class_path, "kafka.tools.StorageTool");
        let log = File::create(self.log_path())?;
        let status = Command::new(&words[0])
            .args(&words[1..])
            .args(["format", "--standalone", "-t", "Zm9yZWJheS10ZXN0cy0wMQ", "-c"])
            .arg(self.kafka_properties())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        crate::ensure!(
            status.success(),
            "Kafka's folder could not be formatted: {status}\n{}",
            self.log_tail()
        );
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A wrapper would outlive nothing: the broker below it dies with the signal passed on or is
            // already dead. Both are ours.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Our own variables look like Forebay's, which refuses those it does not know.
pub fn without_our_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOREBAY_")) {
        command.env_remove(name);
    }
}

/// The words that run a Java program.
pub fn java(class_path: &str, class: &str) -> Vec<String> {
    [
        "java",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xmx768m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        class_path,
        class,
    ]
    .map(String::from)
    .to_vec()
}

/// Sends a signal to a child that was not waited for yet.
pub fn signal(child: &Child, signal: Signal) -> Outcome {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child has a process id");
    kill_process(pid, signal).map_err(|why| Failure::new(format!("signal {signal:?}: {why}")))
}

/// Waits for the end of a child, and kills it past the limit.
pub fn wait_for_exit(child: &mut Child, limit: Duration) -> Result<ExitStatus, Failure> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Err(Failure::new(format!("the process did not end within {} s", limit.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kafka_properties(address: SocketAddr, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.retention.ms=-1\n\
         log.retention.check.interval.ms=1000\n\
         log.cleaner.backoff.ms=1000\n\
         num.partitions=1\n\
         message.max.bytes=16777216\n\
         replica.fetch.max.bytes=16777216\n",
        data.display()
    )
}
