//! Collections whose size clients decide.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use forebay_model::Refusal;

use crate::codec::{DecodeError, Reader, Writer};

/// What a [`Table`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimit {
    /// Its name, for refusals.
    pub name: &'static str,
    /// Entries.
    pub entries: usize,
    /// Bytes of keys and values, as [`Stored::bytes`] counts them.
    pub bytes: usize,
}

/// A key or a value of a [`Table`].
pub trait Stored: Sized {
    /// Its bytes in memory, counted the same on every replica.
    fn bytes(&self) -> usize;
    /// Writes it.
    fn encode(&self, out: &mut Writer);
    /// Reads it.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A bounded, byte-accounted, ordered map. It is made to get a second part, sorted runs on disk; therefore whoever
/// applies a batch first hands the keys that the batch names to [`Table::prefetch`] and loads what it returns.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    mutable: BTreeMap<K, V>,
    bytes: usize,
    limit: TableLimit,
}

impl<K: Ord + Clone + Stored, V: Stored> Table<K, V> {
    /// An empty table.
    pub fn new(limit: TableLimit) -> Table<K, V> {
        Table { mutable: BTreeMap::new(), bytes: 0, limit }
    }

    /// Which of these keys must be loaded from runs before a command that names them is applied: those that are not
    /// at hand. A table without runs has all its keys at hand, so today nothing is returned.
    pub fn prefetch<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Vec<K>
    where
        K: 'k,
    {
        keys.into_iter().filter(|key| !self.is_at_hand(key)).cloned().collect()
    }

    /// Whether [`Table::get`] can answer for this key now. Without runs, what is not in the mutable part is nowhere.
    fn is_at_hand(&self, _key: &K) -> bool {
        true
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.mutable.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.mutable.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.mutable.get(key)
    }

    /// Whether one more entry of so many bytes would fit.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.mutable.len() < self.limit.entries && self.bytes.saturating_add(bytes) <= self.limit.bytes
    }

    /// Sets a value; returns the one before. Refused, with nothing changed, when the table would grow past its limit;
    /// a replacement that is no larger always succeeds.
    pub fn insert(&mut self, key: K, value: V) -> Result<Option<V>, Refusal> {
        let added = key.bytes() + value.bytes();
        let freed = self.mutable.get(&key).map(|old| key.bytes() + old.bytes());
        let after = self.bytes - freed.unwrap_or(0) + added;
        let fits = self.mutable.len() + usize::from(freed.is_none()) <= self.limit.entries
            && after <= self.limit.bytes;
        if !fits && freed.is_none_or(|freed| added > freed) {
            return Err(Refusal::LimitReached { limit: self.limit.name });
        }
        self.bytes = after;
        Ok(self.mutable.insert(key, value))
    }

    /// Changes a value in place; `None` when there is none. The change must not make it larger.
    pub fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let value = self.mutable.get_mut(key)?;
        let before = value.bytes();
        let result = change(value);
        let after = value.bytes();
        assert!(after <= before, "a value that grows goes through insert, which checks the limit");
        self.bytes -= before - after;
        Some(result)
    }

    /// Changes a value in place, which may make it larger by at most `room` bytes. Refused, with nothing changed, when there is no
    /// room for that. The value is there.
    pub(crate) fn grow(&mut self, key: &K, room: usize, change: impl FnOnce(&mut V)) -> Result<(), Refusal> {
        if self.bytes.saturating_add(room) > self.limit.bytes {
            return Err(Refusal::LimitReached { limit: self.limit.name });
        }
        let Some(value) = self.mutable.get_mut(key) else { return Ok(()) };
        let before = value.bytes();
        change(value);
        let after = value.bytes();
        assert!(after <= before + room, "a value grows by no more than was said");
        self.bytes = self.bytes - before + after;
        Ok(())
    }

    /// Removes a key; returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.mutable.remove(key)?;
        self.bytes -= key.bytes() + value.bytes();
        Some(value)
    }

    /// Entries of a range by rising key.
    pub fn range(&self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.mutable.range(range)
    }

    /// All entries by rising key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.mutable.iter()
    }

    /// Writes all entries by rising key: equal tables give equal bytes.
    pub(crate) fn encode(&self, out: &mut Writer) {
        out.list(self.mutable.iter(), |out, (key, value)| {
            key.encode(out);
            value.encode(out);
        });
    }

    /// Reads what [`Table::encode`] wrote.
    pub(crate) fn decode(limit: TableLimit, input: &mut Reader<'_>) -> Result<Table<K, V>, DecodeError> {
        let mut table = Table::new(limit);
        for _ in 0..input.count(limit.name)? {
            let key = K::decode(input)?;
            let value = V::decode(input)?;
            if table.mutable.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(DecodeError::Invalid("the order of a table's keys"));
            }
            table.insert(key, value).map_err(|_| DecodeError::Invalid(limit.name))?;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Stored for u64 {
        fn bytes(&self) -> usize {
            8
        }

        fn encode(&self, out: &mut Writer) {
            out.uint(*self);
        }

        fn decode(input: &mut Reader<'_>) -> Result<u64, DecodeError> {
            input.uint("a number")
        }
    }

    impl Stored for String {
        fn bytes(&self) -> usize {
            self.len()
        }

        fn encode(&self, out: &mut Writer) {
            out.text(self);
        }

        fn decode(input: &mut Reader<'_>) -> Result<String, DecodeError> {
            Ok(input.text("a text")?.to_owned())
        }
    }

    const LIMIT: TableLimit = TableLimit { name: "TEST_MAX", entries: 20, bytes: 300 };
    const FULL: Refusal = Refusal::LimitReached { limit: "TEST_MAX" };

    #[test]
    fn bytes_are_counted_through_every_change() {
        let mut table: Table<u64, String> = Table::new(LIMIT);
        let mut x = 1u64;
        for _ in 0..5_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (key, length) = ((x >> 40) % 30, (x >> 50) as usize % 25);
            match (x >> 33) % 5 {
                0 => drop(table.remove(&key)),
                1 => drop(table.update(&key, |value| value.truncate(length))),
                2 => drop(table.grow(&key, length, |value| value.push_str(&"y".repeat(length)))),
                _ => drop(table.insert(key, "x".repeat(length))),
            }
            let counted: usize = table.iter().map(|(key, value)| key.bytes() + value.bytes()).sum();
            assert_eq!(table.bytes(), counted);
            assert!(table.len() <= LIMIT.entries && table.bytes() <= LIMIT.bytes);
        }
        let mut out = Writer::default();
        table.encode(&mut out);
        let bytes = out.finish();
        let again = Table::<u64, String>::decode(LIMIT, &mut Reader::new(&bytes)).unwrap();
        assert_eq!(again.bytes(), table.bytes());
        assert!(again.iter().eq(table.iter()));
    }

    #[test]
    fn a_full_table_refuses_to_grow_and_changes_nothing() {
        let mut table: Table<u64, String> = Table::new(TableLimit { entries: 2, ..LIMIT });
        table.insert(1, "one".into()).unwrap();
        table.insert(2, "two".into()).unwrap();
        assert_eq!(table.insert(3, String::new()), Err(FULL));
        assert_eq!(table.insert(1, "x".repeat(290)), Err(FULL));
        assert_eq!(table.get(&1), Some(&"one".to_owned()));
        assert_eq!(table.insert(1, "uno".into()), Ok(Some("one".into())));
        assert!(table.prefetch([&1, &7]).is_empty());
    }

    #[test]
    fn keys_out_of_order_are_no_table() {
        let mut out = Writer::default();
        out.list([2u64, 1].iter(), |out, key| {
            out.uint(*key);
            out.text("");
        });
        let bytes = out.finish();
        let decoded = Table::<u64, String>::decode(LIMIT, &mut Reader::new(&bytes));
        assert_eq!(decoded.err(), Some(DecodeError::Invalid("the order of a table's keys")));
    }
}
