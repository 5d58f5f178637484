//! Holding a client back that asked for more than its quota: it is answered, told for how long it has to be quiet, and nothing more of
//! its connection is read until then (KIP-13, KIP-124, KIP-219).

use std::sync::Arc;
use std::time::Duration;

use forebay_kit::model::quota::QuotaKind;
use forebay_kit::{Instant, Meter};

use crate::wire::Str;

const NANOS_PER_MS: u64 = 1_000_000;
/// The longest time for which the work for one request holds its client back: it is measured with all that disturbs it (KIP-124 has
/// the same bound).
const WORK_HOLD_MAX: Duration = Duration::from_secs(1);

/// What a connection has to wait for. Whose it is, its meter knows; what its client calls itself comes with each request.
pub(super) struct HoldBack {
    meter: Arc<dyn Meter>,
    /// When the input came that is being worked on.
    now: Instant,
    /// Nothing is taken before then.
    until: Option<Instant>,
    /// Whether the driver has yet to be told.
    is_news: bool,
    /// What the client called itself last: for this name the driver's work is counted.
    worked_for: Str,
    /// Requests since the driver's work was counted last.
    worked_on: u32,
}

/// What a client called itself, kept until its response is counted.
pub(super) struct Client(Box<str>);

impl HoldBack {
    pub(super) fn new(meter: &Arc<dyn Meter>) -> HoldBack {
        HoldBack {
            meter: Arc::clone(meter),
            now: Instant::default(),
            until: None,
            is_news: false,
            worked_for: Str::default(),
            worked_on: 0,
        }
    }

    /// An input came.
    pub(super) fn tick(&mut self, now: Instant) {
        self.now = now;
        self.until = self.until.filter(|until| now < *until);
    }

    /// A request came from a client of this name.
    pub(super) fn meet(&mut self, client: &Str) {
        if !self.meter.is_timed() {
            return;
        }
        self.worked_on = self.worked_on.saturating_add(1);
        if self.worked_for != *client {
            self.worked_for = client.detached();
        }
    }

    /// Whether nothing is to be taken now.
    pub(super) fn is_held(&self) -> bool {
        self.until.is_some()
    }

    /// For how many milliseconds from now nothing is taken. Every response says it.
    pub(super) fn left_ms(&self) -> i32 {
        let left = self.until.map_or(0, |until| until.0.saturating_sub(self.now.0));
        i32::try_from(left.div_ceil(NANOS_PER_MS)).unwrap_or(i32::MAX)
    }

    /// When to look again, once for each change.
    pub(super) fn news(&mut self) -> Option<Instant> {
        std::mem::take(&mut self.is_news).then_some(self.until).flatten()
    }

    /// The client whose response will be counted; nothing is kept while nobody has a quota.
    pub(super) fn client(&self, name: &Str) -> Option<Client> {
        self.meter.is_on().then(|| Client(name.as_str().into()))
    }

    /// Counts what this client sent.
    pub(super) fn count(&mut self, kind: QuotaKind, client: &Str, bytes: usize) {
        if self.meter.is_on() {
            self.hold(self.meter.count(kind, client.as_str(), bytes as u64, self.now));
        }
    }

    /// Counts what this client gets.
    pub(super) fn count_response(&mut self, kind: QuotaKind, client: &Client, bytes: usize) {
        self.hold(self.meter.count(kind, &client.0, bytes as u64, self.now));
    }

    /// Counts what the driver's thread has worked for the connection.
    pub(super) fn charge(&mut self, worked: Duration) {
        let nanos = u64::try_from(worked.as_nanos()).unwrap_or(u64::MAX);
        let hold = self.meter.count(QuotaKind::WorkNanos, self.worked_for.as_str(), nanos, self.now);
        // Answers and wake-ups are work too, for which the next request waits: who was held back for being woken would never be heard.
        let requests = std::mem::take(&mut self.worked_on);
        self.hold(hold.min(WORK_HOLD_MAX.saturating_mul(requests)));
    }

    /// The most bytes that one response to this client should have.
    pub(super) fn burst(&self, kind: QuotaKind, client: Option<&Client>) -> Option<u32> {
        let Client(name) = client?;
        let bytes = self.meter.burst(kind, name)?;
        Some(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    fn hold(&mut self, hold: Duration) {
        if hold > Duration::ZERO {
            self.until = self.until.max(Some(self.now + hold));
            self.is_news = true;
        }
    }
}
