//! ShareAcknowledge: what became of records that a member has. Answered when it is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_kit::SessionError;
use forebay_kit::model::subscription::{SettleDeliveries, SubscriptionReply, SubscriptionRequest};
use forebay_kit::model::{GroupId, Reply, Request};

use super::fetch::{codes, is_of_group, lacks_group};
use super::sessions::{Begun, Change, FIRST_EPOCH, Stage};
use super::verdicts::{Said, Verdicts};
use super::{Place, names};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::ErrorCode;
use crate::wire::messages::share_acknowledge::{
    LeaderIdAndEpoch, PartitionData, ShareAcknowledgeTopicResponse,
};
use crate::wire::messages::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};

/// What is kept of a request until its replies are there.
pub(in crate::session) struct Asked {
    /// What was said, by partition.
    settled: Vec<(Place, Option<ErrorCode>)>,
    settles: bool,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: ShareAcknowledgeRequest,
) -> Step<ShareAcknowledgeResponse> {
    match begin(asking, &request) {
        Err(error_code) => Step::Answer(ShareAcknowledgeResponse { error_code, ..Default::default() }),
        Ok((group, begun)) => serve(asking, &request, group, &begun),
    }
}

fn begin(asking: &mut Asking<'_>, request: &ShareAcknowledgeRequest) -> Result<(GroupId, Begun), ErrorCode> {
    let (group, member) = names(request.group_id.as_ref(), request.member_id.as_ref())?;
    if request.share_session_epoch == FIRST_EPOCH {
        // Only a fetch begins a session.
        return Err(ErrorCode::InvalidShareSessionEpoch);
    }
    let change = Change { epoch: request.share_session_epoch, added: Vec::new(), forgotten: Vec::new() };
    let begun = asking.connection.share_sessions.begin(&group, &member, change)?;
    Ok((group, begun))
}

fn serve(
    asking: &Asking<'_>,
    request: &ShareAcknowledgeRequest,
    group: GroupId,
    begun: &Begun,
) -> Step<ShareAcknowledgeResponse> {
    let name = Arc::clone(&group.0);
    let may_renew = asking.version() >= 2 && request.is_renew_ack;
    let mut verdicts = Verdicts::default();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let place = Place { topic: topic.topic_id, index: partition.partition_index };
            let said = partition.acknowledgement_batches.iter().map(|batch| Said {
                first: batch.first_offset,
                last: batch.last_offset,
                words: &batch.acknowledge_types,
            });
            verdicts.add(place, said, may_renew);
        }
    }
    let mut requests = Vec::new();
    let settles = !verdicts.items.is_empty();
    if settles {
        requests.push(SubscriptionRequest::Settle(SettleDeliveries {
            subscription: group,
            consumer: begun.consumer,
            items: verdicts.items,
        }));
    }
    if begun.stage == Stage::Last {
        requests.push(SubscriptionRequest::EndConsumer(begun.consumer));
    }
    let asked = Asked { settled: verdicts.partitions, settles };
    let mut requests: Vec<Request> = requests.into_iter().map(Request::Subscription).collect();
    if !settles {
        requests.push(Request::Rights(vec![rights::group(&name)]));
    }
    Step::Many(requests, asked.into())
}

impl Answer for Asked {
    type Response = ShareAcknowledgeResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ShareAcknowledgeResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let (mut lease_ms, mut settled) = (0, Vec::new());
        if self.settles {
            let Some(Reply::Subscription(SubscriptionReply::Settle(all))) = replies.next() else {
                return Err(strange("Settle"));
            };
            lease_ms = all.lease_ms;
            settled = all.items;
        }
        if settled.iter().map(|one| one.as_ref().err()).any(is_of_group) || lacks_group(replies.next_back()) {
            let error_code = ErrorCode::GroupAuthorizationFailed;
            return Ok(ShareAcknowledgeResponse { error_code, ..Default::default() });
        }
        let codes = codes(&self.settled, settled)?;
        Ok(self.response(codes, i32::try_from(lease_ms).unwrap_or(i32::MAX)))
    }
}

impl Asked {
    fn response(self, mut codes: BTreeMap<Place, ErrorCode>, lease_ms: i32) -> ShareAcknowledgeResponse {
        let mut responses: Vec<ShareAcknowledgeTopicResponse> = Vec::new();
        for (place, refused) in self.settled {
            let data = PartitionData {
                partition_index: place.index,
                error_code: codes.remove(&place).or(refused).unwrap_or_default(),
                current_leader: LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 },
                ..Default::default()
            };
            match responses.last_mut().filter(|last| last.topic_id == place.topic) {
                Some(last) => last.partitions.push(data),
                None => responses
                    .push(ShareAcknowledgeTopicResponse { topic_id: place.topic, partitions: vec![data] }),
            }
        }
        ShareAcknowledgeResponse { acquisition_lock_timeout_ms: lease_ms, responses, ..Default::default() }
    }
}
