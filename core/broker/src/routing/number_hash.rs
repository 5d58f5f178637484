//! Maps by numbers that the index gave out itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::spread::mix;

/// A map by such a number. No client can choose one, so its hash needs no secret.
pub(super) type NumberMap<V> = HashMap<u64, V, BuildHasherDefault<NumberHasher>>;

/// Two numbers as one.
pub(super) fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(number);
    }
}
