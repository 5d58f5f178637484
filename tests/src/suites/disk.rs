//! A disk that fills up: produce is refused at the reserve and nothing else is, and it resumes by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::broker::{Broker, Kind};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver;
use crate::ensure;
use crate::runtime::Runtime;

const MIB: u64 = 1 << 20;
/// How far the reserve begins below what is free: what this test writes before it is refused.
const ROOM_BYTES: u64 = 512 * MIB;
/// More than this is never written, whatever others free on this disk meanwhile.
const WRITTEN_BYTES_MAX: u64 = 4096 * MIB;
const RECORD_BYTES: usize = 900_000;
const RECORDS_PER_CALL: usize = 60;

/// The cases about a full disk.
pub fn suite() -> Suite {
    Suite {
        name: "disk",
        needs: &[Runtime::Kcat],
        broker: BrokerUse::OwnForebay,
        cases: vec![Case::new("refused-at-the-reserve-and-resumed", 300, reserve)],
    }
}

fn reserve(context: &mut Context) -> Outcome {
    let Kind::Forebay { binary } = context.kind else { unreachable!("only Forebay runs this suite") };
    let binary: PathBuf = binary.clone();
    let free = free_bytes(&context.dir)?;
    ensure!(free > 2 * ROOM_BYTES, "only {free} bytes are free here");
    let kept = (free - ROOM_BYTES).to_string();
    let broker = Broker::start_with(context.kind, &["--disk-reserve", &kept, "--disk-slow-at", "100%"], &[])?;
    let address = broker.address().to_string();
    let records: Vec<u8> = record_lines();

    let mut written = 0;
    let refused = loop {
        match produce(context, &address, "fills", &records) {
            Ok(()) => written += records.len() as u64,
            Err(Failure::Failed(why)) => break why,
            Err(skipped) => return Err(skipped),
        }
        ensure!(written < WRITTEN_BYTES_MAX, "{written} bytes were taken with room for {ROOM_BYTES}");
    };
    ensure!(refused.contains("Disk error"), "refused, but not with the storage error:\n{refused}");
    let told = context.wait_until("the broker says so", || broker.log().contains("at its reserve"));
    ensure!(told.is_ok(), "the broker does not say so:\n{}", broker.log_tail());
    context.remarks.push(format!("refused after {} MiB", written / MIB));

    // Reading and committing go on.
    let mut first = kcat(&address, &["-C", "-t", "fills", "-o", "beginning", "-c", "1", "-q"]);
    let back = driver::output(context, &mut first, b"")?;
    ensure!(back.out == records[..=RECORD_BYTES], "{} bytes came back", back.out.len());
    let user = |words: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(words).args(["--broker", &address]);
        command
    };
    let words = ["consume", "fills", "--group", "readers", "--from", "earliest", "--count", "3"];
    let group = driver::output(context, &mut user(&words), b"")?;
    ensure!(group.out.len() == 3 * (RECORD_BYTES + 1), "the group read {} bytes", group.out.len());
    let described = driver::output(context, &mut user(&["group", "describe", "readers"]), b"")?;
    let shown = String::from_utf8_lossy(&described.out).into_owned();
    ensure!(shown.contains("fills"), "the commit is not there:\n{shown}");

    // Room comes back, and with it the producers, without anyone's help.
    driver::output(context, &mut user(&["topic", "delete", "fills"]), b"")?;
    let mut last = None;
    let resumed = context.wait_until("produce resumes", || {
        last = produce(context, &address, "after", b"again\n").err();
        last.is_none()
    });
    ensure!(resumed.is_ok(), "it did not resume: {last:?}\n{}", broker.log_tail());
    Ok(())
}

/// kcat produces each line as a record, and reports a refusal instead of trying again.
fn produce(context: &Context, address: &str, topic: &str, lines: &[u8]) -> Outcome {
    let mut command = kcat(address, &["-P", "-t", topic, "-X", "retries=0"]);
    driver::output(context, &mut command, lines).map(|_| ())
}

fn kcat(address: &str, words: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", address, "-p", "0"]).args(words);
    command
}

/// Lines that no two neighbours share and that need no codec to stay their size.
fn record_lines() -> Vec<u8> {
    let mut lines = Vec::with_capacity((RECORD_BYTES + 1) * RECORDS_PER_CALL);
    for number in 0..RECORDS_PER_CALL {
        lines.extend((0..RECORD_BYTES).map(|at| b'a' + ((at / 7 + number) % 26) as u8));
        lines.push(b'\n');
    }
    lines
}

/// What is free on the file system of `path` for this process.
fn free_bytes(path: &Path) -> Result<u64, Failure> {
    let found = rustix::fs::statvfs(path).map_err(std::io::Error::from)?;
    Ok(found.f_bavail * found.f_frsize)
}
