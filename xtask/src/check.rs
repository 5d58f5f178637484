//! `check` and `fix`: what every commit passes.

use std::path::Path;

use crate::run::{cargo, step, tests};
use crate::simulator;
use crate::tally::Tally;
use crate::tidy;

/// The fuzz targets' smoke runs: a name, and the arguments to cargo that run it for a few seconds.
const FUZZ_SMOKE: &[(&str, &[&str])] =
    &[("every decoder", &["run", "--quiet", "--locked", "--package", "forebay-fuzz", "--", "--smoke"])];

/// Everything that needs nothing but the Rust toolchain. Writes nothing outside target/.
pub fn check(root: &Path) -> Result<Tally, String> {
    let mut tally = Tally::default();
    step(&mut tally, "format", cargo(root, &["fmt", "--all", "--check"]));
    step(
        &mut tally,
        "lints",
        cargo(
            root,
            &["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        ),
    );
    tests(
        &mut tally,
        "unit, property and documentation tests",
        cargo(
            root,
            &["test", "--quiet", "--locked", "--workspace", "--exclude", "forebay-tests", "--no-fail-fast"],
        ),
    );
    tally.add(tidy::tidy(root)?);
    simulator::smoke(root, &mut tally);
    fuzz_smoke(root, &mut tally);
    Ok(tally)
}

fn fuzz_smoke(root: &Path, tally: &mut Tally) {
    if FUZZ_SMOKE.is_empty() {
        tally.skip("fuzz smoke", "no fuzz target is listed yet");
    }
    for (name, args) in FUZZ_SMOKE {
        step(tally, &format!("fuzz smoke: {name}"), cargo(root, args));
    }
}

/// Formats, lets the lints repair what they can, and writes anew what is read in recorded frames.
pub fn fix(root: &Path) -> Result<Tally, String> {
    let mut tally = Tally::default();
    step(
        &mut tally,
        "lints",
        cargo(
            root,
            &[
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--fix",
                "--allow-dirty",
                "--allow-staged",
            ],
        ),
    );
    step(&mut tally, "format", cargo(root, &["fmt", "--all"]));
    for protocol in ["forebay-kafka", "forebay-amqp091"] {
        let mut wire = cargo(root, &["test", "--quiet", "--package", protocol, "--test", "wire"]);
        wire.env("UPDATE_WIRE", "1");
        step(&mut tally, &format!("recorded frames: {protocol}"), wire);
    }
    Ok(tally)
}
