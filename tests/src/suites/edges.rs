//! Requests that clients send seldom, or only when something went wrong: what comes back is what Apache Kafka says.

mod behind;
pub mod talk;

use std::time::{Duration, Instant};

use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::ensure;
use talk::{Answer, Batch, Connection, PATIENCE, Words};

const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const TOPIC_EXISTS: i16 = 36;
const INVALID_REQUEST: i16 = 42;
const OUT_OF_ORDER_SEQUENCE: i16 = 45;
const FETCH_SESSION_UNKNOWN: i16 = 70;
const INVALID_FETCH_SESSION_EPOCH: i16 = 71;
const FENCED_INSTANCE: i16 = 82;

/// What a new broker says until it leads.
const NOT_CONTROLLER: i16 = 41;
/// What a new broker says until its coordinator is up.
const NOT_YET: [i16; 3] = [14, 15, 16];

/// The cases at the edges.
pub fn suite() -> Suite {
    Suite {
        name: "edges",
        needs: &[],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("batches-behind-a-refused-one", 60, behind_a_refused_one),
            Case::new("the-last-five-batches-again", 60, the_last_five_again),
            Case::new("a-sequence-that-wraps", 60, a_sequence_that_wraps),
            Case::new("a-refusal-nobody-waits-for", 60, a_refusal_nobody_waits_for),
            Case::new("a-fetch-that-is-too-small", 60, a_fetch_that_is_too_small),
            Case::new("a-fetch-session-by-the-rules", 60, a_fetch_session),
            Case::new("a-topic-that-is-there-already", 60, a_topic_that_is_there),
            Case::new("a-topic-deleted-under-a-waiting-fetch", 60, deleted_under_a_fetch),
            Case::new("a-topic-deleted-twice-at-once", 60, deleted_twice_at_once),
            Case::new("a-static-member-comes-back", 60, a_static_member_comes_back),
            Case::new("reads-behind-writes", 60, behind::reads_behind_writes),
            Case::new("cursors-below-zero", 60, behind::cursors_below_zero),
        ],
    }
}

/// A connection, and a topic of one partition.
fn begin(context: &mut Context) -> Result<(Connection, String), Failure> {
    let topic = format!("{}edge", context.prefix);
    let mut connection = open(context)?;
    loop {
        match create(&mut connection, &topic, &[])? {
            0 => break,
            code => {
                let is_new = code == NOT_CONTROLLER && Instant::now() < context.deadline;
                ensure!(is_new, "CreateTopics: {code}");
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Apache Kafka elects the leader a moment later.
    while end(&mut connection, &topic)?.is_none() {
        ensure!(Instant::now() < context.deadline, "the topic has no leader");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((connection, topic))
}

/// Asks for a topic with one partition and these settings; gives the error code.
fn create(connection: &mut Connection, topic: &str, settings: &[(&str, &str)]) -> Result<i16, Failure> {
    let count = i32::try_from(settings.len()).expect("few settings");
    let body = Words::new().i32(1).text(topic).i32(1).i16(1).i32(0).i32(count);
    let body = settings.iter().fold(body, |body, (name, value)| body.text(name).text(value));
    let mut answer = connection.ask(19, 2, body.i32(10_000).i8(0))?;
    let (_, _, _) = (answer.i32()?, answer.i32()?, answer.text()?);
    answer.i16()
}

fn open(context: &mut Context) -> Result<Connection, Failure> {
    Connection::open(context.broker().address())
}

/// The end of the topic's partition, by ListOffsets; none while it is not served.
fn end(connection: &mut Connection, topic: &str) -> Result<Option<i64>, Failure> {
    let body = Words::new().i32(-1).i32(1).text(topic).i32(1).i32(0).i64(-1);
    let mut answer = connection.ask(2, 1, body)?;
    let (_, _, _, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    let (code, _time, offset) = (answer.i16()?, answer.i64()?, answer.i64()?);
    Ok((code == 0).then_some(offset))
}

/// An id for an idempotent producer.
fn producer(context: &mut Context, connection: &mut Connection) -> Result<i64, Failure> {
    loop {
        let mut answer = connection.ask(22, 0, Words::new().no_text().i32(60_000))?;
        let (_, code, id) = (answer.i32()?, answer.i16()?, answer.i64()?);
        if code == 0 {
            return Ok(id);
        }
        ensure!(NOT_YET.contains(&code) && Instant::now() < context.deadline, "InitProducerId: {code}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn produce(topic: &str, acks: i16, batch: &[u8]) -> Words {
    Words::new().no_text().i16(acks).i32(30_000).i32(1).text(topic).i32(1).i32(0).bytes(batch)
}

/// Error code and first offset of a Produce answer.
fn produced(mut answer: Answer) -> Result<(i16, i64), Failure> {
    let (_, _, _, _) = (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
    Ok((answer.i16()?, answer.i64()?))
}

/// Sends all batches before it reads the first answer.
fn produce_all(
    connection: &mut Connection,
    topic: &str,
    batches: &[Vec<u8>],
) -> Result<Vec<(i16, i64)>, Failure> {
    for batch in batches {
        connection.send(0, 3, produce(topic, -1, batch))?;
    }
    batches.iter().map(|_| produced(connection.receive()?)).collect()
}

fn behind_a_refused_one(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let producer = producer(context, &mut connection)?;
    let batch = |sequence| Batch { producer, sequence, records: 1 };
    let mut batches: Vec<Vec<u8>> = (0..5).map(|sequence| batch(sequence).bytes()).collect();
    batches[1] = batch(1).torn();
    let gap = (OUT_OF_ORDER_SEQUENCE, -1);
    let answers = produce_all(&mut connection, &topic, &batches)?;
    ensure!(answers == [(0, 0), (CORRUPT_MESSAGE, -1), gap, gap, gap], "with a hole: {answers:?}");
    batches[1] = batch(1).bytes();
    let answers = produce_all(&mut connection, &topic, &batches[1..])?;
    ensure!(answers == [(0, 1), (0, 2), (0, 3), (0, 4)], "sent again: {answers:?}");
    Ok(())
}

fn the_last_five_again(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let producer = producer(context, &mut connection)?;
    let batch = |number: i32| Batch { producer, sequence: 2 * number, records: 2 }.bytes();
    let batches: Vec<Vec<u8>> = (0..7).map(batch).collect();
    let first = produce_all(&mut connection, &topic, &batches)?;
    let again = produce_all(&mut connection, &topic, &batches[2..])?;
    ensure!(first[2..] == again[..], "first {first:?}, again {again:?}");
    let end = end(&mut connection, &topic)?;
    ensure!(end == Some(14), "the partition ends at {end:?}");
    Ok(())
}

fn a_sequence_that_wraps(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let producer = producer(context, &mut connection)?;
    let batch = |sequence, records| Batch { producer, sequence, records }.bytes();
    // The second holds the greatest sequence, 0 and 1.
    let batches = [batch(i32::MAX - 1, 1), batch(i32::MAX, 3), batch(2, 1), batch(i32::MAX, 3)];
    let answers = produce_all(&mut connection, &topic, &batches)?;
    ensure!(answers == [(0, 0), (0, 1), (0, 4), (0, 1)], "{answers:?}");
    Ok(())
}

fn a_refusal_nobody_waits_for(context: &mut Context) -> Outcome {
    let (mut other, topic) = begin(context)?;
    let batch = Batch { producer: -1, sequence: 0, records: 1 };
    let mut connection = open(context)?;
    connection.send(0, 3, produce(&topic, 0, &batch.bytes()))?;
    connection.send(0, 3, produce(&topic, 0, &batch.torn()))?;
    ensure!(connection.is_ended(), "the connection goes on behind a lost batch");
    // The batch before it counts, also if it is not written by then.
    while end(&mut other, &topic)? != Some(1) {
        ensure!(Instant::now() < context.deadline, "the batch before it is lost as well");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A Fetch of the topic's partition, in a session's words.
struct Fetch<'t> {
    topic: &'t str,
    session: (i32, i32),
    /// Nothing for what the session knows.
    from: Option<i64>,
    bytes_max: i32,
    wait_ms: i32,
}

/// What a Fetch answers: its error, its session, and per partition the error and the bytes.
type Fetched = (i16, i32, Vec<(i16, usize)>);

impl Fetch<'_> {
    fn words(&self) -> Words {
        let (id, epoch) = self.session;
        let words =
            Words::new().i32(-1).i32(self.wait_ms).i32(1).i32(self.bytes_max).i8(0).i32(id).i32(epoch);
        let words = match self.from {
            None => words.i32(0),
            Some(from) => {
                let words = words.i32(1).text(self.topic).i32(1);
                words.i32(0).i64(from).i64(-1).i32(self.bytes_max)
            }
        };
        words.i32(0)
    }

    fn ask(&self, connection: &mut Connection) -> Result<Fetched, Failure> {
        fetched(connection.ask(1, 7, self.words())?)
    }
}

fn fetched(mut answer: Answer) -> Result<Fetched, Failure> {
    let (_, code, session) = (answer.i32()?, answer.i16()?, answer.i32()?);
    let mut partitions = Vec::new();
    for _ in 0..answer.i32()? {
        answer.text()?;
        for _ in 0..answer.i32()? {
            let (_, code) = (answer.i32()?, answer.i16()?);
            let (_, _, _) = (answer.i64()?, answer.i64()?, answer.i64()?);
            for _ in 0..answer.i32()?.max(0) {
                let (_, _) = (answer.i64()?, answer.i64()?);
            }
            partitions.push((code, answer.bytes()?.len()));
        }
    }
    Ok((code, session, partitions))
}

fn a_fetch_that_is_too_small(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let batch = Batch { producer: -1, sequence: 0, records: 9 }.bytes();
    produce_all(&mut connection, &topic, &[batch.clone(), batch.clone()])?;
    let fetch = Fetch { topic: &topic, session: (0, -1), from: Some(3), bytes_max: 1, wait_ms: 0 };
    let answer = fetch.ask(&mut connection)?;
    ensure!(answer == (0, 0, vec![(0, batch.len())]), "instead of one whole batch: {answer:?}");
    Ok(())
}

fn a_fetch_session(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let batch = Batch { producer: -1, sequence: 0, records: 1 }.bytes();
    let fetch = |session, from| Fetch { topic: &topic, session, from, bytes_max: 1 << 20, wait_ms: 0 };
    let (code, id, partitions) = fetch((0, 0), Some(0)).ask(&mut connection)?;
    ensure!(code == 0 && id != 0 && partitions == [(0, 0)], "the first: {code} {id} {partitions:?}");
    let quiet = fetch((id, 1), None).ask(&mut connection)?;
    ensure!(quiet == (0, id, vec![]), "nothing has changed: {quiet:?}");
    produce_all(&mut connection, &topic, std::slice::from_ref(&batch))?;
    let news = fetch((id, 2), None).ask(&mut connection)?;
    ensure!(news == (0, id, vec![(0, batch.len())]), "a batch has come: {news:?}");
    let ahead = fetch((id, 9), None).ask(&mut connection)?;
    ensure!(ahead.0 == INVALID_FETCH_SESSION_EPOCH, "an epoch ahead: {ahead:?}");
    let strange = fetch((id ^ 1, 3), None).ask(&mut connection)?;
    ensure!(strange.0 == FETCH_SESSION_UNKNOWN, "another session: {strange:?}");
    let on = fetch((id, 3), Some(1)).ask(&mut connection)?;
    ensure!(on == (0, id, vec![]), "neither did harm: {on:?}");
    let last = fetch((id, -1), Some(1)).ask(&mut connection)?;
    ensure!(last == (0, 0, vec![(0, 0)]), "the end: {last:?}");
    let gone = fetch((id, 4), None).ask(&mut connection)?;
    ensure!(gone.0 == FETCH_SESSION_UNKNOWN, "behind the end: {gone:?}");
    Ok(())
}

/// Error codes of a DeleteTopics of these topics.
fn delete(connection: &mut Connection, topics: &[&str]) -> Result<Vec<i16>, Failure> {
    let count = i32::try_from(topics.len()).expect("few topics");
    let body = topics.iter().fold(Words::new().i32(count), |words, topic| words.text(topic));
    let mut answer = connection.ask(20, 1, body.i32(10_000))?;
    answer.i32()?;
    let count = answer.i32()?;
    (0..count).map(|_| answer.text().and_then(|_| answer.i16())).collect()
}

fn deleted_under_a_fetch(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let mut waiting = open(context)?;
    let wait_ms = i32::try_from(PATIENCE.as_millis()).expect("half a minute");
    let fetch = Fetch { topic: &topic, session: (0, -1), from: Some(0), bytes_max: 1 << 20, wait_ms };
    waiting.send(1, 7, fetch.words())?;
    let codes = delete(&mut connection, &[&topic])?;
    ensure!(codes == [0], "DeleteTopics: {codes:?}");
    // Long before its time, or the socket's patience ends first.
    let answer = fetched(waiting.receive()?)?;
    ensure!(answer == (0, 0, vec![(UNKNOWN_TOPIC_OR_PARTITION, 0)]), "the fetch: {answer:?}");
    Ok(())
}

/// Applications that make sure of their topics go on when these are there, however they were made.
fn a_topic_that_is_there(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    for settings in [[("cleanup.policy", "compact")], [("no.such.setting", "1")], [("retention.ms", "soon")]]
    {
        let code = create(&mut connection, &topic, &settings)?;
        ensure!(code == TOPIC_EXISTS, "with {settings:?}: {code}");
    }
    Ok(())
}

fn deleted_twice_at_once(context: &mut Context) -> Outcome {
    let (mut connection, topic) = begin(context)?;
    let codes = delete(&mut connection, &[&topic, &topic])?;
    ensure!(codes.iter().all(|code| *code == INVALID_REQUEST), "DeleteTopics: {codes:?}");
    ensure!(end(&mut connection, &topic)?.is_some(), "the topic is gone");
    let codes = delete(&mut connection, &[&topic])?;
    ensure!(codes == [0], "DeleteTopics: {codes:?}");
    let codes = delete(&mut connection, &[&topic])?;
    ensure!(codes == [UNKNOWN_TOPIC_OR_PARTITION], "DeleteTopics: {codes:?}");
    Ok(())
}

/// Joins as the one static member, without knowing an id; gives the generation and the id.
fn join(context: &mut Context, connection: &mut Connection, group: &str) -> Result<(i32, String), Failure> {
    // A subscription to nothing.
    let subscription = Words::new().i16(0).i32(0).i32(-1).0;
    let body = Words::new().text(group).i32(30_000).i32(30_000).text("").text("the-one").text("consumer");
    let body = body.i32(1).text("range").bytes(&subscription);
    loop {
        connection.ask(10, 0, Words::new().text(group))?;
        let mut answer = connection.ask(11, 5, body.clone())?;
        let (_, code, generation) = (answer.i32()?, answer.i16()?, answer.i32()?);
        let (_protocol, _leader, member) = (answer.text()?, answer.text()?, answer.text()?);
        if code == 0 {
            return Ok((generation, member));
        }
        ensure!(NOT_YET.contains(&code) && Instant::now() < context.deadline, "JoinGroup: {code}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_static_member_comes_back(context: &mut Context) -> Outcome {
    let group = format!("{}group", context.prefix);
    let (mut before, mut after) = (open(context)?, open(context)?);
    let (generation, old) = join(context, &mut before, &group)?;
    let body = Words::new().text(&group).i32(generation).text(&old).text("the-one");
    let body = body.i32(1).text(&old).bytes(b"share");
    let mut answer = before.ask(14, 3, body)?;
    let (_, code) = (answer.i32()?, answer.i16()?);
    ensure!(code == 0, "SyncGroup: {code}");
    let (same, new) = join(context, &mut after, &group)?;
    ensure!(same == generation && new != old, "generations {generation}, {same}; members {old}, {new}");
    let beat = |member: &str| Words::new().text(&group).i32(generation).text(member).text("the-one");
    for (member, expected) in [(&old, FENCED_INSTANCE), (&new, 0)] {
        let mut answer = after.ask(12, 3, beat(member))?;
        let (_, code) = (answer.i32()?, answer.i16()?);
        ensure!(code == expected, "Heartbeat of {member}: {code}");
    }
    Ok(())
}
