//! Many at once: 2,000 connections of members, 5,000 partitions, 500 groups that rebalance together.

use std::process::Command;

use crate::case::{BrokerUse, Case, Suite};
use crate::driver;
use crate::runtime::Runtime;

/// Each member has a connection for what it fetches, one for its group, and others: more than a broker takes from one address unless told.
const BROKER: BrokerUse =
    BrokerUse::SharedWith(&["--connections-max", "20000", "--connections-per-address-max", "20000"]);

/// The one case.
pub fn suite() -> Suite {
    // 500 groups of four members: all come, one of each leaves, the broker is killed, one of each comes. After each step every group
    // reads a record of each of its ten partitions.
    let case = Case::new("groups-over-a-crash", 600, |context| {
        let command = Command::new(context.runtimes.go());
        let said = driver::run(context, command, "crowd")?;
        context
            .remarks
            .extend(said.into_iter().filter_map(|line| line.strip_prefix("crowd: ").map(String::from)));
        Ok(())
    });
    Suite { name: "crowd", needs: &[Runtime::Go], broker: BROKER, cases: vec![case] }
}
