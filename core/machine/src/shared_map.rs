//! An ordered map whose clone shares everything: a snapshot for readers on other threads.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

/// Entries of one chunk at most; a full one is split in halves.
const CHUNK_MAX: usize = 256;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map in chunks. A clone costs one reference count. A change costs O(log n) and moving within one chunk;
/// the first change behind a clone also copies the list of chunks (n / 128 pointers at worst), and the first change
/// of a chunk behind a clone copies that chunk (256 entries at most): some microseconds for 10,000 entries, however
/// many changes follow.
#[derive(Clone, Debug)]
pub struct SharedMap<K, V> {
    /// Sorted; no chunk is empty.
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> SharedMap<K, V> {
        SharedMap { chunks: Arc::default(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let place = chunk.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        Some(&chunk[place].1)
    }

    /// All entries from the first that is not before what is looked for, by rising key. `is_before` is true for the keys up to some
    /// place, and false behind it.
    pub fn iter_from(&self, is_before: impl Fn(&K) -> bool) -> impl Iterator<Item = (&K, &V)> {
        let behind = self.chunks.partition_point(|chunk| is_before(&chunk[0].0));
        // The last chunk that begins before it may reach to it.
        let first = behind.saturating_sub(1);
        let skipped = self.chunks.get(first).map_or(0, |chunk| chunk.partition_point(|(k, _)| is_before(k)));
        self.chunks[first..].iter().flat_map(|chunk| chunk.iter()).skip(skipped).map(|(k, v)| (k, v))
    }

    /// Calls for every key whose value is another than in `before`, or is in one of the two alone, by rising key, with its value then and
    /// now. What the two share since one was cloned from the other is passed over by the chunk.
    pub fn differences<'a>(
        &'a self,
        before: &'a SharedMap<K, V>,
        mut on: impl FnMut(&'a K, Option<&'a V>, Option<&'a V>),
    ) where
        V: PartialEq,
    {
        let (mut old, mut new) = (Walk::new(&before.chunks), Walk::new(&self.chunks));
        loop {
            if let (Some(a), Some(b)) = (old.whole_chunk(), new.whole_chunk())
                && Arc::ptr_eq(a, b)
            {
                old.next_chunk();
                new.next_chunk();
                continue;
            }
            match (old.entry(), new.entry()) {
                (None, None) => return,
                (Some((k, v)), None) => {
                    on(k, Some(v), None);
                    old.next();
                }
                (None, Some((k, v))) => {
                    on(k, None, Some(v));
                    new.next();
                }
                (Some((a, then)), Some((b, now))) => match a.cmp(b) {
                    Ordering::Less => {
                        on(a, Some(then), None);
                        old.next();
                    }
                    Ordering::Greater => {
                        on(b, None, Some(now));
                        new.next();
                    }
                    Ordering::Equal => {
                        if then != now {
                            on(a, Some(then), Some(now));
                        }
                        old.next();
                        new.next();
                    }
                },
            }
        }
    }

    /// Whether nothing was changed since one of the two was cloned from the other. Maps that are equal for another reason may not be
    /// found to be so.
    pub fn is_shared_with(&self, other: &SharedMap<K, V>) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
    }

    /// The value of a key, to be changed.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key)?;
        let place = self.chunks[at].binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        Some(&mut Arc::make_mut(&mut chunks[at])[place].1)
    }

    /// All entries by rising key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(k, v)| (k, v))
    }

    /// Sets a value; returns the one before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.chunk_of(&key).unwrap_or(0);
        let chunks = Arc::make_mut(&mut self.chunks);
        if chunks.is_empty() {
            chunks.push(Arc::default());
        }
        let chunk = Arc::make_mut(&mut chunks[at]);
        match chunk.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(place) => return Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => chunk.insert(place, (key, value)),
        }
        if chunk.len() > CHUNK_MAX {
            let upper = chunk.split_off(CHUNK_MAX / 2);
            chunks.insert(at + 1, Arc::new(upper));
        }
        self.len += 1;
        None
    }

    /// Removes a key; returns its value.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key)?;
        let place = self.chunks[at].binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[at]);
        let (_, value) = chunk.remove(place);
        if chunk.is_empty() {
            chunks.remove(at);
        }
        self.len -= 1;
        Some(value)
    }

    /// The chunk that holds `key` if any does; `None` in an empty map.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let behind = self.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key);
        if self.chunks.is_empty() { None } else { Some(behind.saturating_sub(1)) }
    }
}

/// A place on the way through a map.
struct Walk<'a, K, V> {
    chunks: &'a [Chunk<K, V>],
    /// In the first of them.
    place: usize,
}

impl<'a, K, V> Walk<'a, K, V> {
    fn new(chunks: &'a [Chunk<K, V>]) -> Walk<'a, K, V> {
        Walk { chunks, place: 0 }
    }

    /// The chunk that comes next, if nothing of it was passed yet.
    fn whole_chunk(&self) -> Option<&'a Chunk<K, V>> {
        self.chunks.first().filter(|_| self.place == 0)
    }

    fn next_chunk(&mut self) {
        (self.chunks, self.place) = (&self.chunks[1..], 0);
    }

    fn entry(&self) -> Option<(&'a K, &'a V)> {
        self.chunks.first().map(|chunk| (&chunk[self.place].0, &chunk[self.place].1))
    }

    fn next(&mut self) {
        self.place += 1;
        if self.place == self.chunks[0].len() {
            self.next_chunk();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_behaves_as_an_ordinary_map_and_snapshots_do_not_change() {
        let mut map = SharedMap::default();
        let mut model = BTreeMap::new();
        let mut snapshots = Vec::new();
        let mut x = 7u64;
        for step in 0..20_000u64 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (x >> 33) % 3_000;
            if (x >> 20).is_multiple_of(3) {
                assert_eq!(map.remove(&key), model.remove(&key));
            } else {
                assert_eq!(map.insert(key, step), model.insert(key, step));
            }
            assert_eq!(map.get(&key), model.get(&key));
            if step % 4_000 == 0 {
                snapshots.push((map.clone(), model.clone()));
            }
        }
        snapshots.push((map, model));
        for (map, model) in &snapshots {
            assert_eq!(map.len(), model.len());
            assert!(map.iter().eq(model.iter()));
            for key in [0, 1, 700, 2_999, 3_000] {
                assert!(map.iter_from(|k| *k < key).eq(model.range(key..)));
            }
        }
        for pair in snapshots.windows(2) {
            let (old, new) = (&pair[0], &pair[1]);
            let mut found = Vec::new();
            new.0.differences(&old.0, |key, then, now| found.push((*key, then.copied(), now.copied())));
            let keys: std::collections::BTreeSet<_> = old.1.keys().chain(new.1.keys()).copied().collect();
            let all = keys.into_iter().map(|key| (key, old.1.get(&key).copied(), new.1.get(&key).copied()));
            assert_eq!(found, all.filter(|(_, then, now)| then != now).collect::<Vec<_>>());
            assert!(!new.0.is_shared_with(&old.0));
        }
    }

    #[test]
    fn what_is_shared_is_not_looked_at() {
        /// Equality that counts how often it is asked.
        #[derive(Clone, Debug)]
        struct Counted<'a>(u64, &'a std::cell::Cell<usize>);
        impl PartialEq for Counted<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.1.set(self.1.get() + 1);
                self.0 == other.0
            }
        }
        let asked = std::cell::Cell::new(0);
        let mut map = SharedMap::default();
        for key in 0..100_000u64 {
            map.insert(key, Counted(key, &asked));
        }
        let before = map.clone();
        assert!(map.is_shared_with(&before));
        map.get_mut(&50_000).unwrap().0 = 7;
        map.remove(&70_000);
        map.insert(200_000, Counted(1, &asked));
        let mut found = Vec::new();
        map.differences(&before, |key, _, _| found.push(*key));
        assert_eq!(found, [50_000, 70_000, 200_000]);
        assert!(asked.get() <= 3 * CHUNK_MAX, "{} values were compared", asked.get());
        assert_eq!(before.get(&50_000).unwrap().0, 50_000);
    }

    #[test]
    fn it_empties_and_fills_again() {
        let mut map = SharedMap::default();
        for key in 0..1_000 {
            map.insert(key, key);
        }
        for key in 0..1_000 {
            assert_eq!(map.remove(&key), Some(key));
        }
        assert!(map.is_empty());
        assert_eq!(map.get(&1), None);
        map.insert(5, 5);
        assert_eq!(map.get(&5), Some(&5));
    }
}
