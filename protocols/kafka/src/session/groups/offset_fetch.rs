//! OffsetFetch: one group, from version 8 on any number; each is asked by itself.

use forebay_kit::SessionError;
use forebay_kit::model::group::{Cursor, FetchOffsets, FetchedOffset, GroupReply, GroupRequest};
use forebay_kit::model::{GroupId, PartitionRef, Refusal, Request, TopicRef};

use super::of_group;
use crate::limits::GROUPS_PER_REQUEST_MAX;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{Names, TopicKey, group_id, name_text, uuid};
use crate::session::open::{Replies, strange};
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use crate::wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use crate::wire::{ErrorCode, Str};

/// First version with a list of groups.
const LIST_FROM: i16 = 8;
/// First version that names topics by id.
const IDS_FROM: i16 = 10;
/// First version with an error for the whole group.
const GROUP_ERROR_FROM: i16 = 2;

/// The groups of the response; those without an error wait for their reply, in order.
pub(in crate::session) struct Asked(Vec<AskedGroup>);

struct AskedGroup {
    text: Str,
    error_code: ErrorCode,
    /// The topics that were named; absent when all are wanted.
    topics: Option<Vec<AskedTopic>>,
}

/// The member that asks, from version 9 on, if it says so.
fn member_of(group: &OffsetFetchRequestGroup) -> Option<(String, i32)> {
    let member = group.member_id.as_ref().filter(|_| group.member_epoch >= 0)?;
    Some((member.as_str().to_owned(), group.member_epoch))
}

struct AskedTopic {
    key: TopicKey,
    indexes: Vec<i32>,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: OffsetFetchRequest,
) -> Step<OffsetFetchResponse> {
    let version = asking.version();
    let names = &mut asking.connection.names;
    let stable = request.require_stable;
    let mut requests = Vec::new();
    let mut groups = Vec::new();
    for group in groups_of(version, request) {
        let member = member_of(&group);
        let topics: Option<Vec<AskedTopic>> = group
            .topics
            .map(|topics| topics.into_iter().map(|topic| asked_topic(version, names, topic)).collect());
        let id = if requests.len() < GROUPS_PER_REQUEST_MAX {
            group_id(&group.group_id)
        } else {
            Err(ErrorCode::InvalidRequest)
        };
        let error_code = id.as_ref().err().copied().unwrap_or_default();
        requests.extend(id.map(|id| fetch(id, topics.as_deref(), stable, member)));
        groups.push(AskedGroup { text: group.group_id.detached(), error_code, topics });
    }
    if requests.is_empty() {
        return Step::Answer(response(version, groups.into_iter().map(AskedGroup::refused).collect()));
    }
    Step::Many(requests, Asked(groups).into())
}

/// Before version 8 there is one group, in the request's own fields.
fn groups_of(version: i16, request: OffsetFetchRequest) -> Vec<OffsetFetchRequestGroup> {
    if version >= LIST_FROM {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let topic = |topic: crate::wire::messages::offset_fetch::OffsetFetchRequestTopic| {
            let partition_indexes = topic.partition_indexes;
            OffsetFetchRequestTopics { name: topic.name, partition_indexes, ..Default::default() }
        };
        topics.into_iter().map(topic).collect()
    });
    vec![OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }]
}

fn asked_topic(version: i16, names: &mut Names, topic: OffsetFetchRequestTopics) -> AskedTopic {
    let key = names.key_in(version >= IDS_FROM, &topic.name, topic.topic_id);
    AskedTopic { key, indexes: topic.partition_indexes }
}

/// What cannot exist is not asked for: it has no cursor.
fn fetch(
    group: GroupId,
    topics: Option<&[AskedTopic]>,
    stable: bool,
    member: Option<(String, i32)>,
) -> Request {
    let partitions = topics.map(|topics| topics.iter().flat_map(AskedTopic::partitions).collect());
    Request::Group(GroupRequest::FetchOffsets(FetchOffsets { group, partitions, stable, member }))
}

impl AskedTopic {
    fn partitions(&self) -> impl Iterator<Item = PartitionRef> {
        self.indexes.iter().filter_map(|index| self.key.partition(*index).ok())
    }
}

impl Answer for Asked {
    type Response = OffsetFetchResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<OffsetFetchResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let mut groups = Vec::with_capacity(self.0.len());
        for group in self.0 {
            if !group.error_code.is_none() {
                groups.push(group.refused());
                continue;
            }
            let reply = replies.next().ok_or_else(|| strange("FetchOffsets for every group"))?;
            let GroupReply::FetchOffsets(fetched) = of_group(reply)? else {
                return Err(strange("FetchOffsets"));
            };
            groups.push(match fetched {
                Ok(fetched) => group.answered(fetched)?,
                Err(refusal) => {
                    let error_code = errors::code(&refusal, Area::Cursors);
                    AskedGroup { error_code, ..group }.refused()
                }
            });
        }
        Ok(response(version, groups))
    }
}

impl AskedGroup {
    /// The group with its error, and no cursor for anything.
    fn refused(self) -> OffsetFetchResponseGroup {
        let no_cursors = |topic: AskedTopic| OffsetFetchResponseTopics {
            name: topic.key.text(),
            topic_id: topic.key.id(),
            partitions: topic.indexes.iter().map(|index| no_cursor(*index)).collect(),
        };
        OffsetFetchResponseGroup {
            group_id: self.text,
            topics: self.topics.into_iter().flatten().map(no_cursors).collect(),
            error_code: self.error_code,
        }
    }

    fn answered(self, fetched: Vec<FetchedOffset>) -> Result<OffsetFetchResponseGroup, SessionError> {
        let topics = match self.topics {
            None => by_topic(fetched),
            Some(topics) => as_asked(topics, fetched)?,
        };
        Ok(OffsetFetchResponseGroup { group_id: self.text, topics, error_code: ErrorCode::None })
    }
}

fn as_asked(
    topics: Vec<AskedTopic>,
    fetched: Vec<FetchedOffset>,
) -> Result<Vec<OffsetFetchResponseTopics>, SessionError> {
    let mut fetched = fetched.into_iter();
    let mut answered = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.indexes.len());
        for index in topic.indexes {
            partitions.push(match topic.key.partition(index) {
                Err(ErrorCode::UnknownTopicId) => cursor(index, Err(Refusal::UnknownTopicId)),
                Err(_) => no_cursor(index),
                Ok(_) => {
                    let fetched = fetched.next().ok_or_else(|| strange("FetchOffsets of this length"))?;
                    cursor(index, fetched.cursor)
                }
            });
        }
        let (name, topic_id) = (topic.key.text(), topic.key.id());
        answered.push(OffsetFetchResponseTopics { name, topic_id, partitions });
    }
    Ok(answered)
}

/// All cursors of a group, neighbours of one topic together.
fn by_topic(fetched: Vec<FetchedOffset>) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for FetchedOffset { partition, topic, cursor: found } in fetched {
        let (TopicRef::Name(name), Some(id)) = (&partition.topic, topic) else { continue };
        let index = i32::try_from(partition.number).unwrap_or(i32::MAX);
        let (name, topic_id) = (name_text(name), uuid(id));
        let partition = cursor(index, found);
        match topics.last_mut().filter(|topic| topic.topic_id == topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(OffsetFetchResponseTopics { name, topic_id, partitions: vec![partition] }),
        }
    }
    topics
}

fn cursor(index: i32, found: Result<Option<Cursor>, Refusal>) -> OffsetFetchResponsePartitions {
    match found {
        Ok(Some(cursor)) => OffsetFetchResponsePartitions {
            partition_index: index,
            committed_offset: cursor.offset.0.cast_signed(),
            committed_leader_epoch: cursor.leader_epoch.map_or(-1, |epoch| epoch.0.cast_signed()),
            metadata: Some(Str::from(cursor.metadata)),
            error_code: ErrorCode::None,
        },
        // Nothing can have been committed for what does not exist. Who knows an id believes that its topic is there.
        Ok(None) | Err(Refusal::UnknownTopic | Refusal::UnknownPartition) => no_cursor(index),
        Err(refusal) => OffsetFetchResponsePartitions {
            error_code: errors::code(&refusal, Area::Cursors),
            ..no_cursor(index)
        },
    }
}

fn no_cursor(partition_index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        metadata: Some(Str::EMPTY),
        ..Default::default()
    }
}

/// Before version 8 there is one group, in the response's own fields.
fn response(version: i16, mut groups: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    if version >= LIST_FROM {
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let group = groups.pop().unwrap_or_default();
    // Version 1 has no error for the group: every partition gets it.
    let for_all = if version < GROUP_ERROR_FROM { group.error_code } else { ErrorCode::None };
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: if for_all.is_none() { partition.error_code } else { for_all },
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        error_code: group.error_code,
        ..Default::default()
    }
}
