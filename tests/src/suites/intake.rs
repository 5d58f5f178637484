//! What topics take in: timestamps near the clock, and batches compressed as the topic says; and two questions of administration that
//! have one answer each.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// A case, the seconds it may take, and whether librdkafka's driver tells it too.
const STORIES: &[(&str, u64, bool)] = &[
    // Records dated an hour ahead are refused unless the topic says otherwise, early ones where it does; nothing of their batch is stored.
    ("timestamps", 90, true),
    // Five codecs written to five topics that store by another one each, over a kill -9; a topic that changes its mind; a transaction.
    ("compressed-anew", 180, false),
    // A batch that is too large as it would be stored is refused, although it fits as it came.
    ("compressed-too-large", 60, true),
    // Partitions lie in the one directory, and are put nowhere else.
    ("one-directory", 60, false),
    // Transactions by a pattern that their ids match as a whole.
    ("listed-by-pattern", 60, false),
];

/// One suite per library.
pub fn suites() -> Vec<Suite> {
    let by_librdkafka = STORIES.iter().filter(|(_, _, told)| *told);
    vec![
        suite("intake-java", &[Runtime::Java], STORIES.iter(), |runtimes| {
            java(&runtimes.class_path(), "Intake")
        }),
        suite("intake-confluent", &[Runtime::Python], by_librdkafka, |runtimes| {
            python(runtimes, &clients().join("python/intake.py"))
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
