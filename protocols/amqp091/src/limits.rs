//! Every bound this crate enforces, by name.

use std::time::Duration;

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

/// Channels that a client may have open at once. RabbitMQ's default.
pub const CHANNELS_MAX: u16 = 2_047;

/// Seconds without a sign of life that we propose. RabbitMQ's default.
pub const HEARTBEAT_SECONDS: u16 = 60;

/// Bytes of one message's body, unless the listener takes less. RabbitMQ's default.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a client has to answer our `connection.close`, and we have to finish what was begun before we answer its own.
pub const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// After how long the broker gives up what declares, binds, deletes or looks up, in milliseconds.
pub const ROUTE_TIMEOUT_MS: u32 = 30_000;

/// After how long the broker gives up a publish, in milliseconds.
pub const POST_TIMEOUT_MS: u32 = 30_000;

/// Messages of one post.
pub const POST_ITEMS_MAX: usize = 1_024;

/// Bytes after which a post takes no further message.
pub const POST_BYTES_MAX: usize = 1024 * 1024;

/// Posts of a connection that the broker has at once, and that wait for it.
pub const POSTS_OPEN_MAX: usize = 32;

/// Published messages of a connection whose fate is not known.
pub const PUBLISHES_OPEN_MAX: usize = 16_384;

/// Bytes of them; one message may exceed it.
pub const PUBLISHES_OPEN_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Commands of a connection that wait behind others of their channels: above it the session takes no more bytes.
pub const BACKLOG_COMMANDS_MAX: usize = 4_096;

/// Bytes of them.
pub const BACKLOG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Consumers of a connection.
pub const CONSUMERS_PER_CONNECTION_MAX: usize = 4_096;

/// Messages that one consumer asks for at once, whatever its client's prefetch.
pub const RECEIVE_RECORDS_MAX: u32 = 1_024;

/// Bytes that one consumer asks for at once; one larger batch still comes.
pub const RECEIVE_BYTES_MAX: u32 = 1024 * 1024;

/// How long a consumer waits for messages before it asks again, in milliseconds.
pub const RECEIVE_WAIT_MS: u32 = 60_000;

/// Deliveries of a channel that are not settled, where the client has set no prefetch, or a larger one.
pub const UNACKED_PER_CHANNEL_MAX: u32 = 65_536;

/// Bytes that the messages of one delivered batch may decompress to.
pub const INFLATED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How long `basic.get` waits for a message that is there, in milliseconds: the first of a queue has to go through the log before it may be
/// handed out, and others may be faster.
pub const GET_WAIT_MS: u32 = 1_000;

/// How long a session waits before it asks again for what could not be done just now.
pub const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How often a settlement is tried that cannot be done just now. Its message comes again in the end.
pub const SETTLE_TRIES_MAX: u32 = 50;

/// Settlements that wait to be tried again; what is above is given up, and its messages come again.
pub const SETTLES_WAITING_MAX: usize = 1_024;

/// What a channel, a consumer and a delivery that is not settled count for in the sessions' share of memory, in bytes.
pub const CHANNEL_BYTES: usize = 512;
/// See [`CHANNEL_BYTES`].
pub const CONSUMER_BYTES: usize = 1_024;
/// See [`CHANNEL_BYTES`].
pub const UNACKED_BYTES: usize = 64;
