//! What peers send, checked before Raft sees it: the library takes its messages from itself for granted, and a message that
//! breaks its assumptions would fence this replica for a fault of another.

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_model::LogIndex;
use raft::eraftpb::{Message, MessageType};

use crate::entry;
use crate::message::{Envelope, PeerMessage};
use crate::output::Fence;
use crate::replica::{Closing, Replica};
use crate::wire;

impl Replica {
    /// Takes one frame from a peer, as its `env.network.send` got it. A frame that is no message, or is for somebody else, is
    /// dropped with a line in the log: peers repeat what matters.
    pub fn step(&mut self, now: Monotonic, frame: Bytes) {
        self.now = self.now.max(now);
        if self.fence.is_some() || self.closing != Closing::No {
            return;
        }
        let envelope = match wire::decode(&frame) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(shard = self.config.shard.0, "a peer's message is dropped: {error}");
                return;
            }
        };
        if envelope.to != self.config.peer {
            tracing::debug!(shard = self.config.shard.0, to = %envelope.to, "a message for another life is dropped");
            return;
        }
        let Envelope { from, message, .. } = envelope;
        match message {
            PeerMessage::Raft(mut message) => {
                message.from = from.raft();
                message.to = self.config.peer.raft();
                self.step_raft(message);
            }
            PeerMessage::Offer(offer) => self.transfer_offered(from, offer),
            PeerMessage::Fetch(fetch) => self.transfer_fetch(from, fetch),
            PeerMessage::Chunk(chunk) => self.transfer_chunk(from, chunk),
            PeerMessage::Staged(id) => self.transfer_staged(from, id),
            PeerMessage::Abandon(id, reason) => {
                self.transfer_abandoned(from, id, reason);
                self.transfer_withdrawn(from, id);
            }
        }
    }

    fn step_raft(&mut self, message: Message) {
        if let Err(reason) = self.admit(&message) {
            let kind = message.get_msg_type();
            tracing::warn!(shard = self.config.shard.0, from = message.from, "{kind:?} is dropped: {reason}");
            return;
        }
        // A heartbeat speaks of what is committed and was acknowledged from here, of no more.
        let (commit, last) = (LogIndex(message.commit), self.last_index());
        match message.get_msg_type() {
            MessageType::MsgHeartbeat if message.term >= self.node.raft.term && commit > last => {
                return self.fence(Fence::TailLost { acknowledged: commit, last });
            }
            MessageType::MsgSnapshot => return self.step_snapshot(message),
            MessageType::MsgRequestVote | MessageType::MsgRequestPreVote if self.refuses_vote(&message) => {
                return self.refuse_vote(&message);
            }
            MessageType::MsgRequestVote
            | MessageType::MsgRequestPreVote
            | MessageType::MsgRequestVoteResponse
            | MessageType::MsgRequestPreVoteResponse => self.learn_far_commit(&message),
            _ => {}
        }
        // Errors are remarks: a peer that is no longer one, a proposal that is not ours to take.
        let _ = self.with_raft(|node| node.step(message));
        self.note_role();
    }

    fn admit(&self, message: &Message) -> Result<(), &'static str> {
        let kind = message.get_msg_type();
        let termless = kind == MessageType::MsgReadIndex;
        if (message.term == 0) != termless {
            return Err("its term is missing, or out of place");
        }
        match kind {
            // Only the library's own followers forward these, and ours never do.
            MessageType::MsgPropose | MessageType::MsgTransferLeader => Err("nobody forwards it"),
            MessageType::MsgAppend => check_append(message),
            MessageType::MsgReadIndex | MessageType::MsgReadIndexResp if message.entries.len() != 1 => {
                Err("it carries no question")
            }
            // Whoever counts its vote counts on what it has forgotten: a newcomer is made a voter when it knows the group.
            MessageType::MsgRequestVote | MessageType::MsgRequestPreVote if !self.knows_the_group() => {
                Err("this replica waits to join")
            }
            // What was committed last may have come with it, and is little.
            MessageType::MsgTimeoutNow if !self.may_take_over() => Err("too much is not applied yet"),
            _ => Ok(()),
        }
    }
}

/// The entries of an append follow its position and each other, and the log can store them.
fn check_append(message: &Message) -> Result<(), &'static str> {
    let (mut index, mut term) = (message.index, message.log_term);
    for entry in &message.entries {
        if index.checked_add(1) != Some(entry.index) {
            return Err("its entries have a gap");
        }
        if entry.term < term || entry.term > message.term {
            return Err("its entries' terms are out of order");
        }
        if !entry::is_sound(entry) {
            return Err("an entry's body is damaged");
        }
        (index, term) = (entry.index, entry.term);
    }
    Ok(())
}
