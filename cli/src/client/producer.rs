//! Batches on their way to their leaders.
//!
//! Per partition one batch at a time is on its way, so a batch that is sent again keeps its place in the order, with and
//! without idempotence. All partitions' batches travel together, one request per broker.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use forebay_kafka::model::{BatchSequence, ProducerEpoch, ProducerId};
use forebay_kafka::record::batch::{BatchBuilder, BatchError, Codec, NewRecord, Producer as Numbered};
use forebay_kafka::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use forebay_kafka::wire::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use forebay_kafka::wire::{ErrorCode, Str};

use super::cluster::{Cluster, To};
use super::deadline::{Backoff, Deadline};
use super::error::ClientError;
use super::partitioner::partition_of;
use super::place::{Place, by_topic};

/// A batch is full at this many bytes before compression: less than what an unconfigured Kafka takes.
const BATCH_BYTES: usize = 1_000_000;
/// Bytes of batches that are gathered before they are sent.
const PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Least room for a record in a batch of its own, beside its key, value and headers.
const RECORD_OVERHEAD_BYTES: usize = 1024;

/// Whose word is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody's.
    None,
    /// The leader's.
    Leader,
    /// That of all replicas in sync.
    All,
}

impl Acks {
    fn number(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Whether the broker recognises what it gets twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotence {
    /// It does.
    On,
    /// It may store twice what was sent again.
    Off,
}

/// How records are sent.
#[derive(Clone, Copy, Debug)]
pub struct ProducerOptions {
    /// Whose word is waited for.
    pub acks: Acks,
    /// Whether the broker recognises what it gets twice.
    pub idempotence: Idempotence,
    /// How batches are compressed.
    pub codec: Codec,
}

/// A record and where it wants to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The record.
    pub record: NewRecord,
    /// The partition it must go to; otherwise its key decides, and without a key any.
    pub partition: Option<i32>,
}

/// What has been sent, and confirmed as far as that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records.
    pub records: u64,
    /// Bytes of batches, compressed.
    pub bytes: u64,
}

/// Sends records to one topic.
#[derive(Debug)]
pub struct Producer {
    options: ProducerOptions,
    topic: String,
    partitions: usize,
    identity: Option<Identity>,
    /// Where records without a key go until a batch of them is full.
    sticky: i32,
    open: BTreeMap<i32, BatchBuilder>,
    sealed: BTreeMap<i32, VecDeque<Batch>>,
    pending_bytes: usize,
    sent: Sent,
}

/// Who we are to the broker, and our number of each partition's next record.
#[derive(Debug)]
struct Identity {
    id: ProducerId,
    epoch: ProducerEpoch,
    next: BTreeMap<i32, i32>,
}

/// A batch that is ready to go.
#[derive(Clone, Debug)]
struct Batch {
    bytes: Bytes,
    records: u32,
}

impl Producer {
    /// A producer for a topic that the cluster works with.
    ///
    /// # Errors
    /// Of the question for a producer id, when idempotence is on.
    pub fn open(
        cluster: &mut Cluster,
        topic: &str,
        options: ProducerOptions,
    ) -> Result<Producer, ClientError> {
        let partitions = cluster.partition_count(topic);
        if partitions == 0 {
            return Err(ClientError::Invalid(format!("topic {topic} has no partitions")));
        }
        let identity = match options.idempotence {
            Idempotence::On => {
                let (id, epoch) = identify(cluster)?;
                Some(Identity { id, epoch, next: BTreeMap::new() })
            }
            Idempotence::Off => None,
        };
        Ok(Producer {
            options,
            topic: topic.into(),
            partitions,
            identity,
            sticky: random_partition(partitions),
            open: BTreeMap::new(),
            sealed: BTreeMap::new(),
            pending_bytes: 0,
            sent: Sent::default(),
        })
    }

    /// Takes a record; sends what has gathered when that is enough.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for a record that cannot be sent; otherwise as [`Producer::flush`].
    pub fn push(&mut self, cluster: &mut Cluster, outgoing: &Outgoing) -> Result<(), ClientError> {
        let partition = self.partition_for(outgoing)?;
        if !self.fits(partition, &outgoing.record)? {
            self.seal(partition)?;
            self.put_in_new(partition, &outgoing.record)?;
        }
        if self.pending_bytes >= PENDING_BYTES_MAX {
            self.flush(cluster)?;
        }
        Ok(())
    }

    /// Sends everything and waits until it is confirmed, as far as that was asked for.
    ///
    /// # Errors
    /// When a batch is refused, or patience is over. Unsent batches stay, and may or may not have been stored.
    pub fn flush(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        let open: Vec<i32> = self.open.keys().copied().collect();
        open.into_iter().try_for_each(|partition| self.seal(partition))?;
        let mut backoff = Backoff::default();
        let mut deadline = cluster.deadline();
        while !self.sealed.is_empty() {
            let before = self.sent;
            match self.send_front(cluster, deadline) {
                Ok(()) => {}
                Err(why) if why.is_retriable() => {
                    cluster.interrupt().check()?;
                    let doing = format!("sending to {}", self.topic);
                    cluster.wait_and_refresh(&mut backoff, &doing, why, deadline)?;
                }
                Err(why) => return Err(why),
            }
            // Patience is counted per batch, not for all that gathered.
            if self.sent != before {
                (backoff, deadline) = (Backoff::default(), cluster.deadline());
            }
        }
        Ok(())
    }

    /// What has been sent and confirmed so far.
    pub fn sent(&self) -> Sent {
        self.sent
    }

    fn partition_for(&self, outgoing: &Outgoing) -> Result<i32, ClientError> {
        match (outgoing.partition, &outgoing.record.key) {
            (Some(partition), _) if partition >= 0 && (partition as usize) < self.partitions => Ok(partition),
            (Some(partition), _) => Err(ClientError::Invalid(format!(
                "topic {} has no partition {partition}; it has {}",
                self.topic, self.partitions
            ))),
            (None, Some(key)) => Ok(partition_of(key, self.partitions)),
            (None, None) => Ok(self.sticky),
        }
    }

    /// Puts the record into the partition's open batch, if it fits there.
    fn fits(&mut self, partition: i32, record: &NewRecord) -> Result<bool, ClientError> {
        let Some(builder) = self.open.get_mut(&partition) else { return Ok(false) };
        let before = builder.encoded_len();
        match builder.push(record) {
            Ok(()) => {
                self.pending_bytes += builder.encoded_len() - before;
                Ok(true)
            }
            Err(BatchError::TooLarge { .. }) => Ok(false),
            Err(why) => Err(unsendable(&why)),
        }
    }

    /// Begins a batch with the record. A record that is larger than a usual batch makes one of its own, and the broker
    /// decides whether that is too large.
    fn put_in_new(&mut self, partition: i32, record: &NewRecord) -> Result<(), ClientError> {
        let bytes_max = BATCH_BYTES.max(len(record));
        let mut builder = BatchBuilder::new(self.options.codec, bytes_max);
        builder.push(record).map_err(|why| unsendable(&why))?;
        self.pending_bytes += builder.encoded_len();
        self.open.insert(partition, builder);
        Ok(())
    }

    /// Closes the partition's open batch, if there is one, and numbers its records.
    fn seal(&mut self, partition: i32) -> Result<(), ClientError> {
        let Some(mut builder) = self.open.remove(&partition) else { return Ok(()) };
        let records = builder.record_count();
        if let Some(identity) = &mut self.identity {
            let next = identity.next.entry(partition).or_insert(0);
            builder = builder.producer(Numbered {
                id: identity.id,
                epoch: identity.epoch,
                base_sequence: BatchSequence(*next),
            });
            *next = sequence_after(*next, records);
        }
        let bytes = builder.build().map_err(|why| unsendable(&why))?;
        self.sealed.entry(partition).or_default().push_back(Batch { bytes, records });
        if partition == self.sticky {
            self.sticky = (partition + 1) % self.partitions as i32;
        }
        Ok(())
    }

    /// Sends the first batch of every partition, once. The first error that is met is returned when all answers are in.
    fn send_front(&mut self, cluster: &mut Cluster, deadline: Deadline) -> Result<(), ClientError> {
        let front: Vec<(Place, Bytes)> = self
            .sealed
            .iter()
            .filter_map(|(partition, batches)| {
                Some((Place::new(&self.topic, *partition), batches.front()?.bytes.clone()))
            })
            .collect();
        let by_leader = cluster.by_leader(front.iter().map(|(place, bytes)| (place, bytes)))?;
        let requests: Vec<_> =
            by_leader.into_iter().map(|(node, batches)| (node, self.request(&batches, deadline))).collect();
        if self.options.acks == Acks::None {
            for (node, request) in &requests {
                cluster.send_only(*node, request, deadline)?;
                request.topic_data.iter().flat_map(|t| &t.partition_data).for_each(|p| self.done(p.index));
            }
            return Ok(());
        }
        let mut first = None;
        for response in cluster.call_each(&requests, deadline) {
            let understood = response.and_then(|response| self.understand(&response));
            if let Err(why) = understood {
                first.get_or_insert(why);
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn request(&self, batches: &[(&Place, &Bytes)], deadline: Deadline) -> ProduceRequest {
        let timeout = deadline.left().unwrap_or_default().as_millis();
        let data = |(partition, bytes): &(i32, &Bytes)| PartitionProduceData {
            index: *partition,
            records: Some((*bytes).clone().into()),
        };
        ProduceRequest {
            acks: self.options.acks.number(),
            timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
            topic_data: by_topic(batches.iter().copied())
                .iter()
                .map(|(name, partitions)| TopicProduceData {
                    name: Str::from(&**name),
                    partition_data: partitions.iter().map(data).collect(),
                    ..TopicProduceData::default()
                })
                .collect(),
            ..ProduceRequest::default()
        }
    }

    fn understand(&mut self, response: &ProduceResponse) -> Result<(), ClientError> {
        let mut first = None;
        for partition in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
            match partition.error_code {
                // A batch that arrived twice arrived.
                ErrorCode::None | ErrorCode::DuplicateSequenceNumber => self.done(partition.index),
                code => {
                    let doing = format!("sending to {}", Place::new(&self.topic, partition.index));
                    let message = partition.error_message.as_ref().map(Str::as_str);
                    if let Err(why) = ClientError::check(doing, code, message) {
                        first.get_or_insert(why);
                    }
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn done(&mut self, partition: i32) {
        let Some(batches) = self.sealed.get_mut(&partition) else { return };
        if let Some(batch) = batches.pop_front() {
            self.sent.records += u64::from(batch.records);
            self.sent.bytes += batch.bytes.len() as u64;
        }
        if batches.is_empty() {
            self.sealed.remove(&partition);
        }
        if self.sealed.is_empty() {
            self.pending_bytes = 0;
        }
    }
}

/// Asks for a producer id.
///
/// # Errors
/// The broker's.
pub fn identify(cluster: &mut Cluster) -> Result<(ProducerId, ProducerEpoch), ClientError> {
    let request = InitProducerIdRequest::default();
    let response = cluster.persist("asking for a producer id", |cluster, deadline| {
        let response = cluster.call(To::Anyone, &request, deadline)?;
        ClientError::check("asking for a producer id", response.error_code, None)?;
        Ok(response)
    })?;
    Ok((ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch)))
}

/// The number behind `count` records: numbers wrap from the greatest to 0.
pub fn sequence_after(first: i32, count: u32) -> i32 {
    let numbers = i64::from(i32::MAX) + 1;
    ((i64::from(first) + i64::from(count)) % numbers) as i32
}

fn len(record: &NewRecord) -> usize {
    let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record.headers.iter().map(|h| h.key.len() + of(&h.value) + 20).sum();
    of(&record.key) + of(&record.value) + headers + RECORD_OVERHEAD_BYTES
}

fn unsendable(why: &BatchError) -> ClientError {
    ClientError::Invalid(format!("a record cannot be sent: {why}"))
}

fn random_partition(partitions: usize) -> i32 {
    (RandomState::new().hash_one(0) % partitions as u64) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::cluster::AutoCreate;
    use crate::client::scripted::{Broker, Script};
    use forebay_kafka::record::batch::BatchHeader;
    use forebay_kafka::wire::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
    use forebay_kafka::wire::messages::{InitProducerIdResponse, MetadataResponse};
    use forebay_kafka::wire::{AnyRequest, ApiKey};

    fn greet(script: &mut Script) -> MetadataResponse {
        script.versions(vec![
            (ApiKey::Metadata, 0, 9),
            (ApiKey::InitProducerId, 0, 4),
            (ApiKey::Produce, 3, 9),
        ]);
        let answer = script.metadata(1);
        script.answer(ApiKey::Metadata, 9, &answer);
        script.answer(ApiKey::Metadata, 9, &answer);
        let identity = InitProducerIdResponse { producer_id: 42, ..InitProducerIdResponse::default() };
        script.answer(ApiKey::InitProducerId, 4, &identity);
        answer
    }

    fn answer(code: ErrorCode) -> ProduceResponse {
        let partition = PartitionProduceResponse { error_code: code, ..PartitionProduceResponse::default() };
        let topic = TopicProduceResponse {
            name: Str::from("t"),
            partition_responses: vec![partition],
            ..TopicProduceResponse::default()
        };
        ProduceResponse { responses: vec![topic], ..ProduceResponse::default() }
    }

    fn connect(broker: &Broker) -> (Cluster, Producer) {
        let mut cluster = broker.cluster();
        cluster.work_with(&["t".into()], AutoCreate::Allowed).unwrap();
        let options = ProducerOptions { acks: Acks::All, idempotence: Idempotence::On, codec: Codec::Zstd };
        let producer = Producer::open(&mut cluster, "t", options).unwrap();
        (cluster, producer)
    }

    fn outgoing(value: &str) -> Outgoing {
        let value = Some(Bytes::copy_from_slice(value.as_bytes()));
        Outgoing { record: NewRecord { value, ..NewRecord::default() }, partition: None }
    }

    fn header_of_next_produce(broker: &Broker) -> (BatchHeader, Bytes) {
        loop {
            if let AnyRequest::Produce(request) = broker.next_asked() {
                assert_eq!(request.acks, -1);
                let records = request.topic_data[0].partition_data[0].records.clone().unwrap().into_bytes();
                return (BatchHeader::peek(&records).unwrap(), records);
            }
        }
    }

    #[test]
    fn a_batch_that_meets_a_passing_error_is_sent_again_as_it_was() {
        let broker = Broker::start(|script| {
            let metadata = greet(script);
            script.answer(ApiKey::Produce, 9, &answer(ErrorCode::NotLeaderOrFollower));
            script.answer(ApiKey::Metadata, 9, &metadata);
            script.answer(ApiKey::Produce, 9, &answer(ErrorCode::DuplicateSequenceNumber));
            script.answer(ApiKey::Produce, 9, &answer(ErrorCode::None));
        });
        let (mut cluster, mut producer) = connect(&broker);
        producer.push(&mut cluster, &outgoing("a")).unwrap();
        producer.push(&mut cluster, &outgoing("b")).unwrap();
        producer.flush(&mut cluster).unwrap();
        producer.push(&mut cluster, &outgoing("c")).unwrap();
        producer.flush(&mut cluster).unwrap();
        assert_eq!(producer.sent().records, 3);
        let (first, first_bytes) = header_of_next_produce(&broker);
        let (_, again_bytes) = header_of_next_produce(&broker);
        assert_eq!(first_bytes, again_bytes);
        assert_eq!((first.producer_id.0, first.base_sequence.0, first.record_count), (42, 0, 2));
        let (next, _) = header_of_next_produce(&broker);
        assert_eq!((next.base_sequence.0, next.codec), (2, Codec::Zstd));
    }

    #[test]
    fn a_refusal_for_good_is_said_and_nothing_is_counted_as_sent() {
        let broker = Broker::start(|script| {
            greet(script);
            script.answer(ApiKey::Produce, 9, &answer(ErrorCode::MessageTooLarge));
        });
        let (mut cluster, mut producer) = connect(&broker);
        producer.push(&mut cluster, &outgoing("a")).unwrap();
        let why = producer.flush(&mut cluster).unwrap_err();
        assert_eq!(why.code(), Some(ErrorCode::MessageTooLarge));
        assert_eq!(producer.sent().records, 0);
    }

    #[test]
    fn a_partition_that_does_not_exist_is_refused_before_anything_is_sent() {
        let broker = Broker::start(|script| {
            greet(script);
        });
        let (mut cluster, mut producer) = connect(&broker);
        let wrong = Outgoing { partition: Some(1), ..outgoing("a") };
        let why = producer.push(&mut cluster, &wrong).unwrap_err();
        assert_eq!(why.to_string(), "topic t has no partition 1; it has 1");
    }

    #[test]
    fn a_record_larger_than_a_batch_gets_one_of_its_own() {
        let broker = Broker::start(|script| {
            greet(script);
            script.answer(ApiKey::Produce, 9, &answer(ErrorCode::None));
            script.answer(ApiKey::Produce, 9, &answer(ErrorCode::None));
        });
        let (mut cluster, mut producer) = connect(&broker);
        producer.push(&mut cluster, &outgoing("small")).unwrap();
        producer.push(&mut cluster, &outgoing(&"x".repeat(BATCH_BYTES * 2))).unwrap();
        producer.flush(&mut cluster).unwrap();
        assert_eq!(header_of_next_produce(&broker).0.record_count, 1);
        assert_eq!(header_of_next_produce(&broker).0.record_count, 1);
    }

    #[test]
    fn numbers_wrap_to_zero() {
        assert_eq!(sequence_after(0, 5), 5);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 4), 2);
    }
}
