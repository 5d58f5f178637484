//! Runs the simulator: one seed, a stream of seeds, or seeds until one finds a planted bug.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use forebay_sim::counters::Counters;
use forebay_sim::plan::{Bug, Plan};
use forebay_sim::run::{Report, run};
use forebay_sim::{regressions, version};

/// A planted bug is found within this many seeds, or the simulator is blind to it.
const SEEDS_PER_BUG_MAX: u64 = 1_000;

/// Whole clusters with clients, each in one thread and from one seed.
#[derive(Parser)]
struct Options {
    /// Runs this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints what happens; with --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Runs so many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs seeds for so long instead: 30s, 10m, 2h.
    #[arg(long, value_parser = duration)]
    r#for: Option<Duration>,
    /// Plants a bug, by name, and runs seeds until it is found; `all` takes one after the other.
    #[arg(long)]
    bug: Option<String>,
    /// The short run of every check: the regressions, a few seeds, one planted bug.
    #[arg(long)]
    smoke: bool,
    /// Goes on behind a broken promise.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    println!("forebay-sim, commit {}", version::commit());
    let passed = match (&options.bug, options.seed) {
        (Some(name), None) => plant(name, &options),
        (bug, Some(seed)) => one(seed, bug.as_deref().and_then(Bug::by_name), options.trace),
        (None, None) if options.smoke => smoke(),
        (None, None) => many(&options),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64, bug: Option<Bug>, trace: bool) -> bool {
    println!("seed {seed}");
    if trace {
        let format = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).without_time();
        format.with_target(false).with_writer(std::io::stdout).init();
    }
    let report = run(Plan::of(seed, bug), trace);
    summary(&report.counters);
    println!("trace {:016x}, {:.1} s simulated", report.trace, report.took as f64 / 1e9);
    tell(&report)
}

fn many(options: &Options) -> bool {
    let begun = Instant::now();
    let mut counters = Counters::default();
    let (mut passed, mut failed, mut simulated) = (0u64, 0u64, 0u64);
    println!("seeds from {}", options.from);
    for seed in options.from.. {
        let enough = match options.r#for {
            Some(limit) => begun.elapsed() >= limit,
            None => seed - options.from >= options.seeds,
        };
        if enough {
            break;
        }
        let report = run(Plan::of(seed, None), false);
        counters.merge(&report.counters);
        simulated += report.took;
        if tell(&report) {
            passed += 1;
            continue;
        }
        failed += 1;
        if !options.keep_going {
            break;
        }
    }
    summary(&counters);
    let took = begun.elapsed();
    println!(
        "{passed} seeds passed, {failed} failed; {:.0} s simulated in {:.1} s",
        simulated as f64 / 1e9,
        took.as_secs_f64()
    );
    failed == 0
}

fn plant(name: &str, options: &Options) -> bool {
    let mut chosen: Vec<_> =
        Bug::ALL.into_iter().filter(|(known, _)| name == "all" || *known == name).collect();
    chosen.extend(Some(("control", Bug::Control)).filter(|(known, _)| *known == name));
    if chosen.is_empty() {
        let names: Vec<_> = Bug::ALL.iter().map(|(name, _)| *name).collect();
        println!("no bug '{name}'; there are: all, {}", names.join(", "));
        return false;
    }
    let mut all = true;
    for (name, bug) in chosen {
        let found = (options.from..options.from + SEEDS_PER_BUG_MAX).find_map(|seed| {
            let report = run(Plan::of(seed, Some(bug)), false);
            report.broken.map(|broken| (seed, broken))
        });
        match found {
            Some((seed, broken)) => {
                println!("{name}: found by seed {seed}, the {}th: {broken}", seed - options.from + 1);
            }
            None => {
                println!("{name}: NOT FOUND within {SEEDS_PER_BUG_MAX} seeds from {}", options.from);
                all = false;
            }
        }
    }
    all
}

fn smoke() -> bool {
    let mut passed = regressions::seeds().into_iter().chain(1..=SMOKE_SEEDS).all(|seed| {
        let report = run(Plan::of(seed, None), false);
        tell(&report)
    });
    let canary =
        (1..=CANARY_SEEDS_MAX).any(|seed| run(Plan::of(seed, Some(Bug::EarlyFlush)), false).broken.is_some());
    if !canary {
        println!("the canary lives: a planted bug was not found, so the simulator is blind");
        passed = false;
    }
    passed
}

/// Seeds of the short run...
const SMOKE_SEEDS: u64 = 6;
/// ...which also finds the planted bug within so many.
const CANARY_SEEDS_MAX: u64 = 20;

/// Says what was broken; whether nothing was.
fn tell(report: &Report) -> bool {
    match &report.broken {
        None => true,
        Some(broken) => {
            println!("seed {} FAILED at {:.6} s: {broken}", report.seed, report.took as f64 / 1e9);
            println!("  again: cargo run --release -p forebay-sim -- --seed {} --trace", report.seed);
            false
        }
    }
}

fn summary(counters: &Counters) {
    for (name, n) in counters.all() {
        println!("  {n:>10} {name}");
    }
    for name in forebay_sim::counters::WANTED.iter().filter(|name| counters.of(name) == 0) {
        println!("           0 {name}");
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| format!("{text}: a number and a unit, like 10m"))?;
    match unit {
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(60 * number)),
        "h" => Ok(Duration::from_secs(3600 * number)),
        _ => Err(format!("{unit}: the units are s, m and h")),
    }
}
