//! Who keeps the log of the catalogue.

use crate::{LogIndex, NodeId, Refusal, Term};

/// The group of replicas that keeps the catalogue, as its leader knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumView {
    /// Who leads it.
    pub leader: NodeId,
    /// The leader's term.
    pub term: Term,
    /// The first entry that is not known to be committed.
    pub uncommitted: LogIndex,
    /// Replicas whose acknowledgement counts, the leader among them.
    pub voters: Vec<ReplicaView>,
    /// Replicas that receive the log without a vote.
    pub learners: Vec<ReplicaView>,
}

/// One replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// The node it runs on.
    pub node: NodeId,
    /// The first entry that it does not have; nothing where the leader has not heard from it.
    pub end: Option<LogIndex>,
}

/// The answer of the leader.
pub type DescribedQuorum = Result<QuorumView, Refusal>;
