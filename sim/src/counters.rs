//! What a run met: the counts that may not be zero over many seeds.

use std::collections::BTreeMap;

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Counts one.
    pub fn hit(&mut self, name: &str) {
        self.add(name, 1);
    }

    /// Counts `n`.
    pub fn add(&mut self, name: &str, n: u64) {
        match self.0.get_mut(name) {
            Some(count) => *count += n,
            None => {
                self.0.insert(name.to_owned(), n);
            }
        }
    }

    /// Adds what another run met.
    pub fn merge(&mut self, other: &Counters) {
        for (name, n) in &other.0 {
            self.add(name, *n);
        }
    }

    /// One count.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, n)| (name.as_str(), *n))
    }
}

/// What must be met over many seeds; a zero here is a hole in the simulation.
pub const WANTED: [&str; 23] = [
    "leader crash with an unflushed tail",
    "pieces of the journal written again",
    "torn tail cut",
    "segment rewritten while it was held",
    "ENOSPC at Create",
    "ENOSPC at Write",
    "ENOSPC at SetLen",
    "ENOSPC at SyncData",
    "ENOSPC at SyncDir",
    "ENOSPC at Rename",
    "ENOSPC at Remove",
    "EIO at Create",
    "EIO at Write",
    "EIO at SetLen",
    "EIO at SyncData",
    "EIO at SyncDir",
    "EIO at Rename",
    "EIO at Remove",
    "EIO at Read",
    "clock steps",
    "crash during recovery",
    "producer fenced with five batches in flight",
    "cursors committed",
];

/// What must be met besides where transactions take part.
pub const WANTED_OF_TRANSACTIONS: [&str; 7] = [
    "transactions ended",
    "transactions abandoned",
    "transactions whose time was up",
    "reads of completed transactions",
    "reads of completed transactions beside an open one",
    "cursors set in transactions",
    "reads of cursors set in transactions",
];

/// What must be met besides where somebody keeps state in a compacted topic.
pub const WANTED_OF_COMPACTION: [&str; 3] =
    ["batches of state", "reads of all state", "reads of compacted state"];

/// What must be met besides where some share a subscription.
pub const WANTED_OF_SHARES: [&str; 4] =
    ["records shared", "records shared again", "deliveries settled", "deliveries settled too late"];

/// What must be met besides where members of a group come by either protocol.
pub const WANTED_OF_PARTICIPANTS: [&str; 3] = [
    "partitions assigned",
    "classic members taken over by the broker",
    "classic members given back by the broker",
];

/// What must be met besides where a shard has more than one replica.
pub const WANTED_OF_REPLICAS: [&str; 8] = [
    "follower behind the floor",
    "install on a blank disk",
    "entries truncated after a conflict",
    "learner added",
    "learner promoted",
    "old voter removed",
    "async replica rejoined after a power cut",
    "voters that lost power as their vote left",
];
