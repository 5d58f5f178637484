//! The contract between a wire protocol and the broker.
//!
//! A [`Protocol`] opens a [`Session`] per connection. A session is the protocol state of that connection and nothing
//! else: bytes and replies go in, bytes and requests come out. It owns no socket, reads no clock, spawns nothing.
//!
//! The driver's loop: `handle` one input, then `poll` until `None`, carry out each output, wait for the next input.
//! Requests are carried out in the order in which they were polled; replies come in any order.
#![forbid(unsafe_code)]

mod memory;
mod meter;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use bytes::{Bytes, BytesMut};
pub use forebay_model as model;
pub use forebay_record as record;
pub use memory::{MemoryFull, Remembered, SessionMemory};
pub use meter::{Meter, Unmetered};

use forebay_model::login::Mechanism;
use forebay_model::{Reply, Request};

/// Nanoseconds of the driver's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Ties a reply to its request; chosen by the session, unique among its open requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A wire protocol.
pub trait Protocol: Send + Sync {
    /// Its name in configuration and metrics, such as `kafka`.
    fn name(&self) -> &'static str;
    /// Its customary TCP port.
    fn default_port(&self) -> u16;
    /// Begins a connection.
    fn open(&self, connection: ConnectionInfo) -> Box<dyn Session>;
}

/// What a session may know of its connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// A frame above this many bytes is refused before it is read.
    pub frame_bytes_max: usize,
    /// Requests a client may have open at once; the session stops decoding above it.
    pub requests_open_max: usize,
    /// What the session may remember between requests comes out of this.
    pub memory: Arc<SessionMemory>,
    /// What the client is held against.
    pub meter: Arc<dyn Meter>,
    /// How a client may log in at this listener, and has to before anything else; `None` where nobody is asked who they are.
    pub login: Option<Arc<[Mechanism]>>,
    /// Whether all that is said at this listener is encrypted.
    pub is_encrypted: bool,
}

/// The protocol state of one connection.
pub trait Session: Send {
    /// Takes one input. After an error the driver sends what `poll` still gives, then closes.
    fn handle(&mut self, now: Instant, input: Input) -> Result<(), SessionError>;
    /// Gives the next output, `None` when there is nothing to do until the next input.
    fn poll(&mut self) -> Option<Output>;
    /// Hears for how long the driver's thread has worked for the connection since the last time, and may ask to be woken.
    /// Only drivers that hold their clients against quotas of work say so.
    fn charge(&mut self, now: Instant, worked: Duration) {
        let _ = (now, worked);
    }
    /// Whether the session can take more bytes now; the driver stops reading the socket while it cannot.
    fn wants_bytes(&self) -> bool {
        true
    }
    /// Whether the client has said who it is, where it has to. Until then it has no more time than for a first request.
    fn is_known(&self) -> bool {
        true
    }
    /// Whether nothing is open, so that a draining server may close.
    fn is_idle(&self) -> bool;
}

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// Bytes from the client, in order, cut anywhere.
    Bytes(Bytes),
    /// The answer to a request.
    Reply(Token, Reply),
    /// The time of the last `WakeAt` has come.
    Timeout,
    /// The server is stopping: finish what is open, take nothing new.
    Shutdown,
}

/// What a session wants done.
#[derive(Debug)]
pub enum Output {
    /// Bytes for the client, in order.
    Bytes(Bytes),
    /// A request for the broker.
    Call(Token, Request),
    /// Call `handle(Timeout)` at this time; replaces the last one.
    WakeAt(Instant),
    /// Send what was polled before, then close.
    Close(CloseReason),
}

/// Why a session ends by its own will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The protocol says so, for example an unconfirmed publish that was refused.
    Protocol(String),
    /// Drained after `Shutdown`.
    Shutdown,
}

/// Whose fault it is that a session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The client sent what no client may send; the text says what and where.
    PeerMisbehaved(String),
    /// A bug of ours; the text says which.
    Bug(String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::PeerMisbehaved(what) => write!(f, "the client misbehaved: {what}"),
            SessionError::Bug(what) => write!(f, "a bug: {what}"),
        }
    }
}

impl std::error::Error for SessionError {}
