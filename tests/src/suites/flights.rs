//! A year of departures from New York: 336,776 real records, in order for each aircraft, through a group of three
//! of which one is killed.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::{Runtime, clients};

/// The one case.
pub fn suite() -> Suite {
    let case = Case::new("counted-by-three-of-which-one-dies", 240, |context| {
        let mut command = Command::new(context.runtimes.python());
        command.arg("-u").arg(clients().join("python/flights.py"));
        let said = driver::run(context, command, "count")?;
        context.remarks.extend(said.into_iter().filter(|line| line.starts_with("flights")));
        Ok(())
    });
    Suite { name: "flights", needs: &[Runtime::Python], broker: BrokerUse::Shared, cases: vec![case] }
}
