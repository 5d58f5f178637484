//! How long something may take, and whether the user still wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::ClientError;

/// The end of somebody's patience.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(patience: Duration) -> Deadline {
        Deadline(Instant::now() + patience)
    }

    /// What is left; `None` once it is over.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The earlier of both.
    #[must_use]
    pub fn min(self, other: Deadline) -> Deadline {
        Deadline(self.0.min(other.0))
    }

    /// The later of both.
    #[must_use]
    pub fn max(self, other: Deadline) -> Deadline {
        Deadline(self.0.max(other.0))
    }
}

/// The user's wish to stop: raised by Ctrl-C, looked at wherever we wait.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// One that the signals for "stop" raise; a second such signal ends the process at once.
    ///
    /// # Errors
    /// The system's, when it does not let us.
    pub fn on_signals(exit_code: i32) -> std::io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, exit_code, interrupt.0.clone())?;
            signal_hook::flag::register(signal, interrupt.0.clone())?;
        }
        Ok(interrupt)
    }

    /// One that SIGUSR1 raises: the user's wish for what a command does at its end.
    ///
    /// # Errors
    /// The system's, when it does not let us.
    pub fn on_user_signal() -> std::io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        signal_hook::flag::register(signal_hook::consts::SIGUSR1, interrupt.0.clone())?;
        Ok(interrupt)
    }

    /// Whether the user wants us to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Raises it, as Ctrl-C would.
    #[cfg(test)]
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An error once it is raised.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`].
    pub fn check(&self) -> Result<(), ClientError> {
        if self.is_raised() { Err(ClientError::Interrupted) } else { Ok(()) }
    }

    /// Waits, in naps, until the time is over or the user wants us to stop.
    pub fn pause(&self, time: Duration) {
        let deadline = Deadline::after(time);
        while let Some(left) = deadline.left() {
            if self.is_raised() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

/// How long a wish to stop may go unnoticed.
pub const NAP: Duration = Duration::from_millis(100);

/// Pauses between tries: longer each time, up to a limit.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

impl Backoff {
    /// The next pause.
    pub fn next(&mut self) -> Duration {
        let pause = BACKOFF_FIRST.saturating_mul(1 << self.tries.min(10)).min(BACKOFF_MAX);
        self.tries += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..7).map(|_| backoff.next().as_millis() as u64).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn a_pause_ends_when_the_user_wants_to_stop() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let started = Instant::now();
        interrupt.pause(Duration::from_secs(3600));
        assert!(started.elapsed() < Duration::from_secs(60));
        assert_eq!(interrupt.check(), Err(ClientError::Interrupted));
    }
}
