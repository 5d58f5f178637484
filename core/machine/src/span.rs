//! What a transaction spans on one shard.

use std::collections::BTreeSet;

use forebay_model::{GroupId, PartitionId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::command::decode;

/// Partitions that a transaction may write to and groups whose cursors it may set, all of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The partitions.
    pub partitions: BTreeSet<PartitionId>,
    /// The groups.
    pub groups: BTreeSet<GroupId>,
}

/// Something that becomes part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Participant {
    /// Appends to this partition.
    Partition(PartitionId),
    /// Cursors of this group.
    Group(GroupId),
}

impl Span {
    /// Partitions and groups.
    pub fn len(&self) -> usize {
        self.partitions.len() + self.groups.len()
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is part of it.
    pub fn contains(&self, participant: &Participant) -> bool {
        match participant {
            Participant::Partition(partition) => self.partitions.contains(partition),
            Participant::Group(group) => self.groups.contains(group),
        }
    }

    /// Adds to it.
    pub(crate) fn add(&mut self, participant: Participant) {
        match participant {
            Participant::Partition(partition) => drop(self.partitions.insert(partition)),
            Participant::Group(group) => drop(self.groups.insert(group)),
        }
    }

    /// Adds all of another.
    pub(crate) fn add_all(&mut self, other: Span) {
        self.partitions.extend(other.partitions);
        self.groups.extend(other.groups);
    }

    /// Its bytes in memory, counted the same on every replica.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.iter().map(|group| 48 + group.0.len()).sum::<usize>();
        self.partitions.len() * 16 + groups
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.list(self.partitions.iter(), |out, partition| out.uint(partition.0));
        out.list(self.groups.iter(), |out, group| out.text(&group.0));
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Span, DecodeError> {
        let partitions = input.list("partitions", |input| Ok(PartitionId(input.uint("a partition")?)))?;
        let groups = input.list("groups", decode::group_id)?;
        Ok(Span { partitions: partitions.into_iter().collect(), groups: groups.into_iter().collect() })
    }
}
