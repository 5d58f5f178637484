//! The disk guard: what the front desk and the shards know of the space that is left. Whoever measures sets it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardState {
    /// Enough.
    Off,
    /// Near the reserve: producers are slowed.
    Slow,
    /// At the reserve: producers are refused. Reads, commits and deletions go on.
    Full,
}

/// The state and what led to it.
#[derive(Debug, Default)]
pub struct DiskGuard {
    state: AtomicU8,
    free_bytes: AtomicU64,
    /// 0 when it was not measured.
    total_bytes: AtomicU64,
    reserve_bytes: AtomicU64,
    /// Seconds until the reserve is reached at the present rate; `u64::MAX` when it is not filling up.
    forecast_s: AtomicU64,
}

impl DiskGuard {
    /// What applies now.
    pub fn state(&self) -> GuardState {
        match self.state.load(Ordering::Acquire) {
            0 => GuardState::Off,
            1 => GuardState::Slow,
            _ => GuardState::Full,
        }
    }

    /// Sets what was measured.
    pub fn set(&self, state: GuardState, free_bytes: u64, reserve_bytes: u64, forecast_s: Option<u64>) {
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        self.reserve_bytes.store(reserve_bytes, Ordering::Relaxed);
        self.forecast_s.store(forecast_s.unwrap_or(u64::MAX), Ordering::Relaxed);
        let state = match state {
            GuardState::Off => 0,
            GuardState::Slow => 1,
            GuardState::Full => 2,
        };
        self.state.store(state, Ordering::Release);
    }

    /// Sets how large the volume is.
    pub fn set_total(&self, bytes: u64) {
        self.total_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of the whole volume, once they were measured.
    pub fn total_bytes(&self) -> Option<u64> {
        Some(self.total_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Free bytes when last measured.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// The configured reserve in bytes.
    pub fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes.load(Ordering::Relaxed)
    }

    /// Seconds until the reserve is reached at the present rate; `None` when it is not filling up.
    pub fn forecast_s(&self) -> Option<u64> {
        Some(self.forecast_s.load(Ordering::Relaxed)).filter(|seconds| *seconds != u64::MAX)
    }
}
