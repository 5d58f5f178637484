//! Orders of an import, published to the target.

use std::collections::BTreeMap;

use forebay_kafka::wire::messages::ProduceRequest;
use forebay_kafka::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use forebay_kafka::wire::{ImportOrder, Str};

use crate::client::place::by_topic;
use crate::client::{ClientError, Cluster, Place};

/// All replicas have to confirm.
const ACKS_ALL: i16 = -1;
/// How long the target may take to confirm, milliseconds.
const CONFIRM_MS: i32 = 30_000;

/// Where a partition of the target is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first offset.
    pub start: i64,
    /// The offset that its next record gets.
    pub end: i64,
}

/// What became of an order.
pub type Ordered = Result<Extent, ClientError>;

/// Carries out one order per partition; each succeeds or fails by itself.
///
/// # Errors
/// When nothing could be asked at all.
pub fn carry_out(
    cluster: &mut Cluster,
    orders: &[(Place, ImportOrder)],
) -> Result<BTreeMap<Place, Ordered>, ClientError> {
    let deadline = cluster.deadline();
    let by_leader = cluster.by_leader(orders.iter().map(|(place, order)| (place, order)))?;
    let asked: Vec<Vec<Place>> = by_leader
        .iter()
        .map(|(_, orders)| orders.iter().map(|(place, _)| (*place).clone()).collect())
        .collect();
    let requests: Vec<_> = by_leader.into_iter().map(|(node, orders)| (node, request(&orders))).collect();
    let mut outcomes = BTreeMap::new();
    for (places, response) in asked.into_iter().zip(cluster.call_each(&requests, deadline)) {
        match response {
            Err(why) => outcomes.extend(places.into_iter().map(|place| (place, Err(why.clone())))),
            Ok(response) => {
                for topic in response.responses {
                    for answer in topic.partition_responses {
                        let place = Place::new(topic.name.as_str(), answer.index);
                        let message = answer.error_message.as_ref().map(Str::as_str);
                        let told =
                            ClientError::check(format!("importing {place}"), answer.error_code, message)
                                .map(|()| Extent { start: answer.log_start_offset, end: answer.base_offset });
                        outcomes.insert(place, told);
                    }
                }
            }
        }
    }
    Ok(outcomes)
}

fn request(orders: &[(&Place, &ImportOrder)]) -> ProduceRequest {
    let topics = by_topic(orders.iter().copied());
    ProduceRequest {
        transactional_id: None,
        acks: ACKS_ALL,
        timeout_ms: CONFIRM_MS,
        topic_data: topics
            .iter()
            .map(|(name, orders)| TopicProduceData {
                name: Str::from(&**name),
                partition_data: orders
                    .iter()
                    .map(|(index, order)| PartitionProduceData {
                        index: *index,
                        records: Some(order.to_records()),
                    })
                    .collect(),
                ..TopicProduceData::default()
            })
            .collect(),
    }
}
