//! `forebay bench`.

use crate::args::Bench;
use crate::bench::{classic, consume, latency, produce, shared};
use crate::exit::Failure;

/// Puts load on a broker and says what it measured.
///
/// # Errors
/// When the load could not be put on it. What the broker refused is counted, and no failure.
pub fn run(args: &Bench) -> Result<(), Failure> {
    match args {
        Bench::Classic(args) if args.one_connection => shared::run(args),
        Bench::Classic(args) => classic::run(args),
        Bench::Produce(args) => produce::run(args),
        Bench::Consume(args) => consume::run(args),
        Bench::Latency(args) => latency::run(args),
    }
}
