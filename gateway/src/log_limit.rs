//! Log lines that clients can cause are limited, so that a flood of clients is not a flood of lines.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_env::Monotonic;

use crate::limits::LOG_LINES_PER_SECOND_MAX;

const WINDOW: Duration = Duration::from_secs(1);

/// Lets a few lines per second through and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window_start: Monotonic,
    lines: u32,
    suppressed: u64,
}

impl LogLimit {
    /// Whether a line may be written now; if so, how many were suppressed since the last one.
    pub(crate) fn admit(&self, now: Monotonic) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(state.window_start) >= WINDOW {
            state.window_start = now;
            state.lines = 0;
        }
        if state.lines >= LOG_LINES_PER_SECOND_MAX {
            state.suppressed += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let limit = LogLimit::default();
        let start = Monotonic(5_000_000_000);
        let lines = (0..1_000).filter(|_| limit.admit(start).is_some()).count();
        assert_eq!(lines, LOG_LINES_PER_SECOND_MAX as usize);
        assert_eq!(limit.admit(start + WINDOW), Some(1_000 - lines as u64));
        assert_eq!(limit.admit(start + WINDOW), Some(0));
    }
}
