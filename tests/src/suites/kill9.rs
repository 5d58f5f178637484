//! kill -9 at random moments under load, over and over: what was confirmed is there, once and in order, every transaction is there as a
//! whole or not at all, and what a share group has accepted never comes again.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::broker;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::Conversation;
use crate::ensure;
use crate::port::random;
use crate::runtime::Runtime;

/// Seconds that one round may take on a slow and busy machine.
const ROUND_S: u64 = 20;
/// Confirms between two crashes, at most; at least one, so that every round has something to lose.
const CONFIRMS_MAX: u64 = 4_000;
/// Transactions answered as committed between two crashes, at most; at least one.
const COMMITS_MAX: u64 = 8;
/// Records that a share group has accepted between two crashes, at most; at least one.
const ACCEPTS_MAX: u64 = 2_000;
/// One crash in this many is followed by another one while the broker still recovers.
const CRASH_AGAIN_ONE_IN: u64 = 4;

/// The loop, for this many rounds.
pub fn suite(rounds: u32) -> Suite {
    let limit_s = 120 + u64::from(rounds) * ROUND_S;
    Suite {
        name: "kill9",
        needs: &[Runtime::Go, Runtime::Java],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("under-load", limit_s, move |context| under_load(context, rounds, Behind::Copier)),
            Case::new("under-a-share-group", limit_s, move |context| {
                under_load(context, rounds, Behind::Sharer)
            }),
        ],
    }
}

/// Who works with what the producer writes.
#[derive(Clone, Copy)]
enum Behind {
    /// Copies it in transactions that hold its cursors too.
    Copier,
    /// Accepts it as the only member of a share group.
    Sharer,
}

impl Behind {
    fn start(self, context: &mut Context) -> Result<Conversation, Failure> {
        let at = context.broker().address();
        match self {
            Behind::Copier => {
                Conversation::start(context, at, Command::new(context.runtimes.go()), &["kill9-copy"])
            }
            Behind::Sharer => {
                let words = broker::java(&context.runtimes.class_path(), "ShareLoad");
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]);
                Conversation::start(context, at, command, &[])
            }
        }
    }

    /// What it is asked for counts so many at most between two crashes.
    fn answers_max(self) -> u64 {
        match self {
            Behind::Copier => COMMITS_MAX,
            Behind::Sharer => ACCEPTS_MAX,
        }
    }

    /// What it has done with all that was written, for people.
    fn did(self) -> &'static str {
        match self {
            Behind::Copier => "copied in transactions",
            Behind::Sharer => "accepted by a share group",
        }
    }
}

/// What goes on while the broker dies.
struct Load {
    /// An idempotent producer.
    producer: Conversation,
    /// Whoever works with what it produces.
    behind: Conversation,
}

/// How long after its restart the broker did something for the first time.
struct Recovery {
    answered: Duration,
    confirmed: Duration,
    /// By whoever is behind the producer.
    worked: Duration,
}

fn under_load(context: &mut Context, rounds: u32, who: Behind) -> Outcome {
    let at = context.broker().address();
    let mut producer = Conversation::start(context, at, Command::new(context.runtimes.go()), &["kill9"])?;
    // It answers when its topic is there.
    let ready = confirmed(&mut producer, context);
    if let Err(why) = ready {
        return producer.conclude(Err(why)).map(|_| ());
    }
    let behind = who.start(context)?;
    let mut load = Load { producer, behind };
    let outcome = crash_over_and_over(context, &mut load, rounds, who);
    // A failure takes the last words of both with it.
    let outcome = load.behind.conclude(outcome).map(|_| ());
    load.producer.conclude(outcome).map(|_| ())
}

fn crash_over_and_over(context: &mut Context, load: &mut Load, rounds: u32, who: Behind) -> Outcome {
    let mut recoveries = Vec::new();
    for round in 1..=rounds {
        let crash =
            one_round(context, load, who).map_err(|failure| in_round(failure, round, recoveries.len()))?;
        recoveries.push(crash);
    }
    // A copier is done with what it has copied so far, a share group with all that there is.
    let (worked, total) = match who {
        Behind::Copier => (end(context, &mut load.behind)?, end(context, &mut load.producer)?),
        Behind::Sharer => {
            let total = end(context, &mut load.producer)?;
            let accepted = end(context, &mut load.behind)?;
            ensure!(accepted == total, "{total} records are there, the share group has accepted {accepted}");
            (accepted, total)
        }
    };
    context.remarks.push(format!("{rounds} rounds, {total} records, {worked} {}", who.did()));
    context.remarks.push("after a restart, in ms (least, middle, most)".to_string());
    let times = |of: fn(&Recovery) -> Duration| spread(recoveries.iter().map(of).collect());
    context.remarks.push(format!("answered {}", times(|recovery| recovery.answered)));
    context.remarks.push(format!("first confirm {}", times(|recovery| recovery.confirmed)));
    context.remarks.push(format!("first work behind it {}", times(|recovery| recovery.worked)));
    Ok(())
}

/// Ends one of them; what it counts.
fn end(context: &mut Context, of: &mut Conversation) -> Result<String, Failure> {
    let total = of.ask(context, "stop")?;
    of.serve_to_the_end(context)?;
    Ok(total)
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    format!("{} / {} / {}", least.as_millis(), middle.as_millis(), most.as_millis())
}

fn in_round(failure: Failure, round: u32, good: usize) -> Failure {
    match failure {
        Failure::Failed(why) => Failure::Failed(format!("round {round}, after {good} good ones: {why}")),
        skipped => skipped,
    }
}

/// How much of a load was answered so far.
fn confirmed(of: &mut Conversation, context: &Context) -> Result<u64, Failure> {
    let answer = of.ask(context, "confirmed")?;
    answer.parse().map_err(|_| Failure::new(format!("the load answered '{answer}'")))
}

fn wait_for(of: &mut Conversation, context: &Context, until: u64) -> Outcome {
    while confirmed(of, context)? < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Lets the load run to a random point, crashes the broker there, and holds its log against the confirms.
fn one_round(context: &mut Context, load: &mut Load, who: Behind) -> Result<Recovery, Failure> {
    let answers = confirmed(&mut load.behind, context)? + 1 + random() % who.answers_max();
    wait_for(&mut load.behind, context, answers)?;
    let confirms = confirmed(&mut load.producer, context)? + 1 + random() % CONFIRMS_MAX;
    wait_for(&mut load.producer, context, confirms)?;
    // Anywhere between two flushes, not only where a confirm has just been read.
    std::thread::sleep(Duration::from_micros(random() % 10_000));
    context.broker().kill9()?;
    if random().is_multiple_of(CRASH_AGAIN_ONE_IN) {
        context.broker().start_and_kill_after(Duration::from_micros(random() % 60_000))?;
    }
    let confirms = confirmed(&mut load.producer, context)?;
    let answers = confirmed(&mut load.behind, context)?;
    let start = Instant::now();
    let answered = context.broker().start_again()?;
    wait_for(&mut load.producer, context, confirms + 1)?;
    let confirmed = start.elapsed();
    wait_for(&mut load.behind, context, answers + 1)?;
    let worked = start.elapsed();
    load.producer.ask(context, "verify")?;
    load.behind.ask(context, "verify")?;
    Ok(Recovery { answered, confirmed, worked })
}
