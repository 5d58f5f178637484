//! The tooling of the project, in Rust: `cargo xtask` lists the commands.
//!
//! Every command ends with one line, `N passed, N failed, N skipped`, and a non-zero exit when anything failed.
//! Continuous integration also refuses a skip (`--no-skips`): there, a test that did not run is a hole.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod fuzz;
mod run;
mod runtimes;
mod simulator;
mod suite;
mod tally;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tally::Tally;

struct Command {
    name: &'static str,
    about: &'static str,
    takes_arguments: bool,
    run: fn(&Task) -> Result<Tally, String>,
}

/// What a command was called with.
struct Task {
    root: PathBuf,
    /// The words behind the command's name.
    args: Vec<String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "check",
        about: "format, lints, unit tests, tidy, simulator smoke, fuzz smoke; writes nothing",
        takes_arguments: false,
        run: |task| check::check(&task.root),
    },
    Command {
        name: "fix",
        about: "formats, and applies the lints' own fixes",
        takes_arguments: false,
        run: |task| check::fix(&task.root),
    },
    Command {
        name: "tidy",
        about: "arrows between crates, banned calls, documents",
        takes_arguments: false,
        run: |task| tidy::tidy(&task.root),
    },
    Command {
        name: "setup",
        about: "what the client libraries need, into target/runtimes; `test` does it by itself",
        takes_arguments: false,
        run: |task| Ok(runtimes::set_up(&task.root)),
    },
    Command {
        name: "test",
        about: "check, then every client library against the release binary; `test NAME ...` runs those cases only",
        takes_arguments: true,
        run: |task| suite::test(&task.root, &task.args),
    },
    Command {
        name: "kill9",
        about: "kill -9 under load, over and over: `kill9 --rounds 200`",
        takes_arguments: true,
        run: |task| suite::kill9(&task.root, &task.args),
    },
    Command {
        name: "foreign",
        about: "the client libraries' own tests: `foreign --broker kafka`, `foreign franz-go`",
        takes_arguments: true,
        run: |task| suite::foreign(&task.root, &task.args),
    },
    Command {
        name: "sim",
        about: "seeds of the simulator: `sim --for 10m`, `sim --seed 7 --trace`, `sim --bug all`",
        takes_arguments: true,
        run: |task| Ok(simulator::sim(&task.root, &task.args)),
    },
    Command {
        name: "fuzz",
        about: "every decoder fed with broken bytes, guided by the code it reaches: `fuzz kafka --for 10m`",
        takes_arguments: true,
        run: |task| Ok(fuzz::fuzz(&task.root, &task.args)),
    },
    Command {
        name: "bench",
        about: "the same work on Forebay and its peers: `bench classic --quick --peer kafka`; `bench list`",
        takes_arguments: true,
        run: |task| Ok(bench::bench(&task.root, &task.args)),
    },
];

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let no_skips = take_flag(&mut args, "--no-skips");
    let Some(name) = args.first().cloned() else {
        list();
        return ExitCode::SUCCESS;
    };
    let Some(command) = COMMANDS.iter().find(|c| c.name == name) else {
        eprintln!("no command '{name}'\n");
        list();
        return ExitCode::from(2);
    };
    let task = Task { root: root(), args: args.split_off(1) };
    if !command.takes_arguments && !task.args.is_empty() {
        eprintln!("xtask {name} takes no arguments, but was given: {}", task.args.join(" "));
        return ExitCode::from(2);
    }
    match (command.run)(&task) {
        Ok(tally) => {
            tally.report();
            if tally.failed > 0 || (no_skips && tally.skipped > 0) {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    println!("cargo xtask COMMAND\n");
    for command in COMMANDS {
        println!("  {:<8} {}", command.name, command.about);
    }
    println!("\n  --no-skips  a skipped test fails the command");
}

fn take_flag(args: &mut Vec<String>, flag: &str) -> bool {
    let before = args.len();
    args.retain(|a| a != flag);
    args.len() != before
}

/// The workspace's folder: this crate sits directly in it.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_path_buf()
}
