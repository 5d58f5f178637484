//! `test`, `kill9` and `foreign`: real clients against the real binary.

use std::path::Path;

use crate::check;
use crate::run::{cargo, step, tests};
use crate::runtimes;
use crate::tally::Tally;

/// Everything: what `check` does, then the black-box tests. With arguments, only the black-box tests that they
/// name; options go to the runner (tests/src/main.rs).
pub fn test(root: &Path, args: &[String]) -> Result<Tally, String> {
    if !args.is_empty() {
        let (mut tally, is_built) = prepare(root);
        run_black_box(root, &mut tally, is_built, args);
        return Ok(tally);
    }
    // What the black-box tests need is made beside the checks: downloads and the linking of one big program leave a processor idle.
    let (checked, (prepared, is_built)) = std::thread::scope(|scope| {
        let prepared = scope.spawn(|| prepare(root));
        let checked = check::check(root);
        (checked, prepared.join().expect("what prepares does not panic"))
    });
    let mut tally = checked?;
    tally.add(prepared);
    run_black_box(root, &mut tally, is_built, args);
    Ok(tally)
}

/// The kill -9 loop alone.
pub fn kill9(root: &Path, args: &[String]) -> Result<Tally, String> {
    let (mut tally, is_built) = prepare(root);
    let words: Vec<String> = std::iter::once("kill9/".to_string()).chain(args.iter().cloned()).collect();
    run_black_box(root, &mut tally, is_built, &words);
    Ok(tally)
}

/// The libraries' own tests; options go to the runner.
pub fn foreign(root: &Path, args: &[String]) -> Result<Tally, String> {
    let mut tally = runtimes::set_up_foreign(root, args.iter().any(|arg| arg == "kafka"));
    let is_built = build_release(root, &mut tally);
    let words: Vec<String> = std::iter::once("--foreign".to_string()).chain(args.iter().cloned()).collect();
    run_black_box(root, &mut tally, is_built, &words);
    Ok(tally)
}

/// The client libraries, and the binary that they are held against; whether that is there.
fn prepare(root: &Path) -> (Tally, bool) {
    let mut tally = runtimes::set_up(root);
    let is_built = build_release(root, &mut tally);
    (tally, is_built)
}

fn build_release(root: &Path, tally: &mut Tally) -> bool {
    let release = ["build", "--quiet", "--locked", "--release", "--package", "forebay-cli"];
    step(tally, "release binary", cargo(root, &release))
}

/// Where the binary could not be built, that has been counted and there is nothing to test.
fn run_black_box(root: &Path, tally: &mut Tally, is_built: bool, args: &[String]) {
    if !is_built {
        return;
    }
    let mut words = vec!["run", "--quiet", "--locked", "--package", "forebay-tests", "--"];
    words.extend(args.iter().map(String::as_str));
    tests(tally, "black box", cargo(root, &words));
}
