//! The client libraries: one driver program each, the same cases for all of them.
//!
//! What each case does is written once, here; the drivers in tests/clients/ say it in their library's words.

use std::path::Path;
use std::process::Command;

use crate::broker;
use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};

/// A case that every driver knows by this name, and the seconds it may take.
struct Story {
    name: &'static str,
    limit_s: u64,
}

const fn story(name: &'static str, limit_s: u64) -> Story {
    Story { name, limit_s }
}

const STORIES: &[Story] = &[
    // 300 records with every shape of key, value and header, uncompressed and compressed, come back as they were:
    // keys null, empty and binary; values null, empty and long; headers twice under one name, with null and
    // empty values; the producer's timestamps.
    story("roundtrip-none", 60),
    story("roundtrip-gzip", 60),
    story("roundtrip-snappy", 60),
    story("roundtrip-lz4", 60),
    story("roundtrip-zstd", 60),
    // One record of 5 MiB between small ones.
    story("large-record", 90),
    // 20,000 records over three partitions stay in order within each.
    story("many-small", 90),
    // What was sent with each acknowledgement mode is all there.
    story("acks-0", 60),
    story("acks-1", 60),
    story("acks-all", 60),
    // 5,000 records by an idempotent producer with five requests in flight: each once, in order.
    story("idempotent", 60),
    // The first offset at or after a time; none after the last.
    story("offsets-for-times", 60),
    // To the beginning, to the end, to an offset.
    story("seek", 60),
    // The first record makes its topic.
    story("auto-create", 60),
    // Create, list, describe, configurations, refuse a second create, more partitions, delete.
    story("admin", 90),
    // A second consumer goes on where the first one committed.
    story("group-resume", 90),
    // A second member joins and leaves while records flow; nothing is missed.
    story("rebalance", 120),
    // A member dies without leaving; the other takes over after the session's timeout; nothing is missed.
    story("member-dies", 120),
    // As rebalance, incrementally: the first member keeps what it keeps.
    story("cooperative", 120),
    // A member with an instance id comes back to its partitions without a rebalance.
    story("static-member", 120),
    // kill -9 in the middle of producing with idempotence: nothing lost, nothing twice, all in order.
    story("restart-idempotent", 180),
    // The same without idempotence: nothing lost.
    story("restart-plain", 180),
    // kill -9 in the middle of a group's consuming: it goes on, and misses nothing.
    story("restart-consume", 180),
];

/// One suite per library.
pub fn suites() -> Vec<Suite> {
    vec![
        suite("java", &[Runtime::Java], &[], |runtimes| java(&runtimes.class_path(), "Stories")),
        suite("go-franz", &[Runtime::Go], &[], |runtimes| Command::new(runtimes.go())),
        suite("rust-rdkafka", &[Runtime::Rust], &[], |runtimes| Command::new(runtimes.rust())),
        suite("node-kafkajs", &[Runtime::Node], &["cooperative", "static-member"], |runtimes| {
            let mut command = Command::new("node");
            command.arg(runtimes.node().join("driver.js"));
            command
        }),
        suite("python-kafka", &[Runtime::Python], &[], |runtimes| {
            python(runtimes, &clients().join("python/kafka_python.py"))
        }),
        suite("python-aiokafka", &[Runtime::Python], &["cooperative"], |runtimes| {
            python(runtimes, &clients().join("python/aio_kafka.py"))
        }),
        suite("python-confluent", &[Runtime::Python], &[], |runtimes| {
            python(runtimes, &clients().join("python/confluent.py"))
        }),
    ]
}

/// `lacks` names the stories that tell of something this library does not have.
fn suite(
    name: &'static str,
    needs: &'static [Runtime],
    lacks: &'static [&'static str],
    command: fn(&Runtimes) -> Command,
) -> Suite {
    let cases = STORIES
        .iter()
        .filter(|story| !lacks.contains(&story.name))
        .map(|story| {
            Case::new(story.name, story.limit_s, move |context| {
                let command = command(context.runtimes);
                driver::run(context, command, story.name).map(|_| ())
            })
        })
        .collect();
    Suite { name, needs, broker: BrokerUse::Shared, cases }
}

/// A Java program, told to start quickly rather than to run for days.
pub(super) fn java(class_path: &str, class: &str) -> Command {
    let words = broker::java(class_path, class);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

pub(super) fn python(runtimes: &Runtimes, script: &Path) -> Command {
    let mut command = Command::new(runtimes.python());
    command.arg("-u").arg(script);
    command
}
