//! DescribeTopicPartitions: topics in order of their names, page by page.

use forebay_kit::SessionError;
use forebay_kit::model::acl::Right;
use forebay_kit::model::admin::{DescribeTopics, DescribedTopic, TopicSelection};
use forebay_kit::model::{ClusterView, PartitionView, Reply, Request, TopicName, TopicRef};

use super::{led, topic_code};
use crate::limits::PAGE_PARTITIONS_MAX;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::{name_text, node_number, partition_index, uuid};
use crate::session::open::{Replies, strange};
use crate::session::rights::{self, ON_TOPIC};
use crate::wire::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, TopicRequest,
};
use crate::wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use crate::wire::{ErrorCode, Str};

/// What the response needs of the request.
pub(in crate::session) struct Asked {
    /// Topics whose names cannot be one's.
    refused: Vec<DescribeTopicPartitionsResponseTopic>,
    start: Start,
    partitions_max: usize,
}

/// Where the page begins.
#[derive(Default)]
struct Start {
    topic: String,
    partition: usize,
}

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeTopicPartitionsRequest,
) -> Step<DescribeTopicPartitionsResponse> {
    let start = match request.cursor {
        None => Start::default(),
        Some(Cursor { topic_name, partition_index }) => match usize::try_from(partition_index) {
            Ok(partition) => Start { topic: topic_name.as_str().to_owned(), partition },
            Err(_) => return Step::Answer(refuse_all(&request.topics)),
        },
    };
    let mut refused = Vec::new();
    let topics = if request.topics.is_empty() {
        TopicSelection::All
    } else {
        TopicSelection::These(these(&request.topics, &start, &mut refused))
    };
    let partitions_max = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let asked = Asked { refused, start, partitions_max: partitions_max.clamp(1, PAGE_PARTITIONS_MAX) };
    let describe = DescribeTopics { topics, right: Right::Describe, create: false };
    Step::One(Request::DescribeTopics(describe), asked.into())
}

/// The response has no place for an error of its own.
fn refuse_all(topics: &[TopicRequest]) -> DescribeTopicPartitionsResponse {
    let topics = topics.iter().map(|topic| refused_topic(ErrorCode::InvalidRequest, &topic.name)).collect();
    DescribeTopicPartitionsResponse { topics, ..Default::default() }
}

fn refused_topic(error_code: ErrorCode, name: &Str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic { error_code, name: Some(name.detached()), ..Default::default() }
}

/// The topics from the start on, in order, each once.
fn these(
    topics: &[TopicRequest],
    start: &Start,
    refused: &mut Vec<DescribeTopicPartitionsResponseTopic>,
) -> Vec<TopicRef> {
    let mut names: Vec<&Str> = topics.iter().map(|topic| &topic.name).collect();
    names.sort();
    names.dedup();
    names.retain(|name| name.as_str() >= start.topic.as_str());
    let mut these = Vec::with_capacity(names.len());
    for name in names {
        match TopicName::parse(name.as_str()) {
            Ok(name) => these.push(TopicRef::Name(name)),
            Err(_) => refused.push(refused_topic(ErrorCode::InvalidTopic, name)),
        }
    }
    these
}

impl Answer for Asked {
    type Response = DescribeTopicPartitionsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeTopicPartitionsResponse, SessionError> {
        let Reply::DescribeTopics(cluster, mut described) = replies.one()? else {
            return Err(strange("DescribeTopics"));
        };
        described.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        let mut page = Page { cluster, topics: self.refused, partitions_left: self.partitions_max };
        for described in described.iter().filter(|described| name_of(described) >= self.start.topic.as_str())
        {
            let is_first = name_of(described) == self.start.topic;
            let from = if is_first { self.start.partition } else { 0 };
            if let Some(next_cursor) = page.add(described, from) {
                return Ok(page.response(Some(next_cursor)));
            }
        }
        Ok(page.response(None))
    }
}

fn name_of(described: &DescribedTopic) -> &str {
    match (&described.topic, &described.asked) {
        (Ok(view), _) => view.name.as_str(),
        (Err(_), TopicRef::Name(name)) => name.as_str(),
        (Err(_), TopicRef::Id(_)) => "",
    }
}

struct Page {
    cluster: ClusterView,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    partitions_left: usize,
}

impl Page {
    /// Adds a topic's partitions; says where to go on if they do not fit.
    fn add(&mut self, described: &DescribedTopic, from: usize) -> Option<Cursor> {
        let view = match &described.topic {
            Ok(view) => view,
            Err(refusal) => {
                self.topics.push(refused_topic(topic_code(refusal), &Str::from(name_of(described))));
                return None;
            }
        };
        let cursor = |partition| Cursor {
            topic_name: name_text(&view.name),
            partition_index: partition_index(partition),
        };
        if self.partitions_left == 0 {
            return Some(cursor(from));
        }
        let to = view.partitions.len().min(from.saturating_add(self.partitions_left));
        let shown = view.partitions.iter().enumerate().take(to).skip(from);
        let partitions: Vec<_> = shown.map(|(number, view)| partition(&self.cluster, number, view)).collect();
        self.partitions_left -= partitions.len();
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: ErrorCode::None,
            name: Some(name_text(&view.name)),
            topic_id: uuid(view.id),
            is_internal: false,
            partitions,
            topic_authorized_operations: rights::bits(ON_TOPIC, described.operations),
        });
        (to < view.partitions.len()).then(|| cursor(to))
    }

    fn response(self, next_cursor: Option<Cursor>) -> DescribeTopicPartitionsResponse {
        DescribeTopicPartitionsResponse { topics: self.topics, next_cursor, ..Default::default() }
    }
}

fn partition(
    cluster: &ClusterView,
    number: usize,
    partition: &PartitionView,
) -> DescribeTopicPartitionsResponsePartition {
    let led = led(cluster, partition);
    let replica_nodes: Vec<i32> = partition.replicas.iter().map(|node| node_number(*node)).collect();
    DescribeTopicPartitionsResponsePartition {
        error_code: led.error_code,
        partition_index: partition_index(number),
        leader_id: led.leader_id,
        leader_epoch: partition.leader_epoch.0.cast_signed(),
        isr_nodes: replica_nodes.clone(),
        replica_nodes,
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: Vec::new(),
    }
}
