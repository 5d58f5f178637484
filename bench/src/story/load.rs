//! One loader's command line, and how what it says is read.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::record::Measure;

/// A loader that does one work against one broker.
pub struct Load {
    /// The client and its version: `PerfTest 2.22.1`. Where the loader names it itself, that counts.
    pub client: String,
    /// What is run before it, to its end and unmeasured.
    pub before: Vec<Command>,
    /// What to run. Its standard output is read, its standard error goes to the log of the run.
    pub command: Command,
    /// How its output is read.
    pub dialect: Box<dyn Dialect>,
    /// What a reader of the figures should know of this loader.
    pub notes: Vec<String>,
}

/// What a line of a loader's output means.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The measured window of this name begins now: what the broker has used is sampled.
    Begin(String),
    /// The window has ended; the broker's part is filled in by the harness.
    End(Box<Measure>),
}

/// Reads a loader's lines as they come. One that does not speak JSON has its own.
pub trait Dialect: Send {
    /// What the line of its standard output means, if anything. An error ends the run.
    fn line(&mut self, line: &str) -> Result<Option<Event>, String>;

    /// Called once it has ended with success: the last event, for loaders that only sum up in passing.
    fn end(&mut self) -> Result<Option<Event>, String> {
        Ok(None)
    }

    /// Whether it has told all: a tool that goes on by itself is ended then, and how it ends does not count.
    fn is_done(&self) -> bool {
        false
    }

    /// Whether topic, payload and warm-up are asked for in the words of our own loaders; else the command is complete.
    fn takes_our_words(&self) -> bool {
        false
    }
}

/// What our own loaders write: one JSON object a line, `{"begin":NAME}` or `{"measure":NAME,...}`.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonLines;

#[derive(Deserialize)]
struct Begin {
    begin: String,
}

impl Dialect for JsonLines {
    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let wrong = |why: serde_json::Error| format!("the loader said '{line}': {why}");
        let value: Value = serde_json::from_str(line).map_err(wrong)?;
        if value.get("begin").is_some() {
            let Begin { begin } = serde_json::from_value(value).map_err(wrong)?;
            return Ok(Some(Event::Begin(begin)));
        }
        let measure: Measure = serde_json::from_value(value).map_err(wrong)?;
        Ok(Some(Event::End(Box::new(measure))))
    }

    fn takes_our_words(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_from_its_two_lines() {
        let mut dialect = JsonLines;
        assert_eq!(dialect.line("{\"begin\":\"cold\"}"), Ok(Some(Event::Begin("cold".into()))));
        let end = r#"{"measure":"cold","records":10,"payload_bytes":1240,"errors":1,"seconds":0.5,"client_cpu_s":0.1,
            "latency_us":{"count":10,"mean":5.5,"p50":5,"p90":6,"p99":7,"p999":7,"max":7.5},"worst_second_rate":17}"#;
        let Ok(Some(Event::End(measure))) = dialect.line(end) else { panic!("a measure") };
        assert_eq!((measure.records, measure.errors, measure.rate()), (10, 1, Some(20.0)));
        assert_eq!(measure.latency_us.unwrap().max, Some(7.5));
        assert_eq!(measure.more["worst_second_rate"], 17);
        assert_eq!(dialect.line(""), Ok(None));
    }

    #[test]
    fn what_is_no_window_is_an_error_that_shows_it() {
        for line in ["hello", "{\"other\":1}", "{\"begin\":7}"] {
            assert!(JsonLines.line(line).unwrap_err().contains(line), "{line}");
        }
    }
}
