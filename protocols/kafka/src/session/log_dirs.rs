//! DescribeLogDirs: the one directory of a node, and the bytes of the partitions in it.

use std::collections::BTreeMap;

use forebay_kit::SessionError;
use forebay_kit::model::acl::Operation;
use forebay_kit::model::partition::{
    DescribePartitions, DescribedPartition, PartitionSelection, StorageView,
};
use forebay_kit::model::{Reply, Request, TopicRef};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::names::{Names, name_text};
use super::open::{Replies, strange};
use super::rights;
use crate::wire::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use crate::wire::{ErrorCode, Str};

/// First version with an error for the whole; before, who has no right is shown nothing.
const ERROR_FROM: i16 = 3;
/// First version with the size of the volume.
const VOLUME_FROM: i16 = 4;

/// Nothing of the request is needed: the partitions come with their names.
pub(super) struct Asked;

pub(super) fn ask(asking: &mut Asking<'_>, request: DescribeLogDirsRequest) -> Step<DescribeLogDirsResponse> {
    let partitions = match request.topics {
        None => PartitionSelection::All,
        Some(topics) => these(&mut asking.connection.names, &topics),
    };
    let describe = DescribePartitions { partitions, producers: false };
    Step::Many(vec![Request::DescribePartitions(describe), rights::on_cluster()], Asked.into())
}

/// What cannot exist lies in no directory.
fn these(names: &mut Names, topics: &[DescribableLogDirTopic]) -> PartitionSelection {
    let mut places = Vec::new();
    for topic in topics {
        let key = names.key(&topic.topic);
        places.extend(topic.partitions.iter().filter_map(|index| key.partition(*index).ok()));
    }
    PartitionSelection::These(places)
}

impl Answer for Asked {
    type Response = DescribeLogDirsResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeLogDirsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::DescribePartitions(described, storage)) = replies.next() else {
            return Err(strange("DescribePartitions"));
        };
        if !rights::grants(replies.next(), Operation::Describe)? {
            let sayable = version >= ERROR_FROM;
            let error_code = if sayable { ErrorCode::ClusterAuthorizationFailed } else { ErrorCode::None };
            return Ok(DescribeLogDirsResponse { error_code, ..Default::default() });
        }
        let results = vec![directory(version, described, &storage)];
        Ok(DescribeLogDirsResponse { results, ..Default::default() })
    }
}

/// Partitions that do not exist, or are not served now, are left out, as Apache Kafka does.
fn directory(
    version: i16,
    described: Vec<DescribedPartition>,
    storage: &StorageView,
) -> DescribeLogDirsResult {
    let mut topics: BTreeMap<Str, BTreeMap<i32, DescribeLogDirsPartition>> = BTreeMap::new();
    for DescribedPartition { partition, state } in described {
        let (TopicRef::Name(name), Ok(state)) = (&partition.topic, state) else { continue };
        let Ok(partition_index) = i32::try_from(partition.number) else { continue };
        let here = DescribeLogDirsPartition {
            partition_index,
            partition_size: i64::try_from(state.bytes).unwrap_or(i64::MAX),
            // It is the one that is written.
            offset_lag: 0,
            is_future_key: false,
        };
        topics.entry(name_text(name)).or_default().insert(partition_index, here);
    }
    let topic = |(name, partitions): (Str, BTreeMap<i32, DescribeLogDirsPartition>)| DescribeLogDirsTopic {
        name,
        partitions: partitions.into_values().collect(),
    };
    let mut directory = DescribeLogDirsResult {
        log_dir: Str::from(storage.directory.as_str()),
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    if version >= VOLUME_FROM {
        directory.total_bytes = bytes(storage.total_bytes);
        directory.usable_bytes = bytes(storage.free_bytes);
    }
    directory
}

/// -1 if it is not known.
fn bytes(measured: Option<u64>) -> i64 {
    measured.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}
