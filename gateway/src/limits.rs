//! The gateway's settings. Every limit has its name here.

use std::time::Duration;

use forebay_kit::model::limits::{MESSAGE_BYTES_DEFAULT, MIB};

/// Log lines per second and kind; the rest are counted and the count is said with the next line.
pub(crate) const LOG_LINES_PER_SECOND_MAX: u32 = 10;
/// Connections that the kernel keeps waiting for us to accept; it may keep fewer (`net.core.somaxconn`).
pub(crate) const LISTEN_BACKLOG: u32 = 1024;
/// How long accepting rests when the process has run out of descriptors, unless a connection closes before.
pub(crate) const ACCEPT_REST_MAX: Duration = Duration::from_millis(500);
/// Sockets of clients whose address has too many new connections that wait for their end; those above are closed at once.
pub(crate) const TURNED_AWAY_MAX: usize = 1_000;
/// The longest that one of them waits.
pub(crate) const TURNED_AWAY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Reads of one connection before the others of its thread get their turn.
pub(crate) const READS_PER_TURN_MAX: usize = 4;
/// Pieces handed to the kernel in one write.
pub(crate) const WRITE_PIECES_MAX: usize = 256;

/// How a gateway is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Threads that own connections.
    pub workers: usize,
    /// What clients may take.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // The other half is for shards and flushes, and fewer threads wake less often for more.
        Config { workers: cores.div_ceil(2), limits: Limits::default() }
    }
}

/// What clients may take of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of the whole gateway; one more is closed at once.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_peer_max: usize,
    /// Passed to sessions: a frame above this many bytes is refused before it is read.
    pub frame_bytes_max: usize,
    /// Passed to sessions: requests that a client may have open at once; above it the session wants no bytes.
    pub requests_open_max: usize,
    /// Passed to sessions: bytes that all of them together may remember between requests.
    pub session_bytes_max: usize,
    /// Bytes taken from a socket at once.
    pub read_bytes_max: usize,
    /// Bytes that a session may take in without answering or asking anything: a frame and a little more.
    pub input_bytes_max: usize,
    /// With more bytes than this waiting to be written, the session is not asked for more and the socket is not
    /// read. A single output may overshoot it.
    pub write_backlog_bytes_max: usize,
    /// A client that has taken no byte of a backlog for this long is closed.
    pub write_stall_max: Duration,
    /// A connection with nothing open and no byte in either direction for this long is closed; so is one in the
    /// middle of a frame.
    pub idle_max: Duration,
    /// A client whose first request is not complete after this long is closed; so is one that did not log in by then, where it has to.
    pub handshake_max: Duration,
    /// How long after its last bytes a closed connection waits for the client to close too, so that it reads them first.
    pub linger_max: Duration,
    /// While the byte budget is spent, one connection at a time may complete the frame it has begun, so that
    /// half-read frames never wait for each other; it has this long.
    pub overdraft_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let frame_bytes_max = MESSAGE_BYTES_DEFAULT + MIB;
        Limits {
            connections_max: 10_000,
            connections_per_peer_max: 5_000,
            frame_bytes_max,
            requests_open_max: 64,
            session_bytes_max: 16 * MIB,
            read_bytes_max: 128 * 1024,
            input_bytes_max: frame_bytes_max + MIB,
            write_backlog_bytes_max: MIB,
            write_stall_max: Duration::from_secs(30),
            idle_max: Duration::from_secs(600),
            handshake_max: Duration::from_secs(30),
            linger_max: Duration::from_secs(1),
            overdraft_max: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Whether these settings can work together; the text names the one that cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let positive = [
            ("workers", self.workers),
            ("connections_max", limits.connections_max),
            ("connections_per_peer_max", limits.connections_per_peer_max),
            ("frame_bytes_max", limits.frame_bytes_max),
            ("requests_open_max", limits.requests_open_max),
            ("read_bytes_max", limits.read_bytes_max),
            ("write_backlog_bytes_max", limits.write_backlog_bytes_max),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} is 0; it must be at least 1"));
        }
        let needed = limits.frame_bytes_max.saturating_add(limits.read_bytes_max);
        if limits.input_bytes_max < needed {
            return Err(format!(
                "input_bytes_max is {}; it must hold a frame (frame_bytes_max) and a read (read_bytes_max), {needed} bytes",
                limits.input_bytes_max
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_together() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let mut config = Config { workers: 0, ..Config::default() };
        assert!(config.check().is_err_and(|why| why.contains("workers")));
        config.workers = 1;
        config.limits.input_bytes_max = config.limits.frame_bytes_max;
        assert!(config.check().is_err_and(|why| why.contains("input_bytes_max")));
    }
}
