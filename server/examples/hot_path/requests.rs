//! What clients send, as bytes.

use std::error::Error;

use forebay_kafka::wire::messages::fetch::{FetchPartition, FetchTopic};
use forebay_kafka::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use forebay_kafka::wire::messages::{FetchRequest, ProduceRequest};
use forebay_kafka::wire::{Request, Str};
use forebay_kit::Bytes;
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord};
use forebay_model::Timestamp;

/// What is in a batch.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Records of a batch.
    pub records: usize,
}

/// Versions with names, as widely used clients speak them.
const VERSION: i16 = 12;
const BATCH_BYTES_MAX: usize = 16 << 20;
/// More than any batch here, less than two.
const FETCH_BYTES_MAX: i32 = 1_100_000;

/// One batch for partition 0 of a topic, confirmed by the quorum.
pub fn produce(topic: &str, shape: Shape) -> Result<Bytes, Box<dyn Error>> {
    let mut batch = BatchBuilder::new(Codec::None, BATCH_BYTES_MAX);
    for number in 0..shape.records {
        let record = NewRecord {
            timestamp: Timestamp(super::world::BEGAN_MS),
            key: None,
            value: Some(value(number, shape.record_bytes)),
            headers: Vec::new(),
        };
        batch.push(&record)?;
    }
    let data = PartitionProduceData { index: 0, records: Some(batch.build()?.into()) };
    let topic = TopicProduceData { name: Str::from(topic), partition_data: vec![data], ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    frame(&request)
}

/// One batch from an offset on.
pub fn fetch(topic: &str, offset: usize) -> Result<Bytes, Box<dyn Error>> {
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: offset as i64,
        partition_max_bytes: FETCH_BYTES_MAX,
        ..Default::default()
    };
    let topic = FetchTopic { topic: Str::from(topic), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: FETCH_BYTES_MAX,
        topics: vec![topic],
        ..Default::default()
    };
    frame(&request)
}

fn frame<R: Request>(request: &R) -> Result<Bytes, Box<dyn Error>> {
    let rope = request.to_frame(VERSION, 1, Some(Str::from_static("hot-path")))?;
    Ok(rope.chunks().concat().into())
}

/// Text that looks like a log line, a different one for each record.
fn value(number: usize, bytes: usize) -> Bytes {
    let line =
        format!("{number:08} 10.1.{}.{} GET /v1/items/{number} 200 ", number % 256, number / 256 % 256);
    line.bytes().cycle().take(bytes).collect()
}
