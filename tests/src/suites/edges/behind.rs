//! Reads right behind writes of the same connection, and cursors below zero.

use std::time::{Duration, Instant};

use super::talk::{Answer, Batch, Connection, Words};
use super::{Fetch, NOT_YET, begin, fetched, produce, produced};
use crate::case::{Context, Failure, Outcome};
use crate::ensure;

/// How often each read is sent behind a write: answered beside the log, one of them comes too early.
const TIMES: i64 = 100;

/// OffsetCommit of a cursor, by nobody's member.
fn commit(group: &str, topic: &str, offset: i64) -> Words {
    let words = Words::new().text(group).i32(-1).text("").i64(-1).i32(1).text(topic).i32(1);
    words.i32(0).i64(offset).text("")
}

fn committed(mut answer: Answer) -> Result<i16, Failure> {
    let (_, _, _, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    answer.i16()
}

fn cursor_of(group: &str, topic: &str) -> Words {
    Words::new().text(group).i32(1).text(topic).i32(1).i32(0)
}

/// Offset and error code.
fn cursor(mut answer: Answer) -> Result<(i64, i16), Failure> {
    let (_, _, _, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    let (offset, _metadata) = (answer.i64()?, answer.text()?);
    Ok((offset, answer.i16()?))
}

fn end_of(topic: &str) -> Words {
    Words::new().i32(-1).i32(1).text(topic).i32(1).i32(0).i64(-1)
}

/// Waits until the group has its coordinator, and commits this.
fn commit_first(
    context: &mut Context,
    connection: &mut Connection,
    group: &str,
    topic: &str,
    offset: i64,
) -> Outcome {
    loop {
        connection.ask(10, 0, Words::new().text(group))?;
        let code = committed(connection.ask(8, 2, commit(group, topic, offset))?)?;
        if code == 0 {
            return Ok(());
        }
        ensure!(NOT_YET.contains(&code) && Instant::now() < context.deadline, "OffsetCommit: {code}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(super) fn reads_behind_writes(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let group = format!("{}group", context.prefix);
    commit_first(context, &mut connection, &group, &topic, 0)?;
    let batch = Batch { producer: -1, sequence: 0, records: 1 };
    for number in 1..=TIMES {
        connection.send(8, 2, commit(&group, &topic, number))?;
        connection.send(9, 1, cursor_of(&group, &topic))?;
        connection.send(0, 3, produce(&topic, -1, &batch.bytes()))?;
        connection.send(2, 1, end_of(&topic))?;
        let last = Some(number - 1);
        let fetch = Fetch { topic: &topic, session: (0, -1), from: last, bytes_max: 1 << 20, wait_ms: 0 };
        connection.send(1, 7, fetch.words())?;
        let code = committed(connection.receive()?)?;
        ensure!(code == 0, "OffsetCommit: {code}");
        let read = cursor(connection.receive()?)?;
        ensure!(read == (number, 0), "behind the commit of {number}: {read:?}");
        let written = produced(connection.receive()?)?;
        ensure!(written == (0, number - 1), "Produce {number}: {written:?}");
        let mut answer = connection.receive()?;
        let (_, _, _, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
        let (code, _time, end) = (answer.i16()?, answer.i64()?, answer.i64()?);
        ensure!((code, end) == (0, number), "the end behind Produce {number}: {end} ({code})");
        let (code, _, partitions) = fetched(connection.receive()?)?;
        let found = [(0, batch.bytes().len())];
        ensure!(code == 0 && partitions == found, "the fetch behind Produce {number}: {code} {partitions:?}");
    }
    Ok(())
}

pub(super) fn cursors_below_zero(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let group = format!("{}group", context.prefix);
    commit_first(context, &mut connection, &group, &topic, 5)?;
    for offset in [-2, -1, -3, i64::MIN, -1, 7] {
        let code = committed(connection.ask(8, 2, commit(&group, &topic, offset))?)?;
        ensure!(code == 0, "OffsetCommit of {offset}: {code}");
        let read = cursor(connection.ask(9, 1, cursor_of(&group, &topic))?)?;
        ensure!(read == (offset, 0), "{offset} is read as {read:?}");
    }
    Ok(())
}
