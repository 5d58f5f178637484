//! A small Kafka client: blocking, one thread, for any broker that speaks Kafka's protocol.
//!
//! | file | noun |
//! |---|---|
//! | [`connection`] | one TCP connection: frames, correlation, versions |
//! | [`cluster`] | brokers, topics, who leads what; a connection to each; trying again |
//! | [`metadata`] | topics and partitions as the brokers tell them |
//! | [`place`] | a partition of a topic |
//! | [`producer`], [`partitioner`] | batches on their way to their leaders |
//! | [`fetcher`] | records on their way back |
//! | [`offsets`] | offsets by name and by time |
//! | [`group`] | membership of a consumer group, and its committed offsets |
//! | [`admin`] | topics and groups, listed, described, created, deleted |
//! | [`users`] | who may log in |
//! | [`acls`] | who may do what |
//! | [`security`], [`properties`] | how connections are secured, as a client's properties file says |
//! | [`stream`], [`login`] | encryption, and what proves who we are |
//! | [`reach`] | the first connection, and what may be the matter when it fails |
//! | [`error`], [`deadline`] | what can go wrong, and how long it may take |

pub mod acls;
pub mod admin;
pub mod cluster;
pub mod connection;
pub mod deadline;
pub mod error;
pub mod fetcher;
pub mod group;
pub mod login;
pub mod metadata;
pub mod offsets;
pub mod partitioner;
pub mod place;
pub mod producer;
pub mod properties;
pub mod reach;
#[cfg(test)]
pub mod scripted;
pub mod security;
pub mod stream;
pub mod users;

pub use cluster::{Cluster, ClusterOptions};
pub use deadline::{Deadline, Interrupt};
pub use error::ClientError;
pub use place::Place;
pub use security::Security;
