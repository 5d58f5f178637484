//! The world that three nodes live in: time, disks, a network, threads that are none.

pub mod clock;
pub mod disk;
mod inode;
pub mod machine;
pub mod network;
pub mod queue;
pub mod wires;
