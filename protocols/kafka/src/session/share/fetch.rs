//! ShareFetch: takes records for a member, and says what became of earlier ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, ResourceKind};
use forebay_kit::model::subscription::{
    Delivery, Receive, ReceiveForm, Received, ReceivedAll, ReceivedRecords, SettleDeliveries, SettledItem,
    SubscriptionReply, SubscriptionRequest,
};
use forebay_kit::model::{GroupId, Refusal, Reply, Request};

use super::sessions::{Begun, Change, FIRST_EPOCH, Stage};
use super::verdicts::{Said, Verdicts};
use super::{Place, names};
use crate::limits::FETCH_RESPONSE_BYTES_MAX;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::milliseconds;
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::share_fetch::{
    AcquiredRecords, LeaderIdAndEpoch, PartitionData, ShareFetchableTopicResponse,
};
use crate::wire::messages::{ShareFetchRequest, ShareFetchResponse};
use crate::wire::{ErrorCode, Records};

/// Never more records than are asked for (KIP-1206).
const ACQUIRE_EXACTLY: i8 = 1;

/// What is kept of a request until its replies are there.
pub(in crate::session) struct Asked {
    /// What was said of earlier records, by partition.
    settled: Vec<(Place, Option<ErrorCode>)>,
    /// What is read, and why the broker was not asked.
    read: Vec<(Place, Option<ErrorCode>)>,
    stage: Stage,
    settles: bool,
    receives: bool,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: ShareFetchRequest,
) -> Step<ShareFetchResponse> {
    match begin(asking, &request) {
        Err(error_code) => Step::Answer(ShareFetchResponse { error_code, ..Default::default() }),
        Ok((group, begun)) => serve(asking, &request, group, begun),
    }
}

fn begin(asking: &mut Asking<'_>, request: &ShareFetchRequest) -> Result<(GroupId, Begun), ErrorCode> {
    let (group, member) = names(request.group_id.as_ref(), request.member_id.as_ref())?;
    if !matches!(request.share_acquire_mode, 0 | ACQUIRE_EXACTLY) {
        return Err(ErrorCode::InvalidRequest);
    }
    let wants = [request.max_wait_ms, request.min_bytes, request.max_bytes, request.max_records];
    // Whoever renews acquires nothing, and has to say so (KIP-1222).
    if request.is_renew_ack && wants != [0; 4] {
        return Err(ErrorCode::InvalidRequest);
    }
    let partitions = request.topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|partition| (Place { topic: topic.topic_id, index: partition.partition_index }, partition))
    });
    let mut added = Vec::new();
    for (place, partition) in partitions {
        // Whoever begins has nothing that it could speak of.
        if request.share_session_epoch == FIRST_EPOCH && !partition.acknowledgement_batches.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        added.push(place);
    }
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        topic.partitions.iter().map(|index| Place { topic: topic.topic_id, index: *index })
    });
    let change = Change { epoch: request.share_session_epoch, added, forgotten: forgotten.collect() };
    let begun = asking.connection.share_sessions.begin(&group, &member, change)?;
    Ok((group, begun))
}

fn serve(
    asking: &Asking<'_>,
    request: &ShareFetchRequest,
    group: GroupId,
    begun: Begun,
) -> Step<ShareFetchResponse> {
    let Begun { consumer, partitions, stage } = begun;
    let name = Arc::clone(&group.0);
    let verdicts = verdicts(asking.version(), request);
    let mut requests = Vec::new();
    let settles = !verdicts.items.is_empty();
    if settles {
        requests.push(SubscriptionRequest::Settle(SettleDeliveries {
            subscription: group.clone(),
            consumer,
            items: verdicts.items,
        }));
    }
    // Whoever only renews wants nothing else; nor does who ends its session.
    let wants = stage != Stage::Last && !request.is_renew_ack && request.max_records > 0;
    let mut read = Vec::new();
    let mut asked = Vec::new();
    for place in partitions.into_iter().filter(|_| wants) {
        let partition = place.partition();
        read.push((place, partition.as_ref().err().copied()));
        asked.extend(partition);
    }
    let receives = !asked.is_empty();
    if receives {
        let is_refused = asked.len() < read.len();
        let bytes_max = number(request.max_bytes).min(FETCH_RESPONSE_BYTES_MAX);
        requests.push(SubscriptionRequest::Receive(Receive {
            subscription: group,
            consumer,
            partitions: asked,
            records_max: number(request.max_records),
            whole_batches: request.share_acquire_mode != ACQUIRE_EXACTLY,
            form: ReceiveForm::Records,
            bytes_min: number(request.min_bytes).min(bytes_max),
            bytes_max,
            wait_ms_max: if is_refused { 0 } else { milliseconds(request.max_wait_ms) },
        }));
    }
    if stage == Stage::Last {
        requests.push(SubscriptionRequest::EndConsumer(consumer));
    }
    let asked = Asked { settled: verdicts.partitions, read, stage, settles, receives };
    let mut requests: Vec<Request> = requests.into_iter().map(Request::Subscription).collect();
    if !settles && !receives {
        requests.push(Request::Rights(vec![rights::group(&name)]));
    }
    Step::Many(requests, asked.into())
}

fn verdicts(version: i16, request: &ShareFetchRequest) -> Verdicts {
    let may_renew = version >= 2 && request.is_renew_ack;
    let mut verdicts = Verdicts::default();
    for topic in &request.topics {
        for partition in topic.partitions.iter().filter(|p| !p.acknowledgement_batches.is_empty()) {
            let place = Place { topic: topic.topic_id, index: partition.partition_index };
            let said = partition.acknowledgement_batches.iter().map(|batch| Said {
                first: batch.first_offset,
                last: batch.last_offset,
                words: &batch.acknowledge_types,
            });
            verdicts.add(place, said, may_renew);
        }
    }
    verdicts
}

fn number(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

impl Answer for Asked {
    type Response = ShareFetchResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ShareFetchResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let mut lease_ms = 0;
        let mut settled = Vec::new();
        if self.settles {
            let Some(Reply::Subscription(SubscriptionReply::Settle(all))) = replies.next() else {
                return Err(strange("Settle"));
            };
            lease_ms = all.lease_ms;
            settled = all.items;
        }
        let mut received = Vec::new();
        if self.receives {
            let Some(Reply::Subscription(SubscriptionReply::Receive(ReceivedAll {
                lease_ms: ms,
                partitions,
            }))) = replies.next()
            else {
                return Err(strange("Receive"));
            };
            lease_ms = ms;
            received = partitions;
        }
        let is_refused = settled.iter().map(|one| one.as_ref().err()).any(is_of_group)
            || received.iter().map(|one| one.as_ref().err()).any(is_of_group)
            || lacks_group(replies.next_back());
        if is_refused {
            let error_code = ErrorCode::GroupAuthorizationFailed;
            return Ok(ShareFetchResponse { error_code, ..Default::default() });
        }
        let settled = codes(&self.settled, settled)?;
        Ok(self.response(settled, received, i32::try_from(lease_ms).unwrap_or(i32::MAX)))
    }
}

/// Whether somebody may not read for this group at all: that is told of the whole request.
pub(super) fn is_of_group(refusal: Option<&Refusal>) -> bool {
    matches!(refusal, Some(Refusal::NotAuthorized { kind: ResourceKind::Group }))
}

/// The same, where nothing was asked of the group but this.
pub(super) fn lacks_group(rights: Option<Reply>) -> bool {
    matches!(rights, Some(Reply::Rights(rights)) if rights.iter().any(|group| !group.has(Operation::Read)))
}

/// What became of what was said of each partition.
pub(super) fn codes(
    said: &[(Place, Option<ErrorCode>)],
    settled: Vec<SettledItem>,
) -> Result<BTreeMap<Place, ErrorCode>, SessionError> {
    let mut settled = settled.into_iter();
    let mut codes = BTreeMap::new();
    for (place, refused) in said {
        let code = match refused {
            Some(code) => *code,
            None => match settled.next() {
                Some(Ok(())) => ErrorCode::None,
                Some(Err(refusal)) => errors::code(&refusal, Area::Read),
                None => return Err(strange("Settle of this length")),
            },
        };
        // Of a partition that is named twice, what went wrong is told.
        let known = codes.entry(*place).or_insert(code);
        if known.is_none() {
            *known = code;
        }
    }
    Ok(codes)
}

impl Asked {
    fn response(
        self,
        mut settled: BTreeMap<Place, ErrorCode>,
        received: Vec<Received>,
        lease_ms: i32,
    ) -> ShareFetchResponse {
        for (place, refused) in &self.settled {
            settled.entry(*place).or_insert(refused.unwrap_or_default());
        }
        let mut received = received.into_iter();
        let mut responses = Vec::new();
        for (place, refused) in &self.read {
            let data = match refused {
                Some(code) => unreadable(*code),
                None => received.next().map_or_else(|| unreadable(ErrorCode::None), data),
            };
            let said = settled.remove(place);
            let is_news =
                said.is_some() || data.error_code != ErrorCode::None || !data.acquired_records.is_empty();
            if is_news || self.stage == Stage::First {
                add(&mut responses, *place, data, said);
            }
        }
        // What is not read any more, or not in this request.
        for (place, code) in settled {
            add(&mut responses, place, unreadable(ErrorCode::None), Some(code));
        }
        ShareFetchResponse { acquisition_lock_timeout_ms: lease_ms, responses, ..Default::default() }
    }
}

/// Neighbours of one topic share its entry.
fn add(
    responses: &mut Vec<ShareFetchableTopicResponse>,
    place: Place,
    data: PartitionData,
    said: Option<ErrorCode>,
) {
    let acknowledge_error_code = said.unwrap_or_default();
    let data = PartitionData { partition_index: place.index, acknowledge_error_code, ..data };
    match responses.last_mut().filter(|last| last.topic_id == place.topic) {
        Some(last) => last.partitions.push(data),
        None => responses.push(ShareFetchableTopicResponse { topic_id: place.topic, partitions: vec![data] }),
    }
}

fn data(received: Received) -> PartitionData {
    let ReceivedRecords { records, deliveries, .. } = match received {
        Ok(received) => received,
        Err(refusal) => return unreadable(errors::code(&refusal, Area::Read)),
    };
    let mut pieces = Records::new();
    for piece in records {
        pieces.push(piece);
    }
    let acquired = |delivery: &Delivery| AcquiredRecords {
        first_offset: delivery.range.first.0.cast_signed(),
        last_offset: delivery.range.last.0.cast_signed(),
        delivery_count: i16::try_from(delivery.attempt.0).unwrap_or(i16::MAX),
    };
    PartitionData {
        records: pieces,
        acquired_records: deliveries.iter().map(acquired).collect(),
        current_leader: nobody(),
        ..Default::default()
    }
}

fn unreadable(error_code: ErrorCode) -> PartitionData {
    PartitionData { error_code, current_leader: nobody(), ..Default::default() }
}

fn nobody() -> LeaderIdAndEpoch {
    LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 }
}
