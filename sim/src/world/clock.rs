//! Clocks of one node: a monotonic one that drifts, a wall clock that steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use forebay_env::{Clock, Monotonic, WallMs};

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000 * MS;

/// The wall clock when a simulation begins: 2026-01-01T00:00:00Z.
const WALL_START_MS: i64 = 1_767_225_600_000;

/// The simulation's own time in nanoseconds since its begin.
#[derive(Clone, Default)]
pub struct VirtualTime(Arc<AtomicU64>);

impl VirtualTime {
    /// Now.
    pub fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Moves on; time never falls.
    pub fn advance(&self, to: u64) {
        assert!(to >= self.now(), "time never falls");
        self.0.store(to, Relaxed);
    }

    /// What a correct wall clock shows, in milliseconds.
    pub fn wall_ms(&self) -> i64 {
        WALL_START_MS + (self.now() / MS) as i64
    }
}

/// The clocks of one life of a node.
pub struct SimClock {
    time: VirtualTime,
    booted: u64,
    /// How much too fast, in millionths; negative when slow.
    drift_ppm: i64,
    wall_offset_ms: Arc<AtomicI64>,
}

impl SimClock {
    /// Clocks that start now. `wall_offset_ms` belongs to the machine and outlives the process.
    pub fn new(time: VirtualTime, drift_ppm: i64, wall_offset_ms: Arc<AtomicI64>) -> SimClock {
        let booted = time.now();
        SimClock { time, booted, drift_ppm, wall_offset_ms }
    }
}

impl Clock for SimClock {
    fn monotonic(&self) -> Monotonic {
        let ran = i128::from(self.time.now() - self.booted);
        let drifted = ran + ran * i128::from(self.drift_ppm) / 1_000_000;
        // A clock that shows a second at boot: zero is too special a number to test with.
        Monotonic(SECOND + u64::try_from(drifted).expect("a drift is far below one"))
    }

    fn wall(&self) -> WallMs {
        WallMs(self.time.wall_ms() + self.wall_offset_ms.load(Relaxed))
    }
}

/// Turns a moment of a node's monotonic clock into virtual time, rounded up.
pub fn virtual_of(clock: &SimClock, at: Monotonic) -> u64 {
    let ran = i128::from(at.0.saturating_sub(SECOND));
    let undrifted = ran * 1_000_000 / (1_000_000 + i128::from(clock.drift_ppm)) + 1;
    clock.booted.saturating_add(u64::try_from(undrifted).unwrap_or(u64::MAX))
}
