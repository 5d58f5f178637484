//! From names to partitions on shards.

use forebay_machine::{Catalog, Topic};
use forebay_model::{
    CleanupPolicy, FlushClass, Intake, PartitionId, PartitionRef, Refusal, ShardId, TimestampType,
    TopicDefaults, TopicId, TopicRef,
};

use std::sync::Arc;

/// A partition and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) id: PartitionId,
    pub(crate) shard: ShardId,
    pub(crate) topic: TopicId,
    pub(crate) number: u32,
    pub(crate) message_bytes_max: u32,
    /// How its records go: in a compacted partition every one needs a key.
    pub(crate) policy: CleanupPolicy,
    pub(crate) timestamps: TimestampType,
    /// What it takes in.
    pub(crate) intake: Intake,
}

/// Finds a topic; the refusal says which kind of name was wrong.
pub(crate) fn topic<'a>(catalogue: &'a Catalog, topic: &TopicRef) -> Result<&'a Arc<Topic>, Refusal> {
    match topic {
        TopicRef::Name(name) => catalogue.topic(name).ok_or(Refusal::UnknownTopic),
        TopicRef::Id(id) => catalogue.topic_by_id(*id).ok_or(Refusal::UnknownTopicId),
    }
}

/// A refusal as it is said to somebody who named a topic: the id that is gone meanwhile was found by us.
pub(crate) fn by_name(refusal: Refusal) -> Refusal {
    if refusal == Refusal::UnknownTopicId { Refusal::UnknownTopic } else { refusal }
}

/// Finds a partition.
pub(crate) fn partition(
    catalogue: &Catalog,
    defaults: &TopicDefaults,
    partition: &PartitionRef,
) -> Result<Placed, Refusal> {
    let topic = topic(catalogue, &partition.topic)?;
    let number = partition.number as usize;
    let placed = topic.partitions.get(number).ok_or(Refusal::UnknownPartition)?;
    Ok(Placed {
        id: placed.id,
        shard: placed.shard,
        topic: topic.id,
        number: partition.number,
        message_bytes_max: topic.settings.message_bytes_max.unwrap_or(defaults.message_bytes_max),
        policy: defaults.cleanup.with(&topic.settings.cleanup).policy,
        timestamps: topic.settings.timestamp_type.unwrap_or(defaults.timestamp_type),
        intake: defaults.intake.with(&topic.settings.intake),
    })
}

/// Whether a refusal may only mean that the local copy of the catalogue is behind.
pub(crate) fn may_be_stale(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::UnknownTopic | Refusal::UnknownTopicId | Refusal::UnknownPartition)
}

/// The flush class of a topic.
pub(crate) fn class(topic: &forebay_model::TopicSettings, defaults: &TopicDefaults) -> FlushClass {
    topic.flush.unwrap_or(defaults.flush)
}
