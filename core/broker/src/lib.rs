//! The front desk: resolves names, places work on shards, puts their answers together into replies.
//!
//! A session's [`Request`](forebay_model::Request) becomes work for one or more shards; the shards' answers become
//! one [`Reply`](forebay_model::Reply). Nothing here is durable and nothing here knows a protocol.
#![forbid(unsafe_code)]

mod acls;
mod authorize;
mod broker;
mod call;
mod defaults;
mod desk;
mod fetch;
mod groups;
mod joins;
mod limits;
mod line;
mod login;
mod memory;
mod meters;
mod metrics;
mod outbox;
mod partitions;
mod place;
mod post;
mod producers;
mod provision;
mod publish;
mod quotas;
mod receive;
mod refuse;
mod routes;
pub mod routing;
mod shards;
mod states;
mod subscriptions;
mod topics;
mod transactions;
mod users;

pub use authorize::{AclPolicy, Authorization};
pub use broker::{Broker, BrokerConfig};
pub use call::Ticket;
pub use forebay_shard::{DiskGuard, GuardState};
pub use login::{SALT_RANDOM_BYTES, salt, salted_password};
pub use memory::{Memory, Unlimited};
pub use meters::{ConnectionMeter, Meters};
pub use metrics::BrokerMetrics;
pub use outbox::{ClientInfo, ConnectionId, Delivered, FrontDesk, Outbox};
pub use shards::ShardHandle;
