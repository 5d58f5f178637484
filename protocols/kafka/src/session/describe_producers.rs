//! DescribeProducers: who writes to partitions with sequences.

use forebay_kit::SessionError;
use forebay_kit::model::partition::{DescribePartitions, PartitionSelection, ProducerView};
use forebay_kit::model::{Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::open::{Replies, strange};
use crate::wire::messages::describe_producers::{PartitionResponse, ProducerState, TopicResponse};
use crate::wire::messages::{DescribeProducersRequest, DescribeProducersResponse};

/// No coordinator has ended a transaction of this producer.
const NO_COORDINATOR: i32 = -1;
/// The producer has no open transaction.
const NO_TRANSACTION: i64 = -1;

/// The response to be: partitions without an error wait for their answer, in order.
pub(super) struct Asked(DescribeProducersResponse);

pub(super) fn ask(
    asking: &mut Asking<'_>,
    request: DescribeProducersRequest,
) -> Step<DescribeProducersResponse> {
    let mut places = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let key = asking.connection.names.key(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for &partition_index in &topic.partition_indexes {
            let place = key.partition(partition_index);
            let error_code = place.as_ref().err().copied().unwrap_or_default();
            partitions.push(PartitionResponse { partition_index, error_code, ..Default::default() });
            places.extend(place);
        }
        topics.push(TopicResponse { name: key.text(), partitions });
    }
    let response = DescribeProducersResponse { topics, ..Default::default() };
    if places.is_empty() {
        return Step::Answer(response);
    }
    let describe = DescribePartitions { partitions: PartitionSelection::These(places), producers: true };
    Step::One(Request::DescribePartitions(describe), Asked(response).into())
}

impl Answer for Asked {
    type Response = DescribeProducersResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeProducersResponse, SessionError> {
        let Reply::DescribePartitions(described, _) = replies.one()? else {
            return Err(strange("DescribePartitions"));
        };
        let Asked(mut response) = self;
        let mut described = described.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code.is_none()) {
            let described = described.next().ok_or_else(|| strange("DescribePartitions of this length"))?;
            match described.state {
                Ok(state) => partition.active_producers = state.producers.iter().map(producer).collect(),
                Err(refusal) => {
                    partition.error_code = errors::code(&refusal, Area::Stored);
                    partition.error_message = errors::message(&refusal);
                }
            }
        }
        Ok(response)
    }
}

fn producer(producer: &ProducerView) -> ProducerState {
    ProducerState {
        producer_id: producer.id.0,
        producer_epoch: producer.epoch.0.into(),
        last_sequence: producer.last_sequence.0,
        last_timestamp: producer.seen_at.0,
        coordinator_epoch: NO_COORDINATOR,
        current_txn_start_offset: producer.open_from.map_or(NO_TRANSACTION, |first| first.0.cast_signed()),
    }
}
