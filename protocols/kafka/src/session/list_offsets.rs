//! ListOffsets: offsets by time or by name.

use std::collections::BTreeMap;

use forebay_kit::SessionError;
use forebay_kit::model::fetch::{FindOffset, FindOffsets, FoundOffset, OffsetTarget};
use forebay_kit::model::{Reply, Request, Timestamp};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::fetch::{isolation, leader_epoch};
use super::names::TopicKey;
use super::open::{Replies, strange};
use crate::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use crate::wire::{ErrorCode, Str};

/// The response to be, and per partition what the broker was asked for.
pub(super) struct Asked {
    response: ListOffsetsResponse,
    asked: Vec<Option<Sought>>,
}

/// What a timestamp in a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    Target(OffsetTarget),
    /// Names a place that a broker without tiered storage has not: there is no such offset, if there is the partition.
    Nowhere,
}

pub(super) fn ask(asking: &mut Asking<'_>, request: ListOffsetsRequest) -> Step<ListOffsetsResponse> {
    if request.replica_id >= 0 {
        return Step::Close("a follower's ListOffsets: replication is not Kafka's here".into());
    }
    let Some(isolation) = isolation(request.isolation_level) else {
        return Step::Close(format!("isolation level {} does not exist", request.isolation_level));
    };
    let version = asking.version();
    let mut named = times_named(&request);
    let (mut items, mut asked) = (Vec::new(), Vec::new());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let key = asking.connection.names.key(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let found = match named.remove(&(topic.name.clone(), partition.partition_index)) {
                // It was named before, and is answered there.
                None => continue,
                Some(1) => item(version, &key, &partition),
                // Which of them is meant cannot be known.
                Some(_) => Err(ErrorCode::InvalidRequest),
            };
            let mut response = ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                ..Default::default()
            };
            match found {
                Ok((item, sought)) => {
                    asked.push(Some(sought));
                    items.push(item);
                }
                Err(code) => {
                    asked.push(None);
                    response.error_code = code;
                }
            }
            partitions.push(response);
        }
        topics.push(ListOffsetsTopicResponse { name: key.text(), partitions });
    }
    let response = ListOffsetsResponse { topics, ..Default::default() };
    if items.is_empty() {
        return Step::Answer(response);
    }
    Step::One(Request::FindOffsets(FindOffsets { items, isolation }), Asked { response, asked }.into())
}

/// How often the request names each partition.
fn times_named(request: &ListOffsetsRequest) -> BTreeMap<(Str, i32), u32> {
    let mut named = BTreeMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *named.entry((topic.name.clone(), partition.partition_index)).or_default() += 1;
        }
    }
    named
}

/// The look-up, and what it is for.
fn item(
    version: i16,
    key: &TopicKey,
    partition: &ListOffsetsPartition,
) -> Result<(FindOffset, Sought), ErrorCode> {
    let place = key.partition(partition.partition_index)?;
    let sought = sought(version, partition.timestamp)?;
    let leader_epoch = leader_epoch(partition.current_leader_epoch);
    let target = match sought {
        Sought::Target(target) => target,
        // Any will do: whether the partition is there and its leader the one that is meant.
        Sought::Nowhere => OffsetTarget::Earliest,
    };
    Ok((FindOffset { partition: place, target, leader_epoch }, sought))
}

/// Each name came with a version; before it, the number means nothing.
fn sought(version: i16, timestamp: i64) -> Result<Sought, ErrorCode> {
    let (since, sought) = match timestamp {
        0.. => (1, Sought::Target(OffsetTarget::AtOrAfter(Timestamp(timestamp)))),
        -1 => (1, Sought::Target(OffsetTarget::Latest)),
        -2 => (1, Sought::Target(OffsetTarget::Earliest)),
        -3 => (7, Sought::Target(OffsetTarget::MaxTimestamp)),
        // The earliest on local disks: all disks are local.
        -4 => (8, Sought::Target(OffsetTarget::Earliest)),
        // The latest in tiered storage, and the earliest not yet there.
        -5 => (9, Sought::Nowhere),
        -6 => (11, Sought::Nowhere),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    if version < since { Err(ErrorCode::UnsupportedVersion) } else { Ok(sought) }
}

impl Answer for Asked {
    type Response = ListOffsetsResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ListOffsetsResponse, SessionError> {
        let Reply::FindOffsets(found) = replies.one()? else { return Err(strange("FindOffsets")) };
        let Asked { mut response, asked } = self;
        let mut found = found.into_iter();
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for (partition, sought) in partitions.zip(asked) {
            let Some(sought) = sought else { continue };
            let found = found.next().ok_or_else(|| strange("FindOffsets of this length"))?;
            told(version, partition, if sought == Sought::Nowhere { found.map(|_| None) } else { found });
        }
        Ok(response)
    }
}

fn told(version: i16, partition: &mut ListOffsetsPartitionResponse, found: FoundOffset) {
    match found {
        Ok(Some(at)) => {
            partition.offset = at.offset.0.cast_signed();
            partition.timestamp = at.timestamp.map_or(-1, |timestamp| timestamp.0);
            if version >= 4 {
                partition.leader_epoch = at.leader_epoch.map_or(-1, |epoch| epoch.0.cast_signed());
            }
        }
        Ok(None) => {}
        Err(refusal) => partition.error_code = errors::code(&refusal, Area::Read),
    }
}
