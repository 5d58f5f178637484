//! Every bound this crate enforces, by name.

/// Largest frame (bytes after the length prefix) a reader accepts unless configured otherwise. Kafka's own default.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 100 * 1024 * 1024;

/// Memory that decoding one frame may spend on arrays, as a multiple of the frame's size. Honest requests stay below 5; the
/// multiple exists because a partition that takes 16 bytes on the wire is a struct of about 64.
pub const DECODE_MEMORY_FACTOR: usize = 8;

/// Memory that decoding one frame may always spend on arrays, however small the frame: bytes.
pub const DECODE_MEMORY_FLOOR: usize = 16 * 1024;

/// Memory that decoding one frame may spend on arrays at most, however large the frame: bytes. About 300,000 partitions.
pub const DECODE_MEMORY_MAX: usize = 32 * 1024 * 1024;

/// Record data up to this many bytes is copied into the response's own buffer; longer data is referenced as a chunk of its
/// own. Below it a copy costs less than one more piece in a vectored write.
pub const ROPE_COPY_BYTES_MAX: usize = 512;
