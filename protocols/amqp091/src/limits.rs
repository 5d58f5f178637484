//! Every bound this crate enforces, by name.

/// Bytes of a whole frame that any peer must be able to take; less cannot be agreed on. The protocol's own number.
pub const FRAME_BYTES_MIN: u32 = 4_096;

/// Bytes of a whole frame that we propose, and take at most, unless configured otherwise. RabbitMQ's default.
pub const FRAME_BYTES_DEFAULT: u32 = 131_072;

/// Bytes by which a client may exceed the agreed frame: RabbitMQ forgives clients that forget to count the frame's own eight,
/// and such clients are in use.
pub const FRAME_BYTES_FORGIVEN: usize = 8;

/// Growth of the buffer for a frame that came in part: bytes that are at least made room for, unless the frame is smaller.
/// Beyond, room at most doubles what is there, so that a length alone never reserves a frame.
pub const FRAME_GROWTH_BYTES_MIN: usize = 4 * 1024;

/// Bytes of a short string: its length is one octet.
pub const SHORT_STRING_BYTES_MAX: usize = 255;

/// Tables and arrays inside each other, the outermost counted. RabbitMQ's own headers nest three deep (`x-death`).
pub const TABLE_DEPTH_MAX: usize = 32;

/// Fields and items of one table, with those of all that it nests. A frame of the default size holds 65,000 of the smallest.
pub const TABLE_ENTRIES_MAX: usize = 16_384;

/// Bytes of a message's body that its header may announce: the ceiling of any configured message size.
pub const BODY_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Growth of the buffer for a body that comes in several frames: bytes that are at least made room for, unless the body is
/// smaller. Beyond, room at most doubles what is there, so that a header alone never reserves a body.
pub const BODY_GROWTH_BYTES_MIN: usize = 4 * 1024;
