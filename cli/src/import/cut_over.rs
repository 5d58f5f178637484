//! The end of an import: the source is silent, both sides end alike, groups are where they were, and the target takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::wire::messages::DeleteRecordsRequest;
use forebay_kafka::wire::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use forebay_kafka::wire::{ErrorCode, ImportOrder, Str};

use super::Sides;
use super::lane::{Lane, LaneState};
use super::target;
use crate::client::offsets::{self, Which};
use crate::client::place::by_topic;
use crate::client::{ClientError, Cluster, Place};

/// Whether nothing was written to the source between two looks, this far apart.
///
/// # Errors
/// The cluster's.
pub fn is_silent(
    source: &mut Cluster,
    ends: &BTreeMap<Place, i64>,
    quiet: Duration,
) -> Result<bool, ClientError> {
    source.interrupt().pause(quiet);
    source.interrupt().check()?;
    Ok(grown(ends, &self::ends(source, ends.keys())?).is_empty())
}

/// Where partitions of a cluster end now.
///
/// # Errors
/// The cluster's.
pub fn ends<'a>(
    cluster: &mut Cluster,
    places: impl Iterator<Item = &'a Place>,
) -> Result<BTreeMap<Place, i64>, ClientError> {
    let places: Vec<Place> = places.cloned().collect();
    offsets::list(cluster, &places, Which::Latest)
}

/// Partitions that end farther behind than they did, and by how many offsets.
pub fn grown(before: &BTreeMap<Place, i64>, now: &BTreeMap<Place, i64>) -> Vec<(Place, i64)> {
    let more = |(place, before): (&Place, &i64)| {
        let now = now.get(place).copied().unwrap_or(*before);
        (now > *before).then(|| (place.clone(), now - before))
    };
    before.iter().filter_map(more).collect()
}

/// What became of the end of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The target takes records of producers.
    Ended,
    /// A transaction of the source is open in it.
    Open,
    /// It was not ended, for this reason.
    Failed(String),
}

/// Ends the import of lanes that are done. Ending one twice does nothing.
///
/// # Errors
/// When nothing could be asked.
pub fn end(target: &mut Cluster, lanes: &[Lane]) -> Result<BTreeMap<Place, Ending>, ClientError> {
    let done = lanes.iter().filter(|lane| lane.state == LaneState::Done);
    let orders: Vec<_> = done.map(|lane| (lane.place.clone(), ImportOrder::End { end: lane.end })).collect();
    let mut endings = BTreeMap::new();
    for some in orders.chunks(ENDED_AT_ONCE) {
        let outcomes = target.persist("ending the import", |cluster, _| {
            let outcomes = target::carry_out(cluster, some)?;
            match outcomes
                .values()
                .find_map(|outcome| outcome.as_ref().err().filter(|why| why.is_retriable()))
            {
                Some(why) => Err(why.clone()),
                None => Ok(outcomes),
            }
        })?;
        endings.extend(outcomes.into_iter().map(|(place, outcome)| {
            let ending = match outcome {
                Ok(_) => Ending::Ended,
                Err(why) if why.code() == Some(ErrorCode::ConcurrentTransactions) => Ending::Open,
                Err(why) => Ending::Failed(why.to_string()),
            };
            (place, ending)
        }));
    }
    Ok(endings)
}

/// Partitions of one request.
const ENDED_AT_ONCE: usize = 500;
/// How long a trim may take, milliseconds.
const TRIM_MS: i32 = 30_000;

/// Makes partitions of the target begin where those of the source do: what was deleted or ran out there is gone here too.
///
/// # Errors
/// The clusters'.
pub fn align_starts(sides: &mut Sides, lanes: &[Lane]) -> Result<(), ClientError> {
    let lanes = lanes.iter().filter(|lane| lane.is_under_import());
    let reached: BTreeMap<Place, i64> = lanes.map(|lane| (lane.place.clone(), lane.end)).collect();
    let places: Vec<Place> = reached.keys().cloned().collect();
    let there = offsets::list(&mut sides.source, &places, Which::Earliest)?;
    let here = offsets::list(&mut sides.target, &places, Which::Earliest)?;
    let due: BTreeMap<Place, i64> = there
        .into_iter()
        .map(|(place, start)| {
            let start = start.min(reached.get(&place).copied().unwrap_or(0));
            (place, start)
        })
        .filter(|(place, start)| here.get(place).is_some_and(|here| here < start))
        .collect();
    if due.is_empty() {
        return Ok(());
    }
    sides.target.persist("dropping what the source has dropped", |cluster, deadline| {
        let by_leader = cluster.by_leader(due.iter().map(|(place, start)| (place, *start)))?;
        let requests: Vec<_> =
            by_leader.into_iter().map(|(node, places)| (node, trim_request(&places))).collect();
        for response in cluster.call_each(&requests, deadline) {
            for partition in response?.topics.iter().flat_map(|topic| &topic.partitions) {
                ClientError::check("dropping what the source has dropped", partition.error_code, None)?;
            }
        }
        Ok(())
    })
}

fn trim_request(places: &[(&Place, i64)]) -> DeleteRecordsRequest {
    let topics = by_topic(places.iter().copied());
    let partition =
        |(number, offset): &(i32, i64)| DeleteRecordsPartition { partition_index: *number, offset: *offset };
    DeleteRecordsRequest {
        topics: topics
            .iter()
            .map(|(name, partitions)| DeleteRecordsTopic {
                name: Str::from(&**name),
                partitions: partitions.iter().map(partition).collect(),
            })
            .collect(),
        timeout_ms: TRIM_MS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_meanwhile_is_counted() {
        let ends = |of: &[(i32, i64)]| {
            of.iter().map(|(number, end)| (Place::new("t", *number), *end)).collect::<BTreeMap<_, _>>()
        };
        let before = ends(&[(0, 5), (1, 7), (2, 0)]);
        assert_eq!(grown(&before, &ends(&[(0, 5), (1, 9), (2, 0)])), [(Place::new("t", 1), 2)]);
        assert_eq!(grown(&before, &before), []);
    }
}
