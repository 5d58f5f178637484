//! Every method, table and content header against an independent implementation (the crate `amq-protocol`): what we write it
//! reads, what it writes we read, and the names and values of the arguments are the same.

use std::collections::BTreeSet;
use std::fmt::Debug;

use amq_protocol::frame::{AMQPFrame, gen_frame, parse_frame};
use amq_protocol::protocol::AMQPClass;
use bytes::{Bytes, BytesMut};

use super::sample::Source;
use crate::wire::method::{BasicPublish, samples};
use crate::wire::{
    ChannelId, ContentHeader, Frame, FrameKind, FrameMax, FrameWriter, METHODS, Method, OutgoingContent,
    PropertyList, WireMethod,
};

const CHANNEL: ChannelId = ChannelId(7);
/// Rounds of values for each method.
const ROUNDS: u64 = 200;

/// Arguments that the protocol reserves: the oracle throws away what it reads, and writes a default.
const RESERVED: &[&str] = &[
    "access.request-ok.ticket",
    "basic.consume.ticket",
    "basic.get-empty.cluster_id",
    "basic.get.ticket",
    "basic.publish.ticket",
    "basic.qos.prefetch_size",
    "channel.open-ok.channel_id",
    "channel.open.out_of_band",
    "connection.open-ok.known_hosts",
    "connection.open.capabilities",
    "connection.open.insist",
    "exchange.bind.ticket",
    "exchange.declare.ticket",
    "exchange.delete.ticket",
    "exchange.unbind.ticket",
    "queue.bind.ticket",
    "queue.declare.ticket",
    "queue.delete.ticket",
    "queue.purge.ticket",
    "queue.unbind.ticket",
];

/// Tables, and texts of any bytes. The oracle prints them in a way of its own; where they are wrong, what it writes is another.
const NOT_PRINTED_ALIKE: &[&str] = &[
    "arguments",
    "challenge",
    "client_properties",
    "locales",
    "mechanisms",
    "new_secret",
    "response",
    "server_properties",
];

fn ours_written(write: impl FnOnce(&mut FrameWriter<'_>)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut FrameWriter::new(&mut out, FrameMax::DEFAULT));
    out.freeze()
}

fn theirs_read(bytes: &[u8]) -> AMQPFrame {
    match parse_frame(bytes) {
        Ok((rest, frame)) => {
            assert!(rest.is_empty(), "the oracle leaves {rest:?}");
            frame
        }
        Err(why) => panic!("the oracle cannot read {bytes:02x?}: {why:?}"),
    }
}

fn theirs_written(frame: &AMQPFrame) -> Bytes {
    let written = gen_frame(frame)(Vec::new().into()).expect("the oracle writes what it has read");
    written.into_inner().0.into()
}

fn ours_read(bytes: &Bytes) -> Frame {
    let mut rest = bytes.clone();
    let frame = Frame::take(&mut rest, FrameMax::DEFAULT).expect("the oracle's frames are right");
    assert!(rest.is_empty());
    frame.expect("and whole")
}

#[test]
fn every_method_is_the_oracles_both_ways() {
    let mut reserved = BTreeSet::new();
    for round in 0..ROUNDS {
        for method in samples(&mut Source::new(round)) {
            let bytes = ours_written(|to| to.method(CHANNEL, &method).expect("it fits"));
            let theirs = theirs_read(&bytes);
            let AMQPFrame::Method(7, class) = &theirs else { panic!("another frame: {theirs:?}") };
            reserved.extend(compare_arguments(&method, class));
            let again = ours_read(&theirs_written(&theirs));
            let again = Method::decode(&again.payload).expect("the oracle's methods are right");
            compare_again(&method, &again);
        }
    }
    assert_eq!(reserved, RESERVED.iter().map(|name| (*name).to_string()).collect());
}

/// Holds arguments against the oracle's of the same names; those that it lacks are returned.
fn compare_arguments(ours: &Method, theirs: &AMQPClass) -> Vec<String> {
    let theirs = innermost(&format!("{theirs:?}"));
    let mut lacking = Vec::new();
    for (name, value) in arguments(ours) {
        let place = format!("{}.{name}", ours.info().name);
        match argument(&theirs, their_name(&name)) {
            None => lacking.push(place),
            Some(_) if NOT_PRINTED_ALIKE.contains(&name.as_str()) => {}
            Some(theirs) => assert_eq!(plain(&theirs), plain(&value), "{place}"),
        }
    }
    lacking
}

/// What went through the oracle is the same, but for what it throws away.
fn compare_again(ours: &Method, again: &Method) {
    let of_oracle = arguments(again);
    assert_eq!(ours.info(), again.info());
    for (argument, again) in arguments(ours).into_iter().zip(of_oracle) {
        let place = format!("{}.{}", ours.info().name, argument.0);
        if !RESERVED.contains(&place.as_str()) {
            assert_eq!(argument, again, "{place}");
        }
    }
}

/// Names and values of a method's arguments, as they are printed one by one.
fn arguments(method: &Method) -> Vec<(String, String)> {
    let printed = innermost(&format!("{method:?}"));
    let mut found: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    for (name, begin) in names(&printed) {
        if let Some(last) = found.last_mut() {
            last.1 = printed[at..begin - name.len() - 4].to_string();
        }
        found.push((name, String::new()));
        at = begin;
    }
    if let Some(last) = found.last_mut() {
        last.1 = printed[at..].to_string();
    }
    found
}

/// The value of an argument by its name.
fn argument(printed: &str, name: &str) -> Option<String> {
    let (_, begin) = names(printed).into_iter().find(|(found, _)| found == name)?;
    let next = names(printed).into_iter().find(|(_, next)| *next > begin);
    let end = next.map_or(printed.len(), |(next_name, next)| next - next_name.len() - 4);
    Some(printed[begin..end].to_string())
}

/// What stands between the braces of a method.
fn innermost(printed: &str) -> String {
    let (Some(begin), Some(end)) = (printed.find('{'), printed.rfind('}')) else { return String::new() };
    format!(", {}", printed[begin + 1..end].trim())
}

/// Names of a method's own arguments, and where their values begin: `, name: ` outside of any bracket and text.
fn names(printed: &str) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    let (mut depth, mut in_text, mut is_escaped) = (0, false, false);
    for (at, letter) in printed.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_text = !in_text,
            '{' | '[' | '(' if !in_text => depth += 1,
            '}' | ']' | ')' if !in_text => depth -= 1,
            ',' if depth == 0 && !in_text => {
                if let Some((name, _)) = printed[at + 1..].split_once(": ") {
                    let name = name.trim();
                    if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_lowercase()) {
                        names.push((name.to_string(), at + 2 + name.len() + 2));
                    }
                }
            }
            _ => {}
        }
    }
    names
}

/// Their names where they are others.
fn their_name(ours: &str) -> &str {
    match ours {
        "no_wait" => "nowait",
        other => other,
    }
}

/// A value without the names of types around it: `DeliveryTag(5)`, `NOT_FOUND(404)`, `ShortString("q")`.
fn plain(value: &str) -> &str {
    match (value.find('('), value.rfind(')')) {
        (Some(begin), Some(end)) => &value[begin + 1..end],
        _ => value,
    }
    .trim()
}

#[test]
fn the_comparison_sees_what_it_should() {
    let printed =
        innermost("A(B { ticket: 0, queue: ShortString(\"a, b: c\"), list: [1, {x: 2}], durable: true })");
    assert_eq!(argument(&printed, "queue").as_deref().map(plain), Some("\"a, b: c\""));
    assert_eq!(argument(&printed, "durable").as_deref(), Some("true"));
    assert_eq!(argument(&printed, "b"), None);
    assert_eq!(argument(&printed, "x"), None);
}

#[test]
fn the_oracle_has_the_same_methods() {
    for class in 0..=200_u16 {
        for method in 0..=200_u16 {
            let known = METHODS.iter().any(|row| (row.id.class, row.id.method) == (class, method));
            // More arguments than any method has, all of them empty: who knows the numbers reads them, and leaves the rest.
            let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), &[0; 64]].concat();
            let read = amq_protocol::protocol::parse_class(&payload[..]);
            assert_eq!(read.is_ok(), known, "{class}.{method}");
        }
    }
}

#[test]
fn every_content_header_is_the_oracles_both_ways() {
    for round in 0..20 * ROUNDS {
        let mut source = Source::new(round);
        let properties = source.properties();
        let content = OutgoingContent { properties: properties.as_bytes(), body: &[7; 40] };
        let bytes = ours_written(|to| {
            to.message(CHANNEL, &BasicPublish::default(), content).expect("it fits");
        });
        let mut rest = bytes;
        let frames: Vec<Frame> =
            std::iter::from_fn(|| Frame::take(&mut rest, FrameMax::DEFAULT).expect("it is our own"))
                .collect();
        assert_eq!(frames.len(), 3);
        let header = theirs_read(&whole(&frames[1]));
        compare_properties(&properties.to_list(), &header);
        let again = ours_read(&theirs_written(&header));
        assert_eq!((again.kind, &again.payload), (FrameKind::Header, &frames[1].payload));
        assert_eq!(ContentHeader::decode(&again.payload).expect("it is right").properties, properties);
        let AMQPFrame::Body(7, body) = theirs_read(&whole(&frames[2])) else { panic!("another frame") };
        assert_eq!(body, [7; 40]);
    }
}

fn compare_properties(ours: &PropertyList, theirs: &AMQPFrame) {
    let AMQPFrame::Header(7, theirs) = theirs else { panic!("another frame: {theirs:?}") };
    assert_eq!((theirs.class_id, theirs.body_size), (60, 40));
    let theirs = &theirs.properties;
    let text =
        |ours: &Option<crate::wire::ShortStr>| ours.as_ref().map(|text| text.as_str().unwrap().to_string());
    macro_rules! texts {
        ($($name:ident),*) => {$(
            assert_eq!(theirs.$name().as_ref().map(ToString::to_string), text(&ours.$name), stringify!($name));
        )*};
    }
    texts!(
        content_type,
        content_encoding,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        kind,
        user_id,
        app_id,
        cluster_id
    );
    same(theirs.delivery_mode(), &ours.delivery_mode);
    same(theirs.priority(), &ours.priority);
    same(theirs.timestamp(), &ours.timestamp);
    assert_eq!(theirs.headers().is_some(), ours.headers.is_some());
}

fn same<T: PartialEq + Debug>(theirs: &Option<T>, ours: &Option<T>) {
    assert_eq!(theirs, ours);
}

/// All bytes of a frame.
fn whole(frame: &Frame) -> Vec<u8> {
    let length = u32::try_from(frame.payload.len()).expect("it is short").to_be_bytes();
    [&[frame.kind.octet()][..], &frame.channel.0.to_be_bytes(), &length, &frame.payload, &[0xce]].concat()
}
