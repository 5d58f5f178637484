//! What the fuzzer was asked to do.

use std::path::PathBuf;
use std::time::Duration;

use crate::targets::{TARGETS, Target};

/// How long a run takes that was given neither a time nor a number.
const TIME_DEFAULT: Duration = Duration::from_secs(60);
/// How long the smoke run takes, for all targets together.
const TIME_OF_SMOKE: Duration = Duration::from_secs(10);
/// The seed of the smoke run: what passed once passes again.
const SEED_OF_SMOKE: u64 = 0x0f0e_bae0;

/// The words that are understood.
pub const USAGE: &str = "\
forebay-fuzz [TARGET...]      feeds these targets, or all, with broken bytes
  --for 10m                   for this long in all (s, m or h; one minute if not said)
  --runs N                    no more than N inputs for each target
  --seed N                    the run that had this seed
  --smoke                     all targets in 10 s, always the same seed, nothing kept
  --input FILE                this input alone, once
forebay-fuzz list             the targets and where their seeds come from
";

/// A run.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Words of which a target's name contains one; all targets if none.
    pub words: Vec<String>,
    /// For how long.
    pub time: Duration,
    /// How many inputs for each target.
    pub runs_max: u64,
    /// Where randomness begins.
    pub seed: Option<u64>,
    /// Whether to look for and to keep inputs between runs.
    pub memory: Between,
    /// The one input to run.
    pub input: Option<PathBuf>,
}

/// What stays between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Inputs that reached new code are kept, and found again.
    Keep,
    /// Nothing.
    Forget,
}

impl Options {
    /// Reads the words behind the program's name.
    pub fn read(words: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            words: Vec::new(),
            time: TIME_DEFAULT,
            runs_max: u64::MAX,
            seed: None,
            memory: Between::Keep,
            input: None,
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--for" => options.time = time(&value()?)?,
                "--runs" => options.runs_max = number(&value()?)?,
                "--seed" => options.seed = Some(number(&value()?)?),
                "--input" => options.input = Some(value()?.into()),
                "--smoke" => {
                    options.time = TIME_OF_SMOKE;
                    options.seed = Some(SEED_OF_SMOKE);
                    options.memory = Between::Forget;
                }
                unknown if unknown.starts_with('-') => return Err(format!("no option {unknown}\n\n{USAGE}")),
                _ => options.words.push(word),
            }
        }
        Ok(options)
    }

    /// The targets that are meant.
    pub fn targets(&self) -> Result<Vec<&'static Target>, String> {
        if let Some(word) = self.words.iter().find(|word| !TARGETS.iter().any(|t| t.name.contains(*word))) {
            let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
            return Err(format!("no target's name contains '{word}'; there are {}", names.join(", ")));
        }
        // A whole name means that target alone, even where it is a part of another's.
        let is_named = |t: &&Target| self.words.iter().any(|w| t.name == w);
        let is_meant = |t: &&Target| {
            let exact = TARGETS.iter().any(|t| is_named(&t));
            self.words.is_empty()
                || if exact { is_named(t) } else { self.words.iter().any(|w| t.name.contains(w)) }
        };
        Ok(TARGETS.iter().filter(is_meant).collect())
    }
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is not a number"))
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time such as 30s, 10m or 2h");
    let end = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (count, unit) = text.split_at(end);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let count: u64 = count.parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Options, String> {
        Options::read(words.split_whitespace().map(String::from))
    }

    #[test]
    fn times_numbers_and_names_are_understood() {
        let options = read("kafka-frame --for 10m --runs 5 --seed 0xff").unwrap();
        assert_eq!(options.time, Duration::from_secs(600));
        assert_eq!((options.runs_max, options.seed), (5, Some(255)));
        let names: Vec<&str> = options.targets().unwrap().iter().map(|t| t.name).collect();
        assert_eq!(names, ["kafka-frame"]);
        assert_eq!(read("").unwrap().targets().unwrap().len(), TARGETS.len());
        assert!(read("kafka").unwrap().targets().unwrap().len() > 3);
    }

    #[test]
    fn a_whole_name_means_one_target() {
        assert!(TARGETS.iter().filter(|t| t.name.contains("segment")).count() >= 1);
        assert_eq!(read("segment").unwrap().targets().unwrap().len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_words() {
        for (words, told) in [
            ("--for ten", "ten"),
            ("--for 5", "5"),
            ("--for é", "é"),
            ("--runs x", "x"),
            ("--for", "--for"),
            ("--sead 1", "--sead"),
        ] {
            assert!(read(words).unwrap_err().contains(told), "{words}");
        }
        assert!(read("nowhere").unwrap().targets().err().unwrap().contains("nowhere"));
    }
}
