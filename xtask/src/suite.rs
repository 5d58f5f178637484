//! `test`, `kill9` and `foreign`: real clients against the real binary.

use std::path::Path;

use crate::check;
use crate::run::{cargo, step, tests};
use crate::runtimes;
use crate::tally::Tally;

/// Everything: what `check` does, then the black-box tests. With arguments, only the black-box tests that they
/// name; options go to the runner (tests/src/main.rs).
pub fn test(root: &Path, args: &[String]) -> Result<Tally, String> {
    let mut tally = if args.is_empty() { check::check(root)? } else { Tally::default() };
    tally.add(runtimes::set_up(root));
    run_black_box(root, &mut tally, args);
    Ok(tally)
}

/// The kill -9 loop alone.
pub fn kill9(root: &Path, args: &[String]) -> Result<Tally, String> {
    let mut tally = runtimes::set_up(root);
    let words: Vec<String> = std::iter::once("kill9/".to_string()).chain(args.iter().cloned()).collect();
    run_black_box(root, &mut tally, &words);
    Ok(tally)
}

/// The libraries' own tests; options go to the runner.
pub fn foreign(root: &Path, args: &[String]) -> Result<Tally, String> {
    let mut tally = runtimes::set_up_foreign(root, args.iter().any(|arg| arg == "kafka"));
    let words: Vec<String> = std::iter::once("--foreign".to_string()).chain(args.iter().cloned()).collect();
    run_black_box(root, &mut tally, &words);
    Ok(tally)
}

fn run_black_box(root: &Path, tally: &mut Tally, args: &[String]) {
    let release = ["build", "--quiet", "--locked", "--release", "--package", "forebay-cli"];
    if !step(tally, "release binary", cargo(root, &release)) {
        return;
    }
    let mut words = vec!["run", "--quiet", "--locked", "--package", "forebay-tests", "--"];
    words.extend(args.iter().map(String::as_str));
    tests(tally, "black box", cargo(root, &words));
}
