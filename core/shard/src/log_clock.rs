//! Log time: the timestamp that the leader puts into every entry. All expiry and deletion is driven by it.
//!
//! Within a term it advances by the monotonic clock. Between terms, and after a suspend, the wall clock may have
//! stepped; a step above `step_max` is not believed at once, because a wrong year would delete everything:
//!
//! ```text
//!   Following --(wall ahead by more than step_max)--> Held --(steady for STEADY_MIN, one voter)--> Following
//! ```
//! While held, log time goes on from where it was by the monotonic clock and [`LogClock::deletes`] says no.

use std::time::Duration;

use forebay_env::{Monotonic, WallMs};
use forebay_model::LogTime;

/// How long the wall clock must run evenly with the monotonic one before a step is believed (one voter).
const STEADY_MIN: Duration = Duration::from_secs(60);
/// How far both clocks may drift apart within [`STEADY_MIN`] and still count as even.
const DRIFT_MS_MAX: i64 = 1_000;

/// How a step of the wall clock comes to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepPolicy {
    /// After a minute of steady clock: there is nobody else to ask.
    AfterSteadyMinute,
    /// Never by itself: only a majority of clocks or the operator decides.
    Never,
}

/// The leader's log time.
#[derive(Clone, Debug)]
pub struct LogClock {
    step_ms_max: i64,
    policy: StepPolicy,
    last: LogTime,
    at: Monotonic,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Following,
    /// The wall clock differs; since when it has run evenly, and what it showed then.
    Held {
        since: Monotonic,
        wall: WallMs,
    },
}

impl LogClock {
    /// Begins a term whose log ends at `last` (zero for an empty log, which has no past to disagree with).
    pub fn begin(
        last: LogTime,
        now: Monotonic,
        wall: WallMs,
        step_max: Duration,
        policy: StepPolicy,
    ) -> LogClock {
        let step_ms_max = i64::try_from(step_max.as_millis()).unwrap_or(i64::MAX);
        let mut clock = LogClock { step_ms_max, policy, last, at: now, state: State::Following };
        if last.0 == 0 {
            clock.last = LogTime(wall.0.max(1));
        }
        clock.advance(now, wall);
        clock
    }

    /// The time of an entry made now. Never falls.
    pub fn advance(&mut self, now: Monotonic, wall: WallMs) -> LogTime {
        let elapsed_ms = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        let expected = self.last.0.saturating_add(elapsed_ms);
        self.follow(expected, now, wall);
        // Keep the remainder below a millisecond: only move the anchor when a whole one has passed.
        if self.last.0 < expected || elapsed_ms > 0 {
            self.last = LogTime(self.last.0.max(expected));
            self.at = now;
        }
        self.last
    }

    fn follow(&mut self, expected: i64, now: Monotonic, wall: WallMs) {
        let step = wall.0.saturating_sub(expected);
        if step.abs() <= self.step_ms_max {
            self.state = State::Following;
            // Small corrections forward are taken; backward ones wait until real time has caught up.
            if step > 0 {
                self.last = LogTime(wall.0);
                self.at = now;
            }
            return;
        }
        match self.state {
            State::Following => self.state = State::Held { since: now, wall },
            State::Held { since, wall: then } => self.judge(now, wall, since, then),
        }
    }

    fn judge(&mut self, now: Monotonic, wall: WallMs, since: Monotonic, then: WallMs) {
        let ran_ms = i64::try_from(now.since(since).as_millis()).unwrap_or(i64::MAX);
        let drift = wall.0.saturating_sub(then.0).saturating_sub(ran_ms);
        if drift.abs() > DRIFT_MS_MAX {
            self.state = State::Held { since: now, wall };
            return;
        }
        // A wall clock far behind is never followed: log time does not fall.
        let ahead = wall.0 > self.last.0;
        if self.policy == StepPolicy::AfterSteadyMinute && now.since(since) >= STEADY_MIN && ahead {
            self.last = LogTime(wall.0);
            self.at = now;
            self.state = State::Following;
        }
    }

    /// Whether time-driven deletion and expiry may go on.
    pub fn deletes(&self) -> bool {
        self.state == State::Following
    }

    /// The last time given out.
    #[cfg(test)]
    pub fn last(&self) -> LogTime {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    const STEP: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000_000_000)
    }

    fn clock(last: i64, wall: i64, policy: StepPolicy) -> LogClock {
        LogClock::begin(LogTime(last), at(0), WallMs(wall), STEP, policy)
    }

    #[test]
    fn an_empty_log_believes_the_wall_clock() {
        let clock = clock(0, 5_000_000, StepPolicy::AfterSteadyMinute);
        assert_eq!(clock.last(), LogTime(5_000_000));
        assert!(clock.deletes());
    }

    #[test]
    fn a_year_ahead_deletes_nothing_until_a_minute_was_steady() {
        let mut clock = clock(1_000, 1_000 + YEAR_MS, StepPolicy::AfterSteadyMinute);
        assert!(!clock.deletes());
        for second in 1..60 {
            let time = clock.advance(at(second), WallMs(1_000 + YEAR_MS + second as i64 * 1_000));
            assert_eq!(time, LogTime(1_000 + second as i64 * 1_000));
            assert!(!clock.deletes());
        }
        clock.advance(at(60), WallMs(1_000 + YEAR_MS + 60_000));
        assert!(clock.deletes());
        assert_eq!(clock.last(), LogTime(1_000 + YEAR_MS + 60_000));
    }

    #[test]
    fn a_year_ahead_is_never_believed_by_one_of_several_voters() {
        let mut clock = clock(1_000, 1_000 + YEAR_MS, StepPolicy::Never);
        for second in 1..600 {
            clock.advance(at(second), WallMs(1_000 + YEAR_MS + second as i64 * 1_000));
            assert!(!clock.deletes());
        }
        assert_eq!(clock.last(), LogTime(600_000));
    }

    #[test]
    fn a_year_behind_never_falls_and_deletes_nothing() {
        let mut clock = clock(YEAR_MS, 1_000, StepPolicy::AfterSteadyMinute);
        for second in 1..200 {
            let time = clock.advance(at(second), WallMs(1_000 + second as i64 * 1_000));
            assert_eq!(time, LogTime(YEAR_MS + second as i64 * 1_000));
            assert!(!clock.deletes());
        }
    }

    #[test]
    fn an_unsteady_clock_starts_the_minute_again() {
        let mut clock = clock(1_000, YEAR_MS, StepPolicy::AfterSteadyMinute);
        clock.advance(at(50), WallMs(YEAR_MS + 50_000));
        clock.advance(at(55), WallMs(2 * YEAR_MS));
        clock.advance(at(70), WallMs(2 * YEAR_MS + 15_000));
        assert!(!clock.deletes());
    }

    #[test]
    fn small_corrections_are_followed_forward_and_waited_out_backward() {
        let mut clock = clock(100_000, 101_000, StepPolicy::AfterSteadyMinute);
        assert_eq!(clock.last(), LogTime(101_000));
        assert_eq!(clock.advance(at(1), WallMs(100_500)), LogTime(102_000));
        assert!(clock.deletes());
    }
}
