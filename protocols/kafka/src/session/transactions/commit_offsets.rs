//! TxnOffsetCommit: offsets that a group has when its transaction commits. From version 5 on the group becomes part of the transaction
//! by it (KIP-890); before, AddOffsetsToTxn comes first.

use forebay_kit::SessionError;
use forebay_kit::model::GroupId;
use forebay_kit::model::Request;
use forebay_kit::model::group::{CommitOffset, CommitOffsets, GroupReply, GroupRequest};
use forebay_kit::model::transaction::{InTransaction, Joining};

use super::{Claim, code};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::fetch::leader_epoch;
use crate::session::groups::of_group;
use crate::session::groups::offset_commit::committed;
use crate::session::names::{TopicKey, group_id, owned, owned_option};
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use crate::wire::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

/// First version by which the group becomes part of the transaction.
const JOINS_FROM: i16 = 5;

/// The response to be: partitions without an error wait for their answer, in order.
pub(in crate::session) struct Asked(TxnOffsetCommitResponse);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: TxnOffsetCommitRequest,
) -> Step<TxnOffsetCommitResponse> {
    let joining = if asking.version() >= JOINS_FROM { Joining::Now } else { Joining::Before };
    let who = who(&request, joining);
    let (mut offsets, mut topics) = (Vec::new(), Vec::with_capacity(request.topics.len()));
    for topic in &request.topics {
        let key = asking.connection.names.key(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            let offset = who.as_ref().map_err(|code| *code).and_then(|_| offset(&key, partition));
            let error_code = offset.as_ref().err().copied().unwrap_or_default();
            offsets.extend(offset);
            partitions.push(TxnOffsetCommitResponsePartition { partition_index, error_code });
        }
        topics.push(TxnOffsetCommitResponseTopic { name: key.text(), partitions });
    }
    let response = TxnOffsetCommitResponse { topics, ..Default::default() };
    let Ok((group, transaction)) = who else { return Step::Answer(response) };
    if offsets.is_empty() {
        return Step::Answer(response);
    }
    let commit = CommitOffsets {
        group,
        generation: request.generation_id,
        member: owned(&request.member_id),
        instance: owned_option(&request.group_instance_id),
        transaction: Some(transaction),
        offsets,
    };
    Step::One(Request::Group(GroupRequest::CommitOffsets(commit)), Asked(response).into())
}

fn who(request: &TxnOffsetCommitRequest, joining: Joining) -> Result<(GroupId, InTransaction), ErrorCode> {
    let group = group_id(&request.group_id)?;
    let Claim { id, producer, epoch } =
        Claim::new(&request.transactional_id, request.producer_id, request.producer_epoch)?;
    Ok((group, InTransaction { id, producer, epoch, joining }))
}

fn offset(key: &TopicKey, partition: &TxnOffsetCommitRequestPartition) -> Result<CommitOffset, ErrorCode> {
    Ok(CommitOffset {
        partition: key.partition(partition.partition_index)?,
        offset: committed(partition.committed_offset),
        leader_epoch: leader_epoch(partition.committed_leader_epoch),
        metadata: owned_option(&partition.committed_metadata).unwrap_or_default(),
    })
}

impl Answer for Asked {
    type Response = TxnOffsetCommitResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<TxnOffsetCommitResponse, SessionError> {
        let GroupReply::CommitOffsets(done) = of_group(replies.one()?)? else {
            return Err(strange("CommitOffsets"));
        };
        let Asked(mut response) = self;
        let mut done = done.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code.is_none()) {
            let (_, done) = done.next().ok_or_else(|| strange("CommitOffsets of this length"))?;
            if let Err(refusal) = done {
                partition.error_code = code(&refusal, version);
            }
        }
        Ok(response)
    }
}
