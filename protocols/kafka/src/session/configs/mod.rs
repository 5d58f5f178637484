//! Settings by Kafka's names: one table of the keys that topics have, what we do with each, and what applies.

pub(super) mod alter;
pub(super) mod describe;
pub(super) mod list;
mod node;

use std::fmt::Display;

use forebay_kit::model::limits::MESSAGE_BYTES_CEILING;
use forebay_kit::model::{
    FlushClass, Refusal, SettingChange, SettingsChange, TimestampType, TopicDefaults, TopicSettings,
};

/// Kafka's number for topics as something configured.
const TOPIC: i8 = 2;
/// Kafka's number for brokers.
const BROKER: i8 = 4;

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
    /// It is the node's.
    Default,
}

/// One setting as it applies.
pub(super) struct Config {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// What would apply without the topic's own value.
    pub(super) default: String,
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
    fixed("cleanup.policy", "delete", Kind::List, "Old records are dropped; compaction comes later."),
    fixed(
        "compression.type",
        "producer",
        Kind::String,
        "Batches are stored as their producer compressed them.",
    ),
    fixed("flush.messages", FOR_EVER, Kind::Long, "How confirms are flushed is chosen by forebay.flush."),
    fixed("flush.ms", FOR_EVER, Kind::Long, "How confirms are flushed is chosen by forebay.flush."),
    set(
        "forebay.flush",
        Setting::Flush,
        Kind::String,
        "When a confirm leaves: sync after fdatasync, async after write.",
    ),
    set("max.message.bytes", Setting::MessageBytesMax, Kind::Int, "Largest batch in bytes."),
    fixed(
        "message.timestamp.after.max.ms",
        FOR_EVER,
        Kind::Long,
        "Timestamps of producers are not held against the clock.",
    ),
    fixed(
        "message.timestamp.before.max.ms",
        FOR_EVER,
        Kind::Long,
        "Timestamps of producers are not held against the clock.",
    ),
    set(
        "message.timestamp.type",
        Setting::TimestampType,
        Kind::String,
        "Whose timestamp a record carries: CreateTime the producer's, LogAppendTime the append's.",
    ),
    fixed(
        "min.insync.replicas",
        "1",
        Kind::Int,
        "A confirm to acks=all always means a majority of the voters.",
    ),
    fixed("preallocate", "false", Kind::Boolean, "Topics have no files of their own."),
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
    fixed(
        "unclean.leader.election.enable",
        "false",
        Kind::Boolean,
        "A node without all confirmed records is never elected.",
    ),
];

/// Keys that Apache Kafka's topics have and whose values nothing here could enforce.
const KNOWN_TO_KAFKA: &[&str] = &[
    "delete.retention.ms",
    "errors.deadletterqueue.topic.name",
    "file.delete.delay.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "internal.segment.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.difference.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
];

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
            (Rule::Set(_), Operation::Append(_) | Operation::Subtract(_)) => {
                unreachable!("no list is kept with a topic")
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

/// The parts of a list as Kafka writes one.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
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
pub(super) fn of_topic(settings: &TopicSettings, defaults: &TopicDefaults) -> impl Iterator<Item = Config> {
    KEYS.iter().map(move |key| {
        let (own, default) = match &key.rule {
            Rule::Fixed(only) => (None, (*only).to_owned()),
            Rule::Set(setting) => (setting.own(settings), setting.default(defaults)),
        };
        Config {
            name: key.name,
            source: if own.is_some() { Source::Topic } else { Source::Default },
            value: own.unwrap_or_else(|| default.clone()),
            default,
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
        }
    }

    fn default(self, defaults: &TopicDefaults) -> String {
        match self {
            Setting::RetentionMs => bound_text(defaults.retention_ms),
            Setting::RetentionBytes => bound_text(defaults.retention_bytes),
            Setting::MessageBytesMax => defaults.message_bytes_max.to_string(),
            Setting::TimestampType => timestamp_type_text(defaults.timestamp_type),
            Setting::Flush => flush_text(defaults.flush),
        }
    }
}

fn changed<T>(
    value: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<SettingChange<T>, Refusal> {
    value.map_or(Ok(SettingChange::Clear), |value| read(value).map(SettingChange::Set))
}

fn bound(name: &str, value: &str) -> Result<Option<u64>, Refusal> {
    match value.trim().parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number @ 0..) => Ok(Some(number.unsigned_abs())),
        _ => Err(not_one_of(name, value, "a whole number, or -1 for no bound")),
    }
}

fn bound_text(bound: Option<u64>) -> String {
    bound.map_or_else(|| "-1".to_owned(), |bound| bound.to_string())
}

fn message_bytes(name: &str, value: &str) -> Result<u32, Refusal> {
    let number = value.trim().parse::<u32>().ok();
    number
        .filter(|bytes| usize::try_from(*bytes).is_ok_and(|bytes| bytes <= MESSAGE_BYTES_CEILING))
        .ok_or_else(|| {
            not_one_of(name, value, format_args!("a number of bytes up to {MESSAGE_BYTES_CEILING}"))
        })
}

fn timestamp_type(name: &str, value: &str) -> Result<TimestampType, Refusal> {
    match value {
        "CreateTime" => Ok(TimestampType::Create),
        "LogAppendTime" => Ok(TimestampType::Append),
        _ => Err(not_one_of(name, value, "CreateTime or LogAppendTime")),
    }
}

fn timestamp_type_text(timestamp_type: TimestampType) -> String {
    match timestamp_type {
        TimestampType::Create => "CreateTime",
        TimestampType::Append => "LogAppendTime",
    }
    .to_owned()
}

fn flush(name: &str, value: &str) -> Result<FlushClass, Refusal> {
    match value {
        "sync" => Ok(FlushClass::Sync),
        "async" => Ok(FlushClass::Async),
        _ => Err(not_one_of(name, value, "sync or async")),
    }
}

fn flush_text(flush: FlushClass) -> String {
    match flush {
        FlushClass::Sync => "sync",
        FlushClass::Async => "async",
    }
    .to_owned()
}

fn not_one_of(name: &str, value: &str, wanted: impl Display) -> Refusal {
    Refusal::InvalidSetting(format!("{name} is {wanted}, not {value:?}"))
}

/// The settings of topics as a table for the documentation.
#[cfg(test)]
pub(super) fn documented_settings() -> String {
    use std::fmt::Write as _;
    let mut table = String::from("| setting | values | meaning |\n| --- | --- | --- |\n");
    for key in KEYS {
        let values = match key.rule {
            Rule::Fixed(only) => format!("only `{only}`"),
            Rule::Set(Setting::RetentionMs | Setting::RetentionBytes) => "0 and up, -1".to_owned(),
            Rule::Set(Setting::MessageBytesMax) => format!("0 to {MESSAGE_BYTES_CEILING}"),
            Rule::Set(Setting::TimestampType) => "`CreateTime`, `LogAppendTime`".to_owned(),
            Rule::Set(Setting::Flush) => "`sync`, `async`".to_owned(),
        };
        writeln!(table, "| `{}` | {values} | {} |", key.name, key.means).expect("a string takes all");
    }
    table
}
