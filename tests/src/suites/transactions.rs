//! Transactions: Kafka's Java client, which goes the newer way (KIP-890), and librdkafka, which goes the older one.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// A case, the seconds it may take, and whether librdkafka's driver tells it too.
const STORIES: &[(&str, u64, bool)] = &[
    // 20 transactions over three partitions, every third aborted: readers of committed records see the others, all others see
    // everything; each took one offset more for its mark.
    ("commit-and-abort", 90, true),
    // Two open transactions and a record without one behind them: a reader of committed records stops before the first that is open,
    // waits there, and goes on when it ends.
    ("open-hides", 90, false),
    // Cursors set in a transaction that is aborted were never set; of one that commits they are, and whoever asks for a
    // stable one meanwhile waits. A member that has left sets none.
    ("offsets", 90, true),
    // Who opens a transactional id anew fences the one before, whose open transaction is aborted.
    ("fenced", 90, true),
    // A transaction that is left open is aborted when its time is up, and its producer cannot go on with it.
    ("time-is-up", 90, true),
    // Eight producers over the same four partitions at once, every second transaction aborted.
    ("many-ids", 120, false),
    // 6,000 records are copied with their cursors, in transactions, over four kill -9 of the broker: each is there once, in order.
    ("copy-over-crashes", 240, false),
];

/// One suite per library.
pub fn suites() -> Vec<Suite> {
    let by_librdkafka = || STORIES.iter().filter(|(_, _, told)| *told);
    let one = BrokerUse::Shared;
    // What a transaction spans lies on several of them.
    let several = BrokerUse::SharedWith(&["--shards-sync", "4"]);
    vec![
        suite("transactions-java", one, &[Runtime::Java], STORIES.iter(), java_client),
        suite("transactions-java-shards", several, &[Runtime::Java], STORIES.iter(), java_client),
        suite("transactions-confluent", one, &[Runtime::Python], by_librdkafka(), librdkafka),
        suite("transactions-confluent-shards", several, &[Runtime::Python], by_librdkafka(), librdkafka),
    ]
}

fn java_client(runtimes: &Runtimes) -> Command {
    java(&runtimes.class_path(), "Transactions")
}

fn librdkafka(runtimes: &Runtimes) -> Command {
    python(runtimes, &clients().join("python/transactions.py"))
}

fn suite(
    name: &'static str,
    broker: BrokerUse,
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
    Suite { name, needs, broker, cases: stories.map(case).collect() }
}
