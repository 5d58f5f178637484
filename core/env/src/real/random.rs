//! The operating system's randomness, fetched in blocks.

use std::sync::Mutex;

use crate::Random;

pub(crate) struct SystemRandom {
    block: Mutex<Vec<u64>>,
}

impl SystemRandom {
    pub(crate) fn new() -> SystemRandom {
        SystemRandom { block: Mutex::new(Vec::new()) }
    }
}

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        let mut block = self.block.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(number) = block.pop() {
            return number;
        }
        let mut bytes = [0u8; 512];
        getrandom::fill(&mut bytes).expect("the operating system has randomness once it has booted");
        block.extend(bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)));
        block.pop().expect("just filled")
    }
}
