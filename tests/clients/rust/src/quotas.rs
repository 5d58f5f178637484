//! What librdkafka's Rust face makes of a quota: it waits and loses nothing. The library does not hand throttle times on.

use std::time::{Duration, Instant};

use crate::client::{Record, Sender, read, topic};
use crate::harness::name;

/// Ten seconds' worth may come at once, by the quota of tests/src/suites/quotas.rs; so much takes twice that time.
const TOTAL: usize = 4_000_000;
const RECORD: usize = 5_000;
/// What the quota alone must make it last, with room for the last request of all. However slow the machine is, it lasts no shorter.
const LEAST: Duration = Duration::from_secs(5);

fn value(n: usize) -> Vec<u8> {
    let mut value = format!("{n} ").into_bytes();
    value.resize(RECORD, b'v');
    value
}

pub fn publishes() {
    let topic = topic("held", 1);
    let mut sender = Sender::with(&[("client.id", &name("rdkafka")), ("batch.size", "50000")]);
    let begun = Instant::now();
    for n in 0..TOTAL / RECORD {
        sender.send(&topic, &Record::of(0, value(n)));
    }
    sender.confirmed();
    let took = begun.elapsed();
    assert!(took >= LEAST, "{TOTAL} bytes were published in {took:?}");
    let found = read(&topic, 1, TOTAL / RECORD);
    assert_eq!(found.len(), TOTAL / RECORD, "records");
    for (n, record) in found.iter().enumerate() {
        assert!(record.value.as_ref() == Some(&value(n)), "record {n} is another");
    }
}
