//! Randomness from a seed. Every part of the world draws from a stream of its own, so that a change in one of them does
//! not shift what the others draw.

/// A seeded generator (splitmix64): small, fast, the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream called `name` of `seed`.
    pub fn stream(seed: u64, name: &str) -> Rng {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut rng = Rng(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix));
        rng.draw();
        Rng(rng.draw() ^ seed.rotate_left(32))
    }

    /// A uniformly distributed number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "a range is not empty");
        // The bias of a remainder is far below anything a simulation could notice.
        self.draw() % end
    }

    /// From `start` to below `end`.
    pub fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end - start)
    }

    /// True in `permille` of 1000 cases.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// One of `all`.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    /// A stream of its own, told from others by `number`.
    pub fn fork(&mut self, number: u64) -> Rng {
        Rng(self.draw() ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }
}
