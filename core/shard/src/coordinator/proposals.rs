//! Proposals whose outcome is awaited.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_machine::Outcome;
use forebay_model::group::GroupReply;
use forebay_model::{GroupId, PartitionRef, Refusal};

use super::join::Replacement;
use super::{ProposalKey, ReplyKey};

/// What goes on when a proposal is applied.
#[derive(Debug)]
pub(super) enum Pending {
    /// A generation with its assignments: everyone who waits for one gets it.
    Assignment { group: GroupId, generation: i32, assignments: BTreeMap<Arc<str>, Bytes> },
    /// A static member with its new id: its join is answered.
    Replacement { group: GroupId, replacement: Replacement },
    /// A generation without members: nobody waits.
    Emptied { group: GroupId, generation: i32 },
    /// A group whose partitions the broker assigns: who was to hear of the version that was on its way hears.
    Assigned { group: GroupId },
    /// Offsets: the commit is answered. An offset that was refused before has its answer already.
    Commit { reply: ReplyKey, offsets: Vec<(PartitionRef, Option<Refusal>)> },
    /// Cursors to take away. One that was refused before has its answer already.
    Forget { reply: ReplyKey, refused: Vec<Option<Refusal>> },
    /// A group's end.
    Delete { reply: ReplyKey },
}

impl Pending {
    /// The answer to whoever waits for this one, and not in a group, when it was carried out.
    pub(super) fn carried_out(self, outcome: Outcome) -> Option<(ReplyKey, GroupReply)> {
        match self {
            Pending::Commit { reply, offsets } => {
                let Outcome::OffsetsCommitted(results) = outcome else {
                    unreachable!("a commit of offsets is answered with one answer per offset")
                };
                let mut results = results.into_iter();
                let mut answer = |refused: Option<Refusal>| match refused {
                    Some(refusal) => Err(refusal),
                    None => results.next().expect("one answer per offset"),
                };
                let answers = offsets.into_iter().map(|(partition, refused)| (partition, answer(refused)));
                Some((reply, GroupReply::CommitOffsets(answers.collect())))
            }
            Pending::Forget { reply, refused } => {
                let Outcome::OffsetsCommitted(results) = outcome else {
                    unreachable!("a commit of offsets is answered with one answer per offset")
                };
                let mut results = results.into_iter();
                let answers = refused.into_iter().map(|refused| match refused {
                    Some(refusal) => Err(refusal),
                    None => results.next().expect("one answer per offset"),
                });
                Some((reply, GroupReply::ForgetOffsets(Ok(answers.collect()))))
            }
            Pending::Delete { reply } => Some((reply, GroupReply::Delete(Ok(())))),
            Pending::Assignment { .. }
            | Pending::Replacement { .. }
            | Pending::Emptied { .. }
            | Pending::Assigned { .. } => None,
        }
    }

    /// The answer to whoever waits for this one, and not in a group, when it was not carried out.
    pub(super) fn refused(self, refusal: &Refusal) -> Option<(ReplyKey, GroupReply)> {
        match self {
            Pending::Commit { reply, offsets } => {
                let answer = |(partition, refused): (_, Option<Refusal>)| {
                    (partition, Err(refused.unwrap_or_else(|| refusal.clone())))
                };
                Some((reply, GroupReply::CommitOffsets(offsets.into_iter().map(answer).collect())))
            }
            Pending::Forget { reply, .. } => Some((reply, GroupReply::ForgetOffsets(Err(refusal.clone())))),
            Pending::Delete { reply } => Some((reply, GroupReply::Delete(Err(refusal.clone())))),
            Pending::Assignment { .. }
            | Pending::Replacement { .. }
            | Pending::Emptied { .. }
            | Pending::Assigned { .. } => None,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    pending: BTreeMap<ProposalKey, Pending>,
    next: u64,
}

impl Proposals {
    pub(super) fn add(&mut self, pending: Pending) -> ProposalKey {
        let key = ProposalKey(self.next);
        self.next += 1;
        self.pending.insert(key, pending);
        key
    }

    pub(super) fn take(&mut self, key: ProposalKey) -> Option<Pending> {
        self.pending.remove(&key)
    }

    /// Keys are not used again: an outcome that comes late finds nothing.
    pub(super) fn forget_all(&mut self) -> impl Iterator<Item = Pending> + use<> {
        std::mem::take(&mut self.pending).into_values()
    }
}
