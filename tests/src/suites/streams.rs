//! Kafka Streams with exactly_once_v2: what it counts is counted once, whoever dies meanwhile.
//!
//! Streams makes the topics between its steps and behind its stores by itself: with `segment.bytes`, and compacted.

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::Runtime;
use crate::suites::clients::java;

/// A case, and the seconds it may take.
const STORIES: &[(&str, u64)] = &[
    // 100,000 flights and their delays are summed up by carrier, route and week, over a topic in between and stores with
    // changelogs, by two instances in processes of their own. The broker is killed three times, and the instances, one by one and together, in between.
    // Every flight is one record of the output, which has to count up one by one to the sums that were computed without a broker.
    // What was read of the topic in between is deleted, and the topics that Streams has made are set up as it wanted.
    ("flights-over-crashes", 400),
    // 30,000 changes of 300 keys go into a table, of which a fifth is deleted at the end. When its changelog is compacted, the instance and its
    // files are gone and the broker was killed, another one restores the table from fewer than 10,000 records, and it is the same.
    ("table-from-a-compacted-changelog", 400),
    // The same small application by the protocol of groups that is Streams' own (KIP-1071), and by the classic one. Where the broker does not
    // offer the first, the application is told so at once instead of waiting; by the second it then does its work.
    ("by-its-own-protocol", 180),
];

/// The stories of Kafka Streams.
pub fn suite() -> Suite {
    let case = |(name, limit_s): &'static (&'static str, u64)| {
        Case::new(*name, *limit_s, move |context| {
            let flights = context.runtimes.flights()?;
            let mut command = java(&context.runtimes.class_path(), "Streams");
            command.env("FLIGHTS", flights);
            let said = driver::run(context, command, name)?;
            context.remarks.extend(said.into_iter().filter(|line| line.starts_with("streams:")));
            Ok(())
        })
    };
    Suite {
        name: "java-streams",
        needs: &[Runtime::Java, Runtime::Python],
        broker: BrokerUse::Shared,
        cases: STORIES.iter().map(case).collect(),
    }
}
