//! What became of one record, in one byte.

use forebay_model::Attempts;
use forebay_model::subscription::Settlement;

use crate::limits::ATTEMPTS_MAX;

/// What a subscription has with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Not settled, and so often handed out in vain.
    Open(Attempts),
    /// Never to be handed out again.
    Settled,
}

impl RecordState {
    pub(super) const FRESH: RecordState = RecordState::Open(Attempts(0));
}

/// The same: attempts, or that the record is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u8);

const _: () = assert!(ATTEMPTS_MAX < Mark::SETTLED.0 as u16);

impl Mark {
    pub(super) const FRESH: Mark = Mark(0);
    pub(super) const SETTLED: Mark = Mark(u8::MAX);

    /// Not settled, and tried so often; `None` above what is counted.
    pub(super) fn tried(attempts: Attempts) -> Option<Mark> {
        let attempts = Some(attempts.0).filter(|attempts| *attempts <= ATTEMPTS_MAX)?;
        u8::try_from(attempts).ok().map(Mark)
    }

    pub(super) fn state(self) -> RecordState {
        match self {
            Mark::SETTLED => RecordState::Settled,
            Mark(attempts) => RecordState::Open(Attempts(attempts.into())),
        }
    }

    /// Behind the end of a delivery.
    pub(super) fn ended(self, how: Settlement) -> Mark {
        match (self, how) {
            (Mark::SETTLED, _) | (_, Settlement::Accept | Settlement::Reject) => Mark::SETTLED,
            (open, Settlement::Release { counts: false }) => open,
            (open, Settlement::Release { counts: true }) => open.more(ATTEMPTS_MAX),
        }
    }

    /// Behind a leader that may have handed it out. That counts up to so many attempts and no further.
    pub(super) fn lost(self, attempts_max: Attempts) -> Mark {
        if self == Mark::SETTLED { self } else { self.more(attempts_max.0.min(ATTEMPTS_MAX)) }
    }

    /// One attempt more, unless it has as many.
    fn more(self, attempts_max: u16) -> Mark {
        if u16::from(self.0) < attempts_max { Mark(self.0 + 1) } else { self }
    }
}
