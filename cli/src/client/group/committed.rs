//! How far a group has come.

use std::collections::BTreeMap;

use forebay_kafka::wire::Str;
use forebay_kafka::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use forebay_kafka::wire::messages::offset_fetch::OffsetFetchRequestTopic;
use forebay_kafka::wire::messages::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};

use crate::client::cluster::{Cluster, To};
use crate::client::error::ClientError;
use crate::client::place::{Place, by_topic};

/// Where a group goes on reading: of these partitions, or of all it ever committed. What has never been committed is
/// not among them.
///
/// # Errors
/// The cluster's, once patience is over.
pub fn fetch(
    cluster: &mut Cluster,
    group: &str,
    places: Option<&[Place]>,
) -> Result<BTreeMap<Place, i64>, ClientError> {
    let topics = places.map(|places| {
        let topics = by_topic(places.iter().map(|place| (place, ())));
        topics
            .iter()
            .map(|(name, partitions)| OffsetFetchRequestTopic {
                name: Str::from(&**name),
                partition_indexes: partitions.iter().map(|(number, ())| *number).collect(),
            })
            .collect()
    });
    let request = OffsetFetchRequest { group_id: Str::from(group), topics, ..OffsetFetchRequest::default() };
    let doing = format!("fetching the offsets of group {group}");
    cluster.persist(&doing, |cluster, deadline| {
        let node = cluster.coordinator(group, deadline)?;
        let response = cluster.call(To::Node(node), &request, deadline)?;
        understand(&doing, &response)
    })
}

fn understand(doing: &str, response: &OffsetFetchResponse) -> Result<BTreeMap<Place, i64>, ClientError> {
    ClientError::check(doing, response.error_code, None)?;
    let mut offsets = BTreeMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            ClientError::check(doing, partition.error_code, None)?;
            if partition.committed_offset >= 0 {
                let place = Place::new(topic.name.as_str(), partition.partition_index);
                offsets.insert(place, partition.committed_offset);
            }
        }
    }
    Ok(offsets)
}

/// Who commits, as far as the broker asks.
#[derive(Clone, Debug)]
pub struct Committer<'a> {
    /// The group.
    pub group: &'a str,
    /// The generation of the membership.
    pub generation: i32,
    /// The member.
    pub member: &'a str,
}

/// The request that commits these offsets.
pub fn commit(committer: &Committer<'_>, offsets: &BTreeMap<Place, i64>) -> OffsetCommitRequest {
    let topics = by_topic(offsets.iter().map(|(place, offset)| (place, *offset)));
    let partition = |(number, offset): &(i32, i64)| OffsetCommitRequestPartition {
        partition_index: *number,
        committed_offset: *offset,
        committed_metadata: Some(Str::EMPTY),
        ..OffsetCommitRequestPartition::default()
    };
    OffsetCommitRequest {
        group_id: Str::from(committer.group),
        generation_id_or_member_epoch: committer.generation,
        member_id: Str::from(committer.member),
        topics: topics
            .iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name: Str::from(&**name),
                partitions: partitions.iter().map(partition).collect(),
                ..OffsetCommitRequestTopic::default()
            })
            .collect(),
        ..OffsetCommitRequest::default()
    }
}
