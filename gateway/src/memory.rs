//! What one connection holds of the node's bytes, and whether it may read more.

use std::sync::Arc;
use std::task::{Context, Poll};

use forebay_broker::ConnectionId;
use forebay_kit::Instant;

use crate::budget::Account;
use crate::shared::Shared;

/// A connection's side of the byte budget; gives everything back when dropped.
pub(crate) struct Memory {
    shared: Arc<Shared>,
    id: ConnectionId,
    account: Account,
    overdraft_until: Option<Instant>,
}

impl Memory {
    pub(crate) fn new(shared: &Arc<Shared>, id: ConnectionId) -> Memory {
        let account = Account::new(Arc::clone(&shared.budget));
        Memory { shared: Arc::clone(shared), id, account, overdraft_until: None }
    }

    /// Says what is held now: `begun` bytes of a frame that is not complete, and `backlog` bytes not yet written.
    pub(crate) fn hold(&mut self, begun: usize, backlog: usize) {
        self.account.set(begun + backlog);
        if begun == 0 && self.overdraft_until.take().is_some() {
            self.shared.overdraft.give_back(self.id);
        }
    }

    /// Ready when a read is allowed; else the task is woken when it may be. While the budget is spent nobody begins
    /// a frame; if frames that were begun hold all of it, completing one is the only way to get any of it back.
    pub(crate) fn poll_may_read(&mut self, mid_frame: bool, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.overdraft_until.is_some() || self.shared.budget.poll_room(self.id, cx).is_ready() {
            return Poll::Ready(());
        }
        if mid_frame && self.shared.overdraft.poll_take(self.id, cx).is_ready() {
            self.overdraft_until = Some(now + self.shared.limits.overdraft_max);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Until when the overdraft lasts, if this connection has it.
    pub(crate) fn overdraft_until(&self) -> Option<Instant> {
        self.overdraft_until
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.shared.budget.forget(self.id);
        self.shared.overdraft.forget(self.id);
        self.shared.overdraft.give_back(self.id);
    }
}
