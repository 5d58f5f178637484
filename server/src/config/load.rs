//! Defaults < file < environment < command line, into a [`Config`].

use std::fmt;
use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::nearest::nearest_flag;
use super::settings::{Config, SETTINGS};
use super::table::{DefaultValue, FILE_VARIABLE, Facts, Setting};
use super::value::Value;
use super::{check, environment, file};

/// Everything that may say something about settings.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named on the command line. Otherwise the variable `FOREBAY_CONFIG` may name one.
    pub file: Option<PathBuf>,
    /// Environment variables, all of them.
    pub variables: Vec<(String, String)>,
    /// Flags: (name without dashes, value), in order. The values of a flag that is given several times make a list.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// The environment of this process, and what its command line said. A variable that is not UTF-8 is left out,
    /// unless it is one of ours: then its value is taken as far as it can be read, and refused by its own setting.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Sources {
        let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Sources { file, variables, flags }
    }
}

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the file; lines count from 1, and 0 is the file as a whole.
    File {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// In an environment variable.
    Variable(String),
    /// By a flag, named without its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line: 0 } => write!(f, "{}", path.display()),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said.
    pub origin: Origin,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str(&self.what),
            origin => write!(f, "{origin}: {}", self.what),
        }
    }
}

/// All that is wrong with the settings; never empty. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Every problem, in the order of the sources.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A value that a source gave to a known setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub key: &'static str,
    pub text: String,
    pub origin: Origin,
}

/// What a setting came out as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Which setting.
    pub key: &'static str,
    /// Its value as TOML.
    pub toml: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Settings that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The same, each with where it came from, in the order of the table.
    pub effective: Vec<Effective>,
}

/// Reads every source and decides every setting.
///
/// # Errors
/// All that is wrong with what the sources say, at once.
pub fn load(sources: &Sources, machine: &Machine) -> Result<Loaded, ConfigError> {
    let (mut said, mut problems) = (Vec::new(), Vec::new());
    if let Some(path) = file_of(sources) {
        match file::read(&path) {
            Ok(text) => add(&mut said, &mut problems, file::parse(&path, &text)),
            Err(problem) => problems.push(problem),
        }
    }
    add(&mut said, &mut problems, environment::parse(&sources.variables));
    add(&mut said, &mut problems, parse_flags(&sources.flags));
    let mut resolver = Resolver { machine, said, problems, effective: Vec::new(), decided: Vec::new() };
    let config = Config::resolve(&mut resolver);
    let Resolver { mut problems, effective, .. } = resolver;
    match config {
        Some(mut config) => {
            let mut loaded_effective = effective;
            check::keep_kafka(&mut config, &mut loaded_effective);
            problems.extend(check::together(&config, &loaded_effective));
            if problems.is_empty() {
                return Ok(Loaded { config, effective: loaded_effective });
            }
            Err(ConfigError { problems })
        }
        None => Err(ConfigError { problems }),
    }
}

impl Config {
    /// The settings that nobody changed, on a machine.
    #[must_use]
    pub fn default_on(machine: &Machine) -> Config {
        load(&Sources::default(), machine).expect("the defaults are possible: a test says so").config
    }
}

fn add<T, U>(all: &mut Vec<T>, problems: &mut Vec<U>, more: (Vec<T>, Vec<U>)) {
    all.extend(more.0);
    problems.extend(more.1);
}

fn file_of(sources: &Sources) -> Option<PathBuf> {
    let variable = || sources.variables.iter().find(|(name, _)| name == FILE_VARIABLE);
    sources.file.clone().or_else(|| variable().map(|(_, path)| Path::new(path).to_owned()))
}

fn parse_flags(flags: &[(String, String)]) -> (Vec<Said>, Vec<Problem>) {
    let (mut said, mut problems) = (Vec::<Said>::new(), Vec::new());
    for (name, text) in flags {
        let origin = Origin::Flag(name.clone());
        let Some(setting) = SETTINGS.iter().find(|setting| setting.flag() == *name) else {
            let what = format!("there is no such setting; the nearest is --{}", nearest_flag(name));
            problems.push(Problem { origin, what });
            continue;
        };
        match said.iter_mut().find(|earlier| earlier.key == setting.key) {
            Some(earlier) if setting.kind.many == super::table::Many::List => {
                earlier.text = format!("{},{text}", earlier.text);
            }
            Some(_) => problems.push(Problem { origin, what: "is given twice".into() }),
            None => said.push(Said { key: setting.key, text: text.clone(), origin }),
        }
    }
    (said, problems)
}

/// Decides one setting after the other, and remembers what it decided and what was wrong.
pub(super) struct Resolver<'a> {
    machine: &'a Machine,
    /// In the order of the sources: the last word counts.
    said: Vec<Said>,
    problems: Vec<Problem>,
    effective: Vec<Effective>,
    decided: Vec<(&'static str, Option<u128>)>,
}

impl Resolver<'_> {
    /// The value of one setting; `None` when what was said is wrong, or when the default cannot be computed from
    /// others that are.
    pub(super) fn value<T: Value>(&mut self, setting: &'static Setting) -> Option<T> {
        let said = self.said.iter().rfind(|said| said.key == setting.key).cloned();
        let said = match said {
            Some(said) => said,
            None => Said { key: setting.key, text: self.default_text(setting)?, origin: Origin::Default },
        };
        match parse_within_bounds::<T>(setting, &said.text) {
            Ok(value) => {
                self.decided.push((setting.key, value.measure()));
                self.effective.push(Effective { key: setting.key, toml: value.toml(), origin: said.origin });
                Some(value)
            }
            Err(why) => {
                self.problems.push(Problem { origin: said.origin, what: format!("{} {why}", setting.key) });
                None
            }
        }
    }

    fn default_text(&self, setting: &Setting) -> Option<String> {
        match setting.default {
            DefaultValue::Fixed(text) => Some(text.into()),
            // A default that looks at a setting which is wrong has nothing to look at; that one was reported.
            DefaultValue::Computed { .. } if !self.problems.is_empty() => None,
            DefaultValue::Computed { value, .. } => {
                Some(value(&Facts { machine: self.machine, decided: &self.decided }))
            }
        }
    }
}

fn parse_within_bounds<T: Value>(setting: &Setting, text: &str) -> Result<T, String> {
    let value = T::parse(text)?;
    let (Some((least, most)), Some(measure)) = (setting.bounds, value.measure()) else { return Ok(value) };
    let bound =
        |text: &str| T::parse(text).ok().and_then(|bound| bound.measure()).expect("bounds are values");
    if measure < bound(least) || bound(most) < measure {
        return Err(format!("is {}; it can be from {least} to {most}", value.text()));
    }
    Ok(value)
}
