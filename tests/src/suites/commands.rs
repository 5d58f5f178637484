//! What a person types: every command for users, against the broker under test and, the same, against Apache Kafka.

use std::process::Command;

use rustix::process::Signal;

use crate::background::Background;
use crate::broker::without_our_variables;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Said};
use crate::ensure;
use crate::port;
use crate::runtime::Runtime;

const DONE: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const CANNOT_CONNECT: i32 = 3;
const INTERRUPTED: i32 = 130;

/// The commands, with the broker under test.
pub fn suite() -> Suite {
    Suite { name: "commands", needs: &[], broker: BrokerUse::Shared, cases: cases() }
}

/// The same with Apache Kafka: they speak its protocol, and so they work there.
pub fn suite_with_kafka() -> Suite {
    Suite {
        name: "commands-with-kafka",
        needs: &[Runtime::Java],
        broker: BrokerUse::SharedKafka,
        cases: cases(),
    }
}

fn cases() -> Vec<Case> {
    vec![
        Case::new("topics-from-create-to-delete", 90, topics),
        Case::new("lines-in-every-codec", 60, lines),
        Case::new("keys-and-headers-as-json", 60, json),
        Case::new("from-an-offset-a-time-and-the-ends", 60, from),
        Case::new("follow-until-a-signal", 60, follow),
        Case::new("a-group-and-its-lag", 90, group),
        Case::new("exit-codes-of-errors", 60, errors),
    ]
}

/// `forebay` with these words, for the suite's broker.
fn command(context: &mut Context, words: &[&str]) -> Command {
    let mut command = Command::new(context.binary);
    without_our_variables(&mut command);
    command.args(words).arg("--broker").arg(context.broker().address().to_string());
    command
}

/// Runs it to its end, which must have this exit code.
fn ends_with(context: &mut Context, code: i32, words: &[&str], input: &str) -> Result<Said, Failure> {
    let mut command = command(context, words);
    let said = driver::to_the_end(context, &mut command, input.as_bytes())?;
    let shown = || format!("{}\n{}", text(&said), said.err);
    ensure!(
        said.status.code() == Some(code),
        "{words:?} ended with {}, not {code}:\n{}",
        said.status,
        shown()
    );
    Ok(said)
}

/// What it writes when it is fed this and ends with 0.
fn done(context: &mut Context, words: &[&str], input: &str) -> Result<String, Failure> {
    ends_with(context, DONE, words, input).map(|said| text(&said))
}

/// It must write exactly this.
fn writes(context: &mut Context, words: &[&str], expected: &str) -> Outcome {
    let said = done(context, words, "")?;
    ensure!(said == expected, "{words:?} wrote\n{said}instead of\n{expected}");
    Ok(())
}

fn text(said: &Said) -> String {
    String::from_utf8_lossy(&said.out).into_owned()
}

/// JSON without the space between its words. Nothing here has a space within a word.
fn squeezed(json: &str) -> String {
    json.split_whitespace().collect()
}

/// The words of the table's line that begins with this word.
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.into_iter().find(|row| row.first() == Some(&first)).unwrap_or_default()
}

fn topics(context: &mut Context) -> Outcome {
    let topic = &format!("{}made", context.prefix);
    let create = ["topic", "create", topic, "--partitions", "3", "--config", "retention.ms=86400000"];
    writes(context, &create, &format!("created {topic}\n"))?;
    let again = ends_with(context, FAILED, &create, "")?;
    ensure!(again.err.contains("TOPIC_ALREADY_EXISTS"), "created twice: {}", again.err);
    writes(context, &[&create[..], &["--if-not-exists"]].concat(), "")?;

    // Apache Kafka says that a topic is made a moment before it is seen.
    let mut listed = String::new();
    while row(&listed, topic) != [topic, "3"] {
        ensure!(context.left().as_secs() > 1, "listed as\n{listed}");
        listed = done(context, &["topic", "list"], "")?;
    }
    let listed = squeezed(&done(context, &["topic", "list", "--json"], "")?);
    let entry = format!("{{\"internal\":false,\"name\":\"{topic}\",\"partitions\":3}}");
    ensure!(listed.contains(&entry), "listed as\n{listed}");

    done(context, &["produce", topic, "--partition", "2"], "a\nb\n")?;
    let described = done(context, &["topic", "describe", topic], "")?;
    let head = format!("topic {topic}: 3 partitions, 2 offsets in use");
    ensure!(described.lines().next() == Some(&head), "described as\n{described}");
    ensure!(described.contains("\n  retention.ms = 86400000\n"), "described as\n{described}");
    ensure!(row(&described, "1") == ["1", "1", "1", "1", "0", "0"], "described as\n{described}");
    ensure!(row(&described, "2") == ["2", "1", "1", "1", "0", "2"], "described as\n{described}");
    let described = squeezed(&done(context, &["topic", "describe", topic, "--json"], "")?);
    for part in [
        format!("\"name\":\"{topic}\",\"offsets\":2"),
        "{\"name\":\"retention.ms\",\"own\":true,\"value\":\"86400000\"}".into(),
        "{\"end\":2,\"in_sync\":[1],\"leader\":1,\"partition\":2,\"replicas\":[1],\"start\":0}".into(),
    ] {
        ensure!(described.contains(&part), "no {part} in\n{described}");
    }

    writes(context, &["topic", "delete", topic], &format!("deleted {topic}\n"))?;
    let mut listed = topic.clone();
    while listed.contains(topic) {
        ensure!(context.left().as_secs() > 1, "the deleted topic stays listed");
        listed = done(context, &["topic", "list"], "")?;
    }
    let again = ends_with(context, FAILED, &["topic", "delete", topic], "")?;
    ensure!(again.err.contains("UNKNOWN_TOPIC_OR_PARTITION"), "deleted twice: {}", again.err);
    writes(context, &["topic", "delete", topic, "--if-exists"], "")
}

/// Lines come back as they were, empty ones and the last without a newline too.
fn lines(context: &mut Context) -> Outcome {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = &format!("{}{codec}", context.prefix);
        let lines: String =
            (0..2_000).map(|i| format!("line {i} of a text that compresses well\n\n")).collect();
        done(context, &["produce", topic, "--codec", codec], &format!("{lines}end"))?;
        writes(context, &["consume", topic], &format!("{lines}end\n"))?;
    }
    Ok(())
}

/// What `consume --json` writes is what `produce --json` reads.
fn json(context: &mut Context) -> Outcome {
    let topic = &format!("{}json", context.prefix);
    let copy = &format!("{}copy", context.prefix);
    let records = [
        r#""timestamp":1700000000000,"key":"k1","value":"one","headers":[{"key":"h","value":"x"},{"key":"h","value":"y"}]"#,
        r#""timestamp":1700000000001,"key":null,"value":"žluť \"and\" \\","headers":[]"#,
        r#""timestamp":1700000000002,"key":"k2","value":null,"headers":[{"key":"empty","value":null}]"#,
        r#""timestamp":1700000000003,"key_base64":"/wA=","value_base64":"gIA=","headers":[]"#,
    ];
    let given: String = records.map(|record| format!("{{{record}}}\n")).concat();
    let stored = |topic: &str| -> String {
        let line = |(offset, record): (usize, &&str)| {
            format!("{{\"topic\":\"{topic}\",\"partition\":0,\"offset\":{offset},{record}}}\n")
        };
        records.iter().enumerate().map(line).collect()
    };
    done(context, &["produce", topic, "--json"], &given)?;
    writes(context, &["consume", topic, "--json"], &stored(topic))?;
    done(context, &["produce", copy, "--json"], &stored(topic))?;
    writes(context, &["consume", copy, "--json"], &stored(copy))?;

    let lines = &format!("{}lines", context.prefix);
    let with_key = ["produce", lines, "--key-separator", ":", "--header", "from=lines"];
    done(context, &with_key, "a:1\nb:2:2\n")?;
    writes(context, &["consume", lines, "--key-separator", "="], "a=1\nb=2:2\n")?;
    let said = done(context, &["consume", lines, "--json", "--count", "1"], "")?;
    let end = "\"key\":\"a\",\"value\":\"1\",\"headers\":[{\"key\":\"from\",\"value\":\"lines\"}]}\n";
    ensure!(said.ends_with(end), "of a line with a key and a header came\n{said}");
    Ok(())
}

fn from(context: &mut Context) -> Outcome {
    let topic = &format!("{}from", context.prefix);
    let aged: String = (0..5)
        .map(|i| format!("{{\"value\":\"{i}\",\"timestamp\":{}}}\n", 1_700_000_000_000_i64 + i * 1_000))
        .collect();
    done(context, &["produce", topic, "--json"], &aged)?;
    done(context, &["produce", topic], "now\n")?;
    for (from, expected) in [
        ("earliest", "0\n1\n2\n3\n4\nnow\n"),
        ("latest", ""),
        ("3", "3\n4\nnow\n"),
        ("@1700000001500", "2\n3\n4\nnow\n"),
        ("2023-11-14T22:13:24Z", "4\nnow\n"),
        ("-15m", "now\n"),
    ] {
        writes(context, &["consume", topic, "--from", from], expected)?;
    }
    writes(context, &["consume", topic, "--from", "1", "--count", "2"], "1\n2\n")?;
    let behind = ends_with(context, DONE, &["consume", topic, "--from", "99"], "")?;
    ensure!(behind.out.is_empty() && !behind.err.is_empty(), "from behind the end: {}", behind.err);
    Ok(())
}

fn follow(context: &mut Context) -> Outcome {
    let topic = &format!("{}follow", context.prefix);
    done(context, &["produce", topic], "one\n")?;
    for signal in [Signal::INT, Signal::TERM] {
        let mut consume = command(context, &["consume", topic, "--follow"]);
        let mut reader = Background::start("consume --follow", &mut consume)?;
        reader.wait_for(context, "what was there", |line| line == "one")?;
        done(context, &["produce", topic], "later\n")?;
        reader.wait_for(context, "what came", |line| line == "later")?;
        reader.signal(signal)?;
        let status = reader.wait(context)?;
        ensure!(status.code() == Some(INTERRUPTED), "after {signal:?} it ended with {status}");
    }
    let mut consume = command(context, &["consume", topic, "--follow", "--from", "2", "--count", "3"]);
    let mut reader = Background::start("consume --follow --count", &mut consume)?;
    reader.wait_for(context, "what was there", |line| line == "later")?;
    done(context, &["produce", topic], "a\nb\nc\n")?;
    let status = reader.wait(context)?;
    ensure!(status.code() == Some(DONE), "with its count it ended with {status}");
    ensure!(reader.said() == ["later", "a", "b"], "it wrote {:?}", reader.said());
    Ok(())
}

fn group(context: &mut Context) -> Outcome {
    let topic = &format!("{}read", context.prefix);
    let group = &format!("{}readers", context.prefix);
    let numbers = |from: i32, to: i32| (from..to).map(|i| format!("{i}\n")).collect::<String>();
    done(context, &["produce", topic], &numbers(0, 10))?;
    let read = ["consume", topic, "--group", group, "--from", "earliest"];
    writes(context, &[&read[..], &["--count", "4"]].concat(), &numbers(0, 4))?;
    lag(context, group, topic, [4, 10, 6])?;
    let listed = done(context, &["group", "list"], "")?;
    ensure!(row(&listed, group) == [group, "Empty", "consumer"], "listed as\n{listed}");
    let listed = squeezed(&done(context, &["group", "list", "--json"], "")?);
    let entry = format!(
        "{{\"group\":\"{group}\",\"kind\":\"classic\",\"protocol_type\":\"consumer\",\"state\":\"Empty\"}}"
    );
    ensure!(listed.contains(&entry), "listed as\n{listed}");
    writes(context, &read, &numbers(4, 10))?;
    lag(context, group, topic, [10, 10, 0])?;

    // What a member that was interrupted has written out is committed.
    let mut consume = command(context, &[&read[..], &["--follow"]].concat());
    let mut member = Background::start("consume --group --follow", &mut consume)?;
    done(context, &["produce", topic], &numbers(10, 15))?;
    member.wait_for(context, "the last record", |line| line == "14")?;
    let described = done(context, &["group", "describe", group, "--interval", "0"], "")?;
    ensure!(described.starts_with(&format!("group {group}: Stable, 1 member,")), "described as\n{described}");
    member.signal(Signal::INT)?;
    let status = member.wait(context)?;
    ensure!(status.code() == Some(INTERRUPTED), "it ended with {status}");
    let lines = numbers(10, 15);
    ensure!(member.said() == lines.lines().collect::<Vec<_>>(), "it wrote {:?}", member.said());
    lag(context, group, topic, [15, 15, 0])
}

/// What is said of a group without members: committed, end and lag of its only partition.
fn lag(context: &mut Context, group: &str, topic: &str, numbers: [i64; 3]) -> Outcome {
    let [committed, end, lag] = numbers;
    let describe = ["group", "describe", group, "--interval", "0"];
    let described = done(context, &describe, "")?;
    let expected = [topic.into(), "0".into(), committed.to_string(), end.to_string(), lag.to_string()];
    ensure!(
        row(&described, topic).get(..5) == Some(&expected.each_ref().map(String::as_str)),
        "described as\n{described}"
    );
    let described = squeezed(&done(context, &[&describe[..], &["--json"]].concat(), "")?);
    for part in [
        format!("\"committed\":{committed},\"end\":{end},\"lag\":{lag},\"lost\":0"),
        format!("\"kind\":\"{}\"", if lag == 0 { "caught_up" } else { "nobody_consumes" }),
        "\"state\":\"Empty\"".into(),
    ] {
        ensure!(described.contains(&part), "no {part} in\n{described}");
    }
    Ok(())
}

fn errors(context: &mut Context) -> Outcome {
    let missing = &format!("{}missing", context.prefix);
    for words in [
        &["consume", missing][..],
        &["topic", "describe", missing],
        &["topic", "delete", missing],
        &["topic", "create", "not/a/name"],
        &["topic", "create", missing, "--config", "no.such.setting=1"],
        &["group", "describe", missing, "--interval", "0"],
    ] {
        let said = ends_with(context, FAILED, words, "")?;
        let name = words.get(2).unwrap_or(&words[1]);
        ensure!(said.err.contains(name) || said.err.contains(missing), "{words:?} said {}", said.err);
    }
    for (words, input) in [
        (&["consume", missing, "--from", "then"][..], ""),
        (&["produce", missing, "--key-separator", ":"], "no key\n"),
        (&["produce", missing, "--json"], "{\"valu\":1}\n"),
    ] {
        ends_with(context, USAGE, words, input)?;
    }
    let nobody = format!("127.0.0.1:{}", port::free());
    for words in [&["topic", "list"][..], &["consume", "t"], &["produce", "t"], &["group", "list"]] {
        let mut command = Command::new(context.binary);
        without_our_variables(&mut command);
        let said = driver::to_the_end(context, command.args(words).args(["--broker", &nobody]), b"x\n")?;
        let ended = said.status;
        ensure!(ended.code() == Some(CANNOT_CONNECT), "{words:?} ended with {ended}: {}", said.err);
        ensure!(said.err.contains(&nobody), "{words:?} does not name the address: {}", said.err);
    }
    Ok(())
}
