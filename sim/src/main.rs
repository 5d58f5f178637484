//! Runs the simulator: one seed, a stream of seeds, or seeds until one finds a planted bug.
#![forbid(unsafe_code)]

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use forebay_env::fault::{FAULT_POINTS, Fault};
use forebay_sim::campaign::{Campaign, Sum, run_all, run_campaign};
use forebay_sim::hunt::{self, SEEDS_PER_BUG_MAX};
use forebay_sim::plan::{Bug, Nodes, Plan, Seed, WHOLE_FROM};
use forebay_sim::run::run;
use forebay_sim::{regressions, version};

/// Seeds of the short run...
const SMOKE_SEEDS: u64 = 6;
/// ...and so many of a node alone...
const SMOKE_SEEDS_ALONE: u64 = 4;
/// ...and so many of those in which all clients take part...
const SMOKE_SEEDS_WHOLE: u64 = 3;
/// ...which also finds these planted bugs...
const CANARIES: [Bug; 13] = [
    Bug::EarlyFlush,
    Bug::Point(Fault::AppendAckBeforeFlush),
    Bug::Point(Fault::DedupMissingFromCheckpoint),
    Bug::Point(Fault::UnappliedServed),
    Bug::Point(Fault::AbortedServed),
    Bug::Point(Fault::RelayDoneEarly),
    Bug::Point(Fault::NewestCompacted),
    Bug::Point(Fault::SettlementConfirmedEarly),
    Bug::Point(Fault::AttemptsNotLimited),
    Bug::Point(Fault::LeaseEndAccepts),
    Bug::Point(Fault::PartitionGivenTwice),
    Bug::Point(Fault::OpenServed),
    Bug::Point(Fault::CursorSetEarly),
];
/// ...each within so many seeds.
const CANARY_SEEDS_MAX: u64 = 200;

/// Whole clusters with clients, each in one thread and from one seed.
#[derive(Parser)]
struct Options {
    /// Runs this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints what happens; with --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Runs so many seeds: 100 unless told, 1000 at most for a bug.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs seeds for so long instead: 30s, 10m, 2h.
    #[arg(long, value_parser = duration)]
    r#for: Option<Duration>,
    /// Plants a bug, by name, and runs seeds until it is found; `all` takes one after the other, `control` plants none and
    /// must find none.
    #[arg(long)]
    bug: Option<String>,
    /// The short run of every check: the regressions, a few seeds, a few planted bugs.
    #[arg(long)]
    smoke: bool,
    /// One node, which every shard has as its sole voter, instead of three.
    #[arg(long, conflicts_with_all = ["bug", "smoke"])]
    alone: bool,
    /// Goes on behind a broken promise.
    #[arg(long)]
    keep_going: bool,
    /// Runs so many seeds at a time, each on one thread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Tells after so many seeds how it stands.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    tell_every: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let points = if FAULT_POINTS { "with fault points" } else { "without fault points" };
    println!("forebay-sim, commit {}, {points}", version::commit());
    let nodes = if options.alone { Nodes::One } else { Nodes::Three };
    let passed = match (&options.bug, options.seed) {
        (Some(name), None) => {
            let seeds_max = options.seeds.unwrap_or(SEEDS_PER_BUG_MAX);
            hunt::hunt(name, options.from, seeds_max, usize::from(options.jobs))
        }
        (bug, Some(number)) => one(Seed { number, nodes }, bug.as_deref(), options.trace),
        (None, None) if options.smoke => Ok(smoke(usize::from(options.jobs))),
        (None, None) => Ok(run_campaign(&Campaign {
            nodes,
            from: options.from,
            seeds: options.seeds.unwrap_or(100),
            time: options.r#for,
            jobs: usize::from(options.jobs),
            tell_every: options.tell_every,
            keep_going: options.keep_going,
        })),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: Seed, bug: Option<&str>, trace: bool) -> Result<bool, String> {
    let bug = match bug.map(hunt::named).transpose()?.as_deref() {
        None => None,
        Some([(_, bug)]) => Some(*bug),
        Some(_) => return Err("one seed runs with one bug".to_owned()),
    };
    let seed = bug.map_or(seed, |bug| Seed { nodes: bug.nodes(), ..seed });
    println!("seed {seed}");
    if trace {
        let format = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).without_time();
        format.with_target(false).with_writer(std::io::stdout).init();
    }
    let report = run(Plan::drawn(seed, bug), trace);
    let mut sum = Sum::default();
    sum.add(&report);
    sum.print(seed);
    println!("trace {:016x}, {:.1} s simulated", report.trace, report.took as f64 / 1e9);
    Ok(report.broken.is_none())
}

fn smoke(jobs: usize) -> bool {
    let begun = Instant::now();
    let few = |nodes, count| (1..=count).map(move |number| Seed { number, nodes });
    let whole =
        |nodes| (WHOLE_FROM..WHOLE_FROM + SMOKE_SEEDS_WHOLE).map(move |number| Seed { number, nodes });
    let few = few(Nodes::Three, SMOKE_SEEDS).chain(few(Nodes::One, SMOKE_SEEDS_ALONE));
    let few = few.chain(whole(Nodes::Three)).chain(whole(Nodes::One));
    let seeds = Mutex::new(regressions::seeds().into_iter().chain(few));
    let next = || seeds.lock().expect("nobody panics with it").next();
    let mut sum = Sum::default();
    run_all(next, jobs, None, |report| {
        sum.add(&report);
        ControlFlow::Continue(())
    });
    sum.print_short(begun);
    let canaries = CANARIES.into_iter().filter(|bug| bug.can_be_planted());
    let blind: Vec<_> =
        canaries.filter(|bug| hunt::find(*bug, 1, CANARY_SEEDS_MAX, jobs).is_none()).collect();
    if !blind.is_empty() {
        println!("the simulator is blind: planted and not found within {CANARY_SEEDS_MAX} seeds: {blind:?}");
    }
    println!("smoke took {:.1} s", begun.elapsed().as_secs_f64());
    sum.failed.is_empty() && blind.is_empty()
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
