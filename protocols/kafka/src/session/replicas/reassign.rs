//! AlterPartitionReassignments: a partition is on all nodes and stays there.

use std::collections::BTreeSet;

use forebay_kit::SessionError;
use forebay_kit::model::acl::Operation;
use forebay_kit::model::{PartitionView, Reply};

use super::{Described, Trouble, describe};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::{TopicKey, node_number};
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::alter_partition_reassignments::{
    ReassignablePartition, ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::wire::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use crate::wire::{ErrorCode, Str};

/// What the response needs of the request.
pub(in crate::session) struct Asked {
    allow_replication_factor_change: bool,
    topics: Vec<(TopicKey, Vec<ReassignablePartition>)>,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: AlterPartitionReassignmentsRequest,
) -> Step<AlterPartitionReassignmentsResponse> {
    let names = &mut asking.connection.names;
    let topics: Vec<_> =
        request.topics.into_iter().map(|topic| (names.key(&topic.name), topic.partitions)).collect();
    let describe = describe(topics.iter().map(|(key, _)| key));
    let allow_replication_factor_change = request.allow_replication_factor_change;
    let asked = Asked { allow_replication_factor_change, topics };
    Step::Many(vec![describe, rights::on_cluster()], asked.into())
}

impl Answer for Asked {
    type Response = AlterPartitionReassignmentsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AlterPartitionReassignmentsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::DescribeTopics(_, described)) = replies.next() else {
            return Err(strange("DescribeTopics"));
        };
        if !rights::grants(replies.next(), Operation::Alter)? {
            return Ok(not_authorized(self.topics));
        }
        let described = Described::new(described);
        let topic = |(key, partitions): (TopicKey, Vec<ReassignablePartition>)| ReassignableTopicResponse {
            name: key.text(),
            partitions: partitions
                .into_iter()
                .map(|partition| {
                    let found = described.partition(&key, partition.partition_index);
                    let moved = found.and_then(|view| moved(&partition, view));
                    let (error_code, error_message) = moved.err().unwrap_or_default();
                    let partition_index = partition.partition_index;
                    ReassignablePartitionResponse { partition_index, error_code, error_message }
                })
                .collect(),
        };
        Ok(AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: self.allow_replication_factor_change,
            responses: self.topics.into_iter().map(topic).collect(),
            ..Default::default()
        })
    }
}

/// Every partition that was named gets the error too.
fn not_authorized(
    topics: Vec<(TopicKey, Vec<ReassignablePartition>)>,
) -> AlterPartitionReassignmentsResponse {
    let error_code = ErrorCode::ClusterAuthorizationFailed;
    let partition = |partition: ReassignablePartition| {
        let partition_index = partition.partition_index;
        ReassignablePartitionResponse { partition_index, error_code, ..Default::default() }
    };
    let topic = |(key, partitions): (TopicKey, Vec<ReassignablePartition>)| ReassignableTopicResponse {
        name: key.text(),
        partitions: partitions.into_iter().map(partition).collect(),
    };
    let responses = topics.into_iter().map(topic).collect();
    AlterPartitionReassignmentsResponse { error_code, responses, ..Default::default() }
}

/// Only where it is, in any order: no replica is preferred.
fn moved(asked: &ReassignablePartition, partition: &PartitionView) -> Result<(), Trouble> {
    let Some(replicas) = &asked.replicas else {
        let text = Str::from_static("this partition is not on its way");
        return Err((ErrorCode::NoReassignmentInProgress, Some(text)));
    };
    let here: BTreeSet<i32> = partition.replicas.iter().map(|node| node_number(*node)).collect();
    let wanted: BTreeSet<i32> = replicas.iter().copied().collect();
    if wanted == here && replicas.len() == here.len() {
        return Ok(());
    }
    let text = format!("a partition lives on all of the nodes {here:?}, not on {replicas:?}");
    Err((ErrorCode::InvalidReplicaAssignment, Some(Str::from(text))))
}
