//! One client's rate over the last seconds, counted as Apache Kafka's `Rate` counts it, so that both hold a client back for the
//! same time (`quota.window.num` 11, `quota.window.size.seconds` 1).

use std::time::Duration;

/// Samples that a rate is made of; the newest is not complete.
const SAMPLES: usize = 11;
/// How long a sample lasts, in milliseconds.
const SAMPLE_MS: u64 = 1_000;
/// A sample without an event for so long counts for nothing.
pub(super) const FORGOTTEN_AFTER_MS: u64 = SAMPLES as u64 * SAMPLE_MS;
/// How many seconds' worth a client may ask for at once: the complete samples.
pub(super) const BURST_SECONDS: u64 = (SAMPLES as u64 - 1) * SAMPLE_MS / 1_000;

/// What was counted lately.
#[derive(Clone, Debug, Default)]
pub(super) struct RateWindow {
    /// One more than count: the oldest may reach into the window with its end alone.
    samples: [Sample; SAMPLES + 1],
    /// How many of them are in use.
    used: usize,
    newest: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    since_ms: u64,
    /// The last event.
    at_ms: u64,
    amount: u64,
}

impl RateWindow {
    /// Counts `amount` at `now_ms`, and says how long its client must be quiet until its rate is `bound` per second again.
    pub(super) fn count(&mut self, now_ms: u64, amount: u64, bound: u64) -> Duration {
        self.add(now_ms, amount);
        self.forget(now_ms);
        let window_ms = self.window_ms(now_ms) as f64;
        let total = self.samples[..self.used].iter().map(|sample| sample.amount).sum::<u64>() as f64;
        let (rate, bound) = (total * 1_000.0 / window_ms, bound as f64);
        if rate <= bound {
            return Duration::ZERO;
        }
        Duration::from_millis(((rate - bound) / bound * window_ms).round() as u64)
    }

    /// Counts `amount` only if it does not make the rate exceed `bound`; else says how long to be quiet before it would not.
    pub(super) fn admit(&mut self, now_ms: u64, amount: u64, bound: u64) -> Duration {
        let mut tried = self.clone();
        let hold = tried.count(now_ms, amount, bound);
        if hold.is_zero() {
            *self = tried;
        }
        hold
    }

    fn add(&mut self, now_ms: u64, amount: u64) {
        if self.used == 0 {
            self.used = 1;
            self.samples[0] = Sample::since(now_ms);
        }
        if now_ms.saturating_sub(self.samples[self.newest].since_ms) >= SAMPLE_MS {
            self.newest = (self.newest + 1) % self.samples.len();
            self.used = self.used.max(self.newest + 1);
            self.samples[self.newest] = Sample::since(now_ms);
        }
        let newest = &mut self.samples[self.newest];
        newest.amount = newest.amount.saturating_add(amount);
        newest.at_ms = now_ms;
    }

    fn forget(&mut self, now_ms: u64) {
        for sample in &mut self.samples[..self.used] {
            if now_ms.saturating_sub(sample.at_ms) >= FORGOTTEN_AFTER_MS {
                *sample = Sample::since(now_ms);
            }
        }
    }

    /// The time that the samples cover: at least that of all complete ones, so that a burst at the beginning is no high rate.
    fn window_ms(&self, now_ms: u64) -> u64 {
        let oldest = self.samples[..self.used].iter().map(|sample| sample.since_ms).min().unwrap_or(now_ms);
        let covered = now_ms.saturating_sub(oldest);
        let complete = covered / SAMPLE_MS;
        let missing = (SAMPLES as u64 - 1).saturating_sub(complete);
        covered + missing * SAMPLE_MS
    }
}

impl Sample {
    fn since(now_ms: u64) -> Sample {
        Sample { since_ms: now_ms, at_ms: now_ms, amount: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: u64 = 1_000;

    fn count(window: &mut RateWindow, now_ms: u64, amount: u64) -> u64 {
        window.count(now_ms, amount, BOUND).as_millis() as u64
    }

    #[test]
    fn ten_seconds_worth_may_come_at_once() {
        let mut window = RateWindow::default();
        assert_eq!(count(&mut window, 5_000, BOUND * BURST_SECONDS), 0);
        // 10,001 over 10 s are 0.1 above 1,000 per second: (0.1 / 1,000) * 10,000 ms.
        assert_eq!(count(&mut window, 5_000, 1), 1);
    }

    /// Figures of `(rate - bound) / bound * window`, with the window of Kafka's `Rate`: 10 s until so much has passed.
    #[test]
    fn who_takes_more_is_held_back_until_the_rate_is_right() {
        let mut window = RateWindow::default();
        assert_eq!(count(&mut window, 0, 20_000), 10_000);
        let mut window = RateWindow::default();
        assert_eq!(count(&mut window, 0, 5_000), 0);
        assert_eq!(count(&mut window, 1_500, 10_000), 4_500, "15,000 over 1.5 s and nine whole seconds");
        assert_eq!(count(&mut window, 6_000, 0), 5_000, "15,000 over 6 s and four whole seconds");
    }

    #[test]
    fn what_is_long_ago_counts_for_nothing() {
        let mut window = RateWindow::default();
        assert_eq!(count(&mut window, 0, 1_000_000), 990_000);
        assert!(count(&mut window, FORGOTTEN_AFTER_MS - 1, 0) > 0);
        assert_eq!(count(&mut window, 2 * FORGOTTEN_AFTER_MS, 5_000), 0);
    }

    #[test]
    fn who_waits_as_long_as_told_gets_the_rate() {
        let mut window = RateWindow::default();
        let (mut now, mut sent) = (0, 0);
        while now < 240_000 {
            sent += 4_000;
            now += count(&mut window, now, 4_000).max(1);
        }
        let rate = sent * 1_000 / now;
        assert!((900..=1_100).contains(&rate), "{rate} per second");
    }

    #[test]
    fn what_is_not_admitted_is_not_counted() {
        let mut window = RateWindow::default();
        assert_eq!(window.admit(0, 10, 1), Duration::ZERO);
        assert_eq!(window.admit(0, 1, 1), Duration::from_secs(1));
        assert_eq!(window.admit(0, 1, 1), Duration::from_secs(1), "however often it is tried");
        assert_eq!(window.admit(2 * FORGOTTEN_AFTER_MS, 1, 1), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut window = RateWindow::default();
        count(&mut window, 10_000, 5_000);
        assert_eq!(count(&mut window, 9_000, 5_000), 0);
    }
}
