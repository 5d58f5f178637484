//! Asking for changes of the catalogue.

use crate::acl::{Operations, Right};
use crate::{
    NodeId, Refusal, SettingsChange, TopicDefaults, TopicId, TopicName, TopicRef, TopicSettings, TopicView,
};

/// Which topics to describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicSelection {
    /// Every one.
    All,
    /// These.
    These(Vec<TopicRef>),
}

/// Asks for topics as the catalogue knows them.
#[derive(Clone, Debug)]
pub struct DescribeTopics {
    /// Which.
    pub topics: TopicSelection,
    /// The right that it needs.
    pub right: Right,
    /// Whether missing ones may be created with the defaults, where the operator allows it.
    pub create: bool,
}

/// The answer for one topic, by what it was asked for.
#[derive(Clone, Debug)]
pub struct DescribedTopic {
    /// As asked.
    pub asked: TopicRef,
    /// As found.
    pub topic: Result<TopicView, Refusal>,
    /// What the asker may do to it, where it was found; without access control, everything.
    pub operations: Operations,
}

/// Creates topics; each by itself.
#[derive(Clone, Debug)]
pub struct CreateTopics {
    /// Which.
    pub topics: Vec<NewTopic>,
    /// Only check.
    pub dry_run: bool,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// A topic to be.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name, not yet checked.
    pub name: String,
    /// Partitions; `None` takes the default.
    pub partitions: Option<u32>,
    /// Replicas; `None` takes as many as the shard has.
    pub replicas: Option<u16>,
    /// Nodes per partition, where the asker insists.
    pub assignment: Vec<Vec<NodeId>>,
    /// What to set; `Err` carries the refusal of a setting that the session could not accept.
    pub settings: Result<TopicSettings, Refusal>,
}

/// The fate of one topic.
#[derive(Clone, Debug)]
pub struct CreatedTopic {
    /// As asked.
    pub name: String,
    /// The new topic; leaders may still be missing in a dry run.
    pub topic: Result<TopicView, Refusal>,
}

/// Deletes topics; each by itself.
#[derive(Clone, Debug)]
pub struct DeleteTopics {
    /// Which.
    pub topics: Vec<TopicRef>,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// The fate of one topic.
#[derive(Clone, Debug)]
pub struct DeletedTopic {
    /// As asked.
    pub asked: TopicRef,
    /// What it was.
    pub result: Result<(TopicName, TopicId), Refusal>,
}

/// Adds partitions; each topic by itself.
#[derive(Clone, Debug)]
pub struct CreatePartitions {
    /// Which.
    pub topics: Vec<MorePartitions>,
    /// Only check.
    pub dry_run: bool,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// A topic to grow.
#[derive(Clone, Debug)]
pub struct MorePartitions {
    /// Which.
    pub name: String,
    /// How many it shall have in all.
    pub total: u32,
    /// Nodes per new partition, where the asker insists.
    pub assignment: Vec<Vec<NodeId>>,
}

/// The fate of one topic.
#[derive(Clone, Debug)]
pub struct GrownTopic {
    /// As asked.
    pub name: String,
    /// Done or refused.
    pub result: Result<(), Refusal>,
}

/// Changes settings of topics; each topic by itself.
#[derive(Clone, Debug)]
pub struct AlterTopics {
    /// Which.
    pub topics: Vec<TopicChange>,
    /// Only check.
    pub dry_run: bool,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// Changes what applies to topics that set nothing, on all nodes.
#[derive(Clone, Debug)]
pub struct AlterDefaults {
    /// What becomes of each setting; where it is cleared, that of the node's configuration applies.
    pub change: SettingsChange,
    /// Only check.
    pub dry_run: bool,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// What applies to topics that set nothing.
#[derive(Clone, Debug)]
pub struct DescribedDefaults {
    /// By the node's configuration.
    pub node: TopicDefaults,
    /// What was set for all nodes, which is stronger.
    pub all: TopicSettings,
    /// Whether the node makes a topic where a client that allows it asks for one that does not exist.
    pub creates: bool,
}

impl DescribedDefaults {
    /// The two together.
    #[must_use]
    pub fn in_force(&self) -> TopicDefaults {
        self.node.with(&self.all)
    }
}

/// A topic to change.
#[derive(Clone, Debug)]
pub struct TopicChange {
    /// Which.
    pub name: TopicName,
    /// What becomes of its settings.
    pub change: SettingsChange,
}

/// The fate of one topic.
#[derive(Clone, Debug)]
pub struct AlteredTopic {
    /// As asked.
    pub name: TopicName,
    /// Done or refused.
    pub result: Result<(), Refusal>,
}
