//! One file per command.

mod acl;
mod bench;
mod check;
mod completions;
pub mod connect;
mod consume;
mod disk;
mod dump;
mod group;
mod import;
mod input;
mod produce;
mod serve;
mod topic;
mod user;
mod verify;
mod watched;

use std::process::ExitCode;

use crate::args::Invocation;
use crate::exit::Exit;

/// Does what the command line says.
pub fn run(invocation: Invocation) -> ExitCode {
    let result = match invocation {
        // The broker says itself how it ended.
        Invocation::Serve(args) => return serve::run(args),
        Invocation::Produce(args) => produce::run(&args),
        Invocation::Consume(args) => consume::run(&args),
        Invocation::Topic(args) => topic::run(&args),
        Invocation::Group(args) => group::run(&args),
        Invocation::User(args) => user::run(&args),
        Invocation::Acl(args) => acl::run(&args),
        Invocation::Import(args) => import::run(&args),
        Invocation::Check(args) => check::run(&args),
        Invocation::Bench(args) => bench::run(&args),
        Invocation::Disk(args) => disk::run(&args),
        Invocation::Dump(args) if args.verify => verify::run(&args),
        Invocation::Dump(args) => dump::run(&args),
        Invocation::Completions(args) => completions::run(&args),
    };
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}
