//! Share groups (KIP-932), with Kafka's Java client. franz-go's own tests of its share consumer run beside (`cargo xtask foreign`).

use std::process::Command;

use crate::broker;
use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::Runtime;

/// What each story is about stands in tests/clients/java/src/Shares.java; and the seconds it may take.
const STORIES: &[(&str, u64)] = &[
    // What is polled is accepted by the next poll.
    ("implicit", 90),
    // Where it begins by time.
    ("by-time", 90),
    // Accepted, released up to the last delivery, rejected.
    ("explicit", 90),
    // A consumer that says nothing loses its records to another.
    ("lock-timeout", 90),
    // One that renews keeps them.
    ("renew", 120),
    // 5,000 records of one partition go to two consumers, each to one of them.
    ("two-consumers", 120),
    // What was accepted before a kill -9 never comes again; all else comes until it is.
    ("crashes", 240),
    // Records of aborted transactions, for those who ask for all and those who do not.
    ("committed", 90),
    // Some and all of the records that somebody has are deleted.
    ("deleted-records", 120),
    // A member goes with records in its hands.
    ("member-dies", 90),
    // Listed, described, set elsewhere, forgotten, deleted.
    ("groups", 120),
];

/// The stories of share groups.
pub fn suite() -> Suite {
    let cases = STORIES.iter().map(|(name, limit_s)| {
        Case::new(*name, *limit_s, move |context| {
            let words = broker::java(&context.runtimes.class_path(), "Shares");
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            driver::run(context, command, name).map(|_| ())
        })
    });
    Suite { name: "java-shares", needs: &[Runtime::Java], broker: BrokerUse::Shared, cases: cases.collect() }
}
