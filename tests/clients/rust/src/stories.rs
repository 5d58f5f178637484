//! Producing, consuming, administration.

use std::collections::BTreeSet;

use futures_executor::block_on;
use rdkafka::admin::{NewPartitions, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::Offset;

use crate::client::{
    Record, Sender, admin_client, admin_options, check_numbers, create, numbered, offset_in, one, partitions,
    poll, read, reader, send_numbers, texts, topic,
};
use crate::harness::{WAIT, name, wait_until};

const START_MS: i64 = 1_700_000_000_000;

type Headers = Vec<(String, Option<Vec<u8>>)>;

pub fn roundtrip(codec: &str) {
    let topic = topic("roundtrip", 1);
    let every_byte: Vec<u8> = (0..=255).collect();
    let keys = [None, Some(Vec::new()), Some(b"key".to_vec()), Some(every_byte.clone())];
    let values =
        [None, Some(Vec::new()), Some(b"value".to_vec()), Some(b"long and compressible ".repeat(50))];
    let header = |key: &str, value: Option<&[u8]>| (key.to_string(), value.map(<[u8]>::to_vec));
    let headers: [Headers; 4] = [
        vec![],
        vec![header("once", Some(b"1"))],
        vec![
            header("twice", Some(b"first")),
            header("twice", Some(b"second")),
            header("null", None),
            header("empty", Some(b"")),
        ],
        vec![header("\u{fc}\u{6f22}", Some(&every_byte))],
    ];
    let mut sender = Sender::with(&[("compression.type", codec)]);
    let mut sent = Vec::new();
    for i in 0..300_usize {
        let at = i64::try_from(i).expect("a small number");
        let record = Record {
            partition: 0,
            offset: at,
            timestamp_ms: Some(START_MS + at * 10),
            key: keys[i % 4].clone(),
            value: values[i / 4 % 4].clone(),
            headers: headers[i / 16 % 4].clone(),
        };
        sender.send(&topic, &record);
        sent.push(record);
    }
    sender.confirmed();
    let found = read(&topic, 1, sent.len());
    assert_eq!(found.len(), sent.len(), "records");
    for (found, sent) in found.iter().zip(&sent) {
        assert_eq!(found, sent);
    }
}

pub fn large_record() {
    let topic = topic("large", 1);
    let large: Vec<u8> =
        (0..5 * 1024 * 1024_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let mut sender = Sender::with(&[("message.max.bytes", "8388608")]);
    for value in [b"before".to_vec(), large.clone(), b"after".to_vec()] {
        sender.send(&topic, &Record::of(0, value));
    }
    sender.confirmed();
    let found = read(&topic, 1, 3);
    let lengths: Vec<usize> = found.iter().map(|record| record.value.as_ref().map_or(0, Vec::len)).collect();
    assert_eq!(lengths, [6, large.len(), 5], "lengths");
    assert!(found[1].value.as_ref() == Some(&large), "the large record came back changed");
}

pub fn many_small() {
    let topic = topic("many", 3);
    send_numbers(&topic, 3, 20_000, &[]);
    check_numbers(&read(&topic, 3, 20_000), 3, 20_000);
}

pub fn acknowledged(acks: &str) {
    let topic = topic("acks", 1);
    send_numbers(&topic, 1, 500, &[("acks", acks)]);
    check_numbers(&read(&topic, 1, 500), 1, 500);
}

pub fn idempotent() {
    let topic = topic("idempotent", 1);
    let confirmed =
        send_numbers(&topic, 1, 5_000, &[("enable.idempotence", "true"), ("batch.num.messages", "50")]);
    check_numbers(&read(&topic, 1, 5_000), 1, 5_000);
    let expected: Vec<(i32, i64)> = (0..5_000).map(|offset| (0, offset)).collect();
    assert!(confirmed == expected, "confirmed offsets");
}

pub fn offsets_for_times() {
    let topic = topic("times", 1);
    let mut sender = Sender::with(&[("batch.num.messages", "50")]);
    for i in 0..200_i64 {
        let record = Record { timestamp_ms: Some(START_MS + i * 1000), ..Record::of(0, i.to_string()) };
        sender.send(&topic, &record);
    }
    sender.confirmed();
    let consumer = reader(&topic, 1, &[]);
    for (after_start_ms, expected) in [
        (-5_000, Offset::Offset(0)),
        (0, Offset::Offset(0)),
        (100_000, Offset::Offset(100)),
        (100_001, Offset::Offset(101)),
        (199_000, Offset::Offset(199)),
        (199_001, Offset::End),
    ] {
        let wanted = one(&topic, 0, Offset::Offset(START_MS + after_start_ms));
        let answer = consumer.offsets_for_times(wanted, WAIT).expect("an answer");
        assert_eq!(offset_in(&answer, &topic, 0), expected, "for the start and {after_start_ms} ms");
    }
}

pub fn seek() {
    let topic = topic("seek", 1);
    send_numbers(&topic, 1, 300, &[]);
    let consumer = reader(&topic, 1, &[]);
    let first = || {
        let mut found = Vec::new();
        wait_until("a record comes", || {
            found = poll(&consumer, 1);
            !found.is_empty()
        });
        found.remove(0)
    };
    assert_eq!(first().offset, 0, "the first offset from the earliest on");
    for (to, expected) in [(Offset::Offset(250), 250), (Offset::Beginning, 0)] {
        consumer.seek(&topic, 0, to, WAIT).expect("a seek");
        assert_eq!(first().offset, expected, "the first offset after a seek to {to:?}");
    }
    consumer.seek(&topic, 0, Offset::End, WAIT).expect("a seek");
    // The library may look the end up later than it says, so records keep coming until one is seen.
    let mut found = Vec::new();
    wait_until("a record behind the end comes", || {
        let mut sender = Sender::with(&[]);
        sender.send(&topic, &Record::of(0, "behind the end"));
        sender.confirmed();
        found = poll(&consumer, 1);
        !found.is_empty()
    });
    assert!(
        found[0].offset >= 300 && found[0].text() == "behind the end",
        "{:?} after a seek to the end",
        found[0]
    );
}

pub fn auto_create() {
    let topic = name("made-by-the-first-record");
    let mut sender = Sender::with(&[]);
    sender.send(&topic, &Record::of(-1, "hello"));
    sender.confirmed();
    assert_eq!(texts(&read(&topic, 1, 1), 0), ["hello"]);
    assert_eq!(partitions(&topic), 1, "partitions");
}

pub fn admin() {
    let topic = name("admin");
    create(&topic, 3, &[("retention.ms", "3600000")]).expect("it is made");
    wait_until("the new topic has its partitions", || partitions(&topic) == 3);
    let client = admin_client();
    let asked = [ResourceSpecifier::Topic(&topic)];
    let described = block_on(client.describe_configs(asked.iter(), &admin_options())).expect("an answer");
    let described = described.into_iter().next().expect("the topic's").expect("its configuration");
    let retention = described.get("retention.ms").expect("it is set");
    assert_eq!(retention.value.as_deref(), Some("3600000"), "retention.ms");
    assert_eq!(create(&topic, 3, &[]), Err(RDKafkaErrorCode::TopicAlreadyExists), "a second time");
    let grown = block_on(client.create_partitions(&[NewPartitions::new(&topic, 5)], &admin_options()));
    grown.expect("an answer").into_iter().for_each(|topic| drop(topic.expect("it grows")));
    wait_until("there are five partitions", || partitions(&topic) == 5);
    let mut sender = Sender::with(&[]);
    sender.send(&topic, &numbered(4, 5));
    sender.confirmed();
    assert_eq!(texts(&read(&topic, 5, 1), 4), ["4"], "in the new partition");
    let deleted = block_on(client.delete_topics(&[&topic], &admin_options())).expect("an answer");
    let deleted: BTreeSet<String> = deleted.into_iter().map(|topic| topic.expect("it is deleted")).collect();
    assert_eq!(deleted, BTreeSet::from([topic.clone()]));
    wait_until("the deleted topic is gone", || partitions(&topic) == 0);
}
