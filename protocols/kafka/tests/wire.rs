//! What real clients and Apache Kafka say to each other, and what we read there: one file per client, API and version in
//! `tests/wire/`, bytes on the left, their meaning on the right.
//!
//! Each file is held three ways: the bytes decode, what was decoded prints as the right side, and it encodes to the same
//! bytes again. `UPDATE_WIRE=1 cargo test -p forebay-kafka --test wire` (or `cargo xtask fix`) writes the right sides anew.
//! New exchanges are recorded with `forebay-fuzz record`; the fuzz targets start from them.

use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use forebay_kafka::record::batch::{self, Batches};
use forebay_kafka::wire::consumer_protocol::{Assignment, Subscription};
use forebay_kafka::wire::{AnyRequest, AnyResponse, Cursor, Records, RequestHeader, Rope};
use forebay_kit::Bytes;

/// Bytes on a line.
const ROW: usize = 16;
/// Letters that a row of bytes takes.
const LEFT: usize = ROW * 3 - 1;
/// Letters on the right.
const RIGHT: usize = 100;
/// What the compressed records of a recorded batch may come to.
const INFLATED_BYTES_MAX: usize = 1 << 20;
/// Records printed of a batch; all are read.
const PRINTED_MAX: usize = 4;
/// The four bytes in front of a frame.
const PREFIX: usize = 4;

#[test]
fn what_real_clients_say_is_read_printed_and_written_as_it_was() {
    let update = std::env::var_os("UPDATE_WIRE").is_some();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 30, "the exchanges are here");
    let mut stale = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let exchange = Exchange::parse(&text);
        let printed = exchange.print();
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
fn every_client_that_is_promised_has_its_exchanges() {
    let names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for client in ["kcat", "confluent", "pykafka", "kafkajs", "franz", "java"] {
        for api in ["metadata", "produce", "fetch", "list-offsets", "join-group"] {
            let start = format!("{client}-{api}-v");
            assert!(names.iter().any(|name| name.starts_with(&start)), "no {start}*.txt");
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

fn first_difference(path: &Path, text: &str, printed: &str) -> String {
    let same = text.lines().zip(printed.lines()).take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_string();
    format!("{}, line {}:\n- {}\n+ {}", path.display(), same + 1, line(text), line(printed))
}

/// A file: comments, a request, and its response if it had one.
struct Exchange {
    about: String,
    request: Bytes,
    response: Option<Bytes>,
}

impl Exchange {
    fn parse(text: &str) -> Exchange {
        let mut about = String::new();
        let mut frames: Vec<Vec<u8>> = Vec::new();
        for line in text.lines() {
            match line.chars().next() {
                Some('#') => about += &format!("{line}\n"),
                Some('>' | '<') => frames.push(Vec::new()),
                _ => {
                    let hex = line.split('|').next().unwrap();
                    let bytes = hex.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap());
                    frames.last_mut().unwrap().extend(bytes);
                }
            }
        }
        let mut frames = frames.into_iter().map(Bytes::from);
        Exchange { about, request: frames.next().unwrap(), response: frames.next() }
    }

    /// Reads both frames, holds what they encode to against them, and writes the whole file.
    fn print(&self) -> String {
        let mut cursor = Cursor::new(&self.request);
        let header = RequestHeader::decode(&mut cursor).unwrap();
        let version = header.api_version;
        let request = AnyRequest::read(&mut cursor, &header).unwrap();
        let written = request.to_frame(version, header.correlation_id, header.client_id.clone());
        assert_eq!(body(written.unwrap()), self.request, "{}the request is written as it was", self.about);

        let mut text = self.about.clone();
        text += "> request\n";
        beside(&mut text, &self.request, &(pretty(&header) + &pretty(&request) + &inside_request(&request)));
        if let Some(frame) = &self.response {
            let (id, response) = AnyResponse::read(&mut Cursor::new(frame), header.api, version).unwrap();
            assert_eq!(id, header.correlation_id, "it answers this request");
            let written = response.to_frame(version, id);
            assert_eq!(body(written.unwrap()), frame, "{}the response is written as it was", self.about);
            text += "< response\n";
            beside(&mut text, frame, &(pretty(&response) + &inside_response(&response)));
        }
        text
    }
}

fn body(frame: Rope) -> Bytes {
    frame.into_bytes().slice(PREFIX..)
}

/// Bytes on the left, lines of text on the right.
fn beside(out: &mut String, bytes: &[u8], right: &str) {
    let mut rows = bytes.chunks(ROW);
    let mut lines = right.lines();
    loop {
        let row = rows.next().map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>());
        match (row, lines.next()) {
            (None, None) => return,
            (Some(row), None) => writeln!(out, "{}", row.join(" ")).unwrap(),
            (row, Some(line)) => {
                writeln!(out, "{:<LEFT$} | {line}", row.unwrap_or_default().join(" ")).unwrap();
            }
        }
    }
}

/// What lies in a request and is not Kafka's own schema: batches, and what members of a group say.
fn inside_request(request: &AnyRequest) -> String {
    match request {
        AnyRequest::Produce(request) => {
            let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
            partitions.filter_map(|partition| partition.records.as_ref()).map(batches).collect()
        }
        AnyRequest::JoinGroup(request) if request.protocol_type == "consumer" => {
            let read = |metadata: &Bytes| pretty(&Subscription::read(metadata).unwrap());
            request.protocols.iter().map(|protocol| read(&protocol.metadata)).collect()
        }
        AnyRequest::SyncGroup(request) => {
            let read = |share: &Bytes| pretty(&Assignment::read(share).unwrap());
            request.assignments.iter().map(|member| read(&member.assignment)).collect()
        }
        _ => String::new(),
    }
}

fn inside_response(response: &AnyResponse) -> String {
    match response {
        AnyResponse::Fetch(response) => {
            let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
            partitions.filter_map(|partition| partition.records.as_ref()).map(batches).collect()
        }
        AnyResponse::SyncGroup(response) if !response.assignment.is_empty() => {
            pretty(&Assignment::read(&response.assignment).unwrap())
        }
        _ => String::new(),
    }
}

/// The batches: their checksums are right, and their records can be read.
fn batches(records: &Records) -> String {
    let mut text = String::new();
    for batch in Batches::new(records.clone().into_bytes()) {
        let batch = batch.unwrap();
        text += &pretty(&batch::verify(&batch).unwrap());
        let records = batch::Records::open(&batch, INFLATED_BYTES_MAX).unwrap();
        let records = records.collect::<Result<Vec<_>, _>>().unwrap();
        records.iter().take(PRINTED_MAX).for_each(|record| text += &pretty(record));
        if records.len() > PRINTED_MAX {
            writeln!(text, "and {} more records", records.len() - PRINTED_MAX).unwrap();
        }
    }
    text
}

/// The value's pretty form, with on one line what fits on one.
fn pretty(value: &impl Debug) -> String {
    let long = format!("{value:#?}");
    let mut lines = long.lines().peekable();
    let mut out = String::new();
    Node::read(&mut lines).print(0, &mut out);
    out
}

/// A line, or an opening line, what is inside, and the closing line.
struct Node {
    first: String,
    inside: Vec<Node>,
    last: String,
}

impl Node {
    fn read(lines: &mut std::iter::Peekable<std::str::Lines<'_>>) -> Node {
        let first = lines.next().unwrap().trim_start();
        let mut node = Node { first: first.to_string(), inside: Vec::new(), last: String::new() };
        // Every other line of a pretty form ends with a comma, also one whose text ends with a bracket.
        if first.ends_with(['{', '[', '(']) {
            while !lines.peek().unwrap().trim_start().starts_with(['}', ']', ')']) {
                node.inside.push(Node::read(lines));
            }
            node.last = lines.next().unwrap().trim_start().to_string();
        }
        node.without_layers()
    }

    /// `Some(` around `Thing {` opens as `Some(Thing {`.
    fn without_layers(mut self) -> Node {
        if self.first.ends_with('(') && self.inside.len() == 1 && !self.inside[0].inside.is_empty() {
            let only = self.inside.remove(0);
            self.first += &only.first;
            self.last = only.last.trim_end_matches(',').to_string() + &self.last;
            self.inside = only.inside;
        }
        self
    }

    fn on_one_line(&self) -> String {
        if self.inside.is_empty() {
            return format!("{}{}", self.first, self.last);
        }
        let inside: Vec<String> = self.inside.iter().map(Node::on_one_line).collect();
        let inside = inside.join(" ");
        let inside = inside.trim_end_matches(',');
        let space = if self.first.ends_with('{') { " " } else { "" };
        format!("{}{space}{inside}{space}{}", self.first, self.last)
    }

    /// As many short nodes to a line as fit; a long one opens, indents and closes.
    fn print(&self, indent: usize, out: &mut String) {
        let spaces = " ".repeat(indent);
        let short = self.on_one_line();
        if self.inside.is_empty() || indent + short.len() <= RIGHT {
            writeln!(out, "{spaces}{short}").unwrap();
            return;
        }
        writeln!(out, "{spaces}{}", self.first).unwrap();
        let mut line = String::new();
        for node in &self.inside {
            let short = node.on_one_line();
            let fits = indent + 2 + line.len() + 1 + short.len() <= RIGHT;
            if !line.is_empty() && !fits {
                writeln!(out, "{spaces}  {line}").unwrap();
                line.clear();
            }
            if indent + 2 + short.len() > RIGHT {
                node.print(indent + 2, out);
            } else {
                line += if line.is_empty() { "" } else { " " };
                line += &short;
            }
        }
        if !line.is_empty() {
            writeln!(out, "{spaces}  {line}").unwrap();
        }
        writeln!(out, "{spaces}{}", self.last).unwrap();
    }
}
