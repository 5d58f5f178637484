//! Raw batches of the source.

use std::time::Duration;

use bytes::Bytes;
use forebay_kafka::wire::Str;
use forebay_kafka::wire::messages::FetchRequest;
use forebay_kafka::wire::messages::fetch::{FetchPartition, FetchTopic};

use crate::client::place::by_topic;
use crate::client::{ClientError, Cluster, Place};

/// Record bytes wanted in one answer.
const FETCH_BYTES_MAX: i32 = 16 * 1024 * 1024;
/// Record bytes wanted of one partition in one answer.
const PARTITION_BYTES_MAX: i32 = 8 * 1024 * 1024;
/// How long brokers are waited for while others may have something.
const SHARED_WAIT: Duration = Duration::from_millis(100);

/// What a fetch brought of one partition.
pub struct Raw {
    /// Of which.
    pub place: Place,
    /// Batches, the last of which may be cut short; or the broker's refusal.
    pub batches: Result<Bytes, ClientError>,
}

/// Fetches from these positions on, all records whether their transactions ended or not; waits up to `wait` for the first. Earlier
/// partitions come first where not all fit.
///
/// # Errors
/// When nothing could be fetched at all.
pub fn fetch(
    cluster: &mut Cluster,
    positions: &[(Place, i64)],
    wait: Duration,
) -> Result<Vec<Raw>, ClientError> {
    let deadline = cluster.deadline();
    let by_leader = cluster.by_leader(positions.iter().map(|(place, position)| (place, *position)))?;
    let wait = if by_leader.len() > 1 { wait.min(SHARED_WAIT) } else { wait };
    let requests: Vec<_> =
        by_leader.into_iter().map(|(node, places)| (node, request(&places, wait))).collect();
    let mut fetched = Vec::new();
    let mut failed = None;
    for response in cluster.call_each(&requests, deadline) {
        let checked = response.and_then(|response| {
            ClientError::check("fetching", response.error_code, None)?;
            Ok(response.responses)
        });
        match checked {
            Err(why) => failed = Some(why),
            Ok(topics) => {
                for topic in topics {
                    for data in topic.partitions {
                        let place = Place::new(topic.topic.as_str(), data.partition_index);
                        let doing = format!("fetching {place}");
                        let batches = ClientError::check(doing, data.error_code, None)
                            .map(|()| data.records.map(|records| records.into_bytes()).unwrap_or_default());
                        fetched.push(Raw { place, batches });
                    }
                }
            }
        }
    }
    match failed {
        Some(why) if fetched.is_empty() => Err(why),
        _ => Ok(fetched),
    }
}

fn request(places: &[(&Place, i64)], wait: Duration) -> FetchRequest {
    let partition = |(number, position): &(i32, i64)| FetchPartition {
        partition: *number,
        fetch_offset: *position,
        partition_max_bytes: PARTITION_BYTES_MAX,
        ..FetchPartition::default()
    };
    let topics = by_topic(places.iter().copied());
    FetchRequest {
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: 1,
        max_bytes: FETCH_BYTES_MAX,
        topics: topics
            .iter()
            .map(|(name, partitions)| FetchTopic {
                topic: Str::from(&**name),
                partitions: partitions.iter().map(partition).collect(),
                ..FetchTopic::default()
            })
            .collect(),
        ..FetchRequest::default()
    }
}
