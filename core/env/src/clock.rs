//! Time: a monotonic clock for durations, a wall clock for timestamps that people read.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since some start; never falls, means nothing across processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Time since `earlier`; zero when `earlier` lies ahead.
    pub fn since(self, earlier: Monotonic) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Monotonic;
    fn add(self, rhs: Duration) -> Monotonic {
        Monotonic(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Monotonic {
    type Output = Duration;
    fn sub(self, rhs: Monotonic) -> Duration {
        self.since(rhs)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z by this node's wall clock. It may jump in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallMs(pub i64);

/// The only source of time.
pub trait Clock: Send + Sync {
    /// For durations and deadlines.
    fn monotonic(&self) -> Monotonic;
    /// For timestamps. Never used to measure a duration.
    fn wall(&self) -> WallMs;
}
