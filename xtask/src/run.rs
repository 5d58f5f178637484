//! Running other programs, with their output in sight.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::tally::Tally;

/// A command in a folder, without standard input: nothing here may wait for a person.
pub fn command(dir: &Path, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command
}

/// The cargo that runs us, so that a toolchain chosen by the caller stays chosen.
pub fn cargo(dir: &Path, args: &[&str]) -> Command {
    command(dir, &std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), args)
}

/// Runs one step as one check: its output goes through, its exit code decides.
pub fn step(tally: &mut Tally, name: &str, mut command: Command) -> bool {
    let start = announce(name);
    let passed = match command.status() {
        Ok(status) => status.success(),
        Err(why) => {
            eprintln!("{}: {why}", command.get_program().to_string_lossy());
            false
        }
    };
    conclude(name, passed, start);
    tally.count(name, passed);
    passed
}

/// Runs a test runner as one step whose own counts are added: its output goes through line by line. A
/// runner that fails without saying how many failed counts as one failure.
pub fn tests(tally: &mut Tally, name: &str, mut command: Command) -> bool {
    let start = announce(name);
    let mut counted = Tally::default();
    let passed = match stream(&mut command, &mut counted) {
        Ok(passed) => passed,
        Err(why) => {
            eprintln!("{}: {why}", command.get_program().to_string_lossy());
            false
        }
    };
    if !passed && counted.failed == 0 {
        counted.failed = 1;
    }
    if counted.failed > 0 {
        counted.notes.push(format!("failed: {name} ({} failed)", counted.failed));
    }
    tally.add(counted);
    conclude(name, passed, start);
    passed
}

fn stream(command: &mut Command, counted: &mut Tally) -> std::io::Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().expect("stdout was piped");
    for line in BufReader::new(out).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        counted.read_line(&line);
        for part in ["failed:", "skipped:"] {
            if line.starts_with(part) {
                counted.notes.push(line.to_string());
            }
        }
        println!("{line}");
    }
    std::io::stdout().flush()?;
    Ok(child.wait()?.success())
}

fn announce(name: &str) -> Instant {
    println!("\n=== {name}");
    Instant::now()
}

fn conclude(name: &str, passed: bool, start: Instant) {
    let word = if passed { "ok" } else { "FAILED" };
    println!("=== {name}: {word} ({:.1} s)", start.elapsed().as_secs_f64());
}
