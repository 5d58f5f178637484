//! Topics and partitions as brokers' metadata has them.

use forebay_kafka::wire::messages::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use forebay_kafka::wire::{ErrorCode, Str};

/// A broker's number in its cluster.
pub type Node = i32;

/// A topic as the metadata has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub error: ErrorCode,
    /// Whether it is the broker's own.
    pub internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
}

/// A partition as the metadata has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub number: i32,
    /// What is wrong with it.
    pub error: ErrorCode,
    /// Who leads it, if anyone does.
    pub leader: Option<Node>,
    /// Who has copies.
    pub replicas: Vec<Node>,
    /// Who has copies that are up to date.
    pub in_sync: Vec<Node>,
}

/// An address as text.
pub fn address(host: &Str, port: i32) -> String {
    if host.as_str().contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Asks for a topic by its name.
pub fn by_name(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(Str::from(name)), ..MetadataRequestTopic::default() }
}

/// Reads a topic.
pub fn topic(found: &MetadataResponseTopic) -> Topic {
    let mut partitions: Vec<Partition> = found
        .partitions
        .iter()
        .map(|p| Partition {
            number: p.partition_index,
            error: p.error_code,
            leader: Some(p.leader_id).filter(|node| *node >= 0),
            replicas: p.replica_nodes.clone(),
            in_sync: p.isr_nodes.clone(),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.number);
    Topic {
        name: found.name.as_ref().map_or_else(String::new, Str::to_string),
        error: found.error_code,
        internal: found.is_internal,
        partitions,
    }
}
