//! Data directories of formats that are frozen: every later binary opens them and serves every record at its offset.
//!
//! `tests/formats/NAME` holds a data directory as a killed broker left it, and what was in it: `records.jsonl` as `forebay
//! consume --json` wrote it, and `read-by-group.jsonl` with what a group had read of it. `forebay-tests --freeze DIR` makes one with the binary under test;
//! a frozen one is never made again.

mod ledger;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::broker::{Broker, without_our_variables};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver;
use crate::ensure;

const RECORDS: &str = "records.jsonl";
const GROUP_READ: &str = "read-by-group.jsonl";
const DATA: &str = "data";
/// What is read when a directory is made; `doomed` was deleted.
const TOPICS: [&str; 6] = ["lines", "codecs", "odd", "large", "relaxed", TOGETHER];
/// The topic that several clients wrote to at once, to partitions of both shards, so that these flushed together.
const TOGETHER: &str = "together";
const JOURNAL: &str = ".journal";
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const GROUP: &str = "readers";
/// How many records of the topic `lines` the group reads.
const GROUP_READS: usize = 100;
/// A record above 1 MiB goes into the log in parts.
const LARGE_BYTES: usize = 1_200_000;
/// Enough of them for a file that says which segments hold a partition.
const ROUNDS: u32 = 10;

/// The settings that the directories were written with, beside the number of their shards. What is as old as they are must not be retained away.
const SETTINGS: [&str; 4] = ["--segment-bytes", "1MiB", "--group-offsets-retention", "36500d"];

/// One case per frozen format, and that what comes later is refused.
pub fn suite() -> Suite {
    let mut cases = Vec::new();
    for name in frozen() {
        let of = name.clone();
        cases.push(Case::new(format!("{name}-is-served-as-it-was-written"), 120, move |context| {
            served(context, &of)
        }));
        cases.push(Case::new(format!("later-than-{name}-is-refused-by-name"), 60, move |context| {
            later_is_refused(context, &name)
        }));
    }
    Suite { name: "formats", needs: &[], broker: BrokerUse::OwnForebay, cases }
}

/// Makes a directory of the binary's own format at `to`, with this many sync shards. With one it has transactions too, and with several a
/// journal that has taken from the segments what a power cut can.
pub fn freezing(to: PathBuf, shards: u32) -> Suite {
    let case = Case::new("write", 120, move |context| freeze(context, &to, shards));
    Suite { name: "freeze", needs: &[], broker: BrokerUse::OwnForebay, cases: vec![case] }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats")
}

fn frozen() -> Vec<String> {
    let entries = fs::read_dir(home()).expect("frozen formats lie beside the tests");
    let names = entries.map(|entry| entry.expect("it is listed").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A broker with the settings of a directory of so many shards.
fn stopped(context: &Context, sync: &str, background: &str) -> Result<Broker, Failure> {
    let shards = ["--shards-sync", sync, "--shards-async", background];
    Broker::stopped(context.kind, &[&shards[..], &SETTINGS].concat(), &[])
}

/// A broker with the settings of a frozen directory, which tells its number of shards in its `node` file.
fn stopped_for(context: &Context, format: &Path) -> Result<Broker, Failure> {
    let node = fs::read_to_string(format.join(DATA).join("node"))?;
    let shards = node.lines().find_map(|line| line.strip_prefix("shards sync=")?.split_once(" async="));
    let (sync, background) = shards.ok_or_else(|| Failure::new(format!("no shards are named:\n{node}")))?;
    stopped(context, sync, background)
}

fn served(context: &mut Context, name: &str) -> Outcome {
    let format = home().join(name);
    let mut broker = stopped_for(context, &format)?;
    copy(&format.join(DATA), &broker.data_dir())?;
    if journals(&broker.data_dir())?.is_empty() {
        verify(context, &broker)?;
    } else {
        let judged = format!("{:?}", verify(context, &broker));
        ensure!(
            judged.contains("NOT JUDGED"),
            "before the journal is replayed nothing can be judged: {judged}"
        );
    }
    broker.start_again()?;
    let written = fs::read_to_string(format.join(RECORDS))?;
    let topics = topics_of(&written);
    is_same(&read(context, &broker, &topics)?, &written)?;
    let before = fs::read_to_string(format.join(GROUP_READ))?;
    let rest = forebay(context, &broker, &["consume", "lines", "--group", GROUP, "--json"], "")?;
    let of_group = written.lines().filter(|line| line.contains(r#""topic":"lines""#));
    is_same(&(before + &rest), &of_group.collect::<Vec<_>>().join("\n"))?;

    if format.join(ledger::FILE).exists() {
        for topic in [ledger::EARLY, ledger::LATE] {
            settings_are_told(context, &broker, topic)?;
            ledger::served(context, &mut broker, &format, topic)?;
        }
    }

    // It goes on where it was: behind every record, with the producers' numbers, through a restart.
    for topic in &topics {
        forebay(context, &broker, &["produce", topic, "--partition", "0"], "later\n")?;
    }
    broker.crash_and_recover()?;
    let all = read(context, &broker, &topics)?;
    let later: Vec<&str> = all.lines().filter(|line| !written.lines().any(|known| known == *line)).collect();
    ensure!(later.len() == topics.len(), "{} records came with {} sent", later.len(), topics.len());
    is_same(&all, &(written.clone() + &later.join("\n")))?;
    broker.interrupt()?;
    verify(context, &broker)
}

/// The topics of which records stand here.
fn topics_of(records: &str) -> Vec<&str> {
    let named = records.lines().filter_map(|line| line.split_once(r#""topic":""#));
    let topics: BTreeSet<&str> = named.filter_map(|(_, behind)| behind.split('"').next()).collect();
    topics.into_iter().collect()
}

fn is_same(found: &str, written: &str) -> Outcome {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        lines.sort();
        lines
    };
    let (found, written) = (sorted(found), sorted(written));
    let differs = found.iter().zip(&written).find(|(found, written)| found != written);
    ensure!(
        found == written,
        "{} records instead of {}; the first that differs: {:.300?}",
        found.len(),
        written.len(),
        differs
    );
    Ok(())
}

/// The node file stands for the directory: its version rises with that of any file in it.
fn later_is_refused(context: &mut Context, name: &str) -> Outcome {
    let mut broker = stopped_for(context, &home().join(name))?;
    copy(&home().join(name).join(DATA), &broker.data_dir())?;
    let node = broker.data_dir().join("node");
    let text = fs::read_to_string(&node)?;
    let head = text.lines().next().unwrap_or_default();
    let later = "forebay-node 999";
    fs::write(&node, text.replace(head, later))?;
    let before = listing(&broker.data_dir())?;
    ensure!(broker.start_again().is_err(), "it started on a directory of a later version");
    let said = broker.log();
    for part in [&*node.display().to_string(), "999", "version"] {
        ensure!(said.contains(part), "nothing says '{part}':\n{said}");
    }
    ensure!(before == listing(&broker.data_dir())?, "the refusal changed the directory");
    Ok(())
}

fn freeze(context: &mut Context, to: &Path, shards: u32) -> Outcome {
    ensure!(!to.exists(), "{} is there already", to.display());
    let mut broker = stopped(context, &shards.to_string(), "1")?;
    broker.start_again()?;
    forebay(context, &broker, &["topic", "create", "lines", "--partitions", "2"], "")?;
    forebay(context, &broker, &["topic", "create", "doomed", "--partitions", "4"], "")?;
    forebay(context, &broker, &["topic", "create", "relaxed", "--config", "forebay.flush=async"], "")?;
    // All that a transaction spans has to lie on one shard.
    let has_transactions = shards == 1;
    if has_transactions {
        ledger::write(context, &broker, ledger::EARLY)?;
    }
    // Most of each sealed segment dies, so that what is left of it is written again.
    for round in 0..ROUNDS {
        write_some(context, &broker, &format!("round {round}"))?;
        for partition in ["0", "1", "2", "3"] {
            let doomed: String = (0..10).map(|at| format!("{at} {}\n", "doomed ".repeat(9_000))).collect();
            forebay(context, &broker, &["produce", "doomed", "--partition", partition], &doomed)?;
        }
    }
    forebay(context, &broker, &["topic", "delete", "doomed"], "")?;
    let count = GROUP_READS.to_string();
    let read_by_group = ["consume", "lines", "--group", GROUP, "--json", "--count", &count];
    let read_by_group = forebay(context, &broker, &read_by_group, "")?;
    let large = context.dir.join("large");
    fs::write(&large, "a large record; ".repeat(LARGE_BYTES / 16))?;
    forebay(context, &broker, &["produce", "large", "--whole", &large.display().to_string()], "")?;
    context.wait_until("a segment was written again", || {
        listing(&broker.data_dir()).is_ok_and(|files| files.iter().any(|(name, _)| is_rewritten(name)))
    })?;
    broker.interrupt()?;
    broker.start_again()?;
    write_some(context, &broker, "after a restart")?;
    let together = ["bench", "classic", "--topic", TOGETHER, "--partitions", "4", "--connections", "4"];
    let short = ["--bytes", "16", "--warm", "0", "--seconds", "1", "--allow-duplicates"];
    forebay(context, &broker, &[&together[..], &short].concat(), "")?;
    if has_transactions {
        ledger::write(context, &broker, ledger::LATE)?;
    }
    broker.kill9()?;
    copy(&broker.data_dir(), &to.join(DATA))?;
    // Several sync shards flush through a journal.
    if shards > 1 {
        lose_power(&to.join(DATA))?;
    }
    broker.start_again()?;
    if has_transactions {
        settings_are_told(context, &broker, ledger::EARLY)?;
        fs::write(to.join(ledger::FILE), ledger::describe(context, &broker)?)?;
    }
    let records = read(context, &broker, &TOPICS)?;
    fs::write(to.join(RECORDS), &records)?;
    fs::write(to.join(GROUP_READ), read_by_group)?;
    context.remarks.push(format!("{} records", records.lines().count()));
    Ok(())
}

fn settings_are_told(context: &Context, broker: &Broker, topic: &str) -> Outcome {
    ledger::settings_are_told(&forebay(context, broker, &["topic", "describe", topic], "")?)
}

fn journals(data: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = listing(data)?.into_iter().map(|(name, _)| PathBuf::from(name));
    Ok(files.filter(|path| path.to_string_lossy().ends_with(JOURNAL)).collect())
}

/// Takes from the segments what stands in the journal, as a power cut could have. Format: `docs/formats/journal.md`.
fn lose_power(data: &Path) -> Outcome {
    let (mut lost, mut shards) = (0, BTreeSet::new());
    for path in journals(data)? {
        let bytes = fs::read(&path)?;
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let short = |at: usize| number(at) as u32;
        let mut at = 0;
        while bytes.get(at..at + 6) == Some(b"FBYJNL") {
            let end = at + 40 + short(at + 16) as usize;
            let mut record = at + 40;
            while record < end {
                let (shard, first) = (short(record + 4), number(record + 16));
                let (position, len) = (number(record + 24) as usize, short(record + 32) as usize);
                let segment = data.join(format!("shard-{shard:04}/{first:020}-{:020}.seg", 0));
                record += 40 + len;
                // The flush of a Seal covers all of its segment.
                if segment.with_extension("idx").exists() {
                    continue;
                }
                let mut segment_bytes = fs::read(&segment)?;
                segment_bytes[position..position + len].fill(0);
                fs::write(&segment, segment_bytes)?;
                lost += len;
                shards.insert(shard);
            }
            at = end.next_multiple_of(4096);
        }
    }
    ensure!(shards.len() == 2 && lost > 10_000, "only {lost} bytes of shards {shards:?} are in the journal");
    Ok(())
}

/// A segment of a later generation than the first.
fn is_rewritten(name: &str) -> bool {
    let generation = name.strip_suffix(".seg").and_then(|name| name.rsplit('-').next());
    generation.is_some_and(|digits| digits.bytes().any(|digit| digit != b'0'))
}

/// Records of every shape.
fn write_some(context: &Context, broker: &Broker, when: &str) -> Outcome {
    let lines: String = (0..50).map(|at| format!("key {}:{when} line {at}\n", at % 17)).collect();
    forebay(context, broker, &["produce", "lines", "--key-separator", ":"], &lines)?;
    for codec in CODECS {
        let lines: String =
            (0..10).map(|at| format!("{when} {codec} {at} {}\n", "again and ".repeat(10))).collect();
        forebay(
            context,
            broker,
            &["produce", "codecs", "--codec", codec, "--header", "codec=it is"],
            &lines,
        )?;
    }
    forebay(context, broker, &["produce", "odd", "--empty-is-null", "--key-separator", ":"], "gone:\n")?;
    forebay(context, broker, &["produce", "odd", "--key", "ключ", "--header", "x="], "Ünïcode\n\n")?;
    forebay(context, broker, &["produce", "relaxed"], &format!("{when}, as it comes\n"))?;
    Ok(())
}

fn read(context: &Context, broker: &Broker, topics: &[&str]) -> Result<String, Failure> {
    let words = [&["consume"][..], topics, &["--from", "earliest", "--json"]].concat();
    forebay(context, broker, &words, "")
}

fn verify(context: &Context, broker: &Broker) -> Outcome {
    let mut command = Command::new(context.binary);
    without_our_variables(&mut command);
    command.args(["dump", "--verify"]).arg(broker.data_dir());
    driver::output(context, &mut command, b"").map(|_| ())
}

fn forebay(context: &Context, broker: &Broker, words: &[&str], input: &str) -> Result<String, Failure> {
    let mut command = Command::new(context.binary);
    without_our_variables(&mut command);
    command.args(words).arg("--broker").arg(broker.address().to_string());
    let said = driver::output(context, &mut command, input.as_bytes())?;
    Ok(String::from_utf8_lossy(&said.out).into_owned())
}

/// The files below `dir` with their bytes.
fn listing(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(listing(&entry.path())?);
        } else {
            files.push((entry.path().display().to_string(), fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}
