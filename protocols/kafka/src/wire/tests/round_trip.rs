//! The codec against itself: what is written reads back the same, whatever it is and however it arrives.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::sample::{Sample, Shape, Source};
use crate::wire::consumer_protocol::{Assignment, Subscription, TopicPartitions};
use crate::wire::cursor::Cursor;
use crate::wire::error::{EncodeError, Fault};
use crate::wire::field::{Version, Wire};
use crate::wire::frame::Framing;
use crate::wire::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use crate::wire::messages::{self, Request, Response, for_every_message};
use crate::wire::writer::Writer;
use crate::wire::{ApiKey, ErrorCode, Float64, Records, RequestHeader, Rope, Str};

/// The frame behind its length, as a reader gets it.
pub(super) fn received(rope: Rope) -> Bytes {
    let mut stream = BytesMut::from(rope.into_bytes().as_ref());
    let frame = Framing::default().next(&mut stream).expect("a sane length").expect("a whole frame");
    assert!(stream.is_empty());
    frame
}

fn request_returns<R: Request + Sample + PartialEq + std::fmt::Debug>(version: i16, source: &mut Source) {
    let version = R::API.version(version).expect("in range");
    let request = R::sample(source, version);
    let client_id = Option::<Str>::sample_nullable(source, version);
    let frame = received(request.to_frame(version.number, 42, client_id.clone()).expect("a sample fits"));
    let mut cursor = Cursor::new(&frame);
    let header = RequestHeader::decode(&mut cursor).expect("our own header");
    assert_eq!(
        header,
        RequestHeader { api: R::API, api_version: version.number, correlation_id: 42, client_id }
    );
    assert_eq!(R::read(&mut cursor, version.number), Ok(request));
}

fn response_returns<R: Response + Sample + PartialEq + std::fmt::Debug>(version: i16, source: &mut Source) {
    let version = R::API.version(version).expect("in range");
    let response = R::sample(source, version);
    let frame = received(response.to_frame(version.number, -42).expect("a sample fits"));
    assert_eq!(R::read(&mut Cursor::new(&frame), version.number), Ok((-42, response)));
}

macro_rules! every_message_returns {
    ($($module:ident: $api:ident, $request:ident, $response:ident;)*) => {
        /// Any message of any API in any version.
        fn message_returns(choice: u64, source: &mut Source) {
            let checks: &[(ApiKey, fn(i16, &mut Source), fn(i16, &mut Source))] = &[$((
                ApiKey::$api,
                request_returns::<messages::$request>,
                response_returns::<messages::$response>,
            )),*];
            let (api, request, response) = checks[choice as usize % checks.len()];
            let versions = api.api().decodes.clone();
            let version = versions.start + source.below(versions.len() as u64) as i16;
            request(version, source);
            response(version, source);
        }
    };
}

for_every_message!(every_message_returns);

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_reads_back_as_it_was_written(choice: u64, seed: u64) {
        message_returns(choice, &mut Source::new(seed, Shape::Mixed));
    }

    #[test]
    fn any_integer_of_variable_length_reads_back(a: u32, b: u64, c: i32, d: i64) {
        let mut writer = Writer::new();
        writer.uvarint(a);
        writer.uvarlong(b);
        writer.varint(c);
        writer.varlong(d);
        let bytes = writer.finish().into_bytes();
        let mut cursor = Cursor::new(&bytes);
        prop_assert_eq!(cursor.uvarint(), Ok(a));
        prop_assert_eq!(cursor.uvarlong(), Ok(b));
        prop_assert_eq!(cursor.varint(), Ok(c));
        prop_assert_eq!(cursor.varlong(), Ok(d));
        prop_assert_eq!(cursor.finish(), Ok(()));
    }

    #[test]
    fn any_text_and_bytes_read_back_in_both_forms(text: String, bytes: Option<Vec<u8>>, numbers: Option<Vec<i64>>) {
        for version in [Version::classic(0), Version::compact(0)] {
            let (text, bytes) = (Str::from(text.as_str()), bytes.clone().map(Bytes::from));
            let mut writer = Writer::new();
            text.encode(&mut writer, version).unwrap();
            bytes.encode(&mut writer, version).unwrap();
            numbers.encode(&mut writer, version).unwrap();
            let written = writer.finish().into_bytes();
            let mut cursor = Cursor::new(&written);
            prop_assert_eq!(Str::decode(&mut cursor, version), Ok(text));
            prop_assert_eq!(Option::<Bytes>::decode(&mut cursor, version), Ok(bytes));
            prop_assert_eq!(Option::<Vec<i64>>::decode(&mut cursor, version), Ok(numbers.clone()));
            prop_assert_eq!(cursor.finish(), Ok(()));
        }
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_is_cut(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8),
        cuts in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let stream: Vec<u8> =
            frames.iter().flat_map(|frame| (frame.len() as i32).to_be_bytes().into_iter().chain(frame.clone())).collect();
        let (mut buffer, mut read, mut rest) = (BytesMut::new(), Vec::new(), stream.as_slice());
        for cut in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            buffer.extend_from_slice(head);
            rest = tail;
            while let Some(frame) = Framing::default().next(&mut buffer).unwrap() {
                read.push(frame.to_vec());
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, frames);
    }
}

#[test]
fn records_of_a_response_are_referenced_in_place() {
    let header = Bytes::from(vec![1; 61]);
    let batch = Bytes::from(vec![2; 100_000]);
    let mut records = Records::from(header);
    records.push(batch.clone());
    let response = messages::FetchResponse {
        responses: vec![messages::fetch::FetchableTopicResponse {
            partitions: vec![messages::fetch::PartitionData { records: Some(records), ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in 4..19 {
        let rope = response.to_frame(version, 1).expect("fits every version");
        let placed: Vec<_> = rope.chunks().iter().filter(|chunk| chunk.as_ptr() == batch.as_ptr()).collect();
        assert_eq!(placed, [&batch], "the batch's own memory, whole, once");
        assert!(rope.len() - batch.len() < 200, "all else is small");
        let frame = received(rope);
        assert_eq!(
            messages::FetchResponse::read(&mut Cursor::new(&frame), version),
            Ok((1, response.clone()))
        );
    }
}

#[test]
fn records_of_a_request_are_a_slice_of_its_frame() {
    let request = produce_request(Bytes::from(vec![7; 4_000]));
    let frame = received(request.to_frame(9, 1, None).unwrap());
    let mut cursor = Cursor::new(&frame);
    RequestHeader::decode(&mut cursor).unwrap();
    let read = messages::ProduceRequest::read(&mut cursor, 9).unwrap();
    let records = read.topic_data[0].partition_data[0].records.clone().unwrap().into_bytes();
    assert!(frame.as_ptr_range().contains(&records.as_ptr()), "the frame's own memory");
    assert_eq!(records, vec![7; 4_000]);
}

pub(super) fn produce_request(records: Bytes) -> messages::ProduceRequest {
    messages::ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![messages::produce::TopicProduceData {
            name: "flights-by-aircraft".into(),
            partition_data: vec![messages::produce::PartitionProduceData {
                index: 3,
                records: Some(records.into()),
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn produce_before_version_3_can_be_read_and_refused() {
    // key 0, version 1, correlation 5, client "c"; acks 1, timeout 1000, one topic "t" with partition 0 and two bytes.
    let frame = Bytes::from_static(
        b"\0\0\0\x01\0\0\0\x05\0\x01c\0\x01\0\0\x03\xe8\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\x02ab",
    );
    let mut cursor = Cursor::new(&frame);
    let header = RequestHeader::decode(&mut cursor).unwrap();
    assert!(!header.api.api().serves(header.api_version));
    let request = messages::ProduceRequest::read(&mut cursor, header.api_version).unwrap();
    assert_eq!(request.topic_data[0].partition_data[0].records, Some(Bytes::from_static(b"ab").into()));

    let response = messages::ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: "t".into(),
            partition_responses: vec![PartitionProduceResponse {
                error_code: ErrorCode::UnsupportedVersion,
                base_offset: -1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let fields =
        b"\0\0\0\x05\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\x23\xff\xff\xff\xff\xff\xff\xff\xff".as_slice();
    let throttle = b"\0\0\0\0".as_slice();
    let log_append_time = b"\xff\xff\xff\xff\xff\xff\xff\xff".as_slice();
    for (version, parts) in
        [(0, vec![fields]), (1, vec![fields, throttle]), (2, vec![fields, log_append_time, throttle])]
    {
        assert_eq!(received(response.to_frame(version, 5).unwrap()), parts.concat());
    }
}

#[test]
fn list_offsets_11_is_written_like_10() {
    for seed in 0..50 {
        let version = ApiKey::ListOffsets.version(10).unwrap();
        let source = &mut Source::new(seed, Shape::Mixed);
        let request = messages::ListOffsetsRequest::sample(source, version);
        let response = messages::ListOffsetsResponse::sample(source, version);
        let without_header = |version| {
            let frame = received(request.to_frame(version, 1, None).unwrap());
            frame.slice(4..)
        };
        assert_eq!(without_header(10), without_header(11));
        assert_eq!(response.to_frame(10, 1), response.to_frame(11, 1));
    }
}

#[test]
fn what_a_version_cannot_say_is_an_error_unless_nothing_is_lost() {
    let static_member =
        messages::HeartbeatRequest { group_instance_id: Some("me".into()), ..Default::default() };
    assert_eq!(
        static_member.to_frame(2, 1, None),
        Err(EncodeError::NotInVersion { field: "HeartbeatRequest.group_instance_id", version: 2 })
    );
    assert!(static_member.to_frame(3, 1, None).is_ok());

    let all_topics = messages::MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(
        all_topics.to_frame(0, 1, None),
        Err(EncodeError::NullNotAllowed { field: "MetadataRequest.topics", version: 0 })
    );

    let throttled = messages::ApiVersionsResponse { throttle_time_ms: 5, ..Default::default() };
    assert!(throttled.to_frame(0, 1).is_ok(), "a client that cannot hear of throttling loses nothing");

    let endless = messages::HeartbeatRequest { group_id: "g".repeat(40_000).into(), ..Default::default() };
    assert_eq!(endless.to_frame(3, 1, None), Err(EncodeError::TooLong { length: 40_000 }));
    assert!(endless.to_frame(4, 1, None).is_ok(), "compact lengths have room");

    assert!(matches!(static_member.to_frame(5, 1, None), Err(EncodeError::UnknownVersion { .. })));
}

#[test]
fn a_consumers_subscription_and_share_read_back() {
    let owned = vec![TopicPartitions { topic: "t".into(), partitions: vec![0, 2] }];
    let subscription = Subscription {
        topics: vec!["t".into(), "u".into()],
        user_data: Some(Bytes::from_static(b"sticky")),
        owned_partitions: owned.clone(),
        generation_id: 7,
        rack_id: Some("r1".into()),
    };
    let newest = subscription.to_bytes(3).unwrap();
    assert_eq!(Subscription::read(&newest), Ok(subscription.clone()));
    let oldest = Subscription::read(&subscription.to_bytes(0).unwrap()).unwrap();
    assert_eq!(
        oldest,
        Subscription {
            topics: subscription.topics.clone(),
            user_data: subscription.user_data.clone(),
            ..Default::default()
        }
    );

    let mut from_the_future = newest.to_vec();
    from_the_future[1] = 9;
    from_the_future.extend_from_slice(b"more");
    assert_eq!(Subscription::read(&from_the_future.into()), Ok(subscription));
    assert_eq!(
        Subscription::read(&Bytes::from_static(b"\xff\xff")).unwrap_err().fault,
        Fault::UnknownVersion(-1)
    );

    let share = Assignment { assigned_partitions: owned, user_data: None };
    assert_eq!(Assignment::read(&share.to_bytes(1).unwrap()), Ok(share));
    assert_eq!(Assignment::read(&Bytes::new()), Ok(Assignment::default()));
}

#[test]
fn an_id_is_printed_as_kafkas_tools_print_it() {
    use crate::wire::Uuid;
    let id = Uuid(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10");
    assert_eq!(id.to_string(), "ASNFZ4mrze_-3LqYdlQyEA");
    assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(format!("{id:?}"), "01234567-89ab-cdef-fedc-ba9876543210");
}

#[test]
fn a_secret_is_printed_as_its_length() {
    let token = Bytes::from_static(b"\0user\0password");
    let request = messages::SaslAuthenticateRequest { auth_bytes: token.clone().into() };
    assert_eq!(format!("{request:?}"), "SaslAuthenticateRequest { auth_bytes: 14 bytes }");
    assert_eq!(request.auth_bytes.as_bytes(), &token);
    assert_eq!(request.auth_bytes.into_bytes(), token);
}

#[test]
fn a_number_with_a_fraction_keeps_its_bits() {
    let odd = Bytes::from_static(b"\x7f\xf8\0\0\0\0\0\x01");
    let read = Float64::decode(&mut Cursor::new(&odd), Version::classic(0)).unwrap();
    assert!(read.get().is_nan());
    assert_eq!(read, Float64::from(read.get()), "which no f64 that is not a number is");
    let mut writer = Writer::new();
    read.encode(&mut writer, Version::classic(0)).unwrap();
    assert_eq!(writer.finish().into_bytes(), odd);
    let (quota, none) = (Float64::from(1_048_576.5), Float64::default());
    assert_eq!((quota.get(), none.get()), (1_048_576.5, 0.0));
    assert_eq!(format!("{quota} {quota:?}"), "1048576.5 1048576.5");
}
