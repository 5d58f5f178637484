//! Every bound this crate enforces, by name.

use std::time::Duration;

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

/// Groups that one request may name (FindCoordinator, OffsetFetch, DescribeGroups, DeleteGroups): each becomes a request of
/// its own to the broker. The ones above it are refused by themselves. A connection with as many calls open asks for nothing more.
pub const GROUPS_PER_REQUEST_MAX: usize = 10_000;

/// Partitions that a fetch session remembers; a wider fetch is answered without a session.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 5_000;

/// Share sessions of one connection: clients have one for each member.
pub const SHARE_SESSIONS_PER_CONNECTION_MAX: usize = 64;

/// Bytes of the id of a share group's member: those of a UUID in writing, as with Apache Kafka.
pub const SHARE_MEMBER_ID_BYTES_MAX: usize = 36;

/// Partitions that a share session remembers; a wider one is refused.
pub const SHARE_SESSION_PARTITIONS_MAX: usize = 5_000;

/// Record bytes of one Fetch response, whatever its client asks for. Kafka's own default; one larger batch still comes.
pub const FETCH_RESPONSE_BYTES_MAX: u32 = 55 * 1024 * 1024;

/// Bytes of a frame of a client that has not authenticated yet, where it has to.
pub const SASL_FRAME_BYTES_MAX: usize = 64 * 1024;
/// How long the connection of a client that could not authenticate stays open behind the response that says so: what Kafka calls
/// `connection.failed.authentication.delay.ms`, with its default. Some clients lose the response otherwise, and who guesses waits.
pub const SASL_FAILURE_DELAY: Duration = Duration::from_millis(100);

/// Topic names that a connection keeps checked and copied, so that a busy one allocates none per request.
pub const TOPIC_NAMES_KEPT_MAX: usize = 64;

/// Partitions of one DescribeTopicPartitions page, whatever its client asks for. Kafka's own default.
pub const PAGE_PARTITIONS_MAX: usize = 2_000;

/// Batches that one Produce request may import: each becomes an item of a publish.
pub const IMPORT_BATCHES_PER_REQUEST_MAX: usize = 4_096;

/// Growth of the buffer for a frame that came in part: bytes that are at least made room for, unless the frame is smaller.
/// Beyond, room at most doubles what is there, so that a length alone never reserves a frame.
pub const FRAME_GROWTH_BYTES_MIN: usize = 64 * 1024;

/// Bytes of a regular expression by which transactions are listed.
pub const PATTERN_BYTES_MAX: usize = 4_096;
/// What it may compile to, in bytes.
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Records at fault that one Produce response names: a small request does not ask for a large response.
pub const RECORD_ERRORS_PER_RESPONSE_MAX: usize = 1_000;
