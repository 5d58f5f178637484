//! `forebay topic`.

use std::collections::BTreeMap;
use std::io::Write;

use forebay_kafka::wire::ErrorCode;
use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{self, TopicCreate, TopicDelete, TopicDescribe, TopicList};
use crate::client::admin::{self, NewTopic, Outcome, TopicConfig};
use crate::client::cluster::AutoCreate;
use crate::client::metadata::{Partition, Topic};
use crate::client::offsets::{self, Which};
use crate::client::{Cluster, Place};
use crate::exit::{Exit, Failure};
use crate::output::number::grouped;
use crate::output::table::Table;

/// Does it.
///
/// # Errors
/// When it is refused, or fails.
pub fn run(args: &args::Topic) -> Result<(), Failure> {
    match args {
        args::Topic::Create(args) => create(args),
        args::Topic::List(args) => list(args),
        args::Topic::Describe(args) => describe(args),
        args::Topic::Delete(args) => delete(args),
    }
}

fn create(args: &TopicCreate) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let topic = |name: &String| NewTopic {
        name: name.clone(),
        partitions: args.partitions,
        replication_factor: args.replication_factor,
        configs: args.config.clone(),
    };
    let topics: Vec<NewTopic> = args.topics.iter().map(topic).collect();
    let forgiven = args.if_not_exists.then_some(ErrorCode::TopicAlreadyExists);
    report("created", admin::create_topics(&mut cluster, &topics)?, forgiven)
}

fn delete(args: &TopicDelete) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let forgiven = args.if_exists.then_some(ErrorCode::UnknownTopicOrPartition);
    report("deleted", admin::delete_topics(&mut cluster, &args.topics)?, forgiven)
}

/// Says what became of each; fails when any did.
fn report(verb: &str, outcomes: Vec<Outcome>, forgiven: Option<ErrorCode>) -> Result<(), Failure> {
    let mut worst = None;
    for (name, outcome) in outcomes {
        match outcome {
            Ok(()) => writeln!(std::io::stdout(), "{verb} {name}")?,
            Err(why) if forgiven.is_some() && why.code() == forgiven => {}
            Err(why) => {
                eprintln!("forebay: {why}");
                worst = Some(Failure { exit: Exit::Failed, message: String::new() });
            }
        }
    }
    worst.map_or(Ok(()), Err)
}

fn list(args: &TopicList) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let mut topics =
        cluster.persist("listing topics", |c, deadline| c.topics(None, AutoCreate::Forbidden, deadline))?;
    topics.retain(|topic| args.internal || !topic.internal);
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let text = if args.json {
        let row = |topic: &Topic| json!({ "name": topic.name, "partitions": topic.partitions.len(), "internal": topic.internal });
        format!("{:#}\n", Value::Array(topics.iter().map(row).collect()))
    } else {
        let mut table = Table::new(&["TOPIC", "PARTITIONS"], &[1]);
        topics.iter().for_each(|t| table.row([t.name.clone(), t.partitions.len().to_string()]));
        table.text()
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// All that is known of a topic.
struct Description {
    topic: Topic,
    starts: BTreeMap<Place, i64>,
    ends: BTreeMap<Place, i64>,
    configs: Vec<TopicConfig>,
}

fn describe(args: &TopicDescribe) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    cluster.work_with(&args.topics, AutoCreate::Forbidden)?;
    let mut descriptions = Vec::new();
    for name in &args.topics {
        descriptions.push(describe_one(&mut cluster, name)?);
    }
    let text = if args.json {
        format!("{:#}\n", Value::Array(descriptions.iter().map(as_json).collect()))
    } else {
        descriptions.iter().map(as_text).collect::<Vec<_>>().join("\n")
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn describe_one(cluster: &mut Cluster, name: &String) -> Result<Description, Failure> {
    let names = std::slice::from_ref(name);
    let topics = cluster.persist("describing a topic", |cluster, deadline| {
        cluster.topics(Some(names), AutoCreate::Forbidden, deadline)
    })?;
    let topic = topics.into_iter().next();
    let topic = topic.ok_or_else(|| Failure::failed(format!("topic {name} does not exist")))?;
    let places = cluster.places(name);
    Ok(Description {
        starts: offsets::list(cluster, &places, Which::Earliest)?,
        ends: offsets::list(cluster, &places, Which::Latest)?,
        configs: admin::topic_configs(cluster, name)?,
        topic,
    })
}

impl Description {
    fn rows(&self) -> impl Iterator<Item = (&Partition, i64, i64)> {
        self.topic.partitions.iter().map(|partition| {
            let place = Place::new(&self.topic.name, partition.number);
            let of = |offsets: &BTreeMap<Place, i64>| offsets.get(&place).copied().unwrap_or(0);
            (partition, of(&self.starts), of(&self.ends))
        })
    }

    fn records(&self) -> i64 {
        self.rows().map(|(_, start, end)| end - start).sum()
    }
}

fn as_json(description: &Description) -> Value {
    let partition = |(partition, start, end): (&Partition, i64, i64)| {
        json!({
            "partition": partition.number,
            "leader": partition.leader,
            "replicas": partition.replicas,
            "in_sync": partition.in_sync,
            "start": start,
            "end": end,
        })
    };
    let config =
        |config: &TopicConfig| json!({ "name": config.name, "value": config.value, "own": config.own });
    json!({
        "name": description.topic.name,
        "offsets": description.records(),
        "partitions": description.rows().map(partition).collect::<Vec<_>>(),
        "configs": description.configs.iter().map(config).collect::<Vec<_>>(),
    })
}

fn as_text(description: &Description) -> String {
    let Description { topic, configs, .. } = description;
    let mut text = format!(
        "topic {}: {} partitions, {} offsets in use\n",
        topic.name,
        topic.partitions.len(),
        grouped(description.records())
    );
    for config in configs.iter().filter(|config| config.own) {
        text.push_str(&format!("  {} = {}\n", config.name, config.value.as_deref().unwrap_or("(secret)")));
    }
    let mut table =
        Table::new(&["PARTITION", "LEADER", "REPLICAS", "IN SYNC", "START", "END"], &[0, 1, 4, 5]);
    for (partition, start, end) in description.rows() {
        let nodes = |nodes: &[i32]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        table.row([
            partition.number.to_string(),
            partition.leader.map_or_else(|| "none".into(), |node| node.to_string()),
            nodes(&partition.replicas),
            nodes(&partition.in_sync),
            grouped(start),
            grouped(end),
        ]);
    }
    text + &table.text()
}
