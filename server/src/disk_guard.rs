//! Measures the space that is left, forecasts when the reserve is reached, and sets the guard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_broker::{DiskGuard, GuardState};
use forebay_env::{Env, Monotonic};

use crate::config::{Percent, Reserve};

/// How much of the newest rate counts in the average, as a fraction of 1/n.
const RATE_SMOOTHING: f64 = 30.0;
/// The guard lets go only when this share of the reserve is free beyond its limit, so that it does not flutter,
const LET_GO_PERCENT: u64 = 5;
/// but a large reserve does not ask for more than this: a gigabyte is hard to free.
const LET_GO_BYTES_MAX: u64 = 256 << 20;

/// A forecast below this is worth a line in the log,
const FORECAST_TOLD: Duration = Duration::from_secs(24 * 3600);
/// but not more often than this.
const FORECAST_TELL_EVERY: Duration = Duration::from_secs(3600);

/// Watches one data directory.
pub struct DiskWatch {
    env: Env,
    dir: PathBuf,
    reserve: Reserve,
    slow_at: Percent,
    guard: Arc<DiskGuard>,
    last: Option<(Monotonic, u64)>,
    /// Bytes per second, smoothed.
    rate: f64,
    /// When the log last said that the disk will be full.
    told: Option<Monotonic>,
}

impl DiskWatch {
    /// Watches the file system of `dir`.
    pub fn new(
        env: Env,
        dir: PathBuf,
        reserve: Reserve,
        slow_at: Percent,
        guard: Arc<DiskGuard>,
    ) -> DiskWatch {
        DiskWatch { env, dir, reserve, slow_at, guard, last: None, rate: 0.0, told: None }
    }

    /// Measures once. Call it about every second. A file system that cannot be asked leaves the guard as it is.
    pub fn measure(&mut self) {
        let space = match self.env.disk.space(&self.dir) {
            Ok(space) => space,
            Err(error) => {
                tracing::warn!(%error, dir = %self.dir.display(), "the free space cannot be measured");
                return;
            }
        };
        let reserve = self.reserve.on(space.total).0;
        let before = self.guard.state();
        let state = judge(space.free, reserve, self.slow_at.of(reserve), before);
        let forecast = self.forecast(space.free, reserve);
        self.guard.set_total(space.total);
        self.guard.set(state, space.free, reserve, forecast);
        if state != before {
            report(state, space.free, reserve, forecast);
        }
        if self.is_worth_telling(forecast) {
            let hours = hours(forecast);
            tracing::warn!(
                free = space.free,
                reserve,
                hours,
                "at this rate the disk reaches its reserve soon"
            );
        }
    }

    /// Whether the log should say how long there is room. Once the disk is at its reserve, the guard has said so.
    fn is_worth_telling(&mut self, forecast_s: Option<u64>) -> bool {
        let soon = forecast_s.is_some_and(|seconds| seconds > 0 && seconds < FORECAST_TOLD.as_secs());
        let now = self.env.clock.monotonic();
        let worth = soon && self.told.is_none_or(|told| now.since(told) >= FORECAST_TELL_EVERY);
        if worth {
            self.told = Some(now);
        }
        worth
    }

    /// Seconds until only `reserve` is free, as it went lately; none while the disk does not fill up.
    fn forecast(&mut self, free: u64, reserve: u64) -> Option<u64> {
        let now = self.env.clock.monotonic();
        if let Some((at, was)) = self.last {
            let seconds = now.since(at).as_secs_f64();
            if seconds > 0.0 {
                let rate = (was as f64 - free as f64) / seconds;
                self.rate += (rate - self.rate) / RATE_SMOOTHING;
            }
        }
        self.last = Some((now, free));
        let left = free.saturating_sub(reserve) as f64;
        (self.rate >= 1.0).then(|| (left / self.rate) as u64)
    }
}

fn judge(free: u64, reserve: u64, slow_at: u64, before: GuardState) -> GuardState {
    let margin = (reserve / 100 * LET_GO_PERCENT).min(LET_GO_BYTES_MAX);
    let full = reserve + if before == GuardState::Full { margin } else { 0 };
    let slow = slow_at + if before == GuardState::Off { 0 } else { margin };
    match free {
        free if free <= full => GuardState::Full,
        free if free <= slow => GuardState::Slow,
        _ => GuardState::Off,
    }
}

/// A file system that does not fill up at all has no forecast; what is left is then a matter of others.
fn hours(forecast_s: Option<u64>) -> String {
    forecast_s.map_or("unknown".into(), |seconds| format!("{:.1}", seconds as f64 / 3600.0))
}

fn report(state: GuardState, free: u64, reserve: u64, forecast_s: Option<u64>) {
    let hours = hours(forecast_s);
    match state {
        GuardState::Off => {
            tracing::info!(free, reserve, "there is room on the disk again: produce is at full speed")
        }
        GuardState::Slow => {
            tracing::warn!(free, reserve, hours, "the disk fills up: produce is slowed");
        }
        GuardState::Full => {
            tracing::error!(free, reserve, "the disk is at its reserve: produce is refused, reading goes on");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use forebay_env::{Clock, WallMs};

    use super::*;
    use crate::config::ByteSize;

    const GIB: u64 = 1 << 30;

    /// A clock that is moved by hand, in seconds.
    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn monotonic(&self) -> Monotonic {
            Monotonic(self.0.load(Ordering::Relaxed) * 1_000_000_000)
        }
        fn wall(&self) -> WallMs {
            WallMs(0)
        }
    }

    fn watch() -> (DiskWatch, Arc<Hand>) {
        let hand = Arc::new(Hand::default());
        let env = Env { clock: hand.clone(), ..forebay_env::real::env() };
        let (reserve, slow_at) = (Reserve::Bytes(ByteSize(GIB)), Percent(200));
        (DiskWatch::new(env, PathBuf::from("/"), reserve, slow_at, Arc::default()), hand)
    }

    /// The forecasts of a disk that has 101 GiB free, 1 GiB of them the reserve, and loses `rate` bytes in each second.
    fn forecasts(watch: &mut DiskWatch, hand: &Hand, rate: u64, seconds: u64) -> Vec<Option<u64>> {
        (0..seconds)
            .map(|second| {
                hand.0.fetch_add(1, Ordering::Relaxed);
                watch.forecast(101 * GIB - second * rate, GIB)
            })
            .collect()
    }

    #[test]
    fn the_forecast_is_what_is_left_above_the_reserve_at_the_rate_of_late() {
        let (mut watch, hand) = watch();
        let rate = 1 << 20;
        let told = forecasts(&mut watch, &hand, rate, 600);
        assert_eq!(told[0], None, "one look shows no rate");
        // 100 GiB at a mebibyte a second, of which ten minutes have passed.
        let (expected, last) = (100 * 1024 - 600, told[599].unwrap());
        assert!(last.abs_diff(expected) < expected / 50, "{last}, not {expected}");
        // It takes a while to believe in a rate, so one burst says little.
        assert!(told[1].unwrap() > 20 * expected, "{:?}", told[1]);
    }

    #[test]
    fn a_disk_that_does_not_fill_up_has_no_forecast() {
        let (mut watch, hand) = watch();
        assert_eq!(forecasts(&mut watch, &hand, 0, 100), [None; 100]);
        forecasts(&mut watch, &hand, 1 << 20, 100);
        // Space that comes back counts against the rate.
        hand.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!(watch.forecast(200 * GIB, GIB), None);
    }

    #[test]
    fn a_disk_at_its_reserve_has_no_time_left() {
        let (mut watch, hand) = watch();
        forecasts(&mut watch, &hand, 1 << 20, 100);
        hand.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!(watch.forecast(GIB - 1, GIB), Some(0));
    }

    #[test]
    fn a_forecast_below_a_day_is_told_at_once_and_then_hourly() {
        let (mut watch, hand) = watch();
        let mut told = |hours: u64, forecast_hours: Option<u64>| {
            hand.0.store(hours * 3600, Ordering::Relaxed);
            watch.is_worth_telling(forecast_hours.map(|hours| hours * 3600))
        };
        assert!(!told(1, None) && !told(2, Some(24)));
        assert!(told(3, Some(23)));
        assert!(!told(3, Some(22)), "it was said just now");
        assert!(told(4, Some(22)) && told(5, Some(1)));
        assert!(!told(6, None) && told(7, Some(5)));
        assert!(!told(9, Some(0)), "then the guard says it");
    }

    #[test]
    fn the_guard_closes_at_the_reserve_and_opens_above_it() {
        let (reserve, slow) = (1000, 2000);
        assert_eq!(judge(5000, reserve, slow, GuardState::Off), GuardState::Off);
        assert_eq!(judge(2000, reserve, slow, GuardState::Off), GuardState::Slow);
        assert_eq!(judge(1000, reserve, slow, GuardState::Slow), GuardState::Full);
        assert_eq!(judge(1040, reserve, slow, GuardState::Full), GuardState::Full);
        assert_eq!(judge(1060, reserve, slow, GuardState::Full), GuardState::Slow);
        assert_eq!(judge(2040, reserve, slow, GuardState::Slow), GuardState::Slow);
        assert_eq!(judge(2060, reserve, slow, GuardState::Slow), GuardState::Off);
        let large = 1 << 40;
        assert_eq!(judge(large + LET_GO_BYTES_MAX + 1, large, large, GuardState::Full), GuardState::Off);
    }
}
