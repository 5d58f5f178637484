//! The system's own account: no confirm is written to a socket before the fdatasync that covers its record has
//! returned.

mod calls;
mod proof;

use std::process::Command;

use crate::broker::Broker;
use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::driver::Conversation;
use crate::ensure;
use crate::runtime::Runtime;

const RECORDS: usize = 300;

/// Every call by which bytes come in, go out, or become durable.
const TRACED: &str = "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,pwritev2,\
                      fdatasync,fsync,sync_file_range,io_uring_enter";

/// The one case.
pub fn suite() -> Suite {
    let case = Case::new("no-confirm-before-its-flush", 120, no_confirm_before_its_flush);
    Suite {
        name: "trace",
        needs: &[Runtime::Strace, Runtime::Go],
        broker: BrokerUse::OwnForebay,
        cases: vec![case],
    }
}

fn no_confirm_before_its_flush(context: &mut Context) -> Outcome {
    let file = context.dir.join("trace");
    let file_name = file.display().to_string();
    // The tracer as a grandchild (-D): the broker stays our child, to be stopped as ever. Descriptors with their
    // paths and addresses (-yy), all threads (-f), buffers in full (-s).
    let wrapper = ["strace", "-D", "-f", "-yy", "-s", "65536", "-e", TRACED, "-o", &file_name];
    let mut broker = Broker::start_with(context.kind, &[], &wrapper)?;
    let command = Command::new(context.runtimes.go());
    let count = RECORDS.to_string();
    let mut producer = Conversation::start(context, broker.address(), command, &["one-by-one", &count])?;
    let outcome = producer.serve_to_the_end(context);
    producer.conclude(outcome)?;
    let data_dir = broker.data_dir().display().to_string();
    broker.interrupt()?;
    let mut trace = String::new();
    context.wait_until("the trace is complete", || {
        trace = std::fs::read_to_string(&file).unwrap_or_default();
        trace.lines().last().is_some_and(|line| line.contains("+++ exited with"))
    })?;
    let calls = calls::read(&trace);
    ensure!(!calls.is_empty(), "the trace is empty");
    match proof::prove(&calls, &data_dir, RECORDS) {
        Ok(proven) => context.remarks.push(proven),
        Err(why) => {
            let kept = std::env::temp_dir().join("forebay-trace");
            std::fs::copy(&file, &kept)?;
            ensure!(false, "{why}\nthe trace is kept as {}", kept.display());
        }
    }
    Ok(())
}
