//! The limits of this crate's decoders.

use forebay_model::limits::{MESSAGE_BYTES_CEILING, MIB};

/// What the records of one batch may come to after decompression, unless the caller knows better: a compressed batch
/// may hold what an uncompressed one may.
pub const INFLATED_BYTES_MAX_DEFAULT: usize = MESSAGE_BYTES_CEILING;

/// Buffer in front of a decompressor that is read a byte at a time.
pub(crate) const INFLATE_BUFFER_BYTES: usize = 16 * 1024;

/// How many bytes of output one byte of raw snappy can stand for: a copy of three bytes writes at most 64.
pub(crate) const SNAPPY_EXPANSION_MAX: usize = 22;

/// Headers that are reserved for before the first one was decoded; more grow as they come.
pub(crate) const HEADERS_RESERVED_MAX: usize = 64;

/// Messages of one message batch: as many as an entry has slots.
pub const MESSAGES_PER_BATCH_MAX: usize = 65_536;
/// Raw properties of one message, in bytes.
pub const PROPERTIES_BYTES_MAX: usize = MIB;
