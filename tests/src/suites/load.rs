//! `forebay bench`, our own load generator: it must find nothing wrong with a broker that does nothing wrong.

use std::process::Command;

use crate::broker::{Broker, Kind, without_our_variables};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver;
use crate::ensure;

/// The cases of the load generator.
pub fn suite() -> Suite {
    Suite {
        name: "load",
        needs: &[],
        broker: BrokerUse::OwnForebay,
        cases: vec![Case::new("every-story-counts-no-error", 90, every_story)],
    }
}

fn every_story(context: &mut Context) -> Outcome {
    let broker = Broker::start(context.kind)?;
    let address = broker.address().to_string();
    for (story, records) in [
        ("classic --connections 4 --warm 0 --seconds 1", None),
        ("classic --connections 20 --one-connection --warm 0 --seconds 1", None),
        ("produce --topic stream --partitions 3 --clients 2 --codec lz4 --records 12345", Some(12_345)),
        ("consume --topic stream --groups 2 --check", Some(2 * 12_345)),
        ("latency --rate 500 --partitions 2 --warm 0 --seconds 1", Some(500)),
    ] {
        let said = bench(context, &address, story)?;
        ensure!(said.starts_with("{\"begin\":"), "{story} said: {said}");
        ensure!(said.contains("\"errors\":0"), "{story} said: {said}");
        ensure!(!said.contains("\"records\":0"), "{story} said: {said}");
        if let Some(records) = records {
            ensure!(said.contains(&format!("\"records\":{records},")), "{story} said: {said}");
        }
    }
    Ok(())
}

/// What `forebay bench` says.
fn bench(context: &Context, address: &str, story: &str) -> Result<String, Failure> {
    let Kind::Forebay { binary } = context.kind else { unreachable!("only Forebay runs this suite") };
    let mut command = Command::new(binary);
    without_our_variables(&mut command);
    command.arg("bench").args(story.split(' ')).args(["--json", "--broker", address]);
    let said = driver::output(context, &mut command, b"")?;
    Ok(String::from_utf8_lossy(&said.out).into_owned())
}
