//! The world as traits: [`Clock`], [`Disk`], [`Network`], [`Random`], [`Spawn`]; and the real one.
//!
//! Everything that can differ between two runs of the same inputs enters through an [`Env`]. The simulator
//! links the same crates as the binary and hands them another `Env`; nothing else differs but for [`fault`] points.
//!
//! Not here: policy. Retries, timeouts and limits belong to the callers.
#![deny(unsafe_code)]

mod clock;
mod disk;
pub mod fault;
pub mod metrics;
mod network;
mod random;
pub mod real;
mod spawn;
mod unsynced;

use std::sync::Arc;

pub use clock::{Clock, Monotonic, WallMs};
pub use disk::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};
pub use network::Network;
pub use random::Random;
pub use spawn::{IoClass, Job, Spawn};
pub use unsynced::Unsynced;

/// The world one node lives in. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Messages to other nodes.
    pub network: Arc<dyn Network>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Blocking work away from the caller.
    pub spawn: Arc<dyn Spawn>,
}
