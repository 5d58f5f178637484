//! A Connect worker that stands alone.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::background::Background;
use crate::broker;
use crate::case::{Context, Failure, Outcome};
use crate::ensure;
use crate::port;

/// As much of its log as a report needs.
const LINES_SHOWN: usize = 40;

/// A connector and its settings.
pub struct Connector {
    name: &'static str,
    settings: Vec<(String, String)>,
}

impl Connector {
    /// One of this class.
    pub fn new(name: &'static str, class: &str) -> Connector {
        Connector { name, settings: Vec::new() }.with("name", name).with("connector.class", class)
    }

    /// With this setting.
    pub fn with(mut self, key: &str, value: impl Display) -> Connector {
        self.settings.push((key.to_string(), value.to_string()));
        self
    }

    fn write(&self, context: &Context) -> Result<PathBuf, Failure> {
        let file = context.dir.join(format!("{}.properties", self.name));
        std::fs::write(&file, properties(&self.settings))?;
        Ok(file)
    }
}

/// A worker that is running, with its connectors.
pub struct Worker {
    running: Background,
}

impl Worker {
    /// Starts it; `converters` are those of keys and values.
    pub fn start(
        context: &mut Context,
        converters: [&str; 2],
        connectors: &[Connector],
    ) -> Result<Worker, Failure> {
        let bootstrap = context.broker().address().to_string();
        let settings = [
            ("bootstrap.servers", bootstrap),
            ("key.converter", converters[0].to_string()),
            ("value.converter", converters[1].to_string()),
            ("offset.storage.file.filename", context.dir.join("connect.offsets").display().to_string()),
            ("offset.flush.interval.ms", "1000".to_string()),
            ("listeners", format!("http://127.0.0.1:{}", port::free())),
            ("plugin.discovery", "service_load".to_string()),
            // Else what is sent again after a crash may be there twice.
            ("producer.enable.idempotence", "true".to_string()),
            ("consumer.auto.offset.reset", "earliest".to_string()),
        ];
        let settings = settings.map(|(key, value)| (key.to_string(), value));
        let file = context.dir.join("worker.properties");
        std::fs::write(&file, properties(&settings))?;

        const CLASS: &str = "org.apache.kafka.connect.cli.ConnectStandalone";
        let words = broker::java(&context.runtimes.connect_class_path(), CLASS);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(file);
        for connector in connectors {
            command.arg(connector.write(context)?);
        }
        Ok(Worker { running: Background::start("ConnectStandalone", &mut command)? })
    }

    /// Looks again and again until it is so.
    pub fn wait_until(
        &mut self,
        context: &Context,
        what: &str,
        mut is_so: impl FnMut() -> Result<bool, Failure>,
    ) -> Outcome {
        while !is_so()? {
            // Some room to end what it started.
            let is_time = context.left() > Duration::from_secs(5);
            ensure!(is_time, "timed out waiting until {what}; the worker said:\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn last_words(&mut self) -> String {
        let said = self.running.said();
        said[said.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

/// A file of settings as Java reads it.
fn properties(settings: &[(String, String)]) -> String {
    settings.iter().map(|(key, value)| format!("{key}={}\n", value.replace('\\', "\\\\"))).collect()
}
