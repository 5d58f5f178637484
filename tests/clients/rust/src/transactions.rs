//! Transactions, the older way.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::Offset;

use crate::client::{Record, Sender, config, offset_in, one, poll, reader, topic};
use crate::groups::membership;
use crate::harness::{WAIT, name, wait_until};

/// The last record of a partition, without a transaction: who has read it has seen all before it.
const LAST: &str = "the last one";

fn open(part: &str, timeout_ms: &str) -> Sender {
    let sender = Sender::with(&[("transactional.id", &name(part)), ("transaction.timeout.ms", timeout_ms)]);
    sender.producer.init_transactions(WAIT).expect("the id is opened");
    sender
}

fn send(sender: &mut Sender, topic: &str, partition: i32, values: impl IntoIterator<Item = String>) {
    for value in values {
        sender.send(topic, &Record::of(partition, value));
    }
}

fn send_plainly(topic: &str, partition: i32, values: impl IntoIterator<Item = String>) {
    let mut sender = Sender::with(&[]);
    send(&mut sender, topic, partition, values);
    sender.confirmed();
}

/// All that a reader of this kind sees of a partition up to the last record.
fn everything(topic: &str, partition: i32, isolation: &str) -> Vec<String> {
    let consumer = reader(topic, partition + 1, &[("isolation.level", isolation)]);
    consumer.assign(&one(topic, partition, Offset::Beginning)).expect("one partition is assigned");
    let mut values = Vec::new();
    wait_until("the end is read", || {
        let found = poll(&consumer, 10_000);
        values.extend(found.iter().filter(|record| record.partition == partition).map(Record::text));
        values.iter().any(|value| value == LAST)
    });
    values.into_iter().take_while(|value| value != LAST).collect()
}

fn numbers(start: usize, end: usize) -> Vec<String> {
    (start..end).map(|n| n.to_string()).collect()
}

pub fn commit_and_abort() {
    let topic = topic("t", 3);
    let mut sender = open("p", "60000");
    let (mut expected, mut written) = (Vec::new(), Vec::new());
    for round in 0..20 {
        let values = numbers(round * 50, round * 50 + 50);
        sender.producer.begin_transaction().expect("it begins");
        for partition in 0..3 {
            send(&mut sender, &topic, partition, values.clone());
        }
        written.extend(values.clone());
        if round % 3 == 1 {
            sender.producer.flush(WAIT).expect("all is confirmed");
            sender.producer.abort_transaction(WAIT).expect("it is aborted");
        } else {
            sender.producer.commit_transaction(WAIT).expect("it is committed");
            expected.extend(values);
        }
    }
    sender.confirmed();
    for partition in 0..3 {
        send_plainly(&topic, partition, [LAST.to_string()]);
        assert!(
            everything(&topic, partition, "read_committed") == expected,
            "committed of partition {partition}"
        );
        assert!(everything(&topic, partition, "read_uncommitted") == written, "all of partition {partition}");
    }
}

pub fn offsets() {
    let topic = topic("t", 1);
    send_plainly(&topic, 0, numbers(0, 10));
    let sender = open("p", "60000");
    let group = name("g");
    let consumer: BaseConsumer = config(&membership(&group, &[])).create().expect("a consumer");
    consumer.subscribe(&[&topic]).expect("a subscription");
    wait_until("a record is read", || !poll(&consumer, 1).is_empty());
    let set = |offset: i64| {
        sender.producer.begin_transaction().expect("it begins");
        let member = consumer.group_metadata().expect("it is a member");
        let cursor = one(&topic, 0, Offset::Offset(offset));
        sender.producer.send_offsets_to_transaction(&cursor, &member, WAIT).expect("the cursor is taken");
    };
    let committed = || {
        let answer = consumer.committed_offsets(one(&topic, 0, Offset::Invalid), WAIT).expect("an answer");
        offset_in(&answer, &topic, 0)
    };
    set(4);
    sender.producer.abort_transaction(WAIT).expect("it is aborted");
    assert_eq!(committed(), Offset::Invalid, "the cursor after an abort");
    set(7);
    sender.producer.commit_transaction(WAIT).expect("it is committed");
    assert_eq!(committed(), Offset::Offset(7), "the cursor after a commit");
}

pub fn fenced() {
    let topic = topic("t", 1);
    let mut old = open("p", "60000");
    old.producer.begin_transaction().expect("it begins");
    send(&mut old, &topic, 0, ["of the old one".to_string()]);
    old.producer.flush(WAIT).expect("it is confirmed");
    let mut new = open("p", "60000");
    new.producer.begin_transaction().expect("it begins");
    send(&mut new, &topic, 0, ["of the new one".to_string()]);
    new.producer.commit_transaction(WAIT).expect("it is committed");
    let refused = old.producer.commit_transaction(WAIT).expect_err("a fenced producer has committed");
    println!("refused: {refused}");
    send_plainly(&topic, 0, [LAST.to_string()]);
    assert_eq!(everything(&topic, 0, "read_committed"), ["of the new one"]);
}

pub fn time_is_up() {
    let topic = topic("t", 1);
    let mut slow = open("p", "1000");
    slow.producer.begin_transaction().expect("it begins");
    send(&mut slow, &topic, 0, ["left open".to_string()]);
    slow.producer.flush(WAIT).expect("it is confirmed");
    // It is read when what was left open before it is aborted.
    send_plainly(&topic, 0, [LAST.to_string()]);
    assert_eq!(everything(&topic, 0, "read_committed"), Vec::<String>::new());
    let refused = slow.producer.commit_transaction(WAIT).expect_err("an aborted transaction was committed");
    println!("refused: {refused}");
}
