//! Share groups (KIP-932): consumers that have records of the same partitions, each record by itself. What they have is the broker's
//! shared subscription of the group's name.

pub(in crate::session) mod acknowledge;
pub(in crate::session) mod describe;
pub(in crate::session) mod fetch;
pub(in crate::session) mod heartbeat;
pub(in crate::session) mod offsets;
pub(in crate::session) mod sessions;
mod verdicts;

use forebay_kit::model::{GroupId, PartitionRef, TopicId, TopicRef};

use crate::limits::SHARE_MEMBER_ID_BYTES_MAX;
use crate::wire::{ErrorCode, Str, Uuid};

/// A partition as these requests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::session) struct Place {
    topic: Uuid,
    index: i32,
}

impl Place {
    /// As the broker names it, unless it cannot exist.
    fn partition(self) -> Result<PartitionRef, ErrorCode> {
        if self.topic == Uuid::ZERO {
            return Err(ErrorCode::UnknownTopicId);
        }
        let number = u32::try_from(self.index).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
        Ok(PartitionRef { topic: TopicRef::Id(TopicId(self.topic.0)), number })
    }
}

/// Numbers of partitions as the wire has them.
fn wire_partitions(numbers: &[u32]) -> Vec<i32> {
    numbers.iter().map(|number| i32::try_from(*number).unwrap_or(i32::MAX)).collect()
}

/// Whether it can be the id of a member: clients draw UUIDs.
fn is_member(id: &Str) -> bool {
    !id.is_empty() && id.len() <= SHARE_MEMBER_ID_BYTES_MAX
}

/// The group and the member that a request is about: both have to be named.
fn names(group: Option<&Str>, member: Option<&Str>) -> Result<(GroupId, Str), ErrorCode> {
    match (group, member) {
        (Some(group), Some(member)) if !group.is_empty() && is_member(member) => {
            Ok((GroupId(group.as_str().into()), member.detached()))
        }
        _ => Err(ErrorCode::InvalidRequest),
    }
}
