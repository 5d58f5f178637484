//! Stories of groups, told against a real machine.

mod convergence;
mod failures;
mod members;
mod offsets;
mod rebalances;
mod statics;
mod world;
