//! The tests of client libraries that their own authors wrote, unchanged, against a running broker: `--foreign`.
//!
//! Each suite has a list of the tests that do not pass, with the reason (tests/foreign/*/expected.txt); every other
//! test has to pass. docs/foreign-suites.md says what ran and what came of it.

mod verdicts;

use std::path::Path;
use std::process::Command;

use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver;
use crate::ensure;
use crate::runtime::Runtime;
use verdicts::{Expected, Verdicts};

/// Seconds that each may take; a third of that is what they need on two busy cores.
const LIMIT_S: u64 = 600;
/// Records in each of the long tests of franz-go, so that a run takes minutes.
const RECORDS: &str = "20000";

/// All of them.
pub fn suites() -> Vec<Suite> {
    vec![
        Suite {
            name: "foreign-franz-go",
            needs: &[Runtime::FranzGoTests],
            broker: BrokerUse::Shared,
            cases: vec![Case::new("kgo", LIMIT_S, kgo)],
        },
        Suite {
            name: "foreign-kafka-python",
            needs: &[Runtime::KafkaPythonTests],
            // As kafka-python starts its own broker.
            broker: BrokerUse::SharedAs {
                forebay: &[
                    "--node-id=0",
                    "--topic-partitions=4",
                    "--group-session-timeout-min=1s",
                    "--authorization=acl",
                    "--allow-everyone-if-no-acl-found",
                    "--super-users=User:ANONYMOUS",
                ],
                kafka: &[
                    "node.id=0",
                    "num.partitions=4",
                    "group.min.session.timeout.ms=1000",
                    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                    "allow.everyone.if.no.acl.found=true",
                    "super.users=User:ANONYMOUS",
                ],
            },
            cases: vec![Case::new("integration", LIMIT_S, integration)],
        },
    ]
}

/// franz-go's package kgo. Some of its tests read its sources, so they run where these lie.
fn kgo(context: &mut Context) -> Outcome {
    let home = context.runtimes.foreign("franz-go");
    let mut list = Command::new("go");
    list.args(["list", "-mod=readonly", "-f", "{{.Dir}}", "github.com/twmb/franz-go/pkg/kgo"]);
    let sources = driver::output(context, list.current_dir(&home), b"")?.out;
    let mut tests = Command::new(home.join("kgo.test"));
    tests
        .args(["-test.v", &format!("-test.timeout={LIMIT_S}s")])
        .current_dir(String::from_utf8_lossy(&sources).trim())
        .env("KGO_SEEDS", context.broker().address().to_string())
        .env("KGO_TEST_RF", "1")
        .env("KGO_TEST_RECORDS", RECORDS)
        .env("KGO_LOG_LEVEL", "none");
    judge(context, tests, "franz-go", verdicts::of_go)
}

/// kafka-python's folder test/integration.
fn integration(context: &mut Context) -> Outcome {
    let home = context.runtimes.foreign("kafka-python");
    let mut tests = Command::new(home.join("venv/bin/python"));
    tests
        .args(["-m", "pytest", "test/integration", "-v", "--show-capture=no", "--timeout-method=signal"])
        .args(["--timeout=90", "-p", "no:cacheprovider"])
        .current_dir(home.join("sources"))
        .env("KAFKA_URI", format!("kafka://{}", context.broker().address()))
        .env("KAFKA_VERSION", "4.3")
        // Where it would find Kafka's own scripts, were it to start a broker.
        .env("KAFKA_ROOT", &context.dir);
    judge(context, tests, "kafka-python", verdicts::of_pytest)
}

/// Runs the tests to their end and holds how each ended against the list.
fn judge(context: &mut Context, mut tests: Command, name: &str, read: fn(&str) -> Verdicts) -> Outcome {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name).join("expected.txt");
    let expected = Expected::parse(&std::fs::read_to_string(file)?, context.kind).map_err(Failure::new)?;
    let said = driver::to_the_end(context, &mut tests, b"")?;
    let out = String::from_utf8_lossy(&said.out).into_owned();
    // Both runners end with 1 where tests failed, and with another code where they broke off.
    ensure!(matches!(said.status.code(), Some(0 | 1)), "it ended with {}\n{out}\n{}", said.status, said.err);
    let verdicts = read(&out);
    let surprises = expected.surprises(&verdicts);
    ensure!(surprises.is_empty(), "{}\n{out}\n{}", surprises.join("\n"), said.err);
    context.remarks.push(verdicts.counted());
    Ok(())
}
