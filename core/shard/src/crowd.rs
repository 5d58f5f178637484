//! Whether what waits for a flush waits a little longer for company.
//!
//! A flush costs about the same whatever it covers: system calls, and the waking of four threads. Where many clients send one payload
//! at a time and are slow to come back (the machine is busy, the network is far), each flush would cover only what came during
//! the one before. So the next one begins when as many payloads wait for it as half of the clients that sent of late, and at the latest
//! when they have waited as long as a flush takes. Half, because of those who are quick to come back, one half waits while the
//! other is flushed.
//!
//! Where one client sends, nothing waits, however many requests it has open.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_env::Monotonic;

use crate::mailbox::Source;

/// Who sent a payload in the span of this length that runs, or in the one before, counts as one of the crowd.
const SPAN: Duration = Duration::from_millis(10);
/// The longest that work waits for company, however slow the disk is.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// The clients that send payloads, as far as they are known.
#[derive(Default)]
pub(crate) struct Crowd {
    seen: BTreeSet<Source>,
    since: Monotonic,
    /// How many were seen in the span before.
    before: usize,
    until: Option<Monotonic>,
}

impl Crowd {
    /// Payloads of these sources are written now.
    pub(crate) fn note(&mut self, now: Monotonic, sources: impl Iterator<Item = Source>) {
        if now.since(self.since) >= SPAN {
            // What is older than a span says nothing about now.
            let recent = now.since(self.since) < 2 * SPAN;
            self.before = if recent { self.seen.len() } else { 0 };
            self.seen.clear();
            self.since = now;
        }
        self.seen.extend(sources);
    }

    /// How many payloads are worth a flush.
    pub(crate) fn wanted(&self) -> usize {
        self.before.max(self.seen.len()) / 2
    }

    /// Work waits for company from now on, if it does not already. `flush` is how long one takes.
    pub(crate) fn wait(&mut self, now: Monotonic, flush: Duration) {
        self.until.get_or_insert(now + flush.min(WAIT_MAX));
    }

    /// Nothing waits any more.
    pub(crate) fn go(&mut self) {
        self.until = None;
    }

    /// When work has waited long enough.
    pub(crate) fn until(&self) -> Option<Monotonic> {
        self.until
    }

    /// Whether work has waited long enough.
    pub(crate) fn is_over(&self, now: Monotonic) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLUSH: Duration = Duration::from_micros(300);

    fn seen(crowd: &mut Crowd, now: u64, sources: std::ops::Range<u64>) {
        crowd.note(Monotonic(now), sources.map(Source));
    }

    #[test]
    fn half_of_those_who_sent_of_late_are_worth_a_flush() {
        let span = SPAN.as_nanos() as u64;
        let mut crowd = Crowd::default();
        seen(&mut crowd, span, 0..40);
        seen(&mut crowd, span + 1, 20..64);
        assert_eq!(crowd.wanted(), 32, "a client counts once");
        seen(&mut crowd, 2 * span, 0..2);
        assert_eq!(crowd.wanted(), 32, "the span before still counts");
        seen(&mut crowd, 3 * span, 0..1);
        assert_eq!(crowd.wanted(), 1);
        seen(&mut crowd, 9 * span, 0..1);
        assert_eq!(crowd.wanted(), 0, "one client alone waits for nobody");
    }

    #[test]
    fn nobody_waits_longer_than_a_flush_or_a_millisecond() {
        let mut crowd = Crowd::default();
        crowd.wait(Monotonic(1_000), FLUSH);
        crowd.wait(Monotonic(200_000), FLUSH);
        assert_eq!(crowd.until(), Some(Monotonic(301_000)), "it counts from the first");
        assert!(!crowd.is_over(Monotonic(300_999)));
        assert!(crowd.is_over(Monotonic(301_000)));
        crowd.go();
        assert_eq!(crowd.until(), None);
        assert!(!crowd.is_over(Monotonic(301_000)));
        crowd.wait(Monotonic(0), Duration::from_secs(1));
        assert_eq!(crowd.until(), Some(Monotonic(1_000_000)));
    }
}
