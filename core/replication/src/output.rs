//! What a replica tells its shard.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use forebay_commitlog::{Body, EntryKind};
use forebay_model::{LogIndex, NodeId, Term};

use crate::conf::Membership;
use crate::peer::PeerId;

/// Something the shard has to know, in the order in which it has to know it.
#[derive(Debug)]
pub enum Output {
    /// Entries to apply, without a gap behind what was handed out before. Report them with `Replica::applied`.
    Committed(Vec<Committed>),
    /// The role changed. A shard that stops leading answers everyone who still waits: "unknown", not "failed".
    Role(Role),
    /// Forget the state and start from this: another replica's checkpoint was installed. Entries behind it follow.
    Install(Checkpoint),
    /// This and every earlier read token may be answered from the applied state.
    ReadReady(ReadToken),
    /// The checkpoint at this index is current: a restart begins there.
    Checkpointed(LogIndex),
    /// The membership changed (an entry that changes it was committed).
    Membership(Membership),
    /// Nothing is confirmed after this, ever; the replica answers nothing more. Comes once.
    Fenced(Fence),
    /// The clean stop asked for with `Replica::close` is on record; drop the replica. Nothing comes after it.
    Closed,
}

/// One committed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The term of the leader that proposed it.
    pub term: Term,
    /// Its place in the log. A waiter is matched by term and index, never by index alone.
    pub index: LogIndex,
    /// What it is to the log. `Noop` and `ConfChange` change no state but count as applied.
    pub kind: EntryKind,
    /// Its slots; their checksums were compared when they came in, not again here.
    pub body: Body,
}

/// What this replica is to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It orders the log.
    Leader {
        /// Its term.
        term: Term,
        /// Whether its own first entry is applied: before, it may know less than the leader before it confirmed.
        ready: LeaderReady,
    },
    /// It follows, has no vote, or waits for a leader.
    Follower {
        /// Who leads, when known.
        leader: Option<NodeId>,
    },
    /// It asks for votes.
    Candidate,
}

/// Whether a leader takes proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderReady {
    /// Its own first entry is still on its way.
    NotYet,
    /// It takes proposals and serves reads.
    Yes,
}

/// The machine's state as of an index, in named sections whose meaning only the machine knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last index it covers.
    pub index: LogIndex,
    /// The term of the entry there.
    pub term: Term,
    /// (section, its bytes). None for the state before the first entry.
    pub sections: Vec<(u32, Bytes)>,
}

/// Names one read barrier. Tokens are given out ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadToken(pub u64);

/// What was found on disk.
#[derive(Debug)]
pub struct Recovered {
    /// The state to start from; `None` for a replica that waits to join.
    pub checkpoint: Option<Checkpoint>,
    /// Bytes of an unfinished write that were cut from the end of the log. Nothing in them was confirmed by a sync shard.
    pub cut_bytes: u64,
    /// Entries behind the checkpoint. They come again once it is known that they are committed; those that never were may
    /// be replaced by a leader's.
    pub entries_to_replay: u64,
    /// An async shard's loss, accepted because there is one voter.
    pub tail_lost: Option<TailLost>,
    /// The id that it gave up because entries acknowledged under it may be gone; its leader has to be told to add the new
    /// one and to remove this.
    pub rejoined: Option<PeerId>,
    /// How long opening took.
    pub took: Duration,
}

/// Acknowledged entries of an async shard that a power loss took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailLost {
    /// The last index that is left.
    pub last: LogIndex,
    /// Whether the loss is certain, and up to which index at least; `None`: the stop was unclean, so there may be one.
    pub known: Option<LogIndex>,
}

/// Why a replica stopped for good.
#[derive(Clone, Debug)]
pub enum Fence {
    /// A write, flush or read failed or found damage. The first one; names the file.
    Storage(forebay_commitlog::Fault),
    /// The log ends before what this replica acknowledged: its medium lost what was flushed, in the window above the recorded
    /// durable index, where damage passes for an unfinished write (`docs/formats/segment.md`).
    TailLost {
        /// What a leader counts on.
        acknowledged: LogIndex,
        /// What is here.
        last: LogIndex,
    },
    /// The Raft library found an invariant broken; its own words.
    Raft(String),
    /// Our own invariant does not hold: a bug of this binary, never a fault of a client.
    Invariant(String),
    /// A background job ended without a result: it panicked.
    JobLost,
    /// The shard above cannot go on, in its own words: what it is handed it cannot apply, or not keep.
    Shard(String),
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fence::Storage(fault) => fault.fmt(f),
            Fence::TailLost { acknowledged, last } => write!(
                f,
                "this replica acknowledged entries up to {acknowledged} and has none behind {last}: its disk lost what was \
                 flushed; replace the replica by its next incarnation"
            ),
            Fence::Raft(words) => write!(f, "the consensus library stopped: {words}"),
            Fence::Invariant(words) => write!(f, "the replica stopped: {words}"),
            Fence::JobLost => f.write_str("a background job of the log ended without a result"),
            Fence::Shard(words) => f.write_str(words),
        }
    }
}

/// Why a proposal was not taken. Nothing of it is in the log; the client may retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Another replica leads, on this node if known.
    NotLeader(Option<NodeId>),
    /// It leads, but its own first entry is not applied yet, or leadership is being handed over.
    NotReady,
    /// Too much is uncommitted or unapplied: the client waits.
    Full,
    /// The replica is fenced.
    Fenced,
}
