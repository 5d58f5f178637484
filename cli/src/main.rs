//! The `forebay` binary: the broker, and commands that speak to any broker of Kafka's protocol.
//!
//! | folder | what |
//! |---|---|
//! | [`args`] | the command line |
//! | [`commands`] | one file per command |
//! | [`client`] | the Kafka client the user commands work with |
//! | [`bench`] | a light load generator |
//! | [`lag`] | why a group falls behind |
//! | [`output`] | text, JSON, times, tables, progress |
//! | [`import`] | moving in from another cluster |
//! | [`exit`] | what the exit codes mean |
#![forbid(unsafe_code)]

mod args;
mod bench;
mod client;
mod commands;
mod exit;
mod import;
mod lag;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(command) => commands::run(command),
        Err(exit) => exit,
    }
}
