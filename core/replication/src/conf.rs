//! Who belongs to the group: the words for it, and the bytes of a committed change.
//!
//! Raft encodes its configuration changes with protobuf. They come back from the log and from peers, so they are read
//! here, by a reader of exactly that one message with a bound on everything, and never by a general protobuf parser.

use std::collections::BTreeSet;

use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState};

use crate::peer::PeerId;
use crate::wire::PEERS_MAX;

/// Who belongs to a shard's group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Those whose acknowledgement counts.
    pub voters: BTreeSet<PeerId>,
    /// Those who receive the log without a vote.
    pub learners: BTreeSet<PeerId>,
    /// While two configurations hold at once: the voters of the older one, who count too.
    pub outgoing: BTreeSet<PeerId>,
}

impl Membership {
    /// Whether a change is half done: both majorities are needed.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Everybody, each once.
    #[must_use]
    pub fn everybody(&self) -> BTreeSet<PeerId> {
        self.voters.iter().chain(&self.learners).chain(&self.outgoing).copied().collect()
    }

    pub(crate) fn of(conf: &ConfState) -> Membership {
        let peers = |list: &[u64]| list.iter().filter_map(|id| PeerId::from_raft(*id)).collect();
        Membership {
            voters: peers(&conf.voters),
            learners: peers(&conf.learners),
            outgoing: peers(&conf.voters_outgoing),
        }
    }

    /// Raft's form of a configuration of voters alone.
    pub(crate) fn conf_of_voters(voters: &BTreeSet<PeerId>) -> ConfState {
        let mut conf = ConfState::default();
        conf.set_voters(voters.iter().map(|peer| peer.raft()).collect());
        conf
    }
}

/// One change of the membership. A newcomer is a learner first; the caller promotes it when it has caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Starts sending the log to a peer that has no vote.
    AddLearner(PeerId),
    /// Gives a learner its vote.
    Promote(PeerId),
    /// Takes a peer out for good: its id is never given out again.
    Remove(PeerId),
}

/// Why a change was not proposed. The caller may try again, except with [`ChangeRefused::Senseless`] and
/// [`ChangeRefused::Spent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRefused {
    /// Only a leader changes the membership.
    NotLeader,
    /// The leader's own first entry is not applied yet.
    NotReady,
    /// The change before is not applied yet, or not known for good to most voters, or leadership is being handed over: one at a
    /// time.
    Busy,
    /// The learner lags too far behind to be counted on.
    LearnerBehind,
    /// A leader hands leadership over before it is removed.
    WouldRemoveLeader,
    /// The id belonged to the group before, or a higher one of the same node did: it comes back as the next incarnation. Or
    /// more nodes belonged to the group than it can remember.
    Spent,
    /// The peer is not what the change needs it to be, or the group is full.
    Senseless,
    /// The shard is fenced.
    Fenced,
}

/// How far a candidate's commit may be raised in one step, in entries: the library reads them all at once.
pub(crate) const COMMIT_AT_ONCE_ENTRIES_MAX: u64 = 16;

/// How far a learner may lag and still be promoted, in entries.
pub const PROMOTE_LAG_ENTRIES_MAX: u64 = 1000;

impl Change {
    /// Whether `membership` is one in which this change makes sense.
    pub(crate) fn check(self, membership: &Membership) -> Result<(), ChangeRefused> {
        let Membership { voters, learners, .. } = membership;
        let sensible = match self {
            Change::AddLearner(peer) => {
                !voters.contains(&peer)
                    && !learners.contains(&peer)
                    && voters.len() + learners.len() < PEERS_MAX
            }
            Change::Promote(peer) => learners.contains(&peer),
            Change::Remove(peer) if voters.contains(&peer) => voters.len() > 1,
            Change::Remove(peer) => learners.contains(&peer),
        };
        match sensible {
            _ if membership.is_joint() => Err(ChangeRefused::Busy),
            true => Ok(()),
            false => Err(ChangeRefused::Senseless),
        }
    }

    /// Raft's form. Going from two voters to one passes through a joint configuration: with a simple change the
    /// survivor could be left waiting for a vote of the one who has already gone.
    pub(crate) fn to_raft(self, membership: &Membership) -> ConfChangeV2 {
        let (peer, kind) = match self {
            Change::AddLearner(peer) => (peer, ConfChangeType::AddLearnerNode),
            Change::Promote(peer) => (peer, ConfChangeType::AddNode),
            Change::Remove(peer) => (peer, ConfChangeType::RemoveNode),
        };
        let mut single = ConfChangeSingle::default();
        single.set_change_type(kind);
        single.node_id = peer.raft();
        let mut change = ConfChangeV2::default();
        change.mut_changes().push(single);
        if matches!(self, Change::Remove(_))
            && membership.voters.contains(&peer)
            && membership.voters.len() == 2
        {
            change.set_transition(ConfChangeTransition::Implicit);
        }
        change
    }
}

/// Reads the bytes of a committed change; `None` when they are none. An empty message leaves a joint configuration.
pub(crate) fn parse_change(bytes: &[u8]) -> Option<ConfChangeV2> {
    let mut change = ConfChangeV2::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(n)) => change.set_transition(match n {
                0 => ConfChangeTransition::Auto,
                1 => ConfChangeTransition::Implicit,
                2 => ConfChangeTransition::Explicit,
                _ => return None,
            }),
            (2, Value::Bytes(bytes)) if change.changes.len() < PEERS_MAX => {
                change.mut_changes().push(parse_single(bytes)?);
            }
            (3, Value::Bytes(context)) => change.context = bytes::Bytes::copy_from_slice(context),
            _ => return None,
        }
    }
    Some(change)
}

fn parse_single(bytes: &[u8]) -> Option<ConfChangeSingle> {
    let mut single = ConfChangeSingle::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(n)) => single.set_change_type(match n {
                0 => ConfChangeType::AddNode,
                1 => ConfChangeType::RemoveNode,
                2 => ConfChangeType::AddLearnerNode,
                _ => return None,
            }),
            (2, Value::Number(peer)) => single.node_id = peer,
            _ => return None,
        }
    }
    PeerId::from_raft(single.node_id).map(|_| single)
}

/// The fields of a protobuf message, of the two wire types that occur here.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// `None`: no protobuf. `Some(None)`: the end.
    #[allow(clippy::type_complexity)]
    fn next(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some(Some((key >> 3, value)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::NodeId;
    use proptest::prelude::*;
    use raft::storage::MemStorage;
    use raft::{Config, RawNode};

    use super::*;

    fn peer(node: u64) -> PeerId {
        PeerId::first(NodeId(node)).unwrap()
    }

    /// The bytes that the library itself puts into the log for `change`.
    fn written_by_raft(change: &ConfChangeV2) -> Vec<u8> {
        let storage = MemStorage::new_with_conf_state((vec![1], vec![]));
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let mut node = RawNode::new(&Config::new(1), storage, &logger).unwrap();
        node.campaign().unwrap();
        let ready = node.ready();
        node.mut_store().wl().append(ready.entries()).unwrap();
        node.advance(ready);
        node.advance_apply();
        node.propose_conf_change(Vec::new(), change.clone()).unwrap();
        node.ready().entries()[0].data.to_vec()
    }

    proptest! {
        #[test]
        fn what_raft_writes_is_read(transition in 0..3usize, changes in prop::collection::vec((0..3usize, 1u64..1000), 1..9)) {
            let mut written = ConfChangeV2::default();
            written.set_transition([
                ConfChangeTransition::Auto,
                ConfChangeTransition::Implicit,
                ConfChangeTransition::Explicit,
            ][transition]);
            for (kind, node) in changes {
                let kinds = [ConfChangeType::AddNode, ConfChangeType::RemoveNode, ConfChangeType::AddLearnerNode];
                let mut single = ConfChangeSingle::default();
                single.set_change_type(kinds[kind]);
                single.node_id = peer(node).raft();
                written.mut_changes().push(single);
            }
            prop_assert_eq!(parse_change(&written_by_raft(&written)), Some(written));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_change(&bytes);
        }
    }

    #[test]
    fn the_empty_change_leaves_a_joint_configuration() {
        assert!(parse_change(&[]).unwrap().leave_joint());
    }

    #[test]
    fn two_voters_become_one_through_a_joint_configuration() {
        let two = Membership { voters: [peer(1), peer(2)].into(), ..Membership::default() };
        let three = Membership { voters: [peer(1), peer(2), peer(3)].into(), ..Membership::default() };
        let joint = |m: &Membership| Change::Remove(peer(2)).to_raft(m).enter_joint().is_some();
        assert!(joint(&two));
        assert!(!joint(&three));
    }

    #[test]
    fn changes_without_sense_are_refused() {
        let group =
            Membership { voters: [peer(1)].into(), learners: [peer(2)].into(), ..Membership::default() };
        let refused = |change: Change| change.check(&group).err();
        assert_eq!(refused(Change::Promote(peer(2))), None);
        assert_eq!(refused(Change::AddLearner(peer(3))), None);
        assert_eq!(refused(Change::Remove(peer(2))), None);
        assert_eq!(refused(Change::AddLearner(peer(2))), Some(ChangeRefused::Senseless));
        assert_eq!(refused(Change::Promote(peer(3))), Some(ChangeRefused::Senseless));
        assert_eq!(refused(Change::Remove(peer(1))), Some(ChangeRefused::Senseless), "the last voter stays");
        assert_eq!(refused(Change::Remove(peer(9))), Some(ChangeRefused::Senseless));
        let joint = Membership { outgoing: [peer(1)].into(), ..group };
        assert_eq!(Change::AddLearner(peer(3)).check(&joint), Err(ChangeRefused::Busy));
    }
}
