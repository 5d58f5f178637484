//! Log index to file position, for segments that have no sidecar yet.

use forebay_model::LogIndex;

use crate::segment::SEGMENT_HEADER_BYTES;

/// The positions of the entries of one segment: eight bytes per entry, in log order, perhaps with gaps.
pub(crate) struct PositionTable {
    first: LogIndex,
    entries: Vec<(u32, u32)>,
    end: u64,
}

impl PositionTable {
    /// The table of an empty segment that begins with index `first`.
    pub(crate) fn new(first: LogIndex) -> PositionTable {
        PositionTable { first, entries: Vec::new(), end: SEGMENT_HEADER_BYTES }
    }

    /// Adds the entry `index`, which takes `len` bytes at the end.
    pub(crate) fn push(&mut self, index: LogIndex, len: u64) {
        debug_assert!(self.last().is_none_or(|last| last < index), "positions ascend");
        let delta = u32::try_from(index.0 - self.first.0).expect("a segment has fewer than 2^32 entries");
        let position = u32::try_from(self.end).expect("a position in a segment fits 32 bits");
        self.entries.push((delta, position));
        self.end += len;
    }

    /// Where the entry `index` begins.
    pub(crate) fn position(&self, index: LogIndex) -> Option<u64> {
        self.find(index).map(|at| u64::from(self.entries[at].1))
    }

    /// The first entry at or behind `index`, and where it begins.
    pub(crate) fn at_or_after(&self, index: LogIndex) -> Option<(LogIndex, u64)> {
        let delta = index.0.saturating_sub(self.first.0);
        let at = self.entries.partition_point(|(d, _)| u64::from(*d) < delta);
        self.entries.get(at).map(|(d, p)| (LogIndex(self.first.0 + u64::from(*d)), u64::from(*p)))
    }

    fn find(&self, index: LogIndex) -> Option<usize> {
        let delta = u32::try_from(index.0.checked_sub(self.first.0)?).ok()?;
        self.entries.binary_search_by_key(&delta, |(d, _)| *d).ok()
    }

    /// Forgets `index` and all behind it; answers the position where it began.
    pub(crate) fn truncate(&mut self, index: LogIndex) -> u64 {
        let delta = index.0.saturating_sub(self.first.0);
        let keep = self.entries.partition_point(|(d, _)| u64::from(*d) < delta);
        if let Some((_, position)) = self.entries.get(keep) {
            self.end = u64::from(*position);
        }
        self.entries.truncate(keep);
        self.end
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<LogIndex> {
        self.entries.last().map(|(d, _)| LogIndex(self.first.0 + u64::from(*d)))
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where the next entry begins.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_appends_gaps_and_truncation() {
        let mut table = PositionTable::new(LogIndex(10));
        for (index, len) in [(10, 100), (11, 50), (14, 60)] {
            table.push(LogIndex(index), len);
        }
        assert_eq!(table.position(LogIndex(11)), Some(132));
        assert_eq!(table.position(LogIndex(12)), None);
        assert_eq!(table.position(LogIndex(9)), None);
        assert_eq!(table.at_or_after(LogIndex(12)), Some((LogIndex(14), 182)));
        assert_eq!(table.end(), 242);
        assert_eq!(table.truncate(LogIndex(12)), 182);
        assert_eq!((table.last(), table.len(), table.end()), (Some(LogIndex(11)), 2, 182));
        assert_eq!(table.truncate(LogIndex(10)), 32);
        assert_eq!(table.last(), None);
    }
}
