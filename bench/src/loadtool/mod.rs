//! The load tools that RabbitMQ, RocketMQ and Artemis bring with them: how each is asked for synchronous durable sends, and
//! how what it prints is read. They stand in for public clients until we speak these protocols.

pub mod artemis_perf;
mod intervals;
pub mod perftest;
pub mod rocketmq_producer;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::story::{Connections, Work};

/// The name of the window that these tools measure.
pub const WINDOW: &str = "classic";

/// How long a tool drives its broker before the window. All three run on a Java virtual machine, and send at half their
/// speed or less for as long as it compiles.
pub const WARM_S: u32 = 10;

/// Heap of a tool's virtual machine: ten times what any of them was seen to need.
const HEAP: &str = "512m";

/// Senders that each wait for the confirm of one durable record before they send the next, with nobody reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senders {
    /// How many.
    pub count: u32,
    /// Who shares a connection.
    pub connections: Connections,
    /// Bytes of a record's value.
    pub bytes: u32,
    /// The measured time in seconds, at least 1.
    pub seconds: u32,
}

impl Senders {
    /// The work as senders, if that is what it is: these tools are asked for nothing else.
    pub fn of(work: &Work) -> Option<Senders> {
        match work {
            Work::Classic { senders, connections, bytes, seconds } => Some(Senders {
                count: *senders,
                connections: *connections,
                bytes: *bytes,
                seconds: (*seconds).max(1),
            }),
            _ => None,
        }
    }

    /// How many reports of the window's length cover the warm-up.
    fn warm_reports(&self) -> u32 {
        WARM_S.div_ceil(self.seconds)
    }
}

/// A queue or topic that no earlier run has left records in.
fn fresh_name() -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    format!("bench-{}", GIVEN.fetch_add(1, Ordering::Relaxed))
}

/// A tool's class in a virtual machine with a pinned heap, in a folder where it may leave its logs.
fn java(libs: &Path, dir: &Path, class: &str) -> Command {
    let mut command = Command::new("java");
    command.arg(format!("-Xms{HEAP}")).arg(format!("-Xmx{HEAP}"));
    command.arg(format!("-Duser.home={}", dir.display()));
    command.arg("-cp").arg(libs.join("*")).arg(class).current_dir(dir);
    command
}

/// What stands between two words of a text.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(value, _)| value.trim())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SENDERS: Senders =
        Senders { count: 64, connections: Connections::OneEach, bytes: 124, seconds: 5 };

    pub(crate) fn words(command: &Command) -> String {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn the_warm_up_is_whole_reports_and_long_enough_for_a_compiler() {
        let of = |seconds| Senders { seconds, ..SENDERS }.warm_reports();
        assert_eq!([of(1), of(4), of(5), of(10), of(30)], [10, 3, 2, 1, 1]);
    }

    #[test]
    fn only_synchronous_senders_are_for_these_tools() {
        let work = Work::Classic { senders: 64, connections: Connections::OneEach, bytes: 124, seconds: 5 };
        assert_eq!(Senders::of(&work), Some(SENDERS));
        assert_eq!(Senders::of(&Work::Backlog { records: 1 }), None);
    }

    #[test]
    fn no_two_runs_share_a_queue() {
        assert_ne!(fresh_name(), fresh_name());
    }
}
