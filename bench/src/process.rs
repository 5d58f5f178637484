//! Processes: their start as a group that can be ended as a whole, and what the kernel counts for them.

pub mod group;
pub mod sample;

pub use group::Group;
pub use sample::Sample;
