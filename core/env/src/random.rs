//! Randomness.

/// The only source of randomness: the operating system's in the binary, a seeded generator in the simulator.
pub trait Random: Send + Sync {
    /// A uniformly distributed number.
    fn next_u64(&self) -> u64;
}
