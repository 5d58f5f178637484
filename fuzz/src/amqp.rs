//! Recorded AMQP connections: `protocols/amqp091/tests/wire/*.txt`, frame by frame, whose right columns that crate's own test keeps.
//!
//! ```text
//! # who tells what
//! >
//! 41 4d 51 50 00 00 09 01 | V0_9_1
//! <
//! 01 00 00 00 00 01 c7 00 | what it says
//! 78 * 400                | that octet so many times
//! ```

use std::fs;
use std::path::Path;

use forebay_amqp091::wire::{ContentHeader, Frame, FrameKind, FrameMax, PROTOCOL_HEADER};

/// A frame, and who said it: `>` a client, `<` the server.
struct Said {
    side: char,
    frame: Frame,
    bytes: Vec<u8>,
}

/// What each side says on each channel, a connection whole.
pub fn streams() -> Vec<Vec<u8>> {
    let mut streams = Vec::new();
    for recording in recordings() {
        let mut voices: Vec<_> = recording.iter().map(|said| (said.side, said.frame.channel)).collect();
        voices.sort();
        voices.dedup();
        for voice in voices {
            let said = recording.iter().filter(|said| (said.side, said.frame.channel) == voice);
            let frames: Vec<u8> = said.flat_map(|said| said.bytes.clone()).collect();
            streams.push([&PROTOCOL_HEADER[..], &frames].concat());
        }
    }
    streams
}

/// The properties of all messages.
pub fn properties() -> Vec<Vec<u8>> {
    headers().into_iter().map(|header| header.properties.as_bytes().to_vec()).collect()
}

/// Their headers.
pub fn tables() -> Vec<Vec<u8>> {
    let tables = headers().into_iter().filter_map(|header| header.properties.header_table());
    tables.map(|table| table.as_bytes().to_vec()).collect()
}

fn headers() -> Vec<ContentHeader> {
    let said = recordings().into_iter().flatten().filter(|said| said.frame.kind == FrameKind::Header);
    said.map(|said| ContentHeader::decode(&said.frame.payload).expect("that crate's test has read it"))
        .collect()
}

/// Recordings are part of this repository and held by a test of their own: one that cannot be read is a bug.
fn recordings() -> Vec<Vec<Said>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols/amqp091/tests/wire");
    let listed = fs::read_dir(folder).expect("the recordings are here");
    let mut paths: Vec<_> = listed.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    paths.iter().map(|path| parse(&fs::read_to_string(path).expect("it can be read"))).collect()
}

fn parse(text: &str) -> Vec<Said> {
    let mut pieces: Vec<(char, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        match line.chars().next() {
            Some('#') => {}
            Some(side @ ('>' | '<')) => pieces.push((side, Vec::new())),
            _ => {
                let hex = line.split('|').next().expect("a split has a first part");
                pieces.last_mut().expect("bytes are somebody's").1.extend(bytes_of(hex));
            }
        }
    }
    pieces.into_iter().filter(|(_, bytes)| *bytes != PROTOCOL_HEADER).map(said).collect()
}

fn said((side, bytes): (char, Vec<u8>)) -> Said {
    let frame =
        Frame::take(&mut bytes.clone().into(), FrameMax::DEFAULT).expect("that crate's test has read it");
    Said { side, frame: frame.expect("it is whole"), bytes }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let octet = |word: &str| u8::from_str_radix(word, 16).expect("it is hexadecimal");
    match hex.split_once('*') {
        Some((word, times)) => vec![octet(word.trim()); times.trim().parse().expect("it is a number")],
        None => hex.split_whitespace().map(octet).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_with_its_runs_and_without_its_right_side() {
        let text =
            "# about\n>\n41 4d 51 50 00 00 09 01 | header\n<\n03 00 01 00 00 00 46 00 | 99\n78 * 69\nce\n";
        let said = parse(text);
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].side, said[0].frame.payload.len()), ('<', 70));
    }

    #[test]
    fn every_part_of_the_recordings_is_found() {
        assert!(streams().len() >= 8 && properties().len() >= 8 && tables().len() >= 4);
    }
}
