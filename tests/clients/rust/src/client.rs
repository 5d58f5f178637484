//! What the stories do with the library: send, read, administrate.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::harness::{WAIT, bootstrap, name, wait_until};

/// How long a poll waits for a first record.
const POLL: Duration = Duration::from_millis(200);

/// A configuration that knows the broker.
pub fn config(settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap());
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// A record, sent or read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A plain one, to be sent.
    pub fn of(partition: i32, value: impl Into<Vec<u8>>) -> Record {
        Record { partition, value: Some(value.into()), ..Record::default() }
    }

    /// Its value as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

fn taken_over(message: &BorrowedMessage) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let taken_over = |header: Header<&[u8]>| (header.key.to_string(), header.value.map(<[u8]>::to_vec));
        headers.iter().map(taken_over).collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// What became of the records that were sent, by the number of their sending.
#[derive(Default)]
pub struct Confirms {
    all: Mutex<Vec<(usize, Result<(i32, i64), KafkaError>)>>,
}

impl ClientContext for Confirms {}

impl ProducerContext for Confirms {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let result = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((why, _)) => Err(why.clone()),
        };
        self.all.lock().expect("nobody has panicked").push((number, result));
    }
}

/// Sends and remembers what was confirmed where.
pub struct Sender {
    pub producer: ThreadedProducer<Confirms>,
    pub sent: usize,
}

impl Sender {
    /// A producer with these settings beside the usual ones.
    pub fn with(settings: &[(&str, &str)]) -> Sender {
        let mut config = config(&[("linger.ms", "2"), ("queue.buffering.max.messages", "1000000")]);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        Sender { producer: config.create_with_context(Confirms::default()).expect("a producer"), sent: 0 }
    }

    /// Hands it to the library.
    pub fn send(&mut self, topic: &str, record: &Record) {
        let mut to_send = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, self.sent);
        if record.partition >= 0 {
            to_send = to_send.partition(record.partition);
        }
        to_send.timestamp = record.timestamp_ms;
        to_send.key = record.key.as_deref();
        to_send.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let start = OwnedHeaders::new();
            to_send = to_send.headers(
                record
                    .headers
                    .iter()
                    .fold(start, |all, (key, value)| all.insert(Header { key, value: value.as_deref() })),
            );
        }
        self.sent += 1;
        self.producer.send(to_send).map_err(|(why, _)| why).expect("it is taken");
    }

    /// Waits for every confirm: (partition, offset) by the number of the sending.
    pub fn confirmed(self) -> Vec<(i32, i64)> {
        self.producer.flush(WAIT * 2).expect("all is confirmed in time");
        let mut all = std::mem::take(&mut *self.producer.context().all.lock().expect("nobody has panicked"));
        all.sort_by_key(|(number, _)| *number);
        assert_eq!(all.len(), self.sent, "confirms");
        all.into_iter().map(|(_, result)| result.expect("it is confirmed")).collect()
    }
}

/// Sends numbers over the partitions in turn and waits for the confirms.
pub fn send_numbers(
    topic: &str,
    partitions: i32,
    count: usize,
    settings: &[(&str, &str)],
) -> Vec<(i32, i64)> {
    let mut sender = Sender::with(settings);
    for n in 0..count {
        sender.send(topic, &numbered(n, partitions));
    }
    sender.confirmed()
}

/// The number as a record, for its partition.
pub fn numbered(n: usize, partitions: i32) -> Record {
    let partition = i32::try_from(n).expect("a small number") % partitions;
    Record::of(partition, n.to_string())
}

/// Each partition has its numbers, once and in order.
pub fn check_numbers(records: &[Record], partitions: i32, count: usize) {
    for partition in 0..partitions {
        let found: Vec<String> = texts(records, partition);
        let expected =
            (0..count).map(|n| numbered(n, partitions)).filter(|record| record.partition == partition);
        let expected: Vec<String> = expected.map(|record| record.text()).collect();
        assert!(found == expected, "partition {partition} has {} of {}", found.len(), expected.len());
    }
}

/// The values of a partition, in order.
pub fn texts(records: &[Record], partition: i32) -> Vec<String> {
    records.iter().filter(|record| record.partition == partition).map(Record::text).collect()
}

/// A consumer without a group that reads these partitions from the start.
pub fn reader(topic: &str, partitions: i32, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(&[
        ("group.id", "no-group"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("fetch.message.max.bytes", "8388608"),
    ]);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset that can be");
    }
    consumer.assign(&all).expect("partitions are assigned");
    consumer
}

/// What comes within a moment, at most this much. What the library lives through by itself is passed over.
pub fn poll<C: rdkafka::consumer::ConsumerContext>(consumer: &BaseConsumer<C>, most: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut patience = POLL;
    let end = Instant::now() + POLL;
    while records.len() < most && Instant::now() < end {
        match consumer.poll(patience) {
            None => break,
            Some(Ok(message)) => records.push(taken_over(&message)),
            Some(Err(why)) => assert!(is_passing(&why), "{why}"),
        }
        patience = Duration::from_millis(5);
    }
    records
}

/// What a consumer is told while its broker is away.
fn is_passing(why: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    let passing = [AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve];
    why.rdkafka_error_code().is_some_and(|code| passing.contains(&code))
}

/// Reads this many records from the start, and polls once more: what should not be there would come then.
pub fn read(topic: &str, partitions: i32, count: usize) -> Vec<Record> {
    let consumer = reader(topic, partitions, &[]);
    let mut records = Vec::new();
    wait_until(&format!("{count} records are read from {topic}"), || {
        records.extend(poll(&consumer, 10_000));
        records.len() >= count
    });
    records.extend(poll(&consumer, 10_000));
    records
}

/// A client for administration.
pub fn admin_client() -> AdminClient<DefaultClientContext> {
    config(&[]).create().expect("an admin client")
}

/// How long the broker may take.
pub fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(WAIT)).request_timeout(Some(WAIT))
}

/// Makes a topic of this case's own, or says with which error it was refused.
pub fn create(topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), RDKafkaErrorCode> {
    let mut wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        wanted = wanted.set(key, value);
    }
    let made = block_on(admin_client().create_topics(&[wanted], &admin_options())).expect("an answer");
    made.into_iter().next().expect("an answer for the topic").map(|_| ()).map_err(|(_, why)| why)
}

/// A new topic of this case's own.
pub fn topic(part: &str, partitions: i32) -> String {
    let topic = name(part);
    create(&topic, partitions, &[]).expect("the topic is made");
    topic
}

/// How many partitions a topic has; none where it does not exist.
pub fn partitions(topic: &str) -> usize {
    let metadata = admin_client().inner().fetch_metadata(None, WAIT).expect("metadata");
    metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |found| found.partitions().len())
}

/// The offset that stands in an answer of the library for one partition.
pub fn offset_in(answer: &TopicPartitionList, topic: &str, partition: i32) -> Offset {
    answer.find_partition(topic, partition).expect("the partition was asked for").offset()
}

/// A list of one partition.
pub fn one(topic: &str, partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).expect("an offset that can be");
    list
}
