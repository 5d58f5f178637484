//! Share groups: sessions, what is acquired, what is acknowledged, members and offsets.

use super::*;
use crate::wire::messages::share_acknowledge::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as Acknowledged,
};
use crate::wire::messages::share_fetch::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic, PartitionData,
};
use crate::wire::messages::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequest,
    ListGroupsRequest, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest,
    ShareFetchResponse, ShareGroupDescribeRequest, ShareGroupHeartbeatRequest,
    alter_share_group_offsets as alter, delete_share_group_offsets as delete,
    describe_share_group_offsets as describe,
};
use crate::wire::{ErrorCode, Uuid};
use forebay_kit::model::group::{AssignedBy, GroupListing, GroupState};
use forebay_kit::model::subscription::{
    AttendStep, Attending, ConsumerNumber, Delivery, OffsetRange, Receive, Received, ReceivedAll,
    ReceivedRecords, SHARED_GROUP_KIND, SettleDeliveries, SettledAll, Settlement, SharedTopic, SharerView,
    SharersView, StartAt, SubscriptionReply, SubscriptionRequest, SubscriptionState, SubscriptionView,
    Verdict,
};
use forebay_kit::model::{Attempts, GroupId, LeaderEpoch, Refusal, TopicId};

const TOPIC: Uuid = Uuid([7; 16]);

fn partition(partition_index: i32, acknowledged: &[(i64, i64, &[i8])]) -> FetchPartition {
    let batch = |(first_offset, last_offset, words): &(i64, i64, &[i8])| AcknowledgementBatch {
        first_offset: *first_offset,
        last_offset: *last_offset,
        acknowledge_types: words.to_vec(),
    };
    FetchPartition { partition_index, acknowledgement_batches: acknowledged.iter().map(batch).collect() }
}

fn fetch(epoch: i32, partitions: Vec<FetchPartition>) -> ShareFetchRequest {
    let topics = vec![FetchTopic { topic_id: TOPIC, partitions }];
    ShareFetchRequest {
        group_id: Some("g".into()),
        member_id: Some("m".into()),
        share_session_epoch: epoch,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        max_records: 100,
        batch_size: 100,
        topics: if topics[0].partitions.is_empty() { Vec::new() } else { topics },
        ..Default::default()
    }
}

fn acknowledge(epoch: i32, partition_index: i32, batches: &[(i64, i64, &[i8])]) -> ShareAcknowledgeRequest {
    let batch = |(first_offset, last_offset, words): &(i64, i64, &[i8])| Acknowledged {
        first_offset: *first_offset,
        last_offset: *last_offset,
        acknowledge_types: words.to_vec(),
    };
    let partitions = vec![AcknowledgePartition {
        partition_index,
        acknowledgement_batches: batches.iter().map(batch).collect(),
    }];
    ShareAcknowledgeRequest {
        group_id: Some("g".into()),
        member_id: Some("m".into()),
        share_session_epoch: epoch,
        topics: vec![AcknowledgeTopic { topic_id: TOPIC, partitions }],
        ..Default::default()
    }
}

fn range(first: u64, last: u64) -> OffsetRange {
    OffsetRange { first: Offset(first), last: Offset(last) }
}

fn records(first: u64, last: u64, attempt: u16) -> Received {
    Ok(ReceivedRecords {
        topic: TopicId(TOPIC.0),
        records: vec![Bytes::from_static(b"batch")],
        payloads: Vec::new(),
        deliveries: vec![Delivery { range: range(first, last), attempt: Attempts(attempt) }],
    })
}

fn nothing() -> Received {
    Ok(ReceivedRecords::default())
}

fn receive_of(request: Request) -> Receive {
    match request {
        Request::Subscription(SubscriptionRequest::Receive(receive)) => receive,
        other => panic!("not a receive: {other:?}"),
    }
}

fn settle_of(request: Request) -> SettleDeliveries {
    match request {
        Request::Subscription(SubscriptionRequest::Settle(settle)) => settle,
        other => panic!("not a settlement: {other:?}"),
    }
}

fn received(partitions: Vec<Received>) -> Reply {
    Reply::Subscription(SubscriptionReply::Receive(ReceivedAll { lease_ms: 30_000, partitions }))
}

fn settled(items: Vec<Result<(), Refusal>>) -> Reply {
    Reply::Subscription(SubscriptionReply::Settle(SettledAll { lease_ms: 30_000, items }))
}

fn numbers(receive: &Receive) -> Vec<u32> {
    receive.partitions.iter().map(|partition| partition.number).collect()
}

fn shown(response: &ShareFetchResponse) -> Vec<&PartitionData> {
    response.responses.iter().flat_map(|topic| &topic.partitions).collect()
}

/// Begins a session that reads these partitions, in which there is nothing.
fn begun(partitions: &[i32]) -> Pair {
    let mut pair = Pair::new();
    let all = partitions.iter().map(|index| partition(*index, &[])).collect();
    let response = pair.exchange(2, &fetch(0, all), |call| {
        received(receive_of(call).partitions.iter().map(|_| nothing()).collect())
    });
    assert_eq!(response.error_code, ErrorCode::None);
    pair
}

#[test]
fn a_session_names_its_partitions_once_and_then_only_what_changes() {
    let mut pair = Pair::new();
    let first = fetch(0, vec![partition(0, &[]), partition(1, &[]), partition(1, &[])]);
    let response = pair.exchange(2, &first, |call| {
        let receive = receive_of(call);
        assert_eq!((&*receive.subscription.0, receive.consumer), ("g", ConsumerNumber(0)));
        assert_eq!(numbers(&receive), [0, 1]);
        assert_eq!((receive.records_max, receive.whole_batches, receive.wait_ms_max), (100, true, 500));
        received(vec![records(4, 9, 1), nothing()])
    });
    assert_eq!(response.acquisition_lock_timeout_ms, 30_000);
    let [zero, one] = shown(&response)[..] else { panic!("the first response has every partition") };
    assert_eq!((zero.partition_index, one.partition_index), (0, 1));
    let acquired = &zero.acquired_records[0];
    assert_eq!((acquired.first_offset, acquired.last_offset, acquired.delivery_count), (4, 9, 1));
    assert_eq!(zero.records.clone().into_bytes(), &b"batch"[..]);

    let response = pair.exchange(2, &fetch(1, vec![partition(2, &[])]), |call| {
        assert_eq!(numbers(&receive_of(call)), [0, 1, 2]);
        received(vec![nothing(), records(0, 0, 3), nothing()])
    });
    let [one] = shown(&response)[..] else { panic!("only what is news") };
    assert_eq!((one.partition_index, one.acquired_records[0].delivery_count), (1, 3));

    let forgotten = vec![ForgottenTopic { topic_id: TOPIC, partitions: vec![0] }];
    let forget = ShareFetchRequest { forgotten_topics_data: forgotten, ..fetch(2, Vec::new()) };
    let response = pair.exchange(2, &forget, |call| {
        assert_eq!(numbers(&receive_of(call)), [1, 2], "in turns");
        received(vec![nothing(), nothing()])
    });
    assert!(shown(&response).is_empty());
    pair.exchange(2, &fetch(3, Vec::new()), |call| {
        assert_eq!(numbers(&receive_of(call)), [2, 1], "in turns");
        received(vec![nothing(), nothing()])
    });
}

#[test]
fn a_session_that_is_not_there_or_is_further_is_refused() {
    let mut pair = Pair::new();
    let unknown = pair.answer(2, &fetch(1, Vec::new()));
    assert_eq!(unknown.error_code, ErrorCode::ShareSessionNotFound);
    assert_eq!(pair.answer(2, &fetch(-1, Vec::new())).error_code, ErrorCode::ShareSessionNotFound);
    let mut pair = begun(&[0]);
    assert_eq!(pair.answer(2, &fetch(2, Vec::new())).error_code, ErrorCode::InvalidShareSessionEpoch);
    let early = pair.answer(2, &acknowledge(0, 0, &[(0, 0, &[1])]));
    assert_eq!(early.error_code, ErrorCode::InvalidShareSessionEpoch);
    let nobody = ShareFetchRequest { member_id: None, ..fetch(0, vec![partition(0, &[])]) };
    assert_eq!(pair.answer(2, &nobody).error_code, ErrorCode::InvalidRequest);
    let early = fetch(0, vec![partition(0, &[(0, 0, &[1])])]);
    assert_eq!(pair.answer(2, &early).error_code, ErrorCode::InvalidRequest, "there is nothing to speak of");
}

#[test]
fn a_member_that_begins_again_keeps_what_it_has_and_others_have_their_own() {
    let mut pair = begun(&[0]);
    pair.exchange(2, &fetch(0, vec![partition(3, &[])]), |call| {
        let receive = receive_of(call);
        assert_eq!((receive.consumer, numbers(&receive)), (ConsumerNumber(0), vec![3]));
        received(vec![nothing()])
    });
    let other = ShareFetchRequest { member_id: Some("n".into()), ..fetch(0, vec![partition(0, &[])]) };
    pair.exchange(2, &other, |call| {
        assert_eq!(receive_of(call).consumer, ConsumerNumber(1));
        received(vec![nothing()])
    });
}

#[test]
fn what_is_said_of_earlier_records_comes_along() {
    let mut pair = begun(&[0, 1]);
    let request =
        fetch(1, vec![partition(0, &[(4, 6, &[1, 2, 2]), (8, 9, &[3])]), partition(1, &[(5, 4, &[1])])]);
    pair.ask(2, &request);
    let (first, call) = pair.call();
    let settle = settle_of(call);
    assert_eq!(settle.items.len(), 1, "what makes no sense is not asked");
    let release = Verdict::End(Settlement::Release { counts: true });
    assert_eq!(
        settle.items[0].verdicts,
        [
            (range(4, 4), Verdict::End(Settlement::Accept)),
            (range(5, 6), release),
            (range(8, 9), Verdict::End(Settlement::Reject)),
        ]
    );
    let (second, call) = pair.call();
    assert_eq!(numbers(&receive_of(call)), [0, 1]);
    pair.reply(second, received(vec![records(10, 11, 1), nothing()]));
    assert!(pair.next_frame().is_none(), "what was said is not durable yet");
    pair.reply(first, settled(vec![Err(Refusal::NotHeld)]));
    let response: ShareFetchResponse = pair.response_to(2, 2);
    let codes: Vec<_> = shown(&response)
        .iter()
        .map(|data| (data.partition_index, data.error_code, data.acknowledge_error_code))
        .collect();
    let (none, invalid) = (ErrorCode::None, ErrorCode::InvalidRequest);
    assert_eq!(codes, [(0, none, ErrorCode::InvalidRecordState), (1, none, invalid)]);
    assert_eq!(shown(&response)[0].acquired_records.len(), 1);
}

#[test]
fn who_only_renews_acquires_nothing_and_older_versions_cannot() {
    let mut pair = begun(&[0]);
    let renew = ShareFetchRequest { is_renew_ack: true, ..fetch(1, vec![partition(0, &[(4, 6, &[4])])]) };
    assert_eq!(pair.answer(2, &renew).error_code, ErrorCode::InvalidRequest, "it wants records as well");
    let renew = ShareFetchRequest { max_wait_ms: 0, min_bytes: 0, max_bytes: 0, max_records: 0, ..renew };
    let response = pair.exchange(2, &renew, |call| {
        assert_eq!(settle_of(call).items[0].verdicts, [(range(4, 6), Verdict::Renew)]);
        settled(vec![Ok(())])
    });
    assert_eq!(shown(&response)[0].acknowledge_error_code, ErrorCode::None);
    let old = fetch(2, vec![partition(0, &[(4, 6, &[4])])]);
    let response = pair.exchange(1, &old, |call| {
        assert_eq!(numbers(&receive_of(call)), [0]);
        received(vec![nothing()])
    });
    assert_eq!(shown(&response)[0].acknowledge_error_code, ErrorCode::InvalidRequest);
}

#[test]
fn acknowledgements_by_themselves_are_answered_when_they_are_durable() {
    let mut pair = begun(&[0]);
    let response: ShareAcknowledgeResponse = pair.exchange(2, &acknowledge(1, 0, &[(4, 9, &[1])]), |call| {
        let settle = settle_of(call);
        assert_eq!((&*settle.subscription.0, settle.consumer), ("g", ConsumerNumber(0)));
        settled(vec![Ok(())])
    });
    assert_eq!((response.error_code, response.acquisition_lock_timeout_ms), (ErrorCode::None, 30_000));
    assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::None);
    let overlapping = acknowledge(2, 0, &[(4, 9, &[1]), (9, 9, &[1])]);
    let response = pair.answer(2, &overlapping);
    assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::InvalidRequest);
    let response =
        pair.exchange(2, &acknowledge(3, 0, &[(4, 9, &[1])]), |_| settled(vec![Err(Refusal::NotHeld)]));
    assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::InvalidRecordState);
}

#[test]
fn a_session_ends_behind_its_last_words() {
    let mut pair = begun(&[0]);
    pair.ask(2, &acknowledge(-1, 0, &[(4, 9, &[2])]));
    let (first, call) = pair.call();
    settle_of(call);
    let (second, call) = pair.call();
    let ended = Request::Subscription(SubscriptionRequest::EndConsumer(ConsumerNumber(0)));
    assert_eq!(format!("{call:?}"), format!("{ended:?}"));
    pair.reply(first, settled(vec![Ok(())]));
    pair.reply(second, Reply::Subscription(SubscriptionReply::EndConsumer));
    let response: ShareAcknowledgeResponse = pair.response_to(2, 2);
    assert_eq!(response.error_code, ErrorCode::None);
    assert_eq!(pair.answer(2, &fetch(1, Vec::new())).error_code, ErrorCode::ShareSessionNotFound);
    let mut pair = begun(&[0]);
    pair.exchange(2, &fetch(-1, Vec::new()), |_| Reply::Subscription(SubscriptionReply::EndConsumer));
}

#[test]
fn partitions_that_cannot_be_are_told_at_once() {
    let mut pair = Pair::new();
    let response = pair.exchange(2, &fetch(0, vec![partition(-1, &[]), partition(0, &[])]), |call| {
        let receive = receive_of(call);
        assert_eq!((numbers(&receive), receive.wait_ms_max), (vec![0], 0));
        received(vec![Err(Refusal::UnknownTopicId)])
    });
    let codes: Vec<_> = shown(&response).iter().map(|data| data.error_code).collect();
    assert_eq!(codes, [ErrorCode::UnknownTopicOrPartition, ErrorCode::UnknownTopicId]);
}

#[test]
fn a_connection_has_no_more_sessions_than_it_may() {
    let mut pair = Pair::new();
    for member in 0..crate::limits::SHARE_SESSIONS_PER_CONNECTION_MAX {
        let member_id = Some(format!("m{member}").into());
        let request = ShareFetchRequest { member_id, ..fetch(0, vec![partition(0, &[])]) };
        pair.exchange(2, &request, |_| received(vec![nothing()]));
    }
    let one_more = pair.answer(2, &fetch(0, vec![partition(0, &[])]));
    assert_eq!(one_more.error_code, ErrorCode::ShareSessionLimitReached);
}

fn heartbeat(member_epoch: i32, topics: Option<&[&str]>) -> ShareGroupHeartbeatRequest {
    ShareGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch,
        rack_id: None,
        subscribed_topic_names: topics.map(|topics| topics.iter().map(|topic| (*topic).into()).collect()),
    }
}

fn attended(attending: Result<Attending, Refusal>) -> Reply {
    Reply::Subscription(SubscriptionReply::Attend(attending))
}

#[test]
fn members_come_stay_and_go() {
    let mut pair = Pair::new();
    let response = pair.exchange(1, &heartbeat(0, Some(&["orders"])), |call| {
        let Request::Subscription(SubscriptionRequest::Attend(attend)) = call else { panic!("{call:?}") };
        assert_eq!((attend.member.as_str(), attend.step), ("m", AttendStep::Join));
        assert_eq!((attend.client.as_str(), attend.host.as_str()), ("tester", "/10.1.2.3"));
        assert_eq!(attend.topics, Some(vec!["orders".to_owned()]));
        let topic = SharedTopic { topic: TopicId(TOPIC.0), name: "orders".into(), numbers: vec![0, 2] };
        let partitions = Some(vec![topic]);
        attended(Ok(Attending { epoch: 3, heartbeat_interval_ms: 5_000, partitions }))
    });
    assert_eq!((response.error_code, response.member_epoch), (ErrorCode::None, 3));
    assert_eq!((response.member_id, response.heartbeat_interval_ms), (Some("m".into()), 5_000));
    let assignment = response.assignment.expect("it is told");
    assert_eq!(assignment.topic_partitions[0].partitions, [0, 2]);
    assert_eq!(assignment.topic_partitions[0].topic_id, TOPIC);

    let fenced = pair.exchange(1, &heartbeat(2, None), |call| {
        let Request::Subscription(SubscriptionRequest::Attend(attend)) = call else { panic!("{call:?}") };
        assert_eq!((attend.step, attend.topics), (AttendStep::Stay(2), None));
        attended(Err(Refusal::FencedMember))
    });
    assert_eq!(fenced.error_code, ErrorCode::FencedMemberEpoch);
    let left = pair.exchange(1, &heartbeat(-1, None), |_| {
        attended(Ok(Attending { epoch: 0, heartbeat_interval_ms: 0, partitions: None }))
    });
    assert_eq!((left.error_code, left.member_epoch, left.assignment), (ErrorCode::None, -1, None));
    let long =
        ShareGroupHeartbeatRequest { member_id: "m".repeat(37).into(), ..heartbeat(0, Some(&["orders"])) };
    for wrong in [heartbeat(0, None), heartbeat(0, Some(&[])), heartbeat(-2, None), long] {
        assert_eq!(pair.answer(1, &wrong).error_code, ErrorCode::InvalidRequest);
    }
}

#[test]
fn groups_are_described_and_listed() {
    let mut pair = Pair::new();
    let request =
        ShareGroupDescribeRequest { group_ids: vec!["g".into()], include_authorized_operations: false };
    let response = pair.exchange(1, &request, |_| {
        let topic = SharedTopic { topic: TopicId(TOPIC.0), name: "orders".into(), numbers: vec![1] };
        let member = SharerView {
            member: "m".into(),
            epoch: 4,
            rack: None,
            client: "c".into(),
            host: "/h".into(),
            topics: vec!["orders".into()],
            partitions: vec![topic],
        };
        let view = SharersView { epoch: 5, members: vec![member] };
        Reply::Subscription(SubscriptionReply::Members(Ok(view)))
    });
    let group = &response.groups[0];
    assert_eq!(
        (group.group_state.as_str(), group.group_epoch, group.assignor_name.as_str()),
        ("Stable", 5, "simple")
    );
    assert_eq!(group.members[0].assignment.topic_partitions[0].topic_name.as_str(), "orders");
    let unknown = pair.exchange(1, &request, |_| {
        Reply::Subscription(SubscriptionReply::Members(Err(Refusal::UnknownGroup)))
    });
    assert_eq!(unknown.groups[0].error_code, ErrorCode::GroupIdNotFound);

    let listing = |group: &str, kind: &str| GroupListing {
        group: GroupId(group.into()),
        state: GroupState::Stable,
        kind: kind.into(),
        assigned_by: AssignedBy::Leader,
    };
    let of_type = |types: &[&str]| ListGroupsRequest {
        types_filter: types.iter().map(|kind| (*kind).into()).collect(),
        ..Default::default()
    };
    let mut list = |types: &[&str]| {
        let response = pair.exchange(5, &of_type(types), |_| {
            Reply::ListGroups(Ok(vec![listing("a", "consumer"), listing("b", SHARED_GROUP_KIND)]))
        });
        let groups = response.groups.into_iter();
        groups
            .map(|group| [group.group_id, group.protocol_type, group.group_type].map(|text| text.to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&["share"]), [["b", "share", "share"]]);
    assert_eq!(list(&[]), [["a", "consumer", "classic"], ["b", "share", "share"]]);
    assert!(pair.answer(5, &of_type(&["streams"])).groups.is_empty());
}

fn state(number: u32, view: Result<Option<SubscriptionView>, Refusal>) -> SubscriptionState {
    SubscriptionState { partition: place("orders", number), topic: TopicId(TOPIC.0), view }
}

fn states(states: Result<Vec<SubscriptionState>, Refusal>) -> Reply {
    Reply::Subscription(SubscriptionReply::States(states))
}

#[test]
fn offsets_are_described() {
    let mut pair = Pair::new();
    let topics = vec![describe::DescribeShareGroupOffsetsRequestTopic {
        topic_name: "orders".into(),
        partitions: vec![0, 1],
    }];
    let group =
        describe::DescribeShareGroupOffsetsRequestGroup { group_id: "g".into(), topics: Some(topics) };
    let response = pair.exchange(1, &DescribeShareGroupOffsetsRequest { groups: vec![group] }, |call| {
        let Request::Subscription(SubscriptionRequest::Describe { partitions, .. }) = call else { panic!() };
        assert_eq!(partitions, Some(vec![place("orders", 0), place("orders", 1)]));
        let view = SubscriptionView { cursor: Offset(9), unsettled: 4, leader_epoch: LeaderEpoch(2) };
        states(Ok(vec![state(0, Ok(Some(view))), state(1, Ok(None))]))
    });
    let [topic] = &response.groups[0].topics[..] else { panic!("one topic") };
    assert_eq!((topic.topic_name.as_str(), topic.topic_id), ("orders", TOPIC));
    let told: Vec<_> = topic.partitions.iter().map(|p| (p.start_offset, p.leader_epoch, p.lag)).collect();
    assert_eq!(told, [(9, 2, 4), (-1, 0, -1)]);
}

#[test]
fn what_is_not_there_is_described_as_never_begun() {
    let mut pair = Pair::new();
    let topic = |name: &str, partitions: &[i32]| describe::DescribeShareGroupOffsetsRequestTopic {
        topic_name: name.into(),
        partitions: partitions.to_vec(),
    };
    let topics = Some(vec![topic("orders", &[0, -4]), topic("no/topic", &[1])]);
    let group = describe::DescribeShareGroupOffsetsRequestGroup { group_id: "g".into(), topics };
    let response = pair.exchange(1, &DescribeShareGroupOffsetsRequest { groups: vec![group] }, |call| {
        let Request::Subscription(SubscriptionRequest::Describe { partitions, .. }) = call else { panic!() };
        assert_eq!(partitions, Some(vec![place("orders", 0)]));
        states(Ok(vec![state(0, Err(Refusal::UnknownTopic))]))
    });
    let [orders, other] = &response.groups[0].topics[..] else { panic!("two topics") };
    assert_eq!((orders.topic_name.as_str(), other.topic_name.as_str()), ("orders", "no/topic"));
    let told = [&orders.partitions[..], &other.partitions].concat();
    let told: Vec<_> = told.iter().map(|p| (p.partition_index, p.start_offset, p.error_code)).collect();
    let none = ErrorCode::None;
    assert_eq!(told, [(0, -1, none), (-4, -1, none), (1, -1, none)]);
}

#[test]
fn offsets_are_set_and_forgotten_where_nobody_reads() {
    let mut pair = Pair::new();
    let partition = |partition_index, start_offset| alter::AlterShareGroupOffsetsRequestPartition {
        partition_index,
        start_offset,
    };
    let topics = vec![alter::AlterShareGroupOffsetsRequestTopic {
        topic_name: "orders".into(),
        partitions: vec![partition(0, 5), partition(1, -1)],
    }];
    let request = AlterShareGroupOffsetsRequest { group_id: "g".into(), topics };
    let response = pair.exchange(0, &request, |call| {
        let Request::Subscription(SubscriptionRequest::Reset { items, .. }) = call else { panic!() };
        assert_eq!(items, [(place("orders", 0), StartAt::Offset(Offset(5)))]);
        states(Ok(vec![state(0, Ok(None))]))
    });
    let codes: Vec<_> = response.responses[0].partitions.iter().map(|p| p.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::OffsetOutOfRange]);
    let busy = pair.exchange(0, &request, |_| states(Err(Refusal::GroupNotEmpty)));
    assert_eq!(busy.error_code, ErrorCode::NonEmptyGroup);

    let topics = vec![delete::DeleteShareGroupOffsetsRequestTopic { topic_name: "orders".into() }];
    let request = DeleteShareGroupOffsetsRequest { group_id: "g".into(), topics };
    let response = pair.exchange(0, &request, |_| states(Ok(vec![state(0, Ok(None))])));
    assert_eq!(response.responses[0].error_code, ErrorCode::None);
    let unknown = pair.exchange(0, &request, |_| states(Err(Refusal::UnknownTopic)));
    assert_eq!(unknown.responses[0].error_code, ErrorCode::UnknownTopicOrPartition);
    let busy = pair.exchange(0, &request, |_| states(Err(Refusal::GroupNotEmpty)));
    assert_eq!((busy.error_code, busy.responses.len()), (ErrorCode::NonEmptyGroup, 0));
}
