//! The front desk's meter of a connection as its session sees it.

use std::sync::Arc;
use std::time::Duration;

use forebay_broker::ConnectionMeter;
use forebay_env::Monotonic;
use forebay_kit::model::quota::QuotaKind;
use forebay_kit::{Instant, Meter};

/// What one session counts with.
#[derive(Debug)]
pub(crate) struct DeskMeter(pub Arc<ConnectionMeter>);

impl Meter for DeskMeter {
    fn is_on(&self) -> bool {
        self.0.is_on()
    }

    fn is_timed(&self) -> bool {
        self.0.is_timed()
    }

    fn count(&self, kind: QuotaKind, client: &str, amount: u64, now: Instant) -> Duration {
        self.0.count(kind, client, amount, Monotonic(now.0))
    }

    fn burst(&self, kind: QuotaKind, client: &str) -> Option<u64> {
        self.0.burst(kind, client)
    }
}
