//! What an operator asks of a shard's replicas: who belongs to them, and one change of that at a time.
//!
//! A change is answered when it is proposed, not when it holds: it may be lost with its leader. So whoever wants it looks,
//! asks for the next step, and looks again, until the members are those that should be:
//!
//! ```text
//!   open the newcomer (it joins, with an id never given out)
//!   AddLearner(new)  -->  it gets a checkpoint and the log
//!   Promote(new)     -->  refused as LearnerBehind until it has caught up
//!   HandOver         -->  only when the one to go leads
//!   Remove(old)      -->  its id is never added again
//! ```
//! An old voter that is gone for good counts as a failure until it is removed and the leader says that this is settled: the
//! group can lose no more meanwhile.

use std::collections::BTreeMap;

use forebay_model::LogIndex;
use forebay_model::quorum::{QuorumView, ReplicaView};
use forebay_replication::{Change, ChangeRefused, Membership, PeerId, PeerProgress};

use crate::shard::Shard;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembersRequest {
    /// Who belongs to the group, as this replica knows it. Any replica answers, a fenced one too.
    Describe,
    /// One change, proposed by the leader.
    Change(Change),
    /// The leader hands leadership to this voter. It may fail silently.
    HandOver(PeerId),
}

/// What is answered: how the group stands now, before the change that was asked for takes effect.
pub type MembersReply = Result<MembersView, ChangeRefused>;

/// A group as one of its replicas knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersView {
    /// The replica that answers; not a member when it waits to be added, or was removed.
    pub replica: PeerId,
    /// Whether it leads and serves.
    pub leads: bool,
    /// Who belongs to the group, as of the entries it was handed.
    pub members: Membership,
    /// Whether most voters know for good that the last change holds; only a leader can tell. Before that, whoever takes its place
    /// may still count on a voter that was removed, so that one is not switched off yet.
    pub settled: bool,
    /// What it knows of the others while it leads.
    pub progress: Vec<PeerProgress>,
}

/// A request on its way to a shard, with whom to tell. Nobody is told when the shard closes before it looks.
pub struct MembersOrder {
    request: MembersRequest,
    tell: Box<dyn FnOnce(MembersReply) + Send>,
}

impl MembersOrder {
    /// A request; `tell` is called on the shard's thread and may not block.
    pub fn new(request: MembersRequest, tell: impl FnOnce(MembersReply) + Send + 'static) -> MembersOrder {
        MembersOrder { request, tell: Box::new(tell) }
    }

    /// Says that it was not taken; it may be asked again.
    pub(crate) fn give_up(self) {
        (self.tell)(Err(ChangeRefused::NotReady));
    }
}

impl std::fmt::Debug for MembersOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MembersOrder").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn serve_members(&mut self, order: MembersOrder) {
        let done = match order.request {
            MembersRequest::Describe => Ok(()),
            MembersRequest::Change(change) => self.change_members(change),
            MembersRequest::HandOver(to) => self.replica.transfer(to),
        };
        (order.tell)(done.map(|()| self.view_members()));
    }

    fn change_members(&mut self, change: Change) -> Result<(), ChangeRefused> {
        self.replica.change_membership(change)?;
        tracing::info!(shard = self.config.id.0, ?change, "a change of the members is proposed");
        Ok(())
    }

    /// The group as this leader knows it.
    pub(crate) fn quorum(&self) -> QuorumView {
        let (own, members) = (self.replica.peer(), self.replica.membership());
        let matched: BTreeMap<PeerId, LogIndex> =
            self.replica.progress().into_iter().map(|known| (known.peer, known.matched)).collect();
        let replica = |peer: &PeerId| {
            let last =
                if *peer == own { Some(self.replica.last_index()) } else { matched.get(peer).copied() };
            ReplicaView { node: peer.node(), end: last.map(LogIndex::next) }
        };
        QuorumView {
            leader: own.node(),
            term: self.term,
            uncommitted: self.replica.committed_index().next(),
            voters: members.voters.iter().map(replica).collect(),
            learners: members.learners.iter().map(replica).collect(),
        }
    }

    fn view_members(&self) -> MembersView {
        MembersView {
            replica: self.replica.peer(),
            leads: self.leads(),
            members: self.replica.membership(),
            settled: self.replica.is_last_change_known(),
            progress: self.replica.progress(),
        }
    }
}
