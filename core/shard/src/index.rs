//! Where the records of a partition lie: the entries of the segment that is being written, in memory; those of sealed
//! segments are in sidecars on disk and belong to [`crate::archive`].

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_machine::IndexEntry;
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, LogTime, Offset, PartitionId, SlotNumber, Timestamp};

/// The entries of one stretch of the log, by partition and offset. There are up to half a million of them, so each is kept in half
/// of what it takes by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretch {
    entries: BTreeMap<PartitionId, Vec<Kept>>,
    /// What few entries have.
    rare: BTreeMap<(PartitionId, Offset), Rare>,
    len: usize,
}

/// What every entry has.
#[derive(Clone, Copy, Debug)]
struct Kept {
    first_offset: Offset,
    log_index: LogIndex,
    max_timestamp: Timestamp,
    count: u32,
    slot: SlotNumber,
    first_position: u32,
    bytes: u32,
}

const _: () = assert!(size_of::<Kept>() <= 40);

#[derive(Clone, Debug)]
struct Rare {
    earliest_expiry: Option<LogTime>,
    parts: Vec<(LogIndex, SlotNumber)>,
}

impl Stretch {
    pub(crate) fn push(&mut self, entry: IndexEntry) {
        let IndexEntry { partition, first_offset, count, log_index, slot, first_position, bytes, .. } = entry;
        let IndexEntry { max_timestamp, earliest_expiry, parts, .. } = entry;
        let entries = self.entries.entry(partition).or_default();
        debug_assert!(entries.last().is_none_or(|last| last.first_offset < first_offset), "offsets rise");
        entries.push(Kept { first_offset, log_index, max_timestamp, count, slot, first_position, bytes });
        if earliest_expiry.is_some() || !parts.is_empty() {
            self.rare.insert((partition, first_offset), Rare { earliest_expiry, parts });
        }
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entries of `partition` from the one that holds `offset` on.
    pub(crate) fn from(&self, partition: PartitionId, offset: Offset) -> impl Iterator<Item = IndexEntry> {
        let entries = self.entries.get(&partition).map_or(&[][..], Vec::as_slice);
        let at = entries.partition_point(|entry| entry.first_offset.0 + u64::from(entry.count) <= offset.0);
        entries[at..].iter().map(move |kept| self.entry(partition, kept))
    }

    pub(crate) fn forget(&mut self, partition: PartitionId) {
        if let Some(entries) = self.entries.remove(&partition) {
            self.len -= entries.len();
            self.rare.retain(|(of, _), _| *of != partition);
        }
    }

    /// All entries, by partition and offset.
    pub(crate) fn iter(&self) -> impl Iterator<Item = IndexEntry> {
        let entries = self
            .entries
            .iter()
            .flat_map(|(partition, entries)| entries.iter().map(move |kept| (*partition, kept)));
        entries.map(|(partition, kept)| self.entry(partition, kept))
    }

    /// The same, for a thread that takes its time.
    pub(crate) fn into_entries(self: Arc<Self>) -> impl Iterator<Item = IndexEntry> + Send {
        let mut next = (PartitionId(0), 0);
        std::iter::from_fn(move || {
            loop {
                let (partition, entries) = self.entries.range(next.0..).next()?;
                if *partition != next.0 {
                    next = (*partition, 0);
                }
                if let Some(kept) = entries.get(next.1) {
                    next.1 += 1;
                    return Some(self.entry(*partition, kept));
                }
                next = (PartitionId(partition.0.checked_add(1)?), 0);
            }
        })
    }

    fn entry(&self, partition: PartitionId, kept: &Kept) -> IndexEntry {
        let Kept { first_offset, log_index, max_timestamp, count, slot, first_position, bytes } = *kept;
        let rare = if self.rare.is_empty() { None } else { self.rare.get(&(partition, first_offset)) };
        IndexEntry {
            partition,
            first_offset,
            count,
            log_index,
            slot,
            first_position,
            bytes,
            max_timestamp,
            earliest_expiry: rare.and_then(|rare| rare.earliest_expiry),
            parts: rare.map(|rare| rare.parts.clone()).unwrap_or_default(),
        }
    }
}

/// The entries in memory: of the active segment, and of sealed ones whose sidecars are not written yet.
#[derive(Default)]
pub(crate) struct Index {
    active: Stretch,
    /// Oldest first, with the index of the seal that ended each.
    frozen: Vec<(LogIndex, Arc<Stretch>)>,
}

impl Index {
    pub(crate) fn push(&mut self, entry: IndexEntry) {
        self.active.push(entry);
    }

    pub(crate) fn active_len(&self) -> usize {
        self.active.len()
    }

    /// The entries of the active segment, by partition and offset.
    pub(crate) fn active_entries(&self) -> impl Iterator<Item = IndexEntry> {
        self.active.iter()
    }

    /// Ends the active stretch at a seal.
    pub(crate) fn freeze(&mut self, seal: LogIndex) -> Arc<Stretch> {
        let stretch = Arc::new(std::mem::take(&mut self.active));
        self.frozen.push((seal, Arc::clone(&stretch)));
        stretch
    }

    /// Forgets the stretch up to `seal`, whose sidecar is durable now.
    pub(crate) fn written(&mut self, seal: LogIndex) {
        self.frozen.retain(|(index, _)| *index > seal);
    }

    pub(crate) fn forget(&mut self, partition: PartitionId) {
        // Frozen stretches are shared with a writer; the reader finds no such partition anyway.
        self.active.forget(partition);
    }

    /// Bytes from `offset` on that are known here, counted until `enough`.
    pub(crate) fn bytes_from(&self, partition: PartitionId, offset: Offset, end: Offset, enough: u64) -> u64 {
        let mut bytes = 0;
        for entry in self.from(partition, offset) {
            if entry.first_offset >= end || bytes >= enough {
                break;
            }
            bytes += u64::from(entry.bytes);
        }
        bytes
    }

    /// Whether `offset` lies in memory, so that the archive need not be asked.
    pub(crate) fn covers(&self, partition: PartitionId, offset: Offset) -> bool {
        self.from(partition, offset).next().is_some_and(|entry| entry.first_offset <= offset)
    }

    /// The entries of `partition` from the one that holds `offset` on, or from the first one in memory.
    pub(crate) fn from(&self, partition: PartitionId, offset: Offset) -> impl Iterator<Item = IndexEntry> {
        let frozen = self.frozen.iter().flat_map(move |(_, stretch)| stretch.from(partition, offset));
        frozen.chain(self.active.from(partition, offset))
    }

    /// The entries whose payloads are in parts.
    pub(crate) fn big_entries(&self) -> Vec<IndexEntry> {
        let all = self.frozen.iter().flat_map(|(_, stretch)| stretch.iter()).chain(self.active.iter());
        all.filter(|entry| entry.bytes as usize > PART_BYTES_MAX).collect()
    }

    pub(crate) fn clear(&mut self) {
        *self = Index::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: u64, first: u64, count: u32, index: u64) -> IndexEntry {
        IndexEntry {
            partition: PartitionId(partition),
            first_offset: Offset(first),
            count,
            log_index: LogIndex(index),
            slot: SlotNumber(1),
            first_position: 0,
            bytes: 100,
            max_timestamp: Timestamp(-1),
            earliest_expiry: None,
            parts: Vec::new(),
        }
    }

    #[test]
    fn an_entry_comes_back_as_it_went_in() {
        let plain = entry(1, 10, 10, 6);
        let big = IndexEntry {
            parts: vec![(LogIndex(3), SlotNumber(2)), (LogIndex(4), SlotNumber(1))],
            ..entry(1, 20, 1, 7)
        };
        let expires =
            IndexEntry { earliest_expiry: Some(LogTime(77)), first_position: 3, ..entry(9, 0, 1, 8) };
        let all = [plain.clone(), big.clone(), entry(2, 5, 1, 9), expires.clone()];
        let mut stretch = Stretch::default();
        all.iter().for_each(|entry| stretch.push(entry.clone()));
        assert_eq!(stretch.iter().collect::<Vec<_>>(), all);
        assert_eq!(stretch.from(PartitionId(1), Offset(11)).collect::<Vec<_>>(), [plain, big]);
        assert_eq!(Arc::new(stretch.clone()).into_entries().collect::<Vec<_>>(), all);
        stretch.forget(PartitionId(1));
        assert_eq!((stretch.len(), stretch.rare.len()), (2, 1));
        stretch.forget(PartitionId(2));
        assert_eq!(Arc::new(stretch).into_entries().collect::<Vec<_>>(), [expires]);
        assert_eq!(Arc::new(Stretch::default()).into_entries().count(), 0);
    }

    #[test]
    fn entries_are_found_across_frozen_and_active_stretches() {
        let mut index = Index::default();
        index.push(entry(1, 0, 10, 6));
        index.push(entry(2, 0, 1, 7));
        index.freeze(LogIndex(8));
        index.push(entry(1, 10, 5, 9));
        let firsts = |offset| {
            let found = index.from(PartitionId(1), Offset(offset));
            found.map(|entry| entry.first_offset.0).collect::<Vec<_>>()
        };
        assert_eq!(firsts(0), [0, 10]);
        assert_eq!(firsts(9), [0, 10]);
        assert_eq!(firsts(10), [10]);
        assert_eq!(firsts(15), [0u64; 0]);
        assert!(index.covers(PartitionId(1), Offset(3)));
        index.written(LogIndex(8));
        assert!(!index.covers(PartitionId(1), Offset(3)));
        assert_eq!(index.bytes_from(PartitionId(1), Offset(3), Offset(15), u64::MAX), 100);
    }
}
