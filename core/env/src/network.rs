//! Messages between nodes: unreliable, unordered at worst, never blocking.

/// Sends to other nodes. Delivery may fail silently; what matters is retried by its sender.
pub trait Network: Send + Sync {
    /// Queues `message` for `shard` on the node `to`, or drops it when that node's bounded queue is full.
    fn send(&self, to: u64, shard: u32, message: Vec<u8>);
}
