//! `bench`: builds what is measured and what measures, then hands over to bench/.

use std::path::Path;

use crate::run::{cargo, command, step};
use crate::tally::Tally;

/// What only reads records needs neither broker nor loader.
const READS_RECORDS: &[&str] = &["report", "baseline", "list", "help", "--help", "-h"];

/// What counts instructions needs a node in one thread and nothing else.
const COUNTS_INSTRUCTIONS: &str = "instructions";

/// Builds the release binary, the log's own example and the loader with the public clients, then runs the harness with
/// these arguments (bench/README.md).
pub fn bench(root: &Path, args: &[String]) -> Tally {
    let mut tally = Tally::default();
    let counts = args.first().is_some_and(|word| word == COUNTS_INSTRUCTIONS);
    if counts && !build_hot_path(root, &mut tally) {
        return tally;
    }
    let measures = !counts && !args.iter().any(|word| READS_RECORDS.contains(&word.as_str()));
    if measures && !(build_broker(root, &mut tally) && build_loader(root, &mut tally)) {
        return tally;
    }
    let mut words = vec!["run", "--quiet", "--locked", "--release", "--package", "forebay-bench", "--"];
    words.extend(args.iter().map(String::as_str));
    step(&mut tally, "bench", cargo(root, &words));
    tally
}

fn build_broker(root: &Path, tally: &mut Tally) -> bool {
    let binary = ["build", "--quiet", "--locked", "--release", "--package", "forebay-cli"];
    let log = [
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "forebay-commitlog",
        "--example",
        "append",
    ];
    step(tally, "release binary", cargo(root, &binary)) && step(tally, "the log alone", cargo(root, &log))
}

fn build_hot_path(root: &Path, tally: &mut Tally) -> bool {
    let example =
        ["build", "--quiet", "--locked", "--release", "--package", "forebay-server", "--example", "hot_path"];
    step(tally, "hot path in one thread", cargo(root, &example))
}

fn build_loader(root: &Path, tally: &mut Tally) -> bool {
    let loader = root.join("target/bench/load");
    let loader = loader.to_str().expect("the workspace's path is UTF-8");
    let clients = root.join("bench/clients/go");
    let words = ["build", "-mod=readonly", "-trimpath", "-o", loader, "."];
    step(tally, "loader with the public clients", command(&clients, "go", &words))
}
