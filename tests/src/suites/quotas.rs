//! Quotas, and clients that are held against them: one that does not listen, one that connects too often, librdkafka, which tells its
//! application, and a producer of every other library. What the Java client makes of them is among the stories of `java-admin`, and of
//! those of users among those of `logins-java`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::driver;
use crate::ensure;
use crate::runtime::{Runtime, clients};
use crate::suites::clients::python;
use crate::suites::edges::talk::{Connection, Words};

const LIST_GROUPS: i16 = 16;
const ALTER_CLIENT_QUOTAS: i16 = 49;
/// What a new broker says until it leads.
const NOT_CONTROLLER: i16 = 41;

/// What a client of a library may publish and read, bytes per second. Its driver knows the number too.
const RATE: f64 = 200_000.0;
/// What kcat publishes: ten seconds' worth may come at once, so this takes twice that time.
const TOTAL: usize = 4_000_000;
const RECORD: usize = 5_000;
/// What the quota alone must make it last, with room for the last request of all. However slow the machine is, it lasts no shorter.
const LEAST: Duration = Duration::from_secs(5);

/// The cases of quotas.
pub fn suite() -> Suite {
    Suite {
        name: "quotas",
        needs: &[Runtime::Python, Runtime::Go, Runtime::Rust, Runtime::Node, Runtime::Kcat],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("a-client-that-does-not-listen", 90, does_not_listen),
            Case::new("too-many-connections", 90, too_many_connections),
            Case::new("librdkafka-publishes", 120, |context| {
                librdkafka(context, "publishes", "producer_byte_rate")
            }),
            Case::new("librdkafka-reads", 120, |context| librdkafka(context, "reads", "consumer_byte_rate")),
            Case::new("franz-go-publishes", 120, |context| {
                let command = Command::new(context.runtimes.go());
                publishes(context, command, "franz", "quota")
            }),
            Case::new("rdkafka-publishes", 120, |context| {
                let command = Command::new(context.runtimes.rust());
                publishes(context, command, "rdkafka", "quota")
            }),
            Case::new("kafkajs-publishes", 120, |context| {
                let mut command = Command::new("node");
                command.arg(context.runtimes.node().join("quotas.js"));
                publishes(context, command, "kafkajs", "publishes")
            }),
            Case::new("kafka-python-publishes", 120, |context| {
                let command = python(context.runtimes, &clients().join("python/quotas_kafka_python.py"));
                publishes(context, command, "kafka-python", "publishes")
            }),
            Case::new("aiokafka-publishes", 120, |context| {
                let command = python(context.runtimes, &clients().join("python/quotas_aiokafka.py"));
                publishes(context, command, "aiokafka", "publishes")
            }),
            Case::new("kcat-publishes", 120, kcat),
        ],
    }
}

/// Sets one quota of a client.
fn set(context: &mut Context, client: &str, key: &str, value: f64) -> Outcome {
    let mut connection = Connection::open(context.broker().address())?;
    alter(context, &mut connection, ("client-id", client), key, Some(value))
}

/// Sets one quota of a client or an address, or takes it back; in the first moments of a broker again and again.
fn alter(
    context: &Context,
    connection: &mut Connection,
    (kind, name): (&str, &str),
    key: &str,
    value: Option<f64>,
) -> Outcome {
    let entity = Words::new().i32(1).i32(1).text(kind).text(name);
    let bits = i64::from_be_bytes(value.unwrap_or(0.0).to_be_bytes());
    let body = entity.i32(1).text(key).i64(bits).i8(value.is_none().into()).i8(0);
    loop {
        let mut answer = connection.ask(ALTER_CLIENT_QUOTAS, 0, body.clone())?;
        let (_, _, code) = (answer.i32()?, answer.i32()?, answer.i16()?);
        let why = answer.text()?;
        if code == 0 {
            return Ok(());
        }
        ensure!(
            code == NOT_CONTROLLER && Instant::now() < context.deadline,
            "AlterClientQuotas: {code}, {why}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a fresh connection is served rather than closed.
fn is_served(context: &mut Context) -> bool {
    let connection = Connection::open(context.broker().address());
    connection.and_then(|mut fresh| fresh.ask(LIST_GROUPS, 1, Words::new())).is_ok()
}

/// Ten seconds' worth may come at once; the next is not let in. Another address and who is in already do not notice.
fn too_many_connections(context: &mut Context) -> Outcome {
    const ADDRESS: (&str, &str) = ("ip", "127.0.0.1");
    let mut inside = Connection::open(context.broker().address())?;
    alter(context, &mut inside, ADDRESS, "connection_creation_rate", Some(1.0))?;
    let served = (0..200).take_while(|_| is_served(context)).count();
    alter(context, &mut inside, ADDRESS, "connection_creation_rate", None)?;
    ensure!((1..200).contains(&served), "{served} connections were served");
    ensure!(is_served(context), "nobody is let in although the quota is gone");
    Ok(())
}

/// It sends ahead and goes on at once, whatever it is told. Each request may hold it back for a second, and with next to no quota each
/// does: by the last answer it was held back for the others.
fn does_not_listen(context: &mut Context) -> Outcome {
    const AHEAD: u64 = 4;
    let client = format!("{}deaf", context.prefix);
    set(context, &client, "request_percentage", 0.000_01)?;
    let mut deaf = Connection::open_as(context.broker().address(), &client)?;
    let begun = Instant::now();
    let mut told = 0;
    for _ in 0..2 {
        for _ in 0..AHEAD {
            deaf.send(LIST_GROUPS, 1, Words::new())?;
        }
        for _ in 0..AHEAD {
            told = deaf.receive()?.i32()?.max(told);
        }
    }
    let took = begun.elapsed();
    ensure!(told > 0, "it was told of no throttle time");
    ensure!(took >= Duration::from_secs(AHEAD - 1), "it was served within {took:?}");
    Ok(())
}

fn librdkafka(context: &mut Context, story: &str, key: &str) -> Outcome {
    let client = format!("{}librdkafka", context.prefix);
    set(context, &client, key, RATE)?;
    let command = python(context.runtimes, &clients().join("python/quotas.py"));
    driver::run(context, command, story).map(|_| ())
}

/// A producer of this library, which the broker knows by this name, is slowed down to its quota, and every record is there once.
fn publishes(context: &mut Context, command: Command, client: &str, story: &str) -> Outcome {
    let client = format!("{}{client}", context.prefix);
    set(context, &client, "producer_byte_rate", RATE)?;
    driver::run(context, command, story).map(|_| ())
}

fn kcat(context: &mut Context) -> Outcome {
    let (client, topic) = (format!("{}kcat", context.prefix), format!("{}held", context.prefix));
    set(context, &client, "producer_byte_rate", RATE)?;
    let width = RECORD - 1;
    let lines: String = (0..TOTAL / RECORD).map(|number| format!("{number:0>width$}\n")).collect();
    let at = context.broker().address().to_string();
    let mut write = Command::new("kcat");
    write.args(["-P", "-b", &at, "-t", &topic, "-p", "0", "-X", "batch.size=50000"]);
    write.args(["-X", &format!("client.id={client}")]);
    let begun = Instant::now();
    driver::output(context, &mut write, lines.as_bytes())?;
    let took = begun.elapsed();
    ensure!(took >= LEAST, "{TOTAL} bytes were published in {took:?}");
    let mut read = Command::new("kcat");
    read.args(["-C", "-b", &at, "-t", &topic, "-o", "beginning", "-e", "-q"]);
    let back = driver::output(context, &mut read, b"")?;
    ensure!(back.out == lines.as_bytes(), "{} bytes came back of {}", back.out.len(), lines.len());
    Ok(())
}
