//! Offsets by name and by time.

use std::collections::BTreeMap;

use forebay_kafka::wire::Str;
use forebay_kafka::wire::messages::ListOffsetsRequest;
use forebay_kafka::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic,
};

use super::cluster::Cluster;
use super::deadline::Deadline;
use super::error::ClientError;
use super::place::{Place, by_topic};

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of the oldest record that is still there.
    Earliest,
    /// The one the next record will get.
    Latest,
    /// That of the first record this old or younger, in milliseconds since 1970.
    At(i64),
}

impl Which {
    fn timestamp(self) -> i64 {
        match self {
            Which::Earliest => -2,
            Which::Latest => -1,
            Which::At(timestamp) => timestamp.max(0),
        }
    }
}

/// One offset of each of these partitions. Of a partition without a record that young there is none.
///
/// # Errors
/// The cluster's, once patience is over.
pub fn list(
    cluster: &mut Cluster,
    places: &[Place],
    which: Which,
) -> Result<BTreeMap<Place, i64>, ClientError> {
    cluster.persist("listing offsets", |cluster, deadline| list_once(cluster, places, which, deadline))
}

/// One offset of each of these partitions: where there is no record that young, the latest.
///
/// # Errors
/// As [`list`].
pub fn list_or_latest(
    cluster: &mut Cluster,
    places: &[Place],
    which: Which,
) -> Result<BTreeMap<Place, i64>, ClientError> {
    let mut found = list(cluster, places, which)?;
    let missing: Vec<Place> = places.iter().filter(|place| !found.contains_key(place)).cloned().collect();
    if !missing.is_empty() {
        found.extend(list(cluster, &missing, Which::Latest)?);
    }
    Ok(found)
}

fn list_once(
    cluster: &mut Cluster,
    places: &[Place],
    which: Which,
    deadline: Deadline,
) -> Result<BTreeMap<Place, i64>, ClientError> {
    let by_leader = cluster.by_leader(places.iter().map(|place| (place, ())))?;
    let requests: Vec<_> =
        by_leader.into_iter().map(|(node, places)| (node, request(&places, which))).collect();
    let mut found = BTreeMap::new();
    for response in cluster.call_each(&requests, deadline) {
        for topic in response?.topics {
            for partition in topic.partitions {
                let place = Place::new(topic.name.as_str(), partition.partition_index);
                if let Some(offset) = understand(&place, &partition)? {
                    found.insert(place, offset);
                }
            }
        }
    }
    Ok(found)
}

fn request(places: &[(&Place, ())], which: Which) -> ListOffsetsRequest {
    let partition = |(number, ()): &(i32, ())| ListOffsetsPartition {
        partition_index: *number,
        timestamp: which.timestamp(),
        ..ListOffsetsPartition::default()
    };
    let topics = by_topic(places.iter().copied());
    ListOffsetsRequest {
        replica_id: -1,
        topics: topics
            .iter()
            .map(|(name, partitions)| ListOffsetsTopic {
                name: Str::from(&**name),
                partitions: partitions.iter().map(partition).collect(),
            })
            .collect(),
        ..ListOffsetsRequest::default()
    }
}

fn understand(place: &Place, found: &ListOffsetsPartitionResponse) -> Result<Option<i64>, ClientError> {
    ClientError::check(format!("listing the offsets of {place}"), found.error_code, None)?;
    Ok(Some(found.offset).filter(|offset| *offset >= 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::Broker;
    use forebay_kafka::wire::messages::ListOffsetsResponse;
    use forebay_kafka::wire::messages::list_offsets::ListOffsetsTopicResponse;
    use forebay_kafka::wire::{AnyRequest, ApiKey, ErrorCode};

    /// An answer with (partition, error, offset) of topic `t`.
    fn answer(partitions: &[(i32, ErrorCode, i64)]) -> ListOffsetsResponse {
        let partition =
            |(partition_index, error_code, offset): &(i32, ErrorCode, i64)| ListOffsetsPartitionResponse {
                partition_index: *partition_index,
                error_code: *error_code,
                offset: *offset,
                ..ListOffsetsPartitionResponse::default()
            };
        let topic = ListOffsetsTopicResponse {
            name: Str::from("t"),
            partitions: partitions.iter().map(partition).collect(),
        };
        ListOffsetsResponse { topics: vec![topic], ..ListOffsetsResponse::default() }
    }

    #[test]
    fn a_time_behind_the_last_record_means_the_end_and_a_leader_that_moved_is_asked_again() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Metadata, 0, 9), (ApiKey::ListOffsets, 1, 7)]);
            let metadata = script.metadata(2);
            script.answer(ApiKey::Metadata, 9, &metadata);
            script.answer(ApiKey::Metadata, 9, &metadata);
            let moved = answer(&[(0, ErrorCode::None, 5), (1, ErrorCode::NotLeaderOrFollower, -1)]);
            script.answer(ApiKey::ListOffsets, 7, &moved);
            script.answer(ApiKey::Metadata, 9, &metadata);
            let none_so_young = answer(&[(0, ErrorCode::None, 5), (1, ErrorCode::None, -1)]);
            script.answer(ApiKey::ListOffsets, 7, &none_so_young);
            script.answer(ApiKey::ListOffsets, 7, &answer(&[(1, ErrorCode::None, 9)]));
        });
        let mut cluster = broker.cluster();
        cluster.work_with(&["t".into()], crate::client::cluster::AutoCreate::Forbidden).unwrap();
        let places = cluster.places("t");
        let found = list_or_latest(&mut cluster, &places, Which::At(123)).unwrap();
        assert_eq!(found.into_values().collect::<Vec<_>>(), [5, 9]);
        let timestamps = std::iter::from_fn(|| Some(broker.next_asked())).filter_map(|asked| match asked {
            AnyRequest::ListOffsets(request) => Some(request.topics[0].partitions[0].timestamp),
            _ => None,
        });
        assert_eq!(timestamps.take(3).collect::<Vec<_>>(), [123, 123, -1]);
    }
}
