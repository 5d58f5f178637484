//! What the tests of this crate share: records by chance, and batches with something wrong in them.
#![allow(dead_code)] // every test binary uses its own part

use bytes::Bytes;
use forebay_model::Timestamp;
use forebay_record::batch::{BatchBuilder, CheckLimits, Codec, Depth, Header, NewRecord, Records};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub const MIB: usize = 1 << 20;

pub const LIMITS: CheckLimits =
    CheckLimits { batch_bytes_max: 16 * MIB, inflated_bytes_max: 16 * MIB, depth: Depth::Records };

pub fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![vec(any::<u8>(), 0..80), "[a-c]{0,3000}".prop_map(String::into_bytes)].prop_map(Bytes::from)
}

pub fn header() -> impl Strategy<Value = Header> {
    // Three names, so that they repeat.
    ("[abc]", option::of(bytes())).prop_map(|(key, value)| Header { key: key.into(), value })
}

pub fn record() -> impl Strategy<Value = NewRecord> {
    let timestamp = prop_oneof![Just(-1), 0..5000i64, 0..i64::MAX];
    (timestamp, option::of(bytes()), option::of(bytes()), vec(header(), 0..5)).prop_map(
        |(timestamp, key, value, headers)| NewRecord { timestamp: Timestamp(timestamp), key, value, headers },
    )
}

pub fn records() -> impl Strategy<Value = Vec<NewRecord>> {
    vec(record(), 1..20)
}

pub fn codec() -> impl Strategy<Value = Codec> {
    proptest::sample::select(Codec::ALL.to_vec())
}

pub fn value(timestamp: i64, value: &'static str) -> NewRecord {
    NewRecord { timestamp: Timestamp(timestamp), value: Some(value.into()), ..NewRecord::default() }
}

pub fn build(codec: Codec, records: &[NewRecord]) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 16 * MIB);
    for record in records {
        builder.push(record).unwrap();
    }
    builder.build().unwrap()
}

pub fn read(batch: &Bytes) -> Vec<NewRecord> {
    let records = Records::open(batch, 16 * MIB).unwrap();
    records
        .map(|record| {
            let r = record.unwrap();
            NewRecord { timestamp: r.timestamp, key: r.key, value: r.value, headers: r.headers }
        })
        .collect()
}

/// The batch with bytes of its header replaced, and the crc right again.
pub fn with(batch: &[u8], at: usize, field: &[u8]) -> Bytes {
    let mut batch = batch.to_vec();
    batch[at..at + field.len()].copy_from_slice(field);
    sealed(batch)
}

/// The batch with another records section and codec, and length and crc right again.
pub fn with_section(batch: &[u8], codec: u8, section: &[u8]) -> Bytes {
    let mut batch = batch[..61].to_vec();
    batch.extend_from_slice(section);
    batch[22] = batch[22] & !7 | codec;
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    sealed(batch)
}

fn sealed(mut batch: Vec<u8>) -> Bytes {
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

pub fn varint(value: i64) -> Vec<u8> {
    let mut n = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}
