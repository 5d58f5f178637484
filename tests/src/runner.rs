//! Running suites side by side and saying how each case ended.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::broker::{Broker, Kind};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::runtime::Runtimes;

/// A case that ignores its own limit for this long takes the whole run with it.
const GRACE: Duration = Duration::from_secs(60);

/// How a run is made.
pub struct Plan {
    /// The broker under test.
    pub kind: Kind,
    /// Forebay's binary.
    pub binary: PathBuf,
    /// How many suites run at once.
    pub jobs: usize,
    /// What was set up.
    pub runtimes: Runtimes,
}

/// What was counted.
#[derive(Default)]
pub struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
    notes: Vec<String>,
}

/// Runs all suites and reports. True when nothing failed.
pub fn run(plan: &Plan, suites: Vec<Suite>) -> bool {
    let queue = Mutex::new(VecDeque::from(suites));
    let counts = Mutex::new(Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(suite) = take(&queue) {
                    run_suite(plan, &suite, &counts);
                }
            });
        }
    });
    let counts = counts.into_inner().expect("no thread panics holding the counts");
    println!();
    for note in &counts.notes {
        println!("{note}");
    }
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    counts.failed == 0
}

fn take(queue: &Mutex<VecDeque<Suite>>) -> Option<Suite> {
    queue.lock().expect("no thread panics holding the queue").pop_front()
}

fn run_suite(plan: &Plan, suite: &Suite, counts: &Mutex<Counts>) {
    let unable = suite.needs.iter().find_map(|r| plan.runtimes.missing(*r)).or_else(|| {
        let foreign = suite.broker == BrokerUse::OwnForebay && !matches!(plan.kind, Kind::Forebay { .. });
        foreign.then(|| "it tests what only Forebay promises".to_string())
    });
    if let Some(why) = unable {
        return skip_suite(counts, suite, &why);
    }
    let mut shared: Option<Broker> = None;
    for case in &suite.cases {
        let start = Instant::now();
        let mut remarks = Vec::new();
        let outcome = prepare(plan, suite, &mut shared)
            .and_then(|()| run_case(plan, suite, case, shared.as_mut(), &mut remarks));
        let outcome = match outcome {
            Err(Failure::Failed(why)) => {
                // What it leaves behind may not be trusted: the next case gets a new broker.
                let said = shared.take().map_or(String::new(), |b| format!("\n--- broker\n{}", b.log_tail()));
                Err(Failure::Failed(why + &said))
            }
            other => other,
        };
        report(counts, suite, case, start.elapsed(), outcome, &remarks);
    }
}

fn skip_suite(counts: &Mutex<Counts>, suite: &Suite, why: &str) {
    let mut counts = counts.lock().expect("no thread panics holding the counts");
    let cases = suite.cases.len();
    counts.skipped += cases as u64;
    counts.notes.push(format!("skipped: {}, {cases} cases: {why}", suite.name));
    println!("skipped  {}, {cases} cases: {why}", suite.name);
}

fn prepare(plan: &Plan, suite: &Suite, shared: &mut Option<Broker>) -> Outcome {
    if shared.is_some() {
        return Ok(());
    }
    *shared = match suite.broker {
        BrokerUse::Shared => Some(Broker::start(&plan.kind)?),
        BrokerUse::SharedWith(arguments) => Some(Broker::start_with(&plan.kind, arguments, &[])?),
        BrokerUse::SharedAs { forebay, kafka } => Some(Broker::start_as(&plan.kind, forebay, kafka)?),
        BrokerUse::SharedKafka => {
            Some(Broker::start(&Kind::Kafka { class_path: plan.runtimes.class_path() })?)
        }
        BrokerUse::OwnForebay => None,
    };
    Ok(())
}

fn run_case(
    plan: &Plan,
    suite: &Suite,
    case: &Case,
    broker: Option<&mut Broker>,
    remarks: &mut Vec<String>,
) -> Outcome {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let dir = tempfile::Builder::new().prefix("forebay-case-").tempdir()?;
    let deadline = Instant::now() + case.limit;
    let mut context = Context {
        broker,
        runtimes: &plan.runtimes,
        dir: dir.path().to_path_buf(),
        prefix: format!("t{}-{}-", NUMBER.fetch_add(1, Ordering::Relaxed), crate::port::random() % 100_000),
        deadline,
        binary: &plan.binary,
        kind: &plan.kind,
        remarks: Vec::new(),
    };
    let name = format!("{}/{}", suite.name, case.name);
    let outcome = with_watchdog(&name, deadline + GRACE, || {
        catch_unwind(AssertUnwindSafe(|| (case.run)(&mut context)))
            .unwrap_or_else(|_| Err(Failure::new("the test panicked; its message stands above")))
    });
    *remarks = context.remarks;
    outcome
}

/// Ends the whole run when a case hangs in a place that knows no limit: better a red run than none.
fn with_watchdog<T>(name: &str, end: Instant, work: impl FnOnce() -> T) -> T {
    let (done, wait) = std::sync::mpsc::sync_channel::<()>(1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
                wait.recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                println!("failed: {name}: it hangs past its limit; the run ends here");
                println!("0 passed, 1 failed, 0 skipped");
                std::process::exit(1);
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn report(
    counts: &Mutex<Counts>,
    suite: &Suite,
    case: &Case,
    took: Duration,
    outcome: Outcome,
    remarks: &[String],
) {
    let name = format!("{}/{}", suite.name, case.name);
    let mut counts = counts.lock().expect("no thread panics holding the counts");
    let seconds = took.as_secs_f64();
    match outcome {
        Ok(()) => {
            counts.passed += 1;
            println!("ok       {name:<48} {seconds:>6.1} s  {}", remarks.join("; "));
        }
        Err(Failure::Failed(why)) => {
            counts.failed += 1;
            let first = why.lines().next().unwrap_or_default().to_string();
            counts.notes.push(format!("failed: {name}: {first}"));
            println!("FAILED   {name:<48} {seconds:>6.1} s\n{}", indented(&why));
        }
        Err(Failure::Skipped(why)) => {
            counts.skipped += 1;
            counts.notes.push(format!("skipped: {name}: {why}"));
            println!("skipped  {name:<48} {why}");
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("         | {line}")).collect::<Vec<_>>().join("\n")
}
