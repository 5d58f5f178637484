//! Randomness from a seed: the same seed gives the same numbers on every machine.

/// A generator of numbers (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A generator of its own for a name, so that what one does never moves another.
    pub fn named(seed: u64, name: &str) -> Random {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Random(seed ^ hash)
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "no number is below zero");
        // The bias is below one in 2^40 for the small ranges drawn here.
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// A number of 1..=`last` of which the small are likely: half of all draws give at most the square root.
    pub fn small(&mut self, last: usize) -> usize {
        let bits = usize::BITS - last.max(1).leading_zeros();
        let limit = 1_usize << self.below(bits as usize + 1);
        1 + self.below(limit.min(last.max(1)))
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these, which are not none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..10).map(|_| random.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(Random::named(1, "a").next(), Random::named(1, "b").next());
    }

    #[test]
    fn every_draw_is_in_its_range_and_every_value_comes() {
        let mut random = Random::new(7);
        let mut seen = [false; 5];
        for _ in 0..1_000 {
            seen[random.below(5)] = true;
            assert!((1..=100).contains(&random.small(100)));
            assert_eq!(random.small(0), 1);
        }
        assert_eq!(seen, [true; 5]);
    }
}
