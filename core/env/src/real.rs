//! The real world: the operating system's clock, files, randomness and threads.

mod clock;
mod disk;
mod network;
mod random;
mod spawn;

use std::sync::Arc;

use crate::Env;

pub use network::NoPeers;

/// The world of a process with no peers.
pub fn env() -> Env {
    Env {
        clock: Arc::new(clock::SystemClock::new()),
        disk: Arc::new(disk::SystemDisk),
        network: Arc::new(network::NoPeers),
        random: Arc::new(random::SystemRandom::new()),
        spawn: Arc::new(spawn::Threads::new()),
    }
}
