//! Topics and partitions as clients see and ask for them.

use crate::{
    Cleanup, CleanupChange, CleanupSettings, Intake, IntakeChange, IntakeSettings, LeaderEpoch, NodeId,
    PartitionId, ShardId, TopicId, TopicName,
};

/// A topic by either of its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicRef {
    /// By name.
    Name(TopicName),
    /// By id.
    Id(TopicId),
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionRef {
    /// The topic.
    pub topic: TopicRef,
    /// The partition's number within it.
    pub number: u32,
}

/// When a confirm leaves: the flush class of a topic, carried by the class of shard it is placed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlushClass {
    /// After fdatasync.
    #[default]
    Sync,
    /// After write; flushed in the background.
    Async,
}

/// Whose timestamp a record carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    Create,
    /// The log time of the append.
    Append,
}

/// What was set on one topic; `None` means the node's default applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicSettings {
    /// Records older than this many milliseconds may be dropped; `Some(None)` keeps them for ever.
    pub retention_ms: Option<Option<u64>>,
    /// The oldest records are dropped above this many bytes per partition; `Some(None)` has no bound.
    pub retention_bytes: Option<Option<u64>>,
    /// Largest batch in bytes.
    pub message_bytes_max: Option<u32>,
    /// Whose timestamp a record carries.
    pub timestamp_type: Option<TimestampType>,
    /// When a confirm leaves.
    pub flush: Option<FlushClass>,
    /// How records go.
    pub cleanup: CleanupSettings,
    /// What is taken in.
    pub intake: IntakeSettings,
}

/// What becomes of one setting of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SettingChange<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// The node's default applies from now on.
    Clear,
    /// This applies from now on.
    Set(T),
}

/// What becomes of the settings of a topic: see [`TopicSettings`]. Each by itself, so that two changes of different settings
/// do not undo each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// See [`TopicSettings::retention_ms`].
    pub retention_ms: SettingChange<Option<u64>>,
    /// See [`TopicSettings::retention_bytes`].
    pub retention_bytes: SettingChange<Option<u64>>,
    /// See [`TopicSettings::message_bytes_max`].
    pub message_bytes_max: SettingChange<u32>,
    /// See [`TopicSettings::timestamp_type`].
    pub timestamp_type: SettingChange<TimestampType>,
    /// See [`TopicSettings::flush`].
    pub flush: SettingChange<FlushClass>,
    /// See [`TopicSettings::cleanup`].
    pub cleanup: CleanupChange,
    /// See [`TopicSettings::intake`].
    pub intake: IntakeChange,
}

impl SettingsChange {
    /// The defaults apply from now on, whatever was set.
    pub const CLEAR: SettingsChange = SettingsChange {
        retention_ms: SettingChange::Clear,
        retention_bytes: SettingChange::Clear,
        message_bytes_max: SettingChange::Clear,
        timestamp_type: SettingChange::Clear,
        flush: SettingChange::Clear,
        cleanup: CleanupChange::CLEAR,
        intake: IntakeChange::CLEAR,
    };
}

impl<T: Copy> SettingChange<T> {
    /// What is set when it was `present`.
    #[must_use]
    pub fn of(self, present: Option<T>) -> Option<T> {
        match self {
            SettingChange::Keep => present,
            SettingChange::Clear => None,
            SettingChange::Set(value) => Some(value),
        }
    }

    /// The same, unless it takes back what is not set.
    #[must_use]
    pub fn unless_idle(self, present: Option<T>) -> SettingChange<T> {
        match self {
            SettingChange::Clear if present.is_none() => SettingChange::Keep,
            change => change,
        }
    }
}

impl SettingsChange {
    /// What is set on a topic when this was `present`.
    #[must_use]
    pub fn of(&self, present: &TopicSettings) -> TopicSettings {
        TopicSettings {
            retention_ms: self.retention_ms.of(present.retention_ms),
            retention_bytes: self.retention_bytes.of(present.retention_bytes),
            message_bytes_max: self.message_bytes_max.of(present.message_bytes_max),
            timestamp_type: self.timestamp_type.of(present.timestamp_type),
            flush: self.flush.of(present.flush),
            cleanup: self.cleanup.of(&present.cleanup),
            intake: self.intake.of(&present.intake),
        }
    }
}

/// What applies to a topic that set nothing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    /// See [`TopicSettings::retention_ms`].
    pub retention_ms: Option<u64>,
    /// See [`TopicSettings::retention_bytes`].
    pub retention_bytes: Option<u64>,
    /// See [`TopicSettings::message_bytes_max`].
    pub message_bytes_max: u32,
    /// See [`TopicSettings::timestamp_type`].
    pub timestamp_type: TimestampType,
    /// See [`TopicSettings::flush`].
    pub flush: FlushClass,
    /// See [`TopicSettings::cleanup`].
    pub cleanup: Cleanup,
    /// See [`TopicSettings::intake`].
    pub intake: Intake,
    /// Partitions of a topic created without a count.
    pub partitions: u32,
}

impl TopicDefaults {
    /// What applies where this is set beside it. The policy of records is each topic's own, and where records are kept is decided with
    /// the topic: neither is among what is set for all.
    #[must_use]
    pub fn with(&self, set: &TopicSettings) -> TopicDefaults {
        TopicDefaults {
            retention_ms: set.retention_ms.unwrap_or(self.retention_ms),
            retention_bytes: set.retention_bytes.unwrap_or(self.retention_bytes),
            message_bytes_max: set.message_bytes_max.unwrap_or(self.message_bytes_max),
            timestamp_type: set.timestamp_type.unwrap_or(self.timestamp_type),
            flush: self.flush,
            cleanup: Cleanup { policy: self.cleanup.policy, ..self.cleanup.with(&set.cleanup) },
            intake: self.intake.with(&set.intake),
            partitions: self.partitions,
        }
    }
}

/// A topic in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its name.
    pub name: TopicName,
    /// Its id for life.
    pub id: TopicId,
    /// What was set on it.
    pub settings: TopicSettings,
    /// Its partitions, by number from zero.
    pub partitions: Vec<PartitionView>,
}

/// A partition in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The never-reused id.
    pub id: PartitionId,
    /// Where it is written now.
    pub shard: ShardId,
    /// The shard's leader, if there is one.
    pub leader: Option<NodeId>,
    /// The epoch of that leader for this partition.
    pub leader_epoch: LeaderEpoch,
    /// Nodes that hold it.
    pub replicas: Vec<NodeId>,
}

/// A node as clients reach it: the address advertised for the protocol that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// The cluster as one node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's id, made when its first node was initialised.
    pub id: String,
    /// Nodes that can be reached.
    pub nodes: Vec<NodeView>,
    /// The leader of shard 0.
    pub controller: Option<NodeId>,
}
