//! ConsumerGroupHeartbeat: a member of a group whose partitions the broker assigns (KIP-848) comes, stays or goes.

use std::collections::BTreeMap;

use forebay_kit::SessionError;
use forebay_kit::model::group::{AttendGroup, Attended, GroupReply, GroupRequest, PartitionSet, Presence};
use forebay_kit::model::{GroupId, Request, TopicId};

use super::dialect::CONSUMERS;
use super::of_group;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{owned, owned_option, uuid};
use crate::session::open::{Replies, strange};
use crate::wire::messages::consumer_group_heartbeat::{Assignment, TopicPartitions};
use crate::wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use crate::wire::{ErrorCode, Str, Uuid};

/// First version whose members make their own ids (KIP-1082).
const OWN_ID_FROM: i16 = 1;
/// The epoch of a member that joins.
const JOINS: i32 = 0;
/// The epoch of a member that leaves.
const LEAVES: i32 = -1;
/// The epoch of a static member that will be back.
const PAUSES: i32 = -2;

/// The epoch of the response to a member that goes; absent for any other.
pub(in crate::session) struct Asked(Option<i32>);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: ConsumerGroupHeartbeatRequest,
) -> Step<ConsumerGroupHeartbeatResponse> {
    let attend = presence(&request, asking.version())
        .and_then(|presence| Ok((presence, partitions(request.topic_partitions.as_deref())?)));
    let (presence, owned) = match attend {
        Ok(attend) => attend,
        Err(why) => return Step::Answer(refused(ErrorCode::InvalidRequest, Some(Str::from_static(why)))),
    };
    let goes = matches!(presence, Presence::Leaves | Presence::Pauses).then_some(request.member_epoch);
    let attend = attend_group(asking, &request, presence, owned);
    Step::One(Request::Group(GroupRequest::Attend(Box::new(attend))), Asked(goes).into())
}

fn attend_group(
    asking: &Asking<'_>,
    request: &ConsumerGroupHeartbeatRequest,
    presence: Presence,
    owned_partitions: Option<PartitionSet>,
) -> AttendGroup {
    AttendGroup {
        group: GroupId(request.group_id.as_str().into()),
        member: owned(&request.member_id),
        presence,
        instance: owned_option(&request.instance_id),
        client: owned(&asking.client),
        host: asking.connection.host.clone(),
        rack: owned_option(&request.rack_id),
        rebalance_timeout_ms: u32::try_from(request.rebalance_timeout_ms).ok(),
        topics: request.subscribed_topic_names.as_ref().map(|names| names.iter().map(owned).collect()),
        pattern: owned_option(&request.subscribed_topic_regex),
        strategy: owned_option(&request.server_assignor),
        owned: owned_partitions,
        viewer: None,
        dialect: &CONSUMERS,
    }
}

/// What the epoch says, if the request has all that goes with it.
fn presence(request: &ConsumerGroupHeartbeatRequest, version: i16) -> Result<Presence, &'static str> {
    let epoch = request.member_epoch;
    let is_known = epoch > JOINS || epoch == LEAVES || epoch == PAUSES;
    let is_empty = |text: &Option<Str>| text.as_ref().is_some_and(Str::is_empty);
    if request.member_id.is_empty() && (version >= OWN_ID_FROM || is_known) {
        return Err("the member's id is missing");
    }
    if request.group_id.is_empty() {
        return Err("the group's id is missing");
    }
    if is_empty(&request.instance_id) || is_empty(&request.rack_id) {
        return Err("an instance id or a rack is not empty");
    }
    match epoch {
        JOINS => check_join(request).map(|()| Presence::Joins),
        LEAVES => Ok(Presence::Leaves),
        PAUSES if request.instance_id.is_none() => Err("who will be back has an instance id"),
        PAUSES => Ok(Presence::Pauses),
        epoch if epoch > JOINS => Ok(Presence::Stays(epoch)),
        _ => Err("there is no such member epoch"),
    }
}

/// Whoever joins says everything.
fn check_join(request: &ConsumerGroupHeartbeatRequest) -> Result<(), &'static str> {
    if request.rebalance_timeout_ms == -1 {
        return Err("whoever joins says its rebalance timeout");
    }
    if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err("whoever joins has no partitions, and says so");
    }
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        return Err("whoever joins says what it reads, by names or by a regular expression");
    }
    Ok(())
}

fn partitions(owned: Option<&[TopicPartitions]>) -> Result<Option<PartitionSet>, &'static str> {
    let Some(owned) = owned else { return Ok(None) };
    let mut set = PartitionSet::new();
    for topic in owned {
        for partition in &topic.partitions {
            let number = u32::try_from(*partition).map_err(|_| "partitions are counted from 0")?;
            set.insert((TopicId(topic.topic_id.0), number));
        }
    }
    Ok(Some(set))
}

fn refused(error_code: ErrorCode, error_message: Option<Str>) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { error_code, error_message, ..Default::default() }
}

impl Answer for Asked {
    type Response = ConsumerGroupHeartbeatResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ConsumerGroupHeartbeatResponse, SessionError> {
        let GroupReply::Attend(attended) = of_group(replies.one()?)? else { return Err(strange("Attend")) };
        Ok(match attended {
            Ok(attended) => response(attended, self.0),
            Err(refusal) => refused(errors::code(&refusal, Area::Group), errors::message(&refusal)),
        })
    }
}

fn response(attended: Attended, goes: Option<i32>) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        member_id: Some(Str::from(attended.member)),
        member_epoch: goes.unwrap_or(attended.epoch),
        heartbeat_interval_ms: i32::try_from(attended.heartbeat_interval_ms).unwrap_or(i32::MAX),
        assignment: attended.assignment.as_ref().map(assignment),
        ..Default::default()
    }
}

fn assignment(share: &PartitionSet) -> Assignment {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, number) in share {
        topics.entry(uuid(*topic)).or_default().push(i32::try_from(*number).unwrap_or(i32::MAX));
    }
    let partitions = |(topic_id, partitions)| TopicPartitions { topic_id, partitions };
    Assignment { topic_partitions: topics.into_iter().map(partitions).collect() }
}
