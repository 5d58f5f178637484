//! OffsetCommit. A retention time of its own (versions 2 to 4) is not kept: cursors live as long as their group says.

use forebay_kit::SessionError;
use forebay_kit::model::group::{CommitOffset, CommitOffsets, GroupReply, GroupRequest};
use forebay_kit::model::{Offset, Request};

use super::of_group;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::fetch::leader_epoch;
use crate::session::names::{TopicKey, group_id, owned, owned_option};
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::offset_commit::{
    OffsetCommitRequestPartition, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::messages::{OffsetCommitRequest, OffsetCommitResponse};

/// First version that names topics by id.
const IDS_FROM: i16 = 10;

/// The response to be: partitions without an error wait for their answer, in order.
pub(in crate::session) struct Asked(OffsetCommitResponse);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: OffsetCommitRequest,
) -> Step<OffsetCommitResponse> {
    let has_ids = asking.version() >= IDS_FROM;
    let group = group_id(&request.group_id);
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let key = asking.connection.names.key_in(has_ids, &topic.name, topic.topic_id);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            let offset = group.as_ref().map_err(|code| *code).and_then(|_| offset(&key, partition));
            let error_code = offset.as_ref().err().copied().unwrap_or_default();
            offsets.extend(offset);
            partitions.push(OffsetCommitResponsePartition { partition_index, error_code });
        }
        topics.push(OffsetCommitResponseTopic { name: key.text(), topic_id: key.id(), partitions });
    }
    let response = OffsetCommitResponse { topics, ..Default::default() };
    let Ok(group) = group else { return Step::Answer(response) };
    if offsets.is_empty() {
        return Step::Answer(response);
    }
    let commit = CommitOffsets {
        group,
        generation: request.generation_id_or_member_epoch,
        member: owned(&request.member_id),
        instance: owned_option(&request.group_instance_id),
        transaction: None,
        offsets,
    };
    Step::One(Request::Group(GroupRequest::CommitOffsets(commit)), Asked(response).into())
}

/// A cursor as clients number it. With -1 they reset a group to "nothing committed"; what other negative numbers mean is between them: they
/// come back as they were, and most readers take them for none too.
pub(in crate::session) fn committed(offset: i64) -> Offset {
    // Two's complement: -1 is `Offset::NONE`, and back again.
    Offset(offset.cast_unsigned())
}

fn offset(key: &TopicKey, partition: &OffsetCommitRequestPartition) -> Result<CommitOffset, ErrorCode> {
    Ok(CommitOffset {
        partition: key.partition(partition.partition_index)?,
        offset: committed(partition.committed_offset),
        leader_epoch: leader_epoch(partition.committed_leader_epoch),
        metadata: owned_option(&partition.committed_metadata).unwrap_or_default(),
    })
}

impl Answer for Asked {
    type Response = OffsetCommitResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<OffsetCommitResponse, SessionError> {
        let GroupReply::CommitOffsets(done) = of_group(replies.one()?)? else {
            return Err(strange("CommitOffsets"));
        };
        let Asked(mut response) = self;
        let mut done = done.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code.is_none()) {
            let (_, done) = done.next().ok_or_else(|| strange("CommitOffsets of this length"))?;
            if let Err(refusal) = done {
                partition.error_code = errors::code(&refusal, Area::Group);
            }
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minus_one_takes_a_cursor_away_and_no_other_number_does() {
        assert_eq!(committed(-1), Offset::NONE);
        for offset in [0, 7, i64::MAX, -2, -3, i64::MIN] {
            assert_ne!(committed(offset), Offset::NONE);
            assert_eq!(committed(offset).0.cast_signed(), offset);
        }
    }
}
