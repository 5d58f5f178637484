//! Quotas as sessions see them: how much a client asked for, and how long to hold it back.

use std::fmt;
use std::time::Duration;

use forebay_model::quota::QuotaKind;

use crate::Instant;

/// What a session counts its client with. It knows whose the connection is; what the client calls itself comes with each count.
pub trait Meter: fmt::Debug + Send + Sync {
    /// Whether anybody has a quota. While nobody has, sessions ask for nothing else, and this costs them one load.
    fn is_on(&self) -> bool;
    /// Whether anybody has a quota of work, so that the driver has to measure it.
    fn is_timed(&self) -> bool;
    /// Counts `amount` at `now` for what the client calls itself; says for how long the session is to take nothing more of this
    /// connection.
    fn count(&self, kind: QuotaKind, client: &str, amount: u64, now: Instant) -> Duration;
    /// The most that one request of this client should get; nothing where it has no quota.
    fn burst(&self, kind: QuotaKind, client: &str) -> Option<u64>;
}

/// Nobody has a quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn is_on(&self) -> bool {
        false
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn count(&self, _: QuotaKind, _: &str, _: u64, _: Instant) -> Duration {
        Duration::ZERO
    }

    fn burst(&self, _: QuotaKind, _: &str) -> Option<u64> {
        None
    }
}
