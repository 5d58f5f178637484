//! Batches of another implementation mean the same here, and ours there.

mod common;

use std::num::NonZeroU8;

use bytes::{Bytes, BytesMut};
use common::*;
use forebay_model::{BatchSequence, ProducerEpoch, ProducerId, Timestamp};
use forebay_record::batch::{self, BatchBuilder, Codec, Header, NewRecord, Producer};
use forebay_record::message_batch::{Envelope, MessageBatchBuilder, Origin};
use forebay_record::{PropertyReaders, as_record_batch};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip,
        Codec::Snappy => Compression::Snappy,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd,
    }
}

/// The oracle keeps headers in a map: of equal names the last one wins, so only names that differ are compared.
fn without_repeated_names(mut records: Vec<NewRecord>) -> Vec<NewRecord> {
    for record in &mut records {
        let mut seen = Vec::new();
        record.headers.retain(|h| {
            let new = !seen.contains(&h.key);
            seen.push(h.key.clone());
            new
        });
    }
    records
}

fn theirs(index: usize, record: &NewRecord, producer: Producer) -> Record {
    let headers =
        record.headers.iter().map(|h| (StrBytes::try_from(h.key.clone()).unwrap(), h.value.clone()));
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: producer.id.0,
        producer_epoch: producer.epoch.0,
        timestamp_type: TimestampType::Creation,
        offset: index as i64,
        sequence: producer.base_sequence.0 + index as i32,
        timestamp: record.timestamp.0,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: headers.collect::<IndexMap<_, _>>(),
    }
}

fn ours(record: Record) -> NewRecord {
    let headers = record.headers.into_iter().map(|(key, value)| Header { key: key.into_bytes(), value });
    NewRecord {
        timestamp: Timestamp(record.timestamp),
        key: record.key,
        value: record.value,
        headers: headers.collect(),
    }
}

fn producer() -> Producer {
    Producer { id: ProducerId(9), epoch: ProducerEpoch(3), base_sequence: BatchSequence(100) }
}

fn encode(codec: Codec, records: &[NewRecord]) -> Bytes {
    let theirs: Vec<_> = records.iter().enumerate().map(|(i, r)| theirs(i, r, producer())).collect();
    let options = RecordEncodeOptions { version: 2, compression: compression(codec) };
    let mut out = BytesMut::new();
    RecordBatchEncoder::encode(&mut out, theirs.iter(), &options).unwrap();
    out.freeze()
}

/// Messages as they are stored, and what a record of each says.
fn stored_messages() -> impl Strategy<Value = Vec<(i64, Option<Vec<u8>>)>> {
    let body = prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    prop::collection::vec((-1..1_i64 << 50, body), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn message_batches_become_batches_that_another_implementation_reads(messages in stored_messages()) {
        let mut builder = MessageBatchBuilder::new(1 << 20);
        for (timestamp, body) in &messages {
            let envelope = Envelope::new(Origin(NonZeroU8::new(2).unwrap()), Timestamp(*timestamp));
            builder.push(&envelope, b"raw", body.as_deref()).unwrap();
        }
        let mut converted = as_record_batch(&builder.build().unwrap(), PropertyReaders::default()).unwrap();
        let decoded = RecordBatchDecoder::decode(&mut converted).unwrap().records;
        let said: Vec<_> = decoded.iter().map(|record| (record.timestamp, record.value.clone())).collect();
        let sent = messages.into_iter().map(|(timestamp, body)| (timestamp, body.map(Bytes::from)));
        prop_assert_eq!(said, sent.collect::<Vec<_>>());
        for (at, record) in decoded.into_iter().enumerate() {
            prop_assert_eq!((record.offset, &record.key), (at as i64, &None));
            let headers = ours(record).headers;
            let raw = Header { key: "properties-2".into(), value: Some(Bytes::from_static(b"raw")) };
            prop_assert_eq!(headers, [raw]);
        }
    }

    #[test]
    fn what_they_write_we_admit_and_read(codec in codec(), records in records()) {
        let records = without_repeated_names(records);
        let payload = encode(codec, &records);
        let (header, stored) = batch::admit(payload, &LIMITS).unwrap();
        prop_assert_eq!(header.codec, codec);
        prop_assert_eq!(header.record_count as usize, records.len());
        prop_assert_eq!(header.producer(), Some((ProducerId(9), ProducerEpoch(3), BatchSequence(100))));
        prop_assert_eq!(read(&stored), records);
    }

    #[test]
    fn what_we_write_they_read(codec in codec(), records in records()) {
        let records = without_repeated_names(records);
        let mut builder = BatchBuilder::new(codec, 16 * MIB).producer(producer());
        for record in &records {
            builder.push(record).unwrap();
        }
        let set = RecordBatchDecoder::decode(&mut builder.build().unwrap()).unwrap();
        prop_assert_eq!(set.compression, compression(codec));
        let sequences: Vec<_> = set.records.iter().map(|r| r.sequence).collect();
        prop_assert_eq!(sequences, (100..100 + records.len() as i32).collect::<Vec<_>>());
        prop_assert_eq!(set.records.into_iter().map(ours).collect::<Vec<_>>(), records);
    }

    #[test]
    fn a_patched_batch_has_the_crc_they_compute(records in records(), codec in codec(), time in 0..i64::MAX) {
        let stored = batch::with_append_time(&build(codec, &records), Timestamp(time)).unwrap();
        let set = RecordBatchDecoder::decode(&mut stored.clone()).unwrap();
        prop_assert!(set.records.iter().all(|r| r.timestamp_type == TimestampType::LogAppend));
    }
}
