//! Black-box tests: real clients against the real binary.
//!
//! `forebay-tests [--list] [--broker forebay|kafka|HOST:PORT] [--jobs N] [--rounds N] [FILTER ...]` runs the cases
//! whose `suite/case` contains one of the filters, or all. `cargo xtask test` sets up what they need and calls it.
//!
//! | variable | meaning |
//! |---|---|
//! | `FOREBAY_BIN` | the binary under test; else target/release/forebay |
//! | `FOREBAY_TEST_BOOTSTRAP` | HOST:PORT of a running broker to test instead, as `--broker HOST:PORT` does |
//!
//! `--freeze DIR [--shards N]` makes a data directory of the binary's own format instead: see `suites/formats.rs`.
//!
//! `--foreign` runs the libraries' own tests instead of ours: see `suites/foreign.rs`.
//!
//! `--broker kafka` runs the same tests against Apache Kafka: a test that fails there is a wrong test.
#![forbid(unsafe_code)]

mod background;
mod broker;
mod case;
mod driver;
mod port;
mod runner;
mod runtime;
mod suites;
mod wire;

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use broker::Kind;
use case::Suite;
use runner::Plan;
use runtime::Runtimes;

/// Suites that run at once, on a machine with two processors: most of a suite's time is waiting.
const JOBS: usize = 3;
/// Rounds of the kill -9 loop in an ordinary run.
const ROUNDS: u32 = 10;
/// Sync shards of a directory that is kept: as many as a transaction may span.
const FROZEN_SHARDS: u32 = 1;

struct Options {
    list: bool,
    broker: String,
    jobs: usize,
    rounds: u32,
    /// Whether to run the libraries' own tests instead.
    foreign: bool,
    /// Where to make a data directory that is kept, instead of any case.
    freeze: Option<PathBuf>,
    /// How many sync shards it has.
    shards: u32,
    filters: Vec<String>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("forebay-tests: {why}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let bootstrap = std::env::var("FOREBAY_TEST_BOOTSTRAP");
    let mut options = Options {
        list: false,
        broker: bootstrap.unwrap_or_else(|_| "forebay".into()),
        jobs: JOBS,
        rounds: ROUNDS,
        foreign: false,
        freeze: None,
        shards: FROZEN_SHARDS,
        filters: Vec::new(),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u32>().map_err(|why| format!("{text}: {why}"));
        match arg.as_str() {
            "--list" => options.list = true,
            "--foreign" => options.foreign = true,
            "--broker" => options.broker = value()?,
            "--freeze" => options.freeze = Some(PathBuf::from(value()?)),
            "--shards" => options.shards = number(value()?)?,
            "--jobs" => options.jobs = number(value()?)? as usize,
            "--rounds" => options.rounds = number(value()?)?,
            other if other.starts_with("--") => return Err(format!("no option {other}")),
            _ => options.filters.push(arg),
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<bool, String> {
    let suites = match options.freeze {
        Some(to) => vec![suites::freezing(to, options.shards)],
        None if options.foreign => chosen(suites::foreign(), &options.filters),
        None => chosen(suites::all(options.rounds), &options.filters),
    };
    if options.list {
        for suite in &suites {
            for case in &suite.cases {
                println!("{}/{}", suite.name, case.name);
            }
        }
        return Ok(true);
    }
    if suites.is_empty() {
        return Err("no case has such a name".into());
    }
    let target = target_dir();
    let runtimes = Runtimes::at(target.join("runtimes"));
    let binary = std::env::var_os("FOREBAY_BIN").map_or(target.join("release/forebay"), PathBuf::from);
    let kind = kind(&options.broker, &binary, &runtimes)?;
    Ok(runner::run(&Plan { kind, binary, jobs: options.jobs, runtimes }, suites))
}

fn chosen(suites: Vec<Suite>, filters: &[String]) -> Vec<Suite> {
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()));
    let mut suites = suites;
    for suite in &mut suites {
        suite.cases.retain(|case| wanted(&format!("{}/{}", suite.name, case.name)));
    }
    suites.retain(|suite| !suite.cases.is_empty());
    suites
}

fn kind(broker: &str, binary: &Path, runtimes: &Runtimes) -> Result<Kind, String> {
    match broker {
        "forebay" => {
            if !binary.exists() {
                return Err(format!("{} does not exist: build it, or set FOREBAY_BIN", binary.display()));
            }
            Ok(Kind::Forebay { binary: binary.to_owned() })
        }
        "kafka" => Ok(Kind::Kafka { class_path: runtimes.class_path() }),
        address => {
            let mut found = address.to_socket_addrs().map_err(|why| format!("{address}: {why}"))?;
            let at = found.next().ok_or_else(|| format!("{address} has no address"))?;
            Ok(Kind::External { at })
        }
    }
}

/// Cargo's own variable, or target/ beside the workspace's manifest.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .expect("this crate lies in the workspace")
                .join("target")
        },
        PathBuf::from,
    )
}
