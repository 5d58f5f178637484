//! Administration as the Java client asks for it. The other libraries have parts of it, in other words for the same requests.

use std::process::Command;

use crate::broker;
use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::Runtime;

/// What each story is about stands in tests/clients/java/src/Administration.java; and the seconds it may take.
const STORIES: &[(&str, u64)] = &[
    // Set, taken back, appended, checked, refused; two that do not undo each other; after a crash.
    ("settings", 90),
    // What applies to topics that set nothing, changed while they are there; after a crash.
    ("settings-of-all-nodes", 90),
    // What is stored already goes when its topic keeps less.
    ("lowered-retention", 90),
    // Up to an offset, to the end, and behind it.
    ("delete-records", 90),
    // Of topics that are read, and of others.
    ("delete-offsets", 90),
    ("log-dirs", 60),
    // Elections and reassignments.
    ("replicas", 60),
    ("producers", 60),
    ("config-resources", 60),
    // Who keeps the catalogue's log.
    ("quorum", 60),
    ("features", 60),
    // Set, found, taken back, after a crash.
    ("quotas", 90),
    // 45 MB at 1 MB/s.
    ("quota-of-a-producer", 150),
    ("quota-of-a-consumer", 90),
    ("quota-of-work", 90),
];

/// The stories of administration.
pub fn suite() -> Suite {
    let cases = STORIES.iter().map(|(name, limit_s)| {
        Case::new(*name, *limit_s, move |context| {
            let words = broker::java(&context.runtimes.class_path(), "Administration");
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            driver::run(context, command, name).map(|_| ())
        })
    });
    Suite { name: "java-admin", needs: &[Runtime::Java], broker: BrokerUse::Shared, cases: cases.collect() }
}
