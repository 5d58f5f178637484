//! `fuzz`: the fuzz targets for as long as told, in a build that counts which code runs.

use std::path::Path;

use crate::run::{cargo, step};
use crate::tally::Tally;

/// A release build whose integers are checked and whose assertions stand: a wrap in silence would be found by nobody.
const CHECKED_RELEASE: &[&str] = &[
    "--config",
    "profile.fuzz.inherits='release'",
    "--config",
    "profile.fuzz.debug-assertions=true",
    "--config",
    "profile.fuzz.overflow-checks=true",
    // Thin link-time optimisation costs minutes here and finds nothing.
    "--config",
    "profile.fuzz.lto=false",
    "--config",
    "profile.fuzz.codegen-units=16",
    "--profile",
    "fuzz",
];

/// Builds and runs the fuzzer with these arguments (fuzz/README.md). The counting build has a folder of its own: in the
/// common one it would make every other build begin anew.
pub fn fuzz(root: &Path, args: &[String]) -> Tally {
    let mut words = vec!["run", "--quiet", "--locked", "--package", "forebay-fuzz"];
    words.extend(CHECKED_RELEASE);
    words.extend(["--target-dir", "target/fuzz/build", "--"]);
    words.extend(args.iter().map(String::as_str));
    let mut command = cargo(root, &words);
    // The counters are read while the program runs; the file they would be written to at its end is of no use.
    command.env("RUSTFLAGS", "-C instrument-coverage").env("LLVM_PROFILE_FILE", "/dev/null");
    let mut tally = Tally::default();
    step(&mut tally, "fuzz", command);
    tally
}
