//! What happened, as a number and, when asked for, as text: two runs of one seed have the same number.

use std::hash::Hasher;

/// FNV-1a: the same in every process.
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        }
        for byte in rest {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The trace of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Fnv,
    prints: bool,
}

impl Trace {
    /// A trace that also prints when `prints`.
    pub fn new(prints: bool) -> Trace {
        Trace { hash: Fnv::default(), prints }
    }

    /// Notes numbers of an event.
    pub fn note(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash.write(&number.to_le_bytes());
        }
    }

    /// Notes bytes of an event.
    pub fn note_bytes(&mut self, bytes: &[u8]) {
        self.hash.write(bytes);
    }

    /// Prints a line if that is wanted; the line is part of the trace in any case.
    pub fn say(&mut self, at: u64, line: impl FnOnce() -> String) {
        if self.prints {
            println!("{:>12.6} {}", at as f64 / 1e9, line());
        }
    }

    /// Whether lines are printed.
    pub fn prints(&self) -> bool {
        self.prints
    }

    /// The number of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }
}
