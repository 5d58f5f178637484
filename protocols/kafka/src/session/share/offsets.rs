//! DescribeShareGroupOffsets, AlterShareGroupOffsets and DeleteShareGroupOffsets: where share groups are, and setting them elsewhere.

use forebay_kit::SessionError;
use forebay_kit::model::acl::ResourceKind;
use forebay_kit::model::subscription::{
    StartAt, SubscriptionReply, SubscriptionRequest, SubscriptionState, SubscriptionStates,
};
use forebay_kit::model::{Offset, PartitionRef, Refusal, Reply, Request, TopicId, TopicName, TopicRef};

use crate::limits::GROUPS_PER_REQUEST_MAX;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{group_id, uuid};
use crate::session::open::{Replies, strange};
use crate::wire::messages::alter_share_group_offsets::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use crate::wire::messages::delete_share_group_offsets::DeleteShareGroupOffsetsResponseTopic;
use crate::wire::messages::describe_share_group_offsets::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition, DescribeShareGroupOffsetsResponseTopic,
};
use crate::wire::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
};
use crate::wire::{ErrorCode, Str, Uuid};

/// Groups to describe.
pub(in crate::session) struct AskedDescribe(Vec<AskedGroup>);

struct AskedGroup {
    id: Str,
    /// Why the broker was not asked.
    refused: Option<ErrorCode>,
    /// Partitions that cannot exist.
    impossible: Vec<(Str, i32)>,
}

/// Topics to set, each with its partitions and the reason why the broker was not asked.
pub(in crate::session) struct AskedAlter(Vec<AskedTopic>);

struct AskedTopic {
    name: Str,
    partitions: Vec<(i32, Option<ErrorCode>)>,
}

/// Topics to forget, each with the reason why the broker was not asked.
pub(in crate::session) struct AskedDelete(Vec<(Str, Option<ErrorCode>)>);

fn topic(name: &Str) -> Result<TopicRef, ErrorCode> {
    TopicName::parse(name.as_str()).map(TopicRef::Name).map_err(|_| ErrorCode::UnknownTopicOrPartition)
}

fn partition(topic: &Result<TopicRef, ErrorCode>, index: i32) -> Result<PartitionRef, ErrorCode> {
    let number = u32::try_from(index).map_err(|_| ErrorCode::UnknownTopicOrPartition)?;
    Ok(PartitionRef { topic: topic.clone()?, number })
}

pub(in crate::session) fn describe(
    _: &mut Asking<'_>,
    request: DescribeShareGroupOffsetsRequest,
) -> Step<DescribeShareGroupOffsetsResponse> {
    let (mut groups, mut requests) = (Vec::new(), Vec::new());
    for group in &request.groups {
        let mut impossible = Vec::new();
        let asked = match requests.len() < GROUPS_PER_REQUEST_MAX {
            true => describe_one(group, &mut impossible),
            false => Err(ErrorCode::InvalidRequest),
        };
        groups.push(AskedGroup {
            id: group.group_id.detached(),
            refused: asked.as_ref().err().copied(),
            impossible,
        });
        requests.extend(asked.map(Request::Subscription));
    }
    let asked = AskedDescribe(groups);
    if requests.is_empty() {
        let groups = asked.0.into_iter();
        let refused = groups.map(|group| refused_group(group.id, group.refused.unwrap_or_default(), None));
        return Step::Answer(DescribeShareGroupOffsetsResponse {
            groups: refused.collect(),
            ..Default::default()
        });
    }
    Step::Many(requests, asked.into())
}

fn describe_one(
    group: &DescribeShareGroupOffsetsRequestGroup,
    impossible: &mut Vec<(Str, i32)>,
) -> Result<SubscriptionRequest, ErrorCode> {
    let subscription = group_id(&group.group_id)?;
    let Some(topics) = &group.topics else {
        return Ok(SubscriptionRequest::Describe { subscription, partitions: None });
    };
    let mut partitions = Vec::new();
    for asked in topics {
        let topic = topic(&asked.topic_name);
        for index in &asked.partitions {
            match partition(&topic, *index) {
                Ok(partition) => partitions.push(partition),
                Err(_) => impossible.push((asked.topic_name.detached(), *index)),
            }
        }
    }
    Ok(SubscriptionRequest::Describe { subscription, partitions: Some(partitions) })
}

impl Answer for AskedDescribe {
    type Response = DescribeShareGroupOffsetsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeShareGroupOffsetsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let mut groups = Vec::with_capacity(self.0.len());
        for AskedGroup { id, refused, impossible } in self.0 {
            groups.push(match refused {
                Some(code) => refused_group(id, code, None),
                None => match states(replies.next())? {
                    Ok(states) => described(id, states, impossible),
                    Err(refusal) => {
                        let code = errors::code(&refusal, Area::Group);
                        refused_group(id, code, errors::message(&refusal))
                    }
                },
            });
        }
        Ok(DescribeShareGroupOffsetsResponse { groups, ..Default::default() })
    }
}

fn states(reply: Option<Reply>) -> Result<Result<SubscriptionStates, Refusal>, SessionError> {
    match reply {
        Some(Reply::Subscription(SubscriptionReply::States(states))) => Ok(states),
        _ => Err(strange("States")),
    }
}

fn refused_group(
    group_id: Str,
    error_code: ErrorCode,
    error_message: Option<Str>,
) -> DescribeShareGroupOffsetsResponseGroup {
    DescribeShareGroupOffsetsResponseGroup { group_id, topics: Vec::new(), error_code, error_message }
}

/// Partitions that cannot exist are told as those are with which the group has not begun.
fn described(
    group_id: Str,
    states: SubscriptionStates,
    impossible: Vec<(Str, i32)>,
) -> DescribeShareGroupOffsetsResponseGroup {
    let mut topics = Vec::new();
    for state in states {
        add(&mut topics, name_of(&state), uuid(state.topic), described_partition(&state));
    }
    for (name, index) in impossible {
        add(&mut topics, name, Uuid::ZERO, never_begun(index));
    }
    DescribeShareGroupOffsetsResponseGroup { group_id, topics, ..Default::default() }
}

/// Neighbours of one topic share its entry.
fn add(
    topics: &mut Vec<DescribeShareGroupOffsetsResponseTopic>,
    topic_name: Str,
    topic_id: Uuid,
    partition: DescribeShareGroupOffsetsResponsePartition,
) {
    match topics.last_mut().filter(|last| last.topic_name == topic_name) {
        Some(last) => last.partitions.push(partition),
        None => topics.push(DescribeShareGroupOffsetsResponseTopic {
            topic_name,
            topic_id,
            partitions: vec![partition],
        }),
    }
}

fn name_of(state: &SubscriptionState) -> Str {
    match &state.partition.topic {
        TopicRef::Name(name) => Str::from(name.as_str()),
        TopicRef::Id(_) => Str::EMPTY,
    }
}

fn never_begun(partition_index: i32) -> DescribeShareGroupOffsetsResponsePartition {
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        leader_epoch: 0,
        lag: -1,
        error_code: ErrorCode::None,
        error_message: None,
    }
}

fn described_partition(state: &SubscriptionState) -> DescribeShareGroupOffsetsResponsePartition {
    let nothing = never_begun(i32::try_from(state.partition.number).unwrap_or(i32::MAX));
    match &state.view {
        Ok(Some(view)) => DescribeShareGroupOffsetsResponsePartition {
            start_offset: view.cursor.0.cast_signed(),
            leader_epoch: view.leader_epoch.0.cast_signed(),
            lag: view.unsettled.cast_signed(),
            ..nothing
        },
        // Nor does it begin with what is not there.
        Ok(None) | Err(Refusal::UnknownTopic | Refusal::UnknownTopicId | Refusal::UnknownPartition) => {
            nothing
        }
        Err(refusal) => DescribeShareGroupOffsetsResponsePartition {
            error_code: errors::code(refusal, Area::Read),
            error_message: errors::message(refusal),
            ..nothing
        },
    }
}

pub(in crate::session) fn alter(
    _: &mut Asking<'_>,
    request: AlterShareGroupOffsetsRequest,
) -> Step<AlterShareGroupOffsetsResponse> {
    let subscription = match group_id(&request.group_id) {
        Ok(subscription) => subscription,
        Err(error_code) => {
            return Step::Answer(AlterShareGroupOffsetsResponse { error_code, ..Default::default() });
        }
    };
    let (mut topics, mut items) = (Vec::new(), Vec::new());
    for asked in &request.topics {
        let topic = topic(&asked.topic_name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for one in &asked.partitions {
            let item = partition(&topic, one.partition_index).and_then(|partition| {
                let start = u64::try_from(one.start_offset).map_err(|_| ErrorCode::OffsetOutOfRange)?;
                Ok((partition, StartAt::Offset(Offset(start))))
            });
            partitions.push((one.partition_index, item.as_ref().err().copied()));
            items.extend(item);
        }
        topics.push(AskedTopic { name: asked.topic_name.detached(), partitions });
    }
    let asked = AskedAlter(topics);
    if items.is_empty() {
        return Step::Answer(asked.response(Vec::new()));
    }
    Step::One(Request::Subscription(SubscriptionRequest::Reset { subscription, items }), asked.into())
}

impl Answer for AskedAlter {
    type Response = AlterShareGroupOffsetsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AlterShareGroupOffsetsResponse, SessionError> {
        Ok(match states(Some(replies.one()?))? {
            Ok(states) => self.response(states),
            Err(refusal) => AlterShareGroupOffsetsResponse {
                error_code: errors::code(&refusal, Area::Group),
                error_message: errors::message(&refusal),
                ..Default::default()
            },
        })
    }
}

impl AskedAlter {
    fn response(self, states: SubscriptionStates) -> AlterShareGroupOffsetsResponse {
        let mut states = states.into_iter();
        let topic = |asked: AskedTopic| {
            let mut topic_id = Uuid::ZERO;
            let mut partition = |(partition_index, refused): (i32, Option<ErrorCode>)| {
                let state = if refused.is_none() { states.next() } else { None };
                topic_id = state.as_ref().map_or(topic_id, |state| uuid(state.topic));
                let refusal = state.and_then(|state| state.view.err());
                AlterShareGroupOffsetsResponsePartition {
                    partition_index,
                    error_code: refusal.as_ref().map_or(refused.unwrap_or_default(), of_stored),
                    error_message: refusal.as_ref().and_then(errors::message),
                }
            };
            let partitions = asked.partitions.into_iter().map(&mut partition).collect();
            AlterShareGroupOffsetsResponseTopic { topic_name: asked.name, topic_id, partitions }
        };
        let responses = self.0.into_iter().map(topic).collect();
        AlterShareGroupOffsetsResponse { responses, ..Default::default() }
    }
}

fn of_stored(refusal: &Refusal) -> ErrorCode {
    errors::code(refusal, Area::Stored)
}

pub(in crate::session) fn delete(
    _: &mut Asking<'_>,
    request: DeleteShareGroupOffsetsRequest,
) -> Step<DeleteShareGroupOffsetsResponse> {
    let group = match group_id(&request.group_id) {
        Ok(group) => group,
        Err(error_code) => {
            return Step::Answer(DeleteShareGroupOffsetsResponse { error_code, ..Default::default() });
        }
    };
    let (mut topics, mut requests) = (Vec::new(), Vec::new());
    for asked in &request.topics {
        let topic = match requests.len() < GROUPS_PER_REQUEST_MAX {
            true => topic(&asked.topic_name),
            false => Err(ErrorCode::InvalidRequest),
        };
        topics.push((asked.topic_name.detached(), topic.as_ref().err().copied()));
        let forget =
            |topic| SubscriptionRequest::Drop { subscription: group.clone(), topics: Some(vec![topic]) };
        requests.extend(topic.map(forget).map(Request::Subscription));
    }
    let asked = AskedDelete(topics);
    if requests.is_empty() {
        let refused =
            asked.0.into_iter().map(|(name, code)| forgotten(name, Uuid::ZERO, code.unwrap_or_default()));
        return Step::Answer(DeleteShareGroupOffsetsResponse {
            responses: refused.collect(),
            ..Default::default()
        });
    }
    Step::Many(requests, asked.into())
}

impl Answer for AskedDelete {
    type Response = DeleteShareGroupOffsetsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DeleteShareGroupOffsetsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let mut responses = Vec::with_capacity(self.0.len());
        for (name, refused) in self.0 {
            let Some(code) = refused else {
                match states(replies.next())? {
                    Ok(states) => responses.push(forgotten_states(name, &states)),
                    // The group cannot be changed: nothing of it was.
                    Err(
                        refusal @ (Refusal::GroupNotEmpty
                        | Refusal::UnknownGroup
                        | Refusal::NotAuthorized { kind: ResourceKind::Group }),
                    ) => {
                        return Ok(DeleteShareGroupOffsetsResponse {
                            error_code: errors::code(&refusal, Area::Group),
                            error_message: errors::message(&refusal),
                            ..Default::default()
                        });
                    }
                    Err(refusal) => responses.push(forgotten(name, Uuid::ZERO, of_stored(&refusal))),
                }
                continue;
            };
            responses.push(forgotten(name, Uuid::ZERO, code));
        }
        Ok(DeleteShareGroupOffsetsResponse { responses, ..Default::default() })
    }
}

fn forgotten_states(name: Str, states: &[SubscriptionState]) -> DeleteShareGroupOffsetsResponseTopic {
    let topic = states.first().map_or(TopicId::NONE, |state| state.topic);
    let refusal = states.iter().find_map(|state| state.view.as_ref().err());
    forgotten(name, uuid(topic), refusal.map_or(ErrorCode::None, of_stored))
}

fn forgotten(topic_name: Str, topic_id: Uuid, error_code: ErrorCode) -> DeleteShareGroupOffsetsResponseTopic {
    DeleteShareGroupOffsetsResponseTopic { topic_name, topic_id, error_code, error_message: None }
}
