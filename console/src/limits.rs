//! What clients of the console may take.

use std::time::Duration;

/// A request's head: request line and headers.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long accepting rests when the process has run out of descriptors.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(500);
/// Connections that the kernel keeps waiting.
pub(crate) const LISTEN_BACKLOG: u32 = 128;

/// What clients of the console may take. A head is at most 16 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is told 503 and closed.
    pub connections_max: usize,
    /// A request's body; only `/log` takes one.
    pub body_bytes_max: usize,
    /// A body must be complete after this.
    pub body_time_max: Duration,
    /// A head must be complete after this; a client that keeps its connection must send the next one within it.
    pub head_time_max: Duration,
    /// A connection that is older takes no further request...
    pub connection_time_max: Duration,
    /// ...and has this long to end the one it is in; so has every connection when the console stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 64,
            body_bytes_max: 4 * 1024,
            body_time_max: Duration::from_secs(5),
            head_time_max: Duration::from_secs(60),
            connection_time_max: Duration::from_secs(600),
            grace: Duration::from_secs(2),
        }
    }
}
