//! A batch written down by hand from the specification, byte for byte.

use bytes::Bytes;
use forebay_model::{
    BatchSequence, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TimestampType,
};
use forebay_record::batch::{
    self, BatchBuilder, BatchHeader, CheckLimits, Codec, Depth, Header, NewRecord, Producer, Records,
};

const LIMITS: CheckLimits =
    CheckLimits { batch_bytes_max: 1000, inflated_bytes_max: 1000, depth: Depth::Records };

/// Two records: ("k", "hello", {h: "x", h: null}) at 1000 and (null, null) at 1003.
#[rustfmt::skip]
const GOLDEN: &[u8] = &[
    0, 0, 0, 0, 0, 0, 0, 0,             // base offset 0
    0, 0, 0, 76,                        // 88 bytes less the 12 so far
    0xff, 0xff, 0xff, 0xff,             // leader epoch -1
    2,                                  // magic
    0x66, 0x0c, 0x6e, 0x83,             // crc
    0, 0,                               // attributes: no codec, create time
    0, 0, 0, 1,                         // last offset delta
    0, 0, 0, 0, 0, 0, 0x03, 0xe8,       // base timestamp 1000
    0, 0, 0, 0, 0, 0, 0x03, 0xeb,       // newest timestamp 1003
    0, 0, 0, 0, 0, 0, 0, 42,            // producer id
    0, 7,                               // its epoch
    0, 0, 0, 5,                         // sequence of the first record
    0, 0, 0, 2,                         // two records
    // First record: lengths are zigzag, so 19 is written as 38.
    38,
    0,                                  // attributes
    0,                                  // timestamp delta 0
    0,                                  // offset delta 0
    2, b'k',                            // key of one byte
    10, b'h', b'e', b'l', b'l', b'o',   // value of five
    4,                                  // two headers
    2, b'h', 2, b'x',                   // h = x
    2, b'h', 1,                         // h = null
    // Second record.
    12,
    0,
    6,                                  // timestamp delta 3
    2,                                  // offset delta 1
    1,                                  // no key
    1,                                  // no value
    0,                                  // no headers
];

fn golden_records() -> Vec<NewRecord> {
    let header = |value: Option<&'static str>| Header { key: "h".into(), value: value.map(Bytes::from) };
    vec![
        NewRecord {
            timestamp: Timestamp(1000),
            key: Some("k".into()),
            value: Some("hello".into()),
            headers: vec![header(Some("x")), header(None)],
        },
        NewRecord { timestamp: Timestamp(1003), ..NewRecord::default() },
    ]
}

fn golden_producer() -> Producer {
    Producer { id: ProducerId(42), epoch: ProducerEpoch(7), base_sequence: BatchSequence(5) }
}

#[test]
fn the_golden_batch_passes_and_reads_as_written() {
    let header = batch::check(GOLDEN, &LIMITS).unwrap();
    assert_eq!(
        header,
        BatchHeader {
            base_offset: 0,
            encoded_len: GOLDEN.len(),
            leader_epoch: -1,
            crc: 0x660c_6e83,
            attributes: batch::Attributes(0),
            codec: Codec::None,
            last_offset_delta: 1,
            base_timestamp: Timestamp(1000),
            max_timestamp: Timestamp(1003),
            producer_id: ProducerId(42),
            producer_epoch: ProducerEpoch(7),
            base_sequence: BatchSequence(5),
            record_count: 2,
        }
    );
    assert_eq!(header.last_sequence(), BatchSequence(6));
    let records: Vec<_> =
        Records::open(&Bytes::from_static(GOLDEN), 0).unwrap().collect::<Result<_, _>>().unwrap();
    let read: Vec<_> = records
        .iter()
        .map(|r| NewRecord {
            timestamp: r.timestamp,
            key: r.key.clone(),
            value: r.value.clone(),
            headers: r.headers.clone(),
        })
        .collect();
    assert_eq!(read, golden_records());
    assert_eq!(records[1].offset_delta, 1);
}

#[test]
fn the_builder_writes_the_golden_batch() {
    let mut builder = BatchBuilder::new(Codec::None, 1000).producer(golden_producer());
    for record in golden_records() {
        builder.push(&record).unwrap();
    }
    assert_eq!(builder.encoded_len(), GOLDEN.len());
    assert_eq!(builder.build().unwrap(), GOLDEN);
}

#[test]
fn records_of_an_uncompressed_batch_are_views_into_it() {
    let payload = Bytes::from_static(GOLDEN);
    let record = Records::open(&payload, 0).unwrap().next().unwrap().unwrap();
    let place = GOLDEN.as_ptr_range();
    assert!(place.contains(&record.value.unwrap().as_ptr()));
    assert!(place.contains(&record.headers[0].key.as_ptr()));
}

#[test]
fn stamping_changes_offset_and_epoch_and_leaves_the_crc_right() {
    let mut stored = GOLDEN.to_vec();
    // The reader may hold no more than the header.
    batch::stamp(&mut stored[..61], Offset(0x0102_0304_0506), LeaderEpoch(9)).unwrap();
    let header = batch::verify(&stored).unwrap();
    assert_eq!((header.base_offset, header.leader_epoch), (0x0102_0304_0506, 9));
    let records: Vec<_> = Records::open(&stored.clone().into(), 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(records[1].offset, Offset(0x0102_0304_0507));
    assert_eq!(stored[16..], GOLDEN[16..]);
    assert_eq!(batch::stamp(&mut stored, Offset(u64::MAX), LeaderEpoch(9)), Err(batch::BatchError::BadBase));
}

#[test]
fn append_time_takes_over_all_records_and_corrects_the_crc() {
    let stored = batch::with_append_time(GOLDEN, Timestamp(5_000_000_000)).unwrap();
    let header = batch::verify(&stored).unwrap();
    assert_eq!(header.attributes.timestamp_type(), TimestampType::Append);
    assert_eq!(header.max_timestamp, Timestamp(5_000_000_000));
    for record in Records::open(&stored, 0).unwrap() {
        assert_eq!(record.unwrap().timestamp, Timestamp(5_000_000_000));
    }
}

#[test]
fn patching_a_rotten_batch_does_not_make_it_pass() {
    let mut rotten = GOLDEN.to_vec();
    *rotten.last_mut().unwrap() ^= 4;
    let patched = batch::with_append_time(&rotten, Timestamp(7)).unwrap();
    assert!(matches!(batch::verify(&patched), Err(batch::BatchError::WrongCrc { .. })));
}

#[test]
fn a_record_is_found_by_its_time() {
    let at = |t| batch::first_at_or_after(GOLDEN, Timestamp(t), 0, 0).unwrap();
    assert_eq!(at(0), Some((0, Timestamp(1000))));
    assert_eq!(at(1001), Some((1, Timestamp(1003))));
    assert_eq!(at(1004), None);
    assert_eq!(batch::first_at_max_timestamp(GOLDEN, 0, 0).unwrap(), Some((1, Timestamp(1003))));
}
