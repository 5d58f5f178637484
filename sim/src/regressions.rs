//! Seeds that once found something; they always run.

use crate::plan::Seed;

/// The seeds in `regressions.txt`: one a line, with its story behind it.
pub fn seeds() -> Vec<Seed> {
    let lines = include_str!("../regressions.txt").lines();
    let seed = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    lines.filter(|line| !line.starts_with('#')).filter_map(seed).collect()
}
