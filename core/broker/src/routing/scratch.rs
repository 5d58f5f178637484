//! What a publish needs while it is routed, kept for the next one.

use forebay_model::exchange::QueueId;

use super::found::Found;
use super::headers::Asked;
use super::topic::Walk;

/// Memory for routing, one for each thread that routes. It grows to what the largest publish needed; after that routing allocates
/// nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) found: Found,
    pub(super) walk: Walk,
    pub(super) asked: Asked,
    /// Places of the keys by rising key, each key once.
    pub(super) keys: Vec<u32>,
}

impl Scratch {
    /// The queues of the last publish, by rising id, each once.
    #[must_use]
    pub fn queues(&self) -> &[QueueId] {
        &self.found.queues
    }

    /// The same, to be taken out for a while.
    pub(crate) fn queues_mut(&mut self) -> &mut Vec<QueueId> {
        &mut self.found.queues
    }

    /// Orders the keys of a message.
    pub(super) fn order(&mut self, keys: &[&[u8]]) {
        self.keys.clear();
        self.keys.extend(0..u32::try_from(keys.len()).expect("there are few keys"));
        if keys.len() > 1 {
            self.keys.sort_unstable_by_key(|place| keys[*place as usize]);
            self.keys.dedup_by_key(|place| keys[*place as usize]);
        }
    }
}
