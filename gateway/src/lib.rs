//! Listeners, and the one loop that drives any session over a socket.
//!
//! A [`Gateway`] has a few threads; each owns its connections, and each connection is one task that owns its socket
//! and its session. Bytes go up into the session, requests go on to the front desk, replies come back in batches:
//! a batch wakes its thread once, and the thread hands the replies to its own tasks. What a turn of a connection
//! produced leaves in one vectored write.
//!
//! Nothing here is unbounded: see [`Limits`]. A client that sends garbage, does not read, or meets a bug of ours
//! costs itself its connection and nobody else anything.
//!
//! Encryption is a variant of the `Stream` enum; a plain socket does not know of it.
//!
//! Not here: what bytes mean (protocols), what requests do (the front desk).
#![forbid(unsafe_code)]

mod accept;
mod admission;
mod budget;
mod connection;
mod deadlines;
mod distinguished_name;
mod end;
mod gateway;
mod limits;
mod listen;
mod log_limit;
mod mailbox;
mod memory;
mod meter;
mod metrics;
mod outgoing;
mod seat;
mod shared;
mod stream;
mod timer;
mod tls;
mod worker;

pub use budget::{Budget, ByteBudget};
pub use gateway::{Drained, Gateway, Listening};
pub use limits::{Config, Limits};
pub use listen::{Listener, StartError};
pub use tls::{ClientCertificates, Tls, TlsError, TlsFiles};
