//! A cluster, as the command line names it.

use std::path::Path;
use std::time::Duration;

use crate::args::Connect;
use crate::client::reach::reach;
use crate::client::{Cluster, ClusterOptions, Interrupt, Security, security};
use crate::exit::{Exit, Failure};

/// Connects, with Ctrl-C as the wish to stop.
///
/// # Errors
/// When nobody answers.
pub fn connect(args: &Connect) -> Result<Cluster, Failure> {
    let interrupt = Interrupt::on_signals(Exit::Interrupted as i32)?;
    let config = args.command_config.as_deref();
    let options = options("--broker", &args.broker, config, args.timeout, interrupt)?;
    Ok(reach(options, "--command-config")?)
}

/// How to connect to the cluster that a flag names. `config` is a client's properties file.
///
/// # Errors
/// When an address is none, and what is wrong with the file.
pub fn options(
    flag: &str,
    addresses: &[String],
    config: Option<&Path>,
    patience: Duration,
    interrupt: Interrupt,
) -> Result<ClusterOptions, Failure> {
    if let Some(wrong) = addresses.iter().find(|address| !is_host_and_port(address)) {
        return Err(Failure::usage(format!("{flag} {wrong:?} is not HOST:PORT")));
    }
    let security = config.map_or_else(|| Ok(Security::default()), secured)?;
    Ok(ClusterOptions { bootstrap: addresses.to_vec(), security, patience, interrupt })
}

/// What a client's properties file says; what of it has no use here is named.
fn secured(path: &Path) -> Result<Security, Failure> {
    let told = security::read(path).map_err(Failure::usage)?;
    if !told.unused.is_empty() {
        eprintln!("forebay: {} has no use for {}", path.display(), told.unused.join(", "));
    }
    Ok(told.security)
}

/// Whether an address names a host and a port that can be connected to.
pub fn is_host_and_port(address: &str) -> bool {
    forebay_server::config::HostPort::parse(address).is_ok_and(|address| address.port != 0)
}
