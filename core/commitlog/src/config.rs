//! What a log is opened with.

use std::sync::Arc;

use forebay_model::ShardId;
use forebay_model::limits::{MIB, SEGMENT_BYTES_MAX, SEGMENT_INDEX_ENTRIES_MAX};

use crate::block_cache::BlockCache;
use crate::journal::Journal;
use crate::limits::{BLOCK_CACHE_BYTES_DEFAULT, ZEROS_AHEAD_BYTES_MAX};
use crate::read_buffers::ReadBuffers;
use crate::terms::Point;

/// Settings of one shard's log.
#[derive(Clone)]
pub struct LogConfig {
    /// The shard whose log this is.
    pub shard: ShardId,
    /// Used when the log is made: the entry it begins behind, which exists nowhere. Zero for a log that begins at 1.
    pub origin: Point,
    /// Used when the log is made: a random number that no client knows.
    pub salt: u64,
    /// Size of the first segment, in bytes; each one is twice as long as the one before it...
    pub segment_bytes_first: u64,
    /// ...up to this.
    pub segment_bytes_max: u64,
    /// A segment with this many entries should be sealed too.
    pub segment_entries_max: usize,
    /// Zeros that a small write brings with it, in bytes, up to [`ZEROS_AHEAD_BYTES_MAX`].
    pub zeros_ahead_bytes: usize,
    /// Bytes of newest entries kept in memory.
    pub tail_bytes_max: usize,
    /// Blocks of index files; one for all shards of a node.
    pub block_cache: Arc<BlockCache>,
    /// Memory of large reads; one for all shards of a node.
    pub read_buffers: Arc<ReadBuffers>,
    /// The journal of the node, for shards whose flushes somebody waits for; `None` flushes the segments themselves.
    pub journal: Option<Arc<Journal>>,
}

impl LogConfig {
    /// The defaults for `shard`.
    #[must_use]
    pub fn new(shard: ShardId, salt: u64) -> LogConfig {
        LogConfig {
            shard,
            origin: Point::default(),
            salt,
            segment_bytes_first: 8 * MIB as u64,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            segment_entries_max: SEGMENT_INDEX_ENTRIES_MAX,
            zeros_ahead_bytes: ZEROS_AHEAD_BYTES_MAX,
            tail_bytes_max: 32 * MIB,
            block_cache: BlockCache::new(BLOCK_CACHE_BYTES_DEFAULT),
            read_buffers: ReadBuffers::new(),
            journal: None,
        }
    }
}
