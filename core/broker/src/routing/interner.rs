//! Small numbers for what is compared often.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Gives every key that is in use a number, and gives it to another one later.
#[derive(Debug)]
pub(super) struct Interner<K> {
    entries: HashMap<K, Entry>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    number: u32,
    uses: u32,
}

impl<K> Default for Interner<K> {
    fn default() -> Interner<K> {
        Interner { entries: HashMap::new(), free: Vec::new() }
    }
}

impl<K: Eq + Hash> Interner<K> {
    /// The number of a key that is in use.
    pub(super) fn number<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| entry.number)
    }

    /// One use more.
    pub(super) fn enter<Q: Eq + Hash + ToOwned<Owned = K> + ?Sized>(&mut self, key: &Q) -> u32
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.uses += 1;
            return entry.number;
        }
        let next = u32::try_from(self.entries.len()).expect("bindings are limited");
        let number = self.free.pop().unwrap_or(next);
        self.entries.insert(key.to_owned(), Entry { number, uses: 1 });
        number
    }

    /// One use less; the number that the key has, or had.
    pub(super) fn leave<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> u32
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key).expect("what leaves has entered");
        entry.uses -= 1;
        let (number, uses) = (entry.number, entry.uses);
        if uses == 0 {
            self.entries.remove(key);
            self.free.push(number);
        }
        number
    }

    /// How many keys are in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
