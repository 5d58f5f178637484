//! AlterReplicaLogDirs: a node has one directory, in which every partition lies that exists. Putting one there is granted and changes
//! nothing.

use std::collections::BTreeMap;

use forebay_kit::SessionError;
use forebay_kit::model::acl::Operation;
use forebay_kit::model::partition::{DescribePartitions, PartitionSelection};
use forebay_kit::model::{PartitionRef, Refusal, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::names::TopicKey;
use super::open::{Replies, strange};
use super::rights;
use crate::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::wire::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use crate::wire::{ErrorCode, Str};

/// What is to be where.
pub(super) struct Asked(Vec<Wish>);

/// Partitions of a topic that are to be in a directory.
struct Wish {
    path: Str,
    topic: TopicKey,
    partitions: Vec<i32>,
}

pub(super) fn ask(
    asking: &mut Asking<'_>,
    request: AlterReplicaLogDirsRequest,
) -> Step<AlterReplicaLogDirsResponse> {
    let names = &mut asking.connection.names;
    let mut wishes = Vec::new();
    for dir in request.dirs {
        let path = dir.path.detached();
        wishes.extend(dir.topics.into_iter().map(|topic| Wish {
            path: path.clone(),
            topic: names.key(&topic.name),
            partitions: topic.partitions,
        }));
    }
    let places = wishes.iter().flat_map(|wish| {
        wish.partitions.iter().filter_map(|index| wish.topic.partition(*index).ok()).collect::<Vec<_>>()
    });
    let partitions = PartitionSelection::These(places.collect());
    let describe = DescribePartitions { partitions, producers: false };
    Step::Many(vec![Request::DescribePartitions(describe), rights::on_cluster()], Asked(wishes).into())
}

impl Answer for Asked {
    type Response = AlterReplicaLogDirsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AlterReplicaLogDirsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::DescribePartitions(described, storage)) = replies.next() else {
            return Err(strange("DescribePartitions"));
        };
        let may = rights::grants(replies.next(), Operation::Alter)?;
        let found: BTreeMap<PartitionRef, bool> = described
            .into_iter()
            .map(|described| (described.partition, described.state.map_or_else(|why| exists(&why), |_| true)))
            .collect();
        let code = |wish: &Wish, index: i32| {
            if !may {
                return ErrorCode::ClusterAuthorizationFailed;
            }
            if wish.path.as_str() != storage.directory {
                return ErrorCode::LogDirNotFound;
            }
            match wish.topic.partition(index) {
                Ok(place) if found.get(&place) == Some(&true) => ErrorCode::None,
                Ok(_) => ErrorCode::UnknownTopicOrPartition,
                Err(code) => code,
            }
        };
        let result = |wish: &Wish| AlterReplicaLogDirTopicResult {
            topic_name: wish.topic.text(),
            partitions: wish
                .partitions
                .iter()
                .map(|index| AlterReplicaLogDirPartitionResult {
                    partition_index: *index,
                    error_code: code(wish, *index),
                })
                .collect(),
        };
        let results = self.0.iter().map(result).collect();
        Ok(AlterReplicaLogDirsResponse { results, ..Default::default() })
    }
}

/// Whether a partition that is not told of is there all the same: another node may lead it.
fn exists(why: &Refusal) -> bool {
    !matches!(why, Refusal::UnknownTopic | Refusal::UnknownTopicId | Refusal::UnknownPartition)
}
