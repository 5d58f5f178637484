//! A record of a hundred mebibytes, which goes through the log in parts: back byte for byte, also after a crash.

use std::process::Command;

use crate::broker::Broker;
use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::driver;
use crate::ensure;
use crate::runtime::Runtime;

const RECORD_BYTES: usize = 100 << 20;
const RECORDS: usize = 2;

/// The cases about the largest records.
pub fn suite() -> Suite {
    Suite {
        name: "large",
        needs: &[Runtime::Kcat],
        broker: BrokerUse::OwnForebay,
        cases: vec![Case::new("a-hundred-mebibytes-over-a-crash", 180, hundred)],
    }
}

fn hundred(context: &mut Context) -> Outcome {
    let mut broker =
        Broker::start_with(context.kind, &["--message-bytes-max", "101MiB", "--memory-limit", "1GiB"], &[])?;
    let file = context.dir.join("payload");
    let payload = payload();
    std::fs::write(&file, &payload)?;
    let address = broker.address().to_string();
    for _ in 0..RECORDS {
        let mut produce =
            kcat(&address, &["-P", "-t", "large", "-p", "0", "-X", "message.max.bytes=110000000"]);
        driver::output(context, produce.arg(&file), b"")?;
    }
    let recovery = broker.crash_and_recover()?;
    context.remarks.push(format!("answered {} ms after the crash", recovery.as_millis()));
    for offset in 0..RECORDS {
        let mut consume = kcat(&address, &["-C", "-t", "large", "-p", "0", "-c", "1", "-q", "-D", ""]);
        consume.args(["-o", &offset.to_string(), "-X", "receive.message.max.bytes=250000000"]);
        consume.args(["-X", "fetch.message.max.bytes=120000000"]);
        let back = driver::output(context, &mut consume, b"")?.out;
        ensure!(back == payload, "record {offset} came back with {} bytes, or changed ones", back.len());
    }
    Ok(())
}

/// Bytes of which no two parts are alike: parts that change places are seen.
fn payload() -> Vec<u8> {
    let mut state = 1u64;
    let words = std::iter::repeat_with(|| {
        // Knuth's multiplier: the quality of a toy is enough here.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    });
    words.flatten().take(RECORD_BYTES).collect()
}

fn kcat(address: &str, words: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", address]).args(words);
    command
}
