//! Raft over the commit log: one replica of one shard as a state machine without a thread.
//!
//! The shard's thread proposes, steps what peers sent, lets time pass and hands over the results of background jobs; then it
//! takes from [`Replica::poll`] what there is to know. Bodies of entries are opaque here.
//!
//! Confirms come from [`Output::Committed`] alone: an entry is there only when a majority has it persisted as the shard's
//! [`ShardClass`] says, this replica among them.
#![forbid(unsafe_code)]

mod append;
mod checkpoint;
mod conf;
pub mod config;
mod election;
mod entry;
mod flush;
mod identity;
mod install;
mod job;
mod logger;
mod membership;
mod message;
mod open;
mod output;
mod peer;
mod persist;
mod reads;
mod ready;
mod replica;
mod spent;
mod stand_back;
mod step;
mod store;
mod transfer;
pub mod wire;

pub use checkpoint::CheckpointRequest;
pub use conf::{Change, ChangeRefused, Membership, PROMOTE_LAG_ENTRIES_MAX};
pub use config::{Bootstrap, OnTailLoss, ReplicaConfig, ShardClass};
pub use entry::CONF_CHANGE_SLOT;
pub use forebay_commitlog::{BlockCache, EntryKind, Fault, Journal, ReadBuffers, Replayed};
pub use job::{Completion, Post};
pub use membership::{PeerProgress, PeerState};
pub use message::{
    AbandonReason, Chunk, Envelope, Fetch, FileId, Offer, OfferedFile, PeerMessage, TransferId,
};
pub use open::OpenError;
pub use output::{
    Checkpoint, Committed, Dropped, Fence, LeaderReady, Output, ReadToken, Recovered, Role, TailLost,
};
pub use peer::{NODE_ID_MAX, PeerId};
pub use replica::Replica;
