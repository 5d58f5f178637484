//! Settings by Kafka's names: one table of the keys that topics have, what we do with each, and what applies.

pub(super) mod alter;
pub(super) mod describe;
mod duration;
mod groups;
pub(super) mod list;
mod node;
mod values;

use forebay_kit::model::admin::DescribedDefaults;
use forebay_kit::model::{
    PolicyChange, Refusal, SettingChange, SettingsChange, TopicDefaults, TopicSettings,
};

use self::values::{
    bound, bound_text, cleanup_policy, cleanup_policy_text, compression, compression_text, flush, flush_text,
    gzip_level, gzip_level_text, message_bytes, milliseconds, parts, ratio, segment_bytes, timestamp_type,
    timestamp_type_text, zstd_level,
};

/// Kafka's number for topics as something configured.
const TOPIC: i8 = 2;
/// Kafka's number for brokers.
const BROKER: i8 = 4;
/// Kafka's number for groups.
const GROUP: i8 = 32;

/// One key of Kafka's topic configuration, or of ours.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) means: &'static str,
    rule: Rule,
}

/// A value's type, by Kafka's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// What we do with a key.
enum Rule {
    /// It is kept with the topic and enforced.
    Set(Setting),
    /// Only one value is what happens here; every other is refused.
    Fixed(&'static str),
}

/// The settings that a topic has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    RetentionMs,
    RetentionBytes,
    MessageBytesMax,
    TimestampType,
    Flush,
    CleanupPolicy,
    TombstoneMs,
    LagMsMin,
    LagMsMax,
    DirtyRatioMin,
    FreshBytes,
    FreshMs,
    BeforeMsMax,
    AfterMsMax,
    Compression,
    GzipLevel,
    ZstdLevel,
}

/// What becomes of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation<'a> {
    /// It gets this value.
    Set(&'a str),
    /// The default applies.
    Delete,
    /// These get into the list, if they are not in it.
    Append(&'a str),
    /// These go out of the list.
    Subtract(&'a str),
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It was set on the topic.
    Topic,
    /// It was set on the group.
    Group,
    /// It was set for all nodes.
    Nodes,
    /// It stands in the node's own configuration.
    Node,
    /// It is the node's.
    Default,
}

/// One setting as it applies.
pub(super) struct Config {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// What was set for all nodes, and would apply without the topic's own value.
    pub(super) of_nodes: Option<String>,
    /// What would apply without either, if anything.
    pub(super) default: Option<String>,
    pub(super) source: Source,
    pub(super) is_read_only: bool,
    pub(super) kind: Kind,
    pub(super) means: &'static str,
}

const fn set(name: &'static str, setting: Setting, kind: Kind, means: &'static str) -> Key {
    Key { name, kind, means, rule: Rule::Set(setting) }
}

const fn fixed(name: &'static str, value: &'static str, kind: Kind, means: &'static str) -> Key {
    Key { name, kind, means, rule: Rule::Fixed(value) }
}

/// No bound in a field of 64 bits.
const FOR_EVER: &str = "9223372036854775807";

/// Every key that is understood, by name.
const KEYS: &[Key] = &[
    set(
        "cleanup.policy",
        Setting::CleanupPolicy,
        Kind::List,
        "How records go: delete by retention, compact all but the last one of each key, or both; with an empty list all of them stay.",
    ),
    set(
        "compression.gzip.level",
        Setting::GzipLevel,
        Kind::Int,
        "How hard gzip tries where compression.type is gzip; -1 for its own default.",
    ),
    fixed("compression.lz4.level", "9", Kind::Int, "LZ4 compresses fast, in one way."),
    set(
        "compression.type",
        Setting::Compression,
        Kind::String,
        "How batches are stored: as their producer compressed them, or compressed anew.",
    ),
    set(
        "compression.zstd.level",
        Setting::ZstdLevel,
        Kind::Int,
        "How hard zstd tries where compression.type is zstd.",
    ),
    set(
        "delete.retention.ms",
        Setting::TombstoneMs,
        Kind::Long,
        "A record without a value that has nothing left to hide is kept for so many milliseconds, and up to a sixth longer.",
    ),
    fixed("file.delete.delay.ms", "60000", Kind::Long, "Topics have no files of their own."),
    fixed("flush.messages", FOR_EVER, Kind::Long, "How confirms are flushed is chosen by forebay.flush."),
    fixed("flush.ms", FOR_EVER, Kind::Long, "How confirms are flushed is chosen by forebay.flush."),
    fixed(
        "follower.replication.throttled.replicas",
        "",
        Kind::List,
        "Replication is not throttled topic by topic.",
    ),
    set(
        "forebay.flush",
        Setting::Flush,
        Kind::String,
        "When a confirm leaves: sync after fdatasync, async after write.",
    ),
    fixed("index.interval.bytes", "4096", Kind::Int, "Topics have no files of their own."),
    fixed(
        "leader.replication.throttled.replicas",
        "",
        Kind::List,
        "Replication is not throttled topic by topic.",
    ),
    fixed(
        "local.retention.bytes",
        "-2",
        Kind::Long,
        "There is no tiered storage: what is kept is kept here.",
    ),
    fixed("local.retention.ms", "-2", Kind::Long, "There is no tiered storage: what is kept is kept here."),
    set(
        "max.compaction.lag.ms",
        Setting::LagMsMax,
        Kind::Long,
        "A record that a newer one of its key replaced is kept no longer than about so many milliseconds.",
    ),
    set("max.message.bytes", Setting::MessageBytesMax, Kind::Int, "Largest batch in bytes."),
    set(
        "message.timestamp.after.max.ms",
        Setting::AfterMsMax,
        Kind::Long,
        "A batch with a record whose producer dates it so much later than the node's clock is refused.",
    ),
    set(
        "message.timestamp.before.max.ms",
        Setting::BeforeMsMax,
        Kind::Long,
        "A batch with a record whose producer dates it so much earlier than the node's clock is refused.",
    ),
    set(
        "message.timestamp.type",
        Setting::TimestampType,
        Kind::String,
        "Whose timestamp a record carries: CreateTime the producer's, LogAppendTime the append's.",
    ),
    set(
        "min.cleanable.dirty.ratio",
        Setting::DirtyRatioMin,
        Kind::Double,
        "A segment file is compacted when this share of it is dead, or in time when this share of a partition is; a partition is looked at when this share of it is new.",
    ),
    set(
        "min.compaction.lag.ms",
        Setting::LagMsMin,
        Kind::Long,
        "A record is compacted no sooner than when it is so many milliseconds old.",
    ),
    fixed(
        "min.insync.replicas",
        "1",
        Kind::Int,
        "A confirm to acks=all always means a majority of the voters.",
    ),
    fixed("preallocate", "false", Kind::Boolean, "Topics have no files of their own."),
    fixed("remote.log.copy.disable", "false", Kind::Boolean, "There is no tiered storage."),
    fixed("remote.log.delete.on.disable", "false", Kind::Boolean, "There is no tiered storage."),
    fixed("remote.storage.enable", "false", Kind::Boolean, "There is no tiered storage."),
    set(
        "retention.bytes",
        Setting::RetentionBytes,
        Kind::Long,
        "The oldest records of a partition are dropped above this many bytes; -1 for no bound.",
    ),
    set(
        "retention.ms",
        Setting::RetentionMs,
        Kind::Long,
        "Records older than this many milliseconds are dropped; -1 for never.",
    ),
    set(
        "segment.bytes",
        Setting::FreshBytes,
        Kind::Int,
        "The newest records of a partition, as far back as they take so many bytes and are younger than segment.ms, are not compacted. Retention goes batch by batch and waits for no segment.",
    ),
    fixed("segment.index.bytes", "10485760", Kind::Int, "Topics have no files of their own."),
    fixed("segment.jitter.ms", "0", Kind::Long, "No files of topics end together."),
    set(
        "segment.ms",
        Setting::FreshMs,
        Kind::Long,
        "Records older than so many milliseconds may be compacted, also among the newest; where min.cleanable.dirty.ratio of a partition is dead, that has gone so much later (ten minutes at least).",
    ),
    fixed(
        "unclean.leader.election.enable",
        "false",
        Kind::Boolean,
        "A node without all confirmed records is never elected.",
    ),
];

/// Keys that Apache Kafka's topics have and whose values nothing here could enforce.
const KNOWN_TO_KAFKA: &[&str] = &[
    "errors.deadletterqueue.topic.name",
    "internal.segment.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.difference.max.ms",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
];

/// What this broker makes of a value that a topic's setting has elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is kept with the topic and enforced.
    Kept,
    /// It is what always happens here.
    Always,
    /// Something else always happens here; the text says what.
    Otherwise(String),
    /// It is refused, for this reason.
    Refused(String),
}

/// Judges a setting of a topic by Kafka's name for it.
#[must_use]
pub fn judge(name: &str, value: &str) -> Judged {
    match key(name).map(|key| &key.rule) {
        Ok(Rule::Fixed(only)) => match check_fixed(name, value, only) {
            Ok(()) => Judged::Always,
            Err(refusal) => Judged::Otherwise(refusal.to_string()),
        },
        _ => match settings(std::iter::once((name, Some(value)))) {
            Ok(_) => Judged::Kept,
            Err(refusal) => Judged::Refused(refusal.to_string()),
        },
    }
}

/// Understands a topic's configuration. The first key that cannot be honoured refuses all of it, by name.
pub(super) fn settings<'a>(
    configs: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<TopicSettings, Refusal> {
    let mut settings = SettingsChange::default();
    for (name, value) in configs {
        let value = value.ok_or_else(|| Refusal::InvalidSetting(format!("{name} has no value")))?;
        settings = change(settings, std::iter::once((name, Operation::Set(value))))?;
    }
    Ok(settings.of(&TopicSettings::default()))
}

/// Understands changes of a topic's configuration: `change` with what they say. The first key that cannot be honoured refuses all
/// of them, by name.
pub(super) fn change<'a>(
    mut change: SettingsChange,
    operations: impl Iterator<Item = (&'a str, Operation<'a>)>,
) -> Result<SettingsChange, Refusal> {
    for (name, operation) in operations {
        if operation == Operation::Delete && KNOWN_TO_KAFKA.contains(&name) {
            // It has never been set.
            continue;
        }
        let key = key(name)?;
        match (&key.rule, operation) {
            (_, Operation::Append(_) | Operation::Subtract(_)) if key.kind != Kind::List => {
                let text = format!("{name} is no list: nothing can be appended to it or subtracted from it");
                return Err(Refusal::InvalidSetting(text));
            }
            (Rule::Fixed(_), Operation::Delete) => {}
            (Rule::Fixed(only), Operation::Set(value)) => check_fixed(name, value, only)?,
            (Rule::Fixed(only), Operation::Append(value)) => {
                let more = parts(value).filter(|part| !parts(only).any(|present| present == *part));
                check_fixed(name, &joined(parts(only).chain(more)), only)?;
            }
            (Rule::Fixed(only), Operation::Subtract(value)) => {
                let left = parts(only).filter(|part| !parts(value).any(|gone| gone == *part));
                check_fixed(name, &joined(left), only)?;
            }
            (Rule::Set(setting), Operation::Delete) => setting.change(&mut change, name, None)?,
            (Rule::Set(setting), Operation::Set(value)) => setting.change(&mut change, name, Some(value))?,
            // The one list that is kept with a topic.
            (Rule::Set(_), Operation::Append(value)) => {
                change.cleanup.policy = PolicyChange::Add(cleanup_policy(name, value)?);
            }
            (Rule::Set(_), Operation::Subtract(value)) => {
                change.cleanup.policy = PolicyChange::Remove(cleanup_policy(name, value)?);
            }
        }
    }
    Ok(change)
}

fn check_fixed(name: &str, value: &str, only: &str) -> Result<(), Refusal> {
    if value == only {
        return Ok(());
    }
    let text = format!("{name}={value} cannot be enforced: only {name}={only} is true here");
    Err(Refusal::InvalidSetting(text))
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

fn key(name: &str) -> Result<&'static Key, Refusal> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        Refusal::InvalidSetting(if KNOWN_TO_KAFKA.contains(&name) {
            format!("{name} cannot be enforced here, whatever its value")
        } else {
            format!("{name} is not a setting of topics")
        })
    })
}

/// Every setting as it applies to a topic.
pub(super) fn of_topic(
    settings: &TopicSettings,
    defaults: &DescribedDefaults,
) -> impl Iterator<Item = Config> {
    KEYS.iter().map(move |key| {
        let (own, of_nodes, default) = match &key.rule {
            Rule::Fixed(only) => (None, None, (*only).to_owned()),
            Rule::Set(setting) => {
                (setting.own(settings), setting.own(&defaults.all), setting.default(&defaults.node))
            }
        };
        Config {
            name: key.name,
            source: match (&own, &of_nodes) {
                (Some(_), _) => Source::Topic,
                (None, Some(_)) => Source::Nodes,
                (None, None) => Source::Default,
            },
            value: own.or_else(|| of_nodes.clone()).unwrap_or_else(|| default.clone()),
            of_nodes,
            default: Some(default),
            is_read_only: matches!(key.rule, Rule::Fixed(_)),
            kind: key.kind,
            means: key.means,
        }
    })
}

impl Setting {
    /// `None` for the default.
    fn change(self, change: &mut SettingsChange, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        match self {
            Setting::RetentionMs => change.retention_ms = changed(value, |value| bound(name, value))?,
            Setting::RetentionBytes => change.retention_bytes = changed(value, |value| bound(name, value))?,
            Setting::MessageBytesMax => {
                change.message_bytes_max = changed(value, |value| message_bytes(name, value))?;
            }
            Setting::TimestampType => {
                change.timestamp_type = changed(value, |value| timestamp_type(name, value))?;
            }
            Setting::Flush => change.flush = changed(value, |value| flush(name, value))?,
            Setting::CleanupPolicy => {
                let policy = value.map(|value| cleanup_policy(name, value)).transpose()?;
                change.cleanup.policy = policy.map_or(PolicyChange::Clear, PolicyChange::Set);
            }
            Setting::TombstoneMs => {
                change.cleanup.tombstone_ms = changed(value, |value| milliseconds(name, value, 0))?;
            }
            Setting::LagMsMin => {
                change.cleanup.lag_ms_min = changed(value, |value| milliseconds(name, value, 0))?;
            }
            Setting::LagMsMax => {
                change.cleanup.lag_ms_max = changed(value, |value| milliseconds(name, value, 1))?;
            }
            Setting::DirtyRatioMin => {
                change.cleanup.dirty_ratio_min = changed(value, |value| ratio(name, value))?;
            }
            Setting::FreshBytes => {
                change.cleanup.fresh_bytes = changed(value, |value| segment_bytes(name, value))?;
            }
            Setting::FreshMs => {
                change.cleanup.fresh_ms = changed(value, |value| milliseconds(name, value, 1))?;
            }
            Setting::BeforeMsMax => {
                change.intake.before_ms_max = changed(value, |value| milliseconds(name, value, 0))?;
            }
            Setting::AfterMsMax => {
                change.intake.after_ms_max = changed(value, |value| milliseconds(name, value, 0))?;
            }
            Setting::Compression => {
                change.intake.compression = changed(value, |value| compression(name, value))?;
            }
            Setting::GzipLevel => change.intake.gzip_level = changed(value, |value| gzip_level(name, value))?,
            Setting::ZstdLevel => change.intake.zstd_level = changed(value, |value| zstd_level(name, value))?,
        }
        Ok(())
    }

    fn own(self, settings: &TopicSettings) -> Option<String> {
        match self {
            Setting::RetentionMs => settings.retention_ms.map(bound_text),
            Setting::RetentionBytes => settings.retention_bytes.map(bound_text),
            Setting::MessageBytesMax => settings.message_bytes_max.map(|bytes| bytes.to_string()),
            Setting::TimestampType => settings.timestamp_type.map(timestamp_type_text),
            Setting::Flush => settings.flush.map(flush_text),
            Setting::CleanupPolicy => settings.cleanup.policy.map(cleanup_policy_text),
            Setting::TombstoneMs => settings.cleanup.tombstone_ms.map(|ms| ms.to_string()),
            Setting::LagMsMin => settings.cleanup.lag_ms_min.map(|ms| ms.to_string()),
            Setting::LagMsMax => settings.cleanup.lag_ms_max.map(|ms| ms.to_string()),
            Setting::DirtyRatioMin => settings.cleanup.dirty_ratio_min.map(|ratio| ratio.to_string()),
            Setting::FreshBytes => settings.cleanup.fresh_bytes.map(|bytes| bytes.to_string()),
            Setting::FreshMs => settings.cleanup.fresh_ms.map(|ms| ms.to_string()),
            Setting::BeforeMsMax => settings.intake.before_ms_max.map(|ms| ms.to_string()),
            Setting::AfterMsMax => settings.intake.after_ms_max.map(|ms| ms.to_string()),
            Setting::Compression => settings.intake.compression.map(compression_text),
            Setting::GzipLevel => settings.intake.gzip_level.map(gzip_level_text),
            Setting::ZstdLevel => settings.intake.zstd_level.map(|level| level.number().to_string()),
        }
    }

    fn default(self, defaults: &TopicDefaults) -> String {
        match self {
            Setting::RetentionMs => bound_text(defaults.retention_ms),
            Setting::RetentionBytes => bound_text(defaults.retention_bytes),
            Setting::MessageBytesMax => defaults.message_bytes_max.to_string(),
            Setting::TimestampType => timestamp_type_text(defaults.timestamp_type),
            Setting::Flush => flush_text(defaults.flush),
            Setting::CleanupPolicy => cleanup_policy_text(defaults.cleanup.policy),
            Setting::TombstoneMs => defaults.cleanup.tombstone_ms.to_string(),
            Setting::LagMsMin => defaults.cleanup.lag_ms_min.to_string(),
            Setting::LagMsMax => defaults.cleanup.lag_ms_max.to_string(),
            Setting::DirtyRatioMin => defaults.cleanup.dirty_ratio_min.to_string(),
            Setting::FreshBytes => defaults.cleanup.fresh_bytes.to_string(),
            Setting::FreshMs => defaults.cleanup.fresh_ms.to_string(),
            Setting::BeforeMsMax => defaults.intake.before_ms_max.to_string(),
            Setting::AfterMsMax => defaults.intake.after_ms_max.to_string(),
            Setting::Compression => compression_text(defaults.intake.compression),
            Setting::GzipLevel => gzip_level_text(defaults.intake.gzip_level),
            Setting::ZstdLevel => defaults.intake.zstd_level.number().to_string(),
        }
    }
}

fn changed<T>(
    value: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<SettingChange<T>, Refusal> {
    value.map_or(Ok(SettingChange::Clear), |value| read(value).map(SettingChange::Set))
}

#[cfg(test)]
pub(super) use groups::documented_settings as documented_group_settings;

#[cfg(test)]
pub(super) use node::documented_settings as documented_node_settings;

/// The settings of topics as a table for the documentation.
#[cfg(test)]
pub(super) fn documented_settings() -> String {
    use std::fmt::Write as _;
    let mut table = String::from("| setting | values | meaning |\n| --- | --- | --- |\n");
    for key in KEYS {
        let values = documented_values(key);
        writeln!(table, "| `{}` | {values} | {} |", key.name, key.means).expect("a string takes all");
    }
    table
}

/// The names of those that are refused, for the documentation.
#[cfg(test)]
pub(super) fn documented_refused_settings() -> String {
    let quoted: Vec<String> = KNOWN_TO_KAFKA.iter().map(|name| format!("`{name}`")).collect();
    format!("{}.\n", quoted.join(", "))
}

#[cfg(test)]
fn documented_values(key: &Key) -> String {
    use self::values::{COMPRESSIONS, SEGMENT_BYTES_MIN};
    use forebay_kit::model::limits::MESSAGE_BYTES_CEILING;
    match key.rule {
        Rule::Fixed("") => "only an empty list".to_owned(),
        Rule::Fixed(only) => format!("only `{only}`"),
        Rule::Set(Setting::RetentionMs | Setting::RetentionBytes) => "0 and up, -1".to_owned(),
        Rule::Set(Setting::MessageBytesMax) => format!("0 to {MESSAGE_BYTES_CEILING}"),
        Rule::Set(Setting::TimestampType) => "`CreateTime`, `LogAppendTime`".to_owned(),
        Rule::Set(Setting::Flush) => "`sync`, `async`".to_owned(),
        Rule::Set(Setting::CleanupPolicy) => {
            "`delete`, `compact`, `compact,delete`, an empty list".to_owned()
        }
        Rule::Set(Setting::TombstoneMs | Setting::LagMsMin | Setting::BeforeMsMax | Setting::AfterMsMax) => {
            "0 and up".to_owned()
        }
        Rule::Set(Setting::Compression) => {
            let quoted: Vec<String> = COMPRESSIONS.iter().map(|(name, _)| format!("`{name}`")).collect();
            quoted.join(", ")
        }
        Rule::Set(Setting::GzipLevel) => "1 to 9, -1".to_owned(),
        Rule::Set(Setting::ZstdLevel) => "-131072 to 22".to_owned(),
        Rule::Set(Setting::LagMsMax | Setting::FreshMs) => "1 and up".to_owned(),
        Rule::Set(Setting::FreshBytes) => format!("{SEGMENT_BYTES_MIN} to {}", i32::MAX),
        Rule::Set(Setting::DirtyRatioMin) => "0 to 1".to_owned(),
    }
}
