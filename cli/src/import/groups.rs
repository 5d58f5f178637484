//! Where groups are: their committed offsets, read there and set here. A group goes on at exactly the record that it would have
//! read next.

use std::collections::{BTreeMap, BTreeSet};

use forebay_kafka::wire::Str;
use forebay_kafka::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use forebay_kafka::wire::messages::{OffsetCommitRequest, OffsetFetchRequest};

use super::Sides;
use crate::client::admin;
use crate::client::cluster::To;
use crate::client::place::by_topic;
use crate::client::{ClientError, Cluster, Place};

/// A group's next record in a partition, and its client's note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The offset.
    pub offset: i64,
    /// The note.
    pub note: String,
}

/// What became of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedGroup {
    /// Its name.
    pub group: String,
    /// How many cursors it has in what comes over.
    pub cursors: usize,
    /// Members that it still has at the source: what they commit from now on does not come over.
    pub members: usize,
    /// Why it was not copied, if it was not.
    pub failed: Option<String>,
}

/// The kinds of groups whose cursors are committed offsets, by Kafka's names; an old broker names none.
const WITH_OFFSETS: [&str; 3] = ["", "classic", "consumer"];

/// Copies the cursors of groups into these partitions, none behind the partition's end at the target. Groups without any there are
/// passed over.
///
/// # Errors
/// When groups cannot be listed; what goes wrong with one group is told of it.
pub fn copy(
    sides: &mut Sides,
    wanted: &[String],
    ends: &BTreeMap<Place, i64>,
) -> Result<Vec<CopiedGroup>, ClientError> {
    let mut copied = Vec::new();
    let listed: BTreeSet<String> = admin::list_groups(&mut sides.source)?
        .into_iter()
        .filter(|group| WITH_OFFSETS.contains(&group.kind.to_lowercase().as_str()))
        .map(|group| group.group)
        .collect();
    for name in wanted.iter().filter(|name| !listed.contains(*name)) {
        let failed = Some("the source has no such group, or one without committed offsets".to_owned());
        copied.push(CopiedGroup { group: name.clone(), cursors: 0, members: 0, failed });
    }
    for group in listed.into_iter().filter(|group| wanted.is_empty() || wanted.contains(group)) {
        match copy_one(sides, &group, ends) {
            Ok(Some(one)) => copied.push(one),
            Ok(None) => {}
            Err(ClientError::Interrupted) => return Err(ClientError::Interrupted),
            Err(why) => {
                copied.push(CopiedGroup { group, cursors: 0, members: 0, failed: Some(why.to_string()) });
            }
        }
    }
    Ok(copied)
}

fn copy_one(
    sides: &mut Sides,
    group: &str,
    ends: &BTreeMap<Place, i64>,
) -> Result<Option<CopiedGroup>, ClientError> {
    let mut cursors = fetch(&mut sides.source, group)?;
    cursors.retain(|place, _| ends.contains_key(place));
    if cursors.is_empty() {
        return Ok(None);
    }
    for (place, cursor) in &mut cursors {
        cursor.offset = cursor.offset.min(ends[place]);
    }
    let members = admin::describe_group(&mut sides.source, group)?.members.len();
    let present = fetch(&mut sides.target, group)?;
    let changed = changed(&cursors, &present);
    if !changed.is_empty() {
        commit(&mut sides.target, group, &changed)?;
    }
    Ok(Some(CopiedGroup { group: group.to_owned(), cursors: cursors.len(), members, failed: None }))
}

/// The cursors that are not what they should be.
fn changed(wanted: &BTreeMap<Place, Cursor>, present: &BTreeMap<Place, Cursor>) -> BTreeMap<Place, Cursor> {
    let differs = |(place, cursor): &(&Place, &Cursor)| present.get(*place) != Some(*cursor);
    wanted.iter().filter(differs).map(|(place, cursor)| (place.clone(), cursor.clone())).collect()
}

/// All cursors of a group.
fn fetch(cluster: &mut Cluster, group: &str) -> Result<BTreeMap<Place, Cursor>, ClientError> {
    let request = OffsetFetchRequest {
        group_id: Str::from(group),
        topics: None,
        require_stable: true,
        ..OffsetFetchRequest::default()
    };
    let doing = format!("fetching the offsets of group {group}");
    cluster.persist(&doing, |cluster, deadline| {
        let node = cluster.coordinator(group, deadline)?;
        let response = cluster.call(To::Node(node), &request, deadline)?;
        ClientError::check(&*doing, response.error_code, None)?;
        let mut cursors = BTreeMap::new();
        for topic in &response.topics {
            for partition in &topic.partitions {
                ClientError::check(&*doing, partition.error_code, None)?;
                if partition.committed_offset >= 0 {
                    let note = partition.metadata.as_ref().map_or_else(String::new, Str::to_string);
                    let cursor = Cursor { offset: partition.committed_offset, note };
                    cursors.insert(Place::new(topic.name.as_str(), partition.partition_index), cursor);
                }
            }
        }
        Ok(cursors)
    })
}

/// Sets cursors of a group that has no members.
fn commit(cluster: &mut Cluster, group: &str, cursors: &BTreeMap<Place, Cursor>) -> Result<(), ClientError> {
    let request = commit_request(group, cursors);
    let doing = format!("setting the offsets of group {group}");
    cluster.persist(&doing, |cluster, deadline| {
        let node = cluster.coordinator(group, deadline)?;
        let response = cluster.call(To::Node(node), &request, deadline)?;
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            ClientError::check(&*doing, partition.error_code, None)?;
        }
        Ok(())
    })
}

/// The commit of nobody in particular. It says no leader epoch: those of the source mean nothing here.
fn commit_request(group: &str, cursors: &BTreeMap<Place, Cursor>) -> OffsetCommitRequest {
    let topics = by_topic(cursors.iter());
    let partition = |(number, cursor): &(i32, &Cursor)| OffsetCommitRequestPartition {
        partition_index: *number,
        committed_offset: cursor.offset,
        committed_metadata: Some(Str::from(&*cursor.note)),
        ..OffsetCommitRequestPartition::default()
    };
    OffsetCommitRequest {
        group_id: Str::from(group),
        generation_id_or_member_epoch: -1,
        member_id: Str::EMPTY,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors(of: &[(i32, i64, &str)]) -> BTreeMap<Place, Cursor> {
        let cursor = |(number, offset, note): &(i32, i64, &str)| {
            (Place::new("t", *number), Cursor { offset: *offset, note: (*note).into() })
        };
        of.iter().map(cursor).collect()
    }

    #[test]
    fn only_what_differs_is_set() {
        let wanted = cursors(&[(0, 5, ""), (1, 6, "a"), (2, 7, "")]);
        let present = cursors(&[(0, 5, ""), (1, 6, "b")]);
        assert_eq!(changed(&wanted, &present), cursors(&[(1, 6, "a"), (2, 7, "")]));
    }

    #[test]
    fn a_commit_brings_notes_and_no_leader_epoch() {
        let request = commit_request("g", &cursors(&[(1, 6, "note")]));
        let partition = &request.topics[0].partitions[0];
        assert_eq!((partition.committed_offset, partition.committed_leader_epoch), (6, -1));
        assert_eq!(partition.committed_metadata.as_ref().map(Str::as_str), Some("note"));
        assert_eq!((request.generation_id_or_member_epoch, request.member_id.as_str()), (-1, ""));
    }
}
