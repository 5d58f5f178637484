//! `cargo xtask bench`: the arguments, and what is run with them.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use forebay_bench::place::Place;
use forebay_bench::{baseline, report};

#[derive(Parser)]
#[command(name = "bench", about = "The same work on Forebay and on its peers")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Draws the charts and docs/benchmarks.md from the records.
    Report(report::ReportArguments),
    /// Compares with the last recorded run on this machine.
    Baseline(baseline::BaselineArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::of_this_build();
    let done = match arguments.command {
        Some(Command::Report(arguments)) => report::run(&place, &arguments),
        Some(Command::Baseline(arguments)) => baseline::run(&place, &arguments),
        None => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
