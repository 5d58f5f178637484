//! What nodes say to the world between two steps of the scheduler: wakes, jobs, frames, replies. A node that has crashed
//! says nothing more.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use forebay_broker::{Delivered, Outbox};
use forebay_env::{IoClass, Job, Network, Random, Spawn};
use forebay_model::ShardId;
use forebay_shard::Wake;

use crate::random::Rng;

/// Something a node said.
pub enum Said {
    /// A shard wants a turn.
    Wake(ShardId),
    /// A job to run elsewhere; with the number of disk changes made when it was spawned.
    Job(IoClass, u64, Job),
    /// A frame for a shard of another node.
    Frame {
        /// The other node.
        to: u64,
        /// Its shard.
        shard: u32,
        /// What it gets.
        frame: Vec<u8>,
    },
    /// Replies for clients.
    Replies(Vec<Delivered>),
}

/// The wires of one life of a node. Cheap to clone.
#[derive(Clone)]
pub struct Wires {
    said: Arc<Mutex<Vec<Said>>>,
    cut: Arc<AtomicBool>,
    changes: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Wires {
    /// Wires of a fresh life. `cut` is set by the disk in the moment of a crash; `changes` counts what was done to it.
    pub fn new(cut: Arc<AtomicBool>, changes: Arc<dyn Fn() -> u64 + Send + Sync>) -> Wires {
        Wires { said: Arc::default(), cut, changes }
    }

    /// Takes what was said since the last look.
    pub fn take(&self) -> Vec<Said> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, said: Said) {
        if !self.cut.load(Relaxed) {
            self.said.lock().unwrap_or_else(PoisonError::into_inner).push(said);
        }
    }

    /// How `shard` is woken.
    pub fn wake(&self, shard: ShardId) -> Wake {
        let wires = self.clone();
        Box::new(move || wires.say(Said::Wake(shard)))
    }
}

impl Spawn for Wires {
    fn spawn(&self, class: IoClass, job: Job) {
        self.say(Said::Job(class, (self.changes)(), job));
    }
}

impl Network for Wires {
    fn send(&self, to: u64, shard: u32, message: Vec<u8>) {
        self.say(Said::Frame { to, shard, frame: message });
    }
}

impl Outbox for Wires {
    fn deliver(&self, batch: Vec<Delivered>) {
        self.say(Said::Replies(batch));
    }
}

/// A node's source of randomness.
pub struct SimRandom(Mutex<Rng>);

impl SimRandom {
    /// Draws from `rng`.
    pub fn new(rng: Rng) -> SimRandom {
        SimRandom(Mutex::new(rng))
    }
}

impl Random for SimRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }
}
