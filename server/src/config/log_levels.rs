//! What is logged, per target.

use std::fmt;
use std::str::FromStr;

use super::table::Kind;
use super::value::{Value, kind};

/// How much a target says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

const LEVELS: &[(&str, LogLevel)] = &[
    ("off", LogLevel::Off),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

impl LogLevel {
    fn parse(text: &str) -> Result<LogLevel, String> {
        let found = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, level)| *level).ok_or_else(|| {
            let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
            format!("has {text:?} for a level; there are {}", names.join(", "))
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = LEVELS.iter().find(|(_, level)| level == self);
        f.write_str(found.expect("every level has a name").0)
    }
}

/// Targets that can have a level of their own at a time.
pub const LOG_TARGETS_MAX: usize = 100;

/// A level for everything, and levels of single targets (a crate, or a module and what is below it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevels {
    /// For every target that has none of its own.
    pub default: LogLevel,
    /// In the order given; the longest target that fits decides.
    pub targets: Vec<(String, LogLevel)>,
}

impl FromStr for LogLevels {
    type Err = String;

    fn from_str(text: &str) -> Result<LogLevels, String> {
        let mut default = None;
        let mut targets: Vec<(String, LogLevel)> = Vec::new();
        for item in text.split(',').map(str::trim) {
            match item.split_once('=') {
                None if default.is_some() => {
                    return Err(format!("has two levels without a target: {text:?}"));
                }
                None => default = Some(LogLevel::parse(item)?),
                Some((target, level)) => {
                    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
                    if target.is_empty() || !target.chars().all(named) {
                        return Err(format!("has {target:?} for a target, which is not like forebay_shard"));
                    }
                    if targets.iter().any(|(known, _)| known == target) {
                        return Err(format!("has the target {target} twice"));
                    }
                    targets.push((target.into(), LogLevel::parse(level)?));
                }
            }
        }
        if targets.len() > LOG_TARGETS_MAX {
            return Err(format!("has {} targets; the limit is {LOG_TARGETS_MAX}", targets.len()));
        }
        Ok(LogLevels { default: default.unwrap_or(LogLevel::Info), targets })
    }
}

impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

impl Value for LogLevels {
    const KIND: Kind = kind("levels", "LEVEL[,TARGET=LEVEL...]");

    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_per_target() {
        let levels: LogLevels = "warn, forebay_shard=debug,forebay_kafka::wire=TRACE".parse().unwrap();
        assert_eq!(levels.default, LogLevel::Warn);
        assert_eq!(levels.to_string(), "warn,forebay_shard=debug,forebay_kafka::wire=trace");
        let only_a_target: LogLevels = "forebay_shard=debug".parse().unwrap();
        assert_eq!(only_a_target.to_string(), "info,forebay_shard=debug");
    }

    #[test]
    fn levels_that_do_not_exist_are_refused() {
        for text in
            ["", "verbose", "info,debug", "info,=debug", "info,a=b", "a=info,a=debug", "info,a[b]=debug"]
        {
            assert!(text.parse::<LogLevels>().is_err(), "{text:?}");
        }
    }
}
