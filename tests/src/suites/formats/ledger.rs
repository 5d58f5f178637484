//! What a frozen directory has of transactions and of settings that were changed: written by hand, in requests of the older way.
//!
//! There are two topics of the same: `early` is written first, so that a checkpoint knows its state, and `late` last, so that it stands in the
//! log alone. Each holds, in each of its two partitions, records of a transaction that was committed, of one that was aborted and of one that is
//! open, with one of no transaction behind each of the last two. Each transaction set the cursor of a group of its own. A setting of the topic was
//! changed, and another taken back.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::case::{Context, Failure, Outcome};
use crate::ensure;
use crate::suites::edges::talk::{Batch, Connection, TRANSACTIONAL, Words};

/// The file beside the data that says what a reader of committed records saw before the open transaction ended and afterwards, and which
/// producers there were.
pub const FILE: &str = "ledger.txt";
/// The one that is written first.
pub const EARLY: &str = "early";
/// The one that is written last.
pub const LATE: &str = "late";
const PARTITIONS: [i32; 2] = [0, 1];
const COMMITTED: &str = "committed";
const ABORTED: &str = "aborted";
const OPEN: &str = "open";
/// The longest that a transaction may be open: what was frozen with it shall be read with it.
const TIMEOUT_MS: i32 = 900_000;
/// Records of the committed transaction in each partition, and where the sequence of its producer goes on.
const COMMITTED_RECORDS: u8 = 3;
const UNCOMMITTED_RECORDS: u8 = 2;
const SETTING: (&str, &str) = ("retention.bytes", "1000000000");
const TAKEN_BACK: (&str, &str) = ("max.message.bytes", "3000000");

const SET: i8 = 0;
const DELETE: i8 = 1;
const OF_TOPIC: i8 = 2;
const READ_COMMITTED: i8 = 1;
const CONTROL: i16 = 0x20;
const FETCH_BYTES: i32 = 1 << 20;
/// The batch's own bytes in front of what its length counts.
const LENGTH_ENDS: usize = 12;
/// What a node says while it starts.
const NOT_YET: [i16; 3] = [14, 15, 16];

/// Writes all of it, and leaves one transaction open.
pub fn write(context: &Context, broker: &Broker, topic: &'static str) -> Outcome {
    let mut connection = Connection::open(broker.address())?;
    create(&mut connection, topic)?;
    alter(&mut connection, topic)?;
    for (id, cursor) in [(COMMITTED, 11), (ABORTED, 22), (OPEN, 33)] {
        let producer = Producer::open(context, &mut connection, topic, id)?;
        producer.join(&mut connection)?;
        let records = if id == COMMITTED { COMMITTED_RECORDS } else { UNCOMMITTED_RECORDS };
        producer.write(&mut connection, 0, records)?;
        producer.set_cursor(&mut connection, cursor)?;
        if id != OPEN {
            producer.end(&mut connection, id == COMMITTED)?;
        }
        if id != COMMITTED {
            plainly(&mut connection, topic)?;
        }
    }
    Ok(())
}

/// Tells what is seen of it, ends the open transaction by a new producer, and tells again.
pub fn describe(context: &Context, broker: &Broker) -> Result<String, Failure> {
    let mut connection = Connection::open(broker.address())?;
    let mut told = String::new();
    for topic in [EARLY, LATE] {
        for line in seen(&mut connection, topic)? {
            let _ = writeln!(told, "{topic} before {line}");
        }
        let committed = Producer::open(context, &mut connection, topic, COMMITTED)?;
        Producer::open(context, &mut connection, topic, OPEN)?;
        for line in seen(&mut connection, topic)? {
            let _ = writeln!(told, "{topic} after {line}");
        }
        let _ = writeln!(told, "{topic} epoch {}", committed.epoch);
    }
    Ok(told)
}

/// Holds what a broker serves against what was told when it was written, and goes on with its transactions.
pub fn served(context: &Context, broker: &mut Broker, format: &Path, topic: &'static str) -> Outcome {
    let told = std::fs::read_to_string(format.join(FILE))?;
    let of = |when: &str| -> Vec<String> {
        let head = format!("{topic} {when} ");
        told.lines().filter_map(|line| line.strip_prefix(&head)).map(String::from).collect()
    };
    let (before, after) = (of("before"), of("after"));
    let mut connection = Connection::open(broker.address())?;
    let found = seen(&mut connection, topic)?;
    // Its time may be up by now.
    ensure!(found == before || found == after, "it was {before:#?}, and is {found:#?}");
    let producer = Producer::open(context, &mut connection, topic, OPEN)?;
    let found = seen(&mut connection, topic)?;
    ensure!(found == after, "behind the end of what was open it was {after:#?}, and is {found:#?}");
    let late = Producer { epoch: producer.epoch - 1, ..producer.clone() }.try_end(&mut connection, true)?;
    ensure!(late != 0, "a fenced producer has committed");

    // Epochs go on from where they were, and so do transactions.
    let committed = Producer::open(context, &mut connection, topic, COMMITTED)?;
    let epoch = of("epoch").first().and_then(|epoch| epoch.parse::<i16>().ok());
    ensure!(
        epoch.is_some_and(|epoch| committed.epoch == epoch),
        "its epoch is {}, not {epoch:?}",
        committed.epoch
    );
    for producer in [&producer, &committed] {
        producer.join(&mut connection)?;
        producer.write(&mut connection, 0, 1)?;
        producer.end(&mut connection, true)?;
    }
    let grown = seen(&mut connection, topic)?;
    for (before, now) in after.iter().zip(&grown).take(PARTITIONS.len()) {
        let count = |line: &str| line.split(' ').count();
        ensure!(count(now) == count(before) + 2, "two more records behind {before}: {now}");
    }
    broker.crash_and_recover()?;
    let mut connection = Connection::open(broker.address())?;
    let found = seen(&mut connection, topic)?;
    ensure!(found == grown, "before a crash it was {grown:#?}, and is {found:#?}");
    Ok(())
}

/// What `forebay topic describe` has to say of the settings: the one that was changed, and not the one that was taken back.
pub fn settings_are_told(description: &str) -> Outcome {
    let (name, value) = SETTING;
    let line = description.lines().find(|line| line.contains(name)).unwrap_or_default();
    ensure!(line.contains(value), "{name} is not {value}:\n{description}");
    ensure!(!description.contains(TAKEN_BACK.1), "{} was taken back:\n{description}", TAKEN_BACK.0);
    Ok(())
}

/// One line for each partition with the offsets that a reader of committed records gets, and one with the groups' cursors.
fn seen(connection: &mut Connection, topic: &str) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for partition in PARTITIONS {
        let (stable, offsets) = committed(connection, topic, partition)?;
        let offsets: Vec<String> = offsets.iter().map(i64::to_string).collect();
        lines.push(format!("partition {partition} stable {stable} offsets {}", offsets.join(" ")));
    }
    let mut cursors = String::from("cursors");
    for id in [COMMITTED, ABORTED, OPEN] {
        let _ = write!(cursors, " {}", cursor(connection, topic, id)?);
    }
    lines.push(cursors);
    Ok(lines)
}

/// The first offset that is not stable yet, and those of the committed records before it.
fn committed(connection: &mut Connection, topic: &str, partition: i32) -> Result<(i64, Vec<i64>), Failure> {
    let body = Words::new().i32(-1).i32(500).i32(1).i32(FETCH_BYTES).i8(READ_COMMITTED);
    let body = body.i32(1).text(topic).i32(1).i32(partition).i64(0).i32(FETCH_BYTES);
    let mut answer = connection.ask(1, 4, body)?;
    let (_throttle, _, _, _, _) =
        (answer.i32()?, answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    let (code, _end, stable) = (answer.i16()?, answer.i64()?, answer.i64()?);
    ensure!(code == 0, "Fetch: {code}");
    let mut aborted = Vec::new();
    for _ in 0..answer.i32()? {
        aborted.push((answer.i64()?, answer.i64()?));
    }
    Ok((stable, visible(&answer.bytes()?, aborted)?))
}

/// The offsets of what stands in these batches, without marks and what was aborted.
fn visible(batches: &[u8], mut aborted: Vec<(i64, i64)>) -> Result<Vec<i64>, Failure> {
    let mut offsets = Vec::new();
    let mut rest = batches;
    while !rest.is_empty() {
        let cut = || Failure::new("a batch is cut short");
        let number = |at: usize, length: usize| -> Result<i64, Failure> {
            let bytes = rest.get(at..at + length).ok_or_else(cut)?;
            Ok(bytes.iter().fold(0, |number, byte| (number << 8) | i64::from(*byte)))
        };
        let (first, length) = (number(0, 8)?, number(8, 4)?);
        let (attributes, last, producer) = (number(21, 2)?, number(23, 4)?, number(43, 8)?);
        let is = |attribute: i16| attributes & i64::from(attribute) != 0;
        // A mark ends what its producer has aborted.
        if is(CONTROL) {
            aborted.retain(|(id, from)| *id != producer || first < *from);
        } else if !is(TRANSACTIONAL) || !aborted.iter().any(|(id, from)| *id == producer && first >= *from) {
            offsets.extend(first..=first + last);
        }
        let end = LENGTH_ENDS + usize::try_from(length).map_err(|_| cut())?;
        rest = rest.get(end..).ok_or_else(cut)?;
    }
    Ok(offsets)
}

/// The name of a producer and of a group.
fn of_topic(topic: &str, id: &str) -> String {
    format!("{topic}-{id}")
}

/// A group's cursor, or -1.
fn cursor(connection: &mut Connection, topic: &str, id: &str) -> Result<i64, Failure> {
    let body = Words::new().text(&of_topic(topic, id)).i32(1).text(topic).i32(1).i32(0);
    let mut answer = connection.ask(9, 1, body)?;
    let (_, _, _, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    let (offset, _note, code) = (answer.i64()?, answer.text()?, answer.i16()?);
    ensure!(code == 0, "OffsetFetch: {code}");
    Ok(offset)
}

fn create(connection: &mut Connection, topic: &str) -> Outcome {
    let body = Words::new().i32(1).text(topic).i32(2).i16(1).i32(0).i32(1).text(TAKEN_BACK.0);
    let mut answer = connection.ask(19, 2, body.text(TAKEN_BACK.1).i32(10_000).i8(0))?;
    let (_, _, _, code) = (answer.i32()?, answer.i32()?, answer.text()?, answer.i16()?);
    ensure!(code == 0, "CreateTopics: {code}");
    Ok(())
}

fn alter(connection: &mut Connection, topic: &str) -> Outcome {
    let body = Words::new().i32(1).i8(OF_TOPIC).text(topic).i32(2);
    let body = body.text(SETTING.0).i8(SET).text(SETTING.1).text(TAKEN_BACK.0).i8(DELETE).no_text();
    let mut answer = connection.ask(44, 0, body.i8(0))?;
    let (_, _, code) = (answer.i32()?, answer.i32()?, answer.i16()?);
    ensure!(code == 0, "IncrementalAlterConfigs: {code}");
    Ok(())
}

/// One record of no transaction into each partition.
fn plainly(connection: &mut Connection, topic: &str) -> Outcome {
    for partition in PARTITIONS {
        let batch = Batch { producer: -1, sequence: 0, records: 1 }.bytes();
        produce(connection, Words::new().no_text(), topic, partition, &batch)?;
    }
    Ok(())
}

fn produce(connection: &mut Connection, id: Words, topic: &str, partition: i32, batch: &[u8]) -> Outcome {
    let body = id.i16(-1).i32(30_000).i32(1).text(topic).i32(1).i32(partition).bytes(batch);
    let mut answer = connection.ask(0, 3, body)?;
    let (_, _, _, _, code) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?, answer.i16()?);
    ensure!(code == 0, "Produce: {code}");
    Ok(())
}

/// A transactional producer as its id was opened last.
#[derive(Clone)]
struct Producer {
    topic: &'static str,
    name: String,
    id: i64,
    epoch: i16,
}

impl Producer {
    /// Ends what the one before has left open.
    fn open(
        context: &Context,
        connection: &mut Connection,
        topic: &'static str,
        id: &str,
    ) -> Result<Producer, Failure> {
        let name = of_topic(topic, id);
        loop {
            let mut answer = connection.ask(22, 0, Words::new().text(&name).i32(TIMEOUT_MS))?;
            let (_, code, id, epoch) = (answer.i32()?, answer.i16()?, answer.i64()?, answer.i16()?);
            if code == 0 {
                return Ok(Producer { topic, name, id, epoch });
            }
            ensure!(NOT_YET.contains(&code) && Instant::now() < context.deadline, "InitProducerId: {code}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn words(&self) -> Words {
        Words::new().text(&self.name).i64(self.id).i16(self.epoch)
    }

    /// Adds both partitions and the group to the transaction that begins with it.
    fn join(&self, connection: &mut Connection) -> Outcome {
        let body = self.words().i32(1).text(self.topic).i32(2).i32(PARTITIONS[0]).i32(PARTITIONS[1]);
        let mut answer = connection.ask(24, 0, body)?;
        let (_, _, _, results) = (answer.i32()?, answer.i32()?, answer.text()?, answer.i32()?);
        for _ in 0..results {
            let (partition, code) = (answer.i32()?, answer.i16()?);
            ensure!(code == 0, "AddPartitionsToTxn of {partition}: {code}");
        }
        let mut answer = connection.ask(25, 0, self.words().text(&self.name))?;
        let (_, code) = (answer.i32()?, answer.i16()?);
        ensure!(code == 0, "AddOffsetsToTxn: {code}");
        Ok(())
    }

    /// Writes so many records to each partition.
    fn write(&self, connection: &mut Connection, sequence: i32, records: u8) -> Outcome {
        for partition in PARTITIONS {
            let batch = Batch { producer: self.id, sequence, records }.in_transaction(self.epoch);
            produce(connection, Words::new().text(&self.name), self.topic, partition, &batch)?;
        }
        Ok(())
    }

    /// Sets the cursor of the group of the same name.
    fn set_cursor(&self, connection: &mut Connection, offset: i64) -> Outcome {
        let body = Words::new().text(&self.name).text(&self.name).i64(self.id).i16(self.epoch);
        let body = body.i32(1).text(self.topic).i32(1).i32(0).i64(offset).text("a note");
        let mut answer = connection.ask(28, 0, body)?;
        let (_, _, _, _, _) = (answer.i32()?, answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
        let code = answer.i16()?;
        ensure!(code == 0, "TxnOffsetCommit: {code}");
        Ok(())
    }

    fn end(&self, connection: &mut Connection, commit: bool) -> Outcome {
        let code = self.try_end(connection, commit)?;
        ensure!(code == 0, "EndTxn: {code}");
        Ok(())
    }

    fn try_end(&self, connection: &mut Connection, commit: bool) -> Result<i16, Failure> {
        let mut answer = connection.ask(26, 0, self.words().i8(i8::from(commit)))?;
        let (_, code) = (answer.i32()?, answer.i16()?);
        Ok(code)
    }
}
