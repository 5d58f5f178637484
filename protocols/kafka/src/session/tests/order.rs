//! Frames, order, limits, ends.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::messages::offset_fetch::OffsetFetchRequestTopic;
use crate::wire::messages::{
    ApiVersionsResponse, DeleteTopicsRequest, DeleteTopicsResponse, HeartbeatRequest, HeartbeatResponse,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, OffsetCommitRequest,
    OffsetFetchRequest, ProduceResponse,
};
use forebay_kit::model::admin::{DeletedTopic, TopicSelection};
use forebay_kit::model::fetch::OffsetAt;
use forebay_kit::model::group::{GroupReply, GroupRequest};
use forebay_kit::model::publish::Confirm;
use forebay_kit::model::{Refusal, TopicId, TopicRef};

fn metadata() -> MetadataRequest {
    MetadataRequest { topics: Some(Vec::new()), ..Default::default() }
}

fn heartbeat() -> HeartbeatRequest {
    HeartbeatRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() }
}

#[test]
fn replies_come_in_any_order_and_responses_leave_in_that_of_their_requests() {
    let mut pair = Pair::new();
    pair.ask(12, &metadata());
    pair.ask(4, &heartbeat());
    pair.ask(
        3,
        &ApiVersionsRequest { client_software_name: "a".into(), client_software_version: "1".into() },
    );
    let (first, second) = (pair.call(), pair.call());
    pair.reply(second.0, Reply::Group(GroupReply::Heartbeat(Err(Refusal::RebalanceInProgress))));
    assert!(pair.next_frame().is_none(), "the first request is still open");
    assert!(!pair.session.is_idle());
    pair.reply(first.0, Reply::DescribeTopics(cluster(), Vec::new()));
    let described: MetadataResponse = pair.response_to(1, 12);
    assert_eq!(described.brokers[0].host, "broker.example");
    let heard: HeartbeatResponse = pair.response_to(2, 4);
    assert_eq!(heard.error_code, ErrorCode::RebalanceInProgress);
    let versions: ApiVersionsResponse = pair.response_to(3, 3);
    assert!(!versions.api_keys.is_empty());
    assert!(pair.session.is_idle());
}

/// librdkafka asks for the first offset right behind a DeleteRecords.
#[test]
fn what_comes_behind_a_change_waits_until_it_is_made() {
    let mut pair = Pair::new();
    let delete = DeleteTopicsRequest { topic_names: vec!["t".into()], ..Default::default() };
    let frames = [pair.frame(12, &metadata()), pair.frame(3, &delete), pair.frame(12, &metadata())];
    pair.receive(frames.concat()).unwrap();
    let (before, deletion) = (pair.call().0, pair.call().0);
    assert!(pair.calls.is_empty() && !pair.session.wants_bytes(), "the third request waits");
    pair.reply(before, Reply::DescribeTopics(cluster(), Vec::new()));
    let _: MetadataResponse = pair.response_to(1, 12);
    assert!(pair.calls.is_empty(), "for the second");
    let asked = TopicRef::Name(name("t"));
    let deleted = DeletedTopic { asked, result: Ok((name("t"), TopicId([8; 16]))) };
    pair.reply(deletion, Reply::DeleteTopics(vec![deleted]));
    let _: DeleteTopicsResponse = pair.response_to(2, 3);
    let (behind, _) = pair.call();
    pair.reply(behind, Reply::DescribeTopics(cluster(), Vec::new()));
    let _: MetadataResponse = pair.response_to(3, 12);
    assert!(pair.session.is_idle() && pair.session.wants_bytes());
}

fn end_of(topic: &str) -> ListOffsetsRequest {
    let partitions = vec![ListOffsetsPartition { timestamp: -1, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: topic.into(), partitions }];
    ListOffsetsRequest { replica_id: -1, topics, ..Default::default() }
}

fn found_end(offset: u64) -> Reply {
    let found = OffsetAt { offset: Offset(offset), timestamp: None, leader_epoch: None };
    Reply::FindOffsets(vec![Ok(Some(found))])
}

/// The broker reads beside its log, and shows what is confirmed: without waiting, a client would not find what it has just written.
#[test]
fn who_asks_for_records_behind_a_publish_finds_its_records() {
    let mut pair = Pair::new();
    let one = |pair: &mut Pair| pair.frame(9, &produce(-1, "t", vec![batch(Codec::None, "v")]));
    let frames = [one(&mut pair), one(&mut pair), pair.frame(5, &end_of("t")), one(&mut pair)];
    pair.receive(frames.concat()).unwrap();
    let (first, second) = (pair.call().0, pair.call().0);
    assert!(
        pair.calls.is_empty() && !pair.session.wants_bytes(),
        "both publishes are asked for at once, no more"
    );
    pair.reply(second, Reply::Publish(vec![Ok(appended(1))]));
    assert!(pair.calls.is_empty(), "the first one is still open");
    pair.reply(first, Reply::Publish(vec![Ok(appended(0))]));
    let (looked, third) = (pair.call(), pair.call());
    assert!(matches!(looked.1, Request::FindOffsets(_)) && matches!(third.1, Request::Publish(_)));
    pair.reply(third.0, Reply::Publish(vec![Ok(appended(2))]));
    pair.reply(looked.0, found_end(2));
    let _: [ProduceResponse; 2] = [pair.response_to(1, 9), pair.response_to(2, 9)];
    let found: ListOffsetsResponse = pair.response_to(3, 5);
    assert_eq!(found.topics[0].partitions[0].offset, 2);
    let _: ProduceResponse = pair.response_to(4, 9);
    assert!(pair.session.is_idle() && pair.session.wants_bytes());
}

#[test]
fn who_asks_for_records_waits_for_publishes_without_acks_too() {
    let mut pair = Pair::new();
    let publish = pair.frame(9, &produce(0, "t", vec![batch(Codec::None, "v")]));
    let frames = [publish, pair.frame(5, &end_of("t"))];
    pair.receive(frames.concat()).unwrap();
    let (publish, _) = pair.call();
    assert!(pair.calls.is_empty());
    pair.reply(publish, Reply::Publish(vec![Ok(appended(0))]));
    let (looked, _) = pair.call();
    pair.reply(looked, found_end(1));
    let _: ListOffsetsResponse = pair.response_to(2, 5);
}

#[test]
fn who_asks_for_cursors_behind_a_commit_finds_it_and_nobody_else_waits() {
    let partition = OffsetCommitRequestPartition { committed_offset: 7, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let commit = OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() };
    let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0] };
    let fetch = OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
    let mut pair = Pair::new();
    let frames = [
        pair.frame(8, &commit),
        pair.frame(8, &commit),
        pair.frame(4, &heartbeat()),
        pair.frame(5, &end_of("t")),
        pair.frame(5, &fetch),
    ];
    pair.receive(frames.concat()).unwrap();
    let calls: Vec<_> = std::iter::repeat_with(|| pair.call()).take(4).collect();
    assert!(matches!(calls[3].1, Request::FindOffsets(_)), "records are no cursors");
    assert!(pair.calls.is_empty(), "the cursors are not asked for yet");
    for (token, _) in &calls[..2] {
        pair.reply(*token, Reply::Group(GroupReply::CommitOffsets(vec![(place("t", 0), Ok(()))])));
    }
    let (_, fetched) = pair.call();
    assert!(matches!(fetched, Request::Group(GroupRequest::FetchOffsets(_))));
}

/// What waits is forgotten with its connection, and is not what keeps it open.
#[test]
fn a_draining_session_does_not_take_what_waits() {
    let mut pair = Pair::new();
    let publish = pair.frame(9, &produce(-1, "t", vec![batch(Codec::None, "v")]));
    let frames = [publish, pair.frame(5, &end_of("t"))];
    pair.receive(frames.concat()).unwrap();
    pair.handle(Input::Shutdown).unwrap();
    let (token, _) = pair.call();
    pair.reply(token, Reply::Publish(vec![Ok(appended(0))]));
    let _: ProduceResponse = pair.response_to(1, 9);
    assert!(pair.calls.is_empty());
    assert_eq!(pair.closed, Some(CloseReason::Shutdown));
}

#[test]
fn a_request_may_come_byte_by_byte_and_many_may_come_at_once() {
    let mut pair = Pair::new();
    let frames = [pair.frame(0, &ApiVersionsRequest::default()), pair.frame(12, &metadata())].concat();
    for byte in &frames {
        pair.receive(vec![*byte]).unwrap();
    }
    let _: ApiVersionsResponse = pair.response_to(1, 0);
    let (token, _) = pair.call();
    pair.reply(token, Reply::DescribeTopics(cluster(), Vec::new()));
    let _: MetadataResponse = pair.response_to(2, 12);

    let frames =
        [pair.frame(0, &ApiVersionsRequest::default()), pair.frame(0, &ApiVersionsRequest::default())];
    pair.receive(frames.concat()).unwrap();
    let _: ApiVersionsResponse = pair.response_to(3, 0);
    let _: ApiVersionsResponse = pair.response_to(4, 0);
}

#[test]
fn above_its_open_requests_a_client_waits_and_nothing_is_lost() {
    let mut pair = Pair::with_open_max(2);
    let frames: Vec<Bytes> = (0..5).map(|_| pair.frame(4, &heartbeat())).collect();
    pair.receive(frames.concat()).unwrap();
    assert_eq!(pair.calls.len(), 2, "two are open, the rest wait undecoded");
    assert!(!pair.session.wants_bytes());
    for id in 1..=5 {
        let (token, _) = pair.call();
        pair.reply(token, Reply::Group(GroupReply::Heartbeat(Ok(()))));
        let _: HeartbeatResponse = pair.response_to(id, 4);
    }
    assert!(pair.session.is_idle() && pair.session.wants_bytes());
}

#[test]
fn a_hostile_frame_ends_its_connection_and_says_where_it_is_wrong() {
    let hostile: [(Bytes, &str); 5] = [
        (Bytes::from_static(&[0xff, 0xff, 0xff, 0xff]), "the frame length -1 is negative"),
        (Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]), "frame_bytes_max"),
        (Bytes::from_static(&[0, 0, 0, 3, 0, 3, 0]), "needs"),
        (bare(999, 0, &[]), "API key 999"),
        (bare(3, 1, &[0x7f, 0xff, 0xff, 0xff]), "MetadataRequest.topics"),
    ];
    for (frame, where_it_is) in hostile {
        let mut pair = Pair::new();
        assert!(pair.is_served());
        match pair.receive(frame) {
            Err(SessionError::PeerMisbehaved(why)) => assert!(why.contains(where_it_is), "{why}"),
            other => panic!("{where_it_is}: {other:?}"),
        }
        assert!(!pair.session.wants_bytes());
    }
}

/// The bytes are librdkafka 2.16's: all topics, version 13.
#[test]
fn bytes_behind_a_requests_last_field_are_left_alone() {
    let mut pair = Pair::new();
    let body = [0, 0, 0, 0, 0, 1, 0, 0];
    let frame = bare(3, 13, &body);
    pair.receive(frame).unwrap();
    let (token, call) = pair.call();
    assert!(matches!(call, Request::DescribeTopics(describe) if describe.topics == TopicSelection::All));
    pair.reply(token, Reply::DescribeTopics(cluster(), Vec::new()));
    let _: MetadataResponse = pair.response_to(77, 13);
    assert!(pair.session.is_idle());
}

#[test]
fn what_was_asked_before_a_refused_request_is_answered_first() {
    let mut pair = Pair::new();
    pair.ask(4, &heartbeat());
    pair.receive(bare(41, 1, &[])).unwrap();
    assert_eq!(pair.closed, None);
    let (token, _) = pair.call();
    pair.reply(token, Reply::Group(GroupReply::Heartbeat(Ok(()))));
    let _: HeartbeatResponse = pair.response_to(1, 4);
    let Some(CloseReason::Protocol(why)) = pair.closed else { panic!("the connection closes") };
    assert_eq!(why, "DescribeDelegationToken is not served: delegation tokens come later");
}

#[test]
fn a_version_that_is_not_served_ends_the_connection_with_a_reason() {
    for (key, version) in [(0, 14), (1, 3), (2, 0), (3, 14), (19, 1), (75, 1)] {
        let mut pair = Pair::new();
        pair.receive(bare(key, version, &[])).unwrap();
        let Some(CloseReason::Protocol(why)) = pair.closed else { panic!("{key} closes") };
        assert!(why.contains(api(key).name()) && why.contains(&format!("version {version}")), "{why}");
    }
}

#[test]
fn an_api_versions_request_from_the_future_is_answered_in_version_0() {
    let mut pair = Pair::new();
    pair.receive(bare(18, 99, &[0, 1, 2, 3])).unwrap();
    let response: ApiVersionsResponse = pair.response_to(77, 0);
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion);
    let own = response.api_keys.iter().find(|api| api.api_key == 18).unwrap();
    assert_eq!((own.min_version, own.max_version), (0, 4));
    assert!(pair.is_served_after_77());
}

impl Pair {
    fn is_served_after_77(&mut self) -> bool {
        self.correlation_id = 100;
        self.is_served()
    }
}

#[test]
fn api_versions_names_the_levels_of_features_and_refuses_a_client_without_a_name() {
    let mut pair = Pair::new();
    let named = ApiVersionsRequest {
        client_software_name: "apache-kafka-java".into(),
        client_software_version: "4.1.0".into(),
    };
    let response = pair.answer(4, &named);
    assert_eq!(response.error_code, ErrorCode::None);
    assert_eq!(response.api_keys, crate::wire::api::advertised());
    let supported = response.supported_features.iter();
    let supported: Vec<_> = supported.map(|f| (f.name.as_str(), f.min_version, f.max_version)).collect();
    assert_eq!(supported, [("group.version", 0, 1), ("share.version", 0, 1), ("transaction.version", 0, 2)]);
    let finalized = response.finalized_features.iter();
    let finalized: Vec<_> = finalized.map(|f| (f.name.as_str(), f.max_version_level)).collect();
    assert_eq!(finalized, [("group.version", 1), ("share.version", 1), ("transaction.version", 2)]);
    assert_eq!(response.finalized_features_epoch, 0);
    for bad in ["", "-a", "a b", "a."] {
        let request = ApiVersionsRequest { client_software_name: bad.into(), ..named.clone() };
        assert_eq!(pair.answer(3, &request).error_code, ErrorCode::InvalidRequest, "{bad:?}");
    }
}

#[test]
fn a_draining_session_finishes_what_is_open_and_takes_nothing_new() {
    let mut pair = Pair::new();
    pair.ask(4, &heartbeat());
    pair.handle(Input::Shutdown).unwrap();
    assert!(!pair.session.wants_bytes());
    let late = pair.frame(4, &heartbeat());
    pair.receive(late).unwrap();
    let (token, _) = pair.call();
    assert!(pair.calls.is_empty(), "nothing new is asked");
    assert_eq!(pair.closed, None);
    pair.reply(token, Reply::Group(GroupReply::Heartbeat(Ok(()))));
    let _: HeartbeatResponse = pair.response_to(1, 4);
    assert_eq!(pair.closed, Some(CloseReason::Shutdown));
}

#[test]
fn an_idle_session_closes_at_once_when_told_to_stop() {
    let mut pair = Pair::new();
    pair.handle(Input::Shutdown).unwrap();
    assert_eq!(pair.closed, Some(CloseReason::Shutdown));
}

#[test]
fn a_publish_without_acks_is_not_answered_and_still_holds_its_place() {
    let mut pair = Pair::with_open_max(1);
    pair.ask(9, &produce(0, "t", vec![batch(Codec::None, "v")]));
    assert!(!pair.session.wants_bytes() && !pair.session.is_idle());
    let (token, request) = pair.call();
    assert!(matches!(request, Request::Publish(publish) if publish.confirm == Confirm::None));
    pair.reply(token, Reply::Publish(vec![Ok(appended(0))]));
    assert!(pair.next_frame().is_none());
    assert!(pair.is_served() && pair.closed.is_none());
}

#[test]
fn a_publish_without_acks_delays_no_later_response() {
    let mut pair = Pair::new();
    pair.ask(9, &produce(0, "t", vec![batch(Codec::None, "v")]));
    pair.ask(0, &ApiVersionsRequest::default());
    let _: ApiVersionsResponse = pair.response_to(2, 0);
}

#[test]
fn a_refused_publish_without_acks_ends_the_connection() {
    let mut pair = Pair::new();
    pair.ask(9, &produce(0, "t", vec![batch(Codec::None, "v")]));
    let (token, _) = pair.call();
    pair.reply(token, Reply::Publish(vec![Err(Refusal::UnknownTopic)]));
    let Some(CloseReason::Protocol(why)) = pair.closed else { panic!("the connection closes") };
    assert!(why.contains("acks=0") && why.contains("unknown topic"), "{why}");

    // What the session itself refuses ends it too, behind what came before.
    let mut pair = Pair::new();
    pair.ask(9, &produce(1, "t", vec![batch(Codec::None, "v")]));
    pair.ask(9, &produce(0, "t", vec![Bytes::from_static(b"no batch")]));
    assert_eq!(pair.closed, None);
    let (token, _) = pair.call();
    pair.reply(token, Reply::Publish(vec![Ok(appended(5))]));
    let _: ProduceResponse = pair.response_to(1, 9);
    assert!(matches!(pair.closed, Some(CloseReason::Protocol(_))));
}

#[test]
fn a_reply_that_nobody_asked_for_is_our_bug() {
    let mut pair = Pair::new();
    pair.ask(4, &heartbeat());
    let (token, _) = pair.call();
    let strange = pair.handle(Input::Reply(Token(token.0 + 1), Reply::Publish(Vec::new())));
    assert!(matches!(strange, Err(SessionError::Bug(_))));
    let mut pair = Pair::new();
    pair.ask(4, &heartbeat());
    let (token, _) = pair.call();
    let strange = pair.handle(Input::Reply(token, Reply::Publish(Vec::new())));
    assert!(matches!(strange, Err(SessionError::Bug(_))));
}
