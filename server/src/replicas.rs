//! How a node's replicas take part in their groups.

use forebay_replication::config::FOLLOWER_LAG_BYTES_DEFAULT;

/// What the replicas of a node are told. The default is that of a node that founds its groups.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaSettings {
    /// How a replica begins where the directory has none.
    pub origin: Origin,
    /// Which life of the node's replicas it is, at least, from 1; a replica whose directory knows a later one goes on as that.
    /// **Whoever gives a node a blank disk raises it** above every number that the node ever used: a replica that forgot
    /// its votes must not speak under an id that gave some. Raised over a directory with a log, it makes newcomers of its
    /// replicas, which keep that log.
    pub incarnation: u16,
    /// How much log each shard keeps for a follower that lags, in bytes. Beyond it the follower gets a checkpoint instead.
    pub follower_lag_bytes_max: u64,
}

/// How replicas begin on a blank disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They found their groups, together with the other nodes that the node was told.
    Founds,
    /// They wait, without a vote, for leaders that are told to add them.
    Joins,
}

impl Default for ReplicaSettings {
    fn default() -> ReplicaSettings {
        ReplicaSettings {
            origin: Origin::Founds,
            incarnation: 1,
            follower_lag_bytes_max: FOLLOWER_LAG_BYTES_DEFAULT,
        }
    }
}
