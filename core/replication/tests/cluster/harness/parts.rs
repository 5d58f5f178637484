//! The world's parts besides the disk: numbers, time, wires and jobs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use forebay_env::{Clock, IoClass, Job, Monotonic, Network, Random, Spawn, WallMs};

use super::SHARD;

/// The numbers of splitmix64.
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(AtomicU64::new(seed))
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    pub fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl Random for Seeded {
    fn next_u64(&self) -> u64 {
        let value = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }
}

#[derive(Default)]
pub struct Now(pub AtomicU64);

impl Clock for Now {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallMs {
        WallMs(0)
    }
}

/// Frames on their way.
#[derive(Default)]
pub struct Wires(pub Mutex<VecDeque<(u64, Vec<u8>)>>);

impl Network for Wires {
    fn send(&self, to: u64, shard: u32, message: Vec<u8>) {
        assert_eq!(shard, SHARD.0);
        self.0.lock().unwrap().push_back((to, message));
    }
}

/// Jobs that nobody has run yet.
#[derive(Clone, Default)]
pub struct Jobs(pub Arc<Mutex<Vec<(IoClass, Job)>>>);

impl Spawn for Jobs {
    fn spawn(&self, class: IoClass, job: Job) {
        self.0.lock().unwrap().push((class, job));
    }
}
