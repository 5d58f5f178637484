//! A partition on the shard that writes it.

use forebay_model::fetch::EpochEnd;
use forebay_model::{LeaderEpoch, LogIndex, Offset, PartitionId, Refusal, ShardId, Term, Timestamp, TopicId};

use crate::limits::{EPOCHS_PER_PARTITION_MAX, LEADER_EPOCH_MAX, OFFSET_MAX};
use crate::{CleanMarks, CompactedPartition, Meta, OpenPartition, PartitionSettings};

/// The replicated state of one partition. Its size does not depend on how many records it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The catalogue's never-reused id.
    pub id: PartitionId,
    /// Its topic.
    pub topic: TopicId,
    /// Its number within the topic.
    pub number: u32,
    /// What applies to it.
    pub settings: PartitionSettings,
    /// The catalogue that the settings come from.
    pub catalogue_version: u64,
    /// Where its offsets lie, oldest first; only the last is written. Never empty.
    pub extents: Vec<Extent>,
    /// The first readable offset.
    pub start: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// The first offset of each epoch that has records, oldest first.
    pub epochs: Vec<EpochStart>,
    /// About how many bytes its payloads between start and end take: exact but for what trims and compaction estimate.
    pub bytes: u64,
    /// The greatest timestamp in it and the first offset of the payload that has it; `None` when there is none, or
    /// when that payload was trimmed: the index knows.
    pub newest: Option<(Timestamp, Offset)>,
    /// Where its oldest open transaction begins.
    pub first_open: Option<Offset>,
    /// Where it is compacted, since when its tombstones have nothing left to hide.
    pub clean: CleanMarks,
    /// It is a queue's, or is compacted or has been: payloads may be shorter than an index entry read before says, or gone.
    pub has_gaps: bool,
    /// The import that alone may append while it is under way, if there ever was one.
    pub import: Option<Import>,
}

/// An import: the records of a partition of another log are taken over at their offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Where they come from, in the importer's own words.
    pub source: String,
    /// Whether it is over. Another one never begins.
    pub has_ended: bool,
}

/// A range of offsets that was written on one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first offset.
    pub first_offset: Offset,
    /// Which shard.
    pub shard: ShardId,
    /// The entry of that shard which opened it.
    pub first_index: LogIndex,
    /// The leader epoch at opening...
    pub base_epoch: LeaderEpoch,
    /// ...in this term.
    pub opened_in: Term,
}

/// Where the records of an epoch begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset of its first record that is known.
    pub start: Offset,
}

impl Partition {
    pub(crate) fn open(open: &OpenPartition, shard: ShardId, meta: &Meta) -> Partition {
        let extent = Extent {
            first_offset: Offset(0),
            shard,
            first_index: meta.index,
            base_epoch: open.base_epoch,
            opened_in: meta.term,
        };
        Partition {
            id: open.partition,
            topic: open.topic,
            number: open.number,
            settings: open.settings,
            catalogue_version: open.catalogue_version,
            extents: vec![extent],
            start: Offset(0),
            end: Offset(0),
            epochs: Vec::new(),
            bytes: 0,
            newest: None,
            first_open: None,
            clean: CleanMarks::default(),
            has_gaps: may_lose_some(&open.settings),
            import: None,
        }
    }

    /// The extent that is written.
    pub fn extent(&self) -> &Extent {
        self.extents.last().expect("a partition is opened with an extent and never loses its last")
    }

    /// The leader epoch in a term of this shard. Never falls, because terms never do.
    pub fn leader_epoch(&self, term: Term) -> LeaderEpoch {
        let extent = self.extent();
        let raised = term.0.saturating_sub(extent.opened_in.0).min(LEADER_EPOCH_MAX.into()) as u32;
        LeaderEpoch(extent.base_epoch.0.saturating_add(raised).min(LEADER_EPOCH_MAX))
    }

    /// Everything before this offset is applied: all there is.
    pub fn high_watermark(&self) -> Offset {
        self.end
    }

    /// Everything before this offset belongs to no open transaction.
    pub fn last_stable_offset(&self) -> Offset {
        self.first_open.map_or(self.end, |first| first.max(self.start))
    }

    /// Where the greatest epoch not above `epoch` ends, or `None` when `epoch` is above the one of `term`. For an epoch
    /// older than all that are remembered: itself, ending where the oldest remembered one begins.
    pub fn epoch_end(&self, epoch: LeaderEpoch, term: Term) -> Option<EpochEnd> {
        if epoch > self.leader_epoch(term) {
            return None;
        }
        let above = self.epochs.partition_point(|e| e.epoch <= epoch);
        let end = self.epochs.get(above).map_or(self.end, |next| next.start);
        let epoch = if above == 0 { epoch } else { self.epochs[above - 1].epoch };
        Some(EpochEnd { epoch, end })
    }

    /// The epoch in which the record at `offset` was appended; `None` outside of what is there or remembered.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let above = self.epochs.partition_point(|e| e.start <= offset);
        let present = (self.start..self.end).contains(&offset);
        (present && above > 0).then(|| self.epochs[above - 1].epoch)
    }

    /// Whether there are offsets for `count` messages from `first` on.
    pub(crate) fn room_for(&self, first: Offset, count: u32) -> Result<(), Refusal> {
        match first.checked_add(count.into()) {
            Some(end) if end.0 <= OFFSET_MAX => Ok(()),
            _ => Err(Refusal::LimitReached { limit: "OFFSET_MAX" }),
        }
    }

    /// Takes a payload in at the end.
    pub(crate) fn append(&mut self, count: u32, bytes: u32, max_timestamp: Timestamp, term: Term) {
        self.append_at(self.end, count, bytes, max_timestamp, term);
    }

    /// Takes a payload in at `first`, which is the end or lies behind it.
    pub(crate) fn append_at(
        &mut self,
        first: Offset,
        count: u32,
        bytes: u32,
        max_timestamp: Timestamp,
        term: Term,
    ) {
        let epoch = self.leader_epoch(term);
        if self.epochs.last().is_none_or(|last| last.epoch < epoch) {
            // An epoch whose records were all trimmed has none left to speak of.
            let end = self.end;
            self.epochs.pop_if(|last| last.start == end);
            if self.epochs.len() == EPOCHS_PER_PARTITION_MAX {
                self.epochs.remove(0);
            }
            self.epochs.push(EpochStart { epoch, start: first });
        }
        self.end = Offset(first.0 + u64::from(count));
        self.bytes = self.bytes.saturating_add(bytes.into());
        if max_timestamp.0 >= 0 && self.newest.is_none_or(|(newest, _)| max_timestamp > newest) {
            self.newest = Some((max_timestamp, first));
        }
    }

    /// Takes over settings of the catalogue.
    pub(crate) fn set(&mut self, settings: PartitionSettings) {
        self.settings = settings;
        self.has_gaps |= may_lose_some(&settings);
        if settings.compaction.is_none() {
            self.clean.clear();
        }
    }

    /// Notes what compaction found and takes out.
    pub(crate) fn compacted(&mut self, found: &CompactedPartition, meta: &Meta) {
        self.bytes = self.bytes.saturating_sub(found.freed_bytes);
        if let (Some(compaction), Some(end)) = (self.settings.compaction, found.clean_end) {
            self.clean.note(end, meta.time, compaction.tombstone_ms);
        }
    }

    /// Whether offsets between its records may be missing: compaction took them, consumers of a queue need them no more, or the source of its import never had them.
    pub fn has_holes(&self) -> bool {
        self.has_gaps || self.import.is_some()
    }

    /// Whether it takes nothing but an import's batches.
    pub fn is_under_import(&self) -> bool {
        self.import.as_ref().is_some_and(|import| !import.has_ended)
    }

    /// Puts the partition under import, or finds that it is under this one already. It begins and ends at `start` if it ended
    /// before; true when it did.
    pub(crate) fn begin_import(&mut self, source: String, start: Offset) -> Result<bool, Refusal> {
        match &self.import {
            Some(import) if import.source != source => {
                return Err(Refusal::Forbidden("the partition is or was imported from another source"));
            }
            Some(import) if import.has_ended => {
                return Err(Refusal::Forbidden("the import of the partition has ended"));
            }
            None if self.end > Offset(0) => {
                return Err(Refusal::Forbidden("the partition has records that no import under way brought"));
            }
            Some(_) | None => {}
        }
        self.import = Some(Import { source, has_ended: false });
        if start <= self.end {
            return Ok(false);
        }
        (self.start, self.end, self.bytes, self.newest) = (start, start, 0, None);
        self.epochs.clear();
        Ok(true)
    }

    /// Moves the start; true when it moved.
    pub(crate) fn trim(&mut self, start: Offset, bytes: u64) -> Result<bool, Refusal> {
        if start > self.end {
            return Err(Refusal::OffsetOutOfRange { start: self.start, end: self.end });
        }
        if start <= self.start {
            return Ok(false);
        }
        self.start = start;
        self.bytes = if start == self.end { 0 } else { self.bytes.saturating_sub(bytes) };
        // A payload that straddles the new start may be forgotten here too: the index knows better.
        self.newest = self.newest.filter(|(_, first)| *first >= start);
        let gone = self.epochs.partition_point(|e| e.start <= start).saturating_sub(1);
        self.epochs.drain(..gone);
        if let Some(oldest) = self.epochs.first_mut() {
            oldest.start = oldest.start.max(start);
        }
        Ok(true)
    }
}

/// Whether records may go from between others: compaction takes them, or consumers of a queue have settled them.
fn may_lose_some(settings: &PartitionSettings) -> bool {
    settings.compaction.is_some() || settings.queue.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::PartitionSettings;
    use forebay_model::{LogTime, TimestampType};

    #[test]
    fn an_epoch_whose_records_were_all_trimmed_gives_way_to_the_next() {
        let settings = PartitionSettings {
            retention_ms: None,
            retention_bytes: None,
            message_bytes_max: 1,
            timestamp_type: TimestampType::Create,
            compaction: None,
            queue: None,
        };
        let open = OpenPartition {
            catalogue_version: 1,
            partition: PartitionId(1),
            topic: TopicId::NONE,
            number: 0,
            settings,
            base_epoch: LeaderEpoch(3),
        };
        let meta = Meta { index: LogIndex(1), term: Term(3), time: LogTime(1) };
        let mut partition = Partition::open(&open, ShardId(0), &meta);
        partition.append(5, 10, Timestamp(-1), Term(3));
        partition.trim(Offset(5), 10).expect("it lies in the partition");
        partition.append(1, 10, Timestamp(-1), Term(4));
        assert_eq!(partition.epochs, [EpochStart { epoch: LeaderEpoch(4), start: Offset(5) }]);
    }
}
