//! One target under fire: inputs out of a pool, broken a little, and those that did something new into the pool.

use std::collections::HashSet;
use std::path::PathBuf;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::execute::catch_panics;
    use crate::targets::{Frames, Memory};

    fn planted(data: &[u8]) {
        let Some((&count, rest)) = data.split_first() else { return };
        let copies: Vec<Vec<u8>> = (0..count.min(8)).map(|_| rest.to_vec()).collect();
        assert!(!(count == 7 && rest.len() > 20), "seven of them");
        drop(copies);
    }

    fn greedy(data: &[u8]) {
        let len = data.first().map_or(0, |first| usize::from(*first) << 12);
        drop(std::hint::black_box(vec![0_u8; len]));
    }

    static PLANTED: Target = Target {
        name: "planted",
        run: planted,
        frames: Frames::Nothing,
        input_bytes_max: 1_000,
        memory: Memory { floor: 100_000, per_byte: 10 },
    };
    static GREEDY: Target = Target { name: "greedy", run: greedy, ..PLANTED };

    /// What is in the folder of findings after a short campaign from one harmless seed.
    fn found(target: &'static Target) -> Vec<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let findings = dir.path().join("findings");
        let mut tools =
            Tools { coverage: None, watchdog: Watchdog::start(findings.clone()), findings: findings.clone() };
        catch_panics();
        let mut campaign = Campaign::new(target, vec![vec![2; 40]], None, 11);
        campaign.run_pool(&mut tools);
        assert_eq!(campaign.findings(), 0, "the seed is harmless");
        campaign.run_until(Instant::now() + Duration::from_secs(60), 50_000, &mut tools);
        assert_eq!(campaign.findings(), 1);
        corpus::files(&findings).unwrap()
    }

    #[test]
    fn a_planted_panic_is_found_shrunk_and_saved() {
        let saved = found(&PLANTED);
        assert_eq!(saved, [[&[7][..], &[0; 21]].concat()], "no byte more than it takes");
    }

    #[test]
    fn an_input_that_takes_more_memory_than_its_target_grants_is_found() {
        let saved = found(&GREEDY);
        assert_eq!(saved.len(), 1);
        assert!(saved[0].len() == 1 && usize::from(saved[0][0]) << 12 > 100_000, "{saved:?}");
    }

    #[test]
    fn every_target_has_seeds_and_passes_all_of_them() {
        let exchanges = crate::exchange::read_all(&crate::exchange::folder()).unwrap();
        for target in crate::targets::TARGETS {
            let seeds = corpus::seeds(target, &exchanges).unwrap();
            assert!(!seeds.is_empty(), "{} has no seeds", target.name);
            for seed in &seeds {
                let outcome = execute(target, seed);
                assert!(matches!(outcome, Outcome::Fine(_)), "{}: {outcome:?}", target.name);
            }
        }
    }
}
