//! Structured logs: a level per target, changeable while the process runs.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogFormat, LogLevel, LogLevels};

type Handle = reload::Handle<Targets, Registry>;

static HANDLE: OnceLock<Handle> = OnceLock::new();

/// Begins to log to standard error. Later calls only change the levels.
pub fn start(levels: &LogLevels, format: LogFormat) {
    if HANDLE.get().is_some() {
        set(levels);
        return;
    }
    let (filter, handle) = reload::Layer::new(targets(levels));
    let color = std::io::stderr().is_terminal();
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(color);
    let started = match format {
        LogFormat::Text => tracing_subscriber::registry().with(filter).with(text).try_init(),
        LogFormat::Json => tracing_subscriber::registry().with(filter).with(text.json()).try_init(),
    };
    if started.is_ok() {
        let _ = HANDLE.set(handle);
    }
}

/// Changes the levels; says whether logging runs at all.
pub fn set(levels: &LogLevels) -> bool {
    HANDLE.get().is_some_and(|handle| handle.reload(targets(levels)).is_ok())
}

fn targets(levels: &LogLevels) -> Targets {
    let of = |(target, level): &(String, LogLevel)| (target.clone(), filter(*level));
    Targets::new().with_default(filter(levels.default)).with_targets(levels.targets.iter().map(of))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
