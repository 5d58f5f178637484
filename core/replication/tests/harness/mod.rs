//! What the tests of this crate share.
#![allow(dead_code, unused_imports, reason = "every test binary uses another part")]

mod disk;
mod world;

pub use disk::{Fail, MemDisk};
pub use world::{Node, SHARD, State, World, body, config, dir, peer};
