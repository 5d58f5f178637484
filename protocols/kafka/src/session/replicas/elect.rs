//! ElectLeaders: shards elect their leaders by themselves, so wherever there is one, none has to be elected.

use forebay_kit::SessionError;
use forebay_kit::model::acl::Operation;
use forebay_kit::model::admin::{DescribedTopic, TopicSelection};
use forebay_kit::model::{PartitionView, Reply};

use super::{Described, Trouble, describe, describe_as_admin};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::{TopicKey, name_text, partition_index};
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::elect_leaders::{PartitionResult, ReplicaElectionResult};
use crate::wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use crate::wire::{ErrorCode, Str};

/// First version with an error for the whole.
const ERROR_FROM: i16 = 1;

/// Which replica is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Election {
    /// The preferred one.
    Preferred,
    /// Any, if need be one that lacks records.
    Unclean,
}

/// What the response needs of the request.
pub(in crate::session) struct Asked {
    election: Election,
    /// The topics that were named; absent when all are meant.
    topics: Option<Vec<(TopicKey, Vec<i32>)>>,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: ElectLeadersRequest,
) -> Step<ElectLeadersResponse> {
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        _ => {
            let error_code = ErrorCode::InvalidRequest;
            return Step::Answer(ElectLeadersResponse { error_code, ..Default::default() });
        }
    };
    let Some(topics) = request.topic_partitions else {
        let requests = vec![describe_as_admin(TopicSelection::All), rights::on_cluster()];
        return Step::Many(requests, Asked { election, topics: None }.into());
    };
    let names = &mut asking.connection.names;
    let topics: Vec<_> =
        topics.into_iter().map(|topic| (names.key(&topic.topic), topic.partitions)).collect();
    let request = describe(topics.iter().map(|(key, _)| key));
    Step::Many(vec![request, rights::on_cluster()], Asked { election, topics: Some(topics) }.into())
}

impl Answer for Asked {
    type Response = ElectLeadersResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ElectLeadersResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::DescribeTopics(_, described)) = replies.next() else {
            return Err(strange("DescribeTopics"));
        };
        if !rights::grants(replies.next(), Operation::Alter)? {
            return Ok(not_authorized(version, self.topics.unwrap_or_default()));
        }
        let replica_election_results = match self.topics {
            None => self.election.missing(&described),
            Some(topics) => self.election.of(topics, &Described::new(described)),
        };
        Ok(ElectLeadersResponse { replica_election_results, ..Default::default() })
    }
}

/// Every partition that was named gets the error too.
fn not_authorized(version: i16, topics: Vec<(TopicKey, Vec<i32>)>) -> ElectLeadersResponse {
    let error_code = ErrorCode::ClusterAuthorizationFailed;
    let topic = |(key, partitions): (TopicKey, Vec<i32>)| ReplicaElectionResult {
        topic: key.text(),
        partition_result: partitions.into_iter().map(|index| result(index, (error_code, None))).collect(),
    };
    let replica_election_results = topics.into_iter().map(topic).collect();
    let whole = if version >= ERROR_FROM { error_code } else { ErrorCode::None };
    ElectLeadersResponse { error_code: whole, replica_election_results, ..Default::default() }
}

impl Election {
    fn of(self, topics: Vec<(TopicKey, Vec<i32>)>, described: &Described) -> Vec<ReplicaElectionResult> {
        let topic = |(key, partitions): (TopicKey, Vec<i32>)| ReplicaElectionResult {
            topic: key.text(),
            partition_result: partitions
                .into_iter()
                .map(|index| {
                    let found = described.partition(&key, index);
                    result(index, found.map_or_else(|trouble| trouble, |partition| self.outcome(partition)))
                })
                .collect(),
        };
        topics.into_iter().map(topic).collect()
    }

    /// Where all are meant, those that need no election are not told, as Apache Kafka does.
    fn missing(self, described: &[DescribedTopic]) -> Vec<ReplicaElectionResult> {
        let views = described.iter().filter_map(|topic| topic.topic.as_ref().ok());
        let results = views.map(|view| {
            let leaderless =
                view.partitions.iter().enumerate().filter(|(_, partition)| partition.leader.is_none());
            ReplicaElectionResult {
                topic: name_text(&view.name),
                partition_result: leaderless
                    .map(|(number, partition)| result(partition_index(number), self.outcome(partition)))
                    .collect(),
            }
        });
        results.filter(|topic| !topic.partition_result.is_empty()).collect()
    }

    fn outcome(self, partition: &PartitionView) -> Trouble {
        if partition.leader.is_some() {
            let text = "the shard of this partition has elected its leader";
            return (ErrorCode::ElectionNotNeeded, Some(Str::from_static(text)));
        }
        let code = match self {
            Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
            Election::Unclean => ErrorCode::EligibleLeadersNotAvailable,
        };
        (code, Some(Str::from_static("the shard of this partition is electing its leader")))
    }
}

fn result(partition_id: i32, (error_code, error_message): Trouble) -> PartitionResult {
    PartitionResult { partition_id, error_code, error_message }
}
