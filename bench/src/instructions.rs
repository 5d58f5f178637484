//! How many instructions a message takes on its way through the broker, counted by callgrind over a fixed number of them: where
//! the clock is too noisy, this is not. What the kernel does is not in it.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::Args;

use crate::failure::{Failure, check_interrupt};
use crate::machine::{self, Machine};
use crate::place::Place;
use crate::record::{Measure, Record, SCHEMA};
use crate::report::text::figure;

/// What `bench instructions` is told.
#[derive(Args, Clone, Debug)]
pub struct InstructionsArguments {
    /// Counts these workloads only [default: all]
    pub workloads: Vec<String>,
    /// How often each is counted; the counts hardly differ
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,
}

/// One workload of server/examples/hot_path.
struct Workload {
    name: &'static str,
    /// So many rounds are counted: enough that one seal or flush more does not show, few enough to end soon.
    rounds: u64,
}

const fn workload(name: &'static str, rounds: u64) -> Workload {
    Workload { name, rounds }
}

const WORKLOADS: [Workload; 7] = [
    workload("send-1-client", 2_000),
    workload("send-64-clients", 100),
    workload("send-64-clients-1000-topics", 100),
    workload("produce-1-kib", 50),
    workload("produce-124-b", 50),
    workload("fetch-1-kib", 100),
    workload("fetch-124-b", 100),
];

/// The story's name in records.
pub const STORY: &str = "instructions";
/// The figure's name in records.
pub const PER_MESSAGE: &str = "instructions_per_message";

/// Counts every workload and leaves a record of each round.
pub fn run(place: &Place, arguments: &InstructionsArguments) -> Result<(), Failure> {
    let program = place.hot_path_example();
    if !program.is_file() {
        let why = format!("{} is not there; `cargo xtask bench instructions` builds it", program.display());
        return Err(Failure::new(why));
    }
    let unknown = arguments.workloads.iter().find(|name| WORKLOADS.iter().all(|known| known.name != **name));
    if let Some(name) = unknown {
        let known = WORKLOADS.map(|workload| workload.name).join(", ");
        return Err(Failure::new(format!("there is no workload '{name}', only {known}")));
    }
    let begun = Begun {
        run: machine::utc_now(),
        machine: Machine::look(&place.data()),
        commit: machine::commit(place.root()),
    };
    let Some(valgrind) = valgrind_version() else {
        let why = "valgrind is not installed (a package of most distributions)";
        println!("skipped: {why}");
        let record = Record { skipped: Some(why.to_owned()), ..begun.record("", "", 0, 0) };
        record.write(&place.records())?;
        return Ok(());
    };
    for workload in &WORKLOADS {
        if !arguments.workloads.is_empty() && !arguments.workloads.iter().any(|name| name == workload.name) {
            continue;
        }
        for round in 1..=arguments.rounds {
            check_interrupt()?;
            let per_message = count(&program, workload)?;
            println!("{:<28} {:>9} instructions per message", workload.name, figure(per_message));
            let mut measure = Measure { measure: STORY.to_owned(), ..Measure::default() };
            measure.more.insert(PER_MESSAGE.to_owned(), per_message.into());
            let record = begun.record(workload.name, &valgrind, round, arguments.rounds);
            Record { measures: vec![measure], ..record }.write(&place.records())?;
        }
    }
    Ok(())
}

/// What all records of one call share.
struct Begun {
    run: String,
    machine: Machine,
    commit: String,
}

impl Begun {
    fn record(&self, case: &str, client: &str, round: u32, rounds: u32) -> Record {
        Record {
            schema: SCHEMA,
            run: self.run.clone(),
            stamp: machine::utc_now(),
            machine: self.machine.clone(),
            commit: self.commit.clone(),
            story: STORY.to_owned(),
            case: case.to_owned(),
            peer: "forebay".to_owned(),
            peer_version: env!("CARGO_PKG_VERSION").to_owned(),
            setting: "flushed".to_owned(),
            flushed_before_confirm: true,
            client: client.to_owned(),
            command: format!("valgrind --tool=callgrind target/release/examples/hot_path {case}")
                .trim()
                .to_owned(),
            round,
            rounds,
            measures: Vec::new(),
            start_ms: None,
            notes: vec![
                "user space only: sockets, threads and what the kernel does are not counted".to_owned(),
            ],
            skipped: None,
        }
    }
}

/// The instructions of twice the rounds less those of the rounds, by the messages of the rounds: what starts and ends
/// cancels out.
fn count(program: &Path, workload: &Workload) -> Result<f64, Failure> {
    let once = callgrind(program, workload.name, workload.rounds)?;
    check_interrupt()?;
    let twice = callgrind(program, workload.name, workload.rounds * 2)?;
    let messages = once.messages_per_round * workload.rounds;
    let more = twice.instructions.checked_sub(once.instructions);
    match more {
        Some(more) if messages > 0 => Ok(more as f64 / messages as f64),
        _ => Err(Failure::new(format!("{}: twice the rounds took fewer instructions", workload.name))),
    }
}

/// One run under callgrind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    instructions: u64,
    messages_per_round: u64,
}

fn callgrind(program: &Path, workload: &str, rounds: u64) -> Result<Counted, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([workload, &rounds.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let (said, counted) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(Failure::new(format!("{workload} failed: {}\n{counted}", output.status)));
    }
    let missing =
        |what: &str| Failure::new(format!("{workload}: {what} is not in what was said:\n{counted}\n{said}"));
    Ok(Counted {
        instructions: collected(&counted).ok_or_else(|| missing("the count"))?,
        messages_per_round: messages_per_round(&said).ok_or_else(|| missing("the number of messages"))?,
    })
}

/// The number behind `Collected :` in callgrind's words.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

/// What the example says in JSON at its end.
fn messages_per_round(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.starts_with('{'))?;
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("messages_per_round")?.as_u64()
}

/// `valgrind-3.19.0` becomes `valgrind 3.19.0`; `None` where there is no valgrind.
fn valgrind_version() -> Option<String> {
    let output =
        Command::new("valgrind").arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().replacen('-', " ", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_one_of_the_examples() {
        let example = include_str!("../../server/examples/hot_path/main.rs");
        for workload in &WORKLOADS {
            assert!(example.contains(&format!("\"{}\"", workload.name)), "{} is not there", workload.name);
        }
    }

    #[test]
    fn the_count_is_read_from_callgrinds_words() {
        let said = "==7== Callgrind, a call-graph\n==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==7== nothing\n"), None);
    }

    #[test]
    fn the_messages_are_read_from_the_examples_words() {
        assert_eq!(messages_per_round("{\"messages_per_round\":64,\"rounds\":2}\n"), Some(64));
        assert_eq!(messages_per_round("warming up\n"), None);
    }
}
