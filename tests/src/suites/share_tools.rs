//! Kafka's own tools for share groups.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;

use crate::background::Background;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::ensure;
use crate::runtime::Runtime;
use crate::suites::tools::{create, is, last_line, name, start, text, tool};

/// The cases with Kafka's tools that share, and those that look after who shares.
pub fn suite() -> Suite {
    Suite {
        name: "kafka-share-tools",
        needs: &[Runtime::Java],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("console-share-consumer", 180, console),
            Case::new("share-group-command", 240, command),
            Case::new("verifiable-share-consumers-of-which-one-is-killed", 300, verifiable),
            Case::new("share-consumer-performance", 120, performance),
        ],
    }
}

const COMMAND: &str = "consumer.group.ShareGroupCommand";

/// A group that begins with the oldest record.
fn group(context: &mut Context) -> Result<String, Failure> {
    let group = name(context, "sharers");
    let which = ["--entity-type", "groups", "--entity-name", &group, "--alter"];
    let set = [&which[..], &["--add-config", "share.auto.offset.reset=earliest"]].concat();
    tool(context, "kafka.admin.ConfigCommand", &set, "")?;
    Ok(group)
}

/// What the console consumer prints, until so many records came or none for some seconds.
fn share(context: &mut Context, topic: &str, group: &str, args: &[&str]) -> Result<String, Failure> {
    let words = ["--topic", topic, "--group", group];
    let said = tool(context, "consumer.ConsoleShareConsumer", &[&words[..], args].concat(), "")?;
    Ok(text(&said))
}

/// Accepted and rejected records are gone, a released one comes again and is counted.
fn console(context: &mut Context) -> Outcome {
    let topic = name(context, "console");
    create(context, &topic, "1")?;
    let group = group(context)?;
    tool(context, "ConsoleProducer", &["--topic", &topic], "a\nb\nc\n")?;
    let three = ["--max-messages", "3", "--timeout-ms", "30000"];
    let one = ["--max-messages", "1", "--timeout-ms", "30000"];
    let accepted = share(context, &topic, &group, &three)?;
    ensure!(accepted == "a\nb\nc\n", "the consumer said {accepted:?}");
    tool(context, "ConsoleProducer", &["--topic", &topic], "d\n")?;
    let rejected = share(context, &topic, &group, &[&one[..], &["--reject"]].concat())?;
    ensure!(rejected == "d\n", "the consumer said {rejected:?}");
    tool(context, "ConsoleProducer", &["--topic", &topic], "e\n")?;
    let counted = [&three[..], &["--release", "--formatter-property", "print.delivery=true"]].concat();
    let released = share(context, &topic, &group, &counted)?;
    let counts = "Delivery:1\te\nDelivery:2\te\nDelivery:3\te\n";
    ensure!(released == counts, "the consumer said {released:?}");
    let accepted = share(context, &topic, &group, &one)?;
    ensure!(accepted == "e\n", "the consumer said {accepted:?}");
    let left = share(context, &topic, &group, &["--timeout-ms", "3000"])?;
    ensure!(left.is_empty(), "these were done with: {left:?}");
    Ok(())
}

/// Where the group is in partition 0: its start offset and its lag.
fn described(context: &mut Context, group: &str) -> Result<Vec<String>, Failure> {
    let said = text(&tool(context, COMMAND, &["--describe", "--group", group], "")?);
    let row = said.lines().find(|line| line.starts_with(group)).unwrap_or_default();
    Ok(row.split_whitespace().skip(2).map(String::from).collect())
}

fn command(context: &mut Context) -> Outcome {
    let topic = name(context, "command");
    create(context, &topic, "1")?;
    let group = group(context)?;
    let lines: String = (0..10).map(|i| format!("{i}\n")).collect();
    tool(context, "ConsoleProducer", &["--topic", &topic], &lines)?;
    share(context, &topic, &group, &["--max-messages", "10", "--timeout-ms", "30000"])?;
    tool(context, "ConsoleProducer", &["--topic", &topic], "x\ny\nz\n")?;

    let listed = text(&tool(context, COMMAND, &["--list"], "")?);
    ensure!(listed.lines().any(|line| line == group), "not listed:\n{listed}");
    let listed = text(&tool(context, "GroupsCommand", &["--list", "--share"], "")?);
    ensure!(listed.lines().any(|line| line.starts_with(&group)), "not listed:\n{listed}");
    let state = text(&tool(context, COMMAND, &["--describe", "--state", "--group", &group], "")?);
    let row = state.lines().find(|line| line.starts_with(&group)).unwrap_or_default();
    ensure!(row.contains("Empty") && row.ends_with(" 0"), "its state:\n{state}");
    let found = described(context, &group)?;
    ensure!(found == ["0", "10", "3"], "described as (partition, start, lag): {found:?}");

    let reset = ["--reset-offsets", "--execute", "--group", &group, "--topic", &topic, "--to-earliest"];
    tool(context, COMMAND, &reset, "")?;
    let found = described(context, &group)?;
    ensure!(found == ["0", "0", "13"], "described as (partition, start, lag): {found:?}");
    let all = share(context, &topic, &group, &["--max-messages", "13", "--timeout-ms", "30000"])?;
    ensure!(all == format!("{lines}x\ny\nz\n"), "from the beginning came {all:?}");

    // A group that nobody was ever in is told where to begin.
    let new = name(context, "newcomers");
    let reset = ["--reset-offsets", "--execute", "--group", &new, "--topic", &topic, "--to-earliest"];
    tool(context, COMMAND, &reset, "")?;
    let found = described(context, &new)?;
    ensure!(found == ["0", "0", "13"], "described as (partition, start, lag): {found:?}");

    let forget = ["--delete-offsets", "--group", &group, "--topic", &topic];
    let said = text(&tool(context, COMMAND, &forget, "")?);
    ensure!(said.contains("Successful"), "the tool said:\n{said}");
    for gone in [&group, &new] {
        let said = text(&tool(context, COMMAND, &["--delete", "--group", gone], "")?);
        ensure!(said.contains("success"), "the tool said:\n{said}");
    }
    let listed = text(&tool(context, COMMAND, &["--list"], "")?);
    ensure!(!listed.lines().any(|line| line == group || line == new), "still listed:\n{listed}");
    Ok(())
}

/// Partition and offset of each record that a verifiable consumer tells to have acknowledged for good.
fn acknowledged(said: &[String]) -> Vec<(String, u64)> {
    let events =
        said.iter().filter(|line| is(line, "offsets_acknowledged") && line.contains("\"success\":true"));
    let mut all = Vec::new();
    for event in events {
        for partition in event.split("\"partition\":").skip(1) {
            let number = partition.split([',', '}']).next().unwrap_or_default();
            let offsets = partition.split_once("\"offsets\":[").map_or("", |(_, rest)| rest);
            let offsets = offsets.split(']').next().unwrap_or_default().split(',');
            all.extend(offsets.filter_map(|offset| Some((number.to_owned(), offset.parse().ok()?))));
        }
    }
    all
}

/// Two consumers share what is being written; one is killed, then the broker: all is acknowledged, nothing twice.
fn verifiable(context: &mut Context) -> Outcome {
    const RECORDS: usize = 3_000;
    let (topic, group) = (name(context, "shared"), group(context)?);
    create(context, &topic, "2")?;
    let consume = ["--topic", &topic, "--group-id", &group, "--acknowledgement-mode", "sync"];
    let mut first = start(context, "VerifiableShareConsumer", &consume)?;
    let mut second = start(context, "VerifiableShareConsumer", &consume)?;
    let count = RECORDS.to_string();
    let produce = ["--topic", &topic, "--max-messages", &count, "--throughput", "300", "--acks", "-1"];
    let mut producer = start(context, "VerifiableProducer", &produce)?;
    for consumer in [&mut first, &mut second] {
        consumer.wait_for(context, "it acknowledges what it read", |line| {
            is(line, "offsets_acknowledged") && line.contains("\"success\":true")
        })?;
    }
    second.signal(Signal::KILL)?;
    second.wait(context)?;
    let recovery = context.broker().crash_and_recover()?;
    producer.wait(context)?;
    let acked = producer.said().iter().filter(|line| is(line, "producer_send_success")).count();
    ensure!(acked > 0, "nothing was written: {}", last_line(&producer.said().join("\n")));

    let of_second = acknowledged(second.said());
    wait_for_all(context, &mut first, &of_second, acked)?;
    let mut times: BTreeMap<(String, u64), u32> = BTreeMap::new();
    let of_first = acknowledged(first.said());
    for record in of_first.iter().chain(&of_second) {
        *times.entry(record.clone()).or_default() += 1;
    }
    let twice = times.values().filter(|times| **times > 1).count();
    ensure!(twice == 0, "{twice} records were acknowledged twice");
    while !lags(context, &group)?.iter().all(|lag| lag == "0") {
        ensure!(!context.left().is_zero(), "the group is never done with all");
    }
    let (one, other, ms) = (of_first.len(), of_second.len(), recovery.as_millis());
    context
        .remarks
        .push(format!("{one} and, before it was killed, {other}; answered {ms} ms after its restart"));
    first.signal(Signal::TERM)?;
    first.wait(context)?;
    Ok(())
}

/// What the group has yet to do, by partition.
fn lags(context: &mut Context, group: &str) -> Result<Vec<String>, Failure> {
    let said = text(&tool(context, COMMAND, &["--describe", "--group", group], "")?);
    let rows = said.lines().filter(|line| line.starts_with(group));
    Ok(rows.filter_map(|row| row.split_whitespace().last().map(String::from)).collect())
}

/// What the one that was killed acknowledged without hearing of it is missing: as many as it may have had at once.
const UNHEARD_MAX: usize = 500;

fn wait_for_all(
    context: &Context,
    first: &mut Background,
    of_second: &[(String, u64)],
    written: usize,
) -> Outcome {
    let mut known: BTreeSet<(String, u64)> = of_second.iter().cloned().collect();
    known.extend(acknowledged(first.said()));
    let is_enough = |known: &BTreeSet<(String, u64)>| known.len() + UNHEARD_MAX >= written;
    if is_enough(&known) {
        return Ok(());
    }
    first.wait_for(context, "the rest is acknowledged", |line| {
        known.extend(acknowledged(&[line.to_owned()]));
        is_enough(&known)
    })
}

fn performance(context: &mut Context) -> Outcome {
    const RECORDS: usize = 20_000;
    let (topic, group) = (name(context, "performance"), group(context)?);
    create(context, &topic, "2")?;
    let count = RECORDS.to_string();
    let produce = ["--topic", &topic, "--num-records", &count, "--record-size", "100", "--throughput", "-1"];
    tool(context, "ProducerPerformance", &produce, "")?;
    let consume = ["--topic", &topic, "--group", &group, "--num-records", &count, "--timeout", "30000"];
    let said = text(&tool(context, "ShareConsumerPerformance", &consume, "")?);
    let read = last_line(&said).split(", ").filter_map(|field| field.trim().parse::<usize>().ok());
    ensure!(read.into_iter().any(|read| read >= RECORDS), "the consumer said:\n{said}");
    Ok(())
}
