//! Settings of nodes by Kafka's names: the defaults that they give to topics, which can be changed for all nodes while they run, and
//! beside them those that consoles and tools look for and that hold here.

use forebay_kit::model::admin::DescribedDefaults;
use forebay_kit::model::limits::TRANSACTION_TIMEOUT_MS_MAX;
use forebay_kit::model::{
    CleanupChange, NodeView, PolicyChange, Refusal, SettingChange, SettingsChange, TopicSettings,
};

use super::{Config, Kind, Operation, Rule, Setting, Source, change, key, of_topic};
use crate::limits::FETCH_RESPONSE_BYTES_MAX;
use crate::session::names::node_number;

/// Kafka's names for the defaults of topics, beside those of the settings of topics. What of a topic is not here has no default.
const NAMES: &[(&str, &str)] = &[
    ("compression.gzip.level", "compression.gzip.level"),
    ("compression.lz4.level", "compression.lz4.level"),
    ("compression.type", "compression.type"),
    ("compression.zstd.level", "compression.zstd.level"),
    ("log.cleaner.delete.retention.ms", "delete.retention.ms"),
    ("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"),
    ("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
    ("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"),
    ("log.cleanup.policy", "cleanup.policy"),
    ("log.flush.interval.messages", "flush.messages"),
    ("log.index.interval.bytes", "index.interval.bytes"),
    ("log.index.size.max.bytes", "segment.index.bytes"),
    ("log.local.retention.bytes", "local.retention.bytes"),
    ("log.local.retention.ms", "local.retention.ms"),
    ("log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms"),
    ("log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms"),
    ("log.message.timestamp.type", "message.timestamp.type"),
    ("log.preallocate", "preallocate"),
    ("log.retention.bytes", "retention.bytes"),
    ("log.retention.ms", "retention.ms"),
    ("log.roll.jitter.ms", "segment.jitter.ms"),
    ("log.roll.ms", "segment.ms"),
    ("log.segment.bytes", "segment.bytes"),
    ("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    ("message.max.bytes", "max.message.bytes"),
    ("min.insync.replicas", "min.insync.replicas"),
    ("unclean.leader.election.enable", "unclean.leader.election.enable"),
];

const CREATES: &str =
    "Whether a topic is made when a client that allows it asks for one that does not exist.";
const PARTITIONS: &str = "Partitions of a topic created without a count.";

/// The defaults that a node gives to topics, and whether it makes them.
pub(super) fn defaults(defaults: &DescribedDefaults) -> Vec<Config> {
    let creates = ("auto.create.topics.enable", defaults.creates.to_string(), Kind::Boolean, CREATES);
    let partitions = ("num.partitions", defaults.node.partitions.to_string(), Kind::Int, PARTITIONS);
    let settings = TopicSettings::default();
    let named = of_topic(&settings, defaults).filter_map(|config| {
        let (name, _) = NAMES.iter().find(|(_, of_topics)| *of_topics == config.name)?;
        let is_read_only = config.is_read_only || !is_changeable(config.name);
        Some(Config { name, is_read_only, ..config })
    });
    named.chain([creates, partitions].map(shown)).collect()
}

/// What was set for all nodes.
pub(super) fn of_all(described: &DescribedDefaults) -> impl Iterator<Item = Config> {
    defaults(described).into_iter().filter(|config| config.of_nodes.is_some())
}

/// Understands changes of what applies to topics that set nothing, on all nodes: `from` with what they say. The first one that cannot be
/// honoured refuses all of them, by name.
pub(super) fn change_defaults<'a>(
    from: SettingsChange,
    operations: impl Iterator<Item = (&'a str, Operation<'a>)>,
) -> Result<SettingsChange, Refusal> {
    operations.into_iter().try_fold(from, |changed, (name, operation)| {
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, of_topics)| *of_topics);
        let of_topics = found.filter(|of_topics| is_changeable(of_topics)).ok_or_else(|| {
            let text = format!("{name} cannot be changed while nodes run: it stands in their configuration, or is each topic's own");
            Refusal::InvalidSetting(text)
        })?;
        change(changed, std::iter::once((of_topics, operation))).map_err(|refusal| match refusal {
            Refusal::InvalidSetting(text) if name != of_topics => Refusal::InvalidSetting(format!("{name}: {text}")),
            other => other,
        })
    })
}

/// Takes back whatever was set for all nodes.
pub(super) fn clear_defaults() -> SettingsChange {
    let cleanup = CleanupChange { policy: PolicyChange::Keep, ..CleanupChange::CLEAR };
    SettingsChange { flush: SettingChange::Keep, cleanup, ..SettingsChange::CLEAR }
}

/// Whether the default of this setting of topics can be something else than it is. The policy of records is each topic's own.
fn is_changeable(of_topics: &str) -> bool {
    key(of_topics).is_ok_and(|key| !matches!(key.rule, Rule::Set(Setting::CleanupPolicy | Setting::Flush)))
}

/// What holds on this node, one of so many.
pub(super) fn configs(node: &NodeView, nodes: usize) -> impl Iterator<Item = Config> + use<> {
    let number = node_number(node.id);
    let rows = [
        ("broker.id", number.to_string(), Kind::Int, "The node's number."),
        ("default.replication.factor", nodes.to_string(), Kind::Int, "Every partition is on all nodes."),
        ("delete.topic.enable", "true".to_owned(), Kind::Boolean, "Topics can be deleted."),
        (
            "fetch.max.bytes",
            FETCH_RESPONSE_BYTES_MAX.to_string(),
            Kind::Int,
            "Bytes of records in one response to a reader, unless a single batch has more.",
        ),
        ("node.id", number.to_string(), Kind::Int, "The node's number."),
        ("quota.window.num", "11".to_owned(), Kind::Int, "Samples by which quotas are counted."),
        ("quota.window.size.seconds", "1".to_owned(), Kind::Int, "What one of these samples covers."),
        (
            "transaction.max.timeout.ms",
            TRANSACTION_TIMEOUT_MS_MAX.to_string(),
            Kind::Int,
            "The longest time that a transaction may be open.",
        ),
    ];
    rows.into_iter().map(shown)
}

/// What nobody changes while nodes run.
fn shown((name, value, kind, means): (&'static str, String, Kind, &'static str)) -> Config {
    Config {
        name,
        of_nodes: None,
        default: Some(value.clone()),
        value,
        source: Source::Default,
        is_read_only: true,
        kind,
        means,
    }
}

/// Where the clients of a listener are told to find the node. Of other listeners a client hears nothing.
pub(super) fn address(node: &NodeView, listener: &str) -> Config {
    let NodeView { host, port, .. } = node;
    let is_ipv6 = host.contains(':');
    Config {
        name: "advertised.listeners",
        value: if is_ipv6 {
            format!("{listener}://[{host}]:{port}")
        } else {
            format!("{listener}://{host}:{port}")
        },
        of_nodes: None,
        default: None,
        source: Source::Node,
        is_read_only: true,
        kind: Kind::List,
        means: "Where clients of this listener find the node.",
    }
}

/// The settings of nodes as a table for the documentation.
#[cfg(test)]
pub(in crate::session) fn documented_settings() -> String {
    use forebay_kit::model::NodeId;
    use std::fmt::Write as _;
    let node = NodeView { id: NodeId(1), host: String::new(), port: 0 };
    let mut rows: Vec<[String; 3]> = configs(&node, 1)
        .chain([address(&node, "")])
        .map(|config| [config.name.to_owned(), "shown".to_owned(), config.means.to_owned()])
        .chain([
            ["auto.create.topics.enable", "shown", CREATES].map(str::to_owned),
            ["num.partitions", "shown", PARTITIONS].map(str::to_owned),
        ])
        .collect();
    for (name, of_topics) in NAMES {
        let key = key(of_topics).expect("a setting of topics");
        let values = match key.rule {
            Rule::Set(_) if is_changeable(of_topics) => super::documented_values(key),
            Rule::Set(_) => "shown".to_owned(),
            Rule::Fixed(_) => super::documented_values(key),
        };
        rows.push([(*name).to_owned(), values, format!("The default of `{of_topics}`.")]);
    }
    rows.sort();
    let mut table = String::from("| setting | can be changed to | meaning |\n| --- | --- | --- |\n");
    for [name, values, means] in rows {
        writeln!(table, "| `{name}` | {values} | {means} |").expect("a string takes all");
    }
    table
}
