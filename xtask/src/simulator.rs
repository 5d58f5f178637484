//! The simulator: built with its fault points, into a folder of its own.
//!
//! The setting `sim` changes every crate's build, so that one folder for both would be built anew at every change of
//! sides. Nobody else builds the crates the simulator's way, and check is the only step that needs them.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, step};
use crate::tally::Tally;

/// Where the simulator's build lies.
const TARGET_DIR: &str = "target/sim";
/// The simulator is built often and its speed is not the broker's.
const QUICK_BUILD: [&str; 4] =
    ["--config", "profile.release.lto=false", "--config", "profile.release.codegen-units=16"];
/// What turns fault points on.
const FLAGS: &str = "--cfg sim";

/// A few seeds and planted bugs, for every check.
pub fn smoke(root: &Path, tally: &mut Tally) {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    step(tally, "simulator smoke", simulator(root, &["--smoke", "--jobs", &jobs]));
}

/// Runs the simulator with these arguments.
pub fn sim(root: &Path, args: &[String]) -> Tally {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut tally = Tally::default();
    step(&mut tally, "simulator", simulator(root, &args));
    tally
}

fn simulator(root: &Path, args: &[&str]) -> Command {
    let mut words = vec!["run", "--quiet", "--release", "--locked", "--target-dir", TARGET_DIR];
    words.extend(QUICK_BUILD);
    words.extend(["--package", "forebay-sim", "--"]);
    words.extend(args);
    let mut command = cargo(root, &words);
    // Cargo reads the first of these that is set.
    match std::env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(flags) => command.env("CARGO_ENCODED_RUSTFLAGS", with_flags(&flags, "\u{1f}")),
        Err(_) => command.env("RUSTFLAGS", with_flags(&std::env::var("RUSTFLAGS").unwrap_or_default(), " ")),
    };
    command
}

/// The caller's flags and ours behind them.
fn with_flags(theirs: &str, separator: &str) -> String {
    let ours = FLAGS.replace(' ', separator);
    if theirs.is_empty() { ours } else { format!("{theirs}{separator}{ours}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_the_caller_stay() {
        assert_eq!(with_flags("", " "), "--cfg sim");
        assert_eq!(with_flags("-C target-cpu=native", " "), "-C target-cpu=native --cfg sim");
        assert_eq!(with_flags("-C\u{1f}x", "\u{1f}"), "-C\u{1f}x\u{1f}--cfg\u{1f}sim");
    }
}
