//! Cursors that open transactions are about to set. They become committed offsets when their transaction commits, and count among
//! those for the limits of a group from the beginning, so that no commit can be refused.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::{GroupId, ProducerId, Refusal};

use crate::SavedOffset;
use crate::codec::{DecodeError, Reader, Writer};
use crate::command::{decode, encode};
use crate::groups::OffsetKey;
use crate::limits::{OFFSET_METADATA_BYTES_MAX, PENDING_CURSORS_BYTES_MAX, PENDING_CURSORS_PER_SHARD_MAX};
use crate::table::{Stored, Table, TableLimit};

/// Whose cursor, and which. One transaction's cursors of one group lie together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PendingKey {
    producer: ProducerId,
    cursor: OffsetKey,
}

/// All of a shard.
#[derive(Clone, Debug)]
pub(crate) struct PendingCursors {
    table: Table<PendingKey, SavedOffset>,
    by_cursor: BTreeSet<(OffsetKey, ProducerId)>,
    /// How many each group has; none is zero.
    counts: BTreeMap<GroupId, usize>,
}

const LIMIT: TableLimit = TableLimit {
    name: "PENDING_CURSORS_PER_SHARD_MAX",
    entries: PENDING_CURSORS_PER_SHARD_MAX,
    bytes: PENDING_CURSORS_BYTES_MAX,
};

impl Default for PendingCursors {
    fn default() -> PendingCursors {
        PendingCursors { table: Table::new(LIMIT), by_cursor: BTreeSet::new(), counts: BTreeMap::new() }
    }
}

impl PendingCursors {
    /// How many a group has.
    pub(crate) fn of_group(&self, group: &GroupId) -> usize {
        self.counts.get(group).copied().unwrap_or(0)
    }

    /// Whether some transaction is about to set this cursor.
    pub(crate) fn holds(&self, cursor: &OffsetKey) -> bool {
        let from = (cursor.clone(), ProducerId(i64::MIN));
        self.by_cursor.range(from..).next().is_some_and(|(found, _)| found == cursor)
    }

    /// Entries, and bytes that they may take as committed offsets.
    pub(crate) fn reserved(&self) -> (usize, usize) {
        (self.table.len(), self.table.bytes())
    }

    /// Notes a cursor; a later one of the same transaction replaces it.
    pub(crate) fn set(
        &mut self,
        producer: ProducerId,
        group: &GroupId,
        saved: SavedOffset,
    ) -> Result<(), Refusal> {
        if saved.metadata.len() > OFFSET_METADATA_BYTES_MAX {
            return Err(Refusal::OffsetMetadataTooLarge);
        }
        let cursor = OffsetKey { group: group.clone(), topic: saved.topic, number: saved.number };
        let key = PendingKey { producer, cursor: cursor.clone() };
        if self.table.insert(key, saved)?.is_none() {
            self.by_cursor.insert((cursor, producer));
            *self.counts.entry(group.clone()).or_default() += 1;
        }
        Ok(())
    }

    /// Takes out what a transaction was about to set in a group.
    pub(crate) fn take(&mut self, producer: ProducerId, group: &GroupId) -> Vec<SavedOffset> {
        let keys = crate::groups::keys_of(group);
        let key = |cursor: &OffsetKey| PendingKey { producer, cursor: cursor.clone() };
        let range = self.table.range(key(keys.start())..=key(keys.end()));
        let found: Vec<PendingKey> = range.map(|(key, _)| key.clone()).collect();
        found.into_iter().filter_map(|key| self.remove(&key)).collect()
    }

    /// Forgets the cursors into topics that are gone.
    pub(crate) fn forget_topics(&mut self, gone: impl Fn(&OffsetKey) -> bool) {
        let found: Vec<PendingKey> =
            self.table.iter().filter(|(key, _)| gone(&key.cursor)).map(|(key, _)| key.clone()).collect();
        for key in found {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &PendingKey) -> Option<SavedOffset> {
        let saved = self.table.remove(key)?;
        self.by_cursor.remove(&(key.cursor.clone(), key.producer));
        if let Some(count) = self.counts.get_mut(&key.cursor.group) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key.cursor.group);
            }
        }
        Some(saved)
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.table.encode(out);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<PendingCursors, DecodeError> {
        let table = Table::<PendingKey, SavedOffset>::decode(LIMIT, input)?;
        let mut pending = PendingCursors::default();
        for (key, saved) in table.iter() {
            let same = (saved.topic, saved.number) == (key.cursor.topic, key.cursor.number);
            let set = pending.set(key.producer, &key.cursor.group, saved.clone());
            if !same || set.is_err() {
                return Err(DecodeError::Invalid("a pending cursor"));
            }
        }
        Ok(pending)
    }
}

impl Stored for PendingKey {
    fn bytes(&self) -> usize {
        // Its place by cursor, with the text again, and the group's count.
        16 + 2 * self.cursor.bytes() + 64
    }

    fn encode(&self, out: &mut Writer) {
        out.int(self.producer.0);
        self.cursor.encode(out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<PendingKey, DecodeError> {
        Ok(PendingKey {
            producer: ProducerId(input.int("a producer's id")?),
            cursor: OffsetKey::decode(input)?,
        })
    }
}

impl Stored for SavedOffset {
    fn bytes(&self) -> usize {
        96 + self.metadata.len()
    }

    fn encode(&self, out: &mut Writer) {
        encode::saved_offset(self, out);
    }

    fn decode(input: &mut Reader<'_>) -> Result<SavedOffset, DecodeError> {
        decode::saved_offset(input)
    }
}
