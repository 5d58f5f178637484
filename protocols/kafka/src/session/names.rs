//! Topics as clients name them: text or id in, checked references out.

use std::collections::BTreeMap;

use forebay_kit::model::{GroupId, NodeId, PartitionRef, TopicId, TopicName, TopicRef};

use crate::limits::TOPIC_NAMES_KEPT_MAX;
use crate::wire::{ErrorCode, Str, Uuid};

/// A topic as its client named it, kept until the response names it again. Owns its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TopicKey {
    /// By name; `checked` is absent when no topic can have it.
    Name { text: Str, checked: Option<TopicName> },
    /// By id.
    Id(Uuid),
}

/// Names that this connection used last.
#[derive(Default)]
pub(super) struct Names {
    kept: BTreeMap<Str, TopicKey>,
}

impl Names {
    /// The key for a name, from the last ones used if it is among them.
    pub(super) fn key(&mut self, text: &Str) -> TopicKey {
        if let Some(key) = self.kept.get(text) {
            return key.clone();
        }
        let text = text.detached();
        let key = TopicKey::Name { checked: TopicName::parse(text.as_str()).ok(), text: text.clone() };
        if let TopicKey::Name { checked: Some(_), .. } = key {
            if self.kept.len() == TOPIC_NAMES_KEPT_MAX {
                self.kept.clear();
            }
            self.kept.insert(text, key.clone());
        }
        key
    }

    /// The key for the name or the id, whichever this version of a request has.
    pub(super) fn key_in(&mut self, has_ids: bool, text: &Str, id: Uuid) -> TopicKey {
        if has_ids { TopicKey::Id(id) } else { self.key(text) }
    }
}

impl TopicKey {
    /// The topic, unless it cannot exist.
    pub(super) fn topic(&self) -> Result<TopicRef, ErrorCode> {
        match self {
            TopicKey::Name { checked: Some(name), .. } => Ok(TopicRef::Name(name.clone())),
            TopicKey::Name { checked: None, .. } => Err(ErrorCode::UnknownTopicOrPartition),
            TopicKey::Id(Uuid::ZERO) => Err(ErrorCode::UnknownTopicId),
            TopicKey::Id(id) => Ok(TopicRef::Id(TopicId(id.0))),
        }
    }

    /// One partition of it, unless it cannot exist.
    pub(super) fn partition(&self, index: i32) -> Result<PartitionRef, ErrorCode> {
        let number = u32::try_from(index).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
        Ok(PartitionRef { topic: self.topic()?, number })
    }

    /// The name; empty for an id.
    pub(super) fn text(&self) -> Str {
        match self {
            TopicKey::Name { text, .. } => text.clone(),
            TopicKey::Id(_) => Str::EMPTY,
        }
    }

    /// The id; zero for a name.
    pub(super) fn id(&self) -> Uuid {
        match self {
            TopicKey::Name { .. } => Uuid::ZERO,
            TopicKey::Id(id) => *id,
        }
    }
}

/// A topic's id as the wire has it.
pub(super) fn uuid(id: TopicId) -> Uuid {
    Uuid(id.0)
}

/// A topic's name as the wire has it.
pub(super) fn name_text(name: &TopicName) -> Str {
    Str::from(name.as_str())
}

/// A node's id as the wire has it; -1 for one that Kafka cannot say.
pub(super) fn node_number(node: NodeId) -> i32 {
    i32::try_from(node.0).unwrap_or(-1)
}

/// A partition's number as the wire has it.
pub(super) fn partition_index(number: usize) -> i32 {
    i32::try_from(number).expect("a topic has fewer partitions than i32::MAX")
}

/// A group's id, unless it cannot be one.
pub(super) fn group_id(text: &Str) -> Result<GroupId, ErrorCode> {
    if text.is_empty() { Err(ErrorCode::InvalidGroupId) } else { Ok(GroupId(text.as_str().into())) }
}

/// A text that lives longer than its frame.
pub(super) fn owned(text: &Str) -> String {
    text.as_str().to_owned()
}

/// A text that lives longer than its frame, where there is one.
pub(super) fn owned_option(text: &Option<Str>) -> Option<String> {
    text.as_ref().map(owned)
}

/// Milliseconds as the broker has them: a negative time is none.
pub(super) fn milliseconds(ms: i32) -> u32 {
    u32::try_from(ms).unwrap_or(0)
}
