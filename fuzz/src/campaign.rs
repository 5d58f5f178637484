//! One target under fire: inputs out of a pool, broken a little, and those that did something new into the pool.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::corpus;
use crate::coverage::Coverage;
use crate::execute::{Finding, Outcome, Trace, execute, shrink};
use crate::findings;
use crate::mutate::mutate;
use crate::random::Random;
use crate::targets::Target;
use crate::watchdog::Watchdog;

/// Inputs in a pool; above it a new one takes the place of an old one that is no seed.
const POOL_MAX: usize = 8_192;
/// Inputs between two looks at the counters; a look costs about as much as a hundred short inputs.
const BATCH: usize = 128;
/// Findings of one target, by place; above it the target rests.
const FINDINGS_MAX: usize = 10;

/// A target, its pool and its score.
pub struct Campaign {
    target: &'static Target,
    pool: Vec<Vec<u8>>,
    /// The first of the pool never leave it.
    seeds: usize,
    traces: HashSet<Trace>,
    found: HashSet<String>,
    random: Random,
    runs: u64,
    /// Where to keep what reached new code, if anywhere.
    keep: Option<PathBuf>,
}

/// What all campaigns share.
pub struct Tools {
    /// Counters of code, in a build that has them.
    pub coverage: Option<Coverage>,
    /// Looks on.
    pub watchdog: Watchdog,
    /// Where findings go.
    pub findings: PathBuf,
}

impl Campaign {
    /// A campaign that starts with these inputs; `keep` is a folder for those that reach new code.
    pub fn new(target: &'static Target, seeds: Vec<Vec<u8>>, keep: Option<PathBuf>, seed: u64) -> Campaign {
        let mut pool = seeds;
        // A target without seeds begins with nothing at all.
        if pool.is_empty() {
            pool.push(Vec::new());
        }
        Campaign {
            target,
            seeds: pool.len(),
            pool,
            traces: HashSet::new(),
            found: HashSet::new(),
            random: Random::named(seed, target.name),
            runs: 0,
            keep,
        }
    }

    /// Adds what earlier runs kept.
    pub fn add(&mut self, inputs: Vec<Vec<u8>>) {
        let max = self.target.input_bytes_max;
        self.pool.extend(inputs.into_iter().filter(|input| input.len() <= max).take(POOL_MAX / 2));
    }

    /// Runs the pool as it is: the seeds must pass, and what they reach is known from here on.
    pub fn run_pool(&mut self, tools: &mut Tools) {
        for at in 0..self.pool.len() {
            let input = std::mem::take(&mut self.pool[at]);
            self.run(&input, tools);
            self.pool[at] = input;
        }
        if let Some(coverage) = &mut tools.coverage {
            coverage.fresh();
        }
    }

    /// Breaks inputs until the time has come, or until `runs_max` inputs have run in all.
    pub fn run_until(&mut self, end: Instant, runs_max: u64, tools: &mut Tools) {
        let mut batch = Vec::with_capacity(BATCH);
        while Instant::now() < end && self.runs < runs_max && self.found.len() < FINDINGS_MAX {
            batch.clear();
            for _ in 0..BATCH.min(usize::try_from(runs_max - self.runs).unwrap_or(BATCH)) {
                let input = self.next_input();
                if self.run(&input, tools) {
                    self.admit(input.clone());
                }
                batch.push(input);
            }
            self.look_at_counters(&batch, tools);
        }
        tools.watchdog.rest();
    }

    /// The score in a line.
    pub fn line(&self) -> String {
        format!(
            "{:<24} {:>11} inputs, {:>5} seeds, {:>5} kept, {} findings",
            self.target.name,
            self.runs,
            self.seeds,
            self.pool.len() - self.seeds,
            self.found.len()
        )
    }

    /// How many inputs have run.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The places of its findings.
    pub fn findings(&self) -> usize {
        self.found.len()
    }

    fn next_input(&mut self) -> Vec<u8> {
        let recent = self.pool.len().saturating_sub(64);
        // What was found last is the likeliest to lead further.
        let from = if self.random.one_in(3) { recent } else { 0 };
        let at = from + self.random.below(self.pool.len() - from);
        let other = self.random.below(self.pool.len());
        let mut input = self.pool[at].clone();
        mutate(&mut input, &self.pool[other], self.target.input_bytes_max, &mut self.random);
        input
    }

    /// Runs one input; true if it left a trace that no other did.
    fn run(&mut self, input: &[u8], tools: &Tools) -> bool {
        tools.watchdog.begin(self.target.name, input);
        self.runs += 1;
        match execute(self.target, input) {
            Outcome::Fine(trace) => self.traces.insert(trace),
            Outcome::Finding(finding) => {
                self.note(input, &finding, tools);
                false
            }
        }
    }

    fn note(&mut self, input: &[u8], finding: &Finding, tools: &Tools) {
        if self.found.insert(finding.place.clone()) {
            tools.watchdog.rest();
            let input = shrink(self.target, input, finding);
            let what = format!("{} ({})", finding.what, finding.place);
            findings::report(&tools.findings, self.target.name, &input, &what);
        }
    }

    /// Finds out which inputs of a batch reached code that nothing had reached before.
    fn look_at_counters(&mut self, batch: &[Vec<u8>], tools: &mut Tools) {
        let Some(coverage) = &mut tools.coverage else { return };
        let mut left = coverage.fresh();
        for input in batch {
            if left.is_empty() {
                return;
            }
            let before = coverage.values(&left);
            tools.watchdog.begin(self.target.name, input);
            let _ = execute(self.target, input);
            let after = coverage.values(&left);
            let mut moved = before.iter().zip(&after).map(|(before, after)| before != after);
            let len = left.len();
            left.retain(|_| !moved.next().expect("as many as counters"));
            if left.len() < len {
                if let Some(folder) = &self.keep
                    && let Err(why) = corpus::keep(folder, input)
                {
                    println!("{why}; new inputs are kept in memory alone");
                    self.keep = None;
                }
                self.admit(input.clone());
            }
        }
    }

    fn admit(&mut self, input: Vec<u8>) {
        if self.pool.len() < POOL_MAX {
            self.pool.push(input);
        } else if self.seeds < POOL_MAX {
            let at = self.seeds + self.random.below(POOL_MAX - self.seeds);
            self.pool[at] = input;
        }
    }
}

/// The folder of the inputs that a target's runs have kept.
pub fn kept(target: &str) -> PathBuf {
    corpus::workshop().join("corpus").join(target)
}

/// The folder of findings.
pub fn findings_folder() -> PathBuf {
    let folder: &Path = &corpus::workshop();
    folder.join("findings")
}
