//! How much a turn may take while the disk fills up: near the reserve producers are slowed to a pace that leaves an
//! operator time, and told so by confirms that come later. Reads, settlements and deletions keep their speed.

use std::time::Duration;

use forebay_env::Monotonic;
use forebay_model::limits::{MIB, TURN_BYTES_MAX};

use crate::guard::GuardState;

/// Bytes per second and shard that are taken while the guard says slow.
const SLOW_BYTES_PER_SECOND: u64 = 4 * MIB as u64;
/// What may be saved up.
const SAVED_BYTES_MAX: i64 = TURN_BYTES_MAX as i64;

/// The allowance of one shard.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Below zero after a turn whose last payload was larger than what was left.
    saved: i64,
    at: Monotonic,
}

impl Pace {
    pub(crate) fn new() -> Pace {
        Pace { saved: SAVED_BYTES_MAX, at: Monotonic(0) }
    }

    /// Bytes that the turn at `now` may take. Its own overshoot is paid by the next ones.
    pub(crate) fn room(&mut self, now: Monotonic, state: GuardState) -> usize {
        let earned = now.since(self.at).as_secs_f64() * SLOW_BYTES_PER_SECOND as f64;
        self.at = now;
        self.saved = self.saved.saturating_add(earned as i64).min(SAVED_BYTES_MAX);
        match state {
            GuardState::Off => TURN_BYTES_MAX,
            // At the reserve the front desk refuses; what came in before is still served, slowly.
            GuardState::Slow | GuardState::Full => usize::try_from(self.saved).unwrap_or(0),
        }
    }

    /// Pays for what a turn has taken.
    pub(crate) fn pay(&mut self, bytes: usize, state: GuardState) {
        if state != GuardState::Off {
            self.saved = self.saved.saturating_sub_unsigned(bytes as u64);
        }
    }

    /// When there is something to take again, if the pace is what holds the turn up.
    pub(crate) fn wait(&self, state: GuardState) -> Option<Duration> {
        (state != GuardState::Off && self.saved <= 0).then_some(Duration::from_millis(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slowed_shard_takes_its_pace_and_no_more() {
        let mut pace = Pace::new();
        let mut taken = 0;
        for ms in 0..10_000u64 {
            let now = Monotonic(1_000_000_000 + ms * 1_000_000);
            let room = pace.room(now, GuardState::Slow).min(64 * 1024);
            pace.pay(room, GuardState::Slow);
            taken += room as u64;
        }
        let per_second = taken / 10;
        assert!((SLOW_BYTES_PER_SECOND * 9 / 10..SLOW_BYTES_PER_SECOND * 12 / 10).contains(&per_second));
    }

    #[test]
    fn payloads_larger_than_the_pace_are_slowed_as_much() {
        let mut pace = Pace::new();
        let mut taken = 0;
        for ms in 0..100_000u64 {
            let now = Monotonic(1_000_000_000 + ms * 1_000_000);
            if pace.room(now, GuardState::Slow) > 0 {
                pace.pay(16 * MIB, GuardState::Slow);
                taken += 16 * MIB as u64;
            }
        }
        assert!(taken / 100 < SLOW_BYTES_PER_SECOND * 12 / 10, "{taken}");
    }

    #[test]
    fn with_room_on_the_disk_a_turn_is_whole() {
        let mut pace = Pace::new();
        pace.pay(usize::MAX, GuardState::Off);
        assert_eq!(pace.room(Monotonic(1), GuardState::Off), TURN_BYTES_MAX);
    }
}
