//! What clients know: which batches they sent, which offsets they were told, what they read. Checkers look at it.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::{ShardId, TopicId, TopicName, TopicSettings};

/// A partition, for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its topic.
    pub topic: TopicId,
    /// Its number.
    pub number: u32,
}

/// Names one record for ever: its producer, the producer's number of the batch, its place in the batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uid(pub u64);

impl Uid {
    /// The record `record` of a batch.
    pub fn new(batch: BatchId, record: u8) -> Uid {
        Uid(u64::from(batch.producer) << 40 | u64::from(batch.number) << 8 | u64::from(record))
    }

    /// The batch it came in.
    pub fn batch(self) -> BatchId {
        BatchId { producer: (self.0 >> 40) as u16, number: (self.0 >> 8) as u32 }
    }
}

impl std::fmt::Debug for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BatchId { producer, number } = self.batch();
        write!(f, "p{producer}b{number}r{}", self.0 & 0xff)
    }
}

/// Names a batch for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId {
    /// The client that made it.
    pub producer: u16,
    /// The client's number of it; rises.
    pub number: u32,
}

impl std::fmt::Debug for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}b{}", self.producer, self.number)
    }
}

/// A batch as its producer knows it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Where it was sent.
    pub place: Place,
    /// How many records it has.
    pub count: u8,
    /// Its idempotent producer's id; `None` for a plain one.
    pub producer_id: Option<i64>,
    /// How often it was sent.
    pub attempts: u32,
    /// Attempts whose fate is not known, or which were confirmed.
    pub open: u32,
    /// Where it was confirmed.
    pub confirmed: Option<u64>,
    /// It was confirmed without its offset.
    pub confirmed_somewhere: bool,
    /// When it was made, in milliseconds of a correct wall clock.
    pub made_ms: i64,
}

/// What is known of one offset.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// The record there.
    pub uid: Uid,
    /// Whether a producer was told.
    pub confirmed: bool,
    /// Whether a reader was served it.
    pub read: bool,
}

/// What is known of one partition.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By offset.
    pub facts: BTreeMap<u64, Fact>,
    /// Where each record is.
    pub places: BTreeMap<Uid, u64>,
    /// Per idempotent producer id its records by offset.
    pub orders: BTreeMap<i64, BTreeMap<u64, Uid>>,
    /// The greatest start that was told.
    pub start: u64,
    /// The leader epoch of the newest batch read, and its offset.
    pub epochs: BTreeMap<u64, i32>,
}

/// A topic that clients work with.
#[derive(Clone, Debug)]
pub struct TopicFacts {
    /// Its name.
    pub name: TopicName,
    /// What was set on it.
    pub settings: TopicSettings,
    /// The shard of each partition.
    pub shards: Vec<ShardId>,
}

/// Everything that clients know together.
#[derive(Debug, Default)]
pub struct History {
    /// Topics that exist for good.
    pub topics: BTreeMap<TopicId, TopicFacts>,
    /// Batches.
    pub sent: BTreeMap<BatchId, Sent>,
    /// Partitions.
    pub known: BTreeMap<Place, Known>,
}

impl History {
    /// Every partition of every lasting topic.
    pub fn places(&self) -> Vec<Place> {
        let of = |(topic, facts): (&TopicId, &TopicFacts)| {
            let topic = *topic;
            (0..facts.shards.len() as u32).map(move |number| Place { topic, number })
        };
        self.topics.iter().flat_map(of).collect()
    }

    /// Whether nothing of a partition is ever deleted.
    pub fn keeps_everything(&self, place: Place) -> bool {
        let settings = self.topics.get(&place.topic).map(|topic| &topic.settings);
        settings.is_some_and(|settings| {
            settings.retention_ms.flatten().is_none() && settings.retention_bytes.flatten().is_none()
        })
    }

    /// Whether a partition certainly keeps what is so old, in milliseconds.
    pub fn keeps(&self, place: Place, age_ms: i64) -> bool {
        let settings = self.topics.get(&place.topic).map(|topic| &topic.settings);
        settings.is_some_and(|settings| {
            let young = settings.retention_ms.flatten().is_none_or(|kept_ms| age_ms < kept_ms as i64 / 2);
            young && settings.retention_bytes.flatten().is_none()
        })
    }

    /// What is known of a partition.
    pub fn known(&mut self, place: Place) -> &mut Known {
        self.known.entry(place).or_default()
    }

    /// A batch that was sent.
    pub fn sent(&mut self, batch: BatchId) -> &mut Sent {
        self.sent.get_mut(&batch).expect("a producer speaks of batches that it made")
    }
}

/// The value of a record: its name, then bytes that follow from it.
pub fn value_of(uid: Uid, len: usize) -> Bytes {
    let mut value = uid.0.to_be_bytes().to_vec();
    let seed = uid.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    value.extend(seed.iter().cycle().take(len));
    value.into()
}

/// The record that a value belongs to; `None` when the value is not as it was made.
pub fn uid_of(value: &[u8]) -> Option<Uid> {
    let uid = Uid(u64::from_be_bytes(*value.first_chunk::<8>()?));
    (value_of(uid, value.len() - 8) == value).then_some(uid)
}
