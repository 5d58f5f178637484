//! What settings may not be together.

use super::address::{HostPort, ListenerAddress, ListenerKind};
use super::load::{Effective, Origin, Problem};
use super::settings::Config;
use super::size::ByteSize;
use super::value::Value;

/// Bytes that a frame needs beside the largest message in it: header, topic name, counts.
const FRAME_OVERHEAD_BYTES: u64 = 64 * 1024;

/// The largest message must fit into the memory this many times: on its way in, in the log's cache, and on its way out.
const MESSAGES_IN_MEMORY_MIN: u64 = 4;

/// Gives Kafka its default address when only other listeners were named: nobody who asks for metrics means to turn
/// the broker off.
pub(super) fn keep_kafka(config: &mut Config, effective: &mut [Effective]) {
    if config.listen.iter().any(|listener| listener.kind == ListenerKind::Kafka) {
        return;
    }
    let address = HostPort { host: "127.0.0.1".into(), port: 9092 };
    config.listen.insert(0, ListenerAddress { kind: ListenerKind::Kafka, address });
    if let Some(row) = effective.iter_mut().find(|row| row.key == "listen") {
        row.toml = config.listen.toml();
    }
}

/// Everything that is wrong with settings which are each right by themselves.
pub(super) fn together(config: &Config, effective: &[Effective]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |key: &str, what: String| {
        let row = effective.iter().find(|row| row.key == key);
        let origin = row.map_or(Origin::Default, |row| row.origin.clone());
        problems.push(Problem { origin, what });
    };
    if let Some(what) = anonymous_beyond_this_machine(config) {
        problem("listen", what);
    }
    if let Some(what) = listened_twice(&config.listen) {
        problem("listen", what);
    }
    if let Some(what) = wrongly_advertised(config) {
        problem("advertise", what);
    }
    if let Some(what) = nothing_to_advertise(config) {
        problem("listen", what);
    }
    let message = config.message_bytes_max;
    if config.frame_bytes_max.0 < message.0 + FRAME_OVERHEAD_BYTES {
        let least = ByteSize(message.0 + FRAME_OVERHEAD_BYTES);
        let what = format!(
            "is {}, but a message of message.bytes_max needs a frame of {least}",
            config.frame_bytes_max
        );
        problem("frame_bytes_max", format!("frame_bytes_max {what}"));
    }
    if config.frame_bytes_max > config.memory_limit {
        let what = format!("is {}, more than memory.limit ({})", config.frame_bytes_max, config.memory_limit);
        problem("frame_bytes_max", format!("frame_bytes_max {what}"));
    }
    if message.0 * MESSAGES_IN_MEMORY_MIN > config.memory_limit.0 {
        let least = ByteSize(message.0 * MESSAGES_IN_MEMORY_MIN);
        let what = format!("is {message}, for which memory.limit would have to be {least} or more");
        problem("message.bytes_max", format!("message.bytes_max {what}"));
    }
    if config.group_session_timeout_min > config.group_session_timeout_max {
        let what = "group.session_timeout_min is more than group.session_timeout_max".into();
        problem("group.session_timeout_min", what);
    }
    problems
}

fn anonymous_beyond_this_machine(config: &Config) -> Option<String> {
    let open = config.listen.iter().find(|listener| !listener.address.is_loopback())?;
    if config.allow_anonymous {
        return None;
    }
    Some(format!(
        "listen has {open}, which other machines can reach, and nobody is asked who they are: there is no \
         authentication yet. Listen at a loopback address, or say --allow-anonymous if everyone who can reach it may \
         read and write everything"
    ))
}

fn listened_twice(listen: &[ListenerAddress]) -> Option<String> {
    let twice = listen.iter().enumerate().find(|(i, listener)| {
        listener.address.port != 0 && listen[..*i].iter().any(|earlier| earlier.address == listener.address)
    })?;
    Some(format!("listen has {} twice", twice.1.address))
}

fn wrongly_advertised(config: &Config) -> Option<String> {
    if let Some(http) = config.advertise.iter().find(|address| address.kind == ListenerKind::Http) {
        return Some(format!("advertise has {http}, but only Kafka clients are told an address"));
    }
    if let Some(nowhere) = config.advertise.iter().find(|address| address.address.is_unspecified()) {
        return Some(format!("advertise has {nowhere}, which no client can connect to"));
    }
    let listeners = config.listeners(ListenerKind::Kafka).count();
    let advertised = config.advertise.len();
    (advertised > listeners).then(|| {
        format!("advertise has {advertised} addresses for kafka, and there are {listeners} listeners")
    })
}

fn nothing_to_advertise(config: &Config) -> Option<String> {
    let (all, _) = config
        .listeners(ListenerKind::Kafka)
        .find(|(listener, advertised)| listener.is_unspecified() && advertised.is_none())?;
    Some(format!(
        "listen has kafka={all}, which is every address of this machine and none that a client could be told: say \
         which with --advertise kafka=HOST:{}",
        all.port
    ))
}
