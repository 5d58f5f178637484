//! Quotas of clients in Kafka's words (KIP-546).

pub(super) mod alter;
pub(super) mod describe;

use forebay_kit::model::quota::{QuotaEntity, QuotaName, QuotaRates};

use crate::wire::Str;

/// The parts that an entity may have.
const USER: &str = "user";
const CLIENT: &str = "client-id";
/// The address that connections come from.
const ADDRESS: &str = "ip";

/// Bytes of Produce requests per second.
const PUBLISH_BYTES: &str = "producer_byte_rate";
/// Bytes of records in Fetch responses per second.
const READ_BYTES: &str = "consumer_byte_rate";
/// Work of the threads that serve connections, in percent of one of them (KIP-124).
const WORK: &str = "request_percentage";
/// In this unit the broker counts work.
const NANOS_PER_PERCENT: f64 = 1e7;
/// New connections from an address (KIP-612).
const CONNECTIONS: &str = "connection_creation_rate";
/// A quota of users and clients that Kafka has and that nothing here enforces (KIP-599).
const MUTATIONS: &str = "controller_mutation_rate";

/// The parts of an entity, by type; a name is absent for the default.
fn parts(entity: &QuotaEntity) -> Vec<(&'static str, Option<Str>)> {
    let part = |kind, name: &QuotaName| match name {
        QuotaName::Default => (kind, None),
        QuotaName::Named(name) => (kind, Some(Str::from(&**name))),
    };
    match entity {
        QuotaEntity::Client { user, client } => {
            let user = user.as_ref().map(|name| part(USER, name));
            user.into_iter().chain(client.as_ref().map(|name| part(CLIENT, name))).collect()
        }
        QuotaEntity::Address(name) => vec![part(ADDRESS, name)],
    }
}

/// The quotas that are set.
fn values(rates: &QuotaRates) -> impl Iterator<Item = (&'static str, f64)> {
    let whole = |rate: Option<u64>| rate.map(|rate| rate as f64);
    let values = [
        (PUBLISH_BYTES, whole(rates.publish_bytes)),
        (READ_BYTES, whole(rates.read_bytes)),
        (WORK, whole(rates.work_nanos).map(|nanos| nanos / NANOS_PER_PERCENT)),
        (CONNECTIONS, whole(rates.connections)),
    ];
    values.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)))
}
