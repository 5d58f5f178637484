//! What replicas of a shard say to each other.

use bytes::Bytes;
use forebay_commitlog::{Generation, SegmentId};
use forebay_model::{LogIndex, ShardId, Term};
use raft::eraftpb::{ConfState, Message, MessageType};

use crate::peer::PeerId;

/// One message between two replicas of the same shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Who sends it.
    pub from: PeerId,
    /// For whom it is. A replica drops what is for another incarnation of itself.
    pub to: PeerId,
    /// What it says.
    pub message: PeerMessage,
}

/// What one replica says to another.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerMessage {
    /// Raft's own. The files of a snapshot never travel in it, only the number of the transfer that brought them.
    Raft(Message),
    /// The leader to a replica whose next entry is gone from the leader's log: fetch these files first.
    Offer(Offer),
    /// The receiver of an offer asks for a piece of a file.
    Fetch(Fetch),
    /// The answer to a [`Fetch`].
    Chunk(Chunk),
    /// The receiver has every file of the offer, verified and flushed: the Raft snapshot may come.
    Staged(TransferId),
    /// Either side gives the transfer up.
    Abandon(TransferId, AbandonReason),
}

impl PeerMessage {
    /// Whether it grants a vote: what its sender must not forget.
    pub fn grants_vote(&self) -> bool {
        match self {
            PeerMessage::Raft(message) => {
                message.get_msg_type() == MessageType::MsgRequestVoteResponse && !message.reject
            }
            _ => false,
        }
    }
}

/// One attempt to bring a replica up to a checkpoint. Drawn by the sender; a stale answer never matches a newer attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

/// A file of a shard, named by what it holds: equal names mean equal canonical bytes on all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileId {
    /// A sealed segment.
    Segment {
        /// Index of its first entry.
        first: LogIndex,
        /// Which rewrite made it, if one did.
        generation: Generation,
    },
    /// The index of a sealed segment.
    Sidecar {
        /// Index of its segment's first entry.
        first: LogIndex,
        /// Its segment's generation.
        generation: Generation,
    },
    /// The state as of an index.
    Checkpoint {
        /// The last index it covers.
        index: LogIndex,
    },
}

impl FileId {
    /// The segment that this is, in a shard.
    pub(crate) fn segment(self, shard: ShardId) -> Option<SegmentId> {
        match self {
            FileId::Segment { first, generation } => Some(SegmentId { shard, first, generation }),
            FileId::Sidecar { .. } | FileId::Checkpoint { .. } => None,
        }
    }
}

/// A file with what is needed to fetch and to check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedFile {
    /// Which one.
    pub file: FileId,
    /// Its whole length in bytes.
    pub bytes: u64,
    /// Digest of its canonical bytes.
    pub digest: u64,
}

/// A checkpoint and the files below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The attempt that all answers repeat.
    pub transfer: TransferId,
    /// The checkpoint's index.
    pub index: LogIndex,
    /// The term of the entry at that index.
    pub term: Term,
    /// Who belonged to the group at that index.
    pub conf: ConfState,
    /// Every file that a replica standing at this checkpoint has.
    pub files: Vec<OfferedFile>,
}

/// A request for bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The offer it belongs to.
    pub transfer: TransferId,
    /// Which file.
    pub file: FileId,
    /// From which byte on.
    pub position: u64,
    /// How many bytes at most.
    pub bytes: u32,
}

/// Bytes of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The offer it belongs to.
    pub transfer: TransferId,
    /// Which file.
    pub file: FileId,
    /// Where these bytes begin.
    pub position: u64,
    /// The bytes; never empty.
    pub data: Bytes,
}

/// Why a transfer ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbandonReason {
    /// The other side does not know this transfer: it restarted, gave up or began another.
    Unknown,
    /// A file could not be read or written.
    Storage,
    /// What arrived is not what was offered.
    Damaged,
    /// The other side's log already reaches the checkpoint.
    NotNeeded,
}
