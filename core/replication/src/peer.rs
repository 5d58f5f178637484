//! Who takes part in a shard's Raft group.

use std::fmt;

use forebay_model::NodeId;

/// Most nodes a peer id can name: the node fills the upper 48 bits of Raft's number.
pub const NODE_ID_MAX: u64 = (1 << 48) - 1;

/// One replica of one shard: a node and its incarnation there.
///
/// A replica that lost what it had acknowledged must never speak under its old id again (it may have voted or counted
/// towards a commit with what is gone), so it comes back as the next incarnation. An id is given out once. Raft knows
/// it as one number, from which the node is read again: no address book has to be replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    node: u64,
    incarnation: u16,
}

impl PeerId {
    /// The peer of `node` in its `incarnation`, which counts from 1. `None` for incarnation 0 (Raft's "nobody" must stay
    /// free) and for nodes above [`NODE_ID_MAX`].
    #[must_use]
    pub fn new(node: NodeId, incarnation: u16) -> Option<PeerId> {
        (incarnation > 0 && node.0 <= NODE_ID_MAX).then_some(PeerId { node: node.0, incarnation })
    }

    /// The first incarnation on `node`; `None` above [`NODE_ID_MAX`].
    #[must_use]
    pub fn first(node: NodeId) -> Option<PeerId> {
        PeerId::new(node, 1)
    }

    /// The node it runs on.
    #[must_use]
    pub fn node(self) -> NodeId {
        NodeId(self.node)
    }

    /// Which life of the replica on that node, from 1.
    #[must_use]
    pub fn incarnation(self) -> u16 {
        self.incarnation
    }

    /// The id to come back under after a loss; `None` when all incarnations are used up.
    #[must_use]
    pub fn next_incarnation(self) -> Option<PeerId> {
        PeerId::new(self.node(), self.incarnation.checked_add(1)?)
    }

    /// Raft's number for it; never 0.
    #[must_use]
    pub fn raft(self) -> u64 {
        self.node << 16 | u64::from(self.incarnation)
    }

    /// Back from Raft's number; `None` for numbers that no peer has.
    #[must_use]
    pub fn from_raft(raft: u64) -> Option<PeerId> {
        PeerId::new(NodeId(raft >> 16), (raft & 0xffff) as u16)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_survives_rafts_number() {
        for (node, incarnation) in [(0, 1), (1, 1), (7, 65_535), (NODE_ID_MAX, 3)] {
            let peer = PeerId::new(NodeId(node), incarnation).unwrap();
            assert_eq!(PeerId::from_raft(peer.raft()), Some(peer));
            assert_ne!(peer.raft(), 0);
        }
    }

    #[test]
    fn nobody_has_incarnation_zero_or_a_node_too_large() {
        assert_eq!(PeerId::new(NodeId(1), 0), None);
        assert_eq!(PeerId::new(NodeId(NODE_ID_MAX + 1), 1), None);
        assert_eq!(PeerId::from_raft(0), None);
    }
}
