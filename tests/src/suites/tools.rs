//! Kafka's own command line tools, from its jars.

use std::process::Command;

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
            Case::new("topic-command", 90, topic_command),
            Case::new("consumer-group-command", 90, group_command),
            Case::new("get-offset-shell", 60, get_offsets),
            Case::new("producer-and-consumer-performance", 90, performance),
            Case::new("end-to-end-latency", 60, latency),
        ],
    }
}

/// Runs a tool by its class below org.apache.kafka.tools.
fn tool(context: &mut Context, class: &str, args: &[&str], input: &str) -> Result<Said, Failure> {
    let words = broker::java(&context.runtimes.class_path(), &format!("org.apache.kafka.tools.{class}"));
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg("--bootstrap-server")
        .arg(context.broker().address().to_string())
        .args(args);
    driver::output(context, &mut command, input.as_bytes())
}

fn text(said: &Said) -> String {
    String::from_utf8_lossy(&said.out).into_owned()
}

fn name(context: &Context, part: &str) -> String {
    format!("{}{part}", context.prefix)
}

fn create(context: &mut Context, topic: &str, partitions: &str) -> Outcome {
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

fn last_line(text: &str) -> &str {
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
