//! Of every key the last record stays, whatever compaction takes away. What was deleted stays so, and what one reader finds of a key was
//! written in the order in which it finds it.

use std::collections::BTreeMap;

use super::{Broken, Check};

const STAYS: &str = "of every key the last record stays";

/// What one writer put under its keys, each batch with a number above those before.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    /// By key: the number of the last record and whether it is a tombstone.
    keys: BTreeMap<u8, (u64, bool)>,
}

/// A record that a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is about.
    pub key: u8,
    /// Its batch; `None` in a tombstone, which has no room for it.
    pub number: Option<u64>,
}

impl Newest {
    /// A record was confirmed.
    pub fn wrote(&mut self, key: u8, number: u64, is_tombstone: bool) {
        self.keys.insert(key, (number, is_tombstone));
    }

    /// The number of the last record of a key.
    pub fn number(&self, key: u8) -> Option<u64> {
        self.keys.get(&key).map(|(number, _)| *number)
    }

    /// Somebody read from the first offset to the end, behind everything that was confirmed.
    ///
    /// # Errors
    /// The last record of a key is not there, or another one is.
    pub fn read(&self, seen: &[Seen]) -> Check {
        let mut found: BTreeMap<u8, Vec<Option<u64>>> = BTreeMap::new();
        for record in seen {
            found.entry(record.key).or_default().push(record.number);
        }
        for (key, numbers) in &found {
            let values: Vec<u64> = numbers.iter().copied().flatten().collect();
            if !self.keys.contains_key(key) || !values.is_sorted() {
                return Err(broken(format!("key {key} shows {numbers:?}")));
            }
        }
        for (key, (number, is_tombstone)) in &self.keys {
            let last = found.get(key).and_then(|numbers| numbers.last().copied());
            let is_so = match (last, is_tombstone) {
                (Some(last), false) => last == Some(*number),
                (None, false) => false,
                // Deleted, or forgotten after that.
                (last, true) => last.flatten().is_none(),
            };
            if !is_so {
                let what = if *is_tombstone { "was deleted in" } else { "was written last in" };
                return Err(broken(format!("key {key} {what} batch {number}, a reader finds {last:?}")));
            }
        }
        Ok(())
    }
}

fn broken(what: String) -> Broken {
    Broken { promise: STAYS, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_of_a_key_has_to_stay_and_a_tombstone_may_go() {
        let mut newest = Newest::default();
        newest.wrote(1, 10, false);
        newest.wrote(1, 11, false);
        newest.wrote(2, 12, false);
        newest.wrote(2, 13, true);
        let value = |key, number| Seen { key, number: Some(number) };
        let tombstone = |key| Seen { key, number: None };
        for seen in [
            vec![value(1, 10), value(1, 11), value(2, 12), tombstone(2)],
            vec![value(1, 11), tombstone(2)],
            vec![value(1, 11)],
        ] {
            newest.read(&seen).unwrap();
        }
        for seen in [
            vec![],
            vec![value(1, 10)],
            vec![value(1, 11), value(1, 10)],
            vec![tombstone(1)],
            vec![value(1, 11), value(2, 12)],
            vec![value(1, 11), tombstone(2), value(2, 12)],
            vec![value(1, 11), value(3, 1)],
        ] {
            assert!(newest.read(&seen).is_err(), "{seen:?}");
        }
    }
}
