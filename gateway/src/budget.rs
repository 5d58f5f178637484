//! The node's byte budget, as the gateway sees it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use forebay_broker::ConnectionId;

/// A budget of bytes that others spend too. Charging never fails: the gateway reads no further while it is spent,
/// so it is overdrawn by at most one read per connection.
pub trait Budget: Send + Sync {
    /// Says that this many bytes more are held.
    fn charge(&self, bytes: usize);
    /// Says that this many bytes are no longer held.
    fn release(&self, bytes: usize);
    /// Whether nothing is left.
    fn is_spent(&self) -> bool;
    /// Ready while something is left; else `connection` is woken once when it is, unless it asked to be forgotten.
    fn poll_room(&self, connection: ConnectionId, cx: &mut Context<'_>) -> Poll<()>;
    /// Forgets who waits for room.
    fn forget(&self, connection: ConnectionId);
}

/// A budget with a fixed number of bytes.
#[derive(Debug)]
pub struct ByteBudget {
    limit: usize,
    used: AtomicUsize,
    waiters: Waiters,
}

impl ByteBudget {
    /// A budget of `limit` bytes of which none is used.
    pub fn new(limit: usize) -> ByteBudget {
        ByteBudget { limit, used: AtomicUsize::new(0), waiters: Waiters::default() }
    }

    /// Bytes in use now; above the limit by what was overdrawn.
    pub fn used(&self) -> usize {
        self.used.load(SeqCst)
    }
}

impl Budget for ByteBudget {
    fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes, SeqCst);
    }

    fn release(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, SeqCst);
        assert!(before >= bytes, "released {bytes} bytes of {before} charged");
        if before >= self.limit && before - bytes < self.limit {
            self.waiters.wake_all();
        }
    }

    fn is_spent(&self) -> bool {
        self.used() >= self.limit
    }

    fn poll_room(&self, connection: ConnectionId, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_spent() {
            return Poll::Ready(());
        }
        self.waiters.add(connection, cx.waker());
        // A release between the look and the entry in the list would have woken nobody: look again.
        if self.is_spent() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn forget(&self, connection: ConnectionId) {
        self.waiters.forget(connection);
    }
}

/// What one connection holds of a budget; given back when dropped.
pub(crate) struct Account {
    budget: Arc<dyn Budget>,
    charged: usize,
}

impl Account {
    pub(crate) fn new(budget: Arc<dyn Budget>) -> Account {
        Account { budget, charged: 0 }
    }

    /// Says how many bytes are held now.
    pub(crate) fn set(&mut self, held: usize) {
        if held > self.charged {
            self.budget.charge(held - self.charged);
        } else if held < self.charged {
            self.budget.release(self.charged - held);
        }
        self.charged = held;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// The right to read on although the budget is spent; one connection has it at a time.
#[derive(Debug, Default)]
pub(crate) struct Overdraft {
    /// The holder's id + 1, or 0.
    holder: AtomicU64,
    waiters: Waiters,
}

impl Overdraft {
    /// Takes it if nobody has it; else the connection is woken once when it is free.
    pub(crate) fn poll_take(&self, connection: ConnectionId, cx: &mut Context<'_>) -> Poll<()> {
        if self.try_take(connection) {
            return Poll::Ready(());
        }
        self.waiters.add(connection, cx.waker());
        if self.try_take(connection) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn try_take(&self, connection: ConnectionId) -> bool {
        self.holder.compare_exchange(0, connection.0 + 1, SeqCst, SeqCst).is_ok()
    }

    /// Gives it back if this connection has it.
    pub(crate) fn give_back(&self, connection: ConnectionId) {
        if self.holder.compare_exchange(connection.0 + 1, 0, SeqCst, SeqCst).is_ok() {
            self.waiters.wake_all();
        }
    }

    pub(crate) fn forget(&self, connection: ConnectionId) {
        self.waiters.forget(connection);
    }
}

/// Tasks that wait for something, at most one per connection.
#[derive(Debug, Default)]
struct Waiters(Mutex<HashMap<ConnectionId, Waker>>);

impl Waiters {
    fn add(&self, connection: ConnectionId, waker: &Waker) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.insert(connection, waker.clone());
    }

    fn forget(&self, connection: ConnectionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
    }

    fn wake_all(&self) {
        let woken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        woken.into_values().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn who_waits_for_room_is_woken_when_there_is_some() {
        let (wakes, budget) = (Arc::new(Wakes::default()), Arc::new(ByteBudget::new(100)));
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        let mut account = Account::new(budget.clone());
        account.set(99);
        assert!(budget.poll_room(ConnectionId(1), &mut cx).is_ready());
        account.set(150);
        for waiting in [1, 1, 2, 3] {
            assert!(budget.poll_room(ConnectionId(waiting), &mut cx).is_pending());
        }
        budget.forget(ConnectionId(3));
        account.set(100);
        assert_eq!(wakes.0.load(SeqCst), 0);
        drop(account);
        assert_eq!((wakes.0.load(SeqCst), budget.used()), (2, 0));
    }

    #[test]
    fn one_at_a_time_may_overdraw() {
        let (wakes, overdraft) = (Arc::new(Wakes::default()), Overdraft::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        assert!(overdraft.poll_take(ConnectionId(0), &mut cx).is_ready());
        assert!(overdraft.poll_take(ConnectionId(1), &mut cx).is_pending());
        overdraft.give_back(ConnectionId(1));
        assert_eq!(wakes.0.load(SeqCst), 0, "only the holder can give it back");
        overdraft.give_back(ConnectionId(0));
        assert_eq!(wakes.0.load(SeqCst), 1);
        assert!(overdraft.poll_take(ConnectionId(1), &mut cx).is_ready());
    }
}
