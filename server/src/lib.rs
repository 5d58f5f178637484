//! Puts a node together: configuration, registry, start, drain, stop. The only crate that knows everybody.
//!
//! [`Node`](node::Node) is a node without threads, over any environment: the simulator drives it by itself. [`serve`]
//! gives it threads, sockets and an operator.
#![forbid(unsafe_code)]

pub mod config;
mod disk_guard;
mod greeting;
pub mod identity;
mod leaders;
pub mod logging;
pub mod node;
pub mod node_file;
pub mod operator;
pub mod registry;
pub mod replicas;
mod run;
mod shard_thread;

/// What a password becomes before it is sent to be kept, for the command that makes users.
pub use forebay_broker::{SALT_RANDOM_BYTES, salt, salted_password};
pub use run::{Ended, ServeError, serve};

/// The world as traits and the real one, for tools that read a node's files without a node.
pub use forebay_env as env;
