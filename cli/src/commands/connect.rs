//! A cluster, as the command line names it.

use crate::args::Connect;
use crate::client::{Cluster, ClusterOptions, Interrupt};
use crate::exit::{Exit, Failure};

/// Connects, with Ctrl-C as the wish to stop.
///
/// # Errors
/// When nobody answers.
pub fn connect(args: &Connect) -> Result<Cluster, Failure> {
    let interrupt = Interrupt::on_signals(Exit::Interrupted as i32)?;
    if let Some(wrong) = args.broker.iter().find(|address| !is_host_and_port(address)) {
        return Err(Failure::usage(format!("--broker {wrong:?} is not HOST:PORT")));
    }
    let options = ClusterOptions { bootstrap: args.broker.clone(), patience: args.timeout, interrupt };
    Ok(Cluster::connect(options)?)
}

/// Whether an address names a host and a port that can be connected to.
pub fn is_host_and_port(address: &str) -> bool {
    forebay_server::config::HostPort::parse(address).is_ok_and(|address| address.port != 0)
}
