//! The words of the broker: ids, numbers, requests, replies, limits; no behaviour.
//!
//! A number that means something has a type. Client offsets ([`Offset`]), Raft's numbers ([`LogIndex`]) and bytes
//! in files ([`Position`]) never convert into each other.
#![forbid(unsafe_code)]

pub mod acl;
pub mod admin;
mod cleanup;
pub mod exchange;
pub mod fetch;
pub mod group;
mod id;
mod intake;
pub mod limits;
pub mod login;
mod number;
pub mod partition;
pub mod post;
mod principal;
pub mod publish;
pub mod queue;
pub mod quorum;
pub mod quota;
mod refusal;
mod request;
mod secret;
pub mod subscription;
mod topic;
pub mod transaction;
pub mod user;

pub use cleanup::{Cleanup, CleanupChange, CleanupPolicy, CleanupSettings, NotARatio, PolicyChange, Ratio};
pub use id::{
    GroupId, NodeId, PartitionId, ProducerEpoch, ProducerId, ShardId, TopicId, TopicName, TopicNameError,
};
pub use intake::{Compression, GzipLevel, Intake, IntakeChange, IntakeSettings, ZstdLevel};
pub use number::{
    Attempts, BatchSequence, Count, LeaderEpoch, LogIndex, LogTime, Offset, Position, SlotNumber, Term,
    Timestamp,
};
pub use principal::{Principal, PrincipalKind, PrincipalNameError};
pub use refusal::Refusal;
pub use request::{AllocateProducer, Reply, Request};
pub use secret::Secret;
pub use topic::{
    ClusterView, FlushClass, NodeView, PartitionRef, PartitionView, SettingChange, SettingsChange,
    TimestampType, TopicDefaults, TopicRef, TopicSettings, TopicView,
};
