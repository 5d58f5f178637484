//! Access control: rules made by Kafka's Admin, its tool and ours, and clients that are held to them. Who comes to the first listener is a
//! super user, alice logs in at the second.

use std::process::Command;

use crate::broker::Broker;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Conversation};
use crate::ensure;
use crate::port;
use crate::runtime::{Runtime, clients};
use crate::suites::clients::{java, python};

/// What the Java driver tells, in tests/clients/java/src/Acls.java; and the seconds it may take.
const JAVA: &[(&str, u64)] = &[
    // Rules of every type, by every filter, and those that cannot be.
    ("rules", 60),
    // What an administrator without rights may do, and with some.
    ("admin", 120),
    // Denied, allowed, denied before allowed, from an address; with ids for producers and without.
    ("producers", 180),
    // The group and the topic, each by itself.
    ("consumers", 180),
    // The transactional id, the topic and the group.
    ("transactions", 180),
    // Rights that go and come while clients are connected.
    ("revoked-while-connected", 180),
    // kill -9: rules that were confirmed are there, those that were removed are not.
    ("rules-after-a-crash", 240),
];

/// What librdkafka tells, in tests/clients/python/acls.py.
const CONFLUENT: &[(&str, u64)] = &[("allowed-denied-revoked", 120), ("rules", 60)];

/// One suite per client.
pub fn suites() -> Vec<Suite> {
    let by_java = JAVA.iter().map(|(name, limit_s)| {
        Case::new(*name, *limit_s, move |context| {
            let command = java(&context.runtimes.class_path(), "Acls");
            tell(context, command, name)
        })
    });
    let by_librdkafka = CONFLUENT.iter().map(|(name, limit_s)| {
        Case::new(*name, *limit_s, move |context| {
            let command = python(context.runtimes, &clients().join("python/acls.py"));
            tell(context, command, name)
        })
    });
    let by_tools = vec![
        Case::new("acl-command", 120, acl_command),
        Case::new("refusals-are-in-the-log", 60, audit),
        Case::new("forebay-acl", 60, forebay_acl),
    ];
    let suite = |name, needs, cases| Suite { name, needs, broker: BrokerUse::OwnForebay, cases };
    vec![
        suite("acls-java", &[Runtime::Java], by_java.collect()),
        suite("acls-confluent", &[Runtime::Python], by_librdkafka.collect()),
        suite("acls-tools", &[Runtime::Java], by_tools),
    ]
}

/// A broker with two listeners, and where the second is, which asks who somebody is.
struct Controlled {
    broker: Broker,
    sasl: String,
}

fn controlled(context: &Context) -> Result<Controlled, Failure> {
    let sasl = format!("127.0.0.1:{}", port::free());
    let listener = format!("kafka+sasl={sasl}");
    let words = [
        "--listen",
        &listener,
        "--authorization",
        "acl",
        "--super-users",
        "User:ANONYMOUS",
        "--super-users",
        "User:admin",
    ];
    Ok(Controlled { broker: Broker::start_with(context.kind, &words, &[])?, sasl })
}

/// Tells a story of a driver, which finds the second listener in `SASL`.
fn tell(context: &mut Context, mut command: Command, story: &str) -> Outcome {
    let mut controlled = controlled(context)?;
    let at = controlled.broker.address();
    command.env("SASL", &controlled.sasl);
    let mut own = Context {
        broker: Some(&mut controlled.broker),
        runtimes: context.runtimes,
        dir: context.dir.clone(),
        prefix: context.prefix.clone(),
        deadline: context.deadline,
        binary: context.binary,
        kind: context.kind,
        remarks: Vec::new(),
    };
    let mut conversation = Conversation::start(&own, at, command, &[story])?;
    let outcome = conversation.serve_to_the_end(&mut own);
    context.remarks.append(&mut own.remarks);
    conversation.conclude(outcome).map(|_| ())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn forebay(context: &Context, broker: &Broker, words: &[&str]) -> Command {
    let mut command = Command::new(context.binary);
    command.args(words).args(["--broker", &broker.address().to_string()]);
    command
}

/// kafka-acls.sh adds, lists and removes; `forebay acl` sees the same.
fn acl_command(context: &mut Context) -> Outcome {
    let controlled = controlled(context)?;
    let run = |words: &[&str]| {
        let mut command = java(&context.runtimes.class_path(), "org.apache.kafka.tools.AclCommand");
        command.args(["--bootstrap-server", &controlled.broker.address().to_string()]).args(words);
        driver::output(context, &mut command, b"").map(|said| text(&said.out))
    };
    let producer = ["--add", "--allow-principal", "User:alice", "--producer", "--topic", "orders"];
    let said = run(&producer)?;
    ensure!(said.contains("operation=WRITE, permissionType=ALLOW"), "the tool said: {said}");
    let prefixed =
        ["--add", "--deny-principal", "User:bob", "--deny-host", "10.0.0.1", "--operation", "Read"];
    run(&[&prefixed[..], &["--group", "g", "--resource-pattern-type", "prefixed"]].concat())?;
    let listed = run(&["--list"])?;
    for expected in [
        "resourceType=TOPIC, name=orders, patternType=LITERAL",
        "principal=User:alice, host=*, operation=CREATE, permissionType=ALLOW",
        "resourceType=GROUP, name=g, patternType=PREFIXED",
        "principal=User:bob, host=10.0.0.1, operation=READ, permissionType=DENY",
    ] {
        ensure!(listed.contains(expected), "{expected} is not in: {listed}");
    }
    let mut list = forebay(context, &controlled.broker, &["acl", "list", "--json"]);
    let ours = driver::output(context, &mut list, b"")?;
    let ours = text(&ours.out);
    ensure!(ours.matches("\"principal\"").count() == 4, "forebay acl list said: {ours}");
    run(&["--remove", "--force", "--topic", "orders"])?;
    let left = run(&["--list"])?;
    ensure!(!left.contains("name=orders") && left.contains("name=g"), "left is: {left}");
    Ok(())
}

/// Every refusal is counted, and written down with whose it was.
fn audit(context: &mut Context) -> Outcome {
    let controlled = controlled(context)?;
    let made = ["user", "add", "alice"];
    driver::output(context, &mut forebay(context, &controlled.broker, &made), b"a secret\n")?;
    let settings = context.dir.join("alice.properties");
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    std::fs::write(
        &settings,
        format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\n\
             sasl.jaas.config={module} required username=\"alice\" password=\"a secret\";\n"
        ),
    )?;
    let mut command = java(&context.runtimes.class_path(), "org.apache.kafka.tools.TopicCommand");
    command.args(["--bootstrap-server", &controlled.sasl, "--create", "--topic", "secrets"]);
    command.arg("--command-config").arg(&settings);
    let refused = driver::to_the_end(context, &mut command, b"")?;
    let said = text(&refused.out) + &refused.err;
    ensure!(
        !refused.status.success() && said.contains("TopicAuthorizationException"),
        "the tool said: {said}"
    );
    let log = controlled.broker.log();
    let line = log.lines().find(|line| line.contains("access denied") && line.contains("User:alice"));
    let line = line.ok_or_else(|| Failure::new(format!("nothing of it is in the log:\n{log}")))?;
    for part in ["forebay_audit", "127.0.0.1", "create", "topic", "secrets"] {
        ensure!(line.contains(part), "{part} is not in {line}");
    }
    ensure!(!log.contains("a secret"), "the password is in the log");
    Ok(())
}

fn forebay_acl(context: &mut Context) -> Outcome {
    let controlled = controlled(context)?;
    let run = |words: &[&str]| {
        let said = driver::to_the_end(context, &mut forebay(context, &controlled.broker, words), b"")?;
        Ok::<_, Failure>((said.status.code(), text(&said.out), said.err))
    };
    let add = ["acl", "add", "--principal", "User:alice", "--topic", "orders", "--topic", "bills"];
    let (code, added, _) =
        run(&[&add[..], &["--operation", "read", "--operation", "write", "--json"]].concat())?;
    ensure!(code == Some(0) && added.matches("\"principal\": \"User:alice\"").count() == 4, "added: {added}");
    let (code, _, why) = run(&["acl", "add", "--principal", "alice", "--topic", "t", "--operation", "read"])?;
    ensure!(code == Some(1) && why.contains("INVALID_REQUEST"), "a principal without a kind: {why}");
    let (_, listed, _) = run(&["acl", "list", "--topic", "bills"])?;
    ensure!(listed.lines().count() == 3 && listed.contains("User:alice"), "listed: {listed}");
    let (code, _, why) = run(&["acl", "remove"])?;
    ensure!(code == Some(2) && why.contains("--all"), "everything was removed: {why}");
    let (code, removed, _) = run(&["acl", "remove", "--operation", "write"])?;
    ensure!(code == Some(0) && removed.lines().count() == 3, "removed: {removed}");
    let (_, left, _) = run(&["acl", "list"])?;
    ensure!(left.lines().count() == 3 && !left.contains("write"), "left: {left}");
    run(&["acl", "remove", "--all"])?;
    let (_, left, _) = run(&["acl", "list", "--json"])?;
    ensure!(left.trim() == "[]", "left: {left}");
    Ok(())
}
