//! DescribeQuorum: who keeps the log that takes the place of Kafka's `__cluster_metadata`, the one of the catalogue's shard.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, ResourceKind};
use forebay_kit::model::quorum::{QuorumView, ReplicaView};
use forebay_kit::model::{LogIndex, Refusal, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::names::node_number;
use super::open::{Replies, strange};
use super::rights;
use crate::wire::messages::describe_quorum::{PartitionData, ReplicaState, RequestedTopic, TopicData};
use crate::wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use crate::wire::{ErrorCode, Str};

/// The only topic with a quorum, and its only partition.
const METADATA_TOPIC: &str = "__cluster_metadata";
const METADATA_PARTITION: i32 = 0;

/// The response where nobody is asked but whether the client may.
pub(super) struct Asked(Option<DescribeQuorumResponse>);

pub(super) fn ask(_: &mut Asking<'_>, request: DescribeQuorumRequest) -> Step<DescribeQuorumResponse> {
    if is_metadata(&request.topics) {
        return Step::One(Request::DescribeQuorum, Asked(None).into());
    }
    let unknown = |topic: &RequestedTopic| TopicData {
        topic_name: topic.topic_name.detached(),
        partitions: topic.partitions.iter().map(|partition| no_quorum(partition.partition_index)).collect(),
    };
    let topics = request.topics.iter().map(unknown).collect();
    let response = DescribeQuorumResponse { topics, ..Default::default() };
    Step::One(rights::on_cluster(), Asked(Some(response)).into())
}

fn is_metadata(topics: &[RequestedTopic]) -> bool {
    let [topic] = topics else { return false };
    let [partition] = topic.partitions.as_slice() else { return false };
    topic.topic_name.as_str() == METADATA_TOPIC && partition.partition_index == METADATA_PARTITION
}

fn no_quorum(partition_index: i32) -> PartitionData {
    let error_code = ErrorCode::UnknownTopicOrPartition;
    PartitionData { partition_index, error_code, ..Default::default() }
}

impl Answer for Asked {
    type Response = DescribeQuorumResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeQuorumResponse, SessionError> {
        let reply = replies.one()?;
        if let Some(response) = self.0 {
            let is_granted = rights::grants(Some(reply), Operation::Describe)?;
            return Ok(if is_granted { response } else { not_authorized(ResourceKind::Cluster) });
        }
        let Reply::DescribeQuorum(described) = reply else { return Err(strange("DescribeQuorum")) };
        let partition = match described {
            Ok(view) => quorum(&view),
            Err(Refusal::NotAuthorized { kind }) => return Ok(not_authorized(kind)),
            Err(refusal) => PartitionData {
                partition_index: METADATA_PARTITION,
                error_code: errors::code(&refusal, Area::Stored),
                error_message: errors::message(&refusal),
                ..Default::default()
            },
        };
        let topic = TopicData { topic_name: Str::from_static(METADATA_TOPIC), partitions: vec![partition] };
        Ok(DescribeQuorumResponse { topics: vec![topic], ..Default::default() })
    }
}

fn not_authorized(kind: ResourceKind) -> DescribeQuorumResponse {
    DescribeQuorumResponse { error_code: rights::code(kind), ..Default::default() }
}

fn quorum(view: &QuorumView) -> PartitionData {
    PartitionData {
        partition_index: METADATA_PARTITION,
        leader_id: node_number(view.leader),
        leader_epoch: i32::try_from(view.term.0).unwrap_or(i32::MAX),
        high_watermark: view.uncommitted.0.cast_signed(),
        current_voters: view.voters.iter().map(replica).collect(),
        observers: view.learners.iter().map(replica).collect(),
        ..Default::default()
    }
}

/// When a replica was heard last is not kept, and directories have no ids.
fn replica(view: &ReplicaView) -> ReplicaState {
    ReplicaState {
        replica_id: node_number(view.node),
        log_end_offset: view.end.map_or(-1, |LogIndex(end)| end.cast_signed()),
        last_fetch_timestamp: -1,
        last_caught_up_timestamp: -1,
        ..Default::default()
    }
}
