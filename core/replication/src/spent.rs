//! The ids that were given out. A replica that lost what it had said must not speak under its old id, and an answer of an
//! earlier life may still be on its way; so an id that ever belonged to the group is never added again.

use std::collections::BTreeMap;

use forebay_model::NodeId;
use raft::eraftpb::ConfState;

use crate::conf::Membership;
use crate::peer::PeerId;

/// Nodes that may ever have belonged to one group.
pub(crate) const NODES_EVER_MAX: usize = 4096;

/// The highest incarnation of every node that ever belonged to the group. Lower ones count as given out, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent(BTreeMap<NodeId, PeerId>);

impl Spent {
    /// Notes ids that belong to the group.
    pub(crate) fn note(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        for peer in peers {
            let highest = self.0.entry(peer.node()).or_insert(peer);
            *highest = peer.max(*highest);
        }
    }

    /// Whether an id is new to the group, and there is room to remember it.
    pub(crate) fn allows(&self, peer: PeerId) -> bool {
        match self.0.get(&peer.node()) {
            Some(highest) => peer > *highest,
            None => self.0.len() < NODES_EVER_MAX,
        }
    }

    /// The highest id of every node, by node.
    pub(crate) fn peers(&self) -> impl ExactSizeIterator<Item = PeerId> {
        self.0.values().copied()
    }
}

/// A configuration: Raft's, and the ids that were given out until then.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Conf {
    pub(crate) raft: ConfState,
    pub(crate) spent: Spent,
}

impl Conf {
    /// The one of a group that is founded.
    pub(crate) fn of(raft: ConfState) -> Conf {
        Conf::default().followed_by(raft)
    }

    /// The next one.
    pub(crate) fn followed_by(&self, raft: ConfState) -> Conf {
        let mut spent = self.spent.clone();
        spent.note(Membership::of(&raft).everybody());
        Conf { raft, spent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(node: u64, incarnation: u16) -> PeerId {
        PeerId::new(NodeId(node), incarnation).unwrap()
    }

    #[test]
    fn an_id_is_given_out_once_and_so_is_every_one_before_it() {
        let mut spent = Spent::default();
        spent.note([peer(1, 1), peer(2, 3), peer(2, 2)]);
        assert!(!spent.allows(peer(1, 1)) && spent.allows(peer(1, 2)));
        assert!(!spent.allows(peer(2, 3)) && !spent.allows(peer(2, 1)) && spent.allows(peer(2, 4)));
        assert!(spent.allows(peer(3, 1)));
    }

    #[test]
    fn a_group_remembers_a_bounded_number_of_nodes() {
        let mut spent = Spent::default();
        spent.note((1..=NODES_EVER_MAX as u64).map(|node| peer(node, 1)));
        assert!(!spent.allows(peer(9999, 1)));
        assert!(spent.allows(peer(7, 2)), "a node that is known takes no room");
    }
}
