//! The 61 bytes in front of every batch.

use std::fmt;

use forebay_model::{BatchSequence, ProducerEpoch, ProducerId, Timestamp, TimestampType};

use super::BatchError;

/// Size of the header in bytes.
pub const HEADER_BYTES: usize = 61;

/// Bytes before those the length field counts: the base offset and the length itself.
pub(super) const LENGTH_OVERHEAD: usize = 12;

// Where the fields are. All integers are big-endian.
pub(super) const LENGTH_AT: usize = 8;
pub(super) const EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
/// Where the crc's coverage begins; it ends with the batch.
pub(super) const ATTRIBUTES_AT: usize = 21;
const LAST_DELTA_AT: usize = 23;
pub(super) const BASE_TIMESTAMP_AT: usize = 27;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
pub(super) const PRODUCER_EPOCH_AT: usize = 51;
pub(super) const SEQUENCE_AT: usize = 53;
pub(super) const COUNT_AT: usize = 57;

/// The only layout stored.
pub(super) const MAGIC: i8 = 2;

/// How the records behind the header are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in xerial's framing, or one raw block.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Codec {
    /// Every codec, by number.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number in the attributes.
    pub fn number(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The codec of a number.
    pub fn from_number(number: u8) -> Result<Codec, BatchError> {
        Codec::ALL.get(usize::from(number)).copied().ok_or(BatchError::UnknownCodec { number })
    }

    /// Its usual name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec of that name.
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sixteen attribute bits of a batch.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub u16);

impl Attributes {
    const CODEC: u16 = 0b111;
    pub(super) const APPEND_TIME: u16 = 1 << 3;
    const TRANSACTIONAL: u16 = 1 << 4;
    const CONTROL: u16 = 1 << 5;
    const DELETE_HORIZON: u16 = 1 << 6;
    const DEFINED: u16 = 0x7f;

    /// Those of a batch within a transaction.
    pub(super) fn transactional() -> Attributes {
        Attributes(Attributes::TRANSACTIONAL)
    }

    /// Those of the mark that ends a transaction.
    pub(super) fn mark() -> Attributes {
        Attributes(Attributes::TRANSACTIONAL | Attributes::CONTROL)
    }

    /// The codec number, known or not.
    pub(super) fn codec_number(self) -> u8 {
        (self.0 & Attributes::CODEC) as u8
    }

    /// These with another codec.
    pub(super) fn with_codec(self, codec: Codec) -> Attributes {
        Attributes(self.0 & !Attributes::CODEC | u16::from(codec.number()))
    }

    /// Whose timestamp the records carry.
    pub fn timestamp_type(self) -> TimestampType {
        match self.0 & Attributes::APPEND_TIME {
            0 => TimestampType::Create,
            _ => TimestampType::Append,
        }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Attributes::TRANSACTIONAL != 0
    }

    /// Whether the records are the broker's markers instead of somebody's data.
    pub fn is_control(self) -> bool {
        self.0 & Attributes::CONTROL != 0
    }

    /// Whether the base timestamp is the time from which tombstones may go.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Attributes::DELETE_HORIZON != 0
    }

    /// Whether bits are set that nobody has defined.
    pub fn has_undefined(self) -> bool {
        self.0 & !Attributes::DEFINED != 0
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Every field of a batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; what a client wrote has no meaning, the reader stamps it.
    pub base_offset: i64,
    /// Size of the whole batch in bytes, header included: the length field and the 12 bytes it does not count.
    pub encoded_len: usize,
    /// Epoch of the leader that stored it; stamped by the reader.
    pub leader_epoch: i32,
    /// CRC-32C of everything from the attributes to the end, as stated.
    pub crc: u32,
    /// Codec, timestamp type and the rest; the codec is a known one.
    pub attributes: Attributes,
    /// Codec of the records.
    pub codec: Codec,
    /// Offset of the last record less that of the first.
    pub last_offset_delta: u32,
    /// What the records' timestamp deltas count from.
    pub base_timestamp: Timestamp,
    /// The newest timestamp, or with [`TimestampType::Append`] that of all records.
    pub max_timestamp: Timestamp,
    /// The idempotent producer, or -1.
    pub producer_id: ProducerId,
    /// Its instance; means nothing without a producer id.
    pub producer_epoch: ProducerEpoch,
    /// Its number of the first record; means nothing without a producer id.
    pub base_sequence: BatchSequence,
    /// Records behind the header. Below `last_offset_delta + 1` after a compaction, even zero.
    pub record_count: u32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which may end anywhere behind it. The crc is not looked at. Refuses
    /// other layouts, lengths below the header, negative counts and unknown codecs.
    pub fn peek(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        // The magic is at the same place in every layout, and the older ones can be shorter than this header.
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic as i8 != MAGIC
        {
            return Err(BatchError::UnsupportedMagic { magic: magic as i8 });
        }
        let Some(h) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { needed: HEADER_BYTES, found: bytes.len() });
        };
        let attributes = Attributes(u16_at(h, ATTRIBUTES_AT));
        let last_offset_delta = u32_at(h, LAST_DELTA_AT) as i32;
        let record_count = u32_at(h, COUNT_AT) as i32;
        if last_offset_delta < 0 || record_count < 0 {
            return Err(BatchError::BadCounts { last_offset_delta, record_count });
        }
        Ok(BatchHeader {
            base_offset: i64_at(h, 0),
            encoded_len: encoded_len(u32_at(h, LENGTH_AT) as i32)?,
            leader_epoch: u32_at(h, EPOCH_AT) as i32,
            crc: u32_at(h, CRC_AT),
            attributes,
            codec: Codec::from_number(attributes.codec_number())?,
            last_offset_delta: last_offset_delta as u32,
            base_timestamp: Timestamp(i64_at(h, BASE_TIMESTAMP_AT)),
            max_timestamp: Timestamp(i64_at(h, MAX_TIMESTAMP_AT)),
            producer_id: ProducerId(i64_at(h, PRODUCER_ID_AT)),
            producer_epoch: ProducerEpoch(u16_at(h, PRODUCER_EPOCH_AT) as i16),
            base_sequence: BatchSequence(u32_at(h, SEQUENCE_AT) as i32),
            record_count: record_count as u32,
        })
    }

    /// The header as bytes, its crc as in the field.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut h = [0; HEADER_BYTES];
        put(&mut h, 0, &self.base_offset.to_be_bytes());
        put(&mut h, LENGTH_AT, &((self.encoded_len - LENGTH_OVERHEAD) as i32).to_be_bytes());
        put(&mut h, EPOCH_AT, &self.leader_epoch.to_be_bytes());
        put(&mut h, MAGIC_AT, &MAGIC.to_be_bytes());
        put(&mut h, CRC_AT, &self.crc.to_be_bytes());
        put(&mut h, ATTRIBUTES_AT, &self.attributes.with_codec(self.codec).0.to_be_bytes());
        put(&mut h, LAST_DELTA_AT, &self.last_offset_delta.to_be_bytes());
        put(&mut h, BASE_TIMESTAMP_AT, &self.base_timestamp.0.to_be_bytes());
        put(&mut h, MAX_TIMESTAMP_AT, &self.max_timestamp.0.to_be_bytes());
        put(&mut h, PRODUCER_ID_AT, &self.producer_id.0.to_be_bytes());
        put(&mut h, PRODUCER_EPOCH_AT, &self.producer_epoch.0.to_be_bytes());
        put(&mut h, SEQUENCE_AT, &self.base_sequence.0.to_be_bytes());
        put(&mut h, COUNT_AT, &self.record_count.to_be_bytes());
        h
    }

    /// The idempotent producer that wrote the batch, if it was one.
    pub fn producer(&self) -> Option<(ProducerId, ProducerEpoch, BatchSequence)> {
        (self.producer_id.0 >= 0).then_some((self.producer_id, self.producer_epoch, self.base_sequence))
    }

    /// How many offsets the batch takes.
    pub fn offset_count(&self) -> u64 {
        u64::from(self.last_offset_delta) + 1
    }

    /// The sequence of the last record: sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> BatchSequence {
        let last = i64::from(self.base_sequence.0) + i64::from(self.last_offset_delta);
        BatchSequence((last & i64::from(i32::MAX)) as i32)
    }

    /// The timestamp of a record with that delta; `None` outside the number space. Under
    /// [`TimestampType::Append`] all records have the append's.
    pub(super) fn timestamp_of(&self, delta: i64) -> Option<Timestamp> {
        match self.attributes.timestamp_type() {
            TimestampType::Append => Some(self.max_timestamp),
            TimestampType::Create => self.base_timestamp.0.checked_add(delta).map(Timestamp),
        }
    }
}

/// The size of a batch whose length field says `length`.
pub(super) fn encoded_len(length: i32) -> Result<usize, BatchError> {
    match usize::try_from(length) {
        Ok(bytes) if bytes >= HEADER_BYTES - LENGTH_OVERHEAD => Ok(bytes + LENGTH_OVERHEAD),
        _ => Err(BatchError::BadLength { length }),
    }
}

fn put(header: &mut [u8; HEADER_BYTES], at: usize, field: &[u8]) {
    header[at..at + field.len()].copy_from_slice(field);
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    *header[at..].first_chunk().expect("every field lies within the header")
}

fn u16_at(header: &[u8; HEADER_BYTES], at: usize) -> u16 {
    u16::from_be_bytes(field(header, at))
}

fn u32_at(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_be_bytes(field(header, at))
}

fn i64_at(header: &[u8; HEADER_BYTES], at: usize) -> i64 {
    i64::from_be_bytes(field(header, at))
}
