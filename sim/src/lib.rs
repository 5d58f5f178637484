//! A whole cluster with clients in one thread, from a seed: only `env` differs from the binary.
//!
//! [`run`](run::run) takes a [`Plan`](plan::Plan) and answers with a [`Report`](run::Report): the first promise that was
//! broken, and what was met on the way. The world (time, disks, network, threads that are none) is in [`world`], what goes
//! wrong in it in [`nemesis`], clients in [`clients`], promises in [`checkers`].
#![forbid(unsafe_code)]

pub mod campaign;
pub mod checkers;
pub mod clients;
pub mod cluster;
pub mod counters;
pub mod history;
pub mod hunt;
pub mod members;
pub mod nemesis;
mod panics;
pub mod plan;
pub mod random;
pub mod regressions;
pub mod run;
pub mod trace;
pub mod version;
pub mod world;
