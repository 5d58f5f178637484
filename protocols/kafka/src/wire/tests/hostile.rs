//! Bytes that mean harm: each is an error that names the fault, and costs next to nothing.

use bytes::{Bytes, BytesMut};

use super::round_trip::received;
use super::sample::{Sample, Shape, Source};
use crate::limits::{DECODE_MEMORY_FACTOR, DECODE_MEMORY_FLOOR};
use crate::wire::cursor::Cursor;
use crate::wire::error::{DecodeError, Fault};
use crate::wire::field::{Version, Wire};
use crate::wire::frame::{FrameError, Framing};
use crate::wire::fuzz::{fuzz_consumer_protocol, fuzz_frame, fuzz_request, fuzz_response};
use crate::wire::messages::{self, AnyRequest, AnyResponse, Request, Response, for_every_message};
use crate::wire::{ApiKey, RequestHeader, Str};

/// Reads a request of any API.
fn read(frame: &Bytes) -> Result<AnyRequest, DecodeError> {
    let mut cursor = Cursor::new(frame);
    let header = RequestHeader::decode(&mut cursor)?;
    AnyRequest::read(&mut cursor, &header)
}

/// Reads a response behind its API key and version.
fn read_tagged(tagged: &Bytes) -> Result<AnyResponse, DecodeError> {
    let api = ApiKey::from_number(tagged[0].into()).expect("an API");
    let frame = tagged.slice(2..);
    AnyResponse::read(&mut Cursor::new(&frame), api, tagged[1].into()).map(|(_, response)| response)
}

/// Heap bytes at most in use while `f` runs, and how often it allocated.
fn heap(f: impl FnOnce()) -> allocation_counter::AllocationInfo {
    allocation_counter::measure(f)
}

#[test]
fn twenty_bytes_that_claim_four_billion_topics_are_refused_without_allocating() {
    // Produce version 12, correlation 1, no client, no tags; no transaction, acks 1, timeout; then the count.
    let frame = Bytes::from_static(b"\0\0\0\x0c\0\0\0\x01\xff\xff\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff\x0f");
    let mut result = None;
    let used = heap(|| result = Some(read(&frame)));
    assert_eq!(
        result,
        Some(Err(DecodeError {
            fault: Fault::CountTooLarge { claimed: u32::MAX - 1, left: 0 },
            field: "ProduceRequest.topic_data"
        }))
    );
    assert_eq!(used.count_total, 0);
}

#[test]
fn the_same_in_the_classic_form() {
    // Produce version 8: i32 counts.
    for (count, fault) in [
        (i32::MAX, Fault::CountTooLarge { claimed: i32::MAX as u32, left: 0 }),
        (-2, Fault::NegativeLength(-2)),
        (i32::MIN, Fault::NegativeLength(i32::MIN)),
        (-1, Fault::NullNotAllowed),
    ] {
        let mut frame = b"\0\0\0\x08\0\0\0\x01\xff\xff\xff\xff\0\x01\0\0\0\x01".to_vec();
        frame.extend_from_slice(&count.to_be_bytes());
        let error = read(&frame.into()).unwrap_err();
        assert_eq!(error, DecodeError { fault, field: "ProduceRequest.topic_data" });
    }
}

#[test]
fn an_honest_count_of_tiny_elements_cannot_blow_up_memory() {
    // DescribeGroups version 5: a million empty group names, a byte each on the wire, 32 in memory.
    let mut frame = b"\0\x0f\0\x05\0\0\0\x01\xff\xff\0\xc1\x84\x3d".to_vec();
    frame.resize(frame.len() + 1_000_000, 1);
    frame.extend_from_slice(b"\0\0");
    let frame = Bytes::from(frame);
    let mut result = None;
    let used = heap(|| result = Some(read(&frame)));
    assert_eq!(result.unwrap().unwrap_err().fault, Fault::MemoryExceeded);
    assert_eq!(used.count_total, 0);
}

#[test]
fn wide_honest_requests_stay_well_within_the_allowance() {
    // The oldest Fetch has the smallest partition on the wire; 20,000 of them, as a wide consumer asks.
    let partition =
        messages::fetch::FetchPartition { partition: 1, partition_max_bytes: 1, ..Default::default() };
    let request = messages::FetchRequest {
        topics: vec![messages::fetch::FetchTopic {
            topic: "t".into(),
            partitions: vec![partition; 20_000],
            ..Default::default()
        }],
        ..Default::default()
    };
    let commit = messages::OffsetCommitRequest {
        topics: (0..20_000)
            .map(|_| messages::offset_commit::OffsetCommitRequestTopic {
                name: "t1".into(),
                partitions: vec![Default::default()],
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    // Short names cost the most memory for their bytes.
    let names = || (0..2_000).map(|n| Str::from(format!("{n:x}")));
    let topics = messages::MetadataRequest {
        topics: Some(
            names()
                .map(|name| messages::metadata::MetadataRequestTopic {
                    name: Some(name),
                    ..Default::default()
                })
                .collect(),
        ),
        ..Default::default()
    };
    let configs = messages::DescribeConfigsRequest {
        resources: names()
            .map(|resource_name| messages::describe_configs::DescribeConfigsResource {
                resource_name,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let groups = messages::DeleteGroupsRequest { groups_names: names().collect() };
    all_versions_read(&request, 4..13);
    all_versions_read(&commit, 2..10);
    all_versions_read(&topics, 0..14);
    all_versions_read(&configs, 1..5);
    all_versions_read(&groups, 0..3);
}

fn all_versions_read(request: &impl Request, versions: std::ops::Range<i16>) {
    for version in versions {
        let frame = received(request.to_frame(version, 1, None).expect("fits"));
        assert!(read(&frame).is_ok(), "version {version} of {} bytes", frame.len());
    }
}

#[test]
fn a_message_cut_short_anywhere_is_refused() {
    for (request, response) in seeds(&[Shape::Full]) {
        assert!(read(&request).is_ok());
        for length in 0..request.len() {
            assert!(read(&request.slice(..length)).is_err(), "cut at {length}: {request:?}");
        }
        assert!(read_tagged(&response).is_ok());
        for length in 2..response.len() {
            assert!(read_tagged(&response.slice(..length)).is_err(), "cut at {length}: {response:?}");
        }
    }
}

#[test]
fn a_length_that_lies_costs_next_to_nothing_wherever_it_stands() {
    for (request, response) in seeds(&[Shape::Full]) {
        // Whatever stands at `at` becomes the greatest length of the one form, and of the other.
        for lie in [&b"\xff\xff\xff\xff\x0f"[..], b"\x7f\xff\xff\xff"] {
            for at in 0..request.len() {
                let request = overwritten(&request, at, lie);
                within_allowance(request.len(), || drop(read(&request)));
            }
            for at in 2..response.len() {
                let response = overwritten(&response, at, lie);
                within_allowance(response.len(), || drop(read_tagged(&response)));
            }
        }
    }
}

fn overwritten(bytes: &Bytes, at: usize, with: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    let end = (at + with.len()).min(bytes.len());
    bytes[at..end].copy_from_slice(&with[..end - at]);
    bytes.into()
}

/// What a frame of this length may take, and some bytes for what is in no array: a client's name that is not UTF-8.
fn within_allowance(length: usize, f: impl FnOnce()) {
    let most = DECODE_MEMORY_FLOOR.max(length * DECODE_MEMORY_FACTOR) + 8 * length;
    let used = heap(f);
    assert!(used.bytes_max <= most as u64, "{} bytes for {length}", used.bytes_max);
}

#[test]
fn bytes_after_the_last_field_are_refused() {
    let request = messages::HeartbeatRequest::default();
    let mut frame = received(request.to_frame(4, 1, None).unwrap()).to_vec();
    frame.extend_from_slice(b"xyz");
    assert_eq!(
        read(&frame.into()).unwrap_err(),
        DecodeError { fault: Fault::Trailing(3), field: "Heartbeat" }
    );
}

#[test]
fn tags_must_rise_and_keep_to_their_size() {
    let read = |bytes: &'static [u8]| {
        let bytes = Bytes::from_static(bytes);
        messages::ApiVersionsResponse::decode(&mut Cursor::new(&bytes), Version::compact(3))
            .map_err(|e| e.fault)
    };
    // error 0, no APIs, throttle 0, then tags.
    assert!(read(b"\0\0\x01\0\0\0\0\0").is_ok());
    assert!(read(b"\0\0\x01\0\0\0\0\x02\x09\x01x\x0a\0").is_ok(), "unknown tags are skipped");
    assert_eq!(read(b"\0\0\x01\0\0\0\0\x02\x09\0\x09\0"), Err(Fault::TagOutOfOrder(9)));
    assert_eq!(read(b"\0\0\x01\0\0\0\0\x02\x09\0\x08\0"), Err(Fault::TagOutOfOrder(8)));
    assert_eq!(read(b"\0\0\x01\0\0\0\0\x01\x01\x09\0\0\0\0\0\0\0\0\x05"), Err(Fault::Trailing(1)));
    assert_eq!(
        read(b"\0\0\x01\0\0\0\0\x01\x01\x07\0\0\0\0\0\0\0\0"),
        Err(Fault::Ended { needed: 8, left: 7 })
    );
    assert_eq!(read(b"\0\0\x01\0\0\0\0\x01\x01\x7f"), Err(Fault::CountTooLarge { claimed: 127, left: 0 }));
    assert_eq!(
        read(b"\0\0\x01\0\0\0\0\xff\xff\xff\xff\x0f\0\0"),
        Err(Fault::CountTooLarge { claimed: u32::MAX, left: 2 })
    );
}

#[test]
fn integers_of_variable_length_must_end_within_their_type() {
    let uvarint =
        |bytes: &'static [u8]| Cursor::new(&Bytes::from_static(bytes)).uvarint().map_err(|e| e.fault);
    assert_eq!(uvarint(b"\xff\xff\xff\xff\x0f"), Ok(u32::MAX));
    assert_eq!(uvarint(b"\xff\xff\xff\xff\x1f"), Err(Fault::VarintTooLong));
    assert_eq!(uvarint(b"\x80\x80\x80\x80\x80\x01"), Err(Fault::VarintTooLong));
    assert_eq!(uvarint(b"\x80"), Err(Fault::Ended { needed: 1, left: 0 }));
    let uvarlong =
        |bytes: &'static [u8]| Cursor::new(&Bytes::from_static(bytes)).uvarlong().map_err(|e| e.fault);
    assert_eq!(uvarlong(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(u64::MAX));
    assert_eq!(uvarlong(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), Err(Fault::VarintTooLong));
}

#[test]
fn text_must_be_utf_8_and_presence_yes_or_no() {
    assert_eq!(Str::from_utf8(Bytes::from_static(b"\xff\xfe")).unwrap_err().fault, Fault::NotUtf8);
    // DescribeTopicPartitions version 0: no topics, limit 1, then the cursor's presence byte.
    let frame = Bytes::from_static(b"\0\x4b\0\0\0\0\0\x01\xff\xff\0\x01\0\0\0\x01\x02\0");
    assert_eq!(read(&frame).unwrap_err().fault, Fault::BadPresence(2));
}

#[test]
fn a_client_may_call_itself_anything() {
    let client = |bytes: &'static [u8]| {
        let frame = Bytes::from([&b"\0\x12\0\0\0\0\0\x01"[..], bytes].concat());
        RequestHeader::decode(&mut Cursor::new(&frame)).map(|header| header.client_id).map_err(|e| e.fault)
    };
    assert_eq!(client(b"\0\x02M\xfc"), Ok(Some("M\u{fffd}".into())), "Latin-1");
    assert_eq!(client(b"\xff\xfe"), Ok(None));
    assert_eq!(client(b"\0\x03ab"), Err(Fault::CountTooLarge { claimed: 3, left: 2 }));
}

#[test]
fn unknown_keys_and_versions_are_told_apart() {
    assert_eq!(
        read(&Bytes::from_static(b"\x03\xe7\0\0\0\0\0\x01\xff\xff")).unwrap_err().fault,
        Fault::UnknownApi(999)
    );
    assert_eq!(
        read(&Bytes::from_static(b"\xff\xff\0\0\0\0\0\x01\xff\xff")).unwrap_err().fault,
        Fault::UnknownApi(-1)
    );
    assert_eq!(
        read(&Bytes::from_static(b"\0\0\xff\xff\0\0\0\x01\xff\xff")).unwrap_err().fault,
        Fault::UnknownVersion(-1)
    );
    // An ApiVersions request from the future: its header reads, its body is left alone.
    let future = Bytes::from_static(b"\0\x12\0\x63\0\0\0\x07\0\x01c\0whatever");
    let header = RequestHeader::decode(&mut Cursor::new(&future)).unwrap();
    assert_eq!((header.api, header.api_version, header.correlation_id), (ApiKey::ApiVersions, 99, 7));
    assert_eq!(read(&future).unwrap_err().fault, Fault::UnknownVersion(99));
}

#[test]
fn a_frames_length_is_judged_before_its_bytes_arrive() {
    let framing = Framing::with_max(1_000);
    let mut stream = BytesMut::from(&1_001_i32.to_be_bytes()[..]);
    let error = framing.next(&mut stream).unwrap_err();
    assert_eq!(error, FrameError::TooLarge { length: 1_001, frame_bytes_max: 1_000 });
    assert!(error.to_string().contains("frame_bytes_max = 1000"));
    let mut stream = BytesMut::from(&(-1_i32).to_be_bytes()[..]);
    assert_eq!(framing.next(&mut stream), Err(FrameError::Negative { length: -1 }));
    let mut stream = BytesMut::from(&1_000_i32.to_be_bytes()[..]);
    assert_eq!(framing.next(&mut stream), Ok(None));
    assert_eq!(framing.next_length(&stream), Ok(Some(1_000)));
}

#[test]
fn errors_say_what_and_where() {
    let error =
        read(&Bytes::from_static(b"\0\0\0\x0c\0\0\0\x01\xff\xff\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff\x0f"));
    assert_eq!(
        error.unwrap_err().to_string(),
        "claims a length of 4294967294 where 0 bytes are left (at ProduceRequest.topic_data)"
    );
}

/// Request and response frames of every API and version, a response behind its API key and version: what the fuzzers start
/// from.
fn seeds(shapes: &[Shape]) -> Vec<(Bytes, Bytes)> {
    let mut seeds = Vec::new();
    macro_rules! seed {
        ($($module:ident: $api:ident, $request:ident, $response:ident;)*) => {$(
            for number in ApiKey::$api.api().decodes.clone() {
                let version = ApiKey::$api.version(number).unwrap();
                for shape in shapes.iter().copied() {
                    let mut source = Source::new(seeds.len() as u64, shape);
                    let request = messages::$request::sample(&mut source, version);
                    let response = messages::$response::sample(&mut source, version);
                    let mut tagged = vec![ApiKey::$api.number() as u8, number as u8];
                    tagged.extend_from_slice(&received(response.to_frame(number, 1).unwrap()));
                    seeds.push((
                        received(request.to_frame(number, 1, Some("fuzz".into())).unwrap()),
                        tagged.into(),
                    ));
                }
            }
        )*};
    }
    for_every_message!(seed);
    seeds
}

/// Damages bytes as networks and attackers do.
fn mutate(bytes: &[u8], source: &mut Source) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=source.below(4) {
        let at = source.below(bytes.len() as u64 + 1) as usize;
        match source.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << source.below(8),
            1 if at < bytes.len() => bytes[at] = source.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 4).min(bytes.len());
                bytes[at..end].fill(0xff);
            }
            4 => drop(bytes.splice(at..at, *b"\xff\xff\xff\xff\x0f")),
            _ => {
                let copy = bytes[at..(at + source.below(32) as usize).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

#[test]
fn thousands_of_damaged_messages_neither_panic_nor_allocate_much() {
    let seeds = seeds(&[Shape::Full, Shape::Mixed]);
    let mut source = Source::new(2_026, Shape::Mixed);
    for round in 0..20_000 {
        let (request, response) = &seeds[round % seeds.len()];
        let (request, response) = (mutate(request, &mut source), mutate(response, &mut source));
        // Each function copies its input, reads it, writes it and reads that: a read may take the allowance, a write
        // twice its length.
        for (length, used) in [
            (request.len(), heap(|| fuzz_request(&request))),
            (response.len(), heap(|| fuzz_response(&response))),
            (request.len(), heap(|| fuzz_frame(&request))),
            (response.len(), heap(|| fuzz_consumer_protocol(&response[2.min(response.len())..]))),
        ] {
            let allowance = DECODE_MEMORY_FLOOR.max(length * DECODE_MEMORY_FACTOR);
            let most = (2 * allowance + 8 * length + 1_024) as u64;
            assert!(used.bytes_max <= most, "{} bytes for {length}", used.bytes_max);
        }
    }
}
