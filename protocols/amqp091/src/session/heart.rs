//! Heartbeats: when we have to say something, and when a silent client is given up.

use std::time::Duration;

use forebay_kit::Instant;

/// Signs of life, both ways. Without an agreed time there are none.
#[derive(Debug, Default)]
pub(super) struct Heart {
    agreed: Option<Duration>,
    said: Instant,
    heard: Instant,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing.
    Quiet,
    /// We have to say something.
    Say,
    /// The client has been silent for too long.
    Dead,
}

impl Heart {
    /// Begins to beat; 0 seconds for never.
    pub(super) fn agree(&mut self, seconds: u16, now: Instant) {
        self.agreed = (seconds != 0).then(|| Duration::from_secs(seconds.into()));
        (self.said, self.heard) = (now, now);
    }

    pub(super) fn say(&mut self, now: Instant) {
        self.said = now;
    }

    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) fn beat(&self, now: Instant) -> Beat {
        match self.agreed {
            None => Beat::Quiet,
            Some(agreed) if now >= self.heard + 2 * agreed => Beat::Dead,
            Some(agreed) if now >= self.said + agreed / 2 => Beat::Say,
            Some(_) => Beat::Quiet,
        }
    }

    /// When the next beat is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let agreed = self.agreed?;
        Some((self.said + agreed / 2).min(self.heard + 2 * agreed))
    }

    pub(super) fn seconds(&self) -> u64 {
        self.agreed.map_or(0, |agreed| agreed.as_secs())
    }
}
