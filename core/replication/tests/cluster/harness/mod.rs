//! What the stories share: a world of replicas in one thread.

mod disk;
mod goals;
mod parts;
mod state;
mod world;

pub use disk::Fail;
pub use world::{SHARD, World, config, peer};
