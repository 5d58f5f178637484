//! When something must have happened on a connection.

use forebay_kit::Instant;

use crate::limits::Limits;

/// The deadlines of one connection.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// The first request is complete, and the client has said who it is where it has to; `None` once that was.
    pub handshake: Option<Instant>,
    /// Anything at all has happened.
    pub idle: Instant,
    /// The client took a byte; `None` while nothing waits for it.
    pub stall: Option<Instant>,
    /// The session wants to be woken.
    pub wake: Option<Instant>,
}

impl Deadlines {
    pub(crate) fn new(now: Instant, limits: &Limits) -> Deadlines {
        Deadlines {
            handshake: Some(now + limits.handshake_max),
            idle: now + limits.idle_max,
            stall: None,
            wake: None,
        }
    }

    /// The clock does not run against a client that we do not read.
    pub(crate) fn postpone(&mut self, now: Instant, limits: &Limits) {
        self.idle = now + limits.idle_max;
        self.handshake = self.handshake.map(|_| now + limits.handshake_max);
    }

    /// The first of them.
    pub(crate) fn next(&self) -> Instant {
        [self.handshake, self.stall, self.wake].into_iter().flatten().fold(self.idle, Instant::min)
    }
}

/// Whether a deadline has come.
pub(crate) fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}
