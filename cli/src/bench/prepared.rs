//! A Produce request with one batch, prepared once. From one sending to the next only numbers, times and the checksum
//! are patched, in place.

use std::ops::Range;

use bytes::Bytes;
use forebay_kafka::model::Timestamp;
use forebay_kafka::record::batch::{BatchHeader, Producer, reissue};
use forebay_kafka::wire::messages::ProduceRequest;
use forebay_kafka::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use forebay_kafka::wire::{EncodeError, Request, Str};

/// Where the correlation id is in every request: behind the length, the API and its version.
const CORRELATION: Range<usize> = 8..12;

/// How long the broker may wait for its replicas, milliseconds.
const TIMEOUT_MS: i32 = 30_000;

/// Stands for the partition's number until it is patched; it occurs nowhere else in front of the batch.
const PARTITION_MARK: i32 = i32::from_be_bytes(*b"\xf9par");

/// A whole frame, and where it is patched.
#[derive(Clone, Debug)]
pub struct Prepared {
    frame: Vec<u8>,
    partition: Range<usize>,
    batch: Range<usize>,
    records: u32,
    payload_bytes: u64,
}

impl Prepared {
    /// A request in this version for one batch, whose values come to `payload_bytes`; all replicas in sync have to
    /// confirm it.
    ///
    /// # Errors
    /// What the version cannot say. The batch is as [`forebay_kafka::record::batch::BatchBuilder`] makes them.
    pub fn new(
        version: i16,
        topic: &str,
        batch: &Bytes,
        payload_bytes: u64,
    ) -> Result<Prepared, EncodeError> {
        let partition = PartitionProduceData { index: PARTITION_MARK, records: Some(batch.clone().into()) };
        let topic = TopicProduceData {
            name: Str::from(topic),
            partition_data: vec![partition],
            ..TopicProduceData::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: TIMEOUT_MS,
            topic_data: vec![topic],
            ..ProduceRequest::default()
        };
        let frame =
            Vec::from(request.to_frame(version, 0, Some(Str::from_static("forebay-bench")))?.into_bytes());
        let batch_at = find(&frame, batch).expect("the batch is in its request");
        let mark = PARTITION_MARK.to_be_bytes();
        let partition_at = find(&frame[..batch_at], &mark).expect("the partition is in front of its batch");
        let header = BatchHeader::peek(batch).expect("a batch that was built has a header");
        Ok(Prepared {
            partition: partition_at..partition_at + mark.len(),
            batch: batch_at..batch_at + batch.len(),
            frame,
            records: header.record_count,
            payload_bytes,
        })
    }

    /// Records in the batch.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Bytes of its values, as they were before compression.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Makes it the next request. Its bytes are then to be written.
    pub fn renew(&mut self, correlation: i32, partition: i32, producer: Option<Producer>, time: Timestamp) {
        self.frame[CORRELATION].copy_from_slice(&correlation.to_be_bytes());
        self.frame[self.partition.clone()].copy_from_slice(&partition.to_be_bytes());
        reissue(&mut self.frame[self.batch.clone()], producer, time).expect("the batch was built as one");
    }

    /// The frame as it was last renewed.
    pub fn bytes(&self) -> &[u8] {
        &self.frame
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::model::{BatchSequence, ProducerEpoch, ProducerId};
    use forebay_kafka::record::batch::{BatchBuilder, CheckLimits, Codec, NewRecord, Records, check};
    use forebay_kafka::wire::{AnyRequest, ApiKey, Cursor, RequestHeader};

    fn batch(codec: Codec, values: &[&'static str]) -> Bytes {
        let mut builder = BatchBuilder::new(codec, 100_000);
        for value in values {
            let value = Some(Bytes::from_static(value.as_bytes()));
            builder.push(&NewRecord { timestamp: Timestamp(1), value, ..NewRecord::default() }).unwrap();
        }
        builder.build().unwrap()
    }

    fn decode(frame: &[u8]) -> (RequestHeader, ProduceRequest) {
        let (length, frame) = frame.split_first_chunk::<4>().unwrap();
        assert_eq!(i32::from_be_bytes(*length) as usize, frame.len());
        let frame = Bytes::copy_from_slice(frame);
        let mut cursor = Cursor::new(&frame);
        let header = RequestHeader::decode(&mut cursor).unwrap();
        match AnyRequest::read(&mut cursor, &header).unwrap() {
            AnyRequest::Produce(request) => (header, request),
            _ => panic!("not Produce"),
        }
    }

    #[test]
    fn what_is_patched_is_what_the_broker_decodes() {
        let limits =
            CheckLimits { batch_bytes_max: 100_000, inflated_bytes_max: 100_000, depth: Default::default() };
        for version in 3..=12 {
            for codec in Codec::ALL {
                let batch = batch(codec, &["first", "second"]);
                let mut prepared = Prepared::new(version, "t", &batch, 11).unwrap();
                assert_eq!((prepared.records(), prepared.payload_bytes()), (2, 11));
                for round in 0..3 {
                    let sequence = BatchSequence(round * 2);
                    let numbered =
                        Producer { id: ProducerId(9), epoch: ProducerEpoch(1), base_sequence: sequence };
                    let numbered = (round < 2).then_some(numbered);
                    let time = Timestamp(1_000_000 + i64::from(round));
                    prepared.renew(round, round + 5, numbered, time);
                    let (header, request) = decode(prepared.bytes());
                    assert_eq!((header.api, header.api_version), (ApiKey::Produce, version));
                    assert_eq!((header.correlation_id, request.acks), (round, -1));
                    assert_eq!(request.topic_data.len(), 1);
                    assert!(request.topic_data[0].name == *"t");
                    let partition = &request.topic_data[0].partition_data[0];
                    assert_eq!(partition.index, round + 5);
                    let records = partition.records.clone().unwrap().into_bytes();
                    let found = check(&records, &limits).unwrap();
                    let numbers = numbered.map(|p| (p.id, p.epoch, p.base_sequence));
                    assert_eq!(found.producer(), numbers);
                    let records: Vec<_> =
                        Records::open(&records, 100_000).unwrap().map(Result::unwrap).collect();
                    assert_eq!(records[1].value.as_deref(), Some(&b"second"[..]));
                    assert_eq!(records[0].timestamp, time);
                }
            }
        }
    }
}
