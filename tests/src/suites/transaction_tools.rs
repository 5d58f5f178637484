//! Kafka's own tools around transactions: what copies, measures and looks after them.

use std::process::Command;

use crate::background::Background;
use crate::broker::{self, Kind};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::ensure;
use crate::runtime::Runtime;
use crate::suites::tools::{create, field, is, last_line, name, start, text, tool};

/// The cases with Kafka's tools that write in transactions, or look at them.
pub fn suite() -> Suite {
    Suite {
        name: "kafka-transaction-tools",
        needs: &[Runtime::Java],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("message-copier-over-a-crash", 240, |context| copied(context, &[])),
            Case::new("message-copier-in-a-group-over-a-crash", 240, |context| {
                copied(context, &["--group-mode", "--use-group-metadata"])
            }),
            Case::new("producer-performance-in-transactions", 90, performance),
            Case::new("transactions-command", 180, transactions_command),
            Case::new("verifiable-consumer-that-commits-by-itself", 120, |context| {
                commits_by_itself(context, "classic")
            }),
            Case::new("verifiable-consumer-of-the-newer-protocol-that-commits-by-itself", 120, |context| {
                commits_by_itself(context, "consumer")
            }),
        ],
    }
}

/// TransactionalMessageCopier, which aborts now and then, copies what VerifiableProducer wrote, while the broker dies: each is there once, in
/// order.
fn copied(context: &mut Context, more: &[&str]) -> Outcome {
    const RECORDS: usize = 3_000;
    const BEFORE: u64 = 600;
    let (from, to) = (name(context, "from"), name(context, "to"));
    let (group, id) = (name(context, "group"), name(context, "copier"));
    create(context, &from, "1")?;
    create(context, &to, "1")?;
    let count = RECORDS.to_string();
    let produce = ["--topic", &from, "--max-messages", &count, "--acks", "-1"];
    let said = text(&tool(context, "VerifiableProducer", &produce, "")?);
    ensure!(said.contains(&format!("\"acked\":{RECORDS}")), "the producer ended with {}", last_line(&said));

    let words = ["--input-topic", &from, "--input-partition", "0", "--output-topic", &to];
    let ids = ["--consumer-group", &group, "--transactional-id", &id];
    let how = ["--transaction-size", "20", "--enable-random-aborts"];
    let mut copier = copier(context, &[&words[..], &ids, &how, more].concat())?;
    copier.wait_for(context, "it has copied some", |line| {
        number(line, "totalProcessed").is_some_and(|copied| copied >= BEFORE)
    })?;
    context.broker().crash_and_recover()?;
    let status = copier.wait(context)?;
    ensure!(status.success(), "the copier ended with {status}:\n{}", copier.said().join("\n"));

    let values = committed(context, &to)?;
    let sent: Vec<String> = (0..RECORDS).map(|value| value.to_string()).collect();
    ensure!(values == sent, "{} values were copied, or in another order", values.len());
    Ok(())
}

/// It names its brokers otherwise than all other tools.
fn copier(context: &mut Context, args: &[&str]) -> Result<Background, Failure> {
    const CLASS: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
    let words = broker::java(&context.runtimes.class_path(), CLASS);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("--broker-list").arg(context.broker().address().to_string()).args(args);
    Background::start("TransactionalMessageCopier", &mut command)
}

/// A number in what the copier says.
fn number(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// All values that a reader of committed records gets until nothing comes any more.
fn committed(context: &mut Context, topic: &str) -> Result<Vec<String>, Failure> {
    let words = ["--topic", topic, "--from-beginning", "--timeout-ms", "5000"];
    let words = [&words[..], &["--isolation-level", "read_committed"]].concat();
    let said = text(&tool(context, "consumer.ConsoleConsumer", &words, "")?);
    Ok(said.lines().map(String::from).collect())
}

fn performance(context: &mut Context) -> Outcome {
    const RECORDS: usize = 20_000;
    let (topic, id) = (name(context, "performance"), name(context, "performer"));
    create(context, &topic, "2")?;
    let count = RECORDS.to_string();
    let words = ["--topic", &topic, "--num-records", &count, "--record-size", "100", "--throughput", "20000"];
    let transactions = ["--transactional-id", &id, "--transaction-duration-ms", "50"];
    let said = text(&tool(context, "ProducerPerformance", &[&words[..], &transactions].concat(), "")?);
    ensure!(last_line(&said).starts_with(&format!("{RECORDS} records sent")), "the producer said:\n{said}");
    let read = committed(context, &topic)?.len();
    ensure!(read == RECORDS, "{read} of {RECORDS} are committed");
    let listed = text(&tool(context, COMMAND, &["list"], "")?);
    let state = row(&listed, &id).and_then(|row| row.get(3).cloned());
    ensure!(state.as_deref() == Some("CompleteCommit"), "{id} is {state:?}:\n{listed}");
    context.remarks.push(last_line(&said).split(", ").nth(1).unwrap_or_default().to_string());
    Ok(())
}

const COMMAND: &str = "TransactionsCommand";

/// The words of a table's row in which this word stands.
fn row(table: &str, word: &str) -> Option<Vec<String>> {
    let mut rows = table.lines().map(|line| line.split_whitespace().map(String::from).collect::<Vec<_>>());
    rows.find(|row| row.iter().any(|found| found == word))
}

/// A transaction that is open: listed, described, not hanging, and ended by force.
fn transactions_command(context: &mut Context) -> Outcome {
    let (topic, id) = (name(context, "open"), name(context, "opener"));
    create(context, &topic, "1")?;
    let words = ["--topic", &topic, "--num-records", "1000000", "--record-size", "100", "--throughput", "50"];
    let transactions = ["--transactional-id", &id, "--transaction-duration-ms", "600000"];
    let _open = start(context, "ProducerPerformance", &[&words[..], &transactions].concat())?;
    let describe = ["describe", "--transactional-id", &id];
    // Before its producer has begun, nobody knows of it.
    while !described(context, &describe).is_ok_and(|said| said.contains("Ongoing")) {
        ensure!(!context.left().is_zero(), "the transaction does not begin");
    }
    let said = described(context, &describe)?;
    ensure!(said.contains(&format!("{topic}-0")), "described as:\n{said}");
    let listed = described(context, &["list"])?;
    let row_of_it = row(&listed, &id).unwrap_or_default();
    ensure!(row_of_it.get(3).is_some_and(|state| state == "Ongoing"), "listed as:\n{listed}");
    let producer = row_of_it[2].clone();

    let of_partition = ["describe-producers", "--topic", &topic, "--partition", "0"];
    let producers = described(context, &of_partition)?;
    let begins = row(&producers, &producer).and_then(|row| row.get(5).cloned());
    ensure!(begins.as_deref() == Some("0"), "its transaction begins at {begins:?}:\n{producers}");
    let hanging = described(context, &["find-hanging", "--broker-id", "1"])?;
    ensure!(row(&hanging, &topic).is_none(), "what its coordinator knows hangs:\n{hanging}");

    // Marks are never written beside the coordinator: there is no transaction of which it does not know.
    if matches!(context.kind, Kind::Forebay { .. }) {
        let abort = ["abort", "--topic", &topic, "--partition", "0", "--start-offset", "0"];
        ensure!(tool(context, COMMAND, &abort, "").is_err(), "a mark was written by hand");
        let said = described(context, &describe)?;
        ensure!(said.contains("Ongoing"), "the refusal ended it:\n{said}");
    }
    described(context, &["forceTerminateTransaction", "--transactionalId", &id])?;
    let said = described(context, &describe)?;
    ensure!(!said.contains("Ongoing"), "it was not ended:\n{said}");
    let read = committed(context, &topic)?;
    ensure!(read.is_empty(), "{} records of it are committed", read.len());
    Ok(())
}

fn described(context: &mut Context, args: &[&str]) -> Result<String, Failure> {
    tool(context, COMMAND, args, "").map(|said| text(&said))
}

/// What the consumer commits by itself as it leaves is where the next one goes on, by either protocol of groups.
fn commits_by_itself(context: &mut Context, protocol: &str) -> Outcome {
    let (topic, group) = (name(context, "automatic"), name(context, "group"));
    create(context, &topic, "1")?;
    for (prefix, count) in [("1", "2000"), ("2", "300")] {
        let produce = ["--topic", &topic, "--max-messages", count, "--acks", "-1", "--value-prefix", prefix];
        tool(context, "VerifiableProducer", &produce, "")?;
        let consume = ["--topic", &topic, "--group-id", &group, "--reset-policy", "earliest", "--verbose"];
        let how = ["--enable-autocommit", "--group-protocol", protocol, "--max-messages", count];
        let said = text(&tool(context, "VerifiableConsumer", &[&consume[..], &how].concat(), "")?);
        let values =
            said.lines().filter(|line| is(line, "record_data")).filter_map(|line| field(line, "value"));
        let values: Vec<String> = values.collect();
        let (found, of_it) = (values.len(), values.iter().filter(|value| value.starts_with(prefix)).count());
        ensure!(found.to_string() == count && of_it == found, "{found} were read, {of_it} of them new");
    }
    Ok(())
}
