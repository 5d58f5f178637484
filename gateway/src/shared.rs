//! What all threads of a gateway share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use forebay_broker::{ConnectionId, FrontDesk};
use forebay_env::Clock;
use forebay_kit::{Instant, Protocol, SessionMemory};

use crate::admission::{Admission, Permit, Refused};
use crate::budget::{Budget, Overdraft};
use crate::end::{End, Loudness};
use crate::limits::Limits;
use crate::listen::Listener;
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;

/// A protocol and its place among those of the gateway.
#[derive(Clone, Copy)]
pub(crate) struct Spoken {
    pub protocol: &'static dyn Protocol,
    pub index: usize,
}

/// A client that was let in.
pub(crate) struct Client {
    pub socket: std::net::TcpStream,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub spoken: Spoken,
    /// Where it came to, and what is asked of it there.
    pub at: Listener,
    pub permit: Permit,
}

pub(crate) struct Shared {
    pub limits: Limits,
    pub desk: Arc<dyn FrontDesk>,
    pub clock: Arc<dyn Clock>,
    pub budget: Arc<dyn Budget>,
    pub overdraft: Overdraft,
    pub sessions: Arc<SessionMemory>,
    pub admission: Arc<Admission>,
    /// Sockets that wait for their end, for a quota's sake.
    pub turned_away: AtomicUsize,
    pub metrics: Metrics,
    connections: AtomicU64,
    refused_log: LogLimit,
    accept_log: LogLimit,
    end_log: LogLimit,
}

impl Shared {
    pub(crate) fn new(
        limits: Limits,
        desk: Arc<dyn FrontDesk>,
        clock: Arc<dyn Clock>,
        budget: Arc<dyn Budget>,
        metrics: Metrics,
    ) -> Shared {
        Shared {
            admission: Admission::new(limits.connections_max, limits.connections_per_peer_max),
            sessions: SessionMemory::new(limits.session_bytes_max),
            limits,
            desk,
            clock,
            budget,
            overdraft: Overdraft::default(),
            turned_away: AtomicUsize::new(0),
            metrics,
            connections: AtomicU64::new(0),
            refused_log: LogLimit::default(),
            accept_log: LogLimit::default(),
            end_log: LogLimit::default(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant(self.clock.monotonic().0)
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Relaxed))
    }

    /// Counts and logs a client that is not let in.
    pub(crate) fn refuse(&self, protocol: &'static str, peer: SocketAddr, why: Refused) {
        self.metrics.count_refused(why);
        if let Some(suppressed) = self.refused_log.admit(self.clock.monotonic()) {
            tracing::warn!(protocol, %peer, reason = why.name(), suppressed, "connection refused");
        }
    }

    /// Counts and logs that accepting failed.
    pub(crate) fn accept_failed(&self, protocol: &'static str, why: &std::io::Error) {
        self.metrics.accept_errors.increment();
        if let Some(suppressed) = self.accept_log.admit(self.clock.monotonic()) {
            tracing::error!(protocol, error = %why, suppressed, "cannot accept connections");
        }
    }

    /// Counts and logs an end.
    pub(crate) fn ended(&self, id: ConnectionId, spoken: Spoken, peer: SocketAddr, end: &End) {
        self.metrics.protocols[spoken.index].count_end(end);
        let (protocol, reason, detail) = (spoken.protocol.name(), end.name(), end.detail());
        match end.loudness() {
            Loudness::Quiet => {
                tracing::debug!(connection = id.0, protocol, %peer, reason, detail, "connection closed");
            }
            Loudness::Client => {
                if let Some(suppressed) = self.end_log.admit(self.clock.monotonic()) {
                    tracing::warn!(
                        connection = id.0, protocol, %peer, reason, detail, suppressed, "connection closed"
                    );
                }
            }
            Loudness::Ours => {
                tracing::error!(
                    connection = id.0, protocol, %peer, reason, detail, "connection closed by a bug of ours"
                );
            }
        }
    }
}
