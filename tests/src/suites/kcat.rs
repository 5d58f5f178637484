//! kcat, the way a person uses it, and as a carrier of real files.

use std::process::Command;

use crate::broker::Broker;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Said};
use crate::ensure;
use crate::runtime::Runtime;

/// The cases with kcat.
pub fn suite() -> Suite {
    let mut cases = vec![
        Case::new("lists-brokers-and-topics", 30, lists),
        Case::new("keys-headers-and-partitions", 30, keys_and_headers),
        Case::new("offsets-and-times", 30, offsets),
        Case::new("group", 60, group),
        Case::new("log-file-byte-for-byte", 60, log_file),
    ];
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        cases.push(Case::new(format!("roundtrip-{codec}"), 30, move |context| roundtrip(context, codec)));
    }
    for acks in ["0", "1", "all"] {
        cases.push(Case::new(format!("acks-{acks}"), 30, move |context| acknowledged(context, acks)));
    }
    Suite { name: "kcat", needs: &[Runtime::Kcat], broker: BrokerUse::Shared, cases }
}

fn kcat(context: &mut Context, args: &[&str], input: &[u8]) -> Result<Said, Failure> {
    let mut command = Command::new("kcat");
    command.arg("-b").arg(context.broker().address().to_string()).args(args);
    driver::output(context, &mut command, input)
}

/// Everything in a partition from the start, one record a line.
fn consume(context: &mut Context, topic: &str, more: &[&str]) -> Result<String, Failure> {
    let args = [&["-C", "-q", "-e", "-o", "beginning", "-t", topic], more].concat();
    Ok(String::from_utf8_lossy(&kcat(context, &args, b"")?.out).into_owned())
}

fn lists(context: &mut Context) -> Outcome {
    let topic = format!("{}listed", context.prefix);
    kcat(context, &["-P", "-t", &topic], b"hello\n")?;
    let said = kcat(context, &["-L"], b"")?;
    let text = String::from_utf8_lossy(&said.out).into_owned();
    ensure!(text.contains(&context.broker().address().to_string()), "the broker is not listed:\n{text}");
    ensure!(
        text.contains(&format!("topic \"{topic}\" with 1 partitions")),
        "the topic is not listed:\n{text}"
    );
    Ok(())
}

fn keys_and_headers(context: &mut Context) -> Outcome {
    let topic = format!("{}keys", context.prefix);
    let produce = ["-P", "-t", &topic, "-K", ":", "-H", "a=1", "-H", "a=2", "-H", "empty=", "-p", "0"];
    kcat(context, &produce, b"k1:v1\nk2:v2\n:no key\n")?;
    let found = consume(context, &topic, &["-f", "%p %o [%k] [%s] %h\\n"])?;
    let expected =
        "0 0 [k1] [v1] a=1,a=2,empty=\n0 1 [k2] [v2] a=1,a=2,empty=\n0 2 [] [no key] a=1,a=2,empty=\n";
    ensure!(found == expected, "found:\n{found}expected:\n{expected}");
    Ok(())
}

fn offsets(context: &mut Context) -> Outcome {
    let topic = format!("{}offsets", context.prefix);
    let lines: String = (0..50).map(|i| format!("{i}\n")).collect();
    kcat(context, &["-P", "-t", &topic], lines.as_bytes())?;
    let query = |at: &str| format!("{topic}:0:{at}");
    for (at, expected) in [("0", "0"), ("-1", "50"), ("-2", "0")] {
        let said = kcat(context, &["-Q", "-t", &query(at)], b"")?;
        let text = String::from_utf8_lossy(&said.out).into_owned();
        let found = text.trim().rsplit(' ').next().unwrap_or_default().to_string();
        ensure!(found == expected, "the offset for time {at}: {text}");
    }
    let args = ["-C", "-q", "-e", "-o", "-3", "-t", &topic];
    let tail = String::from_utf8_lossy(&kcat(context, &args, b"")?.out).into_owned();
    ensure!(tail == "47\n48\n49\n", "the last three records: {tail:?}");
    Ok(())
}

/// A group reads to the end, commits as it closes, and a second run finds nothing left.
fn group(context: &mut Context) -> Outcome {
    let topic = format!("{}group", context.prefix);
    let group = format!("{}readers", context.prefix);
    let lines: String = (0..500).map(|i| format!("{i}\n")).collect();
    kcat(context, &["-P", "-t", &topic], lines.as_bytes())?;
    let read = ["-q", "-e", "-X", "auto.offset.reset=earliest", "-G", &group, &topic];
    let first = kcat(context, &read, b"")?;
    ensure!(first.out == lines.as_bytes(), "the group read {} bytes of {}", first.out.len(), lines.len());
    kcat(context, &["-P", "-t", &topic], b"one more\n")?;
    let second = kcat(context, &read, b"")?;
    ensure!(second.out == b"one more\n", "the second run read {:?}", String::from_utf8_lossy(&second.out));
    Ok(())
}

/// Logs that this machine wrote itself: of its packages, and of the broker under test. Only those without an
/// empty line, for kcat sends none.
pub fn real_log(context: &mut Context) -> Vec<u8> {
    const LOGS: &[&str] = &[
        "/var/log/dpkg.log",
        "/var/log/alternatives.log",
        "/var/log/bootstrap.log",
        "/var/log/apt/history.log",
    ];
    const BYTES_MAX: usize = 4 << 20;
    let mut log = Vec::new();
    let mut add = |text: Vec<u8>| {
        let ends = text.last() == Some(&b'\n');
        if ends && text[0] != b'\n' && !text.windows(2).any(|w| w == b"\n\n") && log.len() < BYTES_MAX {
            log.extend(text);
        }
    };
    for path in LOGS {
        add(std::fs::read(path).unwrap_or_default());
    }
    add(context.broker.as_deref().map_or(String::new(), Broker::log).into_bytes());
    log
}

fn log_file(context: &mut Context) -> Outcome {
    let topic = format!("{}log", context.prefix);
    let log = real_log(context);
    let lines = log.iter().filter(|&&b| b == b'\n').count();
    ensure!(lines > 20, "the log has {lines} lines only");
    let file = context.dir.join("log");
    std::fs::write(&file, &log)?;
    // From a file, each line becomes one record; empty lines stay records too.
    let file = file.to_string_lossy().into_owned();
    kcat(context, &["-P", "-z", "zstd", "-t", &topic, "-p", "0", "-l", &file], b"")?;
    let back = kcat(context, &["-C", "-q", "-e", "-o", "beginning", "-t", &topic, "-p", "0"], b"")?.out;
    ensure!(back == log, "{} bytes came back of {}", back.len(), log.len());
    context.remarks.push(format!("{lines} lines, {} bytes", log.len()));
    Ok(())
}

fn roundtrip(context: &mut Context, codec: &str) -> Outcome {
    let topic = format!("{}codec", context.prefix);
    let lines: String = (0..2_000).map(|i| format!("line {i} of a text that compresses well\n")).collect();
    kcat(context, &["-P", "-z", codec, "-t", &topic, "-p", "0"], lines.as_bytes())?;
    let back = consume(context, &topic, &["-p", "0"])?;
    ensure!(back == lines, "{} bytes came back of {}", back.len(), lines.len());
    Ok(())
}

fn acknowledged(context: &mut Context, acks: &str) -> Outcome {
    let topic = format!("{}acks", context.prefix);
    // The topic first: a record without acknowledgement has nobody who waits for it to exist.
    kcat(context, &["-P", "-t", &topic, "-p", "0"], b"first\n")?;
    let setting = format!("acks={acks}");
    kcat(context, &["-P", "-X", &setting, "-t", &topic, "-p", "0"], b"second\nthird\n")?;
    let expected = "first\nsecond\nthird\n";
    let mut back = String::new();
    while back != expected {
        ensure!(context.left().as_secs() > 1, "came back: {back:?}");
        back = consume(context, &topic, &["-p", "0"])?;
    }
    Ok(())
}
