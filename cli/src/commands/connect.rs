//! A cluster, as the command line names it.

use std::time::Duration;

use crate::args::Connect;
use crate::client::{Cluster, ClusterOptions, Interrupt};
use crate::exit::{Exit, Failure};

/// Connects, with Ctrl-C as the wish to stop.
///
/// # Errors
/// When nobody answers.
pub fn connect(args: &Connect) -> Result<Cluster, Failure> {
    let interrupt = Interrupt::on_signals(Exit::Interrupted as i32)?;
    Ok(Cluster::connect(options("--broker", &args.broker, args.timeout, interrupt)?)?)
}

/// How to connect to the cluster that a flag names.
///
/// # Errors
/// When an address is none.
pub fn options(
    flag: &str,
    addresses: &[String],
    patience: Duration,
    interrupt: Interrupt,
) -> Result<ClusterOptions, Failure> {
    if let Some(wrong) = addresses.iter().find(|address| !is_host_and_port(address)) {
        return Err(Failure::usage(format!("{flag} {wrong:?} is not HOST:PORT")));
    }
    Ok(ClusterOptions { bootstrap: addresses.to_vec(), patience, interrupt })
}

/// Whether an address names a host and a port that can be connected to.
pub fn is_host_and_port(address: &str) -> bool {
    forebay_server::config::HostPort::parse(address).is_ok_and(|address| address.port != 0)
}
