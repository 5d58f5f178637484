//! Every limit has a name here; constant assertions tie related ones together.

/// One mebibyte.
pub const MIB: usize = 1024 * 1024;

/// A payload above this is written as parts.
pub const PART_BYTES_MAX: usize = MIB;
/// Largest record batch or message, unless configured lower.
pub const MESSAGE_BYTES_DEFAULT: usize = 16 * MIB;
/// What `max_message_size` can be raised to.
pub const MESSAGE_BYTES_CEILING: usize = 128 * MIB;
/// What one turn of a shard takes from its mailbox.
pub const TURN_BYTES_MAX: usize = MIB;
/// A segment ends at this size (ADR 0002: small enough that a checkpoint at each seal bounds the replay)...
pub const SEGMENT_BYTES_MAX: u64 = 64 * MIB as u64;
/// ...or at this many index entries.
pub const SEGMENT_INDEX_ENTRIES_MAX: usize = 500_000;
/// A checkpoint is due after this much log, which bounds what recovery replays.
pub const CHECKPOINT_LOG_BYTES_MAX: u64 = 64 * MIB as u64;
/// The longest that a transaction may be open, in milliseconds.
pub const TRANSACTION_TIMEOUT_MS_MAX: u32 = 15 * 60_000;
/// Bytes of a transactional id.
pub const TRANSACTIONAL_ID_BYTES_MAX: usize = 4_096;
/// Bytes of the name of a principal.
pub const PRINCIPAL_NAME_BYTES_MAX: usize = 1_024;
/// Bytes of one step of a login, whatever its mechanism.
pub const LOGIN_BYTES_MAX: usize = 4 * 1024;
/// How often a password is hashed at least before it is stored: RFC 7677 asks for it, Kafka bounds it so.
pub const CREDENTIAL_ITERATIONS_MIN: u32 = 4_096;
/// How often a password is hashed at most.
pub const CREDENTIAL_ITERATIONS_MAX: u32 = 16_384;
/// Bytes of the salt of a credential.
pub const CREDENTIAL_SALT_BYTES_MAX: usize = 256;
/// Credentials of the whole catalogue; a user has one for each hash at most.
pub const CREDENTIALS_MAX: usize = 100_000;
/// Users that one request may change.
pub const USERS_PER_REQUEST_MAX: usize = 1_000;
/// Users that one request may name to have them described.
pub const USERS_DESCRIBED_MAX: usize = 10_000;
/// Bytes of the kind of a principal in a rule of access: `User`.
pub const PRINCIPAL_KIND_BYTES_MAX: usize = 64;
/// Rules of access of the whole catalogue.
pub const ACLS_MAX: usize = 50_000;
/// Bytes of the texts of all of them.
pub const ACLS_BYTES_MAX: usize = 64 * MIB;
/// Bytes of the name of what a rule of access is about.
pub const ACL_NAME_BYTES_MAX: usize = 4_096;
/// Bytes of the host in a rule of access.
pub const ACL_HOST_BYTES_MAX: usize = 255;
/// Rules of access that one request may add.
pub const ACLS_PER_REQUEST_MAX: usize = 10_000;
/// Filters by which one request may remove rules of access: each looks at every name that rules are about.
pub const ACL_FILTERS_PER_REQUEST_MAX: usize = 1_000;
/// Records without a key that a refusal names.
pub const MISSING_KEYS_MAX: usize = 1_000;
/// Records with timestamps too far from the clock that a refusal names.
pub const TIMESTAMP_ERRORS_MAX: usize = 1_000;
/// Topics of one namespace.
pub const TOPICS_MAX: usize = 200_000;
/// Partitions of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: u32 = 10_000;
/// Partitions of the whole catalogue.
pub const PARTITIONS_MAX: usize = 200_000;
/// Largest batch of messages that a queue takes, in bytes: a message of 16 MiB with its properties, or many small ones.
pub const QUEUE_BATCH_BYTES_MAX: u32 = 17 * 1024 * 1024;
/// For how long a consumer of a queue may have a message without settling it, in milliseconds, where nothing else was said.
pub const QUEUE_LEASE_MS: u32 = 30 * 60 * 1000;
/// Messages of a queue that may lie between the oldest that is not settled and the newest that a consumer has.
pub const QUEUE_SPAN_MAX: u32 = 65_536;
/// Longest name of a namespace in bytes.
pub const NAMESPACE_NAME_BYTES_MAX: usize = 255;
/// Bytes of the name of an exchange.
pub const EXCHANGE_NAME_BYTES_MAX: usize = 255;
/// Bytes of the name of a queue.
pub const QUEUE_NAME_BYTES_MAX: usize = 255;
/// Exchanges of one namespace.
pub const EXCHANGES_MAX: usize = 100_000;
/// Bindings of one namespace, without those of the default exchange.
pub const BINDINGS_MAX: usize = 1_000_000;
/// Bytes that they take up, with what routes by them, about.
pub const BINDINGS_BYTES_MAX: usize = 1024 * MIB;
/// Bytes of the key of a binding.
pub const BINDING_KEY_BYTES_MAX: usize = 4_096;
/// Bytes that the arguments of one exchange or binding take up.
pub const ARGUMENTS_BYTES_MAX: usize = 128 * 1024;
/// How deep lists and tables may lie in each other in an argument.
pub const ARGUMENT_DEPTH_MAX: usize = 16;
/// The weight of a binding to a consistent hash exchange.
pub const HASH_WEIGHT_MAX: u32 = 1_000_000;
/// Routing keys of one message.
pub const ROUTING_KEYS_PER_MESSAGE_MAX: usize = 4_096;

const _: () = assert!(MESSAGE_BYTES_DEFAULT <= MESSAGE_BYTES_CEILING);
const _: () = assert!(PART_BYTES_MAX <= TURN_BYTES_MAX);
const _: () = assert!(ARGUMENTS_BYTES_MAX <= BINDINGS_BYTES_MAX);
const _: () = assert!(CREDENTIAL_ITERATIONS_MIN <= CREDENTIAL_ITERATIONS_MAX);
// Checkpoints are made when a segment is sealed, so replay is bounded by one segment.
const _: () = assert!(SEGMENT_BYTES_MAX <= CHECKPOINT_LOG_BYTES_MAX);
