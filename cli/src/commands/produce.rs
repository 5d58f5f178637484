//! `forebay produce`.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};

use bytes::Bytes;
use forebay_kafka::model::Timestamp;
use forebay_kafka::record::batch::{Header, NewRecord};
use forebay_kafka::wire::ErrorCode;

use super::connect::connect;
use super::input::{self, Chunk, Unit};
use crate::args::{AcksArg, Produce};
use crate::client::cluster::AutoCreate;
use crate::client::deadline::NAP;
use crate::client::producer::{Acks, Idempotence, Outgoing, Producer, ProducerOptions};
use crate::client::{ClientError, Cluster};
use crate::exit::{Exit, Failure};
use crate::output::number::grouped;
use crate::output::progress::Progress;
use crate::output::{record, time};

/// Sends what is read until there is no more.
///
/// # Errors
/// When it cannot be sent. What was confirmed until then is said.
pub fn run(args: &Produce) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    cluster.work_with(std::slice::from_ref(&args.topic), AutoCreate::Allowed)?;
    let mut producer = open(&mut cluster, args)?;
    let unit = if args.whole { Unit::File } else { Unit::Line };
    let input = input::read(&args.files, unit);
    let mut progress = Progress::new("sent", false);
    let result = send_all(args, &mut cluster, &mut producer, &input, &mut progress);
    progress.clear();
    let sent = producer.sent();
    match result {
        Ok(()) => {
            progress.finish(sent.records, sent.bytes);
            Ok(())
        }
        Err(mut failure) => {
            let confirmed = if args.acks == AcksArg::None { "sent" } else { "confirmed" };
            let count = grouped(sent.records as i64);
            let newline = if failure.message.is_empty() { "" } else { "\n" };
            failure.message.push_str(&format!("{newline}{count} records were {confirmed} before that"));
            Err(failure)
        }
    }
}

/// A producer that the broker recognises; where it will not, one that it does not, if the user did not ask for more.
fn open(cluster: &mut Cluster, args: &Produce) -> Result<Producer, Failure> {
    let acks = match args.acks {
        AcksArg::All => Acks::All,
        AcksArg::Leader => Acks::Leader,
        AcksArg::None => Acks::None,
    };
    let wanted = acks == Acks::All && !args.allow_duplicates;
    let idempotence = if wanted { Idempotence::On } else { Idempotence::Off };
    let options = ProducerOptions { acks, idempotence, codec: args.codec };
    let refused = |why: &ClientError| {
        matches!(why, ClientError::NoCommonVersion { .. })
            || why.code() == Some(ErrorCode::ClusterAuthorizationFailed)
    };
    match Producer::open(cluster, &args.topic, options) {
        Err(why) if wanted && refused(&why) => {
            eprintln!("forebay: {why}: what has to be sent twice may be stored twice");
            let options = ProducerOptions { idempotence: Idempotence::Off, ..options };
            Ok(Producer::open(cluster, &args.topic, options)?)
        }
        opened => Ok(opened?),
    }
}

fn send_all(
    args: &Produce,
    cluster: &mut Cluster,
    producer: &mut Producer,
    input: &Receiver<Chunk>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut number = 0;
    while let Some(chunk) = next_chunk(cluster, producer, input)? {
        for bytes in chunk {
            number += 1;
            let outgoing = outgoing(args, &bytes).map_err(|why| at_line(args, number, &why))?;
            producer.push(cluster, &outgoing).map_err(|why| match why {
                ClientError::Invalid(why) => at_line(args, number, &why),
                why => why.into(),
            })?;
        }
        progress.tick(producer.sent().records, producer.sent().bytes);
    }
    Ok(producer.flush(cluster)?)
}

/// The next records to be. While there are none, everything taken so far is sent: nobody who types has to wait for a
/// batch to fill.
fn next_chunk(
    cluster: &mut Cluster,
    producer: &mut Producer,
    input: &Receiver<Chunk>,
) -> Result<Option<Vec<Bytes>>, Failure> {
    match input.try_recv() {
        Ok(chunk) => return chunk.map(Some).map_err(Failure::failed),
        Err(TryRecvError::Disconnected) => return Ok(None),
        Err(TryRecvError::Empty) => producer.flush(cluster)?,
    }
    loop {
        if cluster.interrupt().is_raised() {
            return Err(Failure { exit: Exit::Interrupted, message: String::new() });
        }
        match input.recv_timeout(NAP) {
            Ok(chunk) => return chunk.map(Some).map_err(Failure::failed),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn at_line(args: &Produce, number: u64, why: &str) -> Failure {
    let unit = if args.whole { "file" } else { "line" };
    Failure::usage(format!("{unit} {number}: {why}"))
}

/// The record that a line, or a file, stands for.
fn outgoing(args: &Produce, bytes: &Bytes) -> Result<Outgoing, String> {
    if args.json {
        return record::from_json(bytes, time::now_ms());
    }
    let (key, value) = match &args.key_separator {
        None => (args.key.as_ref().map(|key| Bytes::copy_from_slice(key.as_bytes())), bytes.clone()),
        Some(separator) => {
            let at = find(bytes, separator.as_bytes())
                .ok_or_else(|| format!("the key separator {separator:?} is not in it"))?;
            (Some(bytes.slice(..at)), bytes.slice(at + separator.len()..))
        }
    };
    let header = |(name, value): &(String, String)| Header {
        key: Bytes::copy_from_slice(name.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    };
    let record = NewRecord {
        timestamp: Timestamp(time::now_ms()),
        key,
        value: Some(value).filter(|value| !(args.empty_is_null && value.is_empty())),
        headers: args.header.iter().map(header).collect(),
    };
    Ok(Outgoing { record, partition: args.partition })
}

fn find(bytes: &[u8], separator: &[u8]) -> Option<usize> {
    if separator.is_empty() {
        return Some(0);
    }
    bytes.windows(separator.len()).position(|window| window == separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Invocation};

    fn args(line: &str) -> Produce {
        let words = format!("forebay produce t {line}");
        match args::parse(words.split_whitespace().map(Into::into)) {
            Ok(Invocation::Produce(args)) => args,
            _ => panic!("{line}"),
        }
    }

    fn made(line: &str, bytes: &str) -> Outgoing {
        outgoing(&args(line), &Bytes::copy_from_slice(bytes.as_bytes())).unwrap()
    }

    #[test]
    fn a_line_becomes_a_record() {
        let plain = made("", "a:b");
        assert_eq!((plain.record.key, plain.record.value.as_deref()), (None, Some(&b"a:b"[..])));
        let keyed = made("-K :", "a:b:c").record;
        assert_eq!((keyed.key.as_deref(), keyed.value.as_deref()), (Some(&b"a"[..]), Some(&b"b:c"[..])));
        let fixed = made("--key k --partition 3 -H x=1 -H x=2=3", "v");
        assert_eq!((fixed.record.key.as_deref(), fixed.partition), (Some(&b"k"[..]), Some(3)));
        assert_eq!(fixed.record.headers[1].value.as_deref(), Some(&b"2=3"[..]));
        assert_eq!(made("--empty-is-null -K :", "k:").record.value, None);
        assert_eq!(made("", "").record.value.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_line_without_its_key_is_refused() {
        let why = outgoing(&args("-K :"), &Bytes::from_static(b"nokey")).unwrap_err();
        assert_eq!(why, "the key separator \":\" is not in it");
    }
}
