//! Compacted topics: of every key the last record stays, before, during and after compaction, and over crashes.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// A case, the seconds it may take, and whether librdkafka's driver tells it too.
const STORIES: &[(&str, u64, bool)] = &[
    // 5,000 records over 40 keys in every codec, every tenth of them a tombstone: at most 1,000 are left in time, and the last of every
    // key is among them, as it is after a kill -9, after more records and another one.
    ("newest-stay", 420, true),
    // 25 of 50 keys are deleted: in time neither their records nor the tombstones are left, nor after a kill -9.
    ("tombstones-go", 300, true),
    // 15,000 records over up to 70 keys, and five kills at random moments of the half minute after each fifth of them.
    ("killed-while-compacting", 420, true),
    // 60 transactions over 20 keys, of which each third is aborted: no aborted record is left, and none has replaced one.
    ("in-transactions", 240, false),
    // Of 6 MiB over 10 keys what lies behind the newest MiB is compacted, where only segment.bytes says so.
    ("by-segments", 240, false),
    // A topic that only deletes gets the other policy too, and what was written before is compacted.
    ("switched-on", 240, false),
    // A record without a key is refused, and one with a key is taken; nothing is deleted by hand.
    ("without-a-key", 60, true),
];

/// One suite per library.
pub fn suites() -> Vec<Suite> {
    let by_librdkafka = STORIES.iter().filter(|(_, _, told)| *told);
    vec![
        suite("compaction-java", &[Runtime::Java], STORIES.iter(), |runtimes| {
            java(&runtimes.class_path(), "Compaction")
        }),
        suite("compaction-confluent", &[Runtime::Python], by_librdkafka, |runtimes| {
            python(runtimes, &clients().join("python/compaction.py"))
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
