//! ElectLeaders: shards elect their leaders by themselves, so wherever there is one, none has to be elected.

use forebay_kit::SessionError;
use forebay_kit::model::admin::{DescribeTopics, DescribedTopic, TopicSelection};
use forebay_kit::model::{PartitionView, Reply, Request};

use super::{Described, Trouble, describe};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::{TopicKey, name_text, partition_index};
use crate::session::open::{Replies, strange};
use crate::wire::messages::elect_leaders::{PartitionResult, ReplicaElectionResult};
use crate::wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use crate::wire::{ErrorCode, Str};

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
        let all = DescribeTopics { topics: TopicSelection::All, create: false };
        return Step::One(Request::DescribeTopics(all), Asked { election, topics: None }.into());
    };
    let names = &mut asking.connection.names;
    let topics: Vec<_> =
        topics.into_iter().map(|topic| (names.key(&topic.topic), topic.partitions)).collect();
    let request = describe(topics.iter().map(|(key, _)| key));
    Step::One(request, Asked { election, topics: Some(topics) }.into())
}

impl Answer for Asked {
    type Response = ElectLeadersResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ElectLeadersResponse, SessionError> {
        let Reply::DescribeTopics(_, described) = replies.one()? else {
            return Err(strange("DescribeTopics"));
        };
        let replica_election_results = match self.topics {
            None => self.election.missing(&described),
            Some(topics) => self.election.of(topics, &Described::new(described)),
        };
        Ok(ElectLeadersResponse { replica_election_results, ..Default::default() })
    }
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
