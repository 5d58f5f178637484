//! What the exit codes mean.

use std::fmt;
use std::process::ExitCode;

use crate::client::ClientError;

/// How a command ends. The numbers are a promise to scripts (docs/operations/cli.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked is done.
    Done = 0,
    /// It was refused, or it failed.
    Failed = 1,
    /// The command line, or what was fed in, makes no sense.
    Usage = 2,
    /// Nobody answers at the address.
    CannotConnect = 3,
    /// It took longer than `--timeout`.
    TimedOut = 4,
    /// Ctrl-C, or a polite kill.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: what to say and how to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How to end.
    pub exit: Exit,
    /// What to say; empty for nothing.
    pub message: String,
}

impl Failure {
    /// What was fed in makes no sense.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { exit: Exit::Usage, message: message.to_string() }
    }

    /// It was refused, or it failed.
    pub fn failed(message: impl fmt::Display) -> Failure {
        Failure { exit: Exit::Failed, message: message.to_string() }
    }

    /// Says why on stderr, and ends.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("forebay: {}", self.message);
        }
        self.exit.into()
    }
}

impl From<ClientError> for Failure {
    fn from(why: ClientError) -> Failure {
        let exit = match &why {
            ClientError::CannotConnect { .. } => Exit::CannotConnect,
            ClientError::TimedOut { .. } => Exit::TimedOut,
            ClientError::Interrupted => return Failure { exit: Exit::Interrupted, message: String::new() },
            _ => Exit::Failed,
        };
        let hint = match exit {
            Exit::CannotConnect => {
                "\nIs a broker running there? `forebay serve` starts one, --broker HOST:PORT names another."
            }
            _ => "",
        };
        Failure { exit, message: format!("{why}{hint}") }
    }
}

impl From<std::io::Error> for Failure {
    fn from(why: std::io::Error) -> Failure {
        // Whoever read our output has had enough: that is not a failure.
        if why.kind() == std::io::ErrorKind::BrokenPipe {
            return Failure { exit: Exit::Done, message: String::new() };
        }
        Failure::failed(why)
    }
}
