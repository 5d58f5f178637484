//! What of the partitions of this shard belongs to transactions: where open ones begin, which decides how far a reader of completed
//! transactions may go, and where aborted ones lie, which such a reader passes over.

use std::collections::BTreeSet;

use forebay_model::{Offset, PartitionId, ProducerId, Refusal};

use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::TRANSACTION_RANGES_PER_SHARD_MAX;
use crate::producers::ProducerKey;
use crate::table::{Stored, Table, TableLimit};

/// Records of an aborted transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedRange {
    /// Whose.
    pub producer: ProducerId,
    /// Its first record.
    pub first: Offset,
    /// The mark that ends it.
    pub last: Offset,
    /// How far completed transactions reached when this one had ended: every other that begins before has ended before this one.
    pub stable: Offset,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Unstable {
    /// The first offset of what each producer has open in each partition.
    open: Table<ProducerKey, Offset>,
    /// The same, by partition and offset.
    by_offset: BTreeSet<(PartitionId, Offset, ProducerId)>,
    /// By their marks.
    aborted: Table<(PartitionId, Offset), Aborted>,
}

/// See [`AbortedRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aborted {
    producer: ProducerId,
    first: Offset,
    stable: Offset,
}

/// What is open and what was aborted together; each table by itself can hold as much.
const LIMIT: TableLimit = TableLimit {
    name: "TRANSACTION_RANGES_PER_SHARD_MAX",
    entries: TRANSACTION_RANGES_PER_SHARD_MAX,
    bytes: TRANSACTION_RANGES_PER_SHARD_MAX * 128,
};

impl Default for Unstable {
    fn default() -> Unstable {
        Unstable { open: Table::new(LIMIT), by_offset: BTreeSet::new(), aborted: Table::new(LIMIT) }
    }
}

impl Unstable {
    /// Where the oldest open transaction of a partition begins.
    pub fn first_open(&self, partition: PartitionId) -> Option<Offset> {
        let from = (partition, Offset(0), ProducerId(i64::MIN));
        let (found, first, _) = self.by_offset.range(from..).next()?;
        (*found == partition).then_some(*first)
    }

    /// Where what this producer has open in a partition begins.
    pub fn open_of(&self, partition: PartitionId, producer: ProducerId) -> Option<Offset> {
        self.open.get(&(partition, producer)).copied()
    }

    /// The aborted transactions of a partition whose marks lie at `from` or behind, by rising mark.
    pub fn aborted_from(
        &self,
        partition: PartitionId,
        from: Offset,
    ) -> impl Iterator<Item = AbortedRange> + '_ {
        let range = self.aborted.range((partition, from)..=(partition, Offset(u64::MAX)));
        range.map(|((_, last), aborted)| {
            let Aborted { producer, first, stable } = *aborted;
            AbortedRange { producer, first, last: *last, stable }
        })
    }

    /// How many ranges are kept.
    pub fn len(&self) -> usize {
        self.open.len() + self.aborted.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a producer may begin to write to a partition: the end of its transaction must find room.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        if self.len() >= TRANSACTION_RANGES_PER_SHARD_MAX {
            return Err(Refusal::LimitReached { limit: LIMIT.name });
        }
        Ok(())
    }

    /// Notes the first record of a transaction in a partition; [`Unstable::check_room`] was asked.
    pub(crate) fn begin(&mut self, partition: PartitionId, producer: ProducerId, first: Offset) {
        if self.open_of(partition, producer).is_none() {
            self.open.insert((partition, producer), first).expect("room was asked for");
            self.by_offset.insert((partition, first, producer));
        }
    }

    /// What was open is not any more; where it began.
    pub(crate) fn close(&mut self, partition: PartitionId, producer: ProducerId) -> Option<Offset> {
        let first = self.open.remove(&(partition, producer))?;
        self.by_offset.remove(&(partition, first, producer));
        Some(first)
    }

    /// Notes an aborted range of something that was closed just now.
    pub(crate) fn abort(&mut self, partition: PartitionId, range: AbortedRange) {
        let AbortedRange { producer, first, last, stable } = range;
        let aborted = Aborted { producer, first, stable };
        self.aborted.insert((partition, last), aborted).expect("it was open, and has the room of that");
    }

    /// Forgets what lies wholly before the start of a partition.
    pub(crate) fn trim(&mut self, partition: PartitionId, start: Offset) {
        let before = self.aborted.range((partition, Offset(0))..(partition, start));
        let gone: Vec<(PartitionId, Offset)> = before.map(|(key, _)| *key).collect();
        for key in gone {
            self.aborted.remove(&key);
        }
    }

    /// Forgets a partition.
    pub(crate) fn forget(&mut self, partition: PartitionId) {
        self.trim(partition, Offset(u64::MAX));
        let keys = (partition, ProducerId(i64::MIN))..=(partition, ProducerId(i64::MAX));
        let open: Vec<ProducerKey> = self.open.range(keys).map(|(key, _)| *key).collect();
        for (partition, producer) in open {
            self.close(partition, producer);
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.open.encode(out);
        self.aborted.encode(out);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Unstable, DecodeError> {
        let open = Table::<ProducerKey, Offset>::decode(LIMIT, input)?;
        let aborted = Table::<(PartitionId, Offset), Aborted>::decode(LIMIT, input)?;
        let by_offset: BTreeSet<_> =
            open.iter().map(|((partition, producer), first)| (*partition, *first, *producer)).collect();
        if open.len() + aborted.len() > TRANSACTION_RANGES_PER_SHARD_MAX {
            return Err(DecodeError::Invalid(LIMIT.name));
        }
        Ok(Unstable { open, by_offset, aborted })
    }
}

impl Stored for Offset {
    fn bytes(&self) -> usize {
        // Itself and its place by offset.
        56
    }

    fn encode(&self, out: &mut Writer) {
        out.uint(self.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Offset, DecodeError> {
        Ok(Offset(input.uint("an offset")?))
    }
}

impl Stored for (PartitionId, Offset) {
    fn bytes(&self) -> usize {
        16
    }

    fn encode(&self, out: &mut Writer) {
        out.uint(self.0.0);
        out.uint(self.1.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<(PartitionId, Offset), DecodeError> {
        Ok((PartitionId(input.uint("a partition")?), Offset(input.uint("an offset")?)))
    }
}

impl Stored for Aborted {
    fn bytes(&self) -> usize {
        56
    }

    fn encode(&self, out: &mut Writer) {
        out.int(self.producer.0);
        out.uint(self.first.0);
        out.uint(self.stable.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Aborted, DecodeError> {
        Ok(Aborted {
            producer: ProducerId(input.int("a producer's id")?),
            first: Offset(input.uint("an offset")?),
            stable: Offset(input.uint("an offset")?),
        })
    }
}
