//! Why a run did not come to its end.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a run did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// Somebody pressed Ctrl-C, or asked this process to end: everything is stopped and nothing else is begun.
    Interrupted,
    /// It cannot be had on this machine, and this is the reason. The others go on.
    Skipped(String),
    /// It went wrong, and this is what was seen.
    Failed(String),
}

impl Failure {
    /// A failure with what was seen.
    pub fn new(what: impl Into<String>) -> Failure {
        Failure::Failed(what.into())
    }

    /// The same where being there is not the question any more: a step of something that was fetched is not skipped.
    pub fn of_what_is_there(self) -> Failure {
        match self {
            Failure::Skipped(why) => Failure::Failed(why),
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Interrupted => write!(f, "interrupted"),
            Failure::Skipped(why) => write!(f, "skipped: {why}"),
            Failure::Failed(what) => write!(f, "{what}"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(why: std::io::Error) -> Failure {
        Failure::Failed(why.to_string())
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Failure {
        Failure::Failed(what)
    }
}

impl From<&str> for Failure {
    fn from(what: &str) -> Failure {
        Failure::Failed(what.to_string())
    }
}

static ASKED_TO_END: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on SIGINT and SIGTERM only raise a flag, so that whoever waits can stop what it started.
pub fn watch_for_interrupts() -> std::io::Result<()> {
    let flag = ASKED_TO_END.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// An error once somebody asked this process to end. Every loop that waits asks here.
pub fn check_interrupt() -> Result<(), Failure> {
    match ASKED_TO_END.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Failure::Interrupted),
        _ => Ok(()),
    }
}
