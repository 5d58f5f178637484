//! Bringing a replica up to a checkpoint when the log it needs is gone, or when its disk is blank.
//!
//! ```text
//!   leader                                   the one behind
//!   Raft wants a snapshot for it
//!   Offer: checkpoint, segments, sidecars -->
//!                                        <-- Fetch (a few at a time)
//!   Chunk                                -->  incoming/, checked, flushed
//!                                        <-- Staged
//!   Raft's snapshot: only its number     -->  installs what is staged
//! ```
//! The files travel outside of Raft: they may take hours, Raft's snapshot is of this moment. Files that arrived are kept by
//! their ids: a transfer that is broken off, by a lost leader or a restart, goes on where it stopped with the next offer.
//! Raft is always told how a snapshot ended, or it would never send to that peer again.

mod files;
mod receiver;
mod sender;

pub(crate) use files::{Checked, Incoming, Looked, Missing, SourceError, Sources};
pub(crate) use receiver::{Attempt, Receiver, Staged};
pub(crate) use sender::{Prepared, Sender};

use bytes::Bytes;
use raft::eraftpb::Snapshot;

use crate::message::TransferId;

/// Most bytes of one chunk.
pub(crate) const CHUNK_BYTES_MAX: u32 = 512 * 1024;
/// Chunks on their way to one receiver.
pub(crate) const CHUNKS_IN_FLIGHT_MAX: usize = 4;
/// Ticks without an answer before a message of a transfer is sent again.
pub(crate) const RESEND_TICKS: u32 = 10;
/// Ticks without a sign of the other side before a transfer is given up.
pub(crate) const SILENCE_TICKS_MAX: u32 = 200;

/// What Raft's snapshot carries: the number of the transfer that brought its files.
pub(crate) fn snapshot_data(id: TransferId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_le_bytes())
}

/// The transfer that a snapshot of Raft's belongs to; `None` when it is not one of ours.
pub(crate) fn transfer_of(snapshot: &Snapshot) -> Option<TransferId> {
    Some(TransferId(u64::from_le_bytes(snapshot.data[..].try_into().ok()?)))
}
