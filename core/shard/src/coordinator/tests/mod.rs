//! Stories of groups, told against a real machine.

mod assigned;
mod attendance;
mod attending;
mod convergence;
mod dialect;
mod failures;
mod members;
mod migration;
mod mixture;
mod offsets;
mod reading;
mod rebalances;
mod statics;
mod world;
