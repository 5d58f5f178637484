//! DeleteRecords: partitions are trimmed by hand.

use forebay_kit::SessionError;
use forebay_kit::model::partition::{TrimPartition, TrimPartitions, TrimTo};
use forebay_kit::model::{Offset, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::names::{TopicKey, milliseconds};
use super::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

/// The offset that stands for all that can be read.
const HIGH_WATERMARK: i64 = -1;
/// The low watermark of a partition that was not trimmed.
const NO_WATERMARK: i64 = -1;

/// The response to be: partitions without an error wait for their answer, in order.
pub(super) struct Asked(DeleteRecordsResponse);

pub(super) fn ask(asking: &mut Asking<'_>, request: DeleteRecordsRequest) -> Step<DeleteRecordsResponse> {
    let mut items = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let key = asking.connection.names.key(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let item = item(&key, partition);
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: NO_WATERMARK,
                error_code: item.as_ref().err().copied().unwrap_or_default(),
            });
            items.extend(item);
        }
        topics.push(DeleteRecordsTopicResult { name: key.text(), partitions });
    }
    let response = DeleteRecordsResponse { topics, ..Default::default() };
    if items.is_empty() {
        return Step::Answer(response);
    }
    let trim = TrimPartitions { items, timeout_ms: milliseconds(request.timeout_ms) };
    Step::One(Request::TrimPartitions(trim), Asked(response).into())
}

fn item(key: &TopicKey, partition: &DeleteRecordsPartition) -> Result<TrimPartition, ErrorCode> {
    let place = key.partition(partition.partition_index)?;
    let to = match partition.offset {
        HIGH_WATERMARK => TrimTo::End,
        offset => TrimTo::Offset(Offset(u64::try_from(offset).map_err(|_| ErrorCode::OffsetOutOfRange)?)),
    };
    Ok(TrimPartition { partition: place, to })
}

impl Answer for Asked {
    type Response = DeleteRecordsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DeleteRecordsResponse, SessionError> {
        let Reply::TrimPartitions(trimmed) = replies.one()? else { return Err(strange("TrimPartitions")) };
        let Asked(mut response) = self;
        let mut trimmed = trimmed.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code.is_none()) {
            match trimmed.next().ok_or_else(|| strange("TrimPartitions of this length"))? {
                Ok(start) => partition.low_watermark = start.0.cast_signed(),
                Err(refusal) => partition.error_code = errors::code(&refusal, Area::Stored),
            }
        }
        Ok(response)
    }
}
