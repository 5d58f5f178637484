//! Measures the space that is left, forecasts when the reserve is reached, and sets the guard.

use std::path::PathBuf;
use std::sync::Arc;

use forebay_broker::{DiskGuard, GuardState};
use forebay_env::{Env, Monotonic};

use crate::config::{Percent, Reserve};

/// How much of the newest rate counts in the average, as a fraction of 1/n.
const RATE_SMOOTHING: f64 = 30.0;
/// The guard lets go only when this share of the reserve is free beyond its limit, so that it does not flutter,
const LET_GO_PERCENT: u64 = 5;
/// but a large reserve does not ask for more than this: a gigabyte is hard to free.
const LET_GO_BYTES_MAX: u64 = 256 << 20;

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
        DiskWatch { env, dir, reserve, slow_at, guard, last: None, rate: 0.0 }
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
        self.guard.set(state, space.free, reserve, forecast);
        if state != before {
            report(state, space.free, reserve, forecast);
        }
    }

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

fn report(state: GuardState, free: u64, reserve: u64, forecast_s: Option<u64>) {
    // A file system that does not fill up at all has no forecast; what is left is then a matter of others.
    let hours = forecast_s.map_or("unknown".into(), |seconds| format!("{:.1}", seconds as f64 / 3600.0));
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
    use super::*;

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
