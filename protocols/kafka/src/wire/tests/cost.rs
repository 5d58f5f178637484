//! What the hot paths may cost.

use std::time::Instant;

use bytes::Bytes;

use super::round_trip::{produce_request, received};
use crate::wire::cursor::Cursor;
use crate::wire::messages::fetch::{FetchableTopicResponse, PartitionData};
use crate::wire::messages::{FetchResponse, ProduceRequest, Request, Response};
use crate::wire::{ApiKey, Records, RequestHeader};

fn decode(frame: &Bytes) -> ProduceRequest {
    let mut cursor = Cursor::new(frame);
    let header = RequestHeader::decode(&mut cursor).expect("our own header");
    ProduceRequest::read(&mut cursor, header.api_version).expect("our own request")
}

fn produce_frame(version: i16) -> Bytes {
    let mut request = produce_request(Bytes::from(vec![7; 16 * 1024]));
    if version >= 13 {
        request.topic_data[0].name = Default::default();
    }
    received(request.to_frame(version, 1, Some("producer-1".into())).expect("fits"))
}

#[test]
fn a_produce_request_allocates_its_two_arrays_and_nothing_else() {
    for version in ApiKey::Produce.api().decodes.clone() {
        let frame = produce_frame(version);
        let used = allocation_counter::measure(|| drop(decode(&frame)));
        assert_eq!(used.count_total, 2, "version {version}");
        assert!(used.bytes_total < 300, "{} bytes, independent of the records", used.bytes_total);
    }
}

fn fetch_response(partitions: usize, records: &Bytes) -> FetchResponse {
    let partition = PartitionData { records: Some(Records::from(records.clone())), ..Default::default() };
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            partitions: vec![partition; partitions],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn a_fetch_response_costs_the_same_for_a_kilobyte_and_a_megabyte() {
    let bytes_for = |records: usize| {
        let response = fetch_response(1, &Bytes::from(vec![0; records]));
        allocation_counter::measure(|| drop(response.to_frame(17, 1).expect("fits"))).bytes_total
    };
    assert_eq!(bytes_for(1 << 10), bytes_for(1 << 20));
}

/// The fastest of many short rounds, nanoseconds for one call; the minimum is what other load does not disturb.
fn fastest(mut f: impl FnMut()) -> f64 {
    const CALLS: u32 = 2_000;
    (0..300)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| f());
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min)
}

/// Figures for people: `cargo test --release -p forebay-kafka speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, only meaningful in release"]
fn speed_of_the_hot_paths() {
    for version in [8, 12, 13] {
        let frame = produce_frame(version);
        let nanos = fastest(|| drop(std::hint::black_box(decode(std::hint::black_box(&frame)))));
        println!("produce header + request, version {version}: {nanos:.0} ns");
    }
    let records = Bytes::from(vec![0; 16 * 1024]);
    for partitions in [1, 50] {
        let response = fetch_response(partitions, &records);
        let nanos = fastest(|| drop(std::hint::black_box(&response).to_frame(17, 1)));
        println!("fetch response encode, {partitions} x 16 KiB: {nanos:.0} ns");
    }
}
