//! When the measured time begins and ends, and what it cost us.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The measured time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its begin.
    pub begin: Instant,
    /// Its end, where it does not end with a number of records.
    pub end: Option<Instant>,
}

impl Window {
    /// Begins after `warm` from now, and lasts so long.
    pub fn after(warm: Duration, lasts: Option<Duration>) -> Window {
        let begin = Instant::now() + warm;
        Window { begin, end: lasts.map(|lasts| begin + lasts) }
    }

    /// How long after its begin a moment is, if it is within.
    pub fn since_begin(&self, moment: Instant) -> Option<Duration> {
        let since = moment.checked_duration_since(self.begin)?;
        self.end.is_none_or(|end| moment < end).then_some(since)
    }

    /// Whether it is over.
    pub fn is_over(&self, moment: Instant) -> bool {
        self.end.is_some_and(|end| moment >= end)
    }
}

/// CPU time this process has taken so far, in all its threads.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warming_up_and_draining_are_not_within() {
        let window = Window::after(Duration::from_secs(10), Some(Duration::from_secs(5)));
        let second = Duration::from_secs(1);
        assert_eq!(window.since_begin(window.begin - second), None);
        assert_eq!(window.since_begin(window.begin + second), Some(second));
        assert_eq!(window.since_begin(window.begin + 5 * second), None);
        assert!(window.is_over(window.begin + 5 * second) && !window.is_over(window.begin));
        assert!(!Window { end: None, ..window }.is_over(window.begin + 1000 * second));
    }
}
