//! A batch loses records as a list would, and what is left is a batch like any other, here and for another implementation.

mod common;

use bytes::Bytes;
use common::*;
use forebay_model::{BatchSequence, Offset, ProducerEpoch, ProducerId, Timestamp};
use forebay_record::batch::{
    self, BatchBuilder, BatchHeader, Codec, Filtered, NewRecord, Producer, Records, filter, for_each_key,
    without_key,
};
use kafka_protocol::records::RecordBatchDecoder;
use proptest::collection::vec;
use proptest::prelude::*;

const INFLATED: usize = 16 * MIB;

fn producer() -> Producer {
    Producer { id: ProducerId(9), epoch: ProducerEpoch(3), base_sequence: BatchSequence(100) }
}

fn stored(codec: Codec, records: &[NewRecord], base: u64) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 16 * MIB).producer(producer()).transactional();
    for record in records {
        builder.push(record).unwrap();
    }
    let mut batch = builder.build().unwrap().to_vec();
    batch::stamp(&mut batch, Offset(base), forebay_model::LeaderEpoch(7)).unwrap();
    batch.into()
}

fn without(batch: &Bytes, lives: &[bool]) -> Filtered {
    filter(batch, INFLATED, |delta| lives[delta as usize]).unwrap()
}

/// Offset deltas and records, as they are read.
fn contents(batch: &Bytes) -> Vec<(u32, NewRecord)> {
    let records = Records::open(batch, INFLATED).unwrap().map(Result::unwrap);
    let record = |r: batch::Record| {
        let (timestamp, key, value, headers) = (r.timestamp, r.key, r.value, r.headers);
        (r.offset_delta, NewRecord { timestamp, key, value, headers })
    };
    records.map(record).collect()
}

/// Records, and for each whether it lives.
fn judged() -> impl Strategy<Value = Vec<(NewRecord, bool)>> {
    vec((record(), any::<bool>()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_lives_is_what_a_list_would_keep(codec in codec(), judged in judged(), base in 0..1u64 << 40) {
        let (records, lives): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
        let batch = stored(codec, &records, base);
        let kept: Vec<_> = (0u32..).zip(&records).filter(|(delta, _)| lives[*delta as usize]).collect();
        match without(&batch, &lives) {
            Filtered::Unchanged => prop_assert_eq!(kept.len(), records.len()),
            Filtered::Emptied => prop_assert!(kept.is_empty()),
            Filtered::Fewer(left) => {
                let expected: Vec<_> = kept.iter().map(|(delta, record)| (*delta, (*record).clone())).collect();
                prop_assert_eq!(contents(&left), expected);
                let before = BatchHeader::peek(&batch).unwrap();
                let header = batch::verify(&left).unwrap();
                let newest = kept.iter().map(|(_, record)| record.timestamp).max().unwrap();
                let expected = BatchHeader {
                    encoded_len: left.len(),
                    crc: header.crc,
                    record_count: kept.len() as u32,
                    max_timestamp: newest,
                    ..before
                };
                prop_assert_eq!(header, expected);
                prop_assert_eq!(header.last_offset_delta as usize, records.len() - 1);
            }
        }
    }

    #[test]
    fn another_implementation_reads_what_is_left(codec in codec(), judged in judged()) {
        let (records, lives): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
        let Filtered::Fewer(left) = without(&stored(codec, &records, 1000), &lives) else { return Ok(()) };
        let set = RecordBatchDecoder::decode(&mut left.clone()).unwrap();
        let offsets: Vec<_> = set.records.iter().map(|record| record.offset).collect();
        let expected: Vec<_> = (0..).zip(&lives).filter(|(_, lives)| **lives).map(|(i, _)| 1000i64 + i).collect();
        prop_assert_eq!(offsets, expected);
        let kept = records.iter().zip(&lives).filter(|(_, lives)| **lives).map(|(record, _)| record);
        for (found, kept) in set.records.iter().zip(kept) {
            prop_assert_eq!((&found.key, &found.value), (&kept.key, &kept.value));
            prop_assert_eq!(found.timestamp, kept.timestamp.0);
        }
    }

    /// Replicas may go through several decisions one by one or find the files of the last.
    #[test]
    fn two_steps_are_one(codec in codec(), judged in vec((record(), any::<bool>(), any::<bool>()), 1..20)) {
        let records: Vec<_> = judged.iter().map(|(record, ..)| record.clone()).collect();
        let batch = stored(codec, &records, 5);
        let (one, two): (Vec<_>, Vec<_>) = judged.iter().map(|(_, one, two)| (*one, *two)).unzip();
        let both: Vec<_> = one.iter().zip(&two).map(|(one, two)| *one && *two).collect();
        let Filtered::Fewer(after_one) = without(&batch, &one) else { return Ok(()) };
        let stepwise = match without(&after_one, &two) {
            Filtered::Unchanged => Filtered::Fewer(after_one),
            other => other,
        };
        prop_assert_eq!(stepwise, without(&batch, &both));
    }

    #[test]
    fn keys_are_shown_as_they_are(codec in codec(), records in records()) {
        let batch = stored(codec, &records, 0);
        let mut seen = Vec::new();
        for_each_key(&batch, INFLATED, |record| {
            let key = record.key.map(Bytes::copy_from_slice);
            seen.push((record.offset_delta, record.timestamp, key, record.is_tombstone));
        }).unwrap();
        let expected: Vec<_> = (0u32..)
            .zip(&records)
            .map(|(delta, record)| (delta, record.timestamp, record.key.clone(), record.value.is_none()))
            .collect();
        prop_assert_eq!(seen, expected);
        let without: Vec<_> = (0u32..).zip(&records).filter(|(_, r)| r.key.is_none()).map(|(i, _)| i).collect();
        prop_assert_eq!(without_key(&batch, INFLATED, usize::MAX).unwrap(), without.clone());
        let first: Vec<_> = without.into_iter().take(2).collect();
        prop_assert_eq!(without_key(&batch, INFLATED, 2).unwrap(), first);
    }
}

#[test]
fn with_append_time_the_batch_keeps_its_time() {
    let plain = build(Codec::None, &[value(1, "a"), value(9, "b")]);
    let batch = batch::with_append_time(&plain, Timestamp(50)).unwrap();
    let Filtered::Fewer(left) = without(&batch, &[true, false]) else { panic!("one is left") };
    assert_eq!(batch::verify(&left).unwrap().max_timestamp, Timestamp(50));
    let Filtered::Fewer(left) = without(&plain, &[true, false]) else { panic!("one is left") };
    assert_eq!(batch::verify(&left).unwrap().max_timestamp, Timestamp(1));
}

#[test]
fn what_does_not_decode_is_not_filtered() {
    let batch = build(Codec::Zstd, &[value(1, "a"), value(2, "b")]);
    assert!(filter(&batch, 3, |_| true).is_err(), "more than was allowed comes out");
    let wrong = with(&batch, 57, &3i32.to_be_bytes());
    assert!(filter(&wrong, INFLATED, |_| true).is_err(), "there is no third record");
    let fewer = with(&batch, 57, &1i32.to_be_bytes());
    assert!(filter(&fewer, INFLATED, |_| true).is_err(), "something is behind the last record");
    assert!(for_each_key(&batch.slice(..batch.len() - 1), INFLATED, |_| {}).is_err());
}
