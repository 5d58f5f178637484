//! What the broker itself reads of a message, whoever sent it.

use std::num::{NonZeroU8, NonZeroU64};

use forebay_model::{LogTime, Timestamp};

/// Size of an envelope in bytes.
pub const ENVELOPE_BYTES: usize = 64;

const PROPERTIES_LEN_AT: usize = 40;
const ORIGIN_AT: usize = 44;
const DELIVERY_AT: usize = 45;
const PRIORITY_AT: usize = 46;
const FLAGS_AT: usize = 47;
const RESERVED_AT: usize = 48;

const NO_BODY: u8 = 1;
/// As stored; sorts behind every time.
pub(super) const NO_EXPIRY: i64 = i64::MAX;
/// As stored; sorts before every time.
pub(super) const AT_ONCE: i64 = 0;

/// Whose encoding a message's properties are in. The numbers are stored; their list is in docs/formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(pub NonZeroU8);

impl Origin {
    /// A record of a record batch.
    pub const RECORD: Origin = Origin(NonZeroU8::MIN);
}

/// What may become of a message in a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeliveryMode {
    /// Its publisher does not mind losing it.
    Transient,
    /// It is kept as its queue's durability says.
    #[default]
    Durable,
}

/// The fixed part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The publisher's word; -1 for none.
    pub timestamp: Timestamp,
    /// From when on it counts as expired; below `i64::MAX`.
    pub expiry: Option<LogTime>,
    /// Before when it is not delivered; above 0.
    pub deliver_at: Option<LogTime>,
    /// Messages that are equal here are delivered in order; see [`ordering_key_hash`].
    pub ordering_key: Option<NonZeroU64>,
    /// What tag filters compare; the origin's own hash.
    pub tag: Option<NonZeroU64>,
    /// Who encoded the properties.
    pub origin: Origin,
    /// Whether it may be lost.
    pub delivery: DeliveryMode,
    /// Higher is sooner, on the origin's scale.
    pub priority: u8,
}

/// An envelope with what only the layout needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) envelope: Envelope,
    pub(super) properties_len: u32,
    pub(super) has_body: bool,
}

impl Envelope {
    /// A durable message of `origin` with nothing else said about it.
    pub fn new(origin: Origin, timestamp: Timestamp) -> Envelope {
        Envelope {
            timestamp,
            expiry: None,
            deliver_at: None,
            ordering_key: None,
            tag: None,
            origin,
            delivery: DeliveryMode::Durable,
            priority: 0,
        }
    }

    pub(super) fn stored_expiry(&self) -> i64 {
        self.expiry.map_or(NO_EXPIRY, |time| time.0)
    }

    pub(super) fn stored_deliver_at(&self) -> i64 {
        self.deliver_at.map_or(AT_ONCE, |time| time.0)
    }
}

impl Stored {
    pub(super) fn encode(&self) -> [u8; ENVELOPE_BYTES] {
        let e = &self.envelope;
        let hash = |hash: Option<NonZeroU64>| hash.map_or(0, NonZeroU64::get);
        let mut out = [0; ENVELOPE_BYTES];
        put(&mut out, 0, &e.timestamp.0.to_le_bytes());
        put(&mut out, 8, &e.stored_expiry().to_le_bytes());
        put(&mut out, 16, &e.stored_deliver_at().to_le_bytes());
        put(&mut out, 24, &hash(e.ordering_key).to_le_bytes());
        put(&mut out, 32, &hash(e.tag).to_le_bytes());
        put(&mut out, PROPERTIES_LEN_AT, &self.properties_len.to_le_bytes());
        out[ORIGIN_AT] = e.origin.0.get();
        out[DELIVERY_AT] = match e.delivery {
            DeliveryMode::Transient => 0,
            DeliveryMode::Durable => 1,
        };
        out[PRIORITY_AT] = e.priority;
        out[FLAGS_AT] = if self.has_body { 0 } else { NO_BODY };
        out
    }

    /// `None` where a field holds what no version-1 writer writes.
    pub(super) fn decode(bytes: &[u8; ENVELOPE_BYTES]) -> Option<Stored> {
        let long = |at: usize| i64::from_le_bytes(field(bytes, at));
        let hash = |at: usize| NonZeroU64::new(u64::from_le_bytes(field(bytes, at)));
        if bytes[RESERVED_AT..].iter().any(|&b| b != 0) || bytes[FLAGS_AT] & !NO_BODY != 0 {
            return None;
        }
        let (timestamp, expiry, deliver_at) = (long(0), long(8), long(16));
        if timestamp < -1 || deliver_at < AT_ONCE {
            return None;
        }
        let envelope = Envelope {
            timestamp: Timestamp(timestamp),
            expiry: (expiry != NO_EXPIRY).then_some(LogTime(expiry)),
            deliver_at: (deliver_at != AT_ONCE).then_some(LogTime(deliver_at)),
            ordering_key: hash(24),
            tag: hash(32),
            origin: Origin(NonZeroU8::new(bytes[ORIGIN_AT])?),
            delivery: match bytes[DELIVERY_AT] {
                0 => DeliveryMode::Transient,
                1 => DeliveryMode::Durable,
                _ => return None,
            },
            priority: bytes[PRIORITY_AT],
        };
        Some(Stored {
            envelope,
            properties_len: u32::from_le_bytes(field(bytes, PROPERTIES_LEN_AT)),
            has_body: bytes[FLAGS_AT] & NO_BODY == 0,
        })
    }
}

/// The hash of an ordering key, the same for every protocol, so that messages of two of them share an order.
pub fn ordering_key_hash(key: &[u8]) -> NonZeroU64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = key.iter().fold(BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN)
}

fn put(out: &mut [u8; ENVELOPE_BYTES], at: usize, field: &[u8]) {
    out[at..at + field.len()].copy_from_slice(field);
}

fn field<const N: usize>(bytes: &[u8; ENVELOPE_BYTES], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("every field lies within the envelope")
}
