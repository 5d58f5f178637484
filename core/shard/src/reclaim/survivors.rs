//! What survives of a segment that a decision rewrites: payloads with something alive, and of those of compacted partitions only the
//! records that are.

use std::collections::BTreeMap;

use forebay_commitlog::{Fate, IndexEntry, Judge, ReclaimError, Sidecar, Slot};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber, Timestamp};

use crate::entry::SLOT_PART;
use crate::reclaim::dead::DeadSet;
use crate::reclaim::decision::Rewrite;
use crate::reclaim::sieve::{Sieved, sieve};

/// A slot of the log.
type Place = (LogIndex, SlotNumber);

/// Answers as the decision says. The answers follow from it and from the segment alone.
pub(crate) struct Survivors<'a> {
    starts: BTreeMap<PartitionId, Offset>,
    dead: BTreeMap<PartitionId, &'a DeadSet>,
    parts: &'a [Place],
    /// Slots that a surviving index entry points to; ascending.
    slots: Vec<Place>,
    /// Those of them in which some records are dead, and what they become.
    sieved: BTreeMap<Place, Sifting>,
}

/// A payload in which records are dead.
struct Sifting {
    partition: PartitionId,
    first: Offset,
    /// What came of it.
    left: Option<Left>,
}

/// What is left of a payload.
#[derive(Clone, Copy)]
enum Left {
    Nothing,
    /// Another payload of this length, with this greatest timestamp.
    Less(u32, Timestamp),
}

impl<'a> Survivors<'a> {
    pub(crate) fn of(rewrite: &'a Rewrite, sidecar: &Sidecar) -> Result<Survivors<'a>, ReclaimError> {
        let mut survivors = Survivors {
            starts: rewrite.starts.iter().copied().collect(),
            dead: rewrite.dead.iter().map(|(partition, dead)| (*partition, dead)).collect(),
            parts: &rewrite.parts,
            slots: Vec::new(),
            sieved: BTreeMap::new(),
        };
        let mut slots = Vec::new();
        let mut sieved = Vec::new();
        sidecar.for_each_entry::<ReclaimError>(|line| {
            if survivors.lives(&line) {
                let place = (line.log_index, line.slot);
                slots.push(place);
                if survivors.is_cut(&line) {
                    let (partition, first) = (line.partition, line.first_offset);
                    sieved.push((place, Sifting { partition, first, left: None }));
                }
            }
            Ok(())
        })?;
        slots.sort_unstable();
        // What several index entries point to stays as it is: it is not theirs alone.
        let shared = |place: &Place| {
            let at = slots.partition_point(|slot| slot < place);
            slots.get(at + 1) == Some(place)
        };
        survivors.sieved = sieved.into_iter().filter(|(place, _)| !shared(place)).collect();
        slots.dedup();
        survivors.slots = slots;
        Ok(survivors)
    }

    fn lives(&self, line: &IndexEntry) -> bool {
        let end = line.end_offset();
        let starts_before = self.starts.get(&line.partition).is_some_and(|start| *start < end);
        let all_dead =
            || self.dead.get(&line.partition).is_some_and(|dead| dead.covers(line.first_offset, end));
        starts_before && !all_dead()
    }

    /// Whether some of its records are dead, and it is a payload that can lose some.
    fn is_cut(&self, line: &IndexEntry) -> bool {
        line.bytes as usize <= PART_BYTES_MAX
            && line.first_position == 0
            && self
                .dead
                .get(&line.partition)
                .is_some_and(|dead| dead.touches(line.first_offset, line.end_offset()))
    }
}

impl Judge for Survivors<'_> {
    fn slot(&mut self, index: LogIndex, slot: &Slot) -> Fate {
        let place = (index, slot.number);
        // Turns are of no use below the floor: the checkpoint holds what they did.
        let listed = if slot.kind == SLOT_PART { self.parts } else { &self.slots };
        if listed.binary_search(&place).is_err() {
            return Fate::Dead;
        }
        let Some(sifting) = self.sieved.get_mut(&place) else { return Fate::Live };
        let Some(dead) = self.dead.get(&sifting.partition) else { return Fate::Live };
        match sieve(&slot.bytes, sifting.first, dead) {
            Sieved::Whole => Fate::Live,
            Sieved::Empty => {
                sifting.left = Some(Left::Nothing);
                Fate::Dead
            }
            Sieved::Less(payload, max_timestamp) => {
                // It is shorter than one that had its length in 32 bits.
                let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
                sifting.left = Some(Left::Less(bytes, max_timestamp));
                Fate::Replaced(payload)
            }
        }
    }

    fn index_entry(&mut self, entry: &IndexEntry) -> Option<IndexEntry> {
        if !self.lives(entry) {
            return None;
        }
        match self.sieved.get(&(entry.log_index, entry.slot)).and_then(|sifting| sifting.left) {
            None => Some(*entry),
            Some(Left::Nothing) => None,
            Some(Left::Less(bytes, max_timestamp)) => Some(IndexEntry { bytes, max_timestamp, ..*entry }),
        }
    }
}
