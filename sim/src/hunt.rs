//! The hunt for planted bugs: seeds until the bug is found, or until the simulator has proved to be blind to it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::campaign::run_all;
use crate::checkers::Broken;
use crate::plan::{Bug, Seed};

/// A planted bug is found within this many seeds, or the simulator is blind to it.
pub const SEEDS_PER_BUG_MAX: u64 = 1_000;

/// The bugs that `name` means: one, or all of them.
///
/// # Errors
/// There is no such bug, or this build cannot plant it; says what to do.
pub fn named(name: &str) -> Result<Vec<(&'static str, Bug)>, String> {
    let control = Some(("control", Bug::Control)).filter(|(known, _)| *known == name);
    let chosen = Bug::all().into_iter().filter(|(known, _)| name == "all" || *known == name);
    let chosen: Vec<_> = chosen.chain(control).collect();
    if chosen.is_empty() {
        let names: Vec<_> = Bug::all().iter().map(|(name, _)| *name).collect();
        return Err(format!("no bug '{name}'; there are: all, control, {}", names.join(", ")));
    }
    match chosen.iter().find(|(_, bug)| !bug.can_be_planted()) {
        None => Ok(chosen),
        Some((name, _)) => Err(format!(
            "'{name}' is planted at a fault point, and this build has none: run `cargo xtask sim --bug {name}`, or \
             build with RUSTFLAGS=\"--cfg sim\" and a --target-dir of its own"
        )),
    }
}

/// Runs seeds from `from` on until the bug is found by one of the promises that it breaks; answers the seed and what was
/// broken.
pub fn find(bug: Bug, from: u64, seeds_max: u64, jobs: usize) -> Option<(u64, Broken)> {
    let given = AtomicU64::new(from);
    let next = || {
        let number = given.fetch_add(1, Relaxed);
        (number < from + seeds_max).then_some(Seed { number, nodes: bug.nodes() })
    };
    let mut found: Option<(u64, Broken)> = None;
    run_all(next, jobs, Some(bug), |report| {
        let Some(broken) = report.broken else { return ControlFlow::Continue(()) };
        if bug != Bug::Control && !bug.promises().contains(&broken.promise) {
            println!("  seed {} broke another promise: {broken}", report.seed);
            return ControlFlow::Continue(());
        }
        // Seeds before it are still under way and may find it too: the first one counts, whatever the threads do.
        if found.as_ref().is_none_or(|(seed, _)| report.seed.number < *seed) {
            found = Some((report.seed.number, broken));
        }
        ControlFlow::Break(())
    });
    found
}

/// Hunts the bugs that `name` means and tells of each; whether everything came as it should: every bug is found, and
/// nothing where none is planted.
///
/// # Errors
/// As [`named`].
pub fn hunt(name: &str, from: u64, seeds_max: u64, jobs: usize) -> Result<bool, String> {
    let mut as_it_should = true;
    for (name, bug) in named(name)? {
        let found = find(bug, from, seeds_max, jobs);
        as_it_should &= found.is_some() == (bug != Bug::Control);
        match found {
            Some((seed, Broken { promise, what })) => {
                let seeds = seed - from + 1;
                println!("{name}: found by seed {seed}, after {seeds} seeds, by '{promise}': {what}");
            }
            None => println!("{name}: NOT FOUND within {seeds_max} seeds from {from}"),
        }
    }
    Ok(as_it_should)
}
