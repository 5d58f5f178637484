//! OffsetDelete: cursors of one group are taken away, but for topics that its members read.

use forebay_kit::model::group::{ForgetOffset, ForgetOffsets, GroupReply, GroupRequest};
use forebay_kit::model::{GroupId, Request};
use forebay_kit::{Bytes, SessionError};

use super::dialect::CONSUMERS;
use super::of_group;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{TopicKey, group_id, owned};
use crate::session::open::{Replies, strange};
use crate::wire::messages::offset_delete::{
    OffsetDeleteRequestTopic, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

/// The response to be: partitions without an error wait for their answer, in order.
pub(in crate::session) struct Asked(OffsetDeleteResponse);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: OffsetDeleteRequest,
) -> Step<OffsetDeleteResponse> {
    let group = match group_id(&request.group_id) {
        Ok(group) => group,
        Err(error_code) => return Step::Answer(OffsetDeleteResponse { error_code, ..Default::default() }),
    };
    let mut cursors = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let key = asking.connection.names.key(&topic.name);
        topics.push(OffsetDeleteResponseTopic {
            name: key.text(),
            partitions: partitions(&key, topic, &mut cursors),
        });
    }
    // Also with nothing to take away: whether there is such a group is for the broker to say.
    let response = OffsetDeleteResponse { topics, ..Default::default() };
    Step::One(forget(group, cursors), Asked(response).into())
}

fn partitions(
    key: &TopicKey,
    topic: &OffsetDeleteRequestTopic,
    cursors: &mut Vec<ForgetOffset>,
) -> Vec<OffsetDeleteResponsePartition> {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in &topic.partitions {
        let partition_index = partition.partition_index;
        let place = key.partition(partition_index);
        let error_code = place.as_ref().err().copied().unwrap_or_default();
        cursors.extend(place.map(|partition| ForgetOffset { topic: owned(&topic.name), partition }));
        partitions.push(OffsetDeleteResponsePartition { partition_index, error_code });
    }
    partitions
}

fn forget(group: GroupId, cursors: Vec<ForgetOffset>) -> Request {
    let forget = ForgetOffsets { group, cursors, kind: CONSUMERS.kind, topics_of };
    Request::Group(GroupRequest::ForgetOffsets(forget))
}

/// The topics in a consumer's metadata.
fn topics_of(metadata: &Bytes) -> Option<Vec<String>> {
    (CONSUMERS.subscription)(metadata).map(|subscription| subscription.topics)
}

impl Answer for Asked {
    type Response = OffsetDeleteResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<OffsetDeleteResponse, SessionError> {
        let GroupReply::ForgetOffsets(forgotten) = of_group(replies.one()?)? else {
            return Err(strange("ForgetOffsets"));
        };
        let Asked(mut response) = self;
        let forgotten = match forgotten {
            Ok(forgotten) => forgotten,
            Err(refusal) => {
                let error_code = errors::code(&refusal, Area::Group);
                return Ok(OffsetDeleteResponse { error_code, ..Default::default() });
            }
        };
        let mut forgotten = forgotten.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code.is_none()) {
            let done = forgotten.next().ok_or_else(|| strange("ForgetOffsets of this length"))?;
            if let Err(refusal) = done {
                partition.error_code = errors::code(&refusal, Area::Group);
            }
        }
        Ok(response)
    }
}
