//! ShareGroupHeartbeat: a member joins, stays in or leaves a share group.

use forebay_kit::SessionError;
use forebay_kit::model::subscription::{
    Attend, AttendStep, Attending, SubscriptionReply, SubscriptionRequest,
};
use forebay_kit::model::{Refusal, Reply, Request};

use super::{is_member, wire_partitions};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{group_id, owned, owned_option, uuid};
use crate::session::open::{Replies, strange};
use crate::wire::messages::share_group_heartbeat::{Assignment, TopicPartitions};
use crate::wire::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use crate::wire::{ErrorCode, Str};

/// The epoch with which a member joins.
const JOINS: i32 = 0;
/// The epoch with which a member leaves.
const LEAVES: i32 = -1;

/// Who asked, and whether it leaves.
pub(in crate::session) struct Asked {
    member: Str,
    leaves: bool,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: ShareGroupHeartbeatRequest,
) -> Step<ShareGroupHeartbeatResponse> {
    match attend(asking, &request) {
        Ok(attend) => {
            let asked =
                Asked { member: request.member_id.detached(), leaves: attend.step == AttendStep::Leave };
            Step::One(Request::Subscription(SubscriptionRequest::Attend(attend)), asked.into())
        }
        Err((error_code, why)) => Step::Answer(ShareGroupHeartbeatResponse {
            error_code,
            error_message: Some(Str::from_static(why)),
            ..Default::default()
        }),
    }
}

fn attend(
    asking: &Asking<'_>,
    request: &ShareGroupHeartbeatRequest,
) -> Result<Attend, (ErrorCode, &'static str)> {
    let invalid = |why| (ErrorCode::InvalidRequest, why);
    if request.group_id.is_empty() {
        return Err(invalid("a group has an id"));
    }
    let subscription = group_id(&request.group_id).map_err(|code| (code, "no group can have this id"))?;
    if !is_member(&request.member_id) {
        return Err(invalid("a member has an id of its own, as long as a UUID at most"));
    }
    let step = match request.member_epoch {
        JOINS => AttendStep::Join,
        LEAVES => AttendStep::Leave,
        epoch if epoch > 0 => AttendStep::Stay(epoch),
        _ => return Err(invalid("an epoch is -1 or more")),
    };
    if request.rack_id.as_ref().is_some_and(Str::is_empty) {
        return Err(invalid("a rack has a name"));
    }
    let topics = request.subscribed_topic_names.as_ref();
    if step == AttendStep::Join && topics.is_none_or(Vec::is_empty) {
        return Err(invalid("a member that joins says what it reads"));
    }
    Ok(Attend {
        subscription,
        member: owned(&request.member_id),
        step,
        client: owned(&asking.client),
        host: asking.connection.host.clone(),
        rack: owned_option(&request.rack_id),
        topics: topics.map(|topics| topics.iter().map(owned).collect()),
    })
}

impl Answer for Asked {
    type Response = ShareGroupHeartbeatResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ShareGroupHeartbeatResponse, SessionError> {
        let Reply::Subscription(SubscriptionReply::Attend(attended)) = replies.one()? else {
            return Err(strange("Attend"));
        };
        Ok(match attended {
            Ok(attending) => self.response(&attending),
            Err(refusal) => refused(&refusal),
        })
    }
}

fn refused(refusal: &Refusal) -> ShareGroupHeartbeatResponse {
    ShareGroupHeartbeatResponse {
        error_code: errors::code(refusal, Area::Group),
        error_message: errors::message(refusal),
        ..Default::default()
    }
}

impl Asked {
    fn response(self, attending: &Attending) -> ShareGroupHeartbeatResponse {
        let assignment = attending.partitions.as_ref().map(|topics| Assignment {
            topic_partitions: topics
                .iter()
                .map(|topic| TopicPartitions {
                    topic_id: uuid(topic.topic),
                    partitions: wire_partitions(&topic.numbers),
                })
                .collect(),
        });
        ShareGroupHeartbeatResponse {
            member_id: Some(self.member),
            member_epoch: if self.leaves { LEAVES } else { attending.epoch },
            heartbeat_interval_ms: i32::try_from(attending.heartbeat_interval_ms).unwrap_or(i32::MAX),
            assignment,
            ..Default::default()
        }
    }
}
