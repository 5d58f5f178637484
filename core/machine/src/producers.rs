//! Idempotent producers: what each wrote last to each partition of this shard.
//!
//! The rules are Kafka's, with one addition. Kafka answers a batch from before the last five with "out of order"; here a batch
//! that lies wholly within what this state has seen stored is [`Refusal::DuplicateSequence`], which clients take as
//! success without an offset. A batch that cannot be proved stored is out of order.

use std::collections::BTreeMap;

use forebay_model::{
    BatchSequence, LogTime, Offset, PartitionId, ProducerEpoch, ProducerId, Refusal, Timestamp,
};

use crate::ProducerStamp;
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::{
    BATCHES_PER_PRODUCER_MAX, PRODUCERS_BYTES_MAX, PRODUCERS_EXPIRED_PER_COMMAND_MAX, PRODUCERS_PER_SHARD_MAX,
};
use crate::table::{Stored, Table, TableLimit};

/// Sequences count modulo this: `i32::MAX` is followed by 0.
const SEQUENCES: u64 = 1 << 31;

/// One producer at one partition.
pub type ProducerKey = (PartitionId, ProducerId);

/// What is known of one producer at one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The newest instance seen.
    pub epoch: ProducerEpoch,
    /// Its last batches, oldest first; never empty.
    pub batches: Vec<StoredBatch>,
    /// Consecutive sequences stored in this epoch since this state began: what lies that far back is stored.
    pub known: u64,
    /// Log time of its last batch.
    pub seen_at: LogTime,
    /// Orders producers by when they were last heard.
    touch: u64,
}

/// A batch that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The sequence of its first message.
    pub base_sequence: BatchSequence,
    /// Messages in it.
    pub count: u32,
    /// The offset of its first message.
    pub base_offset: Offset,
    /// The time of the append, where the topic uses it.
    pub append_time: Option<Timestamp>,
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is the next one.
    Fresh,
    /// It was stored before.
    Duplicate(StoredBatch),
    /// It cannot be taken.
    Refused(Refusal),
}

impl Producer {
    /// The sequence that comes next.
    pub fn next_sequence(&self) -> BatchSequence {
        let last = self.batches.last().expect("state begins with a stored batch");
        sequence_after(last.base_sequence, last.count)
    }

    /// The sequence of its last message.
    pub fn last_sequence(&self) -> BatchSequence {
        let last = self.batches.last().expect("state begins with a stored batch");
        sequence_after(last.base_sequence, last.count - 1)
    }

    fn judge(&self, stamp: &ProducerStamp, count: u32) -> Judgement {
        if stamp.epoch < self.epoch {
            return Judgement::Refused(Refusal::ProducerFenced);
        }
        if stamp.epoch > self.epoch {
            return match stamp.base_sequence {
                BatchSequence(0) => Judgement::Fresh,
                _ => Judgement::Refused(Refusal::OutOfOrderSequence),
            };
        }
        let same = |b: &&StoredBatch| b.base_sequence == stamp.base_sequence && b.count == count;
        if let Some(batch) = self.batches.iter().find(same) {
            return Judgement::Duplicate(*batch);
        }
        let back = sequences_back(self.next_sequence(), stamp.base_sequence);
        if back == 0 {
            Judgement::Fresh
        } else if back <= self.known && u64::from(count) <= back {
            Judgement::Refused(Refusal::DuplicateSequence)
        } else {
            Judgement::Refused(Refusal::OutOfOrderSequence)
        }
    }

    fn first(batch: StoredBatch, epoch: ProducerEpoch, now: LogTime, touch: u64) -> Producer {
        let batches = Vec::with_capacity(BATCHES_PER_PRODUCER_MAX);
        let mut producer = Producer { epoch, batches, known: 0, seen_at: now, touch };
        producer.remember(batch, epoch);
        producer
    }

    fn forget(&mut self) {
        self.batches.clear();
        self.known = 0;
    }

    fn remember(&mut self, batch: StoredBatch, epoch: ProducerEpoch) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.forget();
        }
        if self.batches.len() == BATCHES_PER_PRODUCER_MAX {
            self.batches.remove(0);
        }
        self.batches.push(batch);
        // Half the number space: farther back, the past cannot be told from the future.
        self.known = self.known.saturating_add(batch.count.into()).min(SEQUENCES / 2);
    }
}

/// The sequence `count` behind `base`.
fn sequence_after(base: BatchSequence, count: u32) -> BatchSequence {
    let next = (base.0 as u64 + u64::from(count)) % SEQUENCES;
    BatchSequence(next as i32)
}

/// How many sequences `base` lies before `next`.
fn sequences_back(next: BatchSequence, base: BatchSequence) -> u64 {
    (next.0 as u64 + SEQUENCES - base.0 as u64) % SEQUENCES
}

/// All producers of a shard.
#[derive(Clone, Debug)]
pub struct Producers {
    table: Table<ProducerKey, Producer>,
    /// From the one silent longest to the one heard last. Log time rises in the same order.
    by_touch: BTreeMap<u64, ProducerKey>,
    next_touch: u64,
}

const LIMIT: TableLimit = TableLimit {
    name: "PRODUCERS_PER_SHARD_MAX",
    entries: PRODUCERS_PER_SHARD_MAX,
    bytes: PRODUCERS_BYTES_MAX,
};

impl Default for Producers {
    fn default() -> Producers {
        Producers::with_limit(LIMIT)
    }
}

impl Producers {
    fn with_limit(limit: TableLimit) -> Producers {
        Producers { table: Table::new(limit), by_touch: BTreeMap::new(), next_touch: 0 }
    }

    /// What is known of one producer at one partition.
    pub fn get(&self, partition: PartitionId, producer: ProducerId) -> Option<&Producer> {
        self.table.get(&(partition, producer))
    }

    /// Every producer of a partition, by rising id.
    pub fn of(&self, partition: PartitionId) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.table.range(range_of(partition)).map(|((_, id), producer)| (*id, producer))
    }

    /// How many are known, counted once per partition.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The keys that a batch of commands names and that must be loaded first: see [`Table::prefetch`].
    pub fn prefetch<'k>(&self, keys: impl IntoIterator<Item = &'k ProducerKey>) -> Vec<ProducerKey> {
        self.table.prefetch(keys)
    }

    /// Judges a batch of a producer; a producer that is not known, or not any more, may begin anywhere.
    pub(crate) fn judge(
        &self,
        partition: PartitionId,
        stamp: &ProducerStamp,
        count: u32,
        oldest: LogTime,
    ) -> Judgement {
        if stamp.id.0 < 0 || stamp.epoch.0 < 0 || stamp.base_sequence.0 < 0 {
            let text = "a producer's id, epoch and sequence cannot be negative";
            return Judgement::Refused(Refusal::InvalidPayload(text.into()));
        }
        match self.get(partition, stamp.id) {
            Some(producer) if producer.seen_at > oldest => producer.judge(stamp, count),
            _ => Judgement::Fresh,
        }
    }

    /// Takes in a batch that was judged fresh.
    pub(crate) fn remember(
        &mut self,
        partition: PartitionId,
        stamp: &ProducerStamp,
        batch: StoredBatch,
        now: LogTime,
        oldest: LogTime,
    ) {
        let key = (partition, stamp.id);
        let touch = self.next_touch;
        self.next_touch += 1;
        let touched_before = self.table.update(&key, |producer| {
            if producer.seen_at <= oldest {
                producer.forget();
            }
            producer.remember(batch, stamp.epoch);
            producer.seen_at = now;
            std::mem::replace(&mut producer.touch, touch)
        });
        match touched_before {
            Some(before) => {
                self.by_touch.remove(&before);
            }
            None => self.add(key, Producer::first(batch, stamp.epoch, now, touch)),
        }
        self.by_touch.insert(touch, key);
    }

    /// Adds a producer; the ones silent longest make room.
    fn add(&mut self, key: ProducerKey, producer: Producer) {
        while !self.table.has_room(key.bytes() + producer.bytes()) {
            self.forget_oldest();
        }
        self.table.insert(key, producer).expect("room was made for it");
    }

    /// Forgets producers last heard at `oldest` or before; a bounded number, the next command goes on.
    pub(crate) fn expire(&mut self, oldest: LogTime) {
        for _ in 0..PRODUCERS_EXPIRED_PER_COMMAND_MAX {
            match self.by_touch.first_key_value() {
                Some((_, key)) if self.table.get(key).is_some_and(|p| p.seen_at <= oldest) => {
                    self.forget_oldest();
                }
                _ => return,
            }
        }
    }

    /// Forgets all producers of a partition.
    pub(crate) fn forget(&mut self, partition: PartitionId) {
        let keys: Vec<ProducerKey> = self.table.range(range_of(partition)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(producer) = self.table.remove(&key) {
                self.by_touch.remove(&producer.touch);
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.by_touch.pop_first() {
            self.table.remove(&key);
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.uint(self.next_touch);
        self.table.encode(out);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Producers, DecodeError> {
        let next_touch = input.uint("the producers' order")?;
        let table = Table::<ProducerKey, Producer>::decode(LIMIT, input)?;
        let by_touch: BTreeMap<u64, ProducerKey> = table.iter().map(|(key, p)| (p.touch, *key)).collect();
        let last = by_touch.last_key_value().map(|(touch, _)| *touch);
        if by_touch.len() != table.len() || last.is_some_and(|last| last >= next_touch) {
            return Err(DecodeError::Invalid("the producers' order"));
        }
        Ok(Producers { table, by_touch, next_touch })
    }
}

fn range_of(partition: PartitionId) -> std::ops::RangeInclusive<ProducerKey> {
    (partition, ProducerId(i64::MIN))..=(partition, ProducerId(i64::MAX))
}

impl Stored for ProducerKey {
    fn bytes(&self) -> usize {
        16
    }

    fn encode(&self, out: &mut Writer) {
        out.uint(self.0.0);
        out.int(self.1.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<ProducerKey, DecodeError> {
        Ok((PartitionId(input.uint("a partition")?), ProducerId(input.int("a producer's id")?)))
    }
}

impl Stored for Producer {
    /// About what it takes with its place in the order. A constant, because the batches have their room from the
    /// beginning and because every replica has to count alike.
    fn bytes(&self) -> usize {
        304
    }

    fn encode(&self, out: &mut Writer) {
        out.int(self.epoch.0.into());
        out.uint(self.known);
        out.int(self.seen_at.0);
        out.uint(self.touch);
        out.list(self.batches.iter(), |out, batch| {
            out.int(batch.base_sequence.0.into());
            out.uint(batch.count);
            out.uint(batch.base_offset.0);
            out.option(batch.append_time, |out, time| out.int(time.0));
        });
    }

    fn decode(input: &mut Reader<'_>) -> Result<Producer, DecodeError> {
        let epoch = i16::try_from(input.int("a producer's epoch")?)
            .map_err(|_| DecodeError::Invalid("a producer's epoch"))?;
        let mut producer = Producer {
            epoch: ProducerEpoch(epoch),
            batches: Vec::with_capacity(BATCHES_PER_PRODUCER_MAX),
            known: input.uint("a producer's sequences")?,
            seen_at: LogTime(input.int("a producer's time")?),
            touch: input.uint("a producer's place")?,
        };
        producer.batches.extend(input.list("a producer's batches", stored_batch)?);
        if producer.batches.is_empty() || producer.batches.len() > BATCHES_PER_PRODUCER_MAX {
            return Err(DecodeError::Invalid("a producer's batches"));
        }
        Ok(producer)
    }
}

fn stored_batch(input: &mut Reader<'_>) -> Result<StoredBatch, DecodeError> {
    let sequence = i32::try_from(input.int("a sequence")?).ok().filter(|sequence| *sequence >= 0);
    Ok(StoredBatch {
        base_sequence: BatchSequence(sequence.ok_or(DecodeError::Invalid("a sequence"))?),
        count: input.narrow("a count of messages")?,
        base_offset: Offset(input.uint("an offset")?),
        append_time: input.option("a timestamp", |input| Ok(Timestamp(input.int("a timestamp")?)))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: LogTime = LogTime(i64::MIN);

    fn write(producers: &mut Producers, id: i64, sequence: i32, now: i64) {
        let partition = PartitionId(1);
        let base_sequence = BatchSequence(sequence);
        let stamp = ProducerStamp { id: ProducerId(id), epoch: ProducerEpoch(0), base_sequence };
        let batch = StoredBatch { base_sequence, count: 1, base_offset: Offset(0), append_time: None };
        assert_eq!(producers.judge(partition, &stamp, 1, NEVER), Judgement::Fresh);
        producers.remember(partition, &stamp, batch, LogTime(now), NEVER);
    }

    #[test]
    fn the_producer_silent_longest_makes_room() {
        let mut producers = Producers::with_limit(TableLimit { entries: 3, ..LIMIT });
        for id in 0..3 {
            write(&mut producers, id, 0, 0);
        }
        write(&mut producers, 0, 1, 0);
        write(&mut producers, 9, 0, 0);
        let left: Vec<i64> = producers.of(PartitionId(1)).map(|(id, _)| id.0).collect();
        assert_eq!(left, [0, 2, 9]);
        assert_eq!(producers.by_touch.len(), 3);
    }

    #[test]
    fn many_that_expire_at_once_go_in_steps_and_are_forgotten_at_once() {
        let mut producers = Producers::default();
        let many = PRODUCERS_EXPIRED_PER_COMMAND_MAX as i64 + 5;
        for id in 0..many {
            write(&mut producers, id, 0, 10);
        }
        producers.expire(LogTime(9));
        assert_eq!(producers.len(), many as usize);
        producers.expire(LogTime(10));
        assert_eq!(producers.len(), 5);
        // The five that are still there are not believed any more.
        let base_sequence = BatchSequence(70);
        let stamp = ProducerStamp { id: ProducerId(many - 1), epoch: ProducerEpoch(0), base_sequence };
        assert_eq!(producers.judge(PartitionId(1), &stamp, 1, LogTime(10)), Judgement::Fresh);
        let refused = Judgement::Refused(Refusal::OutOfOrderSequence);
        assert_eq!(producers.judge(PartitionId(1), &stamp, 1, LogTime(9)), refused);
    }
}
