//! Replicas: which of them lead, and where they are. Every partition is on all nodes and shards elect their leaders, so there is
//! nothing to move and no preferred one: what asks for the present state is told that it is so, what asks for another is refused.

pub(super) mod elect;
pub(super) mod ongoing;
pub(super) mod reassign;

use std::collections::BTreeMap;

use forebay_kit::model::acl::{Operation, Right};
use forebay_kit::model::admin::{DescribeTopics, DescribedTopic, TopicSelection};
use forebay_kit::model::{PartitionView, Refusal, Request, TopicName, TopicRef};

use super::errors::{self, Area};
use super::names::TopicKey;
use crate::wire::{ErrorCode, Str};

/// A partition's error, and in words.
type Trouble = (ErrorCode, Option<Str>);

/// The topics of a request as the broker described them.
struct Described {
    topics: BTreeMap<TopicName, Result<Vec<PartitionView>, Refusal>>,
}

/// Asks for topics by those of their names that can exist.
fn describe<'a>(keys: impl Iterator<Item = &'a TopicKey>) -> Request {
    let topics = keys.filter_map(|key| key.topic().ok()).collect();
    describe_as_admin(TopicSelection::These(topics))
}

/// To change where partitions are is to change the cluster; who may, sees every topic.
fn describe_as_admin(topics: TopicSelection) -> Request {
    let right = Right::OnCluster(Operation::Alter);
    Request::DescribeTopics(DescribeTopics { topics, right, create: false })
}

impl Described {
    fn new(topics: Vec<DescribedTopic>) -> Described {
        let named = topics.into_iter().filter_map(|topic| match topic.asked {
            TopicRef::Name(name) => Some((name, topic.topic.map(|view| view.partitions))),
            TopicRef::Id(_) => None,
        });
        Described { topics: named.collect() }
    }

    fn partition(&self, topic: &TopicKey, index: i32) -> Result<&PartitionView, Trouble> {
        let unknown = || {
            let text = Str::from_static("no such topic or partition");
            (ErrorCode::UnknownTopicOrPartition, Some(text))
        };
        let Ok(TopicRef::Name(name)) = topic.topic() else { return Err(unknown()) };
        match self.topics.get(&name) {
            None => Err(unknown()),
            Some(Err(refusal)) => Err((errors::code(refusal, Area::Catalogue), errors::message(refusal))),
            Some(Ok(partitions)) => {
                let found = usize::try_from(index).ok().and_then(|index| partitions.get(index));
                found.ok_or_else(unknown)
            }
        }
    }
}
