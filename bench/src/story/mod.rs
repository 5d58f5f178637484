//! The stories: which work is driven, with which figures, on which peers.

mod load;

pub use load::{Dialect, Event, Load};

/// Which connections the senders of the classic story use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Each sender has one of its own.
    OneEach,
    /// All senders share one, and the client may batch what they send at the same time.
    OneForAll,
}

/// A piece of work that a loader can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Senders that each wait for the confirm of one record before they send the next.
    Classic {
        /// How many.
        senders: u32,
        /// Who shares a connection.
        connections: Connections,
        /// Bytes of a record's value.
        bytes: u32,
        /// The measured time.
        seconds: u32,
    },
}
