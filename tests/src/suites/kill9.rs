//! kill -9 at random moments under load, over and over: what was confirmed is there, once and in order.

use std::process::Command;
use std::time::Duration;

use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::Conversation;
use crate::port::random;
use crate::runtime::Runtime;

/// Seconds that one round may take on a slow and busy machine.
const ROUND_S: u64 = 20;
/// Confirms between two crashes, at most; at least one, so that every round has something to lose.
const CONFIRMS_MAX: u64 = 4_000;
/// One crash in this many is followed by another one while the broker still recovers.
const CRASH_AGAIN_ONE_IN: u64 = 4;

/// The loop, for this many rounds.
pub fn suite(rounds: u32) -> Suite {
    let limit_s = 120 + u64::from(rounds) * ROUND_S;
    Suite {
        name: "kill9",
        needs: &[Runtime::Go],
        broker: BrokerUse::Shared,
        cases: vec![Case::new("under-load", limit_s, move |context| under_load(context, rounds))],
    }
}

fn under_load(context: &mut Context, rounds: u32) -> Outcome {
    let command = Command::new(context.runtimes.go());
    let at = context.broker().address();
    let mut load = Conversation::start(context, at, command, &["kill9"])?;
    let outcome = crash_over_and_over(context, &mut load, rounds);
    load.conclude(outcome).map(|_| ())
}

fn crash_over_and_over(context: &mut Context, load: &mut Conversation, rounds: u32) -> Outcome {
    let mut recoveries = Vec::new();
    for round in 1..=rounds {
        let crash = one_round(context, load).map_err(|failure| in_round(failure, round, &recoveries))?;
        recoveries.push(crash);
    }
    let total = load.ask(context, "stop")?;
    load.serve_to_the_end(context)?;
    recoveries.sort();
    let (least, middle, most) =
        (recoveries[0], recoveries[recoveries.len() / 2], recoveries[recoveries.len() - 1]);
    context.remarks.push(format!(
        "{rounds} rounds, {total} records; answered again after {} / {} / {} ms (least, middle, most)",
        least.as_millis(),
        middle.as_millis(),
        most.as_millis()
    ));
    Ok(())
}

fn in_round(failure: Failure, round: u32, recoveries: &[Duration]) -> Failure {
    match failure {
        Failure::Failed(why) => {
            Failure::Failed(format!("round {round}, after {} good ones: {why}", recoveries.len()))
        }
        skipped => skipped,
    }
}

/// Lets the load run to a random point, crashes the broker there, and holds its log against the confirms.
fn one_round(context: &mut Context, load: &mut Conversation) -> Result<Duration, Failure> {
    let confirmed = |load: &mut Conversation, context: &Context| -> Result<u64, Failure> {
        let answer = load.ask(context, "confirmed")?;
        answer.parse().map_err(|_| Failure::new(format!("the load answered '{answer}'")))
    };
    let until = confirmed(load, context)? + 1 + random() % CONFIRMS_MAX;
    while confirmed(load, context)? < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Anywhere between two flushes, not only where a confirm has just been read.
    std::thread::sleep(Duration::from_micros(random() % 10_000));
    context.broker().kill9()?;
    if random().is_multiple_of(CRASH_AGAIN_ONE_IN) {
        context.broker().start_and_kill_after(Duration::from_micros(random() % 60_000))?;
    }
    let recovery = context.broker().start_again()?;
    load.ask(context, "verify")?;
    Ok(recovery)
}
