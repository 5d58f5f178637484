//! How a connection ends.

use std::io;

use forebay_kit::{CloseReason, SessionError};

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed.
    PeerClosed,
    /// The connection broke.
    PeerReset(io::Error),
    /// The session closed by its own will.
    Protocol(String),
    /// The session refused what the client sent.
    Misbehaved(String),
    /// The session found a bug of ours.
    Bug(String),
    /// The session or the front desk panicked: a bug of ours that nobody had thought of.
    Panicked(String),
    /// The client took no byte for `write_stall_max`.
    WriteStalled,
    /// Nothing happened for `idle_max`.
    Idle,
    /// No complete request within `handshake_max`, or no login where one is demanded.
    Handshake,
    /// It read on its overdraft of the byte budget for `overdraft_max` and did not complete its frame.
    Overdraft,
    /// The session took in `input_bytes_max` without a word.
    InputTooLarge,
    /// The gateway stopped and nothing was open.
    Drained,
    /// The gateway stopped and could not wait longer.
    Cut,
}

/// Names of the ends in metrics and logs, by [`End::index`].
pub(crate) const END_NAMES: [&str; 13] = [
    "peer_closed",
    "peer_reset",
    "protocol",
    "misbehaved",
    "bug",
    "panic",
    "write_stall_max",
    "idle_max",
    "handshake_max",
    "overdraft_max",
    "input_bytes_max",
    "drained",
    "cut",
];

/// How loudly an end is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// Everyday life.
    Quiet,
    /// The operator may want to talk to whoever runs the client.
    Client,
    /// We have to repair something.
    Ours,
}

impl End {
    /// Its place in [`END_NAMES`].
    pub(crate) fn index(&self) -> usize {
        match self {
            End::PeerClosed => 0,
            End::PeerReset(_) => 1,
            End::Protocol(_) => 2,
            End::Misbehaved(_) => 3,
            End::Bug(_) => 4,
            End::Panicked(_) => 5,
            End::WriteStalled => 6,
            End::Idle => 7,
            End::Handshake => 8,
            End::Overdraft => 9,
            End::InputTooLarge => 10,
            End::Drained => 11,
            End::Cut => 12,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        END_NAMES[self.index()]
    }

    /// What is known beyond the name.
    pub(crate) fn detail(&self) -> String {
        match self {
            End::PeerReset(why) => why.to_string(),
            End::Protocol(text) | End::Misbehaved(text) | End::Bug(text) | End::Panicked(text) => {
                text.clone()
            }
            _ => String::new(),
        }
    }

    pub(crate) fn loudness(&self) -> Loudness {
        match self {
            End::PeerClosed | End::PeerReset(_) | End::Idle | End::Drained => Loudness::Quiet,
            End::Protocol(_)
            | End::Misbehaved(_)
            | End::WriteStalled
            | End::Handshake
            | End::Overdraft
            | End::InputTooLarge
            | End::Cut => Loudness::Client,
            End::Bug(_) | End::Panicked(_) => Loudness::Ours,
        }
    }

    /// Whether the client may still be reading, so that closing waits a moment for it to close first. A socket
    /// that is closed with unread input resets the connection, and the client may lose the last bytes we sent.
    pub(crate) fn lingers(&self) -> bool {
        match self {
            End::PeerClosed | End::PeerReset(_) | End::WriteStalled | End::Cut => false,
            End::Protocol(_)
            | End::Misbehaved(_)
            | End::Bug(_)
            | End::Panicked(_)
            | End::Idle
            | End::Handshake
            | End::Overdraft
            | End::InputTooLarge
            | End::Drained => true,
        }
    }
}

impl From<SessionError> for End {
    fn from(error: SessionError) -> End {
        match error {
            SessionError::PeerMisbehaved(what) => End::Misbehaved(what),
            SessionError::Bug(what) => End::Bug(what),
        }
    }
}

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> End {
        match reason {
            CloseReason::Protocol(what) => End::Protocol(what),
            CloseReason::Shutdown => End::Drained,
        }
    }
}

/// Runs code that is not ours to trust: its panic ends this connection and nothing else.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, End> {
    // What the closure may leave half changed is the connection's own, and it is not used again.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|s| (*s).to_string());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        End::Panicked(text.unwrap_or_else(|| "a panic without a text".to_string()))
    })
}
