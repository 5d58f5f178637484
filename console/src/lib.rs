//! HTTP for operators: metrics, health, readiness, and the log levels, changeable live.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `/` | GET | what there is |
//! | `/metrics` | GET | everything that is counted, for Prometheus |
//! | `/healthz` | GET | 200 while the process answers |
//! | `/readyz` | GET | 200 when every shard is led and unfenced and the disk guard is off, else 503; the body says why |
//! | `/log` | GET, PUT | the log levels as text; PUT changes them until the next start |
//!
//! A [`Console`] has one thread of its own, so that it answers while the broker is busy, and never slows it by more
//! than what its [`Operator`] does.
//!
//! Not here: authentication (the node refuses to listen on foreign addresses without it) and what the numbers mean.
#![forbid(unsafe_code)]

mod console;
mod limits;
mod listen;
mod operator;
mod routes;
mod serve;

pub use console::{Config, Console};
pub use limits::Limits;
pub use listen::StartError;
pub use operator::{DiskState, Lifecycle, Operator, Readiness, ShardReadiness, ShardState};
