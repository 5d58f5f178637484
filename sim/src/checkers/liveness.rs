//! After everything is healed, everything is available again.

use super::{Check, broken};

/// What must be reached by when, in nanoseconds of virtual time.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Everything sent is confirmed, everything stored is read, the replicas agree.
    pub all_done: u64,
}

impl Deadlines {
    /// `waits_for` names what is still open.
    pub fn check(self, now: u64, waits_for: &str) -> Check {
        if now <= self.all_done {
            return Ok(());
        }
        broken("after healing everything is available again", format!("still waiting for {waits_for}"))
    }
}
