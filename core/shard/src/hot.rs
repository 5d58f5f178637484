//! The hot payloads: what was applied last, still in memory, by partition and offset. Readers at the tail are served
//! from here and touch no file. Bounded by bytes; the oldest leave first.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use forebay_machine::IndexEntry;
use forebay_model::{Offset, PartitionId};

/// What one cached payload costs beside its bytes.
const OVERHEAD_BYTES: usize = 160;

/// Applied payloads, newest kept.
pub(crate) struct HotCache {
    payloads: BTreeMap<(PartitionId, Offset), (IndexEntry, Bytes)>,
    oldest: VecDeque<(PartitionId, Offset)>,
    bytes: usize,
    bytes_max: usize,
}

impl HotCache {
    pub(crate) fn new(bytes_max: usize) -> HotCache {
        HotCache { payloads: BTreeMap::new(), oldest: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(crate) fn insert(&mut self, entry: IndexEntry, payload: Bytes) {
        let key = (entry.partition, entry.first_offset);
        self.bytes += payload.len() + OVERHEAD_BYTES;
        if let Some((_, replaced)) = self.payloads.insert(key, (entry, payload)) {
            self.bytes -= replaced.len() + OVERHEAD_BYTES;
        } else {
            self.oldest.push_back(key);
        }
        while self.bytes > self.bytes_max {
            let Some(key) = self.oldest.pop_front() else { break };
            if let Some((_, payload)) = self.payloads.remove(&key) {
                self.bytes -= payload.len() + OVERHEAD_BYTES;
            }
        }
    }

    /// The payload that holds `offset`, if it is here.
    pub(crate) fn holding(&self, partition: PartitionId, offset: Offset) -> Option<(&IndexEntry, &Bytes)> {
        let (_, (entry, payload)) =
            self.payloads.range((partition, Offset(0))..=(partition, offset)).next_back()?;
        let next = entry.first_offset.0 + u64::from(entry.count);
        (offset.0 < next).then_some((entry, payload))
    }

    /// The payloads of `partition` from the one that holds `offset` on; nothing when that one is not here.
    pub(crate) fn from(
        &self,
        partition: PartitionId,
        offset: Offset,
    ) -> impl Iterator<Item = (&IndexEntry, &Bytes)> {
        let first = self.holding(partition, offset).map(|(entry, _)| entry.first_offset);
        let range =
            first.map(|first| self.payloads.range((partition, first)..=(partition, Offset(u64::MAX))));
        range.into_iter().flatten().map(|(_, (entry, payload))| (entry, payload))
    }

    /// The offset behind the last payload of `partition` here.
    pub(crate) fn end(&self, partition: PartitionId) -> Option<Offset> {
        let mut all = self.payloads.range((partition, Offset(0))..=(partition, Offset(u64::MAX)));
        all.next_back().map(|(_, (entry, _))| Offset(entry.first_offset.0 + u64::from(entry.count)))
    }

    /// Forgets everything, for a state that was replaced.
    pub(crate) fn clear(&mut self) {
        self.payloads.clear();
        self.oldest.clear();
        self.bytes = 0;
    }

    /// Bytes held, overhead included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
