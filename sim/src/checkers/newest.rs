//! Of every key the last record stays, whatever compaction takes away. What was deleted stays so, and what one reader finds of a key was
//! written in the order in which it finds it.

use std::collections::BTreeMap;

use super::{Broken, Check};

/// What [`Newest`] promises.
pub const STAYS: &str = "of every key the last record stays";
/// A reader that is no further behind than that finds what was deleted.
pub const TOMBSTONES: &str = "a tombstone stays for its time";
/// What clocks that nobody sets may differ by, in milliseconds.
const DRIFT_MS: i64 = 50;

/// What one writer put under its keys, each batch with a number above those before.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    /// By key: the number of the last record, and if it is a tombstone, since when it may be there.
    keys: BTreeMap<u8, (u64, Option<i64>)>,
}

/// When somebody read, and how long tombstones have to stay, both in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// Now.
    pub now: i64,
    /// The least age at which one may be gone.
    pub age_min: i64,
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
    /// A record was confirmed; a tombstone was first sent at that time, in milliseconds.
    pub fn wrote(&mut self, key: u8, number: u64, deleted_at: Option<i64>) {
        self.keys.insert(key, (number, deleted_at));
    }

    /// The number of the last record of a key.
    pub fn number(&self, key: u8) -> Option<u64> {
        self.keys.get(&key).map(|(number, _)| *number)
    }

    /// Somebody read from the first offset to the end, behind everything that was confirmed. Where clocks are set nothing is known of the
    /// time that tombstones have.
    ///
    /// # Errors
    /// The last record of a key is not there, or another one is; or a tombstone has gone too soon.
    pub fn read(&self, seen: &[Seen], stay: Option<Stay>) -> Check {
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
        for (key, (number, deleted_at)) in &self.keys {
            let last = found.get(key).and_then(|numbers| numbers.last().copied());
            let is_so = match (last, deleted_at) {
                (Some(last), None) => last == Some(*number),
                (None, None) => false,
                // Deleted, or forgotten after that.
                (last, Some(_)) => last.flatten().is_none(),
            };
            if !is_so {
                let what = if deleted_at.is_some() { "was deleted in" } else { "was written last in" };
                return Err(broken(format!("key {key} {what} batch {number}, a reader finds {last:?}")));
            }
            let age = deleted_at.zip(stay).map(|(at, stay)| (stay.now - at, stay.age_min));
            if let (None, Some((age, age_min))) = (last, age)
                && age + DRIFT_MS < age_min
            {
                let what =
                    format!("key {key} was deleted in batch {number}, and nothing says so {age} ms later");
                return Err(Broken { promise: TOMBSTONES, what });
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
        newest.wrote(1, 10, None);
        newest.wrote(1, 11, None);
        newest.wrote(2, 12, None);
        newest.wrote(2, 13, Some(1_000));
        let value = |key, number| Seen { key, number: Some(number) };
        let tombstone = |key| Seen { key, number: None };
        for seen in [
            vec![value(1, 10), value(1, 11), value(2, 12), tombstone(2)],
            vec![value(1, 11), tombstone(2)],
            vec![value(1, 11)],
        ] {
            newest.read(&seen, None).unwrap();
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
            assert!(newest.read(&seen, None).is_err(), "{seen:?}");
        }
        let at = |now| Some(Stay { now, age_min: 3_000 });
        assert!(newest.read(&[value(1, 11)], at(3_900)).is_err(), "it has gone too soon");
        assert!(newest.read(&[value(1, 11)], at(4_000)).is_ok());
        assert!(newest.read(&[value(1, 11), tombstone(2)], at(1_100)).is_ok());
    }
}
