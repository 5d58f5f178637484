//! OffsetForLeaderEpoch: where an epoch ended, so that a reader notices when its log is not ours.

use forebay_kit::SessionError;
use forebay_kit::model::fetch::{FindEpochEnd, FindEpochEnds, FoundEpochEnd};
use forebay_kit::model::{Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::fetch::leader_epoch;
use super::names::TopicKey;
use super::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use crate::wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

/// The response to be, and per partition whether the broker was asked for it.
pub(super) struct Asked {
    response: OffsetForLeaderEpochResponse,
    asked: Vec<bool>,
}

pub(super) fn ask(
    asking: &mut Asking<'_>,
    request: OffsetForLeaderEpochRequest,
) -> Step<OffsetForLeaderEpochResponse> {
    if request.replica_id >= 0 {
        return Step::Close("a follower's OffsetForLeaderEpoch: replication is not Kafka's here".into());
    }
    let (mut items, mut asked) = (Vec::new(), Vec::new());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let key = asking.connection.names.key(&topic.topic);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let mut response = EpochEndOffset { partition: partition.partition, ..Default::default() };
            match item(&key, &partition) {
                Ok(item) => {
                    asked.push(item.is_some());
                    items.extend(item);
                }
                Err(code) => {
                    asked.push(false);
                    response.error_code = code;
                }
            }
            partitions.push(response);
        }
        topics.push(OffsetForLeaderTopicResult { topic: key.text(), partitions });
    }
    let response = OffsetForLeaderEpochResponse { topics, ..Default::default() };
    if items.is_empty() {
        return Step::Answer(response);
    }
    Step::One(Request::FindEpochEnds(FindEpochEnds { items }), Asked { response, asked }.into())
}

/// The look-up; none for a negative epoch, which never was.
fn item(key: &TopicKey, partition: &OffsetForLeaderPartition) -> Result<Option<FindEpochEnd>, ErrorCode> {
    let place = key.partition(partition.partition)?;
    let current_epoch = leader_epoch(partition.current_leader_epoch);
    Ok(leader_epoch(partition.leader_epoch).map(|epoch| FindEpochEnd {
        partition: place,
        epoch,
        current_epoch,
    }))
}

impl Answer for Asked {
    type Response = OffsetForLeaderEpochResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<OffsetForLeaderEpochResponse, SessionError> {
        let Reply::FindEpochEnds(found) = replies.one()? else { return Err(strange("FindEpochEnds")) };
        let Asked { mut response, asked } = self;
        let mut found = found.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for (partition, _) in partitions.zip(asked).filter(|(_, asked)| *asked) {
            told(partition, found.next().ok_or_else(|| strange("FindEpochEnds of this length"))?);
        }
        Ok(response)
    }
}

fn told(partition: &mut EpochEndOffset, found: FoundEpochEnd) {
    match found {
        Ok(Some(end)) => {
            partition.leader_epoch = end.epoch.0.cast_signed();
            partition.end_offset = end.end.0.cast_signed();
        }
        Ok(None) => {}
        Err(refusal) => partition.error_code = errors::code(&refusal, Area::Read),
    }
}
