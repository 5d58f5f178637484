//! One loader's command line, and how what it says is read.

use std::process::Command;

use crate::record::Measure;

/// A loader that does one work against one broker.
pub struct Load {
    /// The client and its version, as the record names it: `franz-go 1.19.5`.
    pub client: String,
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
}
