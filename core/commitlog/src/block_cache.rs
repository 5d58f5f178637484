//! Blocks of index files in memory, bounded in bytes, shared by all shards of a node. Blocks are read with pread on the
//! caller's thread, which may block; no lock is held meanwhile.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use forebay_env::File;

use crate::crc::crc32c;
use crate::fault::{Action, Fault};
use crate::lock::lock;

/// Bytes of one block, its checksum included.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// Bytes of records in one block.
pub(crate) const BLOCK_DATA_BYTES: usize = BLOCK_BYTES - 4;
/// What a block costs besides its bytes.
const BLOCK_OVERHEAD_BYTES: usize = 128;

/// Which block of which open file.
type Key = (u64, u64);

/// The cache. A block that was used since the eviction hand last passed it stays for another round.
pub struct BlockCache {
    state: Mutex<State>,
}

struct State {
    bytes_max: usize,
    next_file: u64,
    blocks: HashMap<Key, Held>,
    round: VecDeque<Key>,
}

struct Held {
    block: Bytes,
    used: bool,
}

impl BlockCache {
    /// An empty cache that holds at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<BlockCache> {
        let state = State { bytes_max, next_file: 0, blocks: HashMap::new(), round: VecDeque::new() };
        Arc::new(BlockCache { state: Mutex::new(state) })
    }

    /// Changes the bound; a lower one evicts at once.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        let mut state = lock(&self.state);
        state.bytes_max = bytes_max;
        state.evict();
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        lock(&self.state).bytes()
    }

    fn file_number(&self) -> u64 {
        let mut state = lock(&self.state);
        state.next_file += 1;
        state.next_file
    }

    fn get(&self, key: Key) -> Option<Bytes> {
        let mut state = lock(&self.state);
        let held = state.blocks.get_mut(&key)?;
        held.used = true;
        Some(held.block.clone())
    }

    fn put(&self, key: Key, block: Bytes) {
        let mut state = lock(&self.state);
        if state.blocks.insert(key, Held { block, used: false }).is_none() {
            state.round.push_back(key);
        }
        state.evict();
    }
}

impl State {
    fn bytes(&self) -> usize {
        self.blocks.len() * (BLOCK_BYTES + BLOCK_OVERHEAD_BYTES)
    }

    fn evict(&mut self) {
        while self.bytes() > self.bytes_max {
            let Some(key) = self.round.pop_front() else { return };
            let held = self.blocks.get_mut(&key).expect("the round lists what is held");
            if std::mem::take(&mut held.used) {
                self.round.push_back(key);
            } else {
                self.blocks.remove(&key);
            }
        }
    }
}

/// An index file whose blocks go through a cache.
pub(crate) struct CachedFile {
    file: Arc<dyn File>,
    path: PathBuf,
    number: u64,
    cache: Arc<BlockCache>,
}

impl CachedFile {
    pub(crate) fn new(file: Arc<dyn File>, path: PathBuf, cache: Arc<BlockCache>) -> CachedFile {
        CachedFile { file, path, number: cache.file_number(), cache }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &dyn File {
        &*self.file
    }

    /// The records of the block at `position`, checked.
    pub(crate) fn block(&self, position: u64) -> Result<Bytes, Fault> {
        let key = (self.number, position);
        if let Some(block) = self.cache.get(key) {
            return Ok(block);
        }
        let block = self.read_block(position)?;
        self.cache.put(key, block.clone());
        Ok(block)
    }

    /// Like `block`, past the cache: for scrubbing, which must see the medium and not push out what readers need.
    pub(crate) fn read_block(&self, position: u64) -> Result<Bytes, Fault> {
        let mut bytes = vec![0; BLOCK_BYTES];
        if let Err(error) = self.file.read_exact_at(&mut bytes, position) {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                return Err(Fault::corrupt(&self.path, position, "the file ends before this block does"));
            }
            return Err(Fault::io(Action::Read, &self.path)(error));
        }
        let (data, crc) = bytes.split_at(BLOCK_DATA_BYTES);
        if crc32c(data).to_le_bytes() != crc {
            return Err(Fault::corrupt(&self.path, position, "the block does not match its checksum"));
        }
        bytes.truncate(BLOCK_DATA_BYTES);
        Ok(bytes.into())
    }
}
