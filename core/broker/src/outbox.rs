//! The edge between the front desk and whoever owns the connections: requests in, batches of replies out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_model::{Principal, Reply, Request};

use crate::meters::ConnectionMeter;

/// One connection of this process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One reply on its way to its connection.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Whose request it answers.
    pub connection: ConnectionId,
    /// Which request it answers: the token it was called with.
    pub token: u64,
    /// The answer.
    pub reply: Reply,
}

/// Where the replies for one thread's connections go.
pub trait Outbox: Send + Sync {
    /// Takes a whole batch and wakes the owner of the connections once. Called from the threads of shards:
    /// it must not block. A reply for a connection that is gone is dropped.
    fn deliver(&self, batch: Vec<Delivered>);
}

/// What the front desk may know of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The name of the protocol it speaks.
    pub protocol: &'static str,
    /// The client's address.
    pub peer: SocketAddr,
    /// Our address that it connected to.
    pub local: SocketAddr,
}

/// What the owner of a connection calls. Implementors hold cheap handles and answer through the outbox, also when
/// they know the answer at once.
pub trait FrontDesk: Send + Sync {
    /// Whether a connection from this address may come now. Else for how long its client is to be kept waiting before it is
    /// closed. A front desk without quotas may leave it as it is.
    fn admit(&self, _peer: IpAddr, _now: Monotonic) -> Duration {
        Duration::ZERO
    }
    /// Announces a connection, before its first request; its replies go to `outbox`.
    fn open(&self, connection: ConnectionId, outbox: Arc<dyn Outbox>, client: ClientInfo);
    /// Says whose a connection is, where something else than a login has proved it: a certificate. Once, before its first request.
    fn identify(&self, connection: ConnectionId, principal: Principal) {
        let _ = (connection, principal);
    }
    /// Carries out a request. Requests of a connection are carried out in the order of the calls; it never blocks.
    fn call(&self, connection: ConnectionId, token: u64, request: Request);
    /// What the client of an announced connection is held against. A front desk without quotas may leave it as it is.
    fn meter(&self, _connection: ConnectionId) -> Arc<ConnectionMeter> {
        Arc::default()
    }
    /// Says that a connection is gone. What it published before stays in the queue; its waiting reads end.
    fn close(&self, connection: ConnectionId);
}
