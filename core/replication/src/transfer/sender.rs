//! The leader's side of transfers: one per peer at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_commitlog::{Fault, Reader, ScrubProgress, SegmentId};
use forebay_env::IoClass;
use forebay_model::LogIndex;
use raft::eraftpb::{Message, MessageType, Snapshot};
use raft::{ProgressState, SnapshotStatus};

use super::{
    CHUNK_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX, RESEND_TICKS, SILENCE_TICKS_MAX, SourceError, Sources,
    snapshot_data,
};
use crate::conf::Membership;
use crate::job::{self, Done};
use crate::message::{AbandonReason, Chunk, Fetch, FileId, Offer, PeerMessage, TransferId};
use crate::peer::PeerId;
use crate::replica::Replica;

/// Ticks that a receiver gets to install what it staged before Raft is told that it failed.
const INSTALL_TICKS_MAX: u32 = 60;
/// What is read at once to find damage, in bytes.
const LOOK_BYTES: u64 = 1024 * 1024;
/// While a peer is brought up, so many times the bytes of what is sent to it may be appended before it has to begin anew.
const HOLD_FACTOR: u64 = 4;
/// Ticks after which nothing is held any more for a peer that does not move on.
const HOLD_TICKS_MAX: u32 = 100;

/// All transfers under way from here.
pub(crate) struct Sender {
    next: u64,
    by_peer: BTreeMap<PeerId, Sending>,
    /// Somebody waits who is not in the membership of the current checkpoint.
    newcomer: bool,
    /// Files of this replica are being read again.
    looking: bool,
    /// What peers that were or are being brought up will want next, so that it is not given up before they get there.
    holds: BTreeMap<PeerId, Hold>,
}

/// The log is kept behind `index` for a peer, up to `bytes_max` bytes of it.
struct Hold {
    index: LogIndex,
    bytes_max: u64,
    /// Since the peer moved on, while nothing is sent to it.
    silent_ticks: u32,
}

struct Sending {
    id: TransferId,
    stage: Stage,
    /// Since the receiver was heard of, or since the snapshot left.
    silent_ticks: u32,
    prepared: Option<Prepared>,
    /// Chunks that are being read.
    reading: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The files are being listed.
    Preparing,
    /// The receiver was told and fetches.
    Offered,
    /// The receiver has everything; Raft may send its snapshot.
    Staged,
    /// Raft's snapshot left; Raft waits to hear how it ended.
    Sent,
}

/// What there is to send.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) offer: Offer,
    pub(crate) sources: Arc<Sources>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("offer", &self.offer).finish_non_exhaustive()
    }
}

impl Sender {
    /// `first` is drawn, so that no number of an earlier life comes back.
    pub(crate) fn new(first: u64) -> Sender {
        Sender {
            next: first,
            by_peer: BTreeMap::new(),
            newcomer: false,
            looking: false,
            holds: BTreeMap::new(),
        }
    }

    fn draw(&mut self) -> TransferId {
        self.next = self.next.wrapping_add(1);
        TransferId(self.next)
    }

    fn hold(&mut self, peer: PeerId, offer: &Offer) {
        let bytes: u64 = offer.files.iter().map(|file| file.bytes).sum();
        let bytes_max = bytes.saturating_mul(HOLD_FACTOR);
        self.holds.insert(peer, Hold { index: offer.index, bytes_max, silent_ticks: 0 });
    }

    /// From where on the log is kept for peers that are brought up, and for how many bytes at most.
    pub(crate) fn held(&self) -> impl Iterator<Item = (LogIndex, u64)> {
        self.holds.values().map(|hold| (hold.index, hold.bytes_max))
    }

    fn matching(&mut self, peer: PeerId, id: TransferId) -> Option<&mut Sending> {
        self.by_peer.get_mut(&peer).filter(|sending| sending.id == id)
    }
}

impl Replica {
    /// Begins a transfer to everybody for whom Raft wanted a snapshot.
    pub(crate) fn start_transfers(&mut self) {
        for to in self.node.store().take_wanted() {
            let Some(peer) = PeerId::from_raft(to) else { continue };
            if self.fence.is_some() || self.sender.by_peer.contains_key(&peer) {
                continue;
            }
            if !self.is_in_checkpoint(peer) {
                // Raft ignores a snapshot whose membership the receiver is not in.
                self.sender.newcomer = true;
                continue;
            }
            let id = self.sender.draw();
            let sending =
                Sending { id, stage: Stage::Preparing, silent_ticks: 0, prepared: None, reading: 0 };
            self.sender.by_peer.insert(peer, sending);
            let (keeper, reader) = (self.log().keeper(), self.reader());
            job::spawn(&self.env, &self.post, IoClass::Read, move || Done::TransferPrepared {
                peer,
                id,
                result: Sources::list(&keeper, &reader, id),
            });
        }
    }

    /// Whether the current checkpoint was made when `peer` belonged to the group.
    pub(crate) fn is_in_checkpoint(&self, peer: PeerId) -> bool {
        Membership::of(&self.conf_at(self.checkpoints.current.index).raft).everybody().contains(&peer)
    }

    /// Whether a checkpoint is needed because somebody joined since the last one.
    pub(crate) fn newcomer_wants_seal(&self) -> bool {
        self.sender.newcomer && !self.checkpoints.is_coming()
    }

    /// A new checkpoint is there; whoever still is not in it asks again.
    pub(crate) fn newcomers_are_known(&mut self) {
        self.sender.newcomer = false;
    }

    pub(crate) fn transfer_prepared(
        &mut self,
        peer: PeerId,
        id: TransferId,
        result: Result<Prepared, SourceError>,
    ) {
        let Some(sending) = self.sender.matching(peer, id) else { return };
        match result {
            Ok(prepared) => {
                let offer = prepared.offer.clone();
                sending.prepared = Some(prepared);
                sending.stage = Stage::Offered;
                self.sender.hold(peer, &offer);
                self.send(peer, PeerMessage::Offer(offer));
            }
            Err(error) => {
                tracing::error!(shard = self.config.shard.0, to = %peer, "nothing can be transferred: {error}");
                self.sender.by_peer.remove(&peer);
            }
        }
    }

    /// A receiver asks for a piece of a file.
    pub(crate) fn transfer_fetch(&mut self, from: PeerId, fetch: Fetch) {
        let Some(sending) = self.sender.matching(from, fetch.transfer) else {
            return self.send(from, PeerMessage::Abandon(fetch.transfer, AbandonReason::Unknown));
        };
        sending.silent_ticks = 0;
        let Some(prepared) = &sending.prepared else { return };
        // A receiver that asks for more than it may has to ask again.
        if sending.reading >= CHUNKS_IN_FLIGHT_MAX {
            return;
        }
        sending.reading += 1;
        let sources = prepared.sources.clone();
        let bytes = fetch.bytes.min(CHUNK_BYTES_MAX) as usize;
        job::spawn(&self.env, &self.post, IoClass::Read, move || Done::ChunkRead {
            peer: from,
            fetch,
            result: sources.read(fetch.file, fetch.position, bytes),
        });
    }

    pub(crate) fn transfer_chunk_read(
        &mut self,
        peer: PeerId,
        fetch: Fetch,
        result: Result<Bytes, SourceError>,
    ) {
        let Some(sending) = self.sender.matching(peer, fetch.transfer) else { return };
        sending.reading -= 1;
        match result {
            Ok(data) if !data.is_empty() => {
                let Fetch { transfer, file, position, .. } = fetch;
                self.send(peer, PeerMessage::Chunk(Chunk { transfer, file, position, data }));
            }
            // A piece behind the end: whoever asks for it does not read our offer.
            Ok(_) => self.end_transfer(peer, AbandonReason::Damaged),
            Err(error) => {
                tracing::error!(shard = self.config.shard.0, to = %peer, "a transfer ends: {error}");
                self.end_transfer(peer, AbandonReason::Storage);
            }
        }
    }

    /// A receiver has everything: Raft gets its snapshot with its next attempt.
    pub(crate) fn transfer_staged(&mut self, from: PeerId, id: TransferId) {
        let Some(sending) = self.sender.matching(from, id) else {
            return self.send(from, PeerMessage::Abandon(id, AbandonReason::Unknown));
        };
        let (Stage::Offered, Some(prepared)) = (sending.stage, &sending.prepared) else { return };
        sending.stage = Stage::Staged;
        sending.silent_ticks = 0;
        let mut snapshot = Snapshot::default();
        snapshot.mut_metadata().index = prepared.offer.index.0;
        snapshot.mut_metadata().term = prepared.offer.term.0;
        snapshot.mut_metadata().set_conf_state(prepared.offer.conf.clone());
        snapshot.data = snapshot_data(id);
        self.node.mut_store().staged.insert(from.raft(), snapshot);
    }

    /// Watches what leaves: a snapshot is for one attempt, and its end must be told.
    pub(crate) fn note_snapshot_sent(&mut self, message: &Message) {
        if message.get_msg_type() != MessageType::MsgSnapshot {
            return;
        }
        self.node.mut_store().staged.remove(&message.to);
        let peer = PeerId::from_raft(message.to);
        if let Some(sending) = peer.and_then(|peer| self.sender.by_peer.get_mut(&peer)) {
            sending.stage = Stage::Sent;
            sending.silent_ticks = 0;
        }
    }

    /// The receiver gives up.
    pub(crate) fn transfer_abandoned(&mut self, from: PeerId, id: TransferId, reason: AbandonReason) {
        if self.sender.matching(from, id).is_some() {
            tracing::warn!(shard = self.config.shard.0, to = %from, "the receiver gave a transfer up: {reason:?}");
            if reason == AbandonReason::Damaged {
                self.look_at_what_was_sent(from);
            }
            self.forget_transfer(from);
        }
    }

    /// Reads again what a receiver found damaged time after time: what rots on this replica's disk arrives as it is there.
    fn look_at_what_was_sent(&mut self, to: PeerId) {
        let Some(prepared) = self.sender.by_peer.get(&to).and_then(|sending| sending.prepared.clone()) else {
            return;
        };
        if std::mem::replace(&mut self.sender.looking, true) {
            return;
        }
        let (keeper, reader, shard) = (self.log().keeper(), self.reader(), self.config.shard);
        job::spawn(&self.env, &self.post, IoClass::Background, move || {
            let segments = prepared.offer.files.iter().filter_map(|file| match file.file {
                FileId::Segment { first, generation } => Some(SegmentId { shard, first, generation }),
                FileId::Sidecar { .. } | FileId::Checkpoint { .. } => None,
            });
            let damage = damage_in(&reader, segments).or_else(|| keeper.load_checkpoint().err());
            Done::SentLookedAt { damage }
        });
    }

    pub(crate) fn sent_looked_at(&mut self, damage: Option<Fault>) {
        self.sender.looking = false;
        if let Some(damage) = damage {
            tracing::error!(
                shard = self.config.shard.0,
                "what was to be transferred is damaged here: {damage}"
            );
            self.stand_back();
        }
    }

    pub(crate) fn tick_sender(&mut self) {
        self.tick_holds();
        let peers: Vec<PeerId> = self.sender.by_peer.keys().copied().collect();
        for peer in peers {
            let Some(sending) = self.sender.by_peer.get_mut(&peer) else { continue };
            sending.silent_ticks += 1;
            let ticks = sending.silent_ticks;
            let limit = if sending.stage == Stage::Sent { INSTALL_TICKS_MAX } else { SILENCE_TICKS_MAX };
            let installed = sending.stage == Stage::Sent && !self.waits_for_snapshot(peer);
            if installed || ticks >= limit {
                self.forget_transfer(peer);
            } else if ticks % RESEND_TICKS == 0 {
                self.offer_again(peer);
            }
        }
    }

    /// Moves holds on with their peers, and lets go of those that are not needed any more.
    fn tick_holds(&mut self) {
        let (raft, caught_up) = (&self.node.raft, self.checkpoints.current.index);
        let by_peer = &self.sender.by_peer;
        self.sender.holds.retain(|peer, hold| {
            let Some(progress) = raft.prs().get(peer.raft()) else { return false };
            let matched = LogIndex(progress.matched);
            if matched > hold.index {
                (hold.index, hold.silent_ticks) = (matched, 0);
            }
            if !by_peer.contains_key(peer) {
                hold.silent_ticks += 1;
            }
            matched < caught_up && hold.silent_ticks < HOLD_TICKS_MAX
        });
    }

    fn offer_again(&mut self, peer: PeerId) {
        let sending = &self.sender.by_peer[&peer];
        if let (Stage::Offered, Some(prepared)) = (sending.stage, &sending.prepared) {
            self.send(peer, PeerMessage::Offer(prepared.offer.clone()));
        }
    }

    fn waits_for_snapshot(&self, peer: PeerId) -> bool {
        let progress = self.node.raft.prs().get(peer.raft());
        progress.is_some_and(|progress| progress.state == ProgressState::Snapshot)
    }

    fn end_transfer(&mut self, peer: PeerId, reason: AbandonReason) {
        if let Some(sending) = self.sender.by_peer.get(&peer) {
            self.send(peer, PeerMessage::Abandon(sending.id, reason));
            self.forget_transfer(peer);
        }
    }

    /// Forgets a transfer, however it ended, and says so to Raft if Raft waits to hear it.
    fn forget_transfer(&mut self, peer: PeerId) {
        self.sender.by_peer.remove(&peer);
        self.node.mut_store().staged.remove(&peer.raft());
        if self.waits_for_snapshot(peer) {
            self.with_raft(|node| node.report_snapshot(peer.raft(), SnapshotStatus::Failure));
        }
    }

    /// Whoever leads next makes its own offers.
    pub(crate) fn forget_transfers(&mut self) {
        self.sender.by_peer.clear();
        self.sender.holds.clear();
        self.sender.newcomer = false;
        self.node.mut_store().staged.clear();
    }
}

/// The first damage in segments, if there is any.
fn damage_in(reader: &Reader, segments: impl Iterator<Item = SegmentId>) -> Option<Fault> {
    for id in segments {
        // One that does not count any more is nobody's loss.
        let Some(mut scrub) = reader.scrub(id) else { continue };
        loop {
            match scrub.step(LOOK_BYTES) {
                Ok(ScrubProgress::More) => {}
                Ok(ScrubProgress::Done { .. }) => break,
                Err(fault) => return Some(fault),
            }
        }
    }
    None
}
