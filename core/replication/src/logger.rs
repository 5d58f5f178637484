//! Hands what the Raft library logs (through slog) to tracing, where the rest of the broker logs.

use std::fmt::{self, Write as _};

use slog::{Drain, KV, Key, Level, Never, OwnedKVList, Record, Serializer};

const TARGET: &str = "forebay_replication::raft";

/// A logger for one `RawNode`. Its lines carry the target `forebay_replication::raft`, so they can be turned up alone.
pub(crate) fn logger() -> slog::Logger {
    slog::Logger::root(Tracing, slog::o!())
}

struct Tracing;

impl Drain for Tracing {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        macro_rules! emit {
            ($level:expr) => {
                // Formatting a Raft message is dear: only when somebody listens.
                if tracing::enabled!(target: TARGET, $level) {
                    tracing::event!(target: TARGET, $level, "{}{}", record.msg(), Pairs::of(record, values))
                }
            };
        }
        match record.level() {
            Level::Critical | Level::Error => emit!(tracing::Level::ERROR),
            Level::Warning => emit!(tracing::Level::WARN),
            // An election is news to an operator; the library's other remarks are not.
            Level::Info => emit!(tracing::Level::DEBUG),
            Level::Debug | Level::Trace => emit!(tracing::Level::TRACE),
        }
        Ok(())
    }
}

struct Pairs(String);

impl Pairs {
    fn of(record: &Record<'_>, values: &OwnedKVList) -> Pairs {
        let mut pairs = Pairs(String::new());
        // Writing into a String cannot fail; a value that fails to format only leaves its line shorter.
        let _ = record.kv().serialize(record, &mut pairs);
        let _ = values.serialize(record, &mut pairs);
        pairs
    }
}

impl Serializer for Pairs {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, ", {key}={value}").map_err(slog::Error::from)
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
