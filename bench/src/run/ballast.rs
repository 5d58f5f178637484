//! Memory for what fills the page cache. A virtual machine pays for every page that it touches for the first time, and gives back
//! to its host what has been free for some seconds: in a stream of large batches that cost more than the broker did. So before such a run the
//! harness touches memory of its own, and lets go of it at the pace at which the broker's files take it.

use std::fs;
use std::time::Duration;

use crate::machine::kib_of;

/// What a stream writes in a window and the seconds before it, or more.
const BYTES_MAX: u64 = 8 << 30;
/// What is let go at once; an allocator returns so much to the system as soon as it is freed.
const BLOCK_BYTES: usize = 64 << 20;
/// The page cache finds what is let go after a while: it begins so long before the window.
pub const AHEAD: Duration = Duration::from_secs(4);

/// Touched memory.
pub struct Ballast {
    blocks: Vec<Vec<u8>>,
}

impl Ballast {
    /// Touches up to half of what is available. Blocks for some seconds.
    pub fn touch() -> Ballast {
        let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let available = kib_of(&table, "MemAvailable").unwrap_or_default() * 1024;
        Ballast::of(available / 2)
    }

    fn of(bytes: u64) -> Ballast {
        let count = bytes.min(BYTES_MAX) / BLOCK_BYTES as u64;
        // Ones: zeros would be taken from the system untouched.
        Ballast { blocks: (0..count).map(|_| vec![1; BLOCK_BYTES]).collect() }
    }

    /// Lets go of all of it, bit by bit: begins after `begin` and takes `over`.
    pub fn let_go(self, begin: Duration, over: Duration) {
        let pause = over / u32::try_from(self.blocks.len().max(1)).unwrap_or(u32::MAX);
        std::thread::spawn(move || {
            std::thread::sleep(begin);
            for block in self.blocks {
                drop(block);
                std::thread::sleep(pause);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_whole_blocks_and_bounded() {
        assert_eq!(Ballast::of(3 * BLOCK_BYTES as u64 - 1).blocks.len(), 2);
        assert_eq!(Ballast::of(0).blocks.len(), 0);
        const { assert!(BYTES_MAX <= 8 << 30) };
        Ballast::of(BLOCK_BYTES as u64).let_go(Duration::ZERO, Duration::from_millis(1));
    }
}
