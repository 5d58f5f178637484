//! The newest entries in memory: followers and tail readers are served from here, without a file.

use std::collections::VecDeque;

use bytes::Bytes;
use forebay_model::LogIndex;

use crate::entry::Entry;
use crate::limits::TAIL_COPY_BYTES_MAX;

/// What an entry costs besides its body, in bytes.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// A run of entries without gaps that ends with the log, bounded in bytes. The newest entry is always in it.
pub(crate) struct TailCache {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
}

impl TailCache {
    pub(crate) fn new(bytes_max: usize) -> TailCache {
        TailCache { entries: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Changes the bound; a lower one evicts at once.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.evict();
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the entry behind the last one.
    pub(crate) fn push(&mut self, entry: &Entry) {
        if self.entries.back().is_some_and(|last| last.index.next() != entry.index) {
            self.clear();
        }
        let mut kept = entry.clone();
        if kept.body.len() <= TAIL_COPY_BYTES_MAX {
            kept.body = Bytes::copy_from_slice(&kept.body);
        }
        self.bytes += cost(&kept);
        self.entries.push_back(kept);
        self.evict();
    }

    /// Forgets `index` and all behind it.
    pub(crate) fn truncate(&mut self, index: LogIndex) {
        while self.entries.back().is_some_and(|last| last.index >= index) {
            let last = self.entries.pop_back().expect("just looked at");
            self.bytes -= cost(&last);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// The entry `index`.
    pub(crate) fn get(&self, index: LogIndex) -> Option<&Entry> {
        let first = self.entries.front()?.index;
        self.entries.get(usize::try_from(index.0.checked_sub(first.0)?).ok()?)
    }

    /// The entries from `low` to before `high`, as many as fit `bytes_max` but at least one; `None` when `low` is not
    /// here.
    pub(crate) fn range(&self, low: LogIndex, high: LogIndex, bytes_max: u64) -> Option<Vec<Entry>> {
        self.get(low)?;
        let skip = usize::try_from(low.0 - self.entries.front()?.index.0).expect("an index within the cache");
        let mut left = bytes_max;
        let mut out = Vec::new();
        for entry in self.entries.range(skip..).take_while(|entry| entry.index < high) {
            let len = entry.stored_len();
            if len > left && !out.is_empty() {
                break;
            }
            left = left.saturating_sub(len);
            out.push(entry.clone());
        }
        Some(out)
    }

    fn evict(&mut self) {
        while self.bytes > self.bytes_max && self.entries.len() > 1 {
            let oldest = self.entries.pop_front().expect("more than one");
            self.bytes -= cost(&oldest);
        }
    }
}

fn cost(entry: &Entry) -> usize {
    entry.body.len() + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use forebay_model::Term;

    use super::*;
    use crate::entry::EntryKind;

    fn filled(bytes_max: usize, indexes: std::ops::Range<u64>) -> TailCache {
        let mut cache = TailCache::new(bytes_max);
        for index in indexes {
            cache.push(&Entry {
                term: Term(1),
                index: LogIndex(index),
                kind: EntryKind::Normal,
                body: vec![0; 936].into(),
            });
        }
        cache
    }

    fn indexes(entries: Option<Vec<Entry>>) -> Vec<u64> {
        entries.unwrap().iter().map(|entry| entry.index.0).collect()
    }

    #[test]
    fn the_oldest_entries_leave_when_the_bytes_are_spent() {
        let cache = filled(3000, 1..11);
        assert_eq!(cache.bytes(), 3000);
        assert!(cache.range(LogIndex(7), LogIndex(11), u64::MAX).is_none());
        assert_eq!(indexes(cache.range(LogIndex(8), LogIndex(10), u64::MAX)), [8, 9]);
        assert_eq!(indexes(cache.range(LogIndex(8), LogIndex(11), 0)), [8]);
        assert_eq!(indexes(cache.range(LogIndex(8), LogIndex(11), 2 * (936 + 48))), [8, 9]);
        assert_eq!(filled(0, 1..5).get(LogIndex(4)).unwrap().index, LogIndex(4));
    }

    #[test]
    fn a_truncated_cache_goes_on_at_the_new_end() {
        let mut cache = filled(1 << 20, 1..11);
        cache.truncate(LogIndex(6));
        assert_eq!((cache.get(LogIndex(6)), cache.bytes()), (None, 5000));
        let next = Entry { index: LogIndex(6), ..cache.get(LogIndex(5)).unwrap().clone() };
        cache.push(&next);
        assert_eq!(cache.get(LogIndex(6)), Some(&next));
        cache.set_bytes_max(1000);
        assert_eq!(cache.get(LogIndex(5)), None);
    }
}
