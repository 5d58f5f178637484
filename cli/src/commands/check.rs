//! `forebay check`.

use std::io::Write;

use serde_json::json;

use super::connect;
use crate::args::{self, CheckKafka};
use crate::client::Interrupt;
use crate::client::reach::reach;
use crate::exit::{Exit, Failure};
use crate::import::{check, finding, topics};

/// Does it.
///
/// # Errors
/// When something would be different, with nothing more to say; when it is refused, or fails.
pub fn run(args: &args::Check) -> Result<(), Failure> {
    match args {
        args::Check::Kafka(args) => kafka(args),
    }
}

fn kafka(args: &CheckKafka) -> Result<(), Failure> {
    let interrupt = Interrupt::on_signals(Exit::Interrupted as i32)?;
    let options =
        connect::options("--from", &args.from, args.from_config.as_deref(), args.timeout, interrupt)?;
    let mut cluster = reach(options, "--from-config")?;
    let (_, topics) = topics::read(&mut cluster, &args.topics)?;
    let findings = check::look(&mut cluster, &topics)?;
    let differences = finding::differences(&findings);
    let text = if args.json {
        let findings = finding::as_json(&findings);
        format!("{:#}\n", json!({ "topics": topics.len(), "differences": differences, "findings": findings }))
    } else {
        let end = match differences {
            0 => "nothing differs".to_owned(),
            1 => "1 thing differs".to_owned(),
            many => format!("{many} things differ"),
        };
        format!("{}{} topics: {end}\n", finding::as_text(&findings), topics.len())
    };
    std::io::stdout().write_all(text.as_bytes())?;
    match differences {
        0 => Ok(()),
        _ => Err(Failure { exit: Exit::Failed, message: String::new() }),
    }
}
