//! The limits of the files; each one is part of its format's page in `docs/formats`.

/// Longest body of one entry, in bytes.
pub const ENTRY_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most slots of one entry.
pub const ENTRY_SLOTS_MAX: usize = 65_536;
/// A position inside a segment fits 32 bits.
pub const SEGMENT_POSITION_MAX: u64 = u32::MAX as u64;
/// A small write at the end of a segment brings up to so many zeros with it, in bytes: what follows overwrites them, and a flush
/// of it needs no change of the file's length, which costs a file system more than the bytes do.
pub const ZEROS_AHEAD_BYTES_MAX: usize = 128 * 1024;
/// A write up to this size is a small one. Larger ones pay for the change of the length with their own bytes.
pub const SMALL_WRITE_BYTES_MAX: u64 = 32 * 1024;
/// What the journal takes of one shard for one flush, in bytes. Who has more flushes its segment itself: it pays for that with
/// its own bytes, and they are not written twice.
pub const JOURNAL_PIECE_BYTES_MAX: usize = 32 * 1024;
/// Longest batch of the journal, in bytes.
pub const JOURNAL_BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of a file of the journal after which the next one is begun.
pub const JOURNAL_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most files of the journal. When the segments that the oldest speaks of are not flushed yet, shards flush their own.
pub const JOURNAL_FILES_MAX: usize = 4;
/// What a scan reads at once, in bytes.
pub const SCAN_WINDOW_BYTES: usize = 256 * 1024;
/// What is asked for of an entry whose directory is expected to be read: enough for the directory of a turn of 1,000 batches.
pub const EXPECTED_PREFIX_BYTES: u64 = 16 * 1024;
/// The first read for one slot or entry: its header, its directory and, when small, all of it.
pub const POINT_READ_BYTES: usize = 4096;
/// Bodies up to this length are copied into the tail cache, so that a slice does not pin the network buffer it
/// was cut from.
pub const TAIL_COPY_BYTES_MAX: usize = 16 * 1024;
/// Longest manifest, in bytes: about a million segments.
pub const MANIFEST_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most sections of a checkpoint.
pub const CHECKPOINT_SECTIONS_MAX: usize = 4096;
/// What a block cache holds unless told otherwise, in bytes.
pub const BLOCK_CACHE_BYTES_DEFAULT: usize = 16 * 1024 * 1024;
/// Reads below this size get memory of their own: the allocator is quick with it.
pub const READ_BUFFER_BYTES_MIN: usize = 64 * 1024;
/// Memory of larger reads is a multiple of this, in bytes.
pub const READ_BUFFER_STEP_BYTES: usize = 16 * 1024;
/// Memory of finished reads that is kept for the next ones, in bytes, for all shards of a node.
pub const READ_BUFFERS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bodies up to this length are read whole once a second slot of them is asked for; longer ones slot by slot, so that a slice
/// of one slot does not pin much more than it is.
pub const WHOLE_BODY_BYTES_MAX: usize = 64 * 1024;
/// So many sidecars, or files of one tier, are merged into one file of the directory.
pub const DIRECTORY_FAN_IN: usize = 8;
