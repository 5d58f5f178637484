//! `cargo xtask bench`: the arguments, and what is run with them.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use forebay_bench::place::Place;
use forebay_bench::{baseline, instructions, report, run};

#[derive(Parser)]
#[command(
    name = "bench",
    bin_name = "cargo xtask bench",
    about = "The same work on Forebay and on its peers, one after the other on this machine",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Draws the charts and docs/benchmarks.md from the records
    Report(report::ReportArguments),
    /// Compares with the last recorded run on this machine
    Baseline(baseline::BaselineArguments),
    /// Counts the instructions that a message takes, with callgrind
    Instructions(instructions::InstructionsArguments),
    /// Names the stories with their cases, and the peers with their settings
    List(run::RunArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = Place::of_this_build();
    let done = match &arguments.command {
        Some(Command::Report(arguments)) => report::run(&place, arguments),
        Some(Command::Baseline(arguments)) => baseline::run(&place, arguments),
        Some(Command::Instructions(arguments)) => instructions::run(&place, arguments),
        Some(Command::List(arguments)) => run::list(arguments),
        None => run::run(&place, &arguments.run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
