//! A clock among the sockets: it wakes a poll at regular times, to the microsecond where a poll's own timeout counts in
//! milliseconds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A clock that ticks.
#[derive(Debug)]
pub struct Alarm {
    clock: OwnedFd,
}

impl Alarm {
    /// Ticks first at that moment, or at once if it is over, and then in this interval.
    ///
    /// # Errors
    /// The system's.
    pub fn ticking(first: Instant, interval: Duration) -> io::Result<Alarm> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let clock = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Zero would mean never.
        let wait = first.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let times = Itimerspec { it_value: timespec(wait), it_interval: timespec(interval) };
        timerfd_settime(&clock, TimerfdTimerFlags::empty(), &times)?;
        Ok(Alarm { clock })
    }

    /// Lets `registry` tell of its ticks under `token`.
    ///
    /// # Errors
    /// The system's.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.clock.as_raw_fd()), token, Interest::READABLE)
    }

    /// The tick was heard: only then will there be another, at the next of the regular times.
    ///
    /// # Errors
    /// The system's.
    pub fn heard(&self) -> io::Result<()> {
        let mut ticks = [0; 8];
        match rustix::io::read(&self.clock, &mut ticks) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    #[test]
    fn it_wakes_a_poll_again_and_again_and_never_early() {
        let mut poll = Poll::new().unwrap();
        let first = Instant::now() + Duration::from_millis(20);
        let interval = Duration::from_millis(5);
        let alarm = Alarm::ticking(first, interval).unwrap();
        alarm.register(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        for tick in 0..4 {
            poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            assert!(Instant::now() >= first + interval * tick);
            assert_eq!(events.iter().map(|event| event.token()).collect::<Vec<_>>(), [Token(7)]);
            alarm.heard().unwrap();
        }
    }
}
