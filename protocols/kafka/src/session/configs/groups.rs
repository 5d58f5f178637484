//! Settings of groups: those of share groups and of groups whose partitions the broker assigns. They are kept for a group of that name whether it exists or not, as Apache Kafka keeps them.

use forebay_kit::model::fetch::Isolation;
use forebay_kit::model::subscription::{StartAt, SubscriptionChange, SubscriptionSettings};
use forebay_kit::model::{Attempts, Refusal, SettingChange};

use super::values::not_one_of;
use super::{Config, Kind, Operation, Source, duration};

/// One key of Kafka's configuration of groups.
struct Key {
    name: &'static str,
    setting: Setting,
    means: &'static str,
}

/// The settings that a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Begin,
    AttemptsMax,
    HeartbeatInterval,
    Isolation,
    SpanMax,
    Lease,
    Renews,
    SessionTimeout,
    AttendanceInterval,
    AttendanceTimeout,
}

const fn key(name: &'static str, setting: Setting, means: &'static str) -> Key {
    Key { name, setting, means }
}

/// What stands before a duration where a share group begins by time.
const BY_DURATION: &str = "by_duration:";

/// Every key that is understood, by name.
const KEYS: &[Key] = &[
    key(
        "consumer.heartbeat.interval.ms",
        Setting::AttendanceInterval,
        "How often members of group.protocol=consumer say that they live.",
    ),
    key(
        "consumer.session.timeout.ms",
        Setting::AttendanceTimeout,
        "A member of group.protocol=consumer is out after this long a silence.",
    ),
    key(
        "share.auto.offset.reset",
        Setting::Begin,
        "Where a share group begins with a partition that it never read: earliest, latest, or with the first record that is no older than a duration.",
    ),
    key(
        "share.delivery.count.limit",
        Setting::AttemptsMax,
        "A record that was handed out so often and not accepted is given up.",
    ),
    key("share.heartbeat.interval.ms", Setting::HeartbeatInterval, "How often members say that they live."),
    key(
        "share.isolation.level",
        Setting::Isolation,
        "Whether records of transactions that were not committed are handed out: read_uncommitted or read_committed.",
    ),
    key(
        "share.partition.max.record.locks",
        Setting::SpanMax,
        "How many records of a partition may lie between the oldest that is not done and the newest that was handed out.",
    ),
    key("share.record.lock.duration.ms", Setting::Lease, "How long a member has a record."),
    key("share.renew.acknowledge.enable", Setting::Renews, "Whether members may hold records for longer."),
    key("share.session.timeout.ms", Setting::SessionTimeout, "A member is out after this long a silence."),
];

/// Keys that Apache Kafka's groups have and whose values nothing here could enforce.
const KNOWN_TO_KAFKA: &[&str] = &[
    "consumer.assignment.interval.ms",
    "consumer.assignor.offload.enable",
    "share.assignment.interval.ms",
    "share.assignor.offload.enable",
    "streams.assignment.interval.ms",
    "streams.assignor.offload.enable",
    "streams.heartbeat.interval.ms",
    "streams.initial.rebalance.delay.ms",
    "streams.num.standby.replicas",
    "streams.session.timeout.ms",
];

/// Understands changes of a group's configuration: `change` with what they say. The first key that cannot be honoured refuses all
/// of them, by name.
pub(super) fn change<'a>(
    mut change: SubscriptionChange,
    operations: impl Iterator<Item = (&'a str, Operation<'a>)>,
) -> Result<SubscriptionChange, Refusal> {
    for (name, operation) in operations {
        if operation == Operation::Delete && KNOWN_TO_KAFKA.contains(&name) {
            // It has never been set.
            continue;
        }
        let value = match operation {
            Operation::Set(value) => Some(value.trim()),
            Operation::Delete => None,
            Operation::Append(_) | Operation::Subtract(_) => {
                let text = format!("{name} is no list: nothing can be appended to it or subtracted from it");
                return Err(Refusal::InvalidSetting(text));
            }
        };
        find(name)?.setting.change(&mut change, name, value)?;
    }
    Ok(change)
}

fn find(name: &str) -> Result<&'static Key, Refusal> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        Refusal::InvalidSetting(if KNOWN_TO_KAFKA.contains(&name) {
            format!("{name} cannot be enforced here, whatever its value")
        } else {
            format!("{name} is not a setting of groups")
        })
    })
}

/// Every setting as it applies to a group.
pub(super) fn of_group(settings: &SubscriptionSettings) -> Vec<Config> {
    let nothing = SubscriptionSettings::default();
    let config = |key: &Key| {
        let (value, default) = (key.setting.text(settings), key.setting.text(&nothing));
        Config {
            name: key.name,
            source: if key.setting.is_set(settings) { Source::Group } else { Source::Default },
            value,
            of_nodes: None,
            default: Some(default),
            is_read_only: false,
            kind: key.setting.kind(),
            means: key.means,
        }
    };
    KEYS.iter().map(config).collect()
}

impl Setting {
    fn kind(self) -> Kind {
        match self {
            Setting::Begin | Setting::Isolation => Kind::String,
            Setting::Renews => Kind::Boolean,
            Setting::AttemptsMax
            | Setting::HeartbeatInterval
            | Setting::SpanMax
            | Setting::Lease
            | Setting::SessionTimeout
            | Setting::AttendanceInterval
            | Setting::AttendanceTimeout => Kind::Int,
        }
    }

    /// The values of a number that Apache Kafka takes unless its brokers are configured otherwise.
    fn range(self) -> (u32, u32) {
        match self {
            Setting::AttemptsMax => (2, 10),
            Setting::HeartbeatInterval | Setting::AttendanceInterval => (5_000, 15_000),
            Setting::SpanMax => (100, 4_000),
            Setting::Lease => (15_000, 60_000),
            Setting::SessionTimeout | Setting::AttendanceTimeout => (45_000, 60_000),
            Setting::Begin | Setting::Isolation | Setting::Renews => (0, 0),
        }
    }

    /// `None` for the default.
    fn change(self, change: &mut SubscriptionChange, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        let number = || changed(value, |value| number_of(name, value, self.range()));
        match self {
            Setting::Begin => change.begin = changed(value, |value| begin(name, value))?,
            Setting::AttemptsMax => {
                change.attempts_max = changed(value, |value| {
                    let number = number_of(name, value, self.range())?;
                    Ok(Attempts(u16::try_from(number).unwrap_or(u16::MAX)))
                })?;
            }
            Setting::HeartbeatInterval => change.heartbeat_interval_ms = number()?,
            Setting::Isolation => change.isolation = changed(value, |value| isolation(name, value))?,
            Setting::SpanMax => change.span_max = number()?,
            Setting::Lease => change.lease_ms = number()?,
            Setting::Renews => change.renews = changed(value, |value| flag(name, value))?,
            Setting::SessionTimeout => change.session_timeout_ms = number()?,
            Setting::AttendanceInterval => change.attendance.heartbeat_interval_ms = number()?,
            Setting::AttendanceTimeout => change.attendance.session_timeout_ms = number()?,
        }
        Ok(())
    }

    fn is_set(self, settings: &SubscriptionSettings) -> bool {
        match self {
            Setting::Begin => settings.begin.is_some(),
            Setting::AttemptsMax => settings.attempts_max.is_some(),
            Setting::HeartbeatInterval => settings.heartbeat_interval_ms.is_some(),
            Setting::Isolation => settings.isolation.is_some(),
            Setting::SpanMax => settings.span_max.is_some(),
            Setting::Lease => settings.lease_ms.is_some(),
            Setting::Renews => settings.renews.is_some(),
            Setting::SessionTimeout => settings.session_timeout_ms.is_some(),
            Setting::AttendanceInterval => settings.attendance.heartbeat_interval_ms.is_some(),
            Setting::AttendanceTimeout => settings.attendance.session_timeout_ms.is_some(),
        }
    }

    /// What applies.
    fn text(self, settings: &SubscriptionSettings) -> String {
        let rules = settings.rules();
        match self {
            Setting::Begin => match rules.begin {
                StartAt::Earliest => "earliest".to_owned(),
                StartAt::NoOlderThan { ms } => format!("{BY_DURATION}{}", duration::text(ms)),
                StartAt::Latest | StartAt::Offset(_) => "latest".to_owned(),
            },
            Setting::AttemptsMax => rules.attempts_max.to_string(),
            Setting::HeartbeatInterval => settings.heartbeat_interval_ms().to_string(),
            Setting::Isolation => match rules.isolation {
                Isolation::Uncommitted => "read_uncommitted".to_owned(),
                Isolation::Committed => "read_committed".to_owned(),
            },
            Setting::SpanMax => rules.span_max.to_string(),
            Setting::Lease => rules.lease_ms.to_string(),
            Setting::Renews => settings.renews().to_string(),
            Setting::SessionTimeout => settings.session_timeout_ms().to_string(),
            Setting::AttendanceInterval => settings.attendance.heartbeat_interval_ms().to_string(),
            Setting::AttendanceTimeout => settings.attendance.session_timeout_ms().to_string(),
        }
    }
}

fn changed<T>(
    value: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<SettingChange<T>, Refusal> {
    value.map_or(Ok(SettingChange::Clear), |value| read(value).map(SettingChange::Set))
}

fn number_of(name: &str, value: &str, (least, most): (u32, u32)) -> Result<u32, Refusal> {
    let number = value.parse::<u32>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| not_one_of(name, value, format_args!("a whole number from {least} to {most}")))
}

fn begin(name: &str, value: &str) -> Result<StartAt, Refusal> {
    match value {
        "earliest" => Ok(StartAt::Earliest),
        "latest" => Ok(StartAt::Latest),
        _ => value
            .strip_prefix(BY_DURATION)
            .and_then(duration::milliseconds)
            .map(|ms| StartAt::NoOlderThan { ms })
            .ok_or_else(|| not_one_of(name, value, "earliest, latest or by_duration:PnDTnHnMn.nS")),
    }
}

fn isolation(name: &str, value: &str) -> Result<Isolation, Refusal> {
    match value {
        "read_uncommitted" => Ok(Isolation::Uncommitted),
        "read_committed" => Ok(Isolation::Committed),
        _ => Err(not_one_of(name, value, "read_uncommitted or read_committed")),
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(not_one_of(name, value, "true or false")),
    }
}

/// The settings of groups as a table for the documentation.
#[cfg(test)]
pub(in crate::session) fn documented_settings() -> String {
    use std::fmt::Write as _;
    let mut table = String::from("| setting | values | default | meaning |\n| --- | --- | --- | --- |\n");
    for key in KEYS {
        let (least, most) = key.setting.range();
        let values = match key.setting {
            Setting::Begin => format!("`earliest`, `latest`, `{BY_DURATION}PnDTnHnMn.nS`"),
            Setting::Isolation => "`read_uncommitted`, `read_committed`".to_owned(),
            Setting::Renews => "`true`, `false`".to_owned(),
            _ => format!("{least} to {most}"),
        };
        let default = key.setting.text(&SubscriptionSettings::default());
        writeln!(table, "| `{}` | {values} | `{default}` | {} |", key.name, key.means)
            .expect("a string takes all");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<SubscriptionSettings, Refusal> {
        let changed = change(SubscriptionChange::default(), [(name, Operation::Set(value))].into_iter())?;
        Ok(changed.of(&SubscriptionSettings::default()))
    }

    #[test]
    fn what_can_be_enforced_is_taken_and_all_else_refused_by_name() {
        assert_eq!(set("share.auto.offset.reset", "earliest").map(|s| s.begin), Ok(Some(StartAt::Earliest)));
        let by_time = set("share.auto.offset.reset", "by_duration:P1DT2H").expect("it is known");
        assert_eq!(by_time.begin, Some(StartAt::NoOlderThan { ms: 93_600_000 }));
        assert_eq!(Setting::Begin.text(&by_time), "by_duration:PT26H");
        let attendance = |name: &str, value: &str| set(name, value).map(|s| s.attendance);
        let timeout = attendance("consumer.session.timeout.ms", "60000").expect("it is known");
        assert_eq!((timeout.session_timeout_ms(), timeout.heartbeat_interval_ms()), (60_000, 5_000));
        let interval = attendance("consumer.heartbeat.interval.ms", "6000").expect("it is known");
        assert_eq!((interval.session_timeout_ms(), interval.heartbeat_interval_ms()), (45_000, 6_000));
        assert_eq!(set("share.record.lock.duration.ms", " 20000 ").map(|s| s.lease_ms), Ok(Some(20_000)));
        let wrong = [
            ("share.auto.offset.reset", "by_duration:-PT1H"),
            ("share.auto.offset.reset", "by_duration"),
            ("share.auto.offset.reset", "none"),
            ("share.record.lock.duration.ms", "1000"),
            ("share.delivery.count.limit", "11"),
            ("share.isolation.level", "snapshot"),
            ("consumer.session.timeout.ms", "44999"),
            ("consumer.heartbeat.interval.ms", "15001"),
            ("consumer.assignment.interval.ms", "1000"),
            ("share.unheard.of", "1"),
        ];
        for (name, value) in wrong {
            let refused = set(name, value).expect_err(name);
            assert!(refused.to_string().contains(name), "{refused}");
        }
    }

    #[test]
    fn settings_are_shown_as_they_apply_and_go_back_to_their_defaults() {
        let settings = set("share.isolation.level", "read_committed").expect("it is known");
        let shown = of_group(&settings);
        let isolation =
            shown.iter().find(|config| config.name == "share.isolation.level").expect("it is shown");
        assert_eq!((isolation.value.as_str(), isolation.source), ("read_committed", Source::Group));
        assert_eq!(isolation.default.as_deref(), Some("read_uncommitted"));
        let others = shown.iter().filter(|config| config.source == Source::Group);
        assert_eq!(others.count(), 1);
        let cleared =
            change(SubscriptionChange::default(), [("share.isolation.level", Operation::Delete)].into_iter());
        assert_eq!(cleared.map(|change| change.of(&settings)), Ok(SubscriptionSettings::default()));
        assert_eq!(SubscriptionChange::CLEAR.of(&settings), SubscriptionSettings::default());
    }
}
