//! What sessions remember between requests, within one share of the node's memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The share that all sessions use together. Nobody waits for it: a session that finds it full remembers nothing, and says
/// so in its protocol's words.
#[derive(Debug)]
pub struct SessionMemory {
    bytes_max: usize,
    used: AtomicUsize,
}

impl SessionMemory {
    /// A share of `bytes_max` bytes of which none is used.
    pub fn new(bytes_max: usize) -> Arc<SessionMemory> {
        Arc::new(SessionMemory { bytes_max, used: AtomicUsize::new(0) })
    }

    /// Bytes in use now, at most what the share has.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    fn try_take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.used.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

/// What one session remembers, in bytes; given back when dropped.
#[derive(Debug)]
pub struct Remembered {
    memory: Arc<SessionMemory>,
    bytes: usize,
}

/// The share of the sessions is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFull;

impl Remembered {
    /// Nothing yet.
    pub fn nothing(memory: &Arc<SessionMemory>) -> Remembered {
        Remembered { memory: Arc::clone(memory), bytes: 0 }
    }

    /// Says how many bytes are remembered now. Fewer is always possible; after an error it is as many as before.
    pub fn set(&mut self, bytes: usize) -> Result<(), MemoryFull> {
        match bytes.checked_sub(self.bytes) {
            Some(more) if !self.memory.try_take(more) => return Err(MemoryFull),
            Some(_) => {}
            None => drop(self.memory.used.fetch_sub(self.bytes - bytes, Relaxed)),
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_remember_no_more_than_their_share_and_give_it_back() {
        let memory = SessionMemory::new(100);
        let (mut one, mut other) = (Remembered::nothing(&memory), Remembered::nothing(&memory));
        assert_eq!((one.set(60), other.set(41), memory.used()), (Ok(()), Err(MemoryFull), 60));
        assert_eq!((other.set(40), one.set(61), memory.used()), (Ok(()), Err(MemoryFull), 100));
        assert_eq!((one.set(10), other.set(90), memory.used()), (Ok(()), Ok(()), 100));
        drop(one);
        assert_eq!((other.set(usize::MAX), memory.used()), (Err(MemoryFull), 90));
        drop(other);
        assert_eq!(memory.used(), 0);
    }
}
