//! What settings may not be together.

use forebay_gateway::ClientCertificates;
use forebay_model::login::Mechanism;

use super::address::{HostPort, ListenerAddress, ListenerKind};
use super::load::{Effective, Origin, Problem};
use super::settings::Config;
use super::size::ByteSize;
use super::value::{AccessControl, Value};

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
    config.listen.insert(0, ListenerAddress { kind: ListenerKind::Kafka, tls: false, sasl: false, address });
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
    if let Some(what) = passwords_beyond_this_machine(config) {
        problem("sasl.mechanisms", what);
    }
    if let Some(what) = not_encrypted(config) {
        problem("listen", what);
    }
    if config.tls_client_auth != ClientCertificates::Ignored && config.tls_client_ca.0.is_none() {
        let what =
            "tls.client_auth asks clients for certificates, and tls.client_ca does not say who may sign them";
        problem("tls.client_auth", what.into());
    }
    if config.sasl_mechanisms.is_empty() && config.listen.iter().any(|listener| listener.sasl) {
        problem("sasl.mechanisms", "sasl.mechanisms is empty, so nobody could log in".into());
    }
    if let (AccessControl::None, Some(who)) = (config.authorization, config.super_users.first()) {
        problem(
            "super_users",
            format!("super_users has {who}, but authorization is none: everybody may do everything"),
        );
    }
    if config.authorization == AccessControl::None && config.allow_everyone_if_no_acl_found {
        let what = "allow_everyone_if_no_acl_found is true, but authorization is none: no rule is asked";
        problem("allow_everyone_if_no_acl_found", what.into());
    }
    if let Some(what) = listened_twice(&config.listen) {
        problem("listen", what);
    }
    if let Some(what) = wrongly_advertised(config) {
        problem("advertise", what);
    }
    if let Some(what) = advertised_apart(config) {
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
    let asks = |listener: &ListenerAddress| {
        listener.sasl || (listener.tls && config.tls_client_auth == ClientCertificates::Required)
    };
    let is_open = |listener: &&ListenerAddress| !asks(listener) && !listener.address.is_loopback();
    let open = config.listen.iter().find(is_open)?;
    if config.allow_anonymous {
        return None;
    }
    Some(format!(
        "listen has {open}, which other machines can reach, and nobody is asked who they are there. Let clients log in \
         (kafka+sasl=HOST:PORT) or show a certificate (kafka+tls=HOST:PORT, --tls-client-auth required), listen at a loopback address, or say --allow-anonymous if everyone who can reach it \
         may read and write everything"
    ))
}

fn not_encrypted(config: &Config) -> Option<String> {
    let encrypted = config.listen.iter().find(|listener| listener.tls)?;
    let missing = match (&config.tls_certificate.0, &config.tls_key.0) {
        (Some(_), Some(_)) => return None,
        (None, _) => "tls.certificate",
        (Some(_), None) => "tls.key",
    };
    Some(format!("listen has {encrypted}, and {missing} names no file"))
}

fn passwords_beyond_this_machine(config: &Config) -> Option<String> {
    let open = config.listen.iter().find(|l| l.sasl && !l.tls && !l.address.is_loopback())?;
    config.sasl_mechanisms.contains(&Mechanism::Plain).then(|| {
        format!(
            "sasl.mechanisms has PLAIN, and listen has {open}, which other machines can reach: passwords would cross \
             the network as they are. Encrypt it (kafka+tls+sasl=HOST:PORT), or take SCRAM"
        )
    })
}

fn listened_twice(listen: &[ListenerAddress]) -> Option<String> {
    let twice = listen.iter().enumerate().find(|(i, listener)| {
        listener.address.port != 0 && listen[..*i].iter().any(|earlier| earlier.address == listener.address)
    })?;
    Some(format!("listen has {} twice", twice.1.address))
}

fn wrongly_advertised(config: &Config) -> Option<String> {
    if let Some(other) = config.advertise.iter().find(|address| address.kind != ListenerKind::Kafka) {
        return Some(format!("advertise has {other}, but only Kafka clients are told an address"));
    }
    if let Some(nowhere) = config.advertise.iter().find(|address| address.address.is_unspecified()) {
        return Some(format!("advertise has {nowhere}, which no client can connect to"));
    }
    config.advertise.iter().find_map(|told| {
        let count = |all: &[ListenerAddress]| all.iter().filter(|one| one.is_like(told)).count();
        let (advertised, listeners) = (count(&config.advertise), count(&config.listen));
        (advertised > listeners).then(|| {
            let word = told.word();
            format!("advertise has {advertised} addresses for {word}, and there are {listeners} listeners")
        })
    })
}

/// Clients are told an address by the port that they came to.
fn advertised_apart(config: &Config) -> Option<String> {
    let all: Vec<_> = config.listeners(ListenerKind::Kafka).collect();
    let apart = all.iter().enumerate().find(|(at, (listener, told))| {
        all[..*at].iter().any(|(other, before)| other.address.port == listener.address.port && before != told)
    });
    let (_, (listener, _)) = apart?;
    let port = listener.address.port;
    Some(format!(
        "advertise has different addresses for two listeners at port {port}: give each a port of its own"
    ))
}

fn nothing_to_advertise(config: &Config) -> Option<String> {
    let (all, _) = config
        .listeners(ListenerKind::Kafka)
        .find(|(listener, advertised)| listener.address.is_unspecified() && advertised.is_none())?;
    Some(format!(
        "listen has {all}, which is every address of this machine and none that a client could be told: say \
         which with --advertise {}=HOST:{}",
        all.word(),
        all.address.port
    ))
}
