//! Kafka Connect, one worker for itself, with connectors that people run: files, and the changes of a database's table.

mod mariadb;
mod worker;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::ensure;
use crate::runtime::Runtime;
use mariadb::Mariadb;
use worker::{Connector, Worker};

/// The cases.
pub fn suite() -> Suite {
    Suite {
        name: "connect",
        needs: &[Runtime::Connect, Runtime::Mariadb],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("a-file-over-a-crash", 240, file_over_a_crash),
            Case::new("a-table-over-a-crash", 400, table_over_a_crash),
        ],
    }
}

/// A line for each number.
fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

/// A file's lines reach another file while the broker is killed. What is delivered again stands behind the first time.
fn file_over_a_crash(context: &mut Context) -> Outcome {
    const LINES: usize = 20_000;
    let topic = format!("{}lines", context.prefix);
    let (from, to) = (context.dir.join("from.txt"), context.dir.join("to.txt"));
    std::fs::write(&from, lines(0..LINES / 2))?;
    let source = Connector::new("lines-out", "org.apache.kafka.connect.file.FileStreamSourceConnector")
        .with("file", from.display())
        .with("topic", &topic);
    let sink = Connector::new("lines-in", "org.apache.kafka.connect.file.FileStreamSinkConnector")
        .with("file", to.display())
        .with("topics", &topic);
    let plain = ["org.apache.kafka.connect.storage.StringConverter"; 2];
    let mut worker = Worker::start(context, plain, &[source, sink])?;
    worker.wait_until(context, "a quarter has arrived", || Ok(first_times(&to).len() >= LINES / 4))?;
    // The file grows while the broker is away.
    OpenOptions::new().append(true).open(&from)?.write_all(lines(LINES / 2..LINES).as_bytes())?;
    let recovery = context.broker().crash_and_recover()?;
    worker.wait_until(context, "all lines have arrived", || Ok(first_times(&to).len() >= LINES))?;
    ensure!(
        first_times(&to) == lines(0..LINES).lines().collect::<Vec<_>>(),
        "other lines, or in another order"
    );
    context.remarks.push(format!("{LINES} lines, broker back after {} ms", recovery.as_millis()));
    Ok(())
}

/// A file's lines, each where it stands first.
fn first_times(file: &Path) -> Vec<String> {
    let mut known = std::collections::HashSet::new();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may not be whole yet.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter(|line| known.insert(line.to_string())).map(String::from).collect()
}

/// The rows of a table, whose changes Debezium reads from the database's own log, reach a second table one by one, while the broker is
/// killed half way: the tables are equal at the end, and no row was ever set back.
fn table_over_a_crash(context: &mut Context) -> Outcome {
    const ROUNDS: u32 = 60;
    let database = Mariadb::start(context)?;
    database.run(context, mariadb::TABLES)?;
    // What was there before the connector is read as it stands; the rest as it changes.
    database.run(context, &mariadb::changes(0..ROUNDS / 4))?;
    let prefix = context.prefix.clone();
    let connectors = [source(context, &database, &prefix), sink(&database, &prefix)];
    let json = ["org.apache.kafka.connect.json.JsonConverter"; 2];
    let mut worker = Worker::start(context, json, &connectors)?;
    worker.wait_until(context, "the rows from before have arrived", || is_copied(context, &database))?;

    database.run(context, &mariadb::changes(ROUNDS / 4..ROUNDS / 2))?;
    let recovery = context.broker().crash_and_recover()?;
    database.run(context, &mariadb::changes(ROUNDS / 2..ROUNDS))?;
    worker.wait_until(context, "the tables are equal", || is_copied(context, &database))?;

    let set_back = database.ask(context, mariadb::SET_BACK)?;
    ensure!(set_back.trim().is_empty(), "rows that were set back:\n{set_back}");
    let counted =
        database.ask(context, "SELECT COUNT(*) FROM shop.seen; SELECT COUNT(*) FROM shop.copies;")?;
    let counted: Vec<&str> = counted.split_whitespace().collect();
    context.remarks.push(format!(
        "{} changes led to {} rows, broker back after {} ms",
        counted.first().unwrap_or(&"?"),
        counted.last().unwrap_or(&"?"),
        recovery.as_millis()
    ));
    Ok(())
}

fn is_copied(context: &Context, database: &Mariadb) -> Result<bool, crate::case::Failure> {
    let of = |table| database.ask(context, &format!("SELECT * FROM shop.{table} ORDER BY id"));
    let orders = of("orders")?;
    Ok(!orders.is_empty() && orders == of("copies")?)
}

fn source(context: &mut Context, database: &Mariadb, prefix: &str) -> Connector {
    let broker = context.broker().address();
    Connector::new("table-out", "io.debezium.connector.mariadb.MariaDbConnector")
        .with("tasks.max", 1)
        .with("database.hostname", "127.0.0.1")
        .with("database.port", database.port())
        .with("database.user", mariadb::USER)
        .with("database.password", mariadb::PASSWORD)
        .with("database.server.id", 4711)
        .with("database.ssl.mode", "disable")
        .with("topic.prefix", format!("{prefix}db"))
        .with("database.include.list", "shop")
        .with("table.include.list", "shop.orders")
        .with("schema.history.internal.kafka.bootstrap.servers", broker)
        .with("schema.history.internal.kafka.topic", format!("{prefix}history"))
        // The mark behind a deleted row is for compaction; the sink has nothing to do with it.
        .with("tombstones.on.delete", "true")
}

fn sink(database: &Mariadb, prefix: &str) -> Connector {
    Connector::new("table-in", "io.debezium.connector.jdbc.JdbcSinkConnector")
        .with("tasks.max", 1)
        .with("topics", format!("{prefix}db.shop.orders"))
        .with("connection.url", format!("jdbc:mariadb://127.0.0.1:{}/shop", database.port()))
        .with("connection.username", mariadb::USER)
        .with("connection.password", mariadb::PASSWORD)
        .with("insert.mode", "upsert")
        .with("delete.enabled", "true")
        .with("primary.key.mode", "record_key")
        .with("primary.key.fields", "id")
        .with("schema.evolution", "none")
        .with("collection.name.format", "copies")
}
