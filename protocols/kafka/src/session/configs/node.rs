//! Settings of nodes by Kafka's names, beside the defaults that they give to topics: those that consoles and tools look for and that
//! hold here. None can be changed while a node runs.

use forebay_kit::model::limits::TRANSACTION_TIMEOUT_MS_MAX;

use super::{Config, Kind, Source};
use crate::limits::FETCH_RESPONSE_BYTES_MAX;

/// What holds on the node of this number, one of so many.
pub(super) fn configs(node: i32, nodes: usize) -> impl Iterator<Item = Config> {
    let rows = [
        ("broker.id", node.to_string(), Kind::Int, "The node's number."),
        ("default.replication.factor", nodes.to_string(), Kind::Int, "Every partition is on all nodes."),
        ("delete.topic.enable", "true".to_owned(), Kind::Boolean, "Topics can be deleted."),
        (
            "fetch.max.bytes",
            FETCH_RESPONSE_BYTES_MAX.to_string(),
            Kind::Int,
            "Bytes of records in one response to a reader, unless a single batch has more.",
        ),
        ("node.id", node.to_string(), Kind::Int, "The node's number."),
        ("quota.window.num", "11".to_owned(), Kind::Int, "Samples by which quotas are counted."),
        ("quota.window.size.seconds", "1".to_owned(), Kind::Int, "What one of these samples covers."),
        (
            "transaction.max.timeout.ms",
            TRANSACTION_TIMEOUT_MS_MAX.to_string(),
            Kind::Int,
            "The longest time that a transaction may be open.",
        ),
    ];
    rows.into_iter().map(|(name, value, kind, means)| Config {
        name,
        default: value.clone(),
        value,
        source: Source::Default,
        is_read_only: true,
        kind,
        means,
    })
}
