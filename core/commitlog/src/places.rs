//! Where the slots of a sealed segment stand in its file, so that one can be read without its entry's directory.

use forebay_model::{LogIndex, SlotNumber};

use crate::body::lines;
use crate::entry::{EntryHeader, HEADER_BYTES};
use crate::index_entry::PlacedEntry;
use crate::segment::SegmentId;

/// The bytes of one slot in a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotPlace {
    /// The segment. A later generation of it has other places.
    pub segment: SegmentId,
    /// Where the first byte stands in the file.
    pub position: u64,
    /// How many there are.
    pub bytes: u32,
    /// Their CRC-32C.
    pub crc: u32,
}

impl SlotPlace {
    /// The position behind the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.position.saturating_add(u64::from(self.bytes))
    }
}

/// The places of all slots of a segment, gathered entry by entry in file order.
pub(crate) struct PlaceTable {
    segment: SegmentId,
    entries: Vec<EntryPlaces>,
    slots: Vec<SlotEnd>,
}

struct EntryPlaces {
    index: LogIndex,
    /// Where its first slot begins.
    position: u64,
    /// The number of its first line in the table.
    first: usize,
}

/// There may be half a million of these: a slot begins where the one before it ends.
struct SlotEnd {
    number: SlotNumber,
    /// Counted from the entry's first slot.
    end: u32,
    crc: u32,
}

impl PlaceTable {
    pub(crate) fn new(segment: SegmentId) -> PlaceTable {
        PlaceTable { segment, entries: Vec::new(), slots: Vec::new() }
    }

    /// Takes in the next entry, which stands at `position` and whose body begins with `prefix`.
    pub(crate) fn add(&mut self, header: &EntryHeader, prefix: &[u8], position: u64) {
        let position = position + (HEADER_BYTES + prefix.len()) as u64;
        self.entries.push(EntryPlaces { index: header.index, position, first: self.slots.len() });
        let mut end = 0;
        self.slots.extend(lines(prefix).map(|line| {
            end += line.len;
            SlotEnd { number: line.number, end, crc: line.crc }
        }));
    }

    /// Whether an index entry leads to a slot, and to where that stands if its sidecar is one that says so.
    pub(crate) fn agree_with(&self, placed: &PlacedEntry, says_places: bool) -> bool {
        let found = self.find(placed.entry.log_index, placed.entry.slot);
        found.is_some() && (!says_places || placed.place == found)
    }

    /// Where a slot stands; `None` when the segment has no such entry or slot.
    pub(crate) fn find(&self, index: LogIndex, slot: SlotNumber) -> Option<SlotPlace> {
        let at = self.entries.binary_search_by_key(&index, |entry| entry.index).ok()?;
        let entry = &self.entries[at];
        let behind = self.entries.get(at + 1).map_or(self.slots.len(), |next| next.first);
        let slots = &self.slots[entry.first..behind];
        let at = slots.binary_search_by_key(&slot, |end| end.number).ok()?;
        let begin = if at == 0 { 0 } else { slots[at - 1].end };
        Some(SlotPlace {
            segment: self.segment,
            position: entry.position + u64::from(begin),
            bytes: slots[at].end - begin,
            crc: slots[at].crc,
        })
    }
}
