//! A state machine.

use bytes::Bytes;
use forebay_replication::Checkpoint;

/// The simplest machine that notices a lost, doubled or swapped entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub index: u64,
    pub digest: u64,
}

impl State {
    pub fn apply(&mut self, index: u64, term: u64, body: &[u8]) {
        let mut hash = self.digest ^ index.rotate_left(32) ^ term;
        for byte in body {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        *self = State { index, digest: hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    }

    pub fn sections(&self) -> Vec<(u32, Bytes)> {
        vec![
            (1, Bytes::copy_from_slice(&self.index.to_le_bytes())),
            (7, Bytes::copy_from_slice(&self.digest.to_le_bytes())),
        ]
    }

    pub fn restore(checkpoint: &Checkpoint) -> State {
        let word = |at: usize| u64::from_le_bytes(checkpoint.sections[at].1[..].try_into().unwrap());
        match checkpoint.sections.len() {
            0 => State { index: checkpoint.index.0, digest: 0 },
            _ => State { index: word(0), digest: word(1) },
        }
    }
}
