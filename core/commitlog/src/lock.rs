//! Short locks. None is held across I/O that a shard's thread could wait for, except where its owner says so.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock. What it guards is whole at every step, so a holder that panicked left nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
