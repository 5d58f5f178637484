//! Changing who belongs to the group, and who leads it.

use forebay_model::LogIndex;
use raft::{ProgressState, StateRole};

use crate::conf::{Change, ChangeRefused, Membership, PROMOTE_LAG_ENTRIES_MAX};
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
            _ => {}
        }
        let change = change.to_raft(&membership);
        match self.with_raft(|node| node.propose_conf_change(Vec::new(), change)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(ChangeRefused::NotReady),
            None => Err(ChangeRefused::Fenced),
        }
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
