//! What open requests hold of the node's byte budget.

use std::sync::Arc;

/// The node's byte budget, as the front desk sees it. Charging never fails: whoever reads sockets stops when it is spent.
pub trait Memory: Send + Sync {
    /// Says that this many bytes more are held.
    fn charge(&self, bytes: usize);
    /// Says that this many bytes are no longer held.
    fn release(&self, bytes: usize);
}

/// A budget without a limit, for nodes whose clients are part of a simulation.
pub struct Unlimited;

impl Memory for Unlimited {
    fn charge(&self, _bytes: usize) {}
    fn release(&self, _bytes: usize) {}
}

/// Bytes held by one request until it is answered.
pub(crate) struct Charge {
    memory: Arc<dyn Memory>,
    bytes: usize,
}

impl Charge {
    pub(crate) fn new(memory: &Arc<dyn Memory>, bytes: usize) -> Charge {
        memory.charge(bytes);
        Charge { memory: Arc::clone(memory), bytes }
    }

    /// It holds so many bytes more.
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.memory.charge(bytes);
        self.bytes += bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.release(self.bytes);
    }
}
