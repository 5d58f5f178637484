//! Changing who belongs to the group, and who leads it.

use forebay_model::LogIndex;
use raft::eraftpb::{Message, MessageType};
use raft::{ProgressState, StateRole};

use crate::conf::{COMMIT_AT_ONCE_ENTRIES_MAX, Change, ChangeRefused, Membership, PROMOTE_LAG_ENTRIES_MAX};
use crate::message::PeerMessage;
use crate::output::Dropped;
use crate::peer::PeerId;
use crate::replica::Replica;

/// What a leader knows of another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    /// Who.
    pub peer: PeerId,
    /// It has the same log up to here.
    pub matched: LogIndex,
    /// How the log reaches it.
    pub state: PeerState,
}

/// How the log reaches a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// The leader looks for the place where the logs agree.
    Probing,
    /// Entries flow.
    Replicating,
    /// It receives a checkpoint and segments.
    Transferring,
}

impl Replica {
    /// Proposes one change of the membership. It holds when [`Output::Membership`](crate::Output::Membership) says so; a
    /// proposal that is lost with its leader says nothing, so the caller looks and asks again.
    pub fn change_membership(&mut self, change: Change) -> Result<(), ChangeRefused> {
        self.check_leader().map_err(|dropped| match dropped {
            Dropped::Fenced => ChangeRefused::Fenced,
            Dropped::NotLeader(_) => ChangeRefused::NotLeader,
            Dropped::NotReady if self.node.raft.lead_transferee.is_some() => ChangeRefused::Busy,
            Dropped::NotReady | Dropped::Full => ChangeRefused::NotReady,
        })?;
        let membership = self.membership();
        change.check(&membership)?;
        match change {
            Change::Remove(peer) if peer == self.config.peer => return Err(ChangeRefused::WouldRemoveLeader),
            Change::AddLearner(peer) if !self.conf().spent.allows(peer) => return Err(ChangeRefused::Spent),
            Change::Promote(peer) if !self.is_caught_up(peer) => return Err(ChangeRefused::LearnerBehind),
            _ if self.node.raft.has_pending_conf() => return Err(ChangeRefused::Busy),
            _ if !self.is_last_change_known() => return Err(ChangeRefused::Busy),
            _ => {}
        }
        let change = change.to_raft(&membership);
        match self.with_raft(|node| node.propose_conf_change(Vec::new(), change)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(ChangeRefused::NotReady),
            None => Err(ChangeRefused::Fenced),
        }
    }

    /// Whether most voters know for good that the last change of the membership is committed; false where this replica does not
    /// lead. Until then whoever takes this leader's place may count the members before it, so a voter that was removed is
    /// still needed like any other. The library takes a change up when it is applied, not
    /// when it is in the log: a voter that has it in its log and does not know it committed campaigns among the voters
    /// before it. One change behind, any majority of those meets any majority of these; two changes behind it may not.
    /// So before the next change most voters know the last one, and they refuse their votes to whoever does not
    /// (`refuses_vote`). See docs/adr/0008.
    #[must_use]
    pub fn is_last_change_known(&self) -> bool {
        let raft = &self.node.raft;
        if raft.state != StateRole::Leader {
            return false;
        }
        let membership = self.membership();
        // All changes before this leader's term count as made by its first entry.
        let own_first = self.own_first.map_or(LogIndex(0), |(_, index)| index);
        let last = self.confs.keys().next_back().copied().unwrap_or_default().max(own_first);
        let knows = |peer: &PeerId| match *peer == self.config.peer {
            true => self.hard.commit_durable >= last,
            false => raft.prs().get(peer.raft()).is_some_and(|known| known.committed_index >= last.0),
        };
        2 * membership.voters.iter().filter(|peer| knows(peer)).count() > membership.voters.len()
    }

    /// Whether a candidate may campaign among voters of long ago: it does not know of the last change that is committed here.
    pub(crate) fn refuses_vote(&self, request: &Message) -> bool {
        let committed = self.committed_index();
        // What is committed and not handed out may have a change in it.
        let known = if self.handed < committed {
            committed
        } else {
            self.confs.keys().next_back().copied().unwrap_or_default()
        };
        request.term >= self.node.raft.term && request.commit < known.0
    }

    /// Refuses a vote as the library does, and tells the candidate what is committed here: it takes it over if its log has it.
    pub(crate) fn refuse_vote(&mut self, request: &Message) {
        let Some(to) = PeerId::from_raft(request.from) else { return };
        let Some((commit, commit_term)) = self.with_raft(|node| node.raft.raft_log.commit_info()) else {
            return;
        };
        let mut refusal = Message::default();
        let (kind, term) = match request.get_msg_type() {
            // A candidate is in the term before the one that it asks for.
            MessageType::MsgRequestPreVote => (MessageType::MsgRequestPreVoteResponse, request.term - 1),
            _ => (MessageType::MsgRequestVoteResponse, request.term),
        };
        refusal.set_msg_type(kind);
        refusal.from = self.config.peer.raft();
        refusal.to = request.from;
        refusal.term = term.max(self.node.raft.term);
        refusal.reject = true;
        (refusal.commit, refusal.commit_term) = (commit, commit_term);
        self.send(to, PeerMessage::Raft(refusal));
    }

    /// Takes over what a voter says is committed, and campaigns no more for now, when that is far ahead of what is known here: the
    /// library would read all of it at once to look for a change of the membership.
    pub(crate) fn learn_far_commit(&mut self, message: &Message) {
        let (commit, term) = (message.commit, message.commit_term);
        let far = self.committed_index().0.saturating_add(COMMIT_AT_ONCE_ENTRIES_MAX);
        let campaigns = matches!(self.node.raft.state, StateRole::Candidate | StateRole::PreCandidate);
        if !campaigns || commit <= far || term == 0 {
            return;
        }
        self.with_raft(|node| {
            if node.raft.raft_log.maybe_commit(commit, term) {
                let term = node.raft.term;
                node.raft.become_follower(term, raft::INVALID_ID);
            }
        });
    }

    /// Whether a learner can be counted on. Its vote may be needed for the very next entry, so it needs no checkpoint to get
    /// there, and must not come to depend on one that can only be made with its vote: it has the log from where it was
    /// added, or the checkpoint knows it.
    fn is_caught_up(&self, peer: PeerId) -> bool {
        let Some(progress) = self.node.raft.prs().get(peer.raft()) else { return false };
        let matched = LogIndex(progress.matched);
        let lag = self.last_index().0.saturating_sub(matched.0);
        let reached = Membership::of(&self.conf_at(matched).raft).everybody().contains(&peer);
        progress.state != ProgressState::Snapshot
            && lag <= PROMOTE_LAG_ENTRIES_MAX
            && matched >= self.log().floor().index
            && (reached || self.is_in_checkpoint(peer))
    }

    /// Whether it was founded with its group, or got a checkpoint of it.
    pub(crate) fn knows_the_group(&self) -> bool {
        !self.membership().everybody().is_empty()
    }

    /// Hands leadership to `to`, a voter, once its log is complete. While that lasts (at most an election timeout) nothing
    /// is proposed; it may fail silently, so the caller watches [`Output::Role`](crate::Output::Role).
    pub fn transfer(&mut self, to: PeerId) -> Result<(), ChangeRefused> {
        let membership = self.membership();
        match self.check_leader() {
            Err(Dropped::Fenced) => Err(ChangeRefused::Fenced),
            Err(Dropped::NotLeader(_)) => Err(ChangeRefused::NotLeader),
            _ if to == self.config.peer || !membership.voters.contains(&to) => Err(ChangeRefused::Senseless),
            _ => {
                self.with_raft(|node| node.transfer_leader(to.raft()));
                Ok(())
            }
        }
    }

    /// What this leader knows of the others; nothing on any other replica.
    #[must_use]
    pub fn progress(&self) -> Vec<PeerProgress> {
        let raft = &self.node.raft;
        if raft.state != StateRole::Leader {
            return Vec::new();
        }
        let known = raft.prs().iter().filter(|(id, _)| **id != raft.id).filter_map(|(id, progress)| {
            Some(PeerProgress {
                peer: PeerId::from_raft(*id)?,
                matched: LogIndex(progress.matched),
                state: match progress.state {
                    ProgressState::Probe => PeerState::Probing,
                    ProgressState::Replicate => PeerState::Replicating,
                    ProgressState::Snapshot => PeerState::Transferring,
                },
            })
        });
        let mut known: Vec<_> = known.collect();
        // The library keeps them in a hash map.
        known.sort_by_key(|progress| progress.peer);
        known
    }
}
