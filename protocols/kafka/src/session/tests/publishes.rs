//! Produce and InitProducerId.

use super::*;
use crate::wire::messages::produce::PartitionProduceResponse;
use crate::wire::messages::{InitProducerIdRequest, ProduceResponse};
use crate::wire::{ErrorCode, Uuid};
use forebay_kit::model::publish::{Confirm, Publish};
use forebay_kit::model::{ProducerEpoch, ProducerId, Refusal, Timestamp, TopicId};

fn publish_of(request: Request) -> Publish {
    match request {
        Request::Publish(publish) => publish,
        other => panic!("not a publish: {other:?}"),
    }
}

fn only(response: ProduceResponse) -> PartitionProduceResponse {
    response.responses.into_iter().next().unwrap().partition_responses.into_iter().next().unwrap()
}

#[test]
fn a_batch_goes_to_the_broker_as_it_came() {
    let mut pair = Pair::new();
    let sent = batch(Codec::Lz4, "hello");
    let request = produce(-1, "orders", vec![sent.clone(), sent.clone()]);
    let response = pair.exchange(9, &request, |call| {
        let publish = publish_of(call);
        assert_eq!((publish.confirm, publish.timeout_ms), (Confirm::Quorum, 1500));
        let places: Vec<_> = publish.items.iter().map(|item| item.partition.clone()).collect();
        assert_eq!(places, [place("orders", 0), place("orders", 1)]);
        assert!(publish.items.iter().all(|item| item.payload == sent));
        let late = Appended { append_time: Some(Timestamp(99)), ..appended(1000) };
        Reply::Publish(vec![Ok(appended(41)), Ok(late)])
    });
    assert_eq!(response.responses[0].name, "orders");
    let [first, second] = &response.responses[0].partition_responses[..] else { panic!("two partitions") };
    assert_eq!((first.base_offset, first.log_start_offset, first.log_append_time_ms), (41, 3, -1));
    assert_eq!((second.index, second.base_offset, second.log_append_time_ms), (1, 1000, 99));
}

#[test]
fn a_payload_is_a_slice_of_its_frame() {
    let mut pair = Pair::new();
    let frame = pair.frame(9, &produce(1, "t", vec![batch(Codec::None, "here")]));
    let inside = frame.as_ptr_range();
    pair.receive(frame).unwrap();
    let publish = publish_of(pair.call().1);
    assert!(inside.contains(&publish.items[0].payload.as_ptr()));
}

#[test]
fn topics_are_named_by_id_from_version_13() {
    let mut pair = Pair::new();
    let mut request = produce(1, "", vec![batch(Codec::None, "v")]);
    request.topic_data[0].topic_id = Uuid([7; 16]);
    let response = pair.exchange(13, &request, |call| {
        assert_eq!(publish_of(call).items[0].partition.topic, TopicRef::Id(TopicId([7; 16])));
        Reply::Publish(vec![Err(Refusal::UnknownTopicId)])
    });
    assert_eq!(response.responses[0].topic_id, Uuid([7; 16]));
    assert_eq!(only(response).error_code, ErrorCode::UnknownTopicId);
}

#[test]
fn each_partition_is_accepted_or_refused_by_itself() {
    let mut pair = Pair::new();
    let good = batch(Codec::None, "good");
    let mut torn = good.to_vec();
    *torn.last_mut().unwrap() ^= 1;
    let request = produce(1, "t", vec![torn.into(), good.clone(), Bytes::new(), good]);
    let response = pair.exchange(8, &request, |call| {
        let numbers: Vec<_> = publish_of(call).items.iter().map(|item| item.partition.number).collect();
        assert_eq!(numbers, [1, 3]);
        Reply::Publish(vec![Ok(appended(7)), Err(Refusal::DiskFull)])
    });
    let partitions = &response.responses[0].partition_responses;
    let codes: Vec<_> = partitions.iter().map(|partition| partition.error_code).collect();
    let expected =
        [ErrorCode::CorruptMessage, ErrorCode::None, ErrorCode::InvalidRecord, ErrorCode::KafkaStorageError];
    assert_eq!(codes, expected);
    assert!(partitions[0].error_message.as_ref().unwrap().as_str().contains("crc"));
    assert_eq!(partitions.iter().map(|partition| partition.base_offset).collect::<Vec<_>>(), [-1, 7, -1, -1]);
}

#[test]
fn records_without_a_key_are_named_where_a_topic_needs_keys() {
    for version in [7, 8, 9] {
        let request = produce(1, "t", vec![batch(Codec::None, "no key")]);
        let response = Pair::new()
            .exchange(version, &request, |_| Reply::Publish(vec![Err(Refusal::MissingKeys(vec![0, 3]))]));
        let partition = only(response);
        assert_eq!(partition.error_code, ErrorCode::InvalidRecord);
        let named: Vec<_> = partition.record_errors.iter().map(|record| record.batch_index).collect();
        let expected: &[i32] = if version < 8 { &[] } else { &[0, 3] };
        assert_eq!(named, expected, "version {version}");
        assert!(partition.record_errors.iter().all(|record| record.batch_index_error_message.is_some()));
    }
}

#[test]
fn nothing_but_one_sound_batch_is_let_in() {
    let two = [batch(Codec::None, "a"), batch(Codec::None, "b")].concat();
    let mut old = batch(Codec::None, "a").to_vec();
    old[16] = 1;
    let mut control = batch(Codec::None, "a").to_vec();
    control[22] |= 1 << 5;
    fix_crc(&mut control);
    let mut codec = batch(Codec::None, "a").to_vec();
    codec[22] |= 7;
    fix_crc(&mut codec);
    let mut block = batch(Codec::Gzip, "a").to_vec();
    block[61] ^= 0xff;
    fix_crc(&mut block);
    let whole = batch(Codec::None, "a");
    // A batch that is not all there would not be the next time either.
    let cut = whole[..whole.len() - 1].to_vec();
    let cases: [(Vec<u8>, ErrorCode); 7] = [
        (two, ErrorCode::InvalidRecord),
        (cut, ErrorCode::InvalidRecord),
        (old, ErrorCode::UnsupportedForMessageFormat),
        (control, ErrorCode::InvalidRecord),
        (codec, ErrorCode::UnsupportedCompressionType),
        (block, ErrorCode::InvalidRecord),
        (vec![0; 20], ErrorCode::UnsupportedForMessageFormat),
    ];
    for (bytes, code) in cases {
        let response = only(Pair::new().answer(9, &produce(1, "t", vec![bytes.into()])));
        assert_eq!(response.error_code, code, "{:?}", response.error_message);
    }
}

/// CRC-32C over everything from the attributes on.
fn fix_crc(batch: &mut [u8]) {
    let mut crc = !0_u32;
    for byte in &batch[21..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    batch[17..21].copy_from_slice(&(!crc).to_be_bytes());
}

#[test]
fn zstd_needs_the_version_that_brought_it() {
    let request = produce(1, "t", vec![batch(Codec::Zstd, "v")]);
    assert_eq!(only(Pair::new().answer(6, &request)).error_code, ErrorCode::UnsupportedCompressionType);
    let accepted = Pair::new().exchange(7, &request, |_| Reply::Publish(vec![Ok(appended(0))]));
    assert_eq!(only(accepted).error_code, ErrorCode::None);
}

#[test]
fn versions_before_the_v2_layout_are_refused_in_their_own_shape() {
    for version in 0..3 {
        let response = only(Pair::new().answer(version, &produce(1, "t", vec![batch(Codec::None, "v")])));
        assert_eq!(response.error_code, ErrorCode::UnsupportedVersion);
    }
}

#[test]
fn acks_is_minus_one_zero_or_one() {
    for acks in [-2, 2, 100] {
        let response = only(Pair::new().answer(9, &produce(acks, "t", vec![batch(Codec::None, "v")])));
        assert_eq!(response.error_code, ErrorCode::InvalidRequiredAcks);
    }
}

#[test]
fn a_name_that_no_topic_can_have_is_an_unknown_topic() {
    let response = only(Pair::new().answer(9, &produce(1, "no/topic", vec![batch(Codec::None, "v")])));
    assert_eq!(response.error_code, ErrorCode::UnknownTopicOrPartition);
}

#[test]
fn an_idempotent_producer_gets_an_id() {
    let mut pair = Pair::new();
    let fresh = InitProducerIdRequest { producer_epoch: -1, ..Default::default() };
    let response = pair.exchange(5, &fresh, |call| {
        assert!(matches!(call, Request::AllocateProducer(asked) if asked.present.is_none()));
        Reply::AllocateProducer(Ok((ProducerId(4000), ProducerEpoch(2))))
    });
    assert_eq!(
        (response.error_code, response.producer_id, response.producer_epoch),
        (ErrorCode::None, 4000, 2)
    );
    let again = InitProducerIdRequest { producer_id: 4000, producer_epoch: 2, ..Default::default() };
    let response = pair.exchange(5, &again, |call| {
        let present = Some((ProducerId(4000), ProducerEpoch(2)));
        assert!(matches!(call, Request::AllocateProducer(asked) if asked.present == present));
        Reply::AllocateProducer(Err(Refusal::Loading))
    });
    assert_eq!(response.error_code, ErrorCode::CoordinatorLoadInProgress);
    let half = InitProducerIdRequest { producer_id: 4000, producer_epoch: -1, ..Default::default() };
    assert_eq!(pair.answer(5, &half).error_code, ErrorCode::InvalidRequest);
}
