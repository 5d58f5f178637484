//! An ordered map whose clone shares everything: a snapshot for readers on other threads.

use std::borrow::Borrow;
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
        for (map, model) in snapshots {
            assert_eq!(map.len(), model.len());
            assert!(map.iter().eq(model.iter()));
        }
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
