//! kill -9 of the broker in the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::{sleep, spawn};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::Offset;

use crate::client::{
    Sender, check_numbers, config, numbered, offset_in, one, poll, read, reader, send_numbers, topic,
};
use crate::groups::membership;
use crate::harness::{WAIT, kill_broker, name, wait_until};

/// Sends numbers before, during and after a crash of the broker, over two partitions in turn. Returns the topic and what was
/// confirmed.
fn produce_over_a_crash(settings: &[(&str, &str)]) -> (String, Vec<(i32, i64)>) {
    let topic = topic("crash", 2);
    let mut sender = Sender::with(&[&[("acks", "all"), ("batch.num.messages", "50")], settings].concat());
    let send = |sender: &mut Sender, count: usize| {
        for _ in 0..count {
            let record = numbered(sender.sent, 2);
            sender.send(&topic, &record);
        }
    };
    send(&mut sender, 4_000);
    sender.producer.flush(WAIT).expect("all is confirmed before the crash");
    let crash = spawn(kill_broker);
    while !crash.is_finished() {
        send(&mut sender, 20);
        sleep(Duration::from_millis(5));
    }
    crash.join().expect("the broker came back");
    send(&mut sender, 2_000);
    let confirmed = sender.confirmed();
    (topic, confirmed)
}

pub fn restart_idempotent() {
    let (topic, confirmed) = produce_over_a_crash(&[("enable.idempotence", "true")]);
    let records = read(&topic, 2, confirmed.len());
    check_numbers(&records, 2, confirmed.len());
    let found: BTreeMap<(i32, i64), String> =
        records.iter().map(|record| ((record.partition, record.offset), record.text())).collect();
    for (n, at) in confirmed.iter().enumerate() {
        assert_eq!(found.get(at), Some(&n.to_string()), "the record confirmed at {at:?}");
    }
}

pub fn restart_plain() {
    let (topic, confirmed) = produce_over_a_crash(&[("enable.idempotence", "false")]);
    let consumer = reader(&topic, 2, &[]);
    let mut missing: BTreeSet<String> = (0..confirmed.len()).map(|n| n.to_string()).collect();
    wait_until("all records are read", || {
        for record in poll(&consumer, 10_000) {
            missing.remove(&record.text());
        }
        missing.is_empty()
    });
}

pub fn restart_consume() {
    let topic = topic("crash", 2);
    send_numbers(&topic, 2, 4_000, &[]);
    let group = name("group");
    let consumer: BaseConsumer = config(&membership(&group, &[])).create().expect("a consumer");
    consumer.subscribe(&[&topic]).expect("a subscription");
    let mut seen = BTreeSet::new();
    let mut has_crashed = false;
    wait_until("all records are read over the crash", || {
        seen.extend(poll(&consumer, 50).iter().map(|record| record.text()));
        if seen.len() >= 1_500 && !has_crashed {
            consumer.commit_consumer_state(CommitMode::Sync).expect("a commit");
            kill_broker();
            has_crashed = true;
        }
        seen.len() >= 4_000
    });
    assert!(has_crashed, "the broker was never killed");
    consumer.commit_consumer_state(CommitMode::Sync).expect("a commit");
    for partition in 0..2 {
        let wanted = one(&topic, partition, Offset::Invalid);
        let committed = consumer.committed_offsets(wanted, WAIT).expect("an answer");
        assert_eq!(
            offset_in(&committed, &topic, partition),
            Offset::Offset(2_000),
            "committed of {partition}"
        );
    }
}
