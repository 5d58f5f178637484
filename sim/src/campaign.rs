//! Many seeds, each on one thread, a few threads beside each other; and what they met together.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::counters::{Counters, WANTED, WANTED_OF_REPLICAS};
use crate::plan::{Bug, Nodes, Plan, Seed};
use crate::run::{Report, run};

/// From so many seeds on, nothing that is wanted may have been met by none.
pub const CAMPAIGN_SEEDS: u64 = 200;

/// So many lines of progress, then the table: whoever ends a long campaign early still has one.
const TABLES_APART: u64 = 10;

/// Runs the seeds that `next` gives out, `jobs` at a time, and hands over each report as it comes, which need not be
/// their order. After a break no further seed is begun; those under way are still heard.
pub fn run_all(
    next: impl Fn() -> Option<Seed> + Sync,
    jobs: usize,
    bug: Option<Bug>,
    mut hear: impl FnMut(Report) -> ControlFlow<()>,
) {
    let (reports, heard) = sync_channel(jobs);
    let stopped = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (reports, next, stopped) = (reports.clone(), &next, &stopped);
            scope.spawn(move || {
                while stopped.load(Relaxed) == 0
                    && let Some(seed) = next()
                {
                    if reports.send(run(Plan::drawn(seed, bug), false)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(reports);
        for report in heard {
            if hear(report).is_break() {
                stopped.store(1, Relaxed);
            }
        }
    });
}

/// How many seeds, which, and how they are told of.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The nodes of each.
    pub nodes: Nodes,
    /// The first seed.
    pub from: u64,
    /// So many...
    pub seeds: u64,
    /// ...or for so long, if that is set.
    pub time: Option<Duration>,
    /// At a time.
    pub jobs: usize,
    /// A line of progress after so many seeds.
    pub tell_every: u64,
    /// Whether a broken promise does not end it.
    pub keep_going: bool,
}

/// What a campaign has come to.
#[derive(Debug, Default)]
pub struct Sum {
    /// Seeds in which every promise was kept.
    pub passed: u64,
    /// Seeds in which one was broken.
    pub failed: Vec<Seed>,
    /// What all of them met.
    pub counters: Counters,
    /// Nanoseconds of virtual time.
    pub simulated: u64,
}

impl Sum {
    /// Takes in a report, and says what was broken.
    pub fn add(&mut self, report: &Report) {
        self.counters.merge(&report.counters);
        self.simulated += report.took;
        match &report.broken {
            None => self.passed += 1,
            Some(broken) => {
                self.failed.push(report.seed);
                println!("seed {} FAILED at {:.6} s: {broken}", report.seed, report.took as f64 / 1e9);
                let alone = if report.seed.nodes == Nodes::One { " --alone" } else { "" };
                println!("  again: cargo xtask sim --seed {}{alone} --trace", report.seed.number);
            }
        }
    }

    /// Seeds so far.
    pub fn seeds(&self) -> u64 {
        self.passed + self.failed.len() as u64
    }

    /// What should have been met by seeds from this one on and was not.
    pub fn missing(&self, first: Seed) -> Vec<&'static str> {
        let among_replicas: &[_] = if first.nodes == Nodes::Three { &WANTED_OF_REPLICAS } else { &[] };
        let wanted = WANTED.iter().chain(among_replicas).chain(first.wanted()).copied();
        wanted.filter(|name| self.counters.of(name) == 0).collect()
    }

    fn line(&self, begun: Instant) -> String {
        let (seeds, took) = (self.seeds(), begun.elapsed().as_secs_f64());
        format!(
            "{} seeds passed, {} failed; {:.0} s simulated in {took:.1} s, {:.2} s a seed",
            self.passed,
            self.failed.len(),
            self.simulated as f64 / 1e9,
            took / seeds.max(1) as f64
        )
    }

    /// Prints the table of everything that was met.
    pub fn print(&self, first: Seed) {
        for (name, n) in self.counters.all() {
            println!("  {n:>12} {name}");
        }
        for name in self.missing(first) {
            println!("  {:>12} {name}", 0);
        }
    }

    /// One line for a short run.
    pub fn print_short(&self, begun: Instant) {
        let of = |name| self.counters.of(name);
        println!("{}", self.line(begun));
        println!(
            "  {} operations, {} power cuts, {} elections, {} torn tails, {} truncations, {} crashes in recovery",
            of("client operations"),
            of("power cuts"),
            of("elections won"),
            of("torn tail cut"),
            of("entries truncated after a conflict"),
            of("crash during recovery"),
        );
    }
}

/// Runs a campaign and tells of it; whether every promise was kept and everything wanted was met.
pub fn run_campaign(campaign: &Campaign) -> bool {
    let begun = Instant::now();
    let given = AtomicU64::new(campaign.from);
    let next = || {
        let enough = campaign.time.is_some_and(|limit| begun.elapsed() >= limit);
        let number = given.fetch_add(1, Relaxed);
        let goes_on = !enough && (campaign.time.is_some() || number - campaign.from < campaign.seeds);
        goes_on.then_some(Seed { number, nodes: campaign.nodes })
    };
    let first = Seed { number: campaign.from, nodes: campaign.nodes };
    println!("seeds from {first}");
    let mut sum = Sum::default();
    run_all(next, campaign.jobs, None, |report| {
        sum.add(&report);
        if sum.seeds().is_multiple_of(campaign.tell_every) {
            println!("{}", sum.line(begun));
        }
        if sum.seeds().is_multiple_of(TABLES_APART * campaign.tell_every) {
            sum.print(first);
        }
        if report.broken.is_some() && !campaign.keep_going {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    sum.print(first);
    println!("{}", sum.line(begun));
    if !sum.failed.is_empty() {
        let failed: Vec<_> = sum.failed.iter().map(Seed::to_string).collect();
        println!("failed: {}", failed.join(", "));
    }
    let missing = sum.missing(first);
    let complete = sum.seeds() < CAMPAIGN_SEEDS || missing.is_empty();
    if !complete {
        println!("FAILED: never met in {} seeds: {}", sum.seeds(), missing.join(", "));
    }
    sum.failed.is_empty() && complete
}
