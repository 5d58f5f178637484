//! Groups whose partitions the broker assigns (KIP-848, `group.protocol=consumer`): Kafka's Java client, librdkafka, also by its Rust
//! face, and franz-go.
//!
//! What each case does is written here; the drivers in tests/clients/ say it in their library's words.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::{java, python};

/// Who beside Java's driver tells a case.
type Told = &'static [Teller];

/// A driver beside Java's.
#[derive(Clone, Copy, PartialEq)]
enum Teller {
    Confluent,
    Franz,
    Rdkafka,
}

const ALL: Told = &[Teller::Confluent, Teller::Franz, Teller::Rdkafka];
const MOST: Told = &[Teller::Confluent, Teller::Franz];
const CONFLUENT: Told = &[Teller::Confluent];
const NONE: Told = &[];

/// A case, the seconds it may take, and who tells it beside Java's driver.
const STORIES: &[(&str, u64, Told)] = &[
    // Up to four members come and leave while records flow: each record is seen, and no partition has two owners at once, by what
    // the listeners of rebalances noted.
    ("come-and-go", 120, ALL),
    // The same with the `range` assignor: equal numbers of two topics come to one member; and all are told which one is in force.
    ("assignors", 90, NONE),
    // A static member restarts: it has its partitions again, and the others heard of nothing. Meanwhile nobody else gets its name. franz-go
    // 1.22.2 leaves without its name in the heartbeat, which Apache Kafka refuses as well, so it cannot come back before its session is over.
    ("static-bounce", 90, CONFLUENT),
    // A member reads by a pattern; a topic that is created later, and one that grows, come to it; a wrong pattern is an error.
    ("pattern", 90, NONE),
    // A member dies without a word; the others have its partitions when its session is over.
    ("dies", 150, MOST),
    // A process stops in the middle of its work and its sockets stay open: others have its partitions when its session is over, its
    // transaction is aborted when its time is up, and its record of a share group comes to somebody else when its lock ends. When it
    // goes on it is too late for it to commit.
    ("vanishes", 150, NONE),
    // kill -9 of the broker, twice, in the middle: members go on with what they have, and every record is seen.
    ("over-crashes", 240, ALL),
    // Members and states as administrators see them; a group is not deleted while it has members.
    ("administration", 90, NONE),
    // Classic members are replaced one by one by native ones while records flow, and these by classic ones: each record is seen, and
    // no partition has two owners at once. Once with an assignor that gives up everything first, once with one that does not.
    ("migrates-eager", 240, CONFLUENT),
    ("migrates-cooperative", 240, CONFLUENT),
    // The same with kill -9 of the broker in the middle, on both ways.
    ("migrates-over-crashes", 300, NONE),
    // Static members change their protocol under their names and keep what they have.
    ("migrates-static", 180, NONE),
    // A group whose assignor says something of its own to its members is not found by the other protocol, and goes on.
    ("unmigratable", 90, NONE),
    // The settings of such groups are kept and shown; what is out of range is refused.
    ("settings", 60, NONE),
];

/// Both libraries in one group. Where librdkafka leads the classic members Apache Kafka refuses the first native one: it takes what
/// members said of themselves, and the leader repeats, for data of an assignor's own.
const MIXED: &[(&str, u64, Told)] = &[
    // Members of both are replaced one by one, from the classic protocol to the new one and back, with kill -9 of the broker in the
    // middle: each record is seen, and no partition has two owners at once.
    ("migrates-with-java", 300, NONE),
];

/// One suite per library, and one with both.
pub fn suites() -> Vec<Suite> {
    let by = |teller: Teller| STORIES.iter().filter(move |(_, _, told)| told.contains(&teller));
    vec![
        suite("assigned-java", &[Runtime::Java], STORIES.iter(), |runtimes| {
            java(&runtimes.class_path(), "Assigned")
        }),
        suite("assigned-confluent", &[Runtime::Python], by(Teller::Confluent), |runtimes| {
            python(runtimes, &clients().join("python/assigned.py"))
        }),
        suite("assigned-franz", &[Runtime::Go], by(Teller::Franz), |runtimes| {
            assigned(Command::new(runtimes.go()))
        }),
        suite("assigned-rdkafka", &[Runtime::Rust], by(Teller::Rdkafka), |runtimes| {
            assigned(Command::new(runtimes.rust()))
        }),
        suite("assigned-mixed", &[Runtime::Python, Runtime::Java], MIXED.iter(), |runtimes| {
            let mut command = python(runtimes, &clients().join("python/assigned.py"));
            command.env("JAVA_CLASS_PATH", runtimes.class_path());
            command
        }),
    ]
}

/// These drivers tell other stories by some of the names as well.
fn assigned(mut driver: Command) -> Command {
    driver.arg("assigned");
    driver
}

fn suite(
    name: &'static str,
    needs: &'static [Runtime],
    stories: impl Iterator<Item = &'static (&'static str, u64, Told)>,
    command: fn(&Runtimes) -> Command,
) -> Suite {
    let case = |(name, limit_s, _): &'static (&'static str, u64, Told)| {
        Case::new(*name, *limit_s, move |context| {
            let command = command(context.runtimes);
            driver::run(context, command, name).map(|_| ())
        })
    };
    Suite { name, needs, broker: BrokerUse::Shared, cases: stories.map(case).collect() }
}
