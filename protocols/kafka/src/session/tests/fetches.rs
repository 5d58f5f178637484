//! Fetch, with sessions and without.

use super::*;
use crate::limits::{FETCH_RESPONSE_BYTES_MAX, FETCH_SESSION_PARTITIONS_MAX};
use crate::wire::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic, PartitionData};
use crate::wire::messages::{FetchRequest, FetchResponse};
use crate::wire::{ErrorCode, Uuid};
use forebay_kit::model::fetch::{Fetch, FetchRefusal, Fetched, FetchedRecords, Isolation};
use forebay_kit::model::{LeaderEpoch, Refusal, TopicId};

fn partition(partition: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition { partition, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() }
}

fn topic(name: &str, partitions: Vec<FetchPartition>) -> FetchTopic {
    FetchTopic { topic: name.into(), partitions, ..Default::default() }
}

fn fetch(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest { max_wait_ms: 500, min_bytes: 1, max_bytes: 50 << 20, topics, ..Default::default() }
}

fn in_session(id: i32, epoch: i32, topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest { session_id: id, session_epoch: epoch, ..fetch(topics) }
}

fn fetch_of(request: Request) -> Fetch {
    match request {
        Request::Fetch(fetch) => fetch,
        other => panic!("not a fetch: {other:?}"),
    }
}

fn records(high_watermark: u64, pieces: Vec<Bytes>) -> Fetched {
    Ok(FetchedRecords {
        topic: TopicId([1; 16]),
        start_offset: Offset(0),
        high_watermark: Offset(high_watermark),
        last_stable_offset: Offset(high_watermark),
        aborted: Vec::new(),
        records: pieces,
    })
}

fn nothing(high_watermark: u64) -> Fetched {
    records(high_watermark, Vec::new())
}

fn refused(refusal: Refusal) -> Fetched {
    Err(FetchRefusal { refusal })
}

/// Which partitions a response has: topic, number.
fn shown(response: &FetchResponse) -> Vec<(String, i32)> {
    let topics = response.responses.iter();
    topics
        .flat_map(|topic| {
            topic.partitions.iter().map(|data| (topic.topic.as_str().to_owned(), data.partition_index))
        })
        .collect()
}

/// Which partitions the broker is asked for: topic, number, offset.
fn wanted(fetch: &Fetch) -> Vec<(String, u32, u64)> {
    let text = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => name.as_str().to_owned(),
        TopicRef::Id(id) => id.to_string(),
    };
    let items = fetch.items.iter();
    items.map(|item| (text(&item.partition.topic), item.partition.number, item.offset.0)).collect()
}

fn only(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

#[test]
fn records_come_back_by_reference_with_their_bounds() {
    let mut pair = Pair::new();
    let long = Bytes::from(vec![b'x'; 5000]);
    let mut request = fetch(vec![topic("orders", vec![partition(2, 17)])]);
    request.topics[0].partitions[0].current_leader_epoch = 9;
    request.isolation_level = 1;
    pair.ask(12, &request);
    let (token, call) = pair.call();
    let asked = fetch_of(call);
    assert_eq!((asked.bytes_min, asked.bytes_max, asked.wait_ms_max), (1, 50 << 20, 500));
    assert_eq!(asked.isolation, Isolation::Committed);
    assert_eq!(asked.items[0].leader_epoch, Some(LeaderEpoch(9)));
    assert_eq!(wanted(&asked), [("orders".to_owned(), 2, 17)]);

    let pieces = vec![Bytes::from_static(b"head"), long.clone()];
    let reply = Reply::Fetch(vec![records(20, pieces)]);
    pair.session.handle(Instant(0), Input::Reply(token, reply)).unwrap();
    let mut out = Vec::new();
    while let Some(Output::Bytes(bytes)) = pair.session.poll() {
        out.push(bytes);
    }
    assert!(out.iter().any(|piece| piece.as_ptr() == long.as_ptr()), "long records are not copied");
    pair.sent.extend_from_slice(&out.concat());
    let response: FetchResponse = pair.response_to(1, 12);
    let data = only(&response);
    assert_eq!((data.high_watermark, data.last_stable_offset, data.log_start_offset), (20, 20, 0));
    assert_eq!(data.aborted_transactions, Some(Vec::new()));
    assert_eq!(data.preferred_read_replica, -1);
    assert_eq!(data.records.clone().unwrap().into_bytes(), [b"head", &long[..]].concat());
    assert_eq!(response.session_id, 0);
}

#[test]
fn limits_of_a_reader_are_capped_by_ours_and_negative_ones_are_none() {
    let mut pair = Pair::new();
    let greedy = FetchRequest {
        max_bytes: i32::MAX,
        min_bytes: i32::MAX,
        ..fetch(vec![topic("t", vec![partition(0, 0)])])
    };
    pair.exchange(4, &greedy, |call| {
        let asked = fetch_of(call);
        assert_eq!((asked.bytes_min, asked.bytes_max), (FETCH_RESPONSE_BYTES_MAX, FETCH_RESPONSE_BYTES_MAX));
        Reply::Fetch(vec![nothing(0)])
    });
    let odd = FetchRequest { max_bytes: -1, min_bytes: -1, max_wait_ms: -1, ..greedy };
    pair.exchange(4, &odd, |call| {
        let asked = fetch_of(call);
        assert_eq!((asked.bytes_min, asked.bytes_max, asked.wait_ms_max), (0, 0, 0));
        Reply::Fetch(vec![nothing(0)])
    });
}

#[test]
fn a_partition_that_cannot_be_read_is_told_at_once_and_the_others_are_read() {
    let mut pair = Pair::new();
    let request = fetch(vec![
        topic("t", vec![partition(0, -7), partition(1, 0), partition(-1, 0)]),
        topic("no/topic", vec![partition(0, 0)]),
    ]);
    let response = pair.exchange(11, &request, |call| {
        let asked = fetch_of(call);
        assert_eq!(asked.wait_ms_max, 0);
        assert_eq!(wanted(&asked), [("t".to_owned(), 1, 0)]);
        Reply::Fetch(vec![refused(Refusal::OffsetOutOfRange { start: Offset(5), end: Offset(6) })])
    });
    let codes: Vec<_> =
        response.responses.iter().flat_map(|topic| &topic.partitions).map(|data| data.error_code).collect();
    let expected = [
        ErrorCode::OffsetOutOfRange,
        ErrorCode::OffsetOutOfRange,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(codes, expected);
    assert_eq!(only(&response).high_watermark, -1);
    assert_eq!(only(&response).records, Some(Records::new()));
}

#[test]
fn topics_are_named_by_id_from_version_13() {
    let mut pair = Pair::new();
    let mut request = fetch(vec![topic("", vec![partition(0, 1)])]);
    request.topics[0].topic_id = Uuid([9; 16]);
    let response = pair.exchange(18, &request, |call| {
        assert_eq!(fetch_of(call).items[0].partition.topic, TopicRef::Id(TopicId([9; 16])));
        Reply::Fetch(vec![nothing(1)])
    });
    assert_eq!(response.responses[0].topic_id, Uuid([9; 16]));
    request.topics[0].topic_id = Uuid::ZERO;
    let response = pair.exchange(13, &request, |_| Reply::Fetch(Vec::new()));
    assert_eq!(only(&response).error_code, ErrorCode::UnknownTopicId);
}

#[test]
fn readers_too_old_for_zstd_are_told_so() {
    let request = fetch(vec![topic("t", vec![partition(0, 0)])]);
    for (codec, version, code) in [
        (Codec::Zstd, 9, ErrorCode::UnsupportedCompressionType),
        (Codec::Zstd, 10, ErrorCode::None),
        (Codec::Lz4, 9, ErrorCode::None),
    ] {
        let stored = [batch(Codec::None, "first"), batch(codec, "second")].concat();
        // Cut where no batch ends: pieces are one byte string.
        let pieces = vec![Bytes::copy_from_slice(&stored[..70]), Bytes::copy_from_slice(&stored[70..])];
        let response = Pair::new().exchange(version, &request, |_| Reply::Fetch(vec![records(2, pieces)]));
        assert_eq!(only(&response).error_code, code, "{codec} in {version}");
    }
}

#[test]
fn a_followers_fetch_and_a_strange_isolation_end_the_connection() {
    let follower = FetchRequest { replica_id: 2, ..fetch(Vec::new()) };
    let strange = FetchRequest { isolation_level: 2, ..fetch(Vec::new()) };
    for request in [follower, strange] {
        let mut pair = Pair::new();
        pair.ask(4, &request);
        assert!(matches!(pair.closed, Some(CloseReason::Protocol(_))));
    }
}

/// Begins a session over `t` 0..3 at offset 0, each told a high watermark of 10.
fn begun(pair: &mut Pair, version: i16) -> i32 {
    let request = in_session(0, 0, vec![topic("t", (0..3).map(|number| partition(number, 0)).collect())]);
    let response =
        pair.exchange(version, &request, |_| Reply::Fetch(vec![nothing(10), nothing(10), nothing(10)]));
    assert_eq!(shown(&response).len(), 3, "the first response has every partition");
    assert_ne!(response.session_id, 0);
    response.session_id
}

#[test]
fn within_a_session_only_changes_are_sent_either_way() {
    let mut pair = Pair::new();
    let id = begun(&mut pair, 12);
    let quiet = pair.exchange(12, &in_session(id, 1, Vec::new()), |call| {
        assert_eq!(fetch_of(call).items.len(), 3, "all partitions are read though none was named");
        Reply::Fetch(vec![nothing(10), nothing(10), nothing(10)])
    });
    assert_eq!((quiet.session_id, shown(&quiet)), (id, Vec::new()));

    let moved = in_session(id, 2, vec![topic("t", vec![partition(1, 5)]), topic("u", vec![partition(0, 1)])]);
    let response = pair.exchange(12, &moved, |call| {
        let expected = [("t", 0, 0), ("t", 1, 5), ("t", 2, 0), ("u", 0, 1)];
        let expected = expected.map(|(topic, number, offset)| (topic.to_owned(), number, offset));
        assert_eq!(wanted(&fetch_of(call)), expected);
        Reply::Fetch(vec![nothing(10), nothing(11), nothing(10), nothing(0)])
    });
    assert_eq!(shown(&response), [("t".to_owned(), 1), ("u".to_owned(), 0)]);

    let forgotten = FetchRequest {
        forgotten_topics_data: vec![ForgottenTopic {
            topic: "t".into(),
            partitions: vec![0, 2],
            ..Default::default()
        }],
        // Named and forgotten at once: forgotten.
        ..in_session(id, 3, vec![topic("t", vec![partition(2, 9)])])
    };
    pair.exchange(12, &forgotten, |call| {
        assert_eq!(wanted(&fetch_of(call)), [("t".to_owned(), 1, 5), ("u".to_owned(), 0, 1)]);
        Reply::Fetch(vec![nothing(11), nothing(0)])
    });
}

#[test]
fn an_error_is_told_every_time_and_so_is_its_end() {
    let mut pair = Pair::new();
    let id = begun(&mut pair, 12);
    for epoch in 1..3 {
        let response = pair.exchange(12, &in_session(id, epoch, Vec::new()), |_| {
            Reply::Fetch(vec![nothing(10), refused(Refusal::Loading), nothing(10)])
        });
        assert_eq!(shown(&response), [("t".to_owned(), 1)]);
        assert_eq!(only(&response).error_code, ErrorCode::NotLeaderOrFollower);
    }
    let response = pair.exchange(12, &in_session(id, 3, Vec::new()), |_| {
        Reply::Fetch(vec![nothing(10), nothing(10), nothing(10)])
    });
    assert_eq!(shown(&response), [("t".to_owned(), 1)]);
    assert_eq!(only(&response).error_code, ErrorCode::None);
}

#[test]
fn whoever_was_served_goes_to_the_end_of_the_line() {
    let mut pair = Pair::new();
    let id = begun(&mut pair, 12);
    let some = || vec![Bytes::from_static(b"some")];
    pair.exchange(12, &in_session(id, 1, Vec::new()), |_| {
        Reply::Fetch(vec![records(10, some()), records(10, some()), nothing(10)])
    });
    pair.exchange(12, &in_session(id, 2, Vec::new()), |call| {
        let order: Vec<_> = fetch_of(call).items.iter().map(|item| item.partition.number).collect();
        assert_eq!(order, [2, 0, 1]);
        Reply::Fetch(vec![records(10, some()), nothing(10), nothing(10)])
    });
    pair.exchange(12, &in_session(id, 3, Vec::new()), |call| {
        let order: Vec<_> = fetch_of(call).items.iter().map(|item| item.partition.number).collect();
        assert_eq!(order, [0, 1, 2]);
        Reply::Fetch(vec![nothing(10), nothing(10), nothing(10)])
    });
}

#[test]
fn a_request_out_of_step_with_its_session_is_told_which_way() {
    let mut pair = Pair::new();
    let id = begun(&mut pair, 12);
    let mut ask = |id, epoch| pair.answer(12, &in_session(id, epoch, Vec::new())).error_code;
    assert_eq!(ask(id, 2), ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(ask(id + 1, 1), ErrorCode::FetchSessionIdNotFound);
    assert_eq!(ask(0, 1), ErrorCode::FetchSessionIdNotFound);
    assert_eq!(ask(id, -5), ErrorCode::InvalidFetchSessionEpoch);
    let by_id = pair.answer(13, &in_session(id, 1, Vec::new()));
    assert_eq!(by_id.error_code, ErrorCode::FetchSessionTopicIdError);
    pair.exchange(12, &in_session(id, 1, Vec::new()), |_| Reply::Fetch(vec![nothing(10); 3]));
}

#[test]
fn a_session_ends_when_its_reader_says_so_or_begins_another() {
    let mut pair = Pair::new();
    let first = begun(&mut pair, 12);
    let second = begun(&mut pair, 12);
    assert_ne!(first, second);
    assert_eq!(
        pair.answer(12, &in_session(first, 1, Vec::new())).error_code,
        ErrorCode::FetchSessionIdNotFound
    );
    let last = in_session(second, -1, vec![topic("t", vec![partition(0, 0)])]);
    let response = pair.exchange(12, &last, |_| Reply::Fetch(vec![nothing(10)]));
    assert_eq!(response.session_id, 0);
    assert_eq!(
        pair.answer(12, &in_session(second, 1, Vec::new())).error_code,
        ErrorCode::FetchSessionIdNotFound
    );
}

#[test]
fn a_fetch_wider_than_a_session_may_be_is_answered_without_one() {
    let wide =
        |count: usize| vec![topic("t", (0..count as i32).map(|number| partition(number, 0)).collect())];
    let mut pair = Pair::new();
    let count = FETCH_SESSION_PARTITIONS_MAX + 1;
    let response =
        pair.exchange(12, &in_session(0, 0, wide(count)), |_| Reply::Fetch(vec![nothing(1); count]));
    assert_eq!((response.session_id, shown(&response).len()), (0, count));

    let id = begun(&mut pair, 12);
    let response = pair.answer(12, &in_session(id, 1, wide(count)));
    assert_eq!(response.error_code, ErrorCode::FetchSessionIdNotFound);
}

#[test]
fn sessions_share_one_memory_and_whoever_finds_it_full_is_answered_without_one() {
    let memory = SessionMemory::new(2_000);
    let (mut first, mut second) = (Pair::within(&memory, 64), Pair::within(&memory, 64));
    let id = begun(&mut first, 12);
    let held = memory.used();
    assert!(held > 0);
    let many = |count: i32| vec![topic("t", (0..count).map(|number| partition(number, 0)).collect())];
    let response = second.exchange(12, &in_session(0, 0, many(50)), |_| Reply::Fetch(vec![nothing(1); 50]));
    assert_eq!((response.session_id, shown(&response).len()), (0, 50));
    assert_eq!(memory.used(), held);
    // A session that grows too large ends, so that its reader begins again.
    let response = first.answer(12, &in_session(id, 1, many(50)));
    assert_eq!((response.error_code, memory.used()), (ErrorCode::FetchSessionIdNotFound, 0));
    begun(&mut second, 12);
    assert_eq!(memory.used(), held);
    drop(second);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_partition_that_is_named_twice_is_read_once_as_it_was_wanted_last() {
    let twice = vec![
        topic("t", vec![partition(0, 1), partition(1, 2), partition(0, 3)]),
        topic("u", vec![partition(0, 4)]),
        topic("t", vec![partition(1, 5)]),
    ];
    for epoch in [-1, 0] {
        let response = Pair::new().exchange(12, &in_session(0, epoch, twice.clone()), |call| {
            let expected = [("t", 0, 3), ("t", 1, 5), ("u", 0, 4)];
            let expected = expected.map(|(topic, number, offset)| (topic.to_owned(), number, offset));
            assert_eq!(wanted(&fetch_of(call)), expected);
            Reply::Fetch(vec![nothing(10); 3])
        });
        assert_eq!(shown(&response), [("t", 0), ("t", 1), ("u", 0)].map(|(t, n)| (t.to_owned(), n)));
    }
}

#[test]
fn fetches_of_one_session_may_be_pipelined() {
    let mut pair = Pair::new();
    let id = begun(&mut pair, 12);
    pair.ask(12, &in_session(id, 1, vec![topic("t", vec![partition(0, 4)])]));
    pair.ask(12, &in_session(id, 2, vec![topic("t", vec![partition(0, 8)])]));
    let (first, second) = (pair.call(), pair.call());
    pair.reply(second.0, Reply::Fetch(vec![nothing(12), nothing(10), nothing(10)]));
    pair.reply(first.0, Reply::Fetch(vec![nothing(11), nothing(10), nothing(10)]));
    for (correlation_id, high_watermark) in [(2, 11), (3, 12)] {
        let response: FetchResponse = pair.response_to(correlation_id, 12);
        assert_eq!(shown(&response), [("t".to_owned(), 0)]);
        assert_eq!(only(&response).high_watermark, high_watermark);
    }
}
