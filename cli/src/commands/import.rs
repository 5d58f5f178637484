//! `forebay import`.

use std::io::Write;

use super::connect;
use crate::args::{self, ImportKafka};
use crate::client::Interrupt;
use crate::exit::{Exit, Failure};
use crate::import::Sides;
use crate::import::run::{Plan, Run};
use crate::output::progress::Progress;

/// Does it.
///
/// # Errors
/// When it is refused, or fails.
pub fn run(args: &args::Import) -> Result<(), Failure> {
    match args {
        args::Import::Kafka(args) => kafka(args),
    }
}

fn kafka(args: &ImportKafka) -> Result<(), Failure> {
    let interrupt = Interrupt::on_signals(Exit::Interrupted as i32)?;
    let wish = Interrupt::on_user_signal()?;
    let source =
        connect::options("--from", &args.from, args.from_config.as_deref(), args.timeout, interrupt.clone())?;
    let target = connect::options("--to", &args.to, args.to_config.as_deref(), args.timeout, interrupt)?;
    let plan = Plan {
        topics: args.topics.clone(),
        groups: args.groups.clone(),
        follow: args.follow,
        cut_over: args.cut_over,
        accept_differences: args.accept_differences,
        verify: args.verify,
        workers: args.workers,
        quiet: args.quiet,
        patience: args.timeout,
    };
    let run = Run::new(Sides::connect(source, target)?, &plan, wish, Progress::new("imported", false));
    let (report, exit) = run.run()?;
    let text = if args.json { format!("{:#}\n", report.as_json()) } else { report.as_text() };
    std::io::stdout().write_all(text.as_bytes())?;
    match exit {
        Exit::Done => Ok(()),
        exit => Err(Failure { exit, message: report.complaints().join("\nforebay: ") }),
    }
}
