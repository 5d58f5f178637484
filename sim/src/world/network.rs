//! The network between the nodes: loses, delays, reorders, doubles, and parts.

use std::collections::BTreeSet;

use super::clock::MS;
use crate::random::Rng;

/// How bad the network is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Frames lost, of 1000.
    pub loss_permille: u64,
    /// Frames that come twice, of 1000.
    pub double_permille: u64,
    /// Frames held up long, of 1000.
    pub slow_permille: u64,
    /// How long those are held up at most, in milliseconds.
    pub slow_ms_max: u64,
}

/// The links between nodes.
pub struct SimNetwork {
    rng: Rng,
    /// How bad it is now.
    pub weather: Weather,
    /// Directions in which nothing goes: (from, to).
    cut: BTreeSet<(u64, u64)>,
}

impl SimNetwork {
    /// A network in good weather.
    pub fn new(rng: Rng) -> SimNetwork {
        SimNetwork { rng, weather: Weather::default(), cut: BTreeSet::new() }
    }

    /// Cuts one direction.
    pub fn part(&mut self, from: u64, to: u64) {
        self.cut.insert((from, to));
    }

    /// Mends every direction.
    pub fn mend(&mut self) {
        self.cut.clear();
    }

    /// After how many nanoseconds a frame arrives: not at all, once or twice.
    pub fn carry(&mut self, from: u64, to: u64) -> Vec<u64> {
        if self.cut.contains(&(from, to)) || self.rng.chance(self.weather.loss_permille) {
            return Vec::new();
        }
        let mut delays = vec![self.delay()];
        if self.rng.chance(self.weather.double_permille) {
            delays.push(self.delay());
        }
        delays
    }

    fn delay(&mut self) -> u64 {
        if self.weather.slow_ms_max > 0 && self.rng.chance(self.weather.slow_permille) {
            return self.rng.between(MS, self.weather.slow_ms_max * MS + MS);
        }
        self.rng.between(MS / 10, MS)
    }
}
