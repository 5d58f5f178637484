//! Moving in: topics, offsets and groups of another cluster come over, through kills of either end, while the other is in use.
//!
//! The source is a real Apache Kafka, filled and read by its own client (tests/clients/java/src/Moving.java), or another Forebay.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::background::Background;
use crate::broker::{self, Broker, Kind, without_our_variables};
use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::driver::{self, Conversation, Said};
use crate::ensure;
use crate::runtime::Runtime;

const DONE: i32 = 0;
const FAILED: i32 = 1;

/// From Apache Kafka.
pub fn suite() -> Suite {
    Suite {
        name: "import-kafka",
        needs: &[Runtime::Java],
        broker: BrokerUse::SharedKafka,
        cases: vec![
            Case::new("everything-comes-over", 300, everything),
            Case::new("killed-in-the-middle", 300, killed),
            Case::new("followed-until-the-cut-over", 240, followed),
            Case::new("followed-over-kills-of-all", 300, followed_over_kills),
            Case::new("rules-of-access-come-over", 180, rules_of_kafka),
            Case::new("no-cut-over-under-a-producer", 180, written_to),
            Case::new("no-cut-over-in-a-transaction", 180, in_a_transaction),
            Case::new("what-would-differ", 120, checked),
        ],
    }
}

/// From another Forebay: needs nothing else.
pub fn suite_from_forebay() -> Suite {
    Suite {
        name: "import-forebay",
        needs: &[],
        broker: BrokerUse::OwnForebay,
        cases: vec![
            Case::new("there-and-back", 120, there_and_back),
            Case::new("what-is-not-ours", 120, not_ours),
            Case::new("rules-of-access-come-over", 120, rules),
        ],
    }
}

/// A Forebay to bring things to.
fn target(context: &Context) -> Result<Broker, crate::case::Failure> {
    Broker::start(&Kind::Forebay { binary: context.binary.to_owned() })
}

fn forebay(context: &Context, words: &[&str]) -> Command {
    let mut command = Command::new(context.binary);
    without_our_variables(&mut command);
    command.args(words);
    command
}

/// `forebay import kafka` of these topics of the case.
fn import(context: &Context, from: &str, to: &Broker, topics: &[&str], words: &[&str]) -> Command {
    let topics: Vec<String> = topics.iter().map(|topic| format!("{}{topic}", context.prefix)).collect();
    let to = to.address().to_string();
    let mut command = forebay(context, &["import", "kafka", "--from", from, "--to", &to, "--json"]);
    command.args(["--topics", &topics.join(",")]).args(words);
    command
}

fn ends_with(context: &Context, command: &mut Command, code: i32) -> Result<Said, crate::case::Failure> {
    let said = driver::to_the_end(context, command, b"")?;
    let shown = || format!("{}\n{}", String::from_utf8_lossy(&said.out), said.err);
    ensure!(said.status.code() == Some(code), "it ended with {}, not {code}:\n{}", said.status, shown());
    Ok(said)
}

fn java(context: &Context) -> Command {
    let words = broker::java(&context.runtimes.class_path(), "Moving");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// Tells a story of the Java driver at one of the brokers.
fn tell(
    context: &mut Context,
    at: std::net::SocketAddr,
    words: &[&str],
) -> Result<Vec<String>, crate::case::Failure> {
    let mut conversation = Conversation::start(context, at, java(context), words)?;
    let outcome = conversation.serve_to_the_end(context);
    conversation.conclude(outcome)
}

/// What readers see at one of the brokers.
fn digest(
    context: &mut Context,
    at: std::net::SocketAddr,
    story: &str,
) -> Result<Vec<String>, crate::case::Failure> {
    let said = tell(context, at, &[story])?;
    Ok(said.into_iter().filter(|line| line.starts_with("digest ")).collect())
}

fn same(there: &[String], here: &[String]) -> Outcome {
    ensure!(!there.is_empty(), "nothing was looked at");
    ensure!(there == here, "there\n{}\nhere\n{}", there.join("\n"), here.join("\n"));
    Ok(())
}

/// A compacted topic with holes, transactions that were aborted, a log that begins above zero, one that holds nothing any more, and
/// where a group is.
fn everything(context: &mut Context) -> Outcome {
    let from = context.broker().address();
    tell(context, from, &["fill"])?;
    let there = digest(context, from, "digest")?;
    let target = target(context)?;
    let topics = ["compacted", "tx", "plain", "empty"];
    let words = ["--accept-differences", "--verify", "--cut-over", "--quiet", "1s"];
    let mut command = import(context, &from.to_string(), &target, &topics, &words);
    let said = ends_with(context, &mut command, DONE)?;
    let report = String::from_utf8_lossy(&said.out).into_owned();
    ensure!(report.contains("\"cut_over\": true"), "{report}");
    let here = digest(context, target.address(), "digest")?;
    same(&there, &here)?;
    tell(context, target.address(), &["continue"])?;
    // Once more it finds nothing to do, and takes nothing back.
    let mut again = import(context, &from.to_string(), &target, &topics, &["--accept-differences"]);
    ends_with(context, &mut again, DONE)?;
    Ok(())
}

/// kill -9 of the importer and of the target, over and over: every batch is there once.
fn killed(context: &mut Context) -> Outcome {
    let from = context.broker().address();
    tell(context, from, &["fill-much"])?;
    let mut target = target(context)?;
    let mut kills = 0;
    for round in 0..6 {
        let mut command = import(context, &from.to_string(), &target, &["much"], &["--workers", "1"]);
        let mut running = Background::start("the importer", &mut command)?;
        std::thread::sleep(Duration::from_millis(150 + 120 * round));
        if round % 2 == 0 {
            running.signal(Signal::KILL)?;
            running.wait(context)?;
        } else {
            // The importer waits for the target to come back, and goes on.
            target.crash_and_recover()?;
            let status = running.wait(context)?;
            ensure!(status.success(), "the importer ended with {status}:\n{}", running.said().join("\n"));
        }
        kills += 1;
    }
    let words = ["--verify", "--cut-over", "--quiet", "100ms"];
    let mut command = import(context, &from.to_string(), &target, &["much"], &words);
    ends_with(context, &mut command, DONE)?;
    let there = digest(context, from, "digest-much")?;
    let here = digest(context, target.address(), "digest-much")?;
    same(&there, &here)?;
    context.remarks.push(format!("{kills} kills"));
    Ok(())
}

/// A producer writes to the source all the time; it stops, and the target takes over with all of it.
fn followed(context: &mut Context) -> Outcome {
    let from = context.broker().address();
    let target = target(context)?;
    let mut writer = Conversation::start(context, from, java(context), &["write"])?;
    wait_for_topic(context, &from.to_string(), "live")?;
    let words = ["--follow", "--quiet", "1s"];
    let mut command = import(context, &from.to_string(), &target, &["live"], &words);
    let mut follower = Background::start("the importer", &mut command)?;
    wait_for_topic(context, &target.address().to_string(), "live")?;
    std::thread::sleep(Duration::from_secs(5));
    // What the target has grows with the source.
    let before = consumed(context, &target)?;
    std::thread::sleep(Duration::from_secs(2));
    let behind = consumed(context, &target)?;
    ensure!(behind > before, "it stood still at {before} records");
    tell(context, target.address(), &["refused"])?;
    let written = writer.ask(context, "stop");
    let written = match written {
        Ok(written) => written,
        Err(why) => return writer.conclude(Err(why)).map(|_| ()),
    };
    let outcome = writer.serve_to_the_end(context);
    writer.conclude(outcome)?;
    follower.signal(Signal::USR1)?;
    let status = follower.wait(context)?;
    let said = follower.said().join("\n");
    ensure!(status.success(), "the importer ended with {status}:\n{said}");
    ensure!(said.contains("\"cut_over\": true"), "{said}");
    tell(context, target.address(), &["count", &written])?;
    context.remarks.push(format!("{written} records"));
    Ok(())
}

/// What the group reads at the source, before anything is killed.
const READ_AT_THE_SOURCE: usize = 700;

/// The source, the target and the importer are killed while a producer writes and the importer follows; a group has read at the source.
/// After the cut-over everything is there once and in order, and the group goes on at the very next record.
fn followed_over_kills(context: &mut Context) -> Outcome {
    let from = context.broker().address();
    let mut target = target(context)?;
    let mut writer = Conversation::start(context, from, java(context), &["write"])?;
    let outcome = over_kills(context, &mut target, &mut writer);
    let (written, first) = match outcome {
        Ok(written) => written,
        Err(why) => return writer.conclude(Err(why)).map(|_| ()),
    };
    writer.conclude(Ok(()))?;
    tell(context, target.address(), &["count", &written.to_string()])?;
    let rest = read_in_a_group(context, &target.address().to_string(), written - first.len())?;
    let mut numbers = [first, rest].concat();
    numbers.sort_unstable();
    ensure!(numbers.iter().copied().eq(0..written), "the group has read {} of {written}", numbers.len());
    context.remarks.push(format!("{written} records"));
    Ok(())
}

/// How many records were written in the end, and what the group has read.
fn over_kills(
    context: &mut Context,
    target: &mut Broker,
    writer: &mut Conversation,
) -> Result<(usize, Vec<usize>), crate::case::Failure> {
    let from = context.broker().address().to_string();
    wait_for_topic(context, &from, "live")?;
    let mut follower = follow(context, &from, target)?;
    wait_for_topic(context, &target.address().to_string(), "live")?;
    let first = read_in_a_group(context, &from, READ_AT_THE_SOURCE)?;
    grows(context, target)?;
    follower.signal(Signal::KILL)?;
    follower.wait(context)?;
    follower = follow(context, &from, target)?;
    grows(context, target)?;
    target.crash_and_recover()?;
    grows(context, target)?;
    context.broker().crash_and_recover()?;
    grows(context, target)?;
    let written = writer.ask(context, "stop")?;
    writer.serve_to_the_end(context)?;
    follower.signal(Signal::USR1)?;
    let status = follower.wait(context)?;
    let said = follower.said().join("\n");
    ensure!(
        status.success() && said.contains("\"cut_over\": true"),
        "the importer ended with {status}:\n{said}"
    );
    Ok((number(&written)?, first))
}

fn follow(context: &Context, from: &str, target: &Broker) -> Result<Background, crate::case::Failure> {
    let mut command = import(context, from, target, &["live"], &["--follow", "--quiet", "1s"]);
    Background::start("the importer", &mut command)
}

/// Waits until the target has more than it has now.
fn grows(context: &Context, target: &Broker) -> Outcome {
    let before = consumed(context, target)?;
    while consumed(context, target)? == before {
        ensure!(Instant::now() < context.deadline, "it stood still at {before} records");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// So many numbers of the followed topic, read in a group.
fn read_in_a_group(context: &Context, at: &str, count: usize) -> Result<Vec<usize>, crate::case::Failure> {
    let (topic, group) = (format!("{}live", context.prefix), format!("{}readers", context.prefix));
    let count = count.to_string();
    let words = ["consume", &topic, "--group", &group, "--count", &count, "--broker", at];
    let said = driver::output(context, &mut forebay(context, &words), b"")?;
    let text = String::from_utf8_lossy(&said.out).into_owned();
    text.lines().map(number).collect()
}

fn number(text: &str) -> Result<usize, crate::case::Failure> {
    text.parse().map_err(|_| crate::case::Failure::new(format!("'{text}' is no number")))
}

/// How many records of the followed topic the target hands out.
fn consumed(context: &Context, target: &Broker) -> Result<usize, crate::case::Failure> {
    let topic = format!("{}live", context.prefix);
    let at = target.address().to_string();
    let said = driver::output(context, &mut forebay(context, &["consume", &topic, "--broker", &at]), b"")?;
    Ok(said.out.iter().filter(|byte| **byte == b'\n').count())
}

fn wait_for_topic(context: &Context, at: &str, part: &str) -> Outcome {
    let topic = format!("{}{part}", context.prefix);
    let since = Instant::now();
    loop {
        let words = ["topic", "describe", &topic, "--broker", at];
        let said = driver::to_the_end(context, &mut forebay(context, &words), b"")?;
        if said.status.success() {
            return Ok(());
        }
        ensure!(since.elapsed() < Duration::from_secs(60), "there is no {topic} at {at}:\n{}", said.err);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A cut-over waits for silence; without it, nothing is cut over.
fn written_to(context: &mut Context) -> Outcome {
    let from = context.broker().address();
    let target = target(context)?;
    let mut writer = Conversation::start(context, from, java(context), &["write"])?;
    wait_for_topic(context, &from.to_string(), "live")?;
    let words = ["--cut-over", "--quiet", "1s", "--timeout", "5s"];
    let mut command = import(context, &from.to_string(), &target, &["live"], &words);
    let said = ends_with(context, &mut command, FAILED)?;
    ensure!(said.err.contains("still written to"), "it says\n{}", said.err);
    tell(context, target.address(), &["refused"])?;
    let written = match writer.ask(context, "stop") {
        Ok(written) => written,
        Err(why) => return writer.conclude(Err(why)).map(|_| ()),
    };
    let outcome = writer.serve_to_the_end(context);
    writer.conclude(outcome)?;
    let mut command = import(context, &from.to_string(), &target, &["live"], &words);
    ends_with(context, &mut command, DONE)?;
    tell(context, target.address(), &["count", &written]).map(|_| ())
}

/// A transaction that is open at the source holds the cut-over up; readers of committed records are told of it here as well.
fn in_a_transaction(context: &mut Context) -> Outcome {
    let from = context.broker().address();
    let target = target(context)?;
    let mut writer = Conversation::start(context, from, java(context), &["open"])?;
    let outcome = held_up(context, from, &target, &mut writer);
    writer.conclude(outcome)?;
    let words = ["--cut-over", "--verify", "--quiet", "1s"];
    let mut command = import(context, &from.to_string(), &target, &["open"], &words);
    ends_with(context, &mut command, DONE)?;
    let there = digest(context, from, "digest-open")?;
    let here = digest(context, target.address(), "digest-open")?;
    same(&there, &here)
}

fn held_up(
    context: &mut Context,
    from: std::net::SocketAddr,
    target: &Broker,
    writer: &mut Conversation,
) -> Outcome {
    writer.ask(context, "write")?;
    let words = ["--cut-over", "--quiet", "500ms", "--timeout", "4s"];
    let mut command = import(context, &from.to_string(), target, &["open"], &words);
    let said = ends_with(context, &mut command, FAILED)?;
    ensure!(said.err.contains("transactions of the source are open"), "it says\n{}", said.err);
    writer.ask(context, "commit")?;
    writer.serve_to_the_end(context)
}

/// A Kafka's rules of access are in force at the target afterwards.
fn rules_of_kafka(context: &mut Context) -> Outcome {
    let authorizer = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let kafka = Kind::Kafka { class_path: context.runtimes.class_path() };
    let source = Broker::start_as(&kafka, &[], &[authorizer, "super.users=User:ANONYMOUS"])?;
    let from = source.address().to_string();
    let add = |words: &[&str]| {
        let command = [&["acl", "add"], words, &["--broker", &from]].concat();
        driver::output(context, &mut forebay(context, &command), b"").map(|_| ())
    };
    add(&["--principal", "User:alice", "--topic", "orders", "--operation", "read", "--operation", "write"])?;
    add(&["--deny", "--principal", "User:bob", "--host", "10.0.0.1", "--group", "g", "--operation", "read"])?;
    add(&["--principal", "User:*", "--topic", "public-", "--prefixed", "--operation", "all"])?;
    add(&["--principal", "User:carol", "--transactional-id", "t", "--operation", "write"])?;
    add(&["--principal", "User:carol", "--cluster", "--operation", "idempotent-write"])?;
    let topic = ["topic", "create", "orders", "--broker", &from];
    ends_with(context, &mut forebay(context, &topic), DONE)?;
    let there = sorted_rules_of(context, &source)?;
    ensure!(there.len() == 6, "the source has {there:?}");

    let target = with_rules(context)?;
    let to = target.address().to_string();
    let words = ["import", "kafka", "--from", &from, "--to", &to, "--json", "--accept-differences"];
    for _ in 0..2 {
        ends_with(context, &mut forebay(context, &words), DONE)?;
        let here = sorted_rules_of(context, &target)?;
        ensure!(there == here, "there\n{there:#?}\nhere\n{here:#?}");
    }
    Ok(())
}

/// The rules of a broker, one a line; brokers tell them in orders of their own.
fn sorted_rules_of(context: &Context, broker: &Broker) -> Result<Vec<String>, crate::case::Failure> {
    let at = broker.address().to_string();
    let said = driver::output(context, &mut forebay(context, &["acl", "list", "--broker", &at]), b"")?;
    let mut rules: Vec<String> = String::from_utf8_lossy(&said.out).lines().map(str::to_owned).collect();
    rules.retain(|rule| rule.contains("User:"));
    rules.sort_unstable();
    Ok(rules)
}

/// What Kafka has and Forebay does otherwise is told, by name.
fn checked(context: &mut Context) -> Outcome {
    let from = context.broker().address().to_string();
    let topic = format!("{}two", context.prefix);
    let create = ["topic", "create", &topic, "--config", "min.insync.replicas=2", "--broker", &from];
    ends_with(context, &mut forebay(context, &create), DONE)?;
    wait_for_topic(context, &from, "two")?;
    let check = ["check", "kafka", "--from", &from, "--topics", &topic];
    let said = ends_with(context, &mut forebay(context, &check), FAILED)?;
    let text = String::from_utf8_lossy(&said.out).into_owned();
    ensure!(text.contains(&format!("setting {topic}: min.insync.replicas=2")), "it says\n{text}");
    ensure!(text.contains("feature metadata.version"), "it says\n{text}");
    let json = [&check[..], &["--json"]].concat();
    let said = ends_with(context, &mut forebay(context, &json), FAILED)?;
    let text: String = String::from_utf8_lossy(&said.out).split_whitespace().collect();
    ensure!(
        text.contains("\"area\":\"setting\"") && text.contains("\"kind\":\"differs\""),
        "it says\n{text}"
    );
    Ok(())
}

/// Between two Forebays: what came over can come over again, and readers see the same.
fn there_and_back(context: &mut Context) -> Outcome {
    let (source, target) = (target(context)?, target(context)?);
    let from = source.address().to_string();
    let topic = format!("{}lines", context.prefix);
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let create = ["topic", "create", &topic, "--partitions", "1", "--broker", &from];
    ends_with(context, &mut forebay(context, &create), DONE)?;
    let produce = ["produce", &topic, "--codec", "zstd", "--broker", &from];
    driver::output(context, &mut forebay(context, &produce), lines.as_bytes())?;
    let group = format!("{}g", context.prefix);
    let some = ["consume", &topic, "--group", &group, "--count", "700", "--broker", &from];
    driver::output(context, &mut forebay(context, &some), b"")?;

    let mut check = forebay(context, &["check", "kafka", "--from", &from, "--topics", &topic]);
    ends_with(context, &mut check, DONE)?;
    // Without a cut-over it can be looked at and gone on with.
    let mut first = import(context, &from, &target, &["lines"], &[]);
    let said = ends_with(context, &mut first, DONE)?;
    ensure!(String::from_utf8_lossy(&said.out).contains("\"cut_over\": false"), "it is not cut over");
    let to = target.address().to_string();
    let produce_here = ["produce", &topic, "--broker", &to];
    let refused = driver::to_the_end(context, &mut forebay(context, &produce_here), b"too early\n")?;
    ensure!(!refused.status.success(), "a topic under import took a record");
    driver::output(context, &mut forebay(context, &produce), b"one more\n")?;
    let words = ["--verify", "--cut-over", "--quiet", "100ms"];
    ends_with(context, &mut import(context, &from, &target, &["lines"], &words), DONE)?;

    let read = |context: &Context, at: &str| {
        driver::output(context, &mut forebay(context, &["consume", &topic, "--json", "--broker", at]), b"")
    };
    ensure!(read(context, &from)?.out == read(context, &to)?.out, "readers see something else");
    driver::output(context, &mut forebay(context, &produce_here), b"here\n")?;
    let rest = ["consume", &topic, "--group", &group, "--broker", &to];
    let said = driver::output(context, &mut forebay(context, &rest), b"")?;
    let rest = String::from_utf8_lossy(&said.out).into_owned();
    ensure!(
        rest.starts_with("line 700\n") && rest.ends_with("one more\nhere\n"),
        "the group went on elsewhere"
    );
    Ok(())
}

/// What was written by somebody else, or comes from elsewhere, is left alone.
fn not_ours(context: &mut Context) -> Outcome {
    let (one, other, target) = (target(context)?, target(context)?, target(context)?);
    let topic = format!("{}t", context.prefix);
    for (broker, lines) in [(&one, "a\nb\n"), (&other, "c\nd\n"), (&target, "x\ny\nz\n")] {
        let at = broker.address().to_string();
        let words = ["produce", &topic, "--broker", &at];
        driver::output(context, &mut forebay(context, &words), lines.as_bytes())?;
    }
    let mut into_others = import(context, &one.address().to_string(), &target, &["t"], &[]);
    let said = ends_with(context, &mut into_others, FAILED)?;
    ensure!(said.err.contains("no import under way brought"), "it says\n{}", said.err);

    let blank = self::target(context)?;
    ends_with(context, &mut import(context, &one.address().to_string(), &blank, &["t"], &[]), DONE)?;
    let mut from_another = import(context, &other.address().to_string(), &blank, &["t"], &["--cut-over"]);
    let said = ends_with(context, &mut from_another, FAILED)?;
    ensure!(said.err.contains("another source"), "it says\n{}", said.err);
    Ok(())
}

/// A Forebay at which rules of access are in force; who comes to its only listener may do everything.
fn with_rules(context: &Context) -> Result<Broker, crate::case::Failure> {
    let words = ["--authorization", "acl", "--super-users", "User:ANONYMOUS"];
    Broker::start_with(&Kind::Forebay { binary: context.binary.to_owned() }, &words, &[])
}

/// The rules of a broker, as our command tells them.
fn rules_of(context: &Context, broker: &Broker) -> Result<String, crate::case::Failure> {
    let at = broker.address().to_string();
    let said =
        driver::output(context, &mut forebay(context, &["acl", "list", "--json", "--broker", &at]), b"")?;
    Ok(String::from_utf8_lossy(&said.out).into_owned())
}

/// Rules of every kind, and more than one request takes, are the same at the end, and stay so when they come over again; a topic alone
/// takes none along, and where no rules are in force none are made, and that is told.
fn rules(context: &mut Context) -> Outcome {
    /// With as many operations each, more than come over at once.
    const TOPICS: usize = 120;
    let (source, target) = (with_rules(context)?, with_rules(context)?);
    let from = source.address().to_string();
    let add = |words: &[&str]| {
        let command = [&["acl", "add"], words, &["--broker", &from]].concat();
        driver::output(context, &mut forebay(context, &command), b"").map(|_| ())
    };
    let topics: Vec<String> = (0..TOPICS).map(|number| format!("{}{number}", context.prefix)).collect();
    let mut many = vec!["--principal", "User:alice"];
    topics.iter().for_each(|topic| many.extend(["--topic", topic]));
    for operation in ["read", "write", "describe", "alter", "delete"] {
        many.extend(["--operation", operation]);
    }
    add(&many)?;
    add(&["--deny", "--principal", "User:bob", "--host", "10.0.0.1", "--group", "g", "--operation", "read"])?;
    add(&["--principal", "User:*", "--topic", "public-", "--prefixed", "--operation", "all"])?;
    add(&["--principal", "User:carol", "--transactional-id", "t", "--operation", "write"])?;
    add(&["--principal", "User:carol", "--cluster", "--operation", "idempotent-write"])?;
    let produce = ["produce", &topics[0], "--broker", &from];
    driver::output(context, &mut forebay(context, &produce), b"one\ntwo\n")?;
    let there = rules_of(context, &source)?;
    ensure!(there.matches("\"principal\"").count() == TOPICS * 5 + 4, "the source has {there}");

    let bring = |to: &Broker, words: &[&str]| {
        let to = to.address().to_string();
        let command = [&["import", "kafka", "--from", &from, "--to", &to, "--json"], words].concat();
        forebay(context, &command)
    };
    let said = ends_with(context, &mut bring(&target, &["--topics", &topics[0]]), DONE)?;
    ensure!(rules_of(context, &target)?.trim() == "[]", "a topic has brought rules along");
    let report = String::from_utf8_lossy(&said.out).into_owned();
    ensure!(report.contains("they come with all topics only"), "it says\n{report}");
    for _ in 0..2 {
        ends_with(context, &mut bring(&target, &[]), DONE)?;
        let here = rules_of(context, &target)?;
        ensure!(there == here, "there\n{there}\nhere\n{here}");
    }
    ensure!(rules_of(context, &source)? == there, "the source's rules have changed");

    let open = self::target(context)?;
    let said = ends_with(context, &mut bring(&open, &["--accept-differences"]), DONE)?;
    let report = String::from_utf8_lossy(&said.out).into_owned();
    ensure!(report.contains("the target has no access control"), "it says\n{report}");
    Ok(())
}
