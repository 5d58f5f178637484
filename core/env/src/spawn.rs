//! Blocking work away from the calling thread.

/// A piece of blocking work. It reports its result itself, usually by posting to a mailbox.
pub type Job = Box<dyn FnOnce() + Send>;

/// Which threads run a job. Classes never wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IoClass {
    /// fdatasync of shard logs; every queued flush runs concurrently.
    Flush,
    /// Cold reads on behalf of clients and peers.
    Read,
    /// Checkpoints, sidecars, copy-forward, scrubbing: one at a time, first come first served.
    Background,
}

/// Runs jobs. Jobs of a crashed simulated node never run.
pub trait Spawn: Send + Sync {
    /// Queues `job`; never blocks.
    fn spawn(&self, class: IoClass, job: Job);
}
