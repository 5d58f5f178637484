//! `forebay serve`.

use std::io::Write;
use std::process::ExitCode;

use forebay_server::config::{self, Loaded, Machine, Sources};
use forebay_server::{Ended, logging};

use crate::args::Serve;
use crate::exit::{Exit, Failure};

/// Starts the broker, or prints the settings it would start with.
pub fn run(args: Serve) -> ExitCode {
    let sources = Sources::of_process(args.config, args.settings);
    match config::load(&sources, &Machine::detect()) {
        Err(why) => Failure::usage(why).report(),
        Ok(loaded) if args.print_config => print(&loaded),
        Ok(loaded) => serve(&loaded),
    }
}

fn print(loaded: &Loaded) -> ExitCode {
    match std::io::stdout().write_all(loaded.print().as_bytes()) {
        Ok(()) => Exit::Done.into(),
        Err(why) => Failure::from(why).report(),
    }
}

fn serve(loaded: &Loaded) -> ExitCode {
    logging::start(&loaded.config.log_level, loaded.config.log_format);
    match forebay_server::serve(loaded) {
        Ok(Ended::Drained) => Exit::Done.into(),
        // The log has said why.
        Ok(Ended::Failed) => Exit::Failed.into(),
        Err(why) => Failure::failed(why).report(),
    }
}
