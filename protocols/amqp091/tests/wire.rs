//! What real clients say, and what we read there: one connection per client in `tests/wire/`, frame by frame, bytes on the left,
//! their meaning on the right.
//!
//! Each frame is held three ways: its bytes decode, what was decoded prints as the right side, and it encodes to the same bytes
//! again. `UPDATE_WIRE=1 cargo test -p forebay-amqp091 --test wire` (or `cargo xtask fix`) writes the right sides anew.
//! `tests/wire/README.md` tells how the connections were recorded; the fuzz targets start from them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use forebay_amqp091::wire::table::{ArrayBuilder, TableBuilder, TableView, Value};
use forebay_amqp091::wire::{
    Assembly, ChannelId, Command, ContentHeader, Frame, FrameKind, FrameMax, FrameWriter, Method, Progress,
    ProtocolVersion, Table, WireMethod,
};
use forebay_kit::Bytes;

/// Bytes on a line.
const ROW: usize = 16;
/// Letters that a row of bytes takes.
const LEFT: usize = ROW * 3 - 1;
/// Letters on the right, unless a word is longer.
const RIGHT: usize = 90;
/// The same octet so many times or more is written as one, with how many times.
const RUN: usize = 4 * ROW;
/// The frame that was agreed in the recordings.
const FRAME_MAX: u32 = 4_096;

#[test]
fn what_real_clients_say_is_read_printed_and_written_as_it_was() {
    let update = std::env::var_os("UPDATE_WIRE").is_some();
    let mut stale = Vec::new();
    for path in recordings() {
        let text = fs::read_to_string(&path).unwrap();
        let printed = Recording::parse(&text).print();
        if printed != text {
            if update {
                fs::write(&path, printed).unwrap();
            } else {
                stale.push(first_difference(&path, &text, &printed));
            }
        }
    }
    assert!(stale.is_empty(), "`cargo xtask fix` writes what is read now:\n{}", stale.join("\n"));
}

#[test]
fn every_client_that_is_promised_tells_the_whole_story() {
    for client in ["pika", "amqplib", "amqp091-go", "java"] {
        let text = fs::read_to_string(folder().join(format!("{client}.txt"))).expect(client);
        let said: Vec<String> = Recording::parse(&text).commands('>').iter().map(name).collect();
        for method in [
            "connection.start-ok",
            "connection.tune-ok",
            "connection.open",
            "channel.open",
            "exchange.declare",
            "queue.declare",
            "queue.bind",
            "confirm.select",
            "basic.publish",
            "basic.consume",
            "basic.ack",
            "basic.nack",
            "basic.reject",
            "basic.get",
            "basic.cancel",
            "channel.close",
            "connection.close",
        ] {
            assert!(said.iter().any(|said| said == method), "{client} says no {method}");
        }
    }
}

fn name(command: &Command) -> String {
    let (Command::Plain(method) | Command::WithContent(method, _)) = command;
    method.info().name.to_string()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

fn recordings() -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
    paths.sort();
    assert!(paths.len() >= 4, "the recordings are here");
    paths
}

fn first_difference(path: &Path, text: &str, printed: &str) -> String {
    let same = text.lines().zip(printed.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_string();
    format!("{}, line {}:\n- {}\n+ {}", path.display(), same + 1, line(text), line(printed))
}

/// A connection: who speaks, and a frame of theirs (or the protocol header).
struct Recording {
    about: String,
    said: Vec<(char, Bytes)>,
}

impl Recording {
    fn parse(text: &str) -> Recording {
        let mut about = String::new();
        let mut said: Vec<(char, Vec<u8>)> = Vec::new();
        for line in text.lines() {
            match line.chars().next() {
                Some('#') => about += &format!("{line}\n"),
                Some(side @ ('>' | '<')) => said.push((side, Vec::new())),
                _ => said.last_mut().unwrap().1.extend(bytes_of(line.split('|').next().unwrap())),
            }
        }
        Recording { about, said: said.into_iter().map(|(side, bytes)| (side, Bytes::from(bytes))).collect() }
    }

    /// What one side says, behind the protocol header.
    fn frames(&self, side: char) -> Vec<Frame> {
        let said =
            self.said.iter().filter(|(speaker, bytes)| *speaker == side && !bytes.starts_with(b"AMQP"));
        said.map(|(_, bytes)| frame(bytes)).collect()
    }

    /// The same, put together. Nothing is left over.
    fn commands(&self, side: char) -> Vec<Command> {
        let mut channels: HashMap<ChannelId, Assembly> = HashMap::new();
        let mut commands = Vec::new();
        for frame in self.frames(side) {
            match channels.entry(frame.channel).or_default().take(&frame).unwrap() {
                Progress::Done(command) => commands.push(command),
                Progress::More | Progress::Announced { .. } | Progress::Heartbeat => {}
            }
        }
        assert!(channels.values().all(Assembly::is_empty), "every message is whole");
        commands
    }

    /// Reads all of it, holds what it encodes to against it, and writes the whole file.
    fn print(&self) -> String {
        let mut text = self.about.clone();
        for (side, bytes) in &self.said {
            writeln!(text, "{side}").unwrap();
            beside(&mut text, bytes, &meaning(bytes));
        }
        for side in ['>', '<'] {
            assert!(!self.commands(side).is_empty());
        }
        text
    }
}

fn frame(bytes: &Bytes) -> Frame {
    let mut rest = bytes.clone();
    let frame = Frame::take(&mut rest, FrameMax::new(FRAME_MAX).unwrap()).unwrap().unwrap();
    assert!(rest.is_empty(), "a piece of a recording is one frame");
    frame
}

/// What a frame says, after it was written again.
fn meaning(bytes: &Bytes) -> String {
    if bytes.starts_with(b"AMQP") {
        return format!("{:?}", ProtocolVersion::take(&mut bytes.clone()).unwrap().unwrap());
    }
    let frame = frame(bytes);
    let mut out = BytesMut::new();
    let mut writer = FrameWriter::new(&mut out, FrameMax::new(FRAME_MAX).unwrap());
    let said = match frame.kind {
        FrameKind::Method => {
            let method = Method::decode(&frame.payload).unwrap();
            writer.method(frame.channel, &method).unwrap();
            assert_eq!(out, bytes, "it is written as it was");
            format!("{method:?}")
        }
        FrameKind::Header => {
            let header = ContentHeader::decode(&frame.payload).unwrap();
            let properties = header.properties.to_list();
            assert_eq!(properties.encode(), header.properties, "they are written as they were");
            if let Some(headers) = properties.headers {
                assert_eq!(rebuilt(headers.view()), headers, "they are built as they were");
            }
            format!("{header:?}")
        }
        FrameKind::Body => format!("{} bytes", frame.payload.len()),
        FrameKind::Heartbeat => "a heartbeat".into(),
    };
    format!("channel {}: {said}", frame.channel.0)
}

/// The same table out of our own builder.
fn rebuilt(table: TableView<'_>) -> Table {
    let fields = table.fields().fold(TableBuilder::new(), |builder, (name, value)| match value {
        Value::Table(inner) => builder.put_raw(name, Value::Table(rebuilt(inner).view())),
        Value::Array(items) => {
            let array = items.items().fold(ArrayBuilder::new(), ArrayBuilder::put).finish().unwrap();
            builder.put_raw(name, Value::Array(array.view()))
        }
        plain => builder.put_raw(name, plain),
    });
    fields.finish().unwrap()
}

/// Bytes in hexadecimal; `78 * 400` stands for 400 equal ones.
fn bytes_of(hex: &str) -> Vec<u8> {
    let octet = |word: &str| u8::from_str_radix(word, 16).unwrap();
    match hex.split_once('*') {
        Some((word, times)) => vec![octet(word.trim()); times.trim().parse().unwrap()],
        None => hex.split_whitespace().map(octet).collect(),
    }
}

/// Bytes on the left, words on the right.
fn beside(out: &mut String, bytes: &[u8], right: &str) {
    let (rows, lines) = (rows(bytes), wrapped(right));
    for at in 0..rows.len().max(lines.len()) {
        let row = rows.get(at).map_or("", String::as_str);
        match lines.get(at) {
            Some(line) => writeln!(out, "{row:<LEFT$} | {line}").unwrap(),
            None => writeln!(out, "{row}").unwrap(),
        }
    }
}

/// Rows of bytes, long runs of one octet by themselves.
fn rows(bytes: &[u8]) -> Vec<String> {
    let mut rows = Vec::new();
    let mut plain = Vec::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        if run.len() < RUN {
            plain.extend_from_slice(run);
        } else {
            rows.extend(hex_rows(&std::mem::take(&mut plain)));
            rows.push(format!("{:02x} * {}", run[0], run.len()));
        }
    }
    rows.extend(hex_rows(&plain));
    rows
}

fn hex_rows(bytes: &[u8]) -> Vec<String> {
    let row = |row: &[u8]| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(ROW).map(row).collect()
}

/// Lines of words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            *line = word.into();
        } else if line.len() + 1 + word.len() <= RIGHT {
            *line += &format!(" {word}");
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines
}

#[test]
fn a_frame_changed_by_one_octet_does_not_pass() {
    let text = fs::read_to_string(folder().join("pika.txt")).unwrap();
    let recording = Recording::parse(&text);
    let publish = recording.said.iter().find(|(side, bytes)| *side == '>' && bytes.starts_with(&[1, 0, 1]));
    let mut broken = publish.unwrap().1.to_vec();
    *broken.last_mut().unwrap() = 0xcd;
    let broken = Recording { about: String::new(), said: vec![('>', Bytes::from(broken))] };
    assert!(std::panic::catch_unwind(|| broken.print()).is_err());
}
