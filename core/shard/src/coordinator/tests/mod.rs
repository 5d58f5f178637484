//! Stories of groups, told against a real machine.

mod assigned;
mod attendance;
mod attending;
mod convergence;
mod failures;
mod members;
mod offsets;
mod rebalances;
mod statics;
mod world;
