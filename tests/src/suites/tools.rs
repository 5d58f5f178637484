//! Kafka's own command line tools, from its jars.

mod cluster;
mod groups;

use std::collections::BTreeSet;
use std::process::Command;

use rustix::process::Signal;

use crate::background::Background;
use crate::broker;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Said};
use crate::ensure;
use crate::runtime::Runtime;

/// The cases with Kafka's tools.
pub fn suite() -> Suite {
    Suite {
        name: "kafka-tools",
        needs: &[Runtime::Java],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("console-producer-and-consumer", 60, console),
            Case::new("verifiable-producer-and-consumer", 60, verifiable),
            Case::new("every-codec-with-keys-and-headers", 240, every_codec),
            Case::new("a-member-dies-and-its-share-moves-on", 240, member_dies),
            Case::new("a-crash-under-the-verifiable-producer", 240, crash),
            Case::new("topic-command", 90, topic_command),
            Case::new("consumer-group-command", 90, group_command),
            Case::new("consumer-group-command-resets-classic", 180, |context| {
                groups::administrated(context, "classic")
            }),
            Case::new("consumer-group-command-resets-assigned", 180, |context| {
                groups::administrated(context, "consumer")
            }),
            Case::new("get-offset-shell", 60, get_offsets),
            Case::new("configs-command", 120, configs_command),
            Case::new("configs-of-brokers", 90, cluster::broker_configs),
            Case::new("client-metrics-command", 60, cluster::client_metrics),
            Case::new("client-quotas", 120, cluster::quotas_command),
            Case::new("metadata-quorum-command", 60, cluster::quorum_command),
            Case::new("features-command", 60, cluster::features_command),
            Case::new("telemetry-is-off", 90, cluster::telemetry),
            Case::new("cluster-tool", 60, cluster::cluster_tool),
            Case::new("groups-command", 90, cluster::groups_command),
            Case::new("broker-api-versions-command", 60, cluster::api_versions),
            Case::new("delete-records-command", 60, delete_records_command),
            Case::new("delete-offsets-command", 90, delete_offsets_command),
            Case::new("log-dirs-command", 60, log_dirs_command),
            Case::new("leader-election-command", 60, election_command),
            Case::new("producer-and-consumer-performance", 90, performance),
            Case::new("end-to-end-latency", 60, latency),
        ],
    }
}

/// A tool by its class below org.apache.kafka.tools, or by its whole name.
fn command(context: &mut Context, class: &str, args: &[&str]) -> Command {
    let whole = class.starts_with("kafka.");
    let class = if whole { class.to_owned() } else { format!("org.apache.kafka.tools.{class}") };
    let words = broker::java(&context.runtimes.class_path(), &class);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg("--bootstrap-server")
        .arg(context.broker().address().to_string())
        .args(args);
    command
}

/// Runs a tool to its end.
pub(super) fn tool(context: &mut Context, class: &str, args: &[&str], input: &str) -> Result<Said, Failure> {
    let mut command = command(context, class, args);
    driver::output(context, &mut command, input.as_bytes())
}

/// Runs a tool to its end, which need not be a good one; all that it said.
pub(super) fn words_of(context: &mut Context, class: &str, args: &[&str]) -> Result<String, Failure> {
    let mut command = command(context, class, args);
    let said = driver::to_the_end(context, &mut command, b"")?;
    Ok(text(&said) + &said.err)
}

/// Starts a tool that runs beside the test.
pub(super) fn start(context: &mut Context, class: &str, args: &[&str]) -> Result<Background, Failure> {
    Background::start(class, &mut command(context, class, args))
}

pub(super) fn text(said: &Said) -> String {
    String::from_utf8_lossy(&said.out).into_owned()
}

pub(super) fn name(context: &Context, part: &str) -> String {
    format!("{}{part}", context.prefix)
}

pub(super) fn create(context: &mut Context, topic: &str, partitions: &str) -> Outcome {
    let args =
        ["--create", "--topic", topic, "--partitions", partitions, "--config", "retention.ms=86400000"];
    let said = tool(context, "TopicCommand", &args, "")?;
    ensure!(text(&said).contains(&format!("Created topic {topic}.")), "the tool said: {}", text(&said));
    Ok(())
}

fn console(context: &mut Context) -> Outcome {
    let topic = name(context, "console");
    let produce = [
        "--topic",
        &topic,
        "--compression-codec",
        "lz4",
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "parse.headers=true",
    ];
    // A line is headers, key and value, with tabs between them.
    tool(context, "ConsoleProducer", &produce, "h1:a,h1:b\tk1\tv1\nh2:c\tk2\tv2\n")?;
    let consume = [
        "--topic",
        &topic,
        "--from-beginning",
        "--max-messages",
        "2",
        "--timeout-ms",
        "30000",
        "--formatter-property",
        "print.key=true",
        "--formatter-property",
        "print.headers=true",
        "--formatter-property",
        "print.offset=true",
    ];
    let said = tool(context, "consumer.ConsoleConsumer", &consume, "")?;
    let expected = "Offset:0\th1:a,h1:b\tk1\tv1\nOffset:1\th2:c\tk2\tv2\n";
    ensure!(text(&said) == expected, "the consumer said {:?}", text(&said));
    Ok(())
}

fn verifiable(context: &mut Context) -> Outcome {
    let topic = name(context, "verifiable");
    let group = name(context, "group");
    let produce = ["--topic", &topic, "--max-messages", "5000", "--acks", "-1"];
    let said = text(&tool(context, "VerifiableProducer", &produce, "")?);
    ensure!(said.contains("\"acked\":5000"), "the producer ended with {}", last_line(&said));
    ensure!(!said.contains("producer_send_error"), "the producer had errors");
    let consume =
        ["--topic", &topic, "--group-id", &group, "--max-messages", "5000", "--reset-policy", "earliest"];
    let said = text(&tool(context, "VerifiableConsumer", &consume, "")?);
    let consumed: u64 = said
        .lines()
        .filter(|line| line.contains("\"name\":\"records_consumed\""))
        .filter_map(|line| line.split("\"count\":").nth(1)?.split([',', '}']).next()?.parse::<u64>().ok())
        .sum();
    ensure!(consumed == 5_000, "{consumed} records were consumed");
    ensure!(
        said.contains("\"name\":\"offsets_committed\"") && said.contains("\"success\":true"),
        "no commit:\n{said}"
    );
    Ok(())
}

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// The console and the verifiable tools in every codec; each topic holds batches of all of them.
fn every_codec(context: &mut Context) -> Outcome {
    const RECORDS: usize = 1_000;
    let (console, verifiable) = (name(context, "console"), name(context, "verifiable"));
    let group = name(context, "group");
    let mut expected = String::new();
    for (offset, codec) in CODECS.into_iter().enumerate() {
        let line = format!("codec:{codec},h:{offset}\tkey-{codec}\tvalue of {codec}\n");
        let properties = ["--reader-property", "parse.key=true", "--reader-property", "parse.headers=true"];
        let produce = [&["--topic", &console, "--compression-codec", codec][..], &properties].concat();
        tool(context, "ConsoleProducer", &produce, &line)?;
        expected += &format!("Offset:{offset}\t{line}");
        // Time for batches to grow: a record alone is hardly compressed.
        let settings = context.dir.join(codec);
        std::fs::write(&settings, format!("compression.type={codec}\nlinger.ms=20\n"))?;
        let settings = settings.display().to_string();
        let count = RECORDS.to_string();
        let produce = ["--topic", &verifiable, "--max-messages", &count, "--command-config", &settings];
        let prefix = offset.to_string();
        let produce = [&produce[..], &["--repeating-keys", "10", "--value-prefix", &prefix]].concat();
        let said = text(&tool(context, "VerifiableProducer", &produce, "")?);
        ensure!(said.contains(&format!("\"acked\":{RECORDS}")), "{codec} ended with {}", last_line(&said));
    }
    let all = CODECS.len().to_string();
    let mut consume = vec!["--topic", &console, "--from-beginning", "--max-messages", &all];
    for property in ["print.key=true", "print.headers=true", "print.offset=true"] {
        consume.extend(["--formatter-property", property]);
    }
    let said = text(&tool(context, "consumer.ConsoleConsumer", &consume, "")?);
    ensure!(said == expected, "the console consumer said {said:?}");

    let all = (CODECS.len() * RECORDS).to_string();
    let consume = ["--topic", &verifiable, "--group-id", &group, "--max-messages", &all, "--verbose"];
    let consume = [&consume[..], &["--reset-policy", "earliest"]].concat();
    let said = text(&tool(context, "VerifiableConsumer", &consume, "")?);
    let consumed: Vec<String> = said.lines().filter_map(record).collect();
    let sent = (0..CODECS.len()).flat_map(|codec| (0..RECORDS).map(move |i| format!("{codec}.{i}")));
    ensure!(
        consumed.iter().eq(sent.collect::<Vec<_>>().iter()),
        "{} came, or in another order",
        consumed.len()
    );
    let keyed = said.lines().filter(|line| record(line).is_some() && field(line, "key").is_some()).count();
    ensure!(keyed == consumed.len(), "{keyed} of {} have a key", consumed.len());
    Ok(())
}

/// Two members share a topic while it is written; one dies, and the other reads on from its commits: all is read.
fn member_dies(context: &mut Context) -> Outcome {
    const RECORDS: usize = 3_000;
    let (topic, group) = (name(context, "shared"), name(context, "members"));
    create(context, &topic, "4")?;
    let consume = ["--topic", &topic, "--group-id", &group, "--session-timeout", "6000", "--verbose"];
    let consume = [&consume[..], &["--reset-policy", "earliest"]].concat();
    let assigned = |count: usize| {
        move |line: &str| is(line, "partitions_assigned") && line.matches("\"partition\":").count() == count
    };
    let mut first = start(context, "VerifiableConsumer", &consume)?;
    first.wait_for(context, "all partitions are its own", assigned(4))?;
    let mut second = start(context, "VerifiableConsumer", &consume)?;
    second.wait_for(context, "two partitions are its own", assigned(2))?;
    first.wait_for(context, "it has two left", assigned(2))?;

    let count = RECORDS.to_string();
    let produce =
        ["--topic", &topic, "--max-messages", &count, "--throughput", "300", "--repeating-keys", "16"];
    let mut producer = start(context, "VerifiableProducer", &[&produce[..], &["--acks", "-1"]].concat())?;
    for member in [&mut first, &mut second] {
        member.wait_for(context, "it commits what it read", |line| {
            is(line, "offsets_committed") && line.contains("\"success\":true")
        })?;
    }
    second.signal(Signal::KILL)?;
    second.wait(context)?;
    first.wait_for(context, "all partitions are its own again", assigned(4))?;
    let status = producer.wait(context)?;
    ensure!(status.success(), "the producer ended with {status}");
    let acked = acknowledged(producer.said());
    ensure!(acked.len() == RECORDS, "{} of {RECORDS} were acknowledged", acked.len());

    let of_second: Vec<String> = second.said().iter().filter_map(|line| record(line)).collect();
    let mut missing = acked;
    of_second.iter().for_each(|value| _ = missing.remove(value));
    read_all(context, &mut first, missing)?;
    let of_first = first.said().iter().filter(|line| record(line).is_some()).count();
    let twice = of_first + of_second.len() - RECORDS;
    let (one, other) = (of_first, of_second.len());
    context.remarks.push(format!("read {one} and, before it died, {other}; {twice} of them twice"));
    first.signal(Signal::TERM)?;
    first.wait(context)?;
    let left = first.said().iter().any(|line| is(line, "shutdown_complete"));
    ensure!(left, "the member did not leave in peace");
    Ok(())
}

/// kill -9 while VerifiableProducer writes with acks=-1: what was acknowledged before and after is there, and the consumer that was
/// reading meanwhile reads it.
fn crash(context: &mut Context) -> Outcome {
    const RECORDS: usize = 3_000;
    const BEFORE: usize = 700;
    let (topic, group) = (name(context, "crashed"), name(context, "group"));
    create(context, &topic, "2")?;
    let consume = ["--topic", &topic, "--group-id", &group, "--reset-policy", "earliest", "--verbose"];
    let mut consumer = start(context, "VerifiableConsumer", &consume)?;
    consumer.wait_for(context, "it has partitions", |line| is(line, "partitions_assigned"))?;
    let count = RECORDS.to_string();
    let produce = ["--topic", &topic, "--max-messages", &count, "--throughput", "300", "--acks", "-1"];
    let mut producer = start(context, "VerifiableProducer", &produce)?;
    let mut acked = 0;
    producer.wait_for(context, "enough is acknowledged", |line| {
        acked += usize::from(is(line, "producer_send_success"));
        acked == BEFORE
    })?;
    consumer.wait_for(context, "the consumer reads", |line| is(line, "record_data"))?;
    let recovery = context.broker().crash_and_recover()?;
    // It gives up no record that it may still send: those that it does are counted as errors, and are no promise.
    producer.wait(context)?;
    let acked = acknowledged(producer.said());
    ensure!(acked.len() > BEFORE, "nothing was acknowledged after the crash");
    let (count, ms) = (acked.len(), recovery.as_millis());
    context.remarks.push(format!("{count} of {RECORDS} acknowledged, answered {ms} ms after its restart"));
    read_all(context, &mut consumer, acked)
}

/// Waits until the consumer has read each of these values.
fn read_all(context: &Context, consumer: &mut Background, mut missing: BTreeSet<String>) -> Outcome {
    for line in consumer.said() {
        record(line).map(|value| missing.remove(&value));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let read = consumer.wait_for(context, "all is read", |line| {
        record(line).map(|value| missing.remove(&value));
        missing.is_empty()
    });
    let some: Vec<&String> = missing.iter().take(5).collect();
    ensure!(read.is_ok(), "{} values were acknowledged and not read, such as {some:?}", missing.len());
    Ok(())
}

/// The values whose sending VerifiableProducer calls a success.
fn acknowledged(said: &[String]) -> BTreeSet<String> {
    let success = said.iter().filter(|line| is(line, "producer_send_success"));
    success.filter_map(|line| field(line, "value")).collect()
}

/// The value of a record that VerifiableConsumer tells of.
fn record(line: &str) -> Option<String> {
    if is(line, "record_data") { field(line, "value") } else { None }
}

/// Whether a verifiable tool's line tells of this.
pub(super) fn is(line: &str, event: &str) -> bool {
    line.contains(&format!("\"name\":\"{event}\""))
}

/// A field of such a line that is a text.
pub(super) fn field(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next().map(String::from)
}

pub(super) fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn topic_command(context: &mut Context) -> Outcome {
    let topic = name(context, "topic");
    create(context, &topic, "3")?;
    let listed = text(&tool(context, "TopicCommand", &["--list"], "")?);
    ensure!(listed.lines().any(|line| line == topic), "not listed:\n{listed}");
    let described = text(&tool(context, "TopicCommand", &["--describe", "--topic", &topic], "")?);
    ensure!(described.contains("PartitionCount: 3"), "described as:\n{described}");
    ensure!(described.contains("retention.ms=86400000"), "described as:\n{described}");
    ensure!(described.contains("Partition: 2\tLeader: 1"), "described as:\n{described}");
    tool(context, "TopicCommand", &["--alter", "--topic", &topic, "--partitions", "4"], "")?;
    let described = text(&tool(context, "TopicCommand", &["--describe", "--topic", &topic], "")?);
    ensure!(described.contains("PartitionCount: 4"), "described as:\n{described}");
    tool(context, "TopicCommand", &["--delete", "--topic", &topic], "")?;
    let mut listed = topic.clone();
    while listed.contains(&topic) {
        ensure!(context.left().as_secs() > 1, "the deleted topic stays listed");
        listed = text(&tool(context, "TopicCommand", &["--list"], "")?);
    }
    Ok(())
}

/// What a group has read and what it has not, told by the tool.
fn group_command(context: &mut Context) -> Outcome {
    let topic = name(context, "lag");
    let group = name(context, "readers");
    create(context, &topic, "1")?;
    let lines: String = (0..100).map(|i| format!("{i}\n")).collect();
    tool(context, "ConsoleProducer", &["--topic", &topic], &lines)?;
    let read = ["--topic", &topic, "--group", &group, "--from-beginning", "--max-messages", "100"];
    let said = tool(context, "consumer.ConsoleConsumer", &read, "")?;
    ensure!(text(&said) == lines, "the consumer said {:?}", text(&said));
    tool(context, "ConsoleProducer", &["--topic", &topic], "one\ntwo\nthree\n")?;
    let listed = text(&tool(context, "consumer.group.ConsumerGroupCommand", &["--list"], "")?);
    ensure!(listed.lines().any(|line| line == group), "not listed:\n{listed}");
    let described =
        text(&tool(context, "consumer.group.ConsumerGroupCommand", &["--describe", "--group", &group], "")?);
    let row = described.lines().find(|line| line.starts_with(&group)).unwrap_or_default();
    let columns: Vec<&str> = row.split_whitespace().collect();
    ensure!(
        columns.get(1..6) == Some(&[topic.as_str(), "0", "100", "103", "3"]),
        "described as (group, topic, partition, committed, end, lag):\n{described}"
    );
    let state = ["--describe", "--state", "--group", &group];
    let described = text(&tool(context, "consumer.group.ConsumerGroupCommand", &state, "")?);
    ensure!(described.contains("Empty"), "its state:\n{described}");
    Ok(())
}

fn get_offsets(context: &mut Context) -> Outcome {
    let topic = name(context, "offsets");
    create(context, &topic, "2")?;
    tool(context, "ConsoleProducer", &["--topic", &topic, "--sync"], "a\nb\nc\nd\n")?;
    let sum = |said: &Said| -> i64 {
        text(said).lines().filter_map(|line| line.rsplit(':').next()?.parse::<i64>().ok()).sum()
    };
    for (time, expected) in [("latest", 4), ("earliest", 0), ("-1", 4), ("-2", 0)] {
        let said = tool(context, "GetOffsetShell", &["--topic", &topic, "--time", time], "")?;
        ensure!(text(&said).lines().count() == 2, "offsets at {time}:\n{}", text(&said));
        ensure!(sum(&said) == expected, "offsets at {time}:\n{}", text(&said));
    }
    Ok(())
}

/// Settings of a topic: set, shown, taken back, refused.
fn configs_command(context: &mut Context) -> Outcome {
    const TOOL: &str = "kafka.admin.ConfigCommand";
    let topic = name(context, "configs");
    create(context, &topic, "1")?;
    let of_topic = ["--entity-type", "topics", "--entity-name", &topic];
    let alter =
        [&of_topic[..], &["--alter", "--add-config", "max.message.bytes=4321,retention.bytes=1000000"]]
            .concat();
    tool(context, TOOL, &alter, "")?;
    let describe = [&of_topic[..], &["--describe"]].concat();
    let described = text(&tool(context, TOOL, &describe, "")?);
    ensure!(described.contains("max.message.bytes=4321"), "described as:\n{described}");
    ensure!(described.contains("retention.bytes=1000000"), "described as:\n{described}");
    let alter = [&of_topic[..], &["--alter", "--delete-config", "max.message.bytes"]].concat();
    tool(context, TOOL, &alter, "")?;
    let described = text(&tool(context, TOOL, &describe, "")?);
    ensure!(!described.contains("max.message.bytes=4321"), "described as:\n{described}");
    ensure!(described.contains("retention.bytes=1000000"), "described as:\n{described}");
    let alter = [&of_topic[..], &["--alter", "--add-config", "no.such.setting=1"]].concat();
    let refused = tool(context, TOOL, &alter, "");
    ensure!(refused.is_err(), "a setting that does not exist was taken");
    Ok(())
}

fn delete_records_command(context: &mut Context) -> Outcome {
    let topic = name(context, "trimmed");
    create(context, &topic, "1")?;
    tool(context, "ConsoleProducer", &["--topic", &topic], "a\nb\nc\nd\n")?;
    let file = context.dir.join("offsets.json");
    let partition = format!(r#"{{"topic":"{topic}","partition":0,"offset":3}}"#);
    std::fs::write(&file, format!(r#"{{"partitions":[{partition}],"version":1}}"#))?;
    let file = file.display().to_string();
    let said = text(&tool(context, "DeleteRecordsCommand", &["--offset-json-file", &file], "")?);
    ensure!(said.contains("low_watermark: 3"), "the tool said:\n{said}");
    let read = ["--topic", &topic, "--from-beginning", "--max-messages", "1"];
    let said = text(&tool(context, "consumer.ConsoleConsumer", &read, "")?);
    ensure!(said == "d\n", "what is left is {said:?}");
    Ok(())
}

fn delete_offsets_command(context: &mut Context) -> Outcome {
    const TOOL: &str = "consumer.group.ConsumerGroupCommand";
    let topic = name(context, "forgotten");
    let group = name(context, "forgetful");
    create(context, &topic, "1")?;
    tool(context, "ConsoleProducer", &["--topic", &topic], "a\n")?;
    let read = ["--topic", &topic, "--group", &group, "--from-beginning", "--max-messages", "1"];
    tool(context, "consumer.ConsoleConsumer", &read, "")?;
    let delete = ["--delete-offsets", "--group", &group, "--topic", &topic];
    let said = text(&tool(context, TOOL, &delete, "")?);
    ensure!(said.contains("Successful"), "the tool said:\n{said}");
    // Nothing is committed: it reads from the beginning again.
    let said = text(&tool(context, "consumer.ConsoleConsumer", &read, "")?);
    ensure!(said == "a\n", "what was read again is {said:?}");
    Ok(())
}

fn log_dirs_command(context: &mut Context) -> Outcome {
    let topic = name(context, "directories");
    create(context, &topic, "2")?;
    tool(context, "ConsoleProducer", &["--topic", &topic], "a\nb\n")?;
    let said = text(&tool(context, "LogDirsCommand", &["--describe", "--topic-list", &topic], "")?);
    let partition = format!(r#""partition":"{topic}-1""#);
    ensure!(said.contains(&partition) && said.contains(r#""offsetLag":0"#), "the tool said:\n{said}");
    Ok(())
}

fn election_command(context: &mut Context) -> Outcome {
    let topic = name(context, "elected");
    create(context, &topic, "1")?;
    let elect = ["--election-type", "preferred", "--topic", &topic, "--partition", "0"];
    let said = text(&tool(context, "LeaderElectionCommand", &elect, "")?);
    ensure!(said.contains("Valid replica already elected"), "the tool said:\n{said}");
    Ok(())
}

fn performance(context: &mut Context) -> Outcome {
    let topic = name(context, "performance");
    create(context, &topic, "2")?;
    let produce = ["--topic", &topic, "--num-records", "50000", "--record-size", "200", "--throughput", "-1"];
    let said = text(&tool(context, "ProducerPerformance", &produce, "")?);
    ensure!(last_line(&said).starts_with("50000 records sent"), "the producer said:\n{said}");
    let rate = last_line(&said).split(", ").nth(1).unwrap_or_default().to_string();
    let consume = ["--topic", &topic, "--num-records", "50000", "--timeout", "30000"];
    let said = text(&tool(context, "ConsumerPerformance", &consume, "")?);
    let consumed = last_line(&said).split(", ").nth(4).unwrap_or_default().to_string();
    ensure!(consumed.parse::<u64>().is_ok_and(|n| n >= 50_000), "the consumer said:\n{said}");
    context.remarks.push(rate);
    Ok(())
}

fn latency(context: &mut Context) -> Outcome {
    let topic = name(context, "latency");
    create(context, &topic, "1")?;
    let args = ["--topic", &topic, "--num-records", "500", "--producer-acks", "all", "--record-size", "100"];
    let said = text(&tool(context, "EndToEndLatency", &args, "")?);
    ensure!(said.contains("Percentiles: 50th"), "the tool said:\n{said}");
    context.remarks.push(last_line(&said).to_string());
    Ok(())
}
