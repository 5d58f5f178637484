//! A partition of a topic.

use std::fmt;
use std::sync::Arc;

/// A topic's name and a partition's number: where records are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl Place {
    /// The place of that name and number.
    pub fn new(topic: &str, partition: i32) -> Place {
        Place { topic: topic.into(), partition }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} partition {}", self.topic, self.partition)
    }
}

/// Items gathered under keys, in the order both came.
pub type Grouped<K, T> = Vec<(K, Vec<T>)>;

/// What belongs to places, gathered by topic, as most requests want it.
pub fn by_topic<'a, T>(places: impl IntoIterator<Item = (&'a Place, T)>) -> Grouped<Arc<str>, (i32, T)> {
    let mut topics: Grouped<Arc<str>, (i32, T)> = Vec::new();
    for (place, item) in places {
        match topics.iter_mut().rfind(|(topic, _)| *topic == place.topic) {
            Some((_, items)) => items.push((place.partition, item)),
            None => topics.push((place.topic.clone(), vec![(place.partition, item)])),
        }
    }
    topics
}
