//! Why bytes are not an acceptable record batch.

use std::fmt;

use forebay_model::{BatchSequence, ProducerEpoch, ProducerId, Timestamp};

use super::Codec;

/// The exact reason a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// Fewer bytes than the header, or than the length it states.
    Truncated {
        /// Bytes that should be there.
        needed: usize,
        /// Bytes that are.
        found: usize,
    },
    /// A length field that is smaller than the header.
    BadLength {
        /// As stated.
        length: i32,
    },
    /// Bytes behind the one batch there may be.
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// Not the v2 layout. Magic 0 and 1 are the layouts before it.
    UnsupportedMagic {
        /// As stated.
        magic: i8,
    },
    /// Larger than the topic or the node allows.
    TooLarge {
        /// Size of the batch with its header.
        bytes: usize,
        /// The limit it crossed.
        limit: usize,
    },
    /// The bytes are not the ones that were sent.
    WrongCrc {
        /// As stated.
        stored: u32,
        /// Of what is there.
        computed: u32,
    },
    /// A codec number nobody has defined.
    UnknownCodec {
        /// As stated.
        number: u8,
    },
    /// Attribute bits nobody has defined.
    UnknownAttributes {
        /// All sixteen as they came.
        bits: u16,
    },
    /// Only the broker writes control batches.
    ControlFromClient,
    /// Only the broker says that a timestamp is the append's.
    AppendTimeFromClient,
    /// Only compaction sets a delete horizon.
    DeleteHorizonFromClient,
    /// A batch from a client has at least one record.
    NoRecords,
    /// A negative count, or offsets that do not cover the count.
    BadCounts {
        /// As stated.
        last_offset_delta: i32,
        /// As stated.
        record_count: i32,
    },
    /// More records than could be in there.
    TooManyRecords {
        /// As stated.
        count: u32,
        /// What fits.
        limit: u32,
    },
    /// A producer id below -1, or one without epoch or sequence.
    BadProducer {
        /// As stated.
        id: ProducerId,
        /// As stated.
        epoch: ProducerEpoch,
        /// As stated.
        sequence: BatchSequence,
    },
    /// A transactional batch names its producer.
    TransactionWithoutProducer,
    /// A timestamp before 1970 that is not the -1 for "none".
    BadTimestamp {
        /// As stated.
        timestamp: Timestamp,
    },
    /// The header's newest timestamp is not that of its records.
    WrongMaxTimestamp {
        /// In the header.
        claimed: Timestamp,
        /// In the records.
        found: Timestamp,
    },
    /// A base offset or epoch outside what its field can hold.
    BadBase,
    /// A record that does not decode.
    BadRecord {
        /// Its number within the batch, from zero.
        index: u32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// Bytes behind the last record.
    TrailingRecordBytes,
    /// The compressed block does not decompress.
    Undecodable {
        /// How it claims to be compressed.
        codec: Codec,
        /// What the decompressor said.
        why: String,
    },
    /// The records come to more than the limit after decompression.
    InflatedTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The batch ends within it.
    Truncated,
    /// A variable-length integer that is too long.
    BadVarint,
    /// A length or count below what it may be.
    BadLength,
    /// Its fields do not end where its length says.
    LengthMismatch,
    /// Its offset is not the one that is next (or, at rest, not above the one before).
    BadOffset {
        /// As stated.
        delta: i32,
    },
    /// Its timestamp is before 1970 and not -1, or outside the number space.
    BadTimestamp,
}

/// What kind of fault a [`BatchError`] is; protocols map these, and look closer where they can say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Damaged on the way: framing or checksum.
    Corrupt,
    /// Intact, and breaks a rule.
    Invalid,
    /// A layout older or newer than v2.
    UnsupportedLayout,
    /// A codec nobody defined.
    UnsupportedCodec,
    /// Above a size limit.
    TooLarge,
    /// Timestamps that cannot be accepted.
    Timestamp,
}

impl BatchError {
    /// The kind of fault; every error has exactly one.
    pub fn fault(&self) -> Fault {
        match self {
            BatchError::Truncated { .. }
            | BatchError::BadLength { .. }
            | BatchError::TrailingBytes { .. }
            | BatchError::WrongCrc { .. }
            | BatchError::Undecodable { .. } => Fault::Corrupt,
            BatchError::UnsupportedMagic { .. } => Fault::UnsupportedLayout,
            BatchError::UnknownCodec { .. } => Fault::UnsupportedCodec,
            BatchError::TooLarge { .. } | BatchError::InflatedTooLarge { .. } => Fault::TooLarge,
            BatchError::AppendTimeFromClient
            | BatchError::BadTimestamp { .. }
            | BatchError::WrongMaxTimestamp { .. }
            | BatchError::BadRecord { fault: RecordFault::BadTimestamp, .. } => Fault::Timestamp,
            BatchError::UnknownAttributes { .. }
            | BatchError::ControlFromClient
            | BatchError::DeleteHorizonFromClient
            | BatchError::NoRecords
            | BatchError::BadCounts { .. }
            | BatchError::TooManyRecords { .. }
            | BatchError::BadProducer { .. }
            | BatchError::TransactionWithoutProducer
            | BatchError::BadBase
            | BatchError::BadRecord { .. }
            | BatchError::TrailingRecordBytes => Fault::Invalid,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Truncated { needed, found } => write!(f, "needs {needed} bytes and has {found}"),
            BatchError::BadLength { length } => write!(f, "states an impossible length of {length} bytes"),
            BatchError::TrailingBytes { bytes } => write!(f, "{bytes} bytes follow the one batch allowed"),
            BatchError::UnsupportedMagic { magic } => {
                write!(f, "record layout {magic} is not supported, only 2")
            }
            BatchError::TooLarge { bytes, limit } => {
                write!(f, "{bytes} bytes are more than the limit of {limit}")
            }
            BatchError::WrongCrc { stored, computed } => {
                write!(f, "crc {stored:08x} stated, {computed:08x} computed")
            }
            BatchError::UnknownCodec { number } => write!(f, "compression codec {number} is not known"),
            BatchError::UnknownAttributes { bits } => write!(f, "attributes {bits:#06x} use undefined bits"),
            BatchError::ControlFromClient => f.write_str("clients cannot write control batches"),
            BatchError::AppendTimeFromClient => f.write_str("clients cannot claim append time"),
            BatchError::DeleteHorizonFromClient => f.write_str("clients cannot set a delete horizon"),
            BatchError::NoRecords => f.write_str("a batch needs at least one record"),
            BatchError::BadCounts { last_offset_delta, record_count } => {
                write!(f, "last offset delta {last_offset_delta} does not fit {record_count} records")
            }
            BatchError::TooManyRecords { count, limit } => {
                write!(f, "{count} records stated where at most {limit} fit")
            }
            BatchError::BadProducer { id, epoch, sequence } => {
                write!(f, "producer {id} with epoch {epoch} and sequence {sequence}")
            }
            BatchError::TransactionWithoutProducer => {
                f.write_str("a transactional batch needs a producer id")
            }
            BatchError::BadTimestamp { timestamp } => write!(f, "timestamp {timestamp} is before 1970"),
            BatchError::WrongMaxTimestamp { claimed, found } => {
                write!(f, "newest timestamp stated as {claimed}, its records say {found}")
            }
            BatchError::BadBase => f.write_str("base offset or leader epoch outside its field"),
            BatchError::BadRecord { index, fault } => write!(f, "record {index}: {fault}"),
            BatchError::TrailingRecordBytes => f.write_str("bytes follow the last record"),
            BatchError::Undecodable { codec, why } => write!(f, "{codec} data does not decompress: {why}"),
            BatchError::InflatedTooLarge { limit } => {
                write!(f, "decompresses to more than the limit of {limit} bytes")
            }
        }
    }
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordFault::Truncated => f.write_str("the batch ends within it"),
            RecordFault::BadVarint => f.write_str("an integer is too long"),
            RecordFault::BadLength => f.write_str("an impossible length or count"),
            RecordFault::LengthMismatch => f.write_str("its fields do not end where its length says"),
            RecordFault::BadOffset { delta } => write!(f, "offset delta {delta} is not the next"),
            RecordFault::BadTimestamp => f.write_str("its timestamp is impossible"),
        }
    }
}

impl std::error::Error for BatchError {}
impl std::error::Error for RecordFault {}
