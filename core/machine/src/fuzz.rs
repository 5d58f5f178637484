//! Entrances for fuzzers: bytes of any kind must be refused or survive the trip, never panic and never make this crate
//! allocate much more than they are long.

use bytes::Bytes;

use crate::{Effects, Machine, Meta, SectionKind, decode_commands, encode_commands};

/// Decodes `data` as commands; what can be decoded survives encoding, and can be applied without a panic.
pub fn commands(data: &[u8]) {
    let Ok(commands) = decode_commands(data) else { return };
    let again = decode_commands(&encode_commands(&commands));
    assert_eq!(again.as_ref(), Ok(&commands), "encoding and decoding lost something");
    let mut machine = Machine::new(forebay_model::ShardId(0));
    let mut effects = Effects::default();
    for command in commands {
        if machine.apply(Meta::default(), command, &mut effects).is_err() {
            return;
        }
    }
}

/// Decodes `data` as a checkpoint: sections of u32 little-endian kind, u32 little-endian length, bytes. What can be decoded is
/// a state that gives the same bytes after another trip.
pub fn checkpoint(data: &[u8]) {
    let Ok(machine) = Machine::decode_checkpoint(&split(data)) else { return };
    let bytes = machine.encode_checkpoint();
    let again = Machine::decode_checkpoint(&bytes).expect("what was encoded can be decoded");
    assert_eq!(again.encode_checkpoint(), bytes, "encoding and decoding lost something");
}

/// The input of [`checkpoint`] from real sections: the seed of a corpus.
pub fn join(sections: &[(SectionKind, Bytes)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, bytes) in sections {
        out.extend_from_slice(&kind.0.to_le_bytes());
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

fn split(mut data: &[u8]) -> Vec<(SectionKind, Bytes)> {
    let mut sections = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<8>() {
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (bytes, rest) = rest.split_at(rest.len().min(number(4) as usize));
        sections.push((SectionKind(number(0)), Bytes::copy_from_slice(bytes)));
        data = rest;
    }
    sections
}
