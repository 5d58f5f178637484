//! Kafka's tools for what concerns the whole cluster and its clients.

use std::process::Command;

use super::{create, name, text, tool, words_of};
use crate::broker::{self, Kind};
use crate::case::{Context, Outcome};
use crate::driver;
use crate::ensure;

pub(super) fn quotas_command(context: &mut Context) -> Outcome {
    const TOOL: &str = "kafka.admin.ConfigCommand";
    let (client, user) = (name(context, "client"), name(context, "user"));
    let of_client = ["--entity-type", "clients", "--entity-name", &client];
    let of_both =
        ["--entity-type", "users", "--entity-name", &user, "--entity-type", "clients", "--entity-default"];
    for entity in [&of_client[..], &of_both] {
        let alter = ["--alter", "--add-config", "producer_byte_rate=123456,request_percentage=12.5"];
        tool(context, TOOL, &[entity, &alter].concat(), "")?;
        let describe = [entity, &["--describe"]].concat();
        let described = text(&tool(context, TOOL, &describe, "")?);
        for quota in ["producer_byte_rate=123456", "request_percentage=12.5"] {
            ensure!(described.contains(quota), "described as:\n{described}");
        }
        let alter = ["--alter", "--delete-config", "producer_byte_rate,request_percentage"];
        tool(context, TOOL, &[entity, &alter].concat(), "")?;
        let described = text(&tool(context, TOOL, &describe, "")?);
        ensure!(!described.contains("producer_byte_rate"), "described as:\n{described}");
    }
    let alter = [&of_client[..], &["--alter", "--add-config", "controller_mutation_rate=5"]].concat();
    let refused = tool(context, TOOL, &alter, "");
    ensure!(refused.is_err() || !context.broker().is_ours(), "a quota that nothing enforces was taken");
    Ok(())
}

/// Settings of the broker are shown. What cannot change while it runs is not taken; of Forebay that is everything.
pub(super) fn broker_configs(context: &mut Context) -> Outcome {
    const TOOL: &str = "kafka.admin.ConfigCommand";
    let of_broker = ["--entity-type", "brokers", "--entity-name", "1"];
    let described = text(&tool(context, TOOL, &[&of_broker[..], &["--describe", "--all"]].concat(), "")?);
    for setting in ["message.max.bytes=", "num.partitions="] {
        ensure!(described.contains(setting), "{setting} is not among:\n{described}");
    }
    tool(context, TOOL, &[&of_broker[..], &["--describe"]].concat(), "")?;
    tool(context, TOOL, &["--entity-type", "brokers", "--describe"], "")?;
    let mut refused = vec!["node.id=7"];
    if matches!(context.kind, Kind::Forebay { .. }) {
        refused.push("log.cleaner.threads=2");
    }
    for setting in refused {
        let alter = [&of_broker[..], &["--alter", "--add-config", setting]].concat();
        let said = words_of(context, TOOL, &alter)?;
        ensure!(said.contains("Exception"), "{setting} was taken:\n{said}");
        ensure!(!said.contains("Completed updating"), "{setting} was taken:\n{said}");
        context.remarks.push(last_error(&said));
    }
    Ok(())
}

/// The line of a tool's words that names an error.
fn last_error(said: &str) -> String {
    said.lines().rfind(|line| line.contains("Exception")).unwrap_or_default().trim().to_owned()
}

/// Which metrics clients are to send cannot be set where nobody wants them, and the tool says why.
pub(super) fn client_metrics(context: &mut Context) -> Outcome {
    const TOOL: &str = "ClientMetricsCommand";
    let wanted = name(context, "wanted");
    let alter = ["--alter", "--name", &wanted, "--metrics", "org.apache.kafka.", "--interval", "60000"];
    let said = words_of(context, TOOL, &alter)?;
    let listed = text(&tool(context, TOOL, &["--list"], "")?);
    if matches!(context.kind, Kind::Forebay { .. }) {
        ensure!(said.contains("Exception"), "the tool said:\n{said}");
        ensure!(listed.trim().is_empty(), "it is there nevertheless:\n{listed}");
        context.remarks.push(last_error(&said));
    } else {
        ensure!(listed.contains(&wanted), "it is not there:\n{said}");
        tool(context, TOOL, &["--delete", "--name", &wanted], "")?;
    }
    Ok(())
}

pub(super) fn quorum_command(context: &mut Context) -> Outcome {
    let described = text(&tool(context, "MetadataQuorumCommand", &["describe", "--status"], "")?);
    for line in ["LeaderId:", "HighWatermark:", "MaxFollowerLag:         0", "CurrentVoters:"] {
        ensure!(described.contains(line), "described as:\n{described}");
    }
    let described = text(&tool(context, "MetadataQuorumCommand", &["describe", "--replication"], "")?);
    ensure!(described.contains("Leader"), "described as:\n{described}");
    Ok(())
}

pub(super) fn features_command(context: &mut Context) -> Outcome {
    let described = text(&tool(context, "FeatureCommand", &["describe"], "")?);
    for feature in ["group.version", "share.version", "transaction.version"] {
        ensure!(described.contains(&format!("Feature: {feature}")), "described as:\n{described}");
    }
    let upgrade = ["upgrade", "--feature", "transaction.version=99"];
    ensure!(tool(context, "FeatureCommand", &upgrade, "").is_err(), "a level that nobody knows was taken");
    Ok(())
}

/// Clients offer their metrics (KIP-714). Nobody wants them, and they take that without a warning.
pub(super) fn telemetry(context: &mut Context) -> Outcome {
    let topic = name(context, "silent");
    create(context, &topic, "1")?;
    let wrote = tool(context, "ConsoleProducer", &["--topic", &topic], "a\n")?;
    let consume = ["--topic", &topic, "--from-beginning", "--max-messages", "1", "--timeout-ms", "30000"];
    let read = tool(context, "consumer.ConsoleConsumer", &consume, "")?;
    for said in [wrote.err, read.err] {
        ensure!(!said.to_lowercase().contains("telemetry"), "the client said:\n{said}");
    }
    Ok(())
}

/// This tool wants its command before the broker's address.
pub(super) fn cluster_tool(context: &mut Context) -> Outcome {
    let address = context.broker().address().to_string();
    let words = broker::java(&context.runtimes.class_path(), "org.apache.kafka.tools.ClusterTool");
    let run = |context: &Context, what: &str| {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args([what, "--bootstrap-server", &address]);
        driver::output(context, &mut command, b"")
    };
    let said = text(&run(context, "cluster-id")?);
    ensure!(said.contains("Cluster ID: "), "the tool said:\n{said}");
    let said = text(&run(context, "list-endpoints")?);
    ensure!(said.contains(&context.broker().address().port().to_string()), "the tool said:\n{said}");
    Ok(())
}

pub(super) fn groups_command(context: &mut Context) -> Outcome {
    let (topic, group) = (name(context, "read"), name(context, "group"));
    create(context, &topic, "1")?;
    tool(context, "ConsoleProducer", &["--topic", &topic], "a\n")?;
    let consume = [
        "--topic",
        &topic,
        "--group",
        &group,
        "--from-beginning",
        "--max-messages",
        "1",
        "--timeout-ms",
        "30000",
    ];
    tool(context, "consumer.ConsoleConsumer", &consume, "")?;
    let listed = text(&tool(context, "GroupsCommand", &["--list"], "")?);
    let line = listed.lines().find(|line| line.contains(&group));
    ensure!(line.is_some_and(|line| line.contains("Classic")), "listed as:\n{listed}");
    let listed = text(&tool(context, "ClientMetricsCommand", &["--list"], "")?);
    ensure!(listed.trim().is_empty(), "client metrics that nobody asked for:\n{listed}");
    Ok(())
}

pub(super) fn api_versions(context: &mut Context) -> Outcome {
    let said = text(&tool(context, "BrokerApiVersionsCommand", &[], "")?);
    for line in ["Produce(0): 0 to 13", "OffsetFetch(9): 1 to 10"] {
        ensure!(said.contains(line), "the tool said:\n{said}");
    }
    Ok(())
}
