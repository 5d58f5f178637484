//! What a shard says of itself to the threads around it, and the catalogue that it is wished to serve.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_env::Monotonic;
use forebay_machine::Catalog;
use forebay_model::{NodeId, Term};

use crate::summary::Summary;

/// Where a shard stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardStatus {
    /// Who leads it, once that leader serves.
    pub leader: Option<NodeId>,
    /// The newest term that is known.
    pub term: Term,
    /// Whether this node leads it and serves.
    pub leads: bool,
    /// Why it serves nothing any more.
    pub fenced: Option<String>,
    /// Whether time-driven deletion is held because the clock stepped.
    pub clock_held: bool,
}

/// The notice board of one shard.
#[derive(Default)]
pub struct Board {
    status: Mutex<ShardStatus>,
    provisioned: AtomicU64,
    wish: Mutex<Option<Arc<Catalog>>>,
    summary: Mutex<Option<Arc<Summary>>>,
    /// Nanoseconds of the monotonic clock.
    summary_wanted_until: AtomicU64,
}

impl Board {
    /// Where the shard stands.
    pub fn status(&self) -> ShardStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the status; says whether it changed.
    pub(crate) fn set_status(&self, status: &ShardStatus) -> bool {
        let mut present = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *present == *status {
            return false;
        }
        present.clone_from(status);
        true
    }

    /// Says that the shard serves nothing any more, where it cannot say so itself: its thread is gone.
    pub fn set_broken(&self, why: String) {
        let mut present = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        *present = ShardStatus { fenced: Some(why), term: present.term, ..ShardStatus::default() };
    }

    /// Asks the shard to show a [`Summary`] and to renew it, until then.
    pub fn want_summary(&self, until: Monotonic) {
        self.summary_wanted_until.fetch_max(until.0, Ordering::Relaxed);
    }

    pub(crate) fn wants_summary(&self, now: Monotonic) -> bool {
        now.0 < self.summary_wanted_until.load(Ordering::Relaxed)
    }

    /// The newest summary; none when nobody wanted one lately, when it is not made yet, and while the shard does not lead.
    pub fn summary(&self) -> Option<Arc<Summary>> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_summary(&self, summary: Option<Arc<Summary>>) {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
    }

    /// The version of the catalogue that the shard's partitions agree with.
    pub fn provisioned(&self) -> u64 {
        self.provisioned.load(Ordering::Acquire)
    }

    pub(crate) fn set_provisioned(&self, version: u64) {
        self.provisioned.store(version, Ordering::Release);
    }

    /// Asks the shard to serve what `catalogue` places on it. Notify its mailbox afterwards.
    pub fn wish(&self, catalogue: Arc<Catalog>) {
        *self.wish.lock().unwrap_or_else(PoisonError::into_inner) = Some(catalogue);
    }

    pub(crate) fn take_wish(&self) -> Option<Arc<Catalog>> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_whose_thread_is_gone_leads_no_more() {
        let board = Board::default();
        let led =
            ShardStatus { leader: Some(NodeId(1)), term: Term(3), leads: true, ..ShardStatus::default() };
        assert!(board.set_status(&led));
        board.set_broken("a bug".into());
        let status = board.status();
        assert_eq!((status.leader, status.leads, status.term), (None, false, Term(3)));
        assert_eq!(status.fenced.as_deref(), Some("a bug"));
    }

    #[test]
    fn a_summary_is_wanted_until_the_last_look_is_long_ago() {
        let board = Board::default();
        assert!(!board.wants_summary(Monotonic(0)));
        board.want_summary(Monotonic(100));
        board.want_summary(Monotonic(50));
        assert!(board.wants_summary(Monotonic(99)));
        assert!(!board.wants_summary(Monotonic(100)));
    }
}
