//! Groups whose partitions the broker assigns (KIP-848, `group.protocol=consumer`): Kafka's Java client and librdkafka.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// A case, the seconds it may take, and whether librdkafka's driver tells it too.
const STORIES: &[(&str, u64, bool)] = &[
    // Up to four members come and leave while records flow: each record is seen, and no partition has two owners at once, by what
    // the listeners of rebalances noted.
    ("come-and-go", 120, true),
    // The same with the `range` assignor: equal numbers of two topics come to one member; and all are told which one is in force.
    ("assignors", 90, false),
    // A static member restarts: it has its partitions again, and the others heard of nothing. Meanwhile nobody else gets its name.
    ("static-bounce", 90, true),
    // A member reads by a pattern; a topic that is created later, and one that grows, come to it; a wrong pattern is an error.
    ("pattern", 90, false),
    // A member dies without a word; the others have its partitions when its session is over.
    ("dies", 150, true),
    // kill -9 of the broker, twice, in the middle: members go on with what they have, and every record is seen.
    ("over-crashes", 240, true),
    // Members and states as administrators see them; a group is not deleted while it has members; the other protocol is refused.
    ("administration", 90, false),
];

/// One suite per library.
pub fn suites() -> Vec<Suite> {
    let by_librdkafka = STORIES.iter().filter(|(_, _, told)| *told);
    vec![
        suite("assigned-java", &[Runtime::Java], STORIES.iter(), |runtimes| {
            java(&runtimes.class_path(), "Assigned")
        }),
        suite("assigned-confluent", &[Runtime::Python], by_librdkafka, |runtimes| {
            python(runtimes, &clients().join("python/assigned.py"))
        }),
    ]
}

fn suite(
    name: &'static str,
    needs: &'static [Runtime],
    stories: impl Iterator<Item = &'static (&'static str, u64, bool)>,
    command: fn(&Runtimes) -> Command,
) -> Suite {
    let case = |(name, limit_s, _): &'static (&'static str, u64, bool)| {
        Case::new(*name, *limit_s, move |context| {
            let command = command(context.runtimes);
            driver::run(context, command, name).map(|_| ())
        })
    };
    Suite { name, needs, broker: BrokerUse::Shared, cases: stories.map(case).collect() }
}
