//! Every decoder of Forebay, fed with bytes that somebody broke on purpose.
//!
//! | module | what it is |
//! | --- | --- |
//! | `targets` | the table of decoders |
//! | `corpus`, `exchange`, `amqp` | what inputs begin with |
//! | `mutate`, `random` | how they are broken |
//! | `execute`, `watchdog`, `coverage` | running one, and what it did |
//! | `campaign`, `findings` | the loop, and what it found |
//! | `record`, `harvest`, `encoders`, `distill` | where seeds come from |
#![forbid(unsafe_code)]

mod amqp;
mod campaign;
mod corpus;
mod coverage;
mod distill;
mod encoders;
mod exchange;
mod execute;
mod findings;
mod harvest;
mod mutate;
mod options;
mod random;
mod record;
mod targets;
mod watchdog;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use campaign::{Campaign, Tools};
use coverage::Coverage;
use execute::Outcome;
use options::{Between, Options};
use targets::{TARGETS, Target};
use watchdog::Watchdog;

/// Targets take turns of at most this long, so that a long run finds something of each early.
const TURN: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some("list") => list(),
        Some("record") => record::record(&words[1..]),
        Some("harvest") => harvest::harvest(&words[1..]),
        Some("distill") => distill::distill(&words[1..]),
        Some("--help" | "-h" | "help") => {
            print!("{}{}{}{}", options::USAGE, record::USAGE, harvest::USAGE, distill::USAGE);
            Ok(0)
        }
        _ => Options::read(words).and_then(|options| fuzz(&options)),
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn list() -> Result<usize, String> {
    let exchanges = exchange::read_all(&exchange::folder())?;
    for target in TARGETS {
        let seeds = corpus::seeds(target, &exchanges)?;
        let bytes: usize = seeds.iter().map(Vec::len).sum();
        println!("{:<24} {:>4} seeds, {bytes:>7} bytes", target.name, seeds.len());
    }
    Ok(0)
}

/// Does what was asked and says how many findings there are.
fn fuzz(options: &Options) -> Result<usize, String> {
    let targets = options.targets()?;
    execute::catch_panics();
    if let Some(path) = &options.input {
        let input = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
        return Ok(targets.into_iter().filter(|target| !passes(target, &input)).count());
    }
    let seed = options.seed.unwrap_or_else(seed_of_now);
    let findings = corpus::findings();
    let mut tools =
        Tools { coverage: Coverage::find(), watchdog: Watchdog::start(findings.clone()), findings };
    let guided = if tools.coverage.is_some() { "code reached and memory used" } else { "memory used" };
    println!("{} targets, seed {seed:#x}, guided by {guided}", targets.len());

    let mut campaigns = begin(&targets, options, seed, &mut tools)?;
    run(&mut campaigns, options, &mut tools);
    for campaign in &campaigns {
        println!("{}", campaign.line());
    }
    let (inputs, found) = campaigns.iter().fold((0, 0), |(i, f), c| (i + c.runs(), f + c.findings()));
    let reached =
        tools.coverage.map_or(String::new(), |c| format!(", {} regions of code reached", c.reached()));
    println!("{inputs} inputs{reached}, {found} findings (seed {seed:#x})");
    Ok(found)
}

fn begin(
    targets: &[&'static Target],
    options: &Options,
    seed: u64,
    tools: &mut Tools,
) -> Result<Vec<Campaign>, String> {
    let exchanges = exchange::read_all(&exchange::folder())?;
    let mut campaigns = Vec::new();
    for target in targets {
        let seeds = corpus::seeds(target, &exchanges)?;
        let kept = corpus::kept(target.name);
        let mut campaign = match options.memory {
            Between::Keep => {
                let mut campaign = Campaign::new(target, seeds, Some(kept.clone()), seed);
                campaign.add(corpus::files(&kept)?);
                campaign
            }
            Between::Forget => Campaign::new(target, seeds, None, seed),
        };
        campaign.run_pool(tools);
        campaigns.push(campaign);
    }
    Ok(campaigns)
}

/// Turn by turn, until the time is over.
fn run(campaigns: &mut [Campaign], options: &Options, tools: &mut Tools) {
    let end = Instant::now() + options.time;
    let count = u32::try_from(campaigns.len()).expect("the table is short");
    let turn = (options.time / count).min(TURN);
    while Instant::now() < end && campaigns.iter().any(|c| c.runs() < options.runs_max) {
        for campaign in campaigns.iter_mut() {
            campaign.run_until(end.min(Instant::now() + turn), options.runs_max, tools);
        }
    }
}

fn passes(target: &Target, input: &[u8]) -> bool {
    match execute::execute(target, input) {
        Outcome::Fine(_) => {
            println!("{}: fine", target.name);
            true
        }
        Outcome::Finding(finding) => {
            println!("{}: {} ({})", target.name, finding.what, finding.place);
            false
        }
    }
}

fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    random::Random::new(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)).next()
}
