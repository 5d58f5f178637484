//! Transactions. Kafka's Java client and franz-go go the newer way (KIP-890), librdkafka, kafka-python, aiokafka and kafkajs the older one.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// A case that the drivers know by this name.
struct Story {
    name: &'static str,
    /// Seconds that it may take.
    limit_s: u64,
    /// Whether all drivers tell it; else only those of the newer way.
    of_all: bool,
}

const fn story(name: &'static str, limit_s: u64, of_all: bool) -> Story {
    Story { name, limit_s, of_all }
}

const STORIES: &[Story] = &[
    // 20 transactions over three partitions, every third aborted: readers of committed records see the others, all others see
    // everything; each took one offset more for its mark.
    story("commit-and-abort", 90, true),
    // Two open transactions and a record without one behind them: a reader of committed records stops before the first that is open,
    // waits there, and goes on when it ends.
    story("open-hides", 90, false),
    // Cursors set in a transaction that is aborted were never set; of one that commits they are, and whoever asks for a
    // stable one meanwhile waits. A member that has left sets none.
    story("offsets", 90, true),
    // Who opens a transactional id anew fences the one before, whose open transaction is aborted.
    story("fenced", 90, true),
    // A transaction that is left open is aborted when its time is up, and its producer cannot go on with it.
    story("time-is-up", 90, true),
    // Eight producers over the same four partitions at once, every second transaction aborted.
    story("many-ids", 120, false),
    // 6,000 records are copied with their cursors, in transactions, over four kill -9 of the broker: each is there once, in order.
    story("copy-over-crashes", 240, false),
];

/// One suite per library.
pub fn suites() -> Vec<Suite> {
    let one = BrokerUse::Shared;
    // What a transaction spans lies on several of them.
    let several = BrokerUse::SharedWith(&["--shards-sync", "4"]);
    vec![
        suite("transactions-java", one, &[Runtime::Java], false, java_client),
        suite("transactions-java-shards", several, &[Runtime::Java], false, java_client),
        suite("transactions-franz", one, &[Runtime::Go], false, franz),
        suite("transactions-franz-shards", several, &[Runtime::Go], false, franz),
        suite("transactions-confluent", one, &[Runtime::Python], true, librdkafka),
        suite("transactions-confluent-shards", several, &[Runtime::Python], true, librdkafka),
        suite("transactions-kafka-python", one, &[Runtime::Python], true, |runtimes| {
            python(runtimes, &clients().join("python/kafka_python_transactions.py"))
        }),
        suite("transactions-rdkafka", one, &[Runtime::Rust], true, |runtimes| Command::new(runtimes.rust())),
        suite("transactions-aiokafka", one, &[Runtime::Python], true, |runtimes| {
            python(runtimes, &clients().join("python/aio_kafka_transactions.py"))
        }),
        suite("transactions-kafkajs", one, &[Runtime::Node], true, |runtimes| {
            let mut command = Command::new("node");
            command.arg(runtimes.node().join("transactions.js"));
            command
        }),
    ]
}

fn java_client(runtimes: &Runtimes) -> Command {
    java(&runtimes.class_path(), "Transactions")
}

fn franz(runtimes: &Runtimes) -> Command {
    Command::new(runtimes.go())
}

fn librdkafka(runtimes: &Runtimes) -> Command {
    python(runtimes, &clients().join("python/transactions.py"))
}

fn suite(
    name: &'static str,
    broker: BrokerUse,
    needs: &'static [Runtime],
    is_older_way: bool,
    command: fn(&Runtimes) -> Command,
) -> Suite {
    let case = |story: &'static Story| {
        Case::new(story.name, story.limit_s, move |context| {
            let command = command(context.runtimes);
            driver::run(context, command, story.name).map(|_| ())
        })
    };
    let told = STORIES.iter().filter(|story| story.of_all || !is_older_way);
    Suite { name, needs, broker, cases: told.map(case).collect() }
}
