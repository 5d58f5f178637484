//! Entry points for fuzzers. Whatever the bytes, none of them panics for the bytes' sake or takes memory that nobody sent; what
//! is read must be written, and read as the same again, or the function panics to say so.

use bytes::{Bytes, BytesMut};

use super::assembly::{Assembly, Progress};
use super::content::Command;
use super::error::DecodeError;
use super::frame::Frame;
use super::frame_writer::{FrameWriter, OutgoingContent};
use super::intake::Intake;
use super::numbers::{ChannelId, FrameMax};
use super::properties::Properties;
use super::protocol_header::ProtocolMismatch;
use super::table::{ArrayBuilder, Table, TableBuilder, Value};

/// What a stream comes to: its commands, and why it ended before its end.
type Read = (Vec<Command>, Option<End>);

/// Why a stream cannot be read on.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Mismatch(ProtocolMismatch),
    Wrong(DecodeError),
}

/// Takes `data` for what one side of a connection sends on its only channel, as it arrives whole and byte by byte, and writes
/// what it read.
///
/// # Panics
/// When the two ways differ, or a command that was read cannot be written, or reads differently then.
pub fn fuzz_stream(data: &[u8]) {
    let whole = read([data].into_iter());
    let dripped = read(data.chunks(1));
    assert_eq!(whole, dripped);
    for command in &whole.0 {
        write_and_read(command);
    }
}

fn read<'d>(pieces: impl Iterator<Item = &'d [u8]>) -> Read {
    let mut intake = Intake::new(FrameMax::DEFAULT);
    let (mut greeted, mut assembly, mut commands) = (false, Assembly::default(), Vec::new());
    for piece in pieces {
        intake.push(Bytes::copy_from_slice(piece));
        if !greeted {
            match intake.protocol_header() {
                Ok(version) => greeted = version.is_some(),
                Err(mismatch) => return (commands, Some(End::Mismatch(mismatch))),
            }
        }
        if greeted && let Err(wrong) = read_frames(&mut intake, &mut assembly, &mut commands) {
            return (commands, Some(End::Wrong(wrong)));
        }
    }
    (commands, None)
}

fn read_frames(
    intake: &mut Intake,
    assembly: &mut Assembly,
    commands: &mut Vec<Command>,
) -> Result<(), DecodeError> {
    while let Some(frame) = intake.frame()? {
        if let Progress::Done(command) = assembly.take(&frame)? {
            commands.push(command);
        }
    }
    Ok(())
}

/// A channel on which everything may be said.
const CHANNEL: ChannelId = ChannelId(1);

fn write_and_read(command: &Command) {
    let mut out = BytesMut::new();
    // Its client may have gone beyond what was agreed, by what is forgiven.
    let frame_max = FrameMax::new(2 * FrameMax::DEFAULT.bytes()).expect("it is more than the least");
    let mut writer = FrameWriter::new(&mut out, frame_max);
    let written = match command {
        Command::Plain(method) => writer.method(CHANNEL, method),
        Command::WithContent(method, content) => {
            let outgoing = OutgoingContent { properties: content.properties.as_bytes(), body: &content.body };
            let _ = format!("{:?}", content.properties);
            assert_eq!(content.properties.to_list().encode().to_list(), content.properties.to_list());
            writer.message(CHANNEL, method, outgoing)
        }
    };
    written.expect("what was read can be written");
    let (mut stream, mut assembly, mut again) = (out.freeze(), Assembly::default(), None);
    while let Some(frame) = Frame::take(&mut stream, frame_max).expect("it is our own") {
        if let Progress::Done(command) = assembly.take(&frame).expect("it is our own") {
            again = Some(command);
        }
    }
    assert_eq!(again.as_ref(), Some(command));
}

/// Takes `data` for a field table.
///
/// # Panics
/// When a table that was read cannot be built anew, or reads differently then.
pub fn fuzz_table(data: &[u8]) {
    let Ok(table) = Table::parse(Bytes::copy_from_slice(data)) else { return };
    let again = rebuilt(table.view());
    assert_eq!(format!("{again:?}"), format!("{table:?}"));
    assert_eq!(again.as_bytes().len(), table.as_bytes().len());
    for (name, _) in table.fields() {
        let found = std::str::from_utf8(name).map(|name| table.get(name).is_some());
        assert_ne!(found, Ok(false), "each field is found by its name");
    }
}

/// The same, put together field by field, as deep as it goes: the check has bounded that.
fn rebuilt(table: super::table::TableView<'_>) -> Table {
    let builder = table.fields().fold(TableBuilder::new(), |builder, (name, value)| match value {
        Value::Table(inner) => builder.put_raw(name, Value::Table(rebuilt(inner).view())),
        Value::Array(items) => {
            let array = items.items().fold(ArrayBuilder::new(), ArrayBuilder::put);
            builder.put_raw(name, Value::Array(array.finish().expect("what was read can be built").view()))
        }
        plain => builder.put_raw(name, plain),
    });
    builder.finish().expect("what was read can be built")
}

/// Takes `data` for the properties of a message.
///
/// # Panics
/// When properties that were read cannot be written, or read differently then.
pub fn fuzz_properties(data: &[u8]) {
    let Ok(properties) = Properties::parse(Bytes::copy_from_slice(data)) else { return };
    let again = properties.to_list().encode();
    assert_eq!(again, properties, "they have one form only");
    let _ = format!("{properties:?}");
}
