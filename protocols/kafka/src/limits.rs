//! Every bound this crate enforces, by name.

/// Largest frame (bytes after the length prefix) a reader accepts unless configured otherwise. Kafka's own default.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 100 * 1024 * 1024;

/// Memory that decoding one frame may spend on arrays, as a multiple of the frame's size. Wide requests of
/// partitions need up to 5; lists of very short names need more, for a name of three bytes is a string of 32 in memory.
pub const DECODE_MEMORY_FACTOR: usize = 16;

/// Memory that decoding one frame may always spend on arrays, however small the frame: bytes.
pub const DECODE_MEMORY_FLOOR: usize = 64 * 1024;

/// Memory that decoding one frame may spend on arrays at most, however large the frame: bytes. About 300,000 partitions.
pub const DECODE_MEMORY_MAX: usize = 32 * 1024 * 1024;

/// Record data up to this many bytes is copied into the response's own buffer; longer data is referenced as a chunk of its
/// own. Below it a copy costs less than one more piece in a vectored write.
pub const ROPE_COPY_BYTES_MAX: usize = 512;
