//! What is written is read as the same.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::sample::Source;
use crate::wire::method::samples;
use crate::wire::table::Table;
use crate::wire::{
    Assembly, ChannelId, Command, Content, FrameMax, FrameWriter, Intake, METHODS, Method, OutgoingContent,
    Progress, Properties, WireMethod, fuzz,
};

const CHANNEL: ChannelId = ChannelId(9);

/// Commands written in frames of some size, and their bytes.
fn written(commands: &[Command], frame_max: FrameMax) -> Bytes {
    let mut out = BytesMut::new();
    let mut writer = FrameWriter::new(&mut out, frame_max);
    for command in commands {
        let done = match command {
            Command::Plain(method) => writer.method(CHANNEL, method),
            Command::WithContent(method, content) => {
                let raw = content.properties.as_bytes();
                writer.message(CHANNEL, method, OutgoingContent { properties: raw, body: &content.body })
            }
        };
        done.expect("it fits");
        writer.heartbeat();
    }
    out.freeze()
}

/// Commands read from a stream that comes in pieces.
fn read(stream: &[u8], piece: usize, frame_max: FrameMax) -> Vec<Command> {
    let (mut intake, mut assembly, mut commands) = (Intake::new(frame_max), Assembly::default(), Vec::new());
    for piece in stream.chunks(piece) {
        intake.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = intake.frame().expect("it is our own") {
            if let Progress::Done(command) = assembly.take(&frame).expect("it is our own") {
                commands.push(command);
            }
        }
    }
    assert!(assembly.is_empty());
    commands
}

fn command(method: Method, source: &mut Source, body: usize) -> Command {
    if method.info().carries_content {
        let body = (0..body).map(|_| source.number() as u8).collect();
        Command::WithContent(method, Content { properties: source.properties(), body })
    } else {
        Command::Plain(method)
    }
}

#[test]
fn the_table_is_complete_and_in_order() {
    assert_eq!(METHODS.len(), 66);
    assert!(METHODS.is_sorted_by(|a, b| a.id < b.id), "rows stand in the order of their numbers");
    let with_content: Vec<&str> =
        METHODS.iter().filter(|row| row.carries_content).map(|row| row.name).collect();
    assert_eq!(with_content, ["basic.publish", "basic.return", "basic.deliver", "basic.get-ok"]);
    let rows: Vec<_> = samples(&mut Source::new(1)).iter().map(WireMethod::info).collect();
    assert_eq!(rows, METHODS);
}

#[test]
fn a_method_cut_short_or_made_longer_is_refused() {
    for seed in 0..20 {
        for method in samples(&mut Source::new(seed)) {
            let whole = written(&[Command::Plain(method.clone())], FrameMax::DEFAULT);
            // Behind it stands its end, and a heartbeat of eight bytes.
            let payload = whole.slice(7..whole.len() - 9);
            assert_eq!(Method::decode(&payload), Ok(method));
            for length in 0..payload.len() {
                assert!(Method::decode(&payload.slice(..length)).is_err(), "{length} of {payload:?}");
            }
            let longer = Bytes::from([&payload[..], &[0]].concat());
            assert!(Method::decode(&longer).is_err());
        }
    }
}

proptest! {
    #[test]
    fn every_method_and_message_comes_back(
        seed in any::<u64>(), body in 0_usize..20_000, piece in 1_usize..9_000, frame_max in 4_096_u32..20_000
    ) {
        let mut source = Source::new(seed);
        let frame_max = FrameMax::new(frame_max).expect("it is large enough");
        let methods = samples(&mut source);
        let commands: Vec<Command> =
            methods.into_iter().map(|method| command(method, &mut source, body)).collect();
        let stream = written(&commands, frame_max);
        prop_assert_eq!(read(&stream, piece, frame_max), commands);
    }

    #[test]
    fn tables_and_properties_come_back(seed in any::<u64>()) {
        let mut source = Source::new(seed);
        let table = source.table();
        prop_assert_eq!(Table::parse(table.as_bytes().clone()), Ok(table.clone()));
        let properties = source.properties();
        prop_assert_eq!(Properties::parse(properties.as_bytes().clone()), Ok(properties.clone()));
        prop_assert_eq!(properties.to_list().encode(), properties.clone());
        fuzz::fuzz_table(table.as_bytes());
        fuzz::fuzz_properties(properties.as_bytes());
    }

    #[test]
    fn any_bytes_do_no_harm(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz::fuzz_stream(&data);
        fuzz::fuzz_stream(&[b"AMQP\x00\x00\x09\x01", &data[..]].concat());
        fuzz::fuzz_table(&data);
        fuzz::fuzz_properties(&data);
    }

    #[test]
    fn broken_streams_do_no_harm(seed in any::<u64>(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut source = Source::new(seed);
        let commands: Vec<Command> =
            samples(&mut source).into_iter().map(|method| command(method, &mut Source::new(seed), 50)).collect();
        let stream = written(&commands, FrameMax::DEFAULT);
        let mut stream = [b"AMQP\x00\x00\x09\x01", &stream[..]].concat();
        let at = at.index(stream.len());
        stream[at] = octet;
        fuzz::fuzz_stream(&stream);
    }
}
