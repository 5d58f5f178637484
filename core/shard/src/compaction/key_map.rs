//! The newest record of each key, as far as they were looked at: of every key 16 bytes of a hash, so that a map of many keys is small whatever
//! their length.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use forebay_model::{Offset, Timestamp};

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// Its newest record.
    pub(crate) offset: Offset,
    /// When that was written, if it marks the key as deleted.
    pub(crate) deleted_at: Option<Timestamp>,
}

/// Whether a record was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It was.
    Yes,
    /// Its key is a new one, and there is no room for more.
    NoRoom,
}

/// The newest records by key.
pub(crate) struct KeyMap {
    /// Two keys must not be taken for one, by chance or by design: the hashes begin with numbers that nobody outside knows.
    salts: [u64; 4],
    newest: HashMap<u128, Kept>,
    keys_max: usize,
}

/// One entry: with its key 32 bytes.
#[derive(Clone, Copy)]
struct Kept {
    offset: u64,
    deleted_at: i64,
}

/// Instead of a time: the record is no tombstone. No record has this one.
const NOT_DELETED: i64 = i64::MIN;

const _: () = assert!(size_of::<(u128, Kept)>() == 32);

impl KeyMap {
    /// A map of at most `keys_max` keys, with random `salts`.
    pub(crate) fn new(keys_max: usize, salts: [u64; 4]) -> KeyMap {
        KeyMap { salts, newest: HashMap::new(), keys_max }
    }

    pub(crate) fn len(&self) -> usize {
        self.newest.len()
    }

    /// Takes a record in that comes behind all before it.
    pub(crate) fn note(&mut self, key: &[u8], offset: Offset, deleted_at: Option<Timestamp>) -> Noted {
        let hash = self.hash(key);
        let is_full = self.newest.len() >= self.keys_max;
        if is_full && !self.newest.contains_key(&hash) {
            return Noted::NoRoom;
        }
        let deleted_at = deleted_at.map_or(NOT_DELETED, |time| time.0);
        self.newest.insert(hash, Kept { offset: offset.0, deleted_at });
        Noted::Yes
    }

    /// The newest record of a key.
    pub(crate) fn newest(&self, key: &[u8]) -> Option<Newest> {
        let Kept { offset, deleted_at } = *self.newest.get(&self.hash(key))?;
        let deleted_at = (deleted_at != NOT_DELETED).then_some(Timestamp(deleted_at));
        Some(Newest { offset: Offset(offset), deleted_at })
    }

    /// Forgets all keys and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.newest.clear();
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let [a, b, c, d] = self.salts;
        u128::from(salted([a, b], key)) << 64 | u128::from(salted([c, d], key))
    }
}

fn salted(salts: [u64; 2], key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    salts.into_iter().for_each(|salt| hasher.write_u64(salt));
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_record_of_every_key_is_kept_while_there_is_room() {
        let mut map = KeyMap::new(2, [1, 2, 3, 4]);
        assert_eq!(map.note(b"a", Offset(0), None), Noted::Yes);
        assert_eq!(map.note(b"b", Offset(1), Some(Timestamp(-1))), Noted::Yes);
        assert_eq!(map.note(b"c", Offset(2), None), Noted::NoRoom);
        assert_eq!(map.note(b"a", Offset(3), Some(Timestamp(9))), Noted::Yes);
        let newest = |offset, deleted_at: Option<i64>| {
            Some(Newest { offset: Offset(offset), deleted_at: deleted_at.map(Timestamp) })
        };
        assert_eq!((map.newest(b"a"), map.newest(b"b")), (newest(3, Some(9)), newest(1, Some(-1))));
        assert_eq!((map.newest(b"c"), map.newest(b""), map.len()), (None, None, 2));
        map.clear();
        assert_eq!((map.newest(b"a"), map.note(b"", Offset(4), None)), (None, Noted::Yes));
    }
}
