//! What the hot paths of a connection may cost.

use super::*;
use crate::wire::messages::FetchRequest;
use crate::wire::messages::fetch::{FetchPartition, FetchTopic};
use forebay_kit::model::TopicId;
use forebay_kit::model::fetch::FetchedRecords;

/// Heap allocations of one exchange, from the frame to the response, without those of the broker's reply.
fn allocations(pair: &mut Pair, frame: &Bytes, reply: impl Fn() -> Reply) -> u64 {
    let session = &mut pair.session;
    let mut token = None;
    let asked = allocation_counter::measure(|| {
        session.handle(Instant(0), Input::Bytes(frame.clone())).expect("a good frame");
        match session.poll() {
            Some(Output::Call(called, request)) => {
                token = Some(called);
                drop(request);
            }
            other => panic!("a call, not {other:?}"),
        }
    });
    let reply = reply();
    let answered = allocation_counter::measure(|| {
        session.handle(Instant(0), Input::Reply(token.expect("called"), reply)).expect("the right reply");
        while let Some(output) = session.poll() {
            drop(output);
        }
    });
    asked.count_total + answered.count_total
}

#[test]
fn a_publish_allocates_a_handful_of_small_arrays() {
    let mut pair = Pair::new();
    let frame = pair.frame(9, &produce(-1, "orders", vec![batch(Codec::None, "value")]));
    let reply = || Reply::Publish(vec![Ok(appended(0))]);
    allocations(&mut pair, &frame, reply);
    // The request's two arrays, the items, the response's two arrays, and the frame's buffer and its pieces.
    let warm = allocations(&mut pair, &frame, reply);
    assert!(warm <= 9, "{warm} allocations");
}

#[test]
fn a_quiet_fetch_in_a_session_allocates_little() {
    let mut pair = Pair::new();
    let partition =
        |partition| FetchPartition { partition, partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic {
        topic: "t".into(),
        partitions: (0..50).map(partition).collect(),
        ..Default::default()
    }];
    let first = FetchRequest { session_epoch: 0, max_wait_ms: 500, topics, ..Default::default() };
    let nothing = || {
        let one = FetchedRecords {
            topic: TopicId([1; 16]),
            start_offset: Offset(0),
            high_watermark: Offset(1),
            last_stable_offset: Offset(1),
            aborted: Vec::new(),
            records: Vec::new(),
        };
        Reply::Fetch(vec![Ok(one); 50])
    };
    let response = pair.exchange(12, &first, |_| nothing());
    let next = |pair: &mut Pair, session_epoch| {
        let request = FetchRequest {
            session_id: response.session_id,
            session_epoch,
            max_wait_ms: 500,
            ..Default::default()
        };
        let frame = pair.frame(12, &request);
        allocations(pair, &frame, nothing)
    };
    next(&mut pair, 1);
    let warm = next(&mut pair, 2);
    assert!(warm <= 10, "{warm} allocations for 50 partitions");
}

/// The fastest of many short rounds, nanoseconds for one call; the minimum is what other load does not disturb.
fn fastest(mut f: impl FnMut()) -> f64 {
    const CALLS: u32 = 500;
    let round = |_| {
        let start = std::time::Instant::now();
        (0..CALLS).for_each(|_| f());
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..300).map(round).fold(f64::INFINITY, f64::min)
}

fn exchange(pair: &mut Pair, frame: &Bytes, reply: &Reply) {
    pair.session.handle(Instant(0), Input::Bytes(frame.clone())).expect("a good frame");
    while let Some(output) = pair.session.poll() {
        if let Output::Call(token, request) = std::hint::black_box(output) {
            drop(request);
            pair.session.handle(Instant(0), Input::Reply(token, reply.clone())).expect("the right reply");
        }
    }
}

/// Figures for people: `cargo test --release -p forebay-kafka session_speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, only meaningful in release"]
fn session_speed_of_the_hot_paths() {
    let mut pair = Pair::new();
    let frame = pair.frame(9, &produce(-1, "orders", vec![batch(Codec::None, "value")]));
    let reply = Reply::Publish(vec![Ok(appended(0))]);
    let nanos = fastest(|| exchange(&mut pair, &frame, &reply));
    println!("publish of one small batch, frame to frame: {nanos:.0} ns");
    for partitions in [1, 50] {
        let partition = |partition| FetchPartition { partition, ..Default::default() };
        let partitions_of = (0..partitions).map(partition).collect();
        let topics = vec![FetchTopic { topic: "t".into(), partitions: partitions_of, ..Default::default() }];
        let frame = pair.frame(12, &FetchRequest { session_epoch: -1, topics, ..Default::default() });
        let one = FetchedRecords {
            topic: TopicId([1; 16]),
            start_offset: Offset(0),
            high_watermark: Offset(1),
            last_stable_offset: Offset(1),
            aborted: Vec::new(),
            records: vec![Bytes::from_static(&[0; 61]), Bytes::from_static(&[0; 16 * 1024])],
        };
        let reply = Reply::Fetch(vec![Ok(one); partitions as usize]);
        let nanos = fastest(|| exchange(&mut pair, &frame, &reply));
        println!("fetch of {partitions} x 16 KiB, frame to frame: {nanos:.0} ns");
    }
}
