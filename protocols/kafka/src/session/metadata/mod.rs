//! Metadata: nodes, topics, and who leads which partition.

pub(super) mod pages;

use std::collections::BTreeSet;

use forebay_kit::SessionError;
use forebay_kit::model::acl::Right;
use forebay_kit::model::admin::{DescribeTopics, DescribedTopic, TopicSelection};
use forebay_kit::model::{
    ClusterView, PartitionView, Refusal, Reply, Request, TopicId, TopicName, TopicRef, TopicView,
};

use super::asked::{Answer, Connection};
use super::cluster::controller_number;
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::names::{name_text, node_number, partition_index, uuid};
use super::open::{Replies, strange};
use super::rights::{self, ON_TOPIC};
use crate::wire::messages::metadata::{
    MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{MetadataRequest, MetadataResponse};
use crate::wire::{ErrorCode, Str};

/// First version that can ask by id, and answer without a name.
const BY_ID_FROM: i16 = 12;

/// What the response needs of the request.
pub(super) struct Asked {
    /// Topics that could not be asked for, ready for the response.
    refused: Vec<MetadataResponseTopic>,
    cluster_operations: bool,
    topic_operations: bool,
}

pub(super) fn ask(asking: &mut Asking<'_>, request: MetadataRequest) -> Step<MetadataResponse> {
    let version = asking.version();
    let mut refused = Vec::new();
    let topics = match request.topics {
        None => TopicSelection::All,
        Some(topics) if topics.is_empty() && version == 0 => TopicSelection::All,
        Some(topics) => TopicSelection::These(these(version, &topics, &mut refused)),
    };
    let asked = Asked {
        refused,
        cluster_operations: request.include_cluster_authorized_operations,
        topic_operations: request.include_topic_authorized_operations,
    };
    let create = request.allow_auto_topic_creation;
    let describe = Request::DescribeTopics(DescribeTopics { topics, right: Right::Describe, create });
    if asked.cluster_operations {
        Step::Many(vec![describe, rights::on_cluster()], asked.into())
    } else {
        Step::One(describe, asked.into())
    }
}

/// The topics to ask for, each once.
fn these(
    version: i16,
    topics: &[MetadataRequestTopic],
    refused: &mut Vec<MetadataResponseTopic>,
) -> Vec<TopicRef> {
    let mut seen = BTreeSet::new();
    let mut these = Vec::with_capacity(topics.len());
    for topic in topics {
        match reference(version, topic) {
            Ok(reference) => {
                if seen.insert(reference.clone()) {
                    these.push(reference);
                }
            }
            Err(code) => refused.push(unnamed(code, topic)),
        }
    }
    these
}

fn reference(version: i16, topic: &MetadataRequestTopic) -> Result<TopicRef, ErrorCode> {
    if !topic.topic_id.is_zero() {
        // Before version 12 the answer could not go without a name.
        return if version >= BY_ID_FROM {
            Ok(TopicRef::Id(TopicId(topic.topic_id.0)))
        } else {
            Err(ErrorCode::InvalidRequest)
        };
    }
    let name = topic.name.as_ref().ok_or(ErrorCode::InvalidRequest)?;
    TopicName::parse(name.as_str()).map(TopicRef::Name).map_err(|_| ErrorCode::InvalidTopic)
}

fn unnamed(error_code: ErrorCode, topic: &MetadataRequestTopic) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code,
        name: Some(topic.name.as_ref().map_or(Str::EMPTY, Str::detached)),
        topic_id: topic.topic_id,
        ..Default::default()
    }
}

impl Answer for Asked {
    type Response = MetadataResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<MetadataResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::DescribeTopics(cluster, described)) = replies.next() else {
            return Err(strange("DescribeTopics"));
        };
        let cluster_authorized_operations = match self.cluster_operations {
            true => rights::cluster_bits(rights::of_cluster(replies.next())?),
            false => i32::MIN,
        };
        let mut topics = self.refused;
        topics.extend(described.into_iter().map(|described| {
            let allowed = described.operations;
            let operations = if self.topic_operations { rights::bits(ON_TOPIC, allowed) } else { i32::MIN };
            topic(version, &cluster, operations, described)
        }));
        Ok(MetadataResponse {
            brokers: cluster.nodes.iter().map(broker).collect(),
            cluster_id: Some(Str::from(cluster.id.as_str())),
            controller_id: controller_number(&cluster),
            topics,
            cluster_authorized_operations,
            ..Default::default()
        })
    }
}

fn broker(node: &forebay_kit::model::NodeView) -> MetadataResponseBroker {
    MetadataResponseBroker {
        node_id: node_number(node.id),
        host: Str::from(node.host.as_str()),
        port: node.port.into(),
        rack: None,
    }
}

fn topic(
    version: i16,
    cluster: &ClusterView,
    topic_authorized_operations: i32,
    described: DescribedTopic,
) -> MetadataResponseTopic {
    let refused = match described.topic {
        Ok(view) => return described_topic(version, cluster, topic_authorized_operations, &view),
        Err(refusal) => refusal,
    };
    let error_code = topic_code(&refused);
    match described.asked {
        TopicRef::Name(name) => {
            MetadataResponseTopic { error_code, name: Some(name_text(&name)), ..Default::default() }
        }
        TopicRef::Id(id) => MetadataResponseTopic { error_code, topic_id: uuid(id), ..Default::default() },
    }
}

pub(super) fn topic_code(refusal: &Refusal) -> ErrorCode {
    errors::code(refusal, Area::Metadata)
}

fn described_topic(
    version: i16,
    cluster: &ClusterView,
    topic_authorized_operations: i32,
    view: &TopicView,
) -> MetadataResponseTopic {
    let partition = |(number, partition)| described_partition(version, cluster, number, partition);
    MetadataResponseTopic {
        error_code: ErrorCode::None,
        name: Some(name_text(&view.name)),
        topic_id: uuid(view.id),
        is_internal: false,
        partitions: view.partitions.iter().enumerate().map(partition).collect(),
        topic_authorized_operations,
    }
}

fn described_partition(
    version: i16,
    cluster: &ClusterView,
    number: usize,
    partition: &PartitionView,
) -> MetadataResponsePartition {
    let Led { error_code, leader_id } = led(cluster, partition);
    let replica_nodes: Vec<i32> = partition.replicas.iter().map(|node| node_number(*node)).collect();
    MetadataResponsePartition {
        error_code,
        partition_index: partition_index(number),
        leader_id,
        leader_epoch: if version >= 7 { partition.leader_epoch.0.cast_signed() } else { -1 },
        isr_nodes: replica_nodes.clone(),
        replica_nodes,
        offline_replicas: Vec::new(),
    }
}

/// Who leads a partition, as clients hear it.
pub(super) struct Led {
    pub(super) error_code: ErrorCode,
    pub(super) leader_id: i32,
}

/// A leader that nobody can reach is none.
pub(super) fn led(cluster: &ClusterView, partition: &PartitionView) -> Led {
    match partition.leader.filter(|leader| cluster.nodes.iter().any(|node| node.id == *leader)) {
        Some(leader) => Led { error_code: ErrorCode::None, leader_id: node_number(leader) },
        None => Led { error_code: ErrorCode::LeaderNotAvailable, leader_id: -1 },
    }
}
