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
