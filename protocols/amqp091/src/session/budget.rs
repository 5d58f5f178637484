//! What the session remembers, counted against the share that all sessions have together.

use std::sync::Arc;

use forebay_kit::{MemoryFull, Remembered, SessionMemory};

use super::exception::Exception;
use crate::wire::ReplyCode;

/// The session's part of the share.
#[derive(Debug)]
pub(super) struct Budget {
    remembered: Remembered,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(memory: &Arc<SessionMemory>) -> Budget {
        Budget { remembered: Remembered::nothing(memory), bytes: 0 }
    }

    /// Remembers so much more, or nothing.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), MemoryFull> {
        self.remembered.set(self.bytes + bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Remembers so much more, or the connection ends.
    pub(super) fn demand(&mut self, bytes: usize) -> Result<(), Exception> {
        let full =
            |MemoryFull| Exception::new(ReplyCode::ResourceError, "the memory of connections is used up");
        self.take(bytes).map_err(full)
    }

    /// Forgets so much.
    pub(super) fn give(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.bytes, "nothing is given back twice");
        self.bytes = self.bytes.saturating_sub(bytes);
        // Less is always possible.
        let _ = self.remembered.set(self.bytes);
    }
}
