//! Choosing seeds: of all inputs at hand the few that reach the most of what the others reach.

use std::collections::HashSet;
use std::fs;

use crate::corpus;
use crate::coverage::Coverage;
use crate::exchange;
use crate::execute::{self, Outcome};
use crate::options::Options;
use crate::targets::Target;

/// The words behind `distill`.
pub const USAGE: &str = "\
forebay-fuzz distill [TARGET...]
                             of all inputs in target/fuzz/corpus and fuzz/corpus, leaves in fuzz/corpus the few that
                             reach the most; wants a counting build (cargo xtask fuzz distill)
";

/// Longest input that is worth committing, bytes; some files of the log have blocks of 4 KiB and more.
const COMMITTED_BYTES_MAX: usize = 9 * 1024;
/// Most bytes of one target's folder.
const FOLDER_BYTES_MAX: usize = 12 * 1024;
/// Most files of one.
const FOLDER_FILES_MAX: usize = 40;

/// Rewrites the committed folders.
pub fn distill(words: &[String]) -> Result<usize, String> {
    let targets = Options::read(words.iter().cloned())?.targets()?;
    let mut coverage =
        Coverage::find().ok_or("this build counts no code: run it as `cargo xtask fuzz distill`")?;
    execute::catch_panics();
    for target in targets {
        distill_one(target, &mut coverage)?;
    }
    Ok(0)
}

/// An input and the code it reaches.
struct Reach {
    input: Vec<u8>,
    counters: Vec<usize>,
}

fn distill_one(target: &Target, coverage: &mut Coverage) -> Result<(), String> {
    // What recorded frames reach needs no file.
    let mut covered = HashSet::new();
    for frame in corpus::from_frames(target.frames, &exchange::read_all(&exchange::folder())?) {
        covered.extend(coverage.moved(|| drop(execute::execute(target, &frame))));
    }
    let mut inputs = corpus::files(&corpus::committed(target.name))?;
    inputs.extend(corpus::files(&corpus::kept(target.name))?);
    inputs.retain(|input| input.len() <= COMMITTED_BYTES_MAX);
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let count = inputs.len();
    let mut left = Vec::new();
    for input in inputs {
        let mut passes = false;
        let counters =
            coverage.moved(|| passes = matches!(execute::execute(target, &input), Outcome::Fine(_)));
        if passes {
            left.push(Reach { input, counters });
        }
    }
    let chosen = choose(left, &mut covered);
    write(target.name, &chosen)?;
    let bytes: usize = chosen.iter().map(Vec::len).sum();
    println!("{:<24} {:>4} of {count:>5} inputs, {bytes:>6} bytes", target.name, chosen.len());
    Ok(())
}

/// One after the other the input that reaches the most of what none before it does; of equal ones the shortest.
fn choose(mut left: Vec<Reach>, covered: &mut HashSet<usize>) -> Vec<Vec<u8>> {
    let mut chosen: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    while chosen.len() < FOLDER_FILES_MAX {
        for reach in &mut left {
            reach.counters.retain(|counter| !covered.contains(counter));
        }
        left.retain(|reach| !reach.counters.is_empty() && bytes + reach.input.len() <= FOLDER_BYTES_MAX);
        let Some(best) = left.iter().map(|reach| reach.counters.len()).max() else { break };
        let at = left.iter().position(|reach| reach.counters.len() == best).expect("the best is among them");
        let best = left.remove(at);
        bytes += best.input.len();
        covered.extend(best.counters);
        chosen.push(best.input);
    }
    chosen
}

fn write(target: &str, inputs: &[Vec<u8>]) -> Result<(), String> {
    let folder = corpus::committed(target);
    let told = |why: std::io::Error| format!("{}: {why}", folder.display());
    // There is no folder before the first time.
    let _ = fs::remove_dir_all(&folder);
    if inputs.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(told)?;
    inputs.iter().try_for_each(|input| fs::write(folder.join(corpus::name_of(input)), input)).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_few_that_reach_everything_are_chosen() {
        let reach =
            |input: &[u8], counters: &[usize]| Reach { input: input.into(), counters: counters.into() };
        let left = vec![
            reach(b"a", &[1, 9]),
            reach(b"b", &[2]),
            reach(b"known", &[9]),
            reach(b"all", &[1, 2, 3]),
            reach(b"longer", &[4]),
        ];
        let chosen = choose(left, &mut HashSet::from([9]));
        assert_eq!(chosen, [b"all".to_vec(), b"longer".to_vec()]);
    }
}
